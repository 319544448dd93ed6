"""A run that is killed at any moment goes on to the same result; one of something else is refused by name."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, ReadOptions, cross_validate
from manyhot.errors import InputError
from manyhot.persistence import checkpoints, container
from manyhot.persistence.checkpoints import Checkpoint, open_checkpoint

SETTINGS = {"n_members": 3, "epochs": 30, "hidden_layer_sizes": (8,), "member_batching": "single", "verbose": 0}


class Killed(BaseException):
    """What nothing catches."""


@pytest.fixture
def kill_after(monkeypatch):
    """Let the process "die" after some writes of states, or in the middle of the next one."""
    save = Checkpoint.save

    def arm(n_saves: int) -> None:
        left = [n_saves]

        def save_or_die(self, *arguments):
            if not left[0]:
                raise Killed
            left[0] -= 1
            save(self, *arguments)

        monkeypatch.setattr(Checkpoint, "save", save_or_die)

    return arm


@pytest.fixture
def always_due(monkeypatch):
    monkeypatch.setattr(Checkpoint, "is_due", lambda self, name: True)
    monkeypatch.setattr("manyhot.engine.trainer.CALL_SECONDS", 1e-9)


def rows(n=200, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 6)).astype(np.float32)
    return X, X[:, :3] + generator.normal(size=(n, 3)) > 0.5


def assert_same(one, other):
    for a, b in zip(one.model_.weights, other.model_.weights, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    np.testing.assert_array_equal(one.model_.evidence.curves, other.model_.evidence.curves)
    np.testing.assert_array_equal(one.thresholds_, other.thresholds_)
    assert one.report_.to_dict()["metrics"] == other.report_.to_dict()["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [pytest.param({}, marks=pytest.mark.exhaustive), {"early_stopping": True, "patience": 3}],
    ids=["plain", "early stopping"],
)
def test_a_fit_killed_again_and_again_ends_as_one_that_was_not(options, tmp_path, kill_after, always_due):
    X, y = rows()
    reference = MultiLabelClassifier(**SETTINGS, **options).fit(X, y)
    n_killed = 0
    for n_saves in [1, 4, 9, 2, 7, 10**9]:
        kill_after(n_saves)
        classifier = MultiLabelClassifier(**SETTINGS, **options)
        try:
            classifier.fit(X, y, checkpoint=tmp_path / "states", checkpoint_every=0.001, resume=True)
        except Killed:
            n_killed += 1
            assert len(list((tmp_path / "states").glob("chunk-00000.[0-9]*"))) <= 2
    assert n_killed >= 3
    assert_same(classifier, reference)
    assert not (tmp_path / "states").exists()


@pytest.mark.slow
def test_a_stream_goes_on_with_its_rows_and_windows(tmp_path, kill_after, always_due, monkeypatch):
    X, y = rows(1500)
    columns = {f"x{j}": X[:, j] for j in range(6)} | {f"mood_{j}": y[:, j].astype(int) for j in range(3)}
    pl.DataFrame(columns).write_csv(tmp_path / "songs.csv")
    options = {"stream": True, "window_bytes": 20_000}
    settings = SETTINGS | {"n_members": 2, "epochs": 3}

    def fit(**more):
        return MultiLabelClassifier(**settings).fit_file(
            tmp_path / "songs.csv", ReadOptions(labels="mood_*"), **options, **more
        )

    reference = fit()
    encoded = []
    write_rows = checkpoints_of_streams().write_rows
    monkeypatch.setattr(checkpoints_of_streams(), "write_rows", lambda *given: encoded.append(1) or write_rows(*given))
    for n_saves in [0, 2, 5, 3, 10**9]:
        kill_after(n_saves)
        try:
            resumed = fit(checkpoint=tmp_path / "states", resume=True)
        except Killed:
            continue
    assert_same(resumed, reference)
    assert len(encoded) == 2  # killed before its end the first time, never again after the second


def checkpoints_of_streams():
    from manyhot.models import streaming

    return streaming


@pytest.mark.slow
def test_a_cross_validation_goes_on(tmp_path, kill_after, always_due):
    X, y = rows()
    options = {"n_splits": 3, "n_repeats": 1}
    reference = cross_validate(MultiLabelClassifier(**SETTINGS), X, y, **options)
    for n_saves in [3, 6, 10**9]:
        kill_after(n_saves)
        try:
            found = cross_validate(
                MultiLabelClassifier(**SETTINGS), X, y, **options, checkpoint=tmp_path / "states", resume=True
            )
        except Killed:
            continue
    np.testing.assert_array_equal(found.oof_scores, reference.oof_scores)
    np.testing.assert_array_equal(found.thresholds, reference.thresholds)


@pytest.fixture
def begun(tmp_path, kill_after, always_due, monkeypatch):
    """The folder of a run that was killed."""
    kill_after(2)
    with pytest.raises(Killed):
        MultiLabelClassifier(**SETTINGS).fit(*rows(), checkpoint=tmp_path / "states")
    kill_after(10**9)
    return tmp_path / "states"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 31}, "settings epochs is 31, and was 30"),
        ({"n_members": 2}, "settings n_members is 2, and was 3"),
        ({"member_batching": "together"}, "layout member_batching is 'together', and was 'single'"),
    ],
    ids=str,
)
def test_other_settings_are_refused_by_name(begun, change, words):
    with pytest.raises(InputError, match=words):
        MultiLabelClassifier(**{**SETTINGS, **change}).fit(*rows(), checkpoint=begun, resume=True)


@pytest.mark.slow
def test_other_rows_and_versions_are_refused_by_name(begun, monkeypatch):
    X, y = rows()
    changed = y.copy()
    changed[7, 1] ^= True
    for other in [(X, changed), (X + np.float32(1e-6), y), (X[:-1], y[:-1])]:
        with pytest.raises(InputError, match=r"of another run: .*other rows"):
            MultiLabelClassifier(**SETTINGS).fit(*other, checkpoint=begun, resume=True)
    identity = json.loads((begun / "run.json").read_text())
    identity["versions"]["jax"] = "0.1"
    (begun / "run.json").write_text(json.dumps(identity))
    with pytest.raises(InputError, match=r"versions jax is '\d.*', and was '0.1'"):
        MultiLabelClassifier(**SETTINGS).fit(X, y, checkpoint=begun, resume=True)


@pytest.mark.slow
def test_a_damaged_state_is_passed_over_for_the_one_before_it(begun, tmp_path, kill_after):
    reference = MultiLabelClassifier(**SETTINGS).fit(*rows())
    newest = sorted(begun.glob("chunk-0000*.checkpoint"))[-1]
    newest.write_bytes(newest.read_bytes()[:-10])
    (begun / ".chunk-00000.000009.0123456789abcdef.tmp").write_bytes(b"half")
    resumed = MultiLabelClassifier(**SETTINGS).fit(*rows(), checkpoint=begun, resume=True)
    assert_same(resumed, reference)


@pytest.mark.slow
def test_a_run_goes_on_in_worker_processes(begun):
    reference = MultiLabelClassifier(**SETTINGS).fit(*rows())
    resumed = MultiLabelClassifier(**SETTINGS, executor="processes:2").fit(*rows(), checkpoint=begun, resume=True)
    assert_same(resumed, reference)


def test_folders_that_are_no_checkpoint(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file; name a folder"):
        open_checkpoint(tmp_path / "file")
    with pytest.raises(InputError, match="holds other files and no checkpoint"):
        open_checkpoint(tmp_path)
    with pytest.raises(InputError, match="needs the folder"):
        open_checkpoint(None, resume=True)
    with pytest.raises(InputError, match="checkpoint_every"):
        open_checkpoint(tmp_path / "new", every=0)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"earlier run; go on from it with resume=True \(--resume\)"):
        open_checkpoint(tmp_path / "begun")
    assert open_checkpoint(tmp_path / "fresh", resume=True) is not None
    assert open_checkpoint(None) is None


def test_states_are_kept_by_name_and_the_last_two_of_each(tmp_path):
    checkpoint = open_checkpoint(tmp_path / "states", every=1000)
    for k in range(4):
        checkpoint.save("a", {"k": k}, {"x": np.arange(k)})
    checkpoint.within("part").save("a", {"k": 9}, {})
    assert checkpoint.load("a")[0] == {"k": 3}
    assert checkpoint.within("part").load("a")[0] == {"k": 9}
    assert checkpoint.load("b") is None
    assert len(list((tmp_path / "states").glob("a.*"))) == 2
    assert not checkpoint.is_due("a")
    assert checkpoints.Checkpoint(tmp_path / "states", 0).is_due("a")


KILLED = """
import os, sys
from manyhot.persistence.checkpoints import Checkpoint
save, left = Checkpoint.save, [int(sys.argv.pop(1))]
def save_or_die(self, *given):
    save(self, *given)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
Checkpoint.save = save_or_die
from manyhot.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_the_command_line_goes_on_to_the_same_bytes(tmp_path):
    X, y = rows(300)
    columns = {f"x{j}": X[:, j] for j in range(6)} | {f"mood_{j}": y[:, j].astype(int) for j in range(3)}
    pl.DataFrame(columns).write_csv(tmp_path / "songs.csv")

    def train(output: str, *flags: str, n_saves: int = 0) -> subprocess.CompletedProcess:
        command = ["train", str(tmp_path / "songs.csv"), "--labels", "mood_*", "-o", str(tmp_path / output)]
        command += ["--epochs", "300", "--n-members", "2", "--hidden-layer-sizes", "8", "--quiet", *flags]
        before = [sys.executable, "-c", KILLED, str(n_saves)] if n_saves else [sys.executable, "-m", "manyhot"]
        return subprocess.run([*before, *command], capture_output=True, text=True)

    states = ["--checkpoint", str(tmp_path / "states"), "--checkpoint-every", "0.001"]
    assert train("plain.manyhot").returncode == 0
    assert train("killed.manyhot", *states, n_saves=1).returncode == -9
    assert not (tmp_path / "killed.manyhot").exists()
    refused = train("killed.manyhot", *states)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    assert "Traceback" not in refused.stderr
    other = train("killed.manyhot", *states, "--resume", "--random-state", "5")
    assert (other.returncode, "random_state is 5, and was 0" in other.stderr) == (2, True)
    done = train("killed.manyhot", *states, "--resume")
    assert done.returncode == 0, done.stderr
    killed, plain = (container.read(tmp_path / name) for name in ("killed.manyhot", "plain.manyhot"))
    for contents in (killed, plain):
        del contents.document["origin"]  # another command, and perhaps another minute
    assert killed.document == plain.document
    assert {name: array.tobytes() for name, array in killed.arrays.items()} == {
        name: array.tobytes() for name, array in plain.arrays.items()
    }
    assert not (tmp_path / "states").exists()
