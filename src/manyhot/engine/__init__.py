"""The engine: many members of one network trained and scored as compiled programs."""

from manyhot.engine.attribution import PAIRS, Contributions, constants, contributions
from manyhot.engine.counts import balanced_weights
from manyhot.engine.data import Data, Parts, bucket, lay_out
from manyhot.engine.ensemble import Networks, Progress, Trained, Watch, Weights, member_bytes
from manyhot.engine.members import train
from manyhot.engine.predict import Scorer
from manyhot.engine.stream import Window, Windows, train_windows

__all__ = [
    "PAIRS",
    "Contributions",
    "Data",
    "Networks",
    "Parts",
    "Progress",
    "Scorer",
    "Trained",
    "Watch",
    "Weights",
    "Window",
    "Windows",
    "balanced_weights",
    "bucket",
    "constants",
    "contributions",
    "lay_out",
    "member_bytes",
    "train",
    "train_windows",
]
