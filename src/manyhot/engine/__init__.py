"""The engine: many members of one network trained and scored as compiled programs."""

from manyhot.engine.device_data import DeviceData, MemberSplits, bucket, lay_out
from manyhot.engine.ensemble import NetworkFactory, Progress, ProgressCallback, TrainingResult, Weights, member_bytes
from manyhot.engine.extreme.scoring import TopScorer
from manyhot.engine.extreme.trainer import ExtremeWeights, train_extreme
from manyhot.engine.gradient_attribution import PAIRS_PER_BATCH, Contributions, constants, contributions
from manyhot.engine.integrated_gradients import PixelContributions, pixel_contributions
from manyhot.engine.label_counts import balanced_weights
from manyhot.engine.scoring import Buckets, Scorer
from manyhot.engine.trainer import train
from manyhot.engine.windows import Window, Windows, train_windows

__all__ = [
    "PAIRS_PER_BATCH",
    "Buckets",
    "Contributions",
    "DeviceData",
    "ExtremeWeights",
    "MemberSplits",
    "NetworkFactory",
    "PixelContributions",
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
    "train",
    "train_extreme",
    "train_windows",
]
