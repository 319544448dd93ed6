"""A command that is killed leaves the old file, the new one or none; a signal leaves nothing; both at any call."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from manyhot.cli.signals import NOTHING
from manyhot.files import LEFTOVER_SECONDS
from tests.attacks.writing_commands import KILLED, contents, outputs_by_name, prepare, run
from tests.cli.test_signals import WORDS, restore_signals
from tests.fixtures.file_calls import FileCalls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files of descriptors are read from /proc")
ROOT = Path(__file__).parents[2]
N_KILLS = 34  # of each of six commands, half of them at a call
N_SIGNALS = 60
PATHS = f"{ROOT / 'src'}{os.pathsep}{ROOT}"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("commands") / "inputs")


@pytest.fixture(scope="module")
def outputs(inputs, tmp_path_factory):
    return outputs_by_name(inputs, lambda: tmp_path_factory.mktemp("outputs") / "out")


def calls_of(outputs, folder):
    """The calls on its outputs that a command makes where there are older ones."""
    calls = outputs.calls(folder)
    assert outputs.assert_whole(folder, is_old=False) == []
    return calls


def killed(words, folder, call=0, seconds=None):
    """The exit code of a process that is killed at a call, or after so many seconds."""
    command = [sys.executable, "-m", "tests.fixtures.file_calls", str(folder), str(call), *words]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": PATHS},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def assert_rule(outputs, folder, is_old):
    """Nothing is torn, and what is left has the name of a temporary file and goes with a run a day later."""
    left = outputs.assert_whole(folder, is_old)
    assert all(map(outputs.is_leftover, left)), left
    if left:
        then = time.time() - LEFTOVER_SECONDS - 60
        for name in left:
            os.utime(folder / name, (then, then))
        done = run(outputs.words(folder))
        assert done.code == 0, done.err
        assert outputs.assert_whole(folder, is_old=False) == []
    return len(left)


def kill_at_calls(outputs, folder, n, generator):
    """Kill a command at some of its calls, all kinds of them; how many left something."""
    calls = calls_of(outputs, folder / "calls")
    numbers = list(range(1, len(calls) + 1))
    generator.shuffle(numbers)
    numbers.sort(key=lambda number: sum(calls[other - 1] == calls[number - 1] for other in numbers))  # rare ones first
    n_left = 0
    for k in range(n):
        place, is_old = folder / f"call-{k}", k % 3 != 2
        if is_old:
            outputs.lay_old(place)
        else:
            place.mkdir()
        assert killed(outputs.words(place), place, numbers[k % len(numbers)]) == -signal.SIGKILL
        n_left += assert_rule(outputs, place, is_old) > 0
    return n_left


@pytest.mark.slow
@pytest.mark.parametrize("name", ["thresholds", "report"])
def test_a_command_that_is_killed_at_a_call(name, outputs, tmp_path):
    assert kill_at_calls(outputs(name), tmp_path, 3, random.Random(0)) > 0


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", KILLED)
def test_commands_that_are_killed(name, outputs, tmp_path):
    """Half of the kills at calls, half at random times; `make exhaustive` makes 204 of them."""
    generator = random.Random(KILLED.index(name))
    n_left = kill_at_calls(outputs(name), tmp_path, N_KILLS // 2, generator)
    assert n_left > 0
    start_time = time.monotonic()
    whole = tmp_path / "whole"
    whole.mkdir()
    assert killed(outputs(name).words(whole), whole) == 0
    seconds, codes = time.monotonic() - start_time, Counter()
    for k in range(N_KILLS // 2):
        place, is_old = tmp_path / f"time-{k}", k % 3 != 2
        if is_old:
            outputs(name).lay_old(place)
        else:
            place.mkdir()
        codes[killed(outputs(name).words(place), place, seconds=seconds * generator.uniform(0.1, 1))] += 1
        n_left += assert_rule(outputs(name), place, is_old) > 0
    print(f"{name}: {n_left} kills left something; exit codes at random times: {dict(codes)}")
    assert set(codes) <= {0, -signal.SIGKILL}


def assert_signalled(outputs, folder, name, call):
    """A command that gets a signal at a call leaves no file but its outputs, and says what it wrote."""
    outputs.lay_old(folder)
    with FileCalls(folder, lambda: os.kill(os.getpid(), getattr(signal, name)), call) as watched:
        done = run(outputs.words(folder))
    assert len(watched.calls) >= call, (folder, call)
    assert done.code == 128 + getattr(signal, name), done.err
    is_written = outputs.is_done(folder)
    said = f"{next(iter(outputs.new))} was written" if is_written else NOTHING
    assert done.err.startswith(f"manyhot: {WORDS[name]}; ")
    assert done.err.endswith(f"{said}\n"), done.err
    assert done.err.count("\n") == 1
    assert outputs.assert_whole(folder, is_old=True) == []
    return is_written


@pytest.fixture
def default_signals():
    """As a shell starts a command."""
    old = {name: signal.getsignal(getattr(signal, name)) for name in WORDS}
    restore_signals()
    yield
    for name, handler in old.items():
        signal.signal(getattr(signal, name), handler)


def signals_at_calls(names, outputs, folder, n, generator):
    """How many commands of some had written their output when a signal came, of so many signals."""
    n_written = 0
    calls = {name: calls_of(outputs(name), folder / f"calls of {name}") for name in names}
    for k in range(n):
        name = names[k % len(names)]
        kinds = list(dict.fromkeys(calls[name]))
        kind = kinds[k // len(names) % len(kinds)]
        number = 1 + generator.choice([j for j, call in enumerate(calls[name]) if call == kind])
        sent = "SIGINT" if k % 2 else generator.choice(["SIGTERM", "SIGHUP"])
        n_written += assert_signalled(outputs(name), folder / f"{k}", sent, number)
    return n_written


@pytest.mark.usefixtures("default_signals")
def test_a_signal_at_any_call(outputs, tmp_path):
    n_calls = len(calls_of(outputs("thresholds"), tmp_path / "calls"))
    n_written = sum(
        assert_signalled(outputs("thresholds"), tmp_path / f"{call}", list(WORDS)[call % 3], call)
        for call in range(1, n_calls + 1)
    )
    assert n_written == 1  # the folder is flushed when the file is there


@pytest.mark.exhaustive
@pytest.mark.usefixtures("default_signals")
@pytest.mark.timeout(3600)
def test_signals_at_calls(outputs, tmp_path):
    """Beside those at random times (`tests/cli/test_signals.py`)."""
    n_written = signals_at_calls(KILLED, outputs, tmp_path, N_SIGNALS, random.Random(0))
    assert 0 < n_written < N_SIGNALS / 2


def test_old_outputs_differ_from_new_ones(outputs, tmp_path):
    """So that the tests above can fail."""
    found = outputs("thresholds")
    found.lay_old(tmp_path / "out")
    assert not found.is_done(tmp_path / "out")
    torn = contents(tmp_path / "out")["model.manyhot"][:-2]
    (tmp_path / "out" / "model.manyhot").write_bytes(torn)
    with pytest.raises(Exception, match=r"model\.manyhot|damaged|bytes"):
        found.assert_whole(tmp_path / "out", is_old=True)
