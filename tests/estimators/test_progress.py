"""Progress outside a terminal: nothing for short work, an estimate and a line every ten seconds for long work."""

import math
import time

import numpy as np
import pytest

from manyhot import MultiLabelClassifier
from manyhot.engine import Progress
from manyhot.estimators import progress, progress_lines
from manyhot.models.training import train_inputs


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress_lines, "time", clock)
    return clock


def test_work_of_less_than_ten_seconds_prints_nothing(clock, capsys):
    with progress.training_progress(1) as callback:
        for second in range(10):
            clock.now = 1000.0 + second
            callback(Progress(second / 10, 0, 4, 0.5, 0))
    with progress.stage_progress(1) as show:
        show("reading", None)
    assert capsys.readouterr().err == ""


def test_longer_work_prints_an_estimate_at_the_start_and_a_line_every_ten_seconds(clock, capsys):
    lines = progress_lines.ProgressLines()
    for second in range(1, 46):
        clock.now = 1000.0 + second
        if second > 3:  # compiling comes before, and says nothing of the speed
            lines.show(f"training: {(second - 4) / 100:.0%}", (second - 4) / 100)
        if second % 10 == 0:
            lines.tick()
    assert capsys.readouterr().err.splitlines() == [
        "training: 1%, about 99 s left",
        "training: 6%, about 94 s left",
        "training: 16%, about 84 s left",
        "training: 26%, about 74 s left",
        "training: 36%, about 64 s left",
    ]


def test_work_without_an_estimate_says_how_long_it_has_taken(clock, capsys):
    lines = progress_lines.ProgressLines()
    lines.show("training: compiling", None)
    for _ in range(2):
        clock.now += 10
        lines.tick()
    assert capsys.readouterr().err.splitlines() == [
        "training: compiling, 10 s so far",
        "training: compiling, 20 s so far",
    ]


def test_members_that_train_more_than_once_are_not_counted(clock, capsys):
    with progress.training_progress(1) as callback:
        for second in range(1, 25):
            clock.now = 1000.0 + second
            callback(Progress(second / 100, 4, 4, 0.5, 0, f"trying {second // 20 * 14 + 14} epochs"))
    assert capsys.readouterr().err.splitlines()[0].startswith("training: 2%, trying 14 epochs, loss 0.5000, about ")


def test_after_training_the_phase_that_runs_is_named(monkeypatch, capsys):
    monkeypatch.setattr(progress_lines, "FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress_lines, "LINE_SECONDS", 0.02)
    with progress.training_progress(1) as callback:
        callback(Progress(1.0, 4, 4, 0.5, 0))
        callback(Progress(1.0, 0, 0, math.nan, 0, phase="measuring"))
        time.sleep(0.3)
    assert capsys.readouterr().err.splitlines()[-1] == "training: measuring, 0 s so far"


@pytest.mark.slow
def test_training_names_its_phases():
    X = np.random.default_rng(0).normal(size=(60, 3))
    phases = []
    model = MultiLabelClassifier(n_members=2, n_folds=2, epochs=1, hidden_layer_sizes=(4,), verbose=0)
    inputs = model._inputs(X, X[:, :2] > 0, *model._configs())
    train_inputs(inputs, callback=lambda now: phases.append(now.phase))
    after = phases[phases.index("scoring rows out of fold") :]
    assert after == ["scoring rows out of fold", "calibrating and choosing thresholds", "measuring"]
    assert set(phases) == {"", *after}


def test_the_last_second_is_not_estimated(clock, capsys):
    lines = progress_lines.ProgressLines()
    for second in range(21):
        clock.now = 1000.0 + second
        lines.show("training", second / 20)
    lines.tick()
    assert capsys.readouterr().err.splitlines()[-1] == "training, 20 s so far"


def test_lines_come_while_a_step_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(progress_lines, "FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress_lines, "LINE_SECONDS", 0.02)
    with progress.training_progress(1, "cross-validation", unit="folds") as callback:
        callback(Progress(0.5, 1, 4, 0.25, 0))
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 2
    assert set(lines) == {"cross-validation: 50%, 1 of 4 folds trained, loss 0.2500, 0 s so far"}


def test_an_estimate_begins_again_where_work_begins_again():
    left = progress_lines.TimeLeft()
    for now, fraction in ((0, 0.0), (10, 0.5)):
        left.update(now, fraction)
    assert left.seconds(12) == 8
    left.update(20, 0.0)
    assert left.seconds(20) is None
    left.update(24, 0.25)
    assert left.seconds(24) == 12


@pytest.mark.parametrize(("seconds", "text"), [(9.6, "10 s"), (99, "99 s"), (110, "2 min"), (9000, "2 h 30 min")])
def test_durations(seconds, text):
    assert progress_lines.format_seconds(seconds) == text


def test_rows_are_counted(clock, capsys):
    for _ in progress.track_rows(range(200), 200, 1, "explaining"):
        clock.now += 0.5
    assert capsys.readouterr().err.splitlines()[0] == "explaining: 3 of 200 rows: 2%, about 99 s left"
    assert list(progress.track_rows(range(3), 3, 0, "explaining")) == [0, 1, 2]


@pytest.mark.parametrize(("seconds", "is_long"), [(30, True), (3, False)])
def test_work_of_more_than_ten_minutes_suggests_a_checkpoint_once(seconds, is_long, clock, capsys):
    with progress.training_progress(1, suggests_checkpoint=True) as callback:
        for k in range(1, 5):
            clock.now = 1000.0 + seconds * k
            callback(Progress(k / 100, 0, 4, 0.5, 0))
    found = [line for line in capsys.readouterr().err.splitlines() if "checkpoint" in line]
    assert found == (
        ["about 49 min left; with checkpoint='FOLDER' (--checkpoint FOLDER) a killed run can be resumed"]
        if is_long
        else []
    )


def test_zero_hides_it():
    with progress.training_progress(0) as callback, progress.stage_progress(0) as show:
        assert (callback, show) == (None, None)
