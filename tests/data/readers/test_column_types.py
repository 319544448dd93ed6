"""What inspection makes of columns, and what labels do to them."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_series_equal

from manyhot.data.readers import ReadOptions, infer_column_types, read
from manyhot.data.readers.column_types import cast_column, inspect_columns
from manyhot.data.readers.columns import coerce_column
from manyhot.errors import InputError

N = 40
SENTENCE = "a sentence that is long enough to be free text, number {}"
COLUMNS = {
    "numeric": [i / 3 for i in range(N)],
    "counts": list(range(N)),
    "numbers as text": [str(i / 2) if i % 5 else "NA" for i in range(N)],
    "zero one": [i % 2 for i in range(N)],
    "zero one, gaps": [None if i % 3 == 0 else i % 2 for i in range(N)],
    "bool": [i % 2 == 0 for i in range(N)],
    "bool as text": ["True" if i % 2 else "false" for i in range(N)],
    "levels": [("red", "green", "blue")[i % 3] for i in range(N)],
    "30 levels": [f"level {i % 30 % 15}" for i in range(N)],
    "song_id": [i * 3 for i in range(N)],
    "songId": [f"s{i}" for i in range(N)],
    "said": [i * 3 for i in range(N)],
    "musical_key": [("C", "D", "E")[i % 3] for i in range(N)],
    "words, all different": [f"w{i}x" for i in range(N)],
    "text": [SENTENCE.format(i) for i in range(N)],
    "path": [f"photos/{i}.JPG" for i in range(N)],
    "constant": ["x"] * N,
    "constant, gaps": ["x" if i % 2 else None for i in range(N)],
    "empty": [None] * N,
    "nan": [float("nan")] * N,
    "date": [date(2024, 1, 1 + i % 28) for i in range(N)],
    "date as text": [f"2024-01-{1 + i % 28:02}T10:00:00Z" for i in range(N)],
    "list": [[i] for i in range(N)],
    "struct": [{"a": i} for i in range(N)],
}
EXPECTED = {
    "numeric": "numeric",
    "counts": "numeric",
    "numbers as text": "numeric",
    "zero one": "boolean",
    "zero one, gaps": "boolean",
    "bool": "boolean",
    "bool as text": "boolean",
    "levels": "categorical",
    "30 levels": "categorical",
    "song_id": "id",
    "songId": "id",
    "said": "numeric",
    "musical_key": "categorical",
    "words, all different": "id",
    "text": "text",
    "path": "image",
    "constant": "ignored",
    "constant, gaps": "categorical",
    "empty": "ignored",
    "nan": "ignored",
    "date": "ignored",
    "date as text": "ignored",
    "list": "ignored",
    "struct": "ignored",
}


def test_every_sort_of_column():
    assert infer_column_types(pl.DataFrame(COLUMNS)) == EXPECTED


def test_one_row_is_not_constant_and_few_rows_are_not_ids():
    assert infer_column_types(pl.DataFrame({"a": [2.5], "b": ["x"]})) == {"a": "numeric", "b": "categorical"}
    assert infer_column_types(pl.DataFrame({"b": ["x", "y", "z"]})) == {"b": "categorical"}


def test_overrides_go_before_inspection():
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x"] * 3})
    assert infer_column_types(frame, {"a": "categorical", "b": "text"}) == {"a": "categorical", "b": "text"}
    with pytest.raises(InputError, match="did you mean 'a1'"):
        infer_column_types(frame.rename({"a": "a1"}), {"a_1": "numeric"})
    with pytest.raises(InputError, match="did you mean 'numeric'"):
        infer_column_types(frame, {"a": "numerik"})


def test_what_becomes_of_the_columns(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({**COLUMNS, "y": [i % 2 for i in range(N)]}).write_parquet(path)
    column_types = {"counts": "categorical", "date as text": "text"}
    samples = read(path, ReadOptions(labels="y", column_types=column_types, on_bad_image="skip"))
    left_out = {"song_id", "songId", "words, all different", "list", "struct", "y"}
    assert set(samples.feature_names) == {*COLUMNS} - left_out
    assert samples.ids[:2].tolist() == ["0", "3"]
    types = dict(zip(samples.features.columns, samples.features.dtypes, strict=True))
    by_kind = {"numeric": pl.Float64, "boolean": pl.Boolean, "categorical": pl.String, "text": pl.String}
    for name in samples.feature_names:
        if samples.column_types[name] in by_kind:
            assert types[name] == by_kind[samples.column_types[name]], name
    assert samples.features["counts"][:2].to_list() == ["0", "1"]
    assert samples.features["numbers as text"][:3].to_list() == [None, 0.5, 1.0]
    assert samples.features["zero one, gaps"][:3].to_list() == [None, True, False]
    text = " / ".join(samples.notes)
    for words in (
        "the same value in every row: constant",
        "empty in every row: empty, nan",
        "dates",
        "nested",
        "song_id",
    ):
        assert words in text


def test_large_whole_ids_keep_every_digit(tmp_path):
    ids = [2**60 + i for i in range(3)]
    pl.DataFrame({"id": ids, "a": [1.5, 2, 3], "y": [0, 1, 0]}).write_csv(tmp_path / "a.csv")
    assert read(tmp_path / "a.csv", ReadOptions(labels="y")).ids.tolist() == [str(i) for i in ids]


def test_csv_details(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbf,size;x,note,y\r\n0,1,"a, ""b""\nc",1\r\n\r\n1,2.5,5" wide,0\r\n7,-1e3,?,?\r\n')
    samples = read(path, ReadOptions(labels="y"))
    assert samples.feature_names == ("size;x", "note")
    assert samples.features.rows() == [(1.0, 'a, "b"\nc'), (2.5, '5" wide'), (-1000.0, None)]
    assert samples.ids.tolist() == ["0", "1", "7"]
    assert samples.targets.known.tolist() == [[True], [True], [False]]
    path.write_text("a;b;y\n1,5;x;1\n2;z, w;0\n")
    semicolons = read(path, ReadOptions(labels="y"))
    assert semicolons.features.rows() == [(1.5, "x"), (2.0, "z, w")]
    path.write_text("1,x\n2,y\n")
    headless = read(path, ReadOptions(labels="column_2", label_order=("y", "x"), sep="|", header=False))
    assert headless.targets.values.tolist() == [[False, True], [True, False]]


def test_targets_in_the_forms_people_write(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,y1,y2,y3\n1,1,true,YES\n2,0,False,no\n3,?,,1.0\n4,NA,null,0.0\n")
    samples = read(path, ReadOptions(labels="y*"))
    assert samples.targets.values.tolist() == [[True] * 3, [False] * 3, [False, False, True], [False] * 3]
    assert samples.targets.known.tolist() == [[True] * 3, [True] * 3, [False, False, True], [False, False, True]]
    one = read(path, ReadOptions(labels="y1", require_labels=True))
    assert one.labels.names == ("y1",)
    listed = read(path, ReadOptions(labels="y3, y1"))
    assert listed.labels.names == ("y3", "y1")
    assert listed.feature_names == ("a", "y2")


def test_a_known_label_column_that_is_missing_is_unknown(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,y\n1.5,1\n2,0\n")
    samples = read(path, ReadOptions(known_labels=("w", "y")))
    np.testing.assert_array_equal(samples.targets.known, [[False, True], [False, True]])
    assert samples.targets.values.tolist() == [[False, True], [False, False]]
    assert any("unknown in every row" in note and "w" in note for note in samples.notes)


def test_prediction_needs_no_labels_and_never_uses_them_as_features(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,tags\n1.5,x\n2,y\n")
    for labels in ("moods", "mood_*", "m,n", None):
        samples = read(path, ReadOptions(labels=labels, known_labels=("m", "n"), require_labels=False))
        assert samples.targets is None
        assert samples.feature_names == ("a", "tags")
    path.write_text("a,m,n\n1.5,0.3,0.9\n2,1,0\n")
    samples = read(path, ReadOptions(labels="moods", known_labels=("m", "n"), require_labels=False))
    assert samples.feature_names == ("a",)
    wanted = ReadOptions(labels="moods", known_labels=("m", "n"))
    with pytest.raises(InputError, match="there is no column 'moods'"):
        read(path, wanted)


def test_unseen_names_in_label_sets(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,t\n1,x|z\n2,z|y\n3,\n4,?\n")
    options = {"labels": "t", "sep": "|", "known_labels": ("y", "x")}
    report = read(path, ReadOptions(**options, unknown_labels="report"))
    assert report.targets.values.tolist() == [[False, True], [True, False], [False, False], [False, False]]
    assert report.targets.known[:, 0].tolist() == [True, True, True, False]
    assert any("'z'" in note and "2 rows" in note for note in report.notes)
    ignore = read(path, ReadOptions(**options, unknown_labels="ignore"))
    assert not any("'z'" in note for note in ignore.notes)


ROWS = 120
OPINIONS = ("快递很慢包装破损", "手机电池不耐用", "客服态度非常好", "价格便宜值得购买")
PEOPLE_WRITE = {
    "one stray cell": ([str(i / 3) if i != 30 else "oops" for i in range(ROWS)], "numeric", "'oops'"),
    "per cent": ([f"{i}.{i:03}%" for i in range(ROWS)], "numeric", "read as numbers in '%'"),
    "dollars": ([f"${1000 + i:,}.50" for i in range(ROWS)], "numeric", "read as numbers in '$'"),
    "weights": ([f"{i}kg" for i in range(ROWS)], "numeric", "read as numbers in 'kg'"),
    "several units": ([f"{i}{('kg', 'g')[i % 2]}" for i in range(ROWS)], "text", "several units (g, kg)"),
    "Chinese": ([f"{OPINIONS[i % 4]}第{i}单" for i in range(ROWS)], "text", "read as text"),
    "pages": ([f"https://example.org/{('sport', 'news')[i % 2]}/{i}" for i in range(ROWS)], "text", "read as text"),
    "molecules": (["C" * (i % 7 + 1) + "N" * (i // 7) + "c1ccccc1" * (i % 2) for i in range(ROWS)], "text", "text"),
    "words": ([f"{'abcdefghij'[i % 10]}{'klmnopqrstuv'[i // 10]}" for i in range(ROWS)], "text", "read as text"),
    "hashes": ([f"{(i * 2654435761) % 2**32:08x}" for i in range(ROWS)], "id", "taken for names of rows"),
    "places": ([f"airport{i:03}" for i in range(ROWS)], "id", "taken for names of rows"),
    "Excel's gaps": (["#N/A" if i % 9 == 0 else str(i / 3) for i in range(ROWS)], "numeric", "'#N/A' counts"),
    "divisions by 0": (["#DIV/0!" if i % 9 == 0 else str(i / 3) for i in range(ROWS)], "numeric", "'#DIV/0!' counts"),
    "Hadoop's gaps": (["\\N" if i % 9 == 0 else str(i / 3) for i in range(ROWS)], "numeric", "counts as missing"),
    "unknown": (["unknown" if i % 9 == 0 else str(i / 3) for i in range(ROWS)], "numeric", "'unknown' counts"),
    "Unnamed: 0": (list(range(ROWS)), "id", ""),
    "German dates": ([f"{1 + i % 28:02}.02.2024" for i in range(ROWS)], "ignored", "dates and times"),
    "clock": ([f"10:{i % 60:02}:00" for i in range(ROWS)], "ignored", "dates and times"),
    "months": ([f"2024-{1 + i % 12:02}" for i in range(ROWS)], "ignored", "dates and times"),
    "spans as text": ([f"{i % 9} days 10:{i % 60:02}:00" for i in range(ROWS)], "ignored", "dates and times"),
    "hours": ([f"{i % 9}h {i % 60}min" for i in range(ROWS)], "ignored", "dates and times"),
    "postal codes": ([("01067", "80331", "20095")[i % 3] for i in range(ROWS)], "categorical", "leading zeros"),
    "user_id": ([i % 7 for i in range(ROWS)], "categorical", "named like ids, read as categories"),
    "patient-id": ([str(i // 2 * 2 + (i % 3 == 0)) for i in range(ROWS)], "ignored", "nearly all different"),
    "heat_index": ([i % 7 for i in range(ROWS)], "numeric", ""),
    "limits": ([f"{'<' if i % 9 == 0 else ''}{i / 4}" for i in range(ROWS)], "numeric", "such as '<0.0', are read"),
    "yes, no, unknown": ([("yes", "no", "unknown")[i % 3] for i in range(ROWS)], "boolean", "'unknown' counts"),
    "colours with gaps": ([("red", "blue", "#N/A")[i % 3] for i in range(ROWS)], "categorical", "'#N/A' counts"),
    "a few sentences": (["快递很慢包装破损客服态度非常好" + OPINIONS[i % 4] + str(i) for i in range(15)], "text", ""),
    "a few words": ([f"{'abcdefghij'[i % 10]}{'kl'[i // 10]}" for i in range(15)], "text", "read as text"),
    "places of a medal": ([("1st", "2nd", "3rd")[i % 3] for i in range(ROWS)], "categorical", ""),
    "spans": ([timedelta(minutes=i) for i in range(ROWS)], "numeric", "read as seconds"),
    "codes": (pl.Series([str(i % 3) for i in range(ROWS)], dtype=pl.Enum(["0", "1", "2"])), "categorical", ""),
    "YES/NO": ([("NO", "YES")[i % 2] for i in range(ROWS)], "boolean", ""),
    "t/f": ([("f", "t")[i % 2] for i in range(ROWS)], "boolean", ""),
    "m/w": ([("m", "w")[i % 2] for i in range(ROWS)], "categorical", ""),
    "mostly t": (["t" if i else None for i in range(ROWS)], "categorical", ""),
}


@pytest.mark.parametrize("name", PEOPLE_WRITE)
def test_what_people_write(name):
    cells, kind, note = PEOPLE_WRITE[name]
    inspection = inspect_columns(pl.DataFrame({name: cells}), {})
    assert inspection.column_types == {name: kind}
    assert note in " / ".join(inspection.notes)
    if kind in ("text", "ignored") and note:
        assert any(name in one for one in inspection.notes)


def test_numbers_in_text_are_read_alike_by_a_known_format(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "p;w;b;y\n" + "".join(f"{i},5 %;{i} kg;{'yn'[i % 2]};{i % 2}\n" for i in range(30)) + "?;oops;y;0\n"
    )
    samples = read(path, ReadOptions(labels="y"))
    assert samples.column_types == {"p": "numeric", "w": "numeric", "b": "boolean"}
    assert samples.features.row(3) == (3.5, 3.0, False)
    assert samples.features.row(30) == (None, None, True)
    path.write_text("p,w,b\n2.5,3,YES\n1.200,oops,off\n")
    known = ReadOptions(column_types=samples.column_types, number_formats=samples.number_formats, require_labels=False)
    assert read(path, known).features.rows() == [(2.5, 3.0, True), (1200.0, None, False)]
    path.write_text("p,w,b\n2,5 g,y\n")
    with pytest.raises(InputError, match="row 1, column 'w': got '5 g', expected a number in 'kg'"):
        read(path, known)


def test_decimal_commas_in_any_delimiter_but_not_in_labels(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('x,y\n"1,5","16,0"\n-,16\nn/a,\n"2,25",0\n')
    samples = read(path, ReadOptions(labels="y", sep=","))
    assert samples.features["x"].to_list() == [1.5, None, None, 2.25]
    assert samples.labels.decode(samples.targets.values) == [{"0", "16"}, {"16"}, set(), {"0"}]
    path.write_text("x;y\n1,5;16,0\n-;16\n")
    samples = read(path, ReadOptions(labels="y", sep=","))
    assert samples.features["x"].to_list() == [1.5, None]
    assert samples.labels.names == ("0", "16")


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("x,z", '1.234,"0,5"', 1234.0),  # another column has a decimal comma
        ("x,z", "1.234,0.5", 1.234),
        ("x,z", "1.234,a", 1.234),
        ("x;z", "1.234;0,5", 1234.0),
        ("x;z", "1.234;0.5", 1.234),  # another column has a decimal point
        ("x;z", "1.234;a", 1234.0),  # the file itself suggests decimal commas, and some cells have no dot
    ],
)
def test_dots_before_three_digits_follow_the_other_columns(tmp_path, header, row, expected):
    path = tmp_path / "a.csv"
    mark = header[1]
    rows = [f"{row}{mark}{i % 2}" for i in range(6)] + [row.replace("1.234", "12").replace("a", "b") + f"{mark}1"]
    path.write_text("\n".join([f"{header}{mark}y", *rows]) + "\n")
    samples = read(path, ReadOptions(labels="y"))
    assert samples.features["x"].to_list() == [expected] * 6 + [12.0]
    assert any("1.234 being 1234: x" in note for note in samples.notes) is (expected == 1234.0)
    path.write_text(f"x{mark}z\n{row.replace('1.234', '2.500')}\n")
    kinds = ReadOptions(column_types=samples.column_types, number_formats=samples.number_formats, require_labels=False)
    assert read(path, kinds).features["x"].to_list() == [2500.0 if expected == 1234.0 else 2.5]


def test_gaps_of_yes_and_no_are_gaps_in_prediction_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("b,c,y\n" + "yes,01067,1\nno,80331,0\nunknown,#N/A,1\n" * 3)
    samples = read(path, ReadOptions(labels="y"))
    assert samples.features.rows()[:3] == [(True, "01067"), (False, "80331"), (None, None)]
    path.write_text("b,c\nyes,80331\nunknown,01067\n")
    kinds = ReadOptions(column_types=samples.column_types, require_labels=False)
    assert read(path, kinds).features.rows() == [(True, "80331"), (None, "01067")]


def test_dates_become_numbers_when_asked_for():
    for cells, numbers in (
        (["2024-01-05", "2024-02-01 "], [19727.0, 19754.0]),
        (["01.02.2024", None], [19754.0, None]),
        (["10:30:00", "11:45:00"], [10.5, 11.75]),
        ([date(2024, 2, 1)], [19754.0]),
        (["2024-02-01T06:00"], [19754.25]),
    ):
        assert coerce_column(pl.Series(cells), "numeric").to_list() == numbers


@pytest.mark.parametrize(
    "name", [name for name, (_, kind, _) in PEOPLE_WRITE.items() if kind in ("numeric", "boolean")]
)
def test_numbers_that_inspection_read_are_those_of_a_second_reading(name):
    column = pl.Series(name, PEOPLE_WRITE[name][0])
    inspection = inspect_columns(column.to_frame(), {})
    kind, number_format = inspection.column_types[name], inspection.number_formats.get(name)
    found = coerce_column(inspection.numbers[name], kind)
    assert_series_equal(found, coerce_column(column, kind, number_format))


@pytest.mark.parametrize("n_plain", [1, 500])
def test_odd_cells_among_plain_numbers(n_plain):
    plain = [str(i) for i in range(n_plain)]
    found = cast_column(pl.Series([*plain, " 7.5 ", "NA", " nan", "NaN", "?", "", None]))
    assert found.to_list() == [*map(float, range(n_plain)), 7.5, None, None, None, None, None, None]
    for stray in ("5 kg", "x", "1,5"):
        assert cast_column(pl.Series([*plain, stray])).dtype == pl.String
    assert cast_column(pl.Series(["NA", "nan"] * n_plain)).to_list() == ["NA", None] * n_plain
