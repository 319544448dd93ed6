"""Training piece by piece is training: the same scores where all fits into one window, sane ones where it does not."""

import gzip
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.backend import keras
from manyhot.data.readers import ReadOptions, read, sample_file
from manyhot.data.shards import ColumnFile, Shards, WindowAssignment
from manyhot.engine.program_cache import PROGRAMS
from manyhot.errors import InputError, OutputError
from manyhot.models.streaming import WindowSource, prepare_stream, write_rows

OPTIONS = ReadOptions(labels="label_*")
SMALL = {"n_members": 1, "epochs": 3, "hidden_layer_sizes": (16,), "random_state": 3, "verbose": 0}


def inputs_of(classifier, samples):
    return classifier._inputs(samples, None, *classifier._configs())


def table(n_rows: int = 1500, seed: int = 0, text: bool = False) -> pl.DataFrame:
    """Distinct rows of three numbers, a flag, a category and perhaps a text; four labels that depend on them."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(n_rows, 3)).round(5)
    kind = generator.integers(3, size=n_rows)
    columns = {f"x{j}": numbers[:, j] for j in range(3)}
    columns |= {"flag": (numbers[:, 2] > 0).astype(int), "kind": np.array(["rock", "folk", "jazz"])[kind]}
    chosen = generator.integers(40, size=(n_rows, 4))
    if text:
        columns["text"] = [
            " ".join(f"word{w}" for w in row) + f" of a rather long story {i}" for i, row in enumerate(chosen)
        ]
    says = [numbers[:, 0] > 0, numbers[:, 1] > 0.5, kind == 1, (chosen < 8).any(axis=1) if text else numbers[:, 2] > 1]
    return pl.DataFrame(columns | {f"label_{k}": says[k].astype(int) for k in range(4)})


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    table().write_csv(tmp_path / "songs.csv")
    return tmp_path / "songs.csv"


def with_gaps(frame: pl.DataFrame) -> pl.DataFrame:
    """Some targets unknown, and some numbers missing."""
    number = pl.int_range(pl.len())
    label = pl.when(number % 7 == 0).then(None).otherwise(pl.col("label_1"))
    return frame.with_columns(label.alias("label_1"), pl.when(number % 5 > 0).then(pl.col("x1")).alias("x1"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frame", "settings"),
    [
        (table(), {}),
        (table(text=True), {}),
        (with_gaps(table()), {"early_stopping": True, "epochs": 6, "patience": 2}),
        (pl.concat([table(700), table(900)]), {"loss": "class_balanced", "label_weights": {"label_0": 2.0}}),
        (table(300), {"label_weights": "balanced", "dtype": "float64", "optimizer": "sgd"}),
    ],
    ids=["plain", "text", "gaps", "copies", "float64"],
)
def test_one_window_is_training_in_memory(tmp_path, frame, settings):
    frame.write_csv(tmp_path / "songs.csv")
    in_memory = MultiLabelClassifier(**SMALL | settings).fit(read(tmp_path / "songs.csv", OPTIONS))
    streamed = MultiLabelClassifier(**SMALL | settings).fit_file(tmp_path / "songs.csv", OPTIONS, stream=True)
    samples = read(tmp_path / "songs.csv", OPTIONS)
    np.testing.assert_allclose(streamed.predict_proba(samples), in_memory.predict_proba(samples), atol=1e-6)
    assert streamed.thresholds_ == pytest.approx(in_memory.thresholds_, abs=1e-6)
    np.testing.assert_array_equal(
        np.sort(streamed.model_.evidence.ids), np.sort(in_memory.model_.evidence.scored_rows.ids)
    )
    here, there = (one.report_.to_dict()["metrics"]["decision"] for one in (streamed, in_memory))
    assert here["map"]["value"] == pytest.approx(there["map"]["value"], abs=1e-6)
    np.testing.assert_allclose(streamed.model_.evidence.curves, in_memory.model_.evidence.curves, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{}, pytest.param({"n_members": 3, "early_stopping": True}, marks=pytest.mark.exhaustive)],
    ids=["one", "three"],
)
def test_many_windows_learn_as_well(tmp_path, settings):
    table(4000, text=True).write_csv(tmp_path / "songs.csv")
    new = read_frame(tmp_path, table(1000, seed=9, text=True))
    config = SMALL | {"epochs": 6} | settings
    before = len(PROGRAMS._programs)
    streamed = MultiLabelClassifier(**config).fit_file(
        tmp_path / "songs.csv", OPTIONS, stream=True, window_bytes=150_000
    )
    assert len([key for key in list(PROGRAMS._programs)[before:] if key[0][0] == "train"]) <= 1
    in_memory = MultiLabelClassifier(**config).fit(read(tmp_path / "songs.csv", OPTIONS))
    right = [(one.predict(new) == new.targets.values).mean() for one in (streamed, in_memory)]
    assert right[0] > 0.93
    assert abs(right[0] - right[1]) < 0.03
    report = streamed.report_.to_dict()
    assert "windows" in report["notes"][0]
    assert report["data"]["rows"] == 400
    assert report["data"]["rows_total"] == 4000
    assert report["scores"]["from"] == "held_out"
    assert streamed.model_.evidence.curves.shape[1] <= 6


def test_stopping_rows_stand_behind_the_largest_window(songs, tmp_path):
    found = sample_file(songs, OPTIONS)
    job = prepare_stream(found, inputs_of(MultiLabelClassifier(**SMALL, early_stopping=True), found.samples))
    with Shards(tmp_path) as shards:
        rows = write_rows(job, shards)
        supply = WindowSource(job, shards, WindowAssignment(shards.n_rows, 7, seed=0), rows)
        (least, most), n_stop = supply.sizes, job.validation.targets.n_samples
        assert least < most
        for number, window in [(0, 0), (0, 6), (1, 3)]:
            data, n_train = supply.load(number, window)
            assert least <= n_train <= most
            assert not data.blocks["features"][n_train:most].any()
            np.testing.assert_array_equal(data.values[most : most + n_stop], job.validation.targets.values)
            np.testing.assert_array_equal(
                data.blocks["features"][most : most + n_stop], job.validation.blocks["features"]
            )


@pytest.mark.slow
def test_patience_counts_passes_and_not_windows(tmp_path):
    table(3000).write_csv(tmp_path / "songs.csv")
    settings = SMALL | {"epochs": 4, "early_stopping": True, "patience": 1, "learning_rate": 0.1}
    classifier = MultiLabelClassifier(**settings).fit_file(
        tmp_path / "songs.csv", OPTIONS, stream=True, window_bytes=4000
    )
    curves = classifier.model_.evidence.curves
    assert curves.shape[1] >= 2  # a single window without a better loss comes up long before
    assert curves[0, 1, 1] < curves[0, 0, 1]


def own_model() -> keras.Model:
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(4)]
    )
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True), optimizer="adam")
    return model


@pytest.mark.slow
def test_a_keras_model_of_your_own(tmp_path):
    table().drop("kind").write_csv(tmp_path / "songs.csv")
    settings = {"network": own_model(), "n_members": 1, "epochs": 4, "batch_size": 32, "verbose": 0}
    samples = read(tmp_path / "songs.csv", OPTIONS)
    in_memory = MultiLabelClassifier(**settings).fit(samples)
    streamed = MultiLabelClassifier(**settings).fit_file(tmp_path / "songs.csv", OPTIONS, stream=True)
    np.testing.assert_allclose(streamed.predict_proba(samples), in_memory.predict_proba(samples), atol=1e-6)
    settings["n_members"] = 2
    windows = MultiLabelClassifier(**settings).fit_file(tmp_path / "songs.csv", OPTIONS, stream=True, window_bytes=7000)
    assert (windows.predict(samples) == samples.targets.values).mean() > 0.7


def read_frame(folder: Path, frame: pl.DataFrame):
    frame.write_csv(folder / "new.csv")
    return read(folder / "new.csv", OPTIONS)


def test_rows_that_are_set_aside_are_never_trained_on(songs, tmp_path):
    frame = pl.read_csv(songs)
    classifier = MultiLabelClassifier(**SMALL)
    found = sample_file(songs, OPTIONS, seed=3, max_rows=200)
    assert len(found.rows) == 200
    job = prepare_stream(found, inputs_of(classifier, found.samples))
    with Shards(tmp_path) as shards:
        rows = write_rows(job, shards)
        kept = shards.read(0, shards.n_rows)
    assert kept.targets.n_samples == len(frame) - len(job.reserved)
    assert len(job.reserved) == 100  # half of the sample at most
    np.testing.assert_array_equal(job.reserved + 1, np.sort(job.input_rows.ids.astype(int)))
    left = np.setdiff1d(np.arange(len(frame)), job.reserved)
    labels = frame.select(f"label_{k}" for k in range(4)).to_numpy()
    np.testing.assert_array_equal(kept.targets.values, labels[left])
    np.testing.assert_array_equal(rows.positives, labels[left].sum(axis=0))
    np.testing.assert_array_equal(job.input_rows.targets.values, labels[job.reserved])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".tsv", ".jsonl", ".parquet", ".arrow", ".csv.gz"])
def test_other_formats_give_the_same_scores(songs, tmp_path, suffix):
    frame, path = pl.read_csv(songs), tmp_path / f"others{suffix}"
    if suffix == ".csv.gz":
        path.write_bytes(gzip.compress(songs.read_bytes()))
    else:
        written = {".tsv": "csv", ".jsonl": "ndjson", ".parquet": "parquet", ".arrow": "ipc"}[suffix]
        getattr(frame, f"write_{written}")(path, **({"separator": "\t"} if suffix == ".tsv" else {}))
    first, second = (MultiLabelClassifier(**SMALL).fit_file(p, OPTIONS, stream=True) for p in (songs, path))
    samples = read(songs, OPTIONS)
    np.testing.assert_allclose(first.predict_proba(samples), second.predict_proba(samples), atol=1e-6)


@pytest.mark.slow
def test_a_streamed_model_is_saved_and_says_what_it_cannot_do(songs, tmp_path):
    classifier = MultiLabelClassifier(**SMALL).fit_file(songs, OPTIONS, stream=True, window_bytes=20_000)
    classifier.save(tmp_path / "songs.manyhot")
    samples = read(songs, OPTIONS)
    loaded = load(tmp_path / "songs.manyhot")
    np.testing.assert_array_equal(loaded.predict_proba(samples), classifier.predict_proba(samples))
    with pytest.raises(InputError, match="stream"):
        loaded.add_labels(samples.features, pl.DataFrame({"loud": [0, 1] * 750}))


def few_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of 100 rows from now on."""
    monkeypatch.setattr(
        "manyhot.models.stream_survey.sample_file",
        lambda path, reading, seed, max_rows, progress: sample_file(path, reading, seed, 100, progress=progress),
    )


@pytest.mark.slow
def test_label_sets_beyond_the_sample_are_left_out_and_noted(tmp_path, monkeypatch):
    frame = table(600).select("x0", "x1", "x2")
    moods = ["loud" if x > 0 else "soft" for x in frame["x0"]]
    frame = frame.with_columns(pl.Series("moods", moods))
    sampled = set(survey_rows(tmp_path, frame).tolist())
    absent = next(k for k in range(600) if k not in sampled)
    moods[absent] = "never seen|loud"
    frame.with_columns(pl.Series("moods", moods)).write_csv(tmp_path / "songs.csv")
    options = ReadOptions(labels="moods", sep="|")
    few_sampled(monkeypatch)
    classifier = MultiLabelClassifier(**SMALL).fit_file(tmp_path / "songs.csv", options, stream=True)
    assert classifier.labels_ == ("loud", "soft")
    assert any("never seen" in note for note in classifier.report_.to_dict()["notes"])


def survey_rows(folder: Path, frame: pl.DataFrame) -> np.ndarray:
    frame.write_csv(folder / "songs.csv")
    return sample_file(folder / "songs.csv", ReadOptions(labels="moods", sep="|"), seed=3, max_rows=100).rows


class TestRefusals:
    """What goes wrong is said with its place, and leaves nothing behind."""

    def fit(self, path: Path, folder: Path, **more: object) -> MultiLabelClassifier:
        return MultiLabelClassifier(**SMALL).fit_file(path, OPTIONS, stream=True, stream_folder=folder, **more)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "rows").mkdir()
        return tmp_path / "rows"

    def test_a_bad_row_in_the_middle_is_named(self, songs, folder):
        lines = songs.read_text().splitlines()
        lines[801] = "1,2,3"
        songs.write_text("\n".join(lines))
        with pytest.raises(InputError, match=r"songs\.csv, row 801"):
            self.fit(songs, folder)
        assert not list(folder.iterdir())

    def test_a_cell_that_is_no_number_is_named(self, songs, folder, monkeypatch):
        few_sampled(monkeypatch)
        rows = sample_file(songs, OPTIONS, seed=3, max_rows=100).rows
        number = next(k for k in range(700, 1500) if k not in set(rows.tolist()))
        frame = pl.read_csv(songs).with_columns(pl.col("x1").cast(pl.String))
        frame[number, "x1"] = "much"
        frame.write_csv(songs)
        with pytest.raises(InputError, match=rf"songs\.csv, row {number + 1}, column 'x1': got 'much'"):
            self.fit(songs, folder)
        assert not list(folder.iterdir())

    def test_a_target_in_the_sample_is_named_by_its_row_in_the_file(self, songs, folder, monkeypatch):
        few_sampled(monkeypatch)
        number = int(sample_file(songs, OPTIONS, seed=3, max_rows=100).rows[50])
        frame = pl.read_csv(songs)
        frame[number, "label_2"] = 7
        frame.write_csv(songs)
        with pytest.raises(InputError, match=f"row {number + 1}, column 'label_2'"):
            self.fit(songs, folder)

    def test_a_file_that_changes(self, songs, folder):
        found = sample_file(songs, OPTIONS)
        job = prepare_stream(found, inputs_of(MultiLabelClassifier(**SMALL), found.samples))
        songs.write_text(songs.read_text() + "0,0,0,0,rock,0,0,0,0\n")
        with Shards(folder) as shards, pytest.raises(InputError, match=r"songs\.csv: changed"):
            write_rows(job, shards)

    def test_a_disk_that_is_too_small(self, songs, folder, monkeypatch):
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
        with pytest.raises(InputError, match=r"MiB are needed.*stream_folder"):
            self.fit(songs, folder)

    def test_a_disk_that_fills_up(self, songs, folder, monkeypatch):
        class Full:
            def write(self, data: object) -> None:
                raise OSError(28, "No space left on device")

        def append(column: ColumnFile, rows: np.ndarray) -> None:
            column.file = Full()
            original(column, rows)

        original = ColumnFile.append
        monkeypatch.setattr(ColumnFile, "append", append)
        with pytest.raises(OutputError, match="disk is full"):
            self.fit(songs, folder)

    def test_a_folder_that_is_not_there(self, songs, folder):
        with pytest.raises(InputError, match="nowhere"):
            self.fit(songs, folder / "nowhere")

    def test_formats_that_cannot_be_read_in_pieces(self, tmp_path, folder):
        (tmp_path / "songs.svm").write_text("1 1:0.5\n0 2:1\n")
        with pytest.raises(InputError, match="cannot be streamed"):
            self.fit(tmp_path / "songs.svm", folder)
        (tmp_path / "songs.parquet.zst").write_bytes(b"\x28\xb5\x2f\xfd")
        with pytest.raises(InputError, match="unpack it first"):
            self.fit(tmp_path / "songs.parquet.zst", folder)

    def test_an_interruption_leaves_nothing(self, songs, folder, monkeypatch):
        def stop(*given: object, **more: object) -> None:
            assert not list(folder.iterdir()), "encoded rows have no name in the folder"
            raise KeyboardInterrupt

        monkeypatch.setattr("manyhot.models.streaming.train_stream", stop)
        with pytest.raises(KeyboardInterrupt):
            self.fit(songs, folder)
        assert not list(folder.iterdir())


@pytest.mark.slow
def test_a_file_larger_than_memory_is_streamed_by_itself(songs, monkeypatch):
    monkeypatch.setattr("manyhot.data.readers.memory.available_memory", lambda: 1000)
    classifier = MultiLabelClassifier(**SMALL).fit_file(songs, OPTIONS)
    assert "stream" in classifier.report_.to_dict()["notes"][0]
    whole = MultiLabelClassifier(**SMALL).fit_file(songs, OPTIONS, stream=False)
    assert not any("stream" in note for note in whole.report_.to_dict()["notes"])
    with pytest.raises(InputError, match="cross-validation needs all rows"):
        read(songs, OPTIONS, needed_by="cross-validation")
