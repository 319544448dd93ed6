"""Settings that change how training and prediction run, and nothing of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from manyhot.config.executor import check_executor, kept_executor
from manyhot.config.fields import BoolField, ChoiceField, CustomField, IntField, Settings, setting
from manyhot.config.images import ON_BAD_IMAGE

MEMBER_BATCHINGS = ("auto", "together", "single")


@dataclass(frozen=True)
class RuntimeConfig(Settings):
    """Settings that change only speed, memory or what is shown, never the result beyond float noise.

    The first sentence on each is its help on the command line.

    Args:
        devices: Devices that the members are spread over, 1 or more; "auto" is all of the default kind.
        member_batching: How members train: "together", or "single", one after another. "together" is as one leading
            axis; "auto" depends on the shapes.
        predict_batch_size: Rows per prediction step, 1 or more.
        compilation_cache: Whether compiled programs are kept in the user's cache folder for the next process.
        fast_layers: Whether faster layers of ours replace Keras' where those are slow (on a CPU; large dense ones too).
        verbose: 1 shows progress on standard error: a bar in a terminal; elsewhere lines, and only for work of more
            than ten seconds. 0 hides it.
        on_bad_image: "error" stops at an image that cannot be used; "skip" trains without such rows, and predicts no
            label for them.
        executor: Where members and folds are trained, if not in this process: "processes:N" in N worker processes,
            "ray" or "ray://HOST:PORT" on Ray. None in this process; in Python also an object with `submit` that returns
            futures, such as `dask.distributed.Client().get_executor()`.
    """

    devices: int | Literal["auto"] = setting(IntField("auto", 1))
    member_batching: str = setting(ChoiceField("auto", MEMBER_BATCHINGS))
    predict_batch_size: int = setting(IntField(1024, 1))
    compilation_cache: bool = setting(BoolField(True))
    fast_layers: bool = setting(BoolField(True))
    verbose: int = setting(IntField(1, 0))
    on_bad_image: str = setting(ChoiceField("error", ON_BAD_IMAGE))
    executor: Any = setting(CustomField(None, check_executor))

    def __getstate__(self) -> dict[str, Any]:
        """An executor that is an object stays in its process: it is not copied, pickled or saved."""
        return {**vars(self), "executor": kept_executor(self.executor)}
