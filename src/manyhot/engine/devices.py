"""What this process computes on."""

from __future__ import annotations

import warnings
from typing import Any

from manyhot.backend import jax
from manyhot.config.runtime import RuntimeConfig
from manyhot.errors import InputError, ManyhotWarning


def select_devices(runtime: RuntimeConfig) -> list[Any]:
    """The devices that the members are spread over."""
    devices = jax.local_devices()
    if runtime.devices == "auto":
        return devices
    if runtime.devices > len(devices):
        raise InputError(f"{runtime.devices} devices asked for, there are {len(devices)}", argument="devices")
    return devices[: runtime.devices]


def platform() -> str:
    """What this process computes on: "cpu", "gpu" or "tpu"."""
    return str(jax.local_devices()[0].platform)


def warn_of_platform(platform: str, own: str) -> None:
    """Say that members were trained on another platform than this process computes on."""
    if platform != own:
        warnings.warn(
            f"members were trained on {platform}, while this process is on {own}: the last digits differ from those of "
            f"a training on {own}",
            ManyhotWarning,
            stacklevel=2,
        )
