"""Names and globs find their columns, whatever signs they hold; columns that resemble labels are noticed."""

import polars as pl
import pytest

from manyhot.data.readers import ReadOptions, read
from manyhot.data.readers.label_columns import label_like_columns, match_columns, split_names
from manyhot.errors import InputError

COLUMNS = ["x", "Is it toxic?", "Is it spam?", "score [0-5]", "a, b", "mood_sad", "mood_fast", "genre_pop", "c*"]

# what is written: the columns
CHOICES = {
    "Is it toxic?": ["Is it toxic?"],
    "Is it toxic?,Is it spam?": ["Is it toxic?", "Is it spam?"],
    "Is it ?????": ["Is it spam?"],
    "score [0-5]": ["score [0-5]"],
    "score [0-5],x": ["score [0-5]", "x"],
    "score [*": ["score [0-5]"],
    "a, b": ["a, b"],
    '"a, b",x': ["a, b", "x"],
    "x, 'a, b'": ["x", "a, b"],
    "a, *": ["a, b"],
    "mood_*,genre_*": ["mood_sad", "mood_fast", "genre_pop"],
    "genre_*, mood_sad": ["genre_pop", "mood_sad"],
    "mood_fast,mood_*": ["mood_fast", "mood_sad"],
    "c*": ["c*"],
    "[mg]*_[sp]*": ["mood_sad", "genre_pop"],
}


@pytest.mark.parametrize("text", CHOICES)
def test_names_and_globs_find_their_columns(text):
    assert list(match_columns(text, COLUMNS, "labels")) == CHOICES[text]


# what is written: words of the refusal
REFUSED = {
    "mood_sat": "no column 'mood_sat'; did you mean 'mood_sad'?",
    "mood_*,sat_*": "no column matches 'sat_*'",
    "x,mood_sat": "no column 'mood_sat'",
    "x,x": "'x' is listed more than once",
    "x,b": """no column 'b'; write a name with a comma in quotes: '"a, b"'""",
    ",": "empty list",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_column_is_refused(text):
    with pytest.raises(InputError, match="labels") as refusal:
        match_columns(text, COLUMNS, "labels")
    assert REFUSED[text] in str(refusal.value)


def test_what_is_no_column_may_be_left_out():
    assert match_columns("x,nothing,none_*", COLUMNS, "labels", is_strict=False) == ("x",)


def test_quotes_inside_a_name_stay():
    assert split_names("5\" pipe, it's") == ['5" pipe', "it's"]


# label columns: the others, all of 0 and 1 but x, which ones look like labels
ALIKE = {
    ("mood_sad",): (["x", "mood_fast", "is_new"], ["mood_fast"]),
    ("y1", "y2"): (["y3", "x", "yes", "y10"], ["y3", "y10"]),
    ("tag.rock.hard", "tag.rock.soft"): (["tag.pop", "tag.rock.slow"], ["tag.rock.slow"]),
    ("isSad", "isNew"): (["isOld", "island"], ["isOld"]),
    ("rain_flag", "snow_flag"): (["hail_flag", "flag_rain"], ["hail_flag"]),
    ("mood_sad", "genre_pop"): (["mood_fast", "genre_rock", "new"], ["mood_fast", "genre_rock"]),
    ("toxic", "insult"): (["threat", "x"], ["threat"]),
    ("toxic",): (["threat"], []),
}


@pytest.mark.parametrize("labels", ALIKE)
def test_columns_like_the_labels_are_found(labels):
    others, expected = ALIKE[labels]
    frame = pl.DataFrame({name: ["0", "1", "?"] for name in [*labels, *others]})
    frame = frame.with_columns(pl.Series("x", ["0", "1", "2"])) if "x" in others else frame
    assert list(label_like_columns(frame, labels)) == expected


@pytest.fixture
def table(tmp_path):
    (tmp_path / "t.csv").write_text(
        '"x, y",z,mood_sad,mood_fast,mood_old\n' + "".join(f"{i},{i % 7},{i % 2},{i % 3 % 2},1\n" for i in range(12))
    )
    return tmp_path / "t.csv"


def test_a_label_that_stays_among_the_features_is_noted(table):
    notes = " ".join(read(table, ReadOptions(labels="mood_sad")).notes)
    assert "look like further labels are used as features: mood_fast;" in notes  # mood_old is always 1 and left out
    for options in (ReadOptions(labels="mood_*"), ReadOptions(labels="mood_sad", drop="mood_fast,mood_old")):
        assert "further labels" not in " ".join(read(table, options).notes)
    known = ReadOptions(labels="mood_sad", known_labels=("mood_sad",))
    assert "further labels" not in " ".join(read(table, known).notes)


def test_dropped_columns_are_neither_features_nor_labels(table):
    samples = read(table, ReadOptions(labels="mood_*", drop='mood_old,"x, y"'))
    assert list(samples.feature_names) == ["z"]
    assert samples.labels.names == ("mood_sad", "mood_fast")
    assert any("left out, as `drop` says: mood_old, x, y" in note for note in samples.notes)
    with pytest.raises(InputError, match="did you mean 'mood_old'"):
        read(table, ReadOptions(labels="mood_*", drop="mood_cold"))


def test_a_quoted_name_with_a_comma_holds_label_sets(tmp_path):
    (tmp_path / "s.csv").write_text('x,"what, then"\n1,a|b\n2,b\n3,a\n')
    samples = read(tmp_path / "s.csv", ReadOptions(labels='"what, then"', sep="|"))
    assert samples.labels.names == ("a", "b")


def test_columns_of_a_sparse_file_are_dropped(tmp_path):
    rows = "@relation r\n@attribute a numeric\n@attribute b numeric\n@attribute y1 {0,1}\n@attribute y2 {0,1}\n@data\n"
    (tmp_path / "s.arff").write_text(rows + "{0 2,2 1}\n{1 3,3 1}\n{0 1,1 1}\n")
    samples = read(tmp_path / "s.arff", ReadOptions(labels="y*", drop="a,y2"))
    assert list(samples.feature_names) == ["b"]
    assert samples.labels.names == ("y1",)
    assert samples.features.toarray().tolist() == [[0], [3], [1]]
    assert read(tmp_path / "s.arff", ReadOptions(labels="y*", drop="a,b")).features.shape == (3, 0)


def test_a_feature_column_that_a_model_needs_is_named(table):
    kinds = {"z": "numeric", "zeal": "numeric", "note": "ignored"}
    options = ReadOptions(known_labels=("mood_sad",), column_types=kinds, require_labels=False)
    with pytest.raises(InputError, match="the feature column of training 'zeal' is missing") as refusal:
        read(table, options)
    assert "column_types" not in str(refusal.value)
