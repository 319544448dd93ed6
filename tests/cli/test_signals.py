"""SIGTERM, SIGHUP and Ctrl-C end a command with a word, the signal's exit code and nothing left behind."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from manyhot.cli.signals import Terminated, ended_by_signals

WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
STARTED = 1.0  # seconds after which Python has long set its handlers
SECONDS = 2.0


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Rows on which the trainings below take a minute or more."""
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    generator = np.random.default_rng(0)
    columns = {f"x{j}": generator.normal(size=20_000).round(3) for j in range(20)}
    columns |= {f"y_{j}": (generator.random(20_000) < 0.3).astype(int) for j in range(3)}
    pl.DataFrame(columns).write_csv(path)
    return path


SLOW = ("--batch-size", "2", "--epochs", "50", "--n-members", "2", "--quiet")
COMMANDS = {
    "train": ("train", "rows.csv", "--labels", "y_*", "-o", "model.manyhot", *SLOW),
    "stream": ("train", "rows.csv", "--labels", "y_*", "-o", "model.manyhot", "--stream", *SLOW),
    "cv": ("cv", "rows.csv", "--labels", "y_*", "--plot", "cv.svg", *SLOW),
}


def restore_signals():
    """What ignores some of them (nohup, a shell's background job) hands that on to its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def stopped(words, folder, name, seconds):
    """Exit code, standard error and seconds until the end of a command that gets a signal after so many seconds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "manyhot", *words],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=restore_signals,
    )
    try:
        time.sleep(seconds)
        assert process.poll() is None, process.stderr.read()
        start = time.monotonic()
        process.send_signal(getattr(signal, name))
        error = process.communicate(timeout=60)[1]
        return process.returncode, error, time.monotonic() - start
    finally:
        process.kill()


def assert_stopped(found, folder, before, name):
    code, error, _ = found
    assert code == 128 + getattr(signal, name), error
    assert error == f"manyhot: {WORDS[name]}; nothing was written\n"
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize(("name", "command"), [("SIGTERM", "train"), ("SIGHUP", "stream"), ("SIGINT", "cv")])
def test_a_signal_ends_a_command(name, command, table, tmp_path):
    (tmp_path / "rows.csv").symlink_to(table)
    found = stopped(COMMANDS[command], tmp_path, name, 12)
    assert_stopped(found, tmp_path, ["rows.csv"], name)
    assert found[2] < 2 * SECONDS  # this machine may be busy; the sweep below has the median


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_sixty_signals_at_random_times(table, tmp_path):
    """Thirty SIGTERM and SIGHUP, thirty SIGINT; the old model stays as it was."""
    (tmp_path / "rows.csv").symlink_to(table)
    (tmp_path / "model.manyhot").write_bytes(b"old")
    generator, seconds = random.Random(0), []
    for number in range(60):
        name = "SIGINT" if number < 30 else generator.choice(["SIGTERM", "SIGHUP"])
        command = generator.choice(list(COMMANDS))
        if command == "cv":
            (tmp_path / "cv.svg").unlink(missing_ok=True)
        found = stopped(COMMANDS[command], tmp_path, name, STARTED + 12 * generator.random())
        assert_stopped(found, tmp_path, ["model.manyhot", "rows.csv"], name)
        assert (tmp_path / "model.manyhot").read_bytes() == b"old"
        seconds.append(found[2])
    print(f"seconds until the end: median {np.median(seconds):.2f}, highest {max(seconds):.2f}")
    assert np.median(seconds) < SECONDS


def test_handlers_are_those_of_before_afterwards():
    old = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    before = [signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)]
    with pytest.raises(Terminated, match="hung up") as error, ended_by_signals():
        os.kill(os.getpid(), signal.SIGHUP)  # raised before the call returns
    assert error.value.exit_code == 129
    assert [signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)] == before
    signal.signal(signal.SIGHUP, old)


def test_a_signal_that_is_ignored_stays_so():
    """As `nohup` asks for."""
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, old)
