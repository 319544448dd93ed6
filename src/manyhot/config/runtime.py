"""Settings that change how training and prediction run, and nothing of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from manyhot import validation
from manyhot.config.fields import unless_auto
from manyhot.config.images import ON_BAD_IMAGE

MEMBER_BATCHINGS = ("auto", "together", "single")


@dataclass(frozen=True)
class RuntimeConfig:
    """Settings that change only speed, memory or what is shown, never the result beyond float noise.

    Args:
        devices: Devices that the members are spread over, 1 or more; "auto" is all of the default kind.
        member_batching: How members train: "together" (as one leading axis), "single" (one after another), or "auto",
            which depends on the shapes.
        predict_batch_size: Rows per prediction step, 1 or more.
        compilation_cache: Whether compiled programs are kept in the user's cache folder for the next process.
        fast_layers: Whether faster layers of ours replace Keras' where those are slow (on a CPU; large dense ones too).
        verbose: 1 shows progress on standard error: a bar in a terminal; elsewhere lines, and only for work of more
            than ten seconds. 0 hides it.
        on_bad_image: "error" stops at an image that cannot be used; "skip" trains without such rows, and predicts no
            label for them.
    """

    devices: int | Literal["auto"] = "auto"
    member_batching: str = "auto"
    predict_batch_size: int = 1024
    compilation_cache: bool = True
    fast_layers: bool = True
    verbose: int = 1
    on_bad_image: str = "error"

    def __post_init__(self) -> None:
        validated = {
            "devices": unless_auto(validation.integer, devices=self.devices, low=1),
            "member_batching": validation.one_of(MEMBER_BATCHINGS, member_batching=self.member_batching),
            "predict_batch_size": validation.integer(predict_batch_size=self.predict_batch_size, low=1),
            "verbose": validation.integer(verbose=self.verbose, low=0),
            "on_bad_image": validation.one_of(ON_BAD_IMAGE, on_bad_image=self.on_bad_image),
        }
        for name, value in validated.items():
            object.__setattr__(self, name, value)
        validation.boolean(compilation_cache=self.compilation_cache)
        validation.boolean(fast_layers=self.fast_layers)
