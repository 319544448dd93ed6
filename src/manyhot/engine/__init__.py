"""The engine: many members of one network trained and scored as compiled programs."""

from manyhot.engine.attribution import PAIRS, Contributions, constants, contributions
from manyhot.engine.counts import balanced_weights
from manyhot.engine.data import Data, Parts, bucket, lay_out
from manyhot.engine.ensemble import Networks, Progress, Trained, Watch, Weights, member_bytes
from manyhot.engine.many import ManyWeights, train_many
from manyhot.engine.members import train
from manyhot.engine.predict import Buckets, Scorer
from manyhot.engine.saliency import PixelContributions, pixel_contributions
from manyhot.engine.stream import Window, Windows, train_windows
from manyhot.engine.top import TopScorer

__all__ = [
    "PAIRS",
    "Buckets",
    "Contributions",
    "Data",
    "ManyWeights",
    "Networks",
    "Parts",
    "PixelContributions",
    "Progress",
    "Scorer",
    "TopScorer",
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
    "pixel_contributions",
    "train",
    "train_many",
    "train_windows",
]
