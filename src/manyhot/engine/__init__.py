"""The engine: many members of one network trained and scored as compiled programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from manyhot.backend import set_compilation_cache, use_dtype
    from manyhot.engine.device_data import DeviceData, MemberSplits, bucket, lay_out
    from manyhot.engine.ensemble import NetworkFactory, Progress, ProgressCallback, TrainingResult, member_bytes
    from manyhot.engine.extreme.scoring import TopScorer
    from manyhot.engine.extreme.trainer import train_extreme
    from manyhot.engine.gradient_attribution import PAIRS_PER_BATCH, constants, contributions
    from manyhot.engine.integrated_gradients import pixel_contributions
    from manyhot.engine.label_counts import balanced_weights
    from manyhot.engine.scoring import Buckets, Scorer
    from manyhot.engine.trainer import train
    from manyhot.engine.weights import ExtremeWeights, Weights
    from manyhot.engine.windows import Window, Windows, train_windows

__all__ = [
    "PAIRS_PER_BATCH",
    "Buckets",
    "DeviceData",
    "ExtremeWeights",
    "MemberSplits",
    "NetworkFactory",
    "Progress",
    "ProgressCallback",
    "Scorer",
    "TopScorer",
    "TrainingResult",
    "Weights",
    "Window",
    "Windows",
    "balanced_weights",
    "bucket",
    "constants",
    "contributions",
    "lay_out",
    "member_bytes",
    "pixel_contributions",
    "set_compilation_cache",
    "train",
    "train_extreme",
    "train_windows",
    "use_dtype",
]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "manyhot.backend": ("set_compilation_cache", "use_dtype"),
        "device_data": ("DeviceData", "MemberSplits", "bucket", "lay_out"),
        "ensemble": ("NetworkFactory", "Progress", "ProgressCallback", "TrainingResult", "member_bytes"),
        "extreme.scoring": ("TopScorer",),
        "extreme.trainer": ("train_extreme",),
        "gradient_attribution": ("PAIRS_PER_BATCH", "constants", "contributions"),
        "integrated_gradients": ("pixel_contributions",),
        "label_counts": ("balanced_weights",),
        "scoring": ("Buckets", "Scorer"),
        "trainer": ("train",),
        "weights": ("ExtremeWeights", "Weights"),
        "windows": ("Window", "Windows", "train_windows"),
    },
)
