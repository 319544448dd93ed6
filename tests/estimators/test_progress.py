"""Progress outside a terminal: nothing for short work, a line now and then for long work."""

import math

import pytest

from manyhot.engine import Progress
from manyhot.estimators import progress


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_work_of_less_than_ten_seconds_prints_nothing(clock, capsys):
    with progress.training_progress(1) as callback:
        for second in range(10):
            clock.now = 1000.0 + second
            callback(Progress(second / 10, 0, 4, 0.5, 0))
    with progress.stage_progress(1) as show:
        show("reading", None)
    assert capsys.readouterr().err == ""


def test_longer_work_prints_a_line_every_half_minute(clock, capsys):
    with progress.training_progress(1) as callback:
        callback(Progress(0.0, 0, 4, math.nan, 2**30))
        for second in range(1, 100):
            clock.now = 1000.0 + second
            callback(Progress(second / 100, second // 25, 4, 0.25, 0))
    assert capsys.readouterr().err.splitlines() == [
        "training: 10% done, 0 of 4 members finished, loss 0.2500, about 90 s left",
        "training: 40% done, 1 of 4 members finished, loss 0.2500, about 60 s left",
        "training: 70% done, 2 of 4 members finished, loss 0.2500, about 30 s left",
    ]
    with progress.stage_progress(1) as show:
        clock.now += 11
        show("writing", 0.5)
    assert capsys.readouterr().err == "writing: 50%\n"


@pytest.mark.parametrize(("seconds", "is_long"), [(30, True), (3, False)])
def test_work_of_more_than_ten_minutes_suggests_a_checkpoint_once(seconds, is_long, clock, capsys):
    with progress.training_progress(1, suggests_checkpoint=True) as callback:
        for k in range(1, 5):
            clock.now = 1000.0 + seconds * k
            callback(Progress(k / 100, 0, 4, 0.5, 0))
    found = [line for line in capsys.readouterr().err.splitlines() if "checkpoint" in line]
    assert found == (
        [
            "about 50 minutes are left; with checkpoint='FOLDER' (--checkpoint FOLDER) a run that is killed can go on "
            "from where it was"
        ]
        if is_long
        else []
    )


def test_zero_hides_it():
    with progress.training_progress(0) as callback, progress.stage_progress(0) as show:
        assert (callback, show) == (None, None)
