"""Compiled programs, kept while the process lives, so that a second fit of the same shapes compiles nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from manyhot.backend import jax
from manyhot.backend import set_compilation_cache as set_compilation_cache
from manyhot.gc_pause import pause_gc

MAX_PROGRAMS = 64  # programs kept; the one used longest ago goes first


class ProgramCache:
    """A bounded store of compiled programs."""

    def __init__(self, max_programs: int = MAX_PROGRAMS) -> None:
        self._max_programs = max_programs
        self._programs: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.RLock()

    def get_or_compile(
        self, key: Hashable, build: Callable[[], Callable], args: tuple, donate: tuple[int, ...] = ()
    ) -> Any:
        """The program for a key and the shapes, types and devices of its arguments, compiled when it is new."""
        leaves, tree = jax.tree.flatten(args)
        shapes = tuple((leaf.shape, str(leaf.dtype), tuple(sorted(map(str, leaf.devices())))) for leaf in leaves)
        full_key = (key, shapes, str(tree))
        with self._lock:
            if full_key not in self._programs:
                with pause_gc():
                    self._programs[full_key] = jax.jit(build(), donate_argnums=donate).lower(*args).compile()
                while len(self._programs) > self._max_programs:
                    self._programs.popitem(last=False)
            self._programs.move_to_end(full_key)
            return self._programs[full_key]


PROGRAMS = ProgramCache()
