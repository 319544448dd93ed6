"""The one import of JAX and Keras, so that Keras always runs on JAX; compiled programs are cached on disk."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from manyhot.errors import ManyhotError
from manyhot.files import cache_folder
from manyhot.gc_pause import pause_gc

with pause_gc():
    import jax
    import keras  # on JAX: the package's first line of work says so

__all__ = ["jax", "keras", "keras_dtype", "set_compilation_cache", "use_dtype"]

if keras.backend.backend() != "jax":
    raise ManyhotError(
        f"Keras was imported before manyhot and runs on {keras.backend.backend()!r}; manyhot needs it on JAX. "
        "Set the environment variable KERAS_BACKEND=jax, or import manyhot before Keras."
    )


_processes: set[int] = set()  # the process in which JAX ran first; a fork inherits it


def _refuse_fork() -> None:
    process = os.getpid()
    if not _processes:
        _processes.add(process)
    if process not in _processes:
        raise ManyhotError(
            "this process was forked from one that has used manyhot already, and JAX, whose threads a fork does not "
            "have, would wait for ever; start processes with multiprocessing.get_context('spawn') or joblib's 'loky', "
            "or fork before the first training or prediction"
        )


@contextmanager
def use_dtype(name: str) -> Iterator[None]:
    """Run the body in "float32" or "float64", for the calling thread only; raise in a fork, which would hang."""
    _refuse_fork()
    with jax.enable_x64(name == "float64"):
        yield


def keras_dtype(name: str) -> str:
    """The Keras dtype of a precision; refuses what is not listed."""
    return {"float32": "float32", "float64": "float64"}[name]


def set_compilation_cache(enabled: bool = True) -> None:
    """Let JAX keep compiled programs for the next process, unless the user has decided about that; False stops it."""
    folder, current_dir = cache_folder() / "programs", jax.config.values.get("jax_compilation_cache_dir")
    if not enabled and current_dir == str(folder):
        jax.config.update("jax_compilation_cache_dir", None)
    if not enabled or current_dir is not None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # a read-only home is no reason not to train
    # A program that a killed process wrote by half, or a full disk, costs the time to compile it, and no word.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry", UserWarning)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


set_compilation_cache()  # before anything is built or compiled
