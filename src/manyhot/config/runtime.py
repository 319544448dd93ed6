"""Settings that change how training and prediction run, and nothing of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from manyhot import validation
from manyhot.config.fields import unless_auto
from manyhot.config.images import ON_BAD_IMAGE

LAYOUTS = ("auto", "together", "single")


@dataclass(frozen=True)
class RuntimeConfig:
    """What changes only speed, memory or what is shown, never the result beyond float noise.

    Args:
        devices: Devices to spread the members over; "auto" takes all of the default kind.
        layout: "together" (members as one leading axis), "single" (one after another) or "auto" (a rule on shapes).
        predict_rows: Rows per prediction step.
        compilation_cache: Whether compiled programs are kept in the user's cache folder for the next process.
        fast_layers: Whether layers of our own stand for Keras' where those are slow (on a CPU; large dense ones too).
        quiet: Whether progress is kept to oneself.
        on_bad_image: "error" stops at an image that cannot be used; "skip" trains without such rows, and answers them
            with nothing.
    """

    devices: int | Literal["auto"] = "auto"
    layout: str = "auto"
    predict_rows: int = 1024
    compilation_cache: bool = True
    fast_layers: bool = True
    quiet: bool = False
    on_bad_image: str = "error"

    def __post_init__(self) -> None:
        plain = {
            "devices": unless_auto(validation.integer, devices=self.devices, low=1),
            "layout": validation.one_of(LAYOUTS, layout=self.layout),
            "predict_rows": validation.integer(predict_rows=self.predict_rows, low=1),
            "on_bad_image": validation.one_of(ON_BAD_IMAGE, on_bad_image=self.on_bad_image),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        validation.boolean(compilation_cache=self.compilation_cache)
        validation.boolean(fast_layers=self.fast_layers)
        validation.boolean(quiet=self.quiet)
