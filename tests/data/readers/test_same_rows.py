"""The same rows from CSV (indicators or label sets), Parquet, JSONL and Arrow are the same Samples."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from manyhot.data.readers import ReadOptions, read

LABELS = ("quiet", "sad", "angry")
WORD = (
    st.text(alphabet="abcdeXYZ ,;\"'|\nüß", min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda word: word and word not in ("?",))
)
NUMBER = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=64), st.integers(-9, 9).map(float))
ROW = st.fixed_dictionaries(
    {
        "size": NUMBER,
        "count": st.one_of(st.none(), st.integers(-(2**40), 2**40)),
        "flag": st.one_of(st.none(), st.booleans()),
        "word": st.one_of(st.none(), st.sampled_from(["red", "green", "NA", "dark blue", 'a "quoted", one'])),
        "text": st.one_of(st.none(), WORD),
    }
)
TARGET = st.one_of(st.none(), st.sets(st.sampled_from(LABELS)))


def writings(folder: Path, frame: pl.DataFrame, sets: list[set[str] | None]) -> dict[str, tuple[Path, ReadOptions]]:
    columns = {n: [None if s is None else int(n in s) for s in sets] for n in LABELS}
    indicators = frame.with_columns(pl.Series(n, c, dtype=pl.Int8) for n, c in columns.items())
    joined = pl.Series("moods", ["?" if s is None else "|".join(sorted(s)) for s in sets], dtype=pl.String)
    lists = pl.Series("moods", [None if s is None else sorted(s) for s in sets], dtype=pl.List(pl.String))
    by_name = ReadOptions(labels=",".join(LABELS), id_column="song")
    by_text = ReadOptions(labels="moods", sep="|", label_order=LABELS, id_column="song")
    by_list = ReadOptions(labels="moods", label_order=LABELS, id_column="song")
    indicators.write_csv(folder / "a.csv")
    indicators.write_csv(folder / "a.tsv", separator="\t", null_value="?")
    frame.with_columns(joined).write_csv(folder / "b.csv")
    frame.with_columns(joined).write_csv(folder / "b.csv.zst", compression="zstd")
    indicators.write_parquet(folder / "a.parquet")
    frame.with_columns(lists).write_parquet(folder / "b.parquet")
    frame.with_columns(lists).write_ndjson(folder / "b.jsonl")
    frame.with_columns(lists).write_ndjson(folder / "b.jsonl.zst", compression="zstd")
    frame.with_columns(lists).write_ipc(folder / "b.feather")
    indicators.write_ipc_stream(folder / "a.arrows")
    options = {"a": by_name, "b.csv": by_text, "b": by_list}
    return {
        path.name: (path, options["b.csv" if ".csv" in path.name and path.name[0] == "b" else path.name[0]])
        for path in sorted(folder.iterdir())
    }


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(ROW, TARGET), min_size=1, max_size=25))
def test_the_same_rows_are_the_same_samples(rows):
    schema = {"song": pl.Int64, "size": pl.Float64, "count": pl.Int64, "flag": pl.Boolean}
    records = [{"song": i * 7, **features} for i, (features, _) in enumerate(rows)]
    frame = pl.DataFrame(records, schema={**schema, "word": pl.String, "text": pl.String})
    sets = [target for _, target in rows]
    with tempfile.TemporaryDirectory() as folder:
        found = {name: read(*case) for name, case in writings(Path(folder), frame, sets).items()}
    assert len(found) == 10
    first = found["a.parquet"]
    assert first.ids.tolist() == [str(i * 7) for i in range(len(rows))]
    for i, target in enumerate(sets):
        assert first.targets.known_mask()[i].all() == (target is not None)
        assert {n for n, yes in zip(LABELS, first.targets.values[i], strict=True) if yes} == (target or set())
    for name, samples in found.items():
        assert samples.labels.names == LABELS, name
        assert dict(samples.column_types) == dict(first.column_types), name
        assert samples.feature_names == first.feature_names, name
        assert_frame_equal(samples.features, first.features, check_exact=True)
        np.testing.assert_array_equal(samples.targets.values, first.targets.values, err_msg=name)
        np.testing.assert_array_equal(samples.targets.known_mask(), first.targets.known_mask(), err_msg=name)
        np.testing.assert_array_equal(samples.ids, first.ids, err_msg=name)
