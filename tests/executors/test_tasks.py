"""Tasks come back in any order, errors as they are, lost ones again, and a broken executor ends nothing."""

import os
import pickle
import signal
import threading
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import numpy as np
import pytest

from manyhot.config.executor import check_executor
from manyhot.errors import InputError, ManyhotWarning
from manyhot.executors import LostTaskError, Work, run_tasks
from manyhot.executors import work as work_module
from tests.fixtures.workers import worker_ids


def double(payload):
    return 2 * payload


def add(state, number):
    return state + number, os.getpid()


def fail(state, number):
    if number == 1:
        raise InputError("cannot be used", row=7)
    time.sleep(0.2)
    return number


def kill_once(marker, number):
    if number == 1 and not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def kill_always(state, number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def same(payload):
    return payload


def wait_long(state, number):
    time.sleep(60)


TASKS = [(0,), (1,), (2,), (3,)]


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("value", ["processes:2", "ray", "ray://head:10001", None, "none"])
def test_names_of_executors(value):
    assert check_executor("executor", value) in (value, None)


@pytest.mark.parametrize("value", ["processes", "processes:0", "processes:x", "dask", 3, "ray://head"])
def test_what_is_no_executor_is_named_with_what_is(value):
    with pytest.raises(InputError, match=r"'processes:N'.*submit"):
        check_executor("executor", value)


@pytest.mark.slow
def test_processes_run_every_task_once_elsewhere():
    found = dict(run_tasks("processes:2", Work(double, 10, add, "adding"), TASKS))
    assert {number: total for number, (total, _) in found.items()} == {k: 20 + k for k in range(4)}
    assert os.getpid() not in {process for _, process in found.values()}


def test_an_object_with_submit_runs_every_task(threads):
    found = dict(run_tasks(threads, Work(double, 10, add, "adding"), TASKS))
    assert {number: total for number, (total, _) in found.items()} == {k: 20 + k for k in range(4)}


@pytest.mark.parametrize("kind", ["threads", pytest.param("processes:1", marks=pytest.mark.slow)])
def test_an_error_of_a_task_is_raised_as_it_is(kind, threads):
    with pytest.raises(InputError, match="row 7: cannot be used") as caught:
        list(run_tasks(threads if kind == "threads" else kind, Work(same, None, fail, "failing"), TASKS))
    assert caught.value.row == 7
    assert "In the worker" in caught.value.__notes__[0]


@pytest.mark.slow
def test_a_task_whose_worker_dies_is_given_to_another(tmp_path):
    work = Work(same, str(tmp_path / "killed"), kill_once, "dying")
    assert sorted(run_tasks("processes:2", work, TASKS)) == [(k, k) for k in range(4)]


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_named_and_not_tried_for_ever():
    with pytest.raises(LostTaskError, match=r"dying: the worker of task 2 of 4 died 3 times.*memory") as caught:
        list(run_tasks("processes:2", Work(same, None, kill_always, "dying"), TASKS, max_tries=3))
    assert caught.value.task == 1
    assert pickle.loads(pickle.dumps(caught.value)).task == 1


@pytest.mark.slow
def test_workers_that_died_when_they_had_nothing_to_do_are_replaced():
    work = Work(double, 10, add, "adding")
    list(run_tasks("processes:2", work, TASKS))
    for worker in worker_ids():
        os.kill(worker, signal.SIGKILL)
    time.sleep(1.0)
    assert len(dict(run_tasks("processes:2", work, TASKS, max_tries=2))) == 4


@pytest.mark.slow
def test_lost_tasks_may_be_results_among_others():
    work = Work(same, None, kill_always, "dying")
    found = dict(run_tasks("processes:2", work, TASKS, max_tries=2, yield_lost=True))
    assert isinstance(found[1], LostTaskError)
    assert found[1].task == 1
    assert [found[k] for k in (0, 2, 3)] == [0, 2, 3]


@pytest.mark.slow
def test_workers_end_when_nobody_waits_any_more():
    before = set(worker_ids())
    results = run_tasks("processes:3", Work(same, None, wait_or_answer, "waiting"), [(0,), (60,), (60,)])
    next(results)
    results.close()
    end = time.monotonic() + 20
    while set(worker_ids()) - before and time.monotonic() < end:
        time.sleep(0.1)
    assert not set(worker_ids()) - before


def wait_or_answer(state, seconds):
    time.sleep(seconds)
    return seconds


class Broken:
    """An executor that answers some calls, and then is broken."""

    def __init__(self, n_good):
        self.n_good = n_good

    def submit(self, function, *arguments):
        future = Future()
        if self.n_good:
            self.n_good -= 1
            future.set_result(function(*arguments))
        else:
            future.set_exception(BrokenExecutor("gone"))
        return future


@pytest.mark.parametrize("n_good", [0, 2])
def test_with_a_broken_executor_the_rest_runs_here(n_good):
    with pytest.warns(ManyhotWarning, match=r"the executor is broken \(BrokenExecutor: gone\).*adding runs in this"):
        found = dict(run_tasks(Broken(n_good), Work(double, 10, add, "adding"), TASKS))
    assert sorted(found) == [0, 1, 2, 3]


class Watched:
    """Futures that are not Python's, as submitit's jobs are."""

    def submit(self, function, *arguments):
        outcome = function(*arguments)

        class Job:
            def result(self):
                return outcome

            def cancel(self):
                pass

        return Job()


def test_futures_need_only_result_and_cancel():
    assert len(dict(run_tasks(Watched(), Work(double, 10, add, "adding"), TASKS))) == 4


def test_work_travels_with_the_task_where_a_worker_does_not_see_the_file(threads, monkeypatch):
    opened = []

    def hide(path, *rest):
        opened.append(path)
        raise FileNotFoundError(path)

    monkeypatch.setattr(work_module, "open", hide, raising=False)
    work_module._prepared.clear()
    found = dict(run_tasks(threads, Work(double, 10, add, "adding"), TASKS))
    assert sorted(found) == [0, 1, 2, 3]
    assert opened


def test_work_that_cannot_be_sent_is_refused_with_the_reason(threads):
    with pytest.raises(InputError, match="cannot be sent to another process"):
        list(run_tasks(threads, Work(same, threading.Lock(), add, "adding"), TASKS))


def test_a_worker_with_another_version_is_refused(threads, monkeypatch):
    monkeypatch.setattr(work_module, "new_token", lambda: "0.0.1 abc")
    monkeypatch.setattr("manyhot.executors.pools.new_token", lambda: "0.0.1 abc")
    with pytest.raises(InputError, match=r"a worker has manyhot .*, and the work comes from 0.0.1; install one"):
        list(run_tasks(threads, Work(double, 10, add, "adding"), TASKS))


def test_functions_of_a_script_or_notebook_travel():
    factor = 3
    found = dict(run_tasks(Watched(), Work(lambda payload: factor * payload, 10, add, "adding"), TASKS))
    assert found[0][0] == 30


def test_a_large_payload_is_written_once(threads, monkeypatch):
    sizes = []
    submit = threads.submit

    def measure(function, *arguments):
        sizes.append(len(pickle.dumps(arguments)))
        return submit(function, *arguments)

    monkeypatch.setattr(threads, "submit", measure)
    list(run_tasks(threads, Work(same, np.zeros(10**6), lambda state, number: number, "adding"), TASKS))
    assert max(sizes) < 1000
