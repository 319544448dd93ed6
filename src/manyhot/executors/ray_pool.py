"""Tasks on Ray: the work is put once, tasks are spread over the cluster, and cancelled when nobody waits any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from manyhot.errors import InputError, how_to_install
from manyhot.executors.cores import claim_cores
from manyhot.executors.pools import Pool
from manyhot.executors.work import Handle, Work, new_token

try:
    import ray
except ImportError:
    raise InputError(f"needs Ray, which is not installed: {how_to_install('ray')}", argument="executor") from None


class RayHandle(NamedTuple):
    """Work in Ray's store."""

    token: str
    references: list[Any]  # one; in a list, or Ray would fetch it for each task

    def load(self) -> Work:
        """The work; its arrays lie in the store and cannot be written to."""
        return Work(*ray.get(self.references[0]))


class RayPool(Pool):
    """The workers of a Ray cluster, which is started on this machine where there is none."""

    def __init__(self, executor: str) -> None:
        if not ray.is_initialized():
            address = None if executor == "ray" else executor
            try:
                ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
            except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
                raise InputError(
                    f"Ray does not answer at {executor} ({error}); see that it runs there, and that its token is set "
                    "here (RAY_AUTH_MODE, RAY_AUTH_TOKEN) if it wants one",
                    argument="executor",
                ) from None
        n_gpus = 1 if ray.cluster_resources().get("GPU") else 0
        # a lost task is handed over again by `run_tasks`, which counts
        self.remote = ray.remote(_call).options(
            num_cpus=1, num_gpus=n_gpus, max_retries=0, scheduling_strategy="SPREAD"
        )
        self.references: dict[Future, Any] = {}

    @contextmanager
    def share(self, work: Work) -> Iterator[Handle]:
        """Put the work into Ray's store."""
        yield RayHandle(new_token(), [ray.put(tuple(work))])

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Hand over a call."""
        reference = self.remote.remote(function, *arguments)
        future = reference.future()
        self.references[future] = reference
        future.add_done_callback(lambda done: self.references.pop(done, None))
        return future

    def cancel(self, future: Future) -> None:
        """Stop a task, also one that runs."""
        reference = self.references.pop(future, None)
        if reference is not None:
            with suppress(Exception):  # the cluster may be gone
                ray.cancel(reference, force=True)

    def close(self, is_idle: bool) -> None:
        """The cluster stays for the next job; Ray ends what it started when this process ends."""


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    claim_cores(int(ray.get_runtime_context().get_assigned_resources().get("CPU", 0)))
    return function(*arguments)
