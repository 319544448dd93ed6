"""What the service is between requests: its models, how much it holds, what it counts, and whether it is ready."""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from starlette.types import Scope

from manyhot.errors import panics_become
from manyhot.serving.addresses import MODEL
from manyhot.serving.errors import ApiError, service_unavailable, too_many_requests
from manyhot.serving.limits import Limits
from manyhot.serving.log import LOGGER_NAME
from manyhot.serving.metrics import Gauge, Metrics
from manyhot.serving.model import ServedModel
from manyhot.validation import did_you_mean

# A model that scores 64 rows faster does so on the event loop; another is left to its thread.
QUICK_SECONDS = 0.01
TRIM_BYTES = 2**22  # after requests of so many bytes, what was freed is given back to the system
RETIRE_SECONDS = 0.05  # between two looks whether a model that was replaced still answers
THREADS = 2  # threads for large requests, which are read and written beside the small ones

logger = logging.getLogger(LOGGER_NAME)


class Service:
    """The models and everything that requests share."""

    def __init__(self, models: Sequence[ServedModel], limits: Limits) -> None:
        self.models = {served.name: served for served in models}
        self.default_model, self.limits = models[0], limits
        self.metrics = Metrics(lambda: {name: one.counts for name, one in self.models.items()}, self._gauges())
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="manyhot large requests")
        self.is_ready = self.is_closing = False
        self.failure: str | None = None
        self._reloading = threading.Lock()
        self.n_held_bytes = self.n_active = self._max_held_bytes = 0

    def start(self) -> None:
        """Begin to compile, in a thread of its own."""
        self._warming = threading.Thread(target=self._warm_up, name="manyhot warm", daemon=True)
        self._warming.start()

    def close(self) -> None:
        """Take nothing more, and finish what is held."""
        self.is_ready, self.is_closing = False, True
        self._warming.join()
        self.pool.shutdown(wait=True)
        for served in self.models.values():
            served.batches.close()

    def requested_model(self, scope: Scope) -> ServedModel:
        """The model that an address names, or the first; the scope keeps its name for the log."""
        name = scope["path_params"].get("name", self.default_model.name)
        if name not in self.models:
            raise ApiError(404, f"there is no model {name[:200]!r}{did_you_mean(name, self.models)}", argument="name")
        scope[MODEL] = name
        return self.models[name]

    def answers(self, served: ServedModel) -> bool:
        """Whether a model answers, which may be before the others are compiled."""
        return served.is_warm and not self.is_closing

    def check_ready(self, served: ServedModel) -> None:
        """Refuse a request while its model is not compiled yet, or the service is about to end."""
        if not self.answers(served):
            raise service_unavailable(self.describe()["message"])

    def describe(self) -> dict[str, str]:
        """The state (starting, ready, failed or stopping), and a sentence about it."""
        if self.is_ready:
            return {"state": "ready", "message": "ready"}
        if self.is_closing:
            return {"state": "stopping", "message": "shutting down"}
        if self.failure:
            return {"state": "failed", "message": f"cannot start: {self.failure}"}
        n = len(self.models)
        n_warm = sum(served.is_warm for served in self.models.values())
        which = f"model {min(n_warm + 1, n)} of {n}" if n > 1 else "the model"
        return {"state": "starting", "message": f"starting: compiling {which}; try again in a moment"}

    def reserve(self, n_bytes: int) -> None:
        """Count bytes that are held from now on."""
        if self.n_held_bytes + n_bytes > self.limits.max_held_bytes:
            raise too_many_requests("too many bytes of other requests in memory; try again later")
        self.n_held_bytes += n_bytes
        self._max_held_bytes = max(self._max_held_bytes, self.n_held_bytes)

    def release(self, n_bytes: int) -> None:
        """Count bytes that are no longer held."""
        self.n_held_bytes -= n_bytes
        if not self.n_held_bytes and self._max_held_bytes > TRIM_BYTES and not self.is_closing:
            self._max_held_bytes = 0
            self.pool.submit(_trim_memory)

    def begin(self) -> None:
        """Count a request as being answered; `ApiError` where too many are."""
        if self.n_active >= self.limits.max_waiting:
            raise too_many_requests(f"{self.n_active} requests are being processed, the maximum; try again later")
        self.n_active += 1

    def end(self) -> None:
        """Count a request as answered."""
        self.n_active -= 1

    def _warm_up(self) -> None:
        try:
            for served in self.models.values():
                with panics_become(RuntimeError):
                    self._warm_up_model(served)
        except Exception as error:  # whoever asks /ready is told, and so is the log
            self.failure = f"{type(error).__name__}: {error}"
            logger.exception("cannot start")
            return
        gc.collect()
        gc.freeze()  # models and programs stay, and need not be looked through again and again
        self.is_ready = not self.is_closing

    def _warm_up_model(self, served: ServedModel) -> None:
        start = time.perf_counter()
        served.warm_up()
        served.batches.is_quick = served.row_parser.is_quick and served.batch_seconds < QUICK_SECONDS
        served.is_warm = True
        logger.info("%s is ready after %.1f s", served.name, time.perf_counter() - start)

    def reload(self) -> None:
        """Replace each model whose file has changed, in a thread; whoever asks meanwhile is answered by the old one."""
        threading.Thread(target=self._reload, name="manyhot reload", daemon=True).start()

    def _reload(self) -> None:
        with self._reloading:
            changed = [served for served in self.models.values() if served.has_changed()]
            logger.info("reloading: %s", ", ".join(one.name for one in changed) or "no file has changed")
            for old in changed:
                try:
                    new = old.reloaded()
                    self._warm_up_model(new)
                except Exception as error:  # the old one goes on
                    logger.error("%s was not reloaded: %s", old.name, error)
                    continue
                self.models[old.name] = new
                if self.default_model is old:
                    self.default_model = new
                time.sleep(RETIRE_SECONDS)  # a request that has just found it is counted by then
                while old.n_active:
                    time.sleep(RETIRE_SECONDS)
                old.batches.close()
                logger.info("%s was reloaded", old.name)
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def _gauges(self) -> dict[str, Gauge]:
        return {
            "manyhot_active_requests": ("Requests being processed.", lambda: self.n_active),
            "manyhot_held_bytes": ("Bytes of requests in memory.", lambda: self.n_held_bytes),
            "manyhot_ready": ("1 when the service is ready.", lambda: self.is_ready),
            "manyhot_waiting_requests": (
                "Requests waiting for a batch.",
                lambda: sum(served.batches.n_waiting for served in self.models.values()),
            ),
        }


def _trim_memory() -> None:
    """Give freed memory back to the system, where Python or the C library would keep it."""
    gc.collect()  # what was refused may hang on the frames of its refusal
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
