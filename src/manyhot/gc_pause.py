"""Python's garbage collector, kept out of the way of what makes many objects at once: imports, tracing, cloning.

With JAX and Keras loaded one full collection walks over a million objects, which takes a sixth of a second.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pause_gc() -> Iterator[None]:
    """No collections while the body runs; afterwards all is as it was."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def freeze_heap() -> None:
    """Before a process of our own ends: what is still there is left to the system instead of being walked once more."""
    gc.freeze()
