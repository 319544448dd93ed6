"""Ctrl-C and a notebook's interrupt stop training within two seconds, however long an epoch takes."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from manyhot.engine.daemon_pool import DaemonPool, result_of

SECONDS = 2.0  # until Python has control again
EXIT_SECONDS = 5.0  # until the process has ended, too; an epoch of these trainings takes several times as long
SCRIPT = """
import os, signal, sys
import numpy as np
from manyhot import MultiLabelClassifier, cross_validate, ReadOptions
from manyhot.engine.trainer import Trainer

compile_first = Trainer._compile

def say_when_compiled(self, *arguments):
    compiled = compile_first(self, *arguments)
    os.write(1, b"training\\n")
    return compiled

Trainer._compile = say_when_compiled
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts its background jobs without it
generator = np.random.default_rng(0)
X, Y = generator.normal(size=(40000, 50)).astype(np.float32), generator.random((40000, 3)) < 0.3
settings = dict(verbose=0, batch_size=2, hidden_layer_sizes=(512, 512), n_members=2, n_folds=2)
classifier = MultiLabelClassifier(**settings, epochs={epochs})
try:
    {call}
except KeyboardInterrupt:
    print("stopped", flush=True)
    {after}
"""
CALLS = {
    "fit": ("50", "classifier.fit(X, Y)"),
    "search": ("'auto'", "classifier.fit(X, Y)"),
    "cross_validate": ("50", "cross_validate(classifier, X, Y, n_splits=2, n_repeats=1)"),
    "fit_file": (
        "50",
        "np.savetxt(sys.argv[1], np.column_stack([X, Y]), delimiter=',', fmt='%.3f', comments='',"
        " header=','.join([*(f'x{j}' for j in range(50)), 'a', 'b', 'c']));"
        " classifier.fit_file(sys.argv[1], ReadOptions(labels='a,b,c'), stream=True)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("after", ["pass", "raise"])
def test_training_stops_within_two_seconds(name, after, tmp_path):
    if after == "raise" and name != "fit":
        pytest.skip("how Python ends after an interrupt does not depend on what trained")
    epochs, call = CALLS[name]
    script = SCRIPT.format(epochs=epochs, call=call, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "rows.csv")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert process.stdout.readline() == "training\n", process.stderr.read()
        time.sleep(1.0)  # into the first epoch, which takes far longer
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        lines = process.stdout.readline()
        while lines == "training\n":
            lines = process.stdout.readline()
        stopped = time.monotonic() - start
        assert lines == "stopped\n", process.stderr.read()
        process.wait(30)
        ended = time.monotonic() - start
    finally:
        process.kill()
    print(f"{name}: KeyboardInterrupt after {stopped:.2f} s, process ended after {ended:.2f} s")
    assert stopped < SECONDS
    assert ended < EXIT_SECONDS
    assert process.returncode == 130
    assert ("KeyboardInterrupt" in process.stderr.read()) == (after == "raise")


def test_a_pool_waits_for_its_calls_but_not_after_an_interrupt():
    done, may_go_on = threading.Event(), threading.Event()

    def work():
        may_go_on.wait(10)
        done.set()
        return 3

    threading.Timer(0.1, may_go_on.set).start()
    pool = DaemonPool(1)
    future, waiting = pool.submit(work), pool.submit(work)
    while not future.running():
        time.sleep(0.01)
    with pytest.raises(ValueError, match="first"), pool:
        raise ValueError("first")
    assert done.is_set()
    assert future.result() == 3
    assert waiting.cancelled()

    done.clear()
    may_go_on.clear()
    pool = DaemonPool(1)
    pool.submit(work)
    with pytest.raises(KeyboardInterrupt), pool:
        raise KeyboardInterrupt
    assert not done.is_set()
    may_go_on.set()


def test_an_error_of_a_call_is_raised_where_its_result_is_asked_for():
    def fail():
        raise LookupError("of a call")

    with DaemonPool(2) as pool:
        futures = [pool.submit(fail), pool.submit(int, "7")]
    assert futures[1].result() == 7
    with pytest.raises(LookupError, match="of a call"):
        futures[0].result()


def test_a_wait_ends_where_a_library_has_the_system_resume_it():
    """As polars does: its handler of SIGINT makes the system go on with what it interrupted."""
    code = """
import os, signal, threading, time
from manyhot.engine.daemon_pool import DaemonPool, result_of
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.siginterrupt(signal.SIGINT, False)
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    with DaemonPool(1) as pool:
        result_of(pool.submit(time.sleep, 60))
except KeyboardInterrupt:
    print(time.monotonic() - start)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert float(done.stdout) < 5, done.stderr


def test_a_call_that_raises_is_told():
    with pytest.raises(TimeoutError, match="of the call"), DaemonPool(1) as pool:
        result_of(pool.submit(raise_timeout))


def raise_timeout():
    raise TimeoutError("of the call")
