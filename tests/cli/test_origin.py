"""What a trained model remembers of its file and its command."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.cli.command_line import words_of_command
from manyhot.cli.jobs import origin
from manyhot.errors import BundleError
from manyhot.models import origin as models_origin
from manyhot.persistence import container
from tests.cli.conftest import songs


def test_a_model_remembers_its_file_and_its_command_without_their_folders(bundle):
    remembered = load(bundle).model_.origin
    rows = bundle.with_name("songs.csv")
    assert remembered.file.name == "songs.csv"
    assert remembered.file.sha256 == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert remembered.file.n_bytes == rows.stat().st_size
    assert remembered.command.startswith("manyhot train songs.csv --labels 'mood_*' -o songs.manyhot --quiet")
    assert (remembered.n_rows, remembered.n_labels) == (60, 3)
    assert str(bundle.parent) not in json.dumps(container.read(bundle).document)
    trained = datetime.strptime(remembered.trained, "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - trained) < timedelta(hours=2)
    assert {"manyhot", "python", "jax", "numpy"} <= set(remembered.versions)


def test_inspect_says_when_and_on_what_a_model_was_trained(manyhot, bundle):
    done = manyhot("inspect", bundle)
    assert "UTC, on 60 rows of songs.csv" in done.out
    assert "command: manyhot train songs.csv" in done.out
    assert manyhot("inspect", bundle, "--json").document["origin"]["file"]["name"] == "songs.csv"


def test_a_large_file_has_no_checksum_and_a_folder_only_its_name(tmp_path, monkeypatch):
    (tmp_path / "rows.csv").write_bytes(b"x" * 11)
    monkeypatch.setattr(models_origin, "MAX_HASHED_BYTES", 10)
    large = origin.describe_training_file(tmp_path / "rows.csv")
    assert (large.n_bytes, large.sha256) == (11, None)
    folder = origin.describe_training_file(tmp_path)
    assert (folder.name, folder.n_bytes) == (tmp_path.name, None)


def test_absolute_paths_of_a_command_are_cut():
    words = ["train", "/home/anna/a b.csv", "--labels", "x_*", "--output=/tmp/m.manyhot", "--column-type", "a=text"]
    expected = "manyhot train 'a b.csv' --labels 'x_*' --output=m.manyhot --column-type a=text"
    with words_of_command(words):
        assert origin.current_command() == expected
    assert origin.current_command() is None


@pytest.mark.slow
def test_python_knows_date_and_rows_and_files_without_origin_load(tmp_path):
    frame = songs(40)
    names = [name for name in frame.columns if name.startswith("mood_")]
    settings = {"n_members": 2, "epochs": 2, "hidden_layer_sizes": (8,), "n_folds": 4, "verbose": 0}
    classifier = MultiLabelClassifier(labels=names, **settings)
    classifier.fit(frame.drop([*names, "song_id"]), frame.select(names))
    remembered = classifier.model_.origin
    assert "calibration" in remembered.automatic
    assert not {"epochs", "decision"} & set(remembered.automatic)
    assert (remembered.n_rows, remembered.file, remembered.command) == (40, None, None)
    classifier.save(tmp_path / "m.manyhot")
    assert load(tmp_path / "m.manyhot").model_.origin == remembered
    contents = container.read(tmp_path / "m.manyhot")
    older = {name: value for name, value in contents.document.items() if name != "origin"}
    container.write(tmp_path / "older.manyhot", older, contents.arrays)
    assert load(tmp_path / "older.manyhot").model_.origin is None
    wrong = {**contents.document, "origin": {**contents.document["origin"], "trained": 3}}
    container.write(tmp_path / "wrong.manyhot", wrong, contents.arrays)
    with pytest.raises(BundleError, match=r"origin\.trained"):
        load(tmp_path / "wrong.manyhot")


@pytest.mark.slow
def test_the_same_training_gives_the_same_bytes_where_its_time_is_set(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 3))
    contents = set()
    for seconds in ("1700000000", "1700000000", "1800000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", seconds)
        path = tmp_path / "model.manyhot"
        MultiLabelClassifier(n_members=2, epochs=2, verbose=0).fit(X, X[:, :2] > 0).save(path)
        contents.add(path.read_bytes())
    assert len(contents) == 2
    assert load(path).model_.origin.trained == "2027-01-15 08:00 UTC"
