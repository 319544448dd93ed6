"""A row that ends its process is found by its third death, whatever the rows around it."""

import numpy as np
import polars as pl
import pytest

from manyhot.cli.jobs.row_progress import FatalRowError, RowProgress
from manyhot.data.samples import Samples


class Death(BaseException):
    """What SIGKILL is to a process."""


def chunk(n_rows, first_row):
    numbers = np.arange(first_row, first_row + n_rows)
    return Samples(pl.DataFrame({"x": numbers}), ["x"], {"x": "numeric"}, rows=numbers)


class Process:
    """Predicts rows in chunks, dies at some of them, and leaves its notes."""

    def __init__(self, path, fatal, sizes=(100, 100, 50)):
        self.path, self.fatal, self.sizes = path, fatal, sizes
        self.tried = []

    def predict(self, samples, n_before):
        numbers = samples.features["x"].to_list()
        assert numbers[0] == n_before + 1
        self.tried.append(numbers)
        if set(numbers) & self.fatal:
            self.note = self.path.read_bytes()
            raise Death
        return samples.features

    def run(self):
        """The numbers of the rows that were predicted; None where it died."""
        progress = RowProgress(self.path, "a.csv")
        frames, n_before = [], 0
        try:
            for size in self.sizes:
                frames.append(progress.predict(self.predict, chunk(size, n_before + 1), n_before))
                n_before += size
        except Death:
            self.path.write_bytes(self.note)
            return None
        return pl.concat(frames)["x"].to_list()


@pytest.mark.parametrize("row", [1, 7, 100, 101, 155, 200, 250])
def test_the_third_death_names_the_row(tmp_path, row):
    process = Process(tmp_path / "note", {row})
    for n_rows in ((50, 100), (7, 10), (1, 1)):
        assert process.run() is None
        assert n_rows[0] <= len(process.tried[-1]) <= n_rows[1] or len(process.tried[-1]) < 10
    with pytest.raises(FatalRowError, match=rf"a\.csv, row {row}: the process died 3 times"):
        process.run()
    assert sum(row in numbers for numbers in process.tried) == 3
    assert not process.path.exists()


@pytest.mark.parametrize("n_deaths", [1, 2, 3])
def test_every_row_is_predicted_once_after_deaths_that_were_not_its_own(tmp_path, n_deaths):
    process = Process(tmp_path / "note", {155})
    for _ in range(min(n_deaths, 2)):
        assert process.run() is None
    process.fatal = set()
    assert process.run() == list(range(1, 251))
    assert not process.path.exists()


def test_deaths_at_several_places_name_none(tmp_path):
    """A worker that is killed from outside, again and again, gets through."""
    process = Process(tmp_path / "note", set())
    for row in (30, 130, 60, 220, 131, 61, 12):
        process.fatal = {row}
        assert process.run() is None
    process.fatal = set()
    assert process.run() == list(range(1, 251))


def test_rows_that_raise_are_narrowed_down_at_once(tmp_path):
    tried = []

    def predict(samples, n_before):
        numbers = samples.features["x"].to_list()
        tried.append(numbers)
        if 42 in numbers:
            raise ZeroDivisionError("by\nzero")
        return samples.features

    with pytest.raises(FatalRowError, match=r"a\.csv, row 42: cannot be predicted \(ZeroDivisionError: by\)"):
        RowProgress(tmp_path / "note", "a.csv").predict(predict, chunk(100, 1), 0)
    assert [len(numbers) for numbers in tried if 42 in numbers] == [100, 10, 1]
    assert not (tmp_path / "note").exists()


def test_memory_that_does_not_suffice_for_a_chunk_may_suffice_for_pieces(tmp_path):
    def predict(samples, n_before):
        if samples.n_samples > 20:
            raise MemoryError
        return samples.features

    frame = RowProgress(tmp_path / "note", "a.csv").predict(predict, chunk(100, 1), 0)
    assert frame["x"].to_list() == list(range(1, 101))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"start": 1}'])
def test_a_note_that_is_none_is_no_matter(tmp_path, content):
    (tmp_path / "note").write_bytes(content)
    assert Process(tmp_path / "note", set()).run() == list(range(1, 251))
