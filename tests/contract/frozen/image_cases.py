"""The models of images that are frozen, made as those of `cases.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from manyhot import MultiLabelClassifier, load
from manyhot.networks.pretrained_backbone import open_backbone
from tests.contract.frozen.answers import MODEL
from tests.contract.frozen.cases import CANDIDATES, Case, N, trained
from tests.fixtures.backbone_files import EDGE, repeated_weights_file, tints
from tests.fixtures.image_spots import spots
from tests.fixtures.scenes import LABELS as PIXEL_LABELS
from tests.fixtures.scenes import scenes

BACKBONE = "mobilenetv3_small"
"""The smallest of them."""
WEIGHTS = "small.weights.h5"
FEW, FEW_CANDIDATES = 64, 24
"""Images that take longer than rows."""


def images_cnn(folder: Path) -> Case:
    """Grey images as arrays."""
    settings = {"network": "cnn", "image_params": {"filters": [3, 4], "pool": "flatten", "augment": "shift"}}
    settings |= {"decision": "recall", "decision_params": {"min_recall": 0.9}}
    return Case(trained(*spots(N), labels=["above", "below"], **settings), spots(CANDIDATES, 1)[0])


def images_resnet(folder: Path) -> Case:
    """Coloured images in files, brought to another size."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = tints(n, seed)
        (folder / "photos").mkdir(exist_ok=True)
        paths = [folder / "photos" / f"{seed}_{k:02}.png" for k in range(n)]
        for path, pixels in zip(paths, X[:, :10, :14], strict=True):
            Image.fromarray(pixels).save(path)
        return pl.DataFrame({"photo": list(map(str, paths))}), Y

    told = {"size": (12, 8), "fit": "crop", "filters": [3, 4], "pool": "average", "augment": "none"}
    settings = {"network": "resnet", "image_params": told, "decision": "cardinality"}
    classifier = trained(*frame(FEW, 28), labels=["red", "bright"], **settings)
    return Case(classifier, frame(FEW_CANDIDATES, 29)[0], files=("photo",))


def images_convnext(folder: Path) -> Case:
    """Two columns of images beside a number, and one network alone."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = tints(n, seed)
        told = {"photo": X[:, :12, :12], "sketch": X[:, :8, :8, 0], "price": np.random.default_rng(seed).normal(size=n)}
        return pl.DataFrame([pl.Series(name, cells) for name, cells in told.items()]), Y

    told = {"fit": "stretch", "filters": [4], "kernel": 3, "augment": "none"}
    settings = {"network": "convnext", "image_params": told, "n_members": 1}
    return Case(trained(*frame(FEW, 30), labels=["red", "bright"], **settings), frame(FEW_CANDIDATES, 31)[0])


def on_backbone(weights: str, **more: Any) -> MultiLabelClassifier:
    """A model that looks at small tinted images by a backbone."""
    told = {"backbone": BACKBONE, "weights": weights, "size": EDGE, "cache": False, **more}
    settings = {
        "epochs": 4,
        "hidden_layer_sizes": (4,),
        "dropout": 0.0,
        "learning_rate": 0.002,
        "calibration": "none",
        "image_params": told,
    }
    if "fine_tune_epochs" in more or weights == "none":
        settings |= {"n_members": 1, "optimizer": "sgd"}
        told["augment"] = "none"
    return trained(*tints(48), labels=["red", "bright"], **settings)


def backbone_frozen(folder: Path) -> Case:
    """Images by a known network that stays as it is."""
    return Case(on_backbone(str(repeated_weights_file(Path(WEIGHTS), BACKBONE))), tints(FEW_CANDIDATES, 1)[0])


def calmed(classifier: MultiLabelClassifier, rows: np.ndarray) -> Case:
    """A model with a smaller last kernel, so that scores have less of the noise of a million weights."""
    kernels = classifier.model_.weights.trainable
    kernels[-2] = kernels[-2] / 8
    classifier.save(MODEL)
    calm = load(MODEL)
    medians = np.median(calm.predict_proba(rows), axis=0).tolist()
    return Case(calm.set_thresholds(dict(zip(calm.labels_, medians, strict=True))), rows)


def backbone_tuned(folder: Path) -> Case:
    """The same network trained further, by steps so small that its weights still repeat themselves."""
    path = str(repeated_weights_file(Path(WEIGHTS), BACKBONE))
    return calmed(on_backbone(path, fine_tune_epochs=1, fine_tune_learning_rate=1e-9), tints(FEW_CANDIDATES, 2)[0])


def backbone_whole(folder: Path) -> Case:
    """A backbone trained from nothing; in the place of its weights, which no packing makes small, are repeated ones."""
    classifier = on_backbone("none")
    known = open_backbone(BACKBONE, str(repeated_weights_file(Path(WEIGHTS), BACKBONE)))
    own = classifier.model_.weights
    for held, arrays in ((own.trainable, known.trainable), (own.fixed, known.fixed)):
        held[: len(arrays)] = [array[None] for array in arrays]
    return calmed(classifier, tints(FEW_CANDIDATES, 3)[0])


def pixels(folder: Path) -> Case:
    """Labels of every pixel; images of several sizes, larger than a tile."""
    X, Y = scenes(8, (16, 16))
    told = {"filters": [3, 4], "tile": 16, "augment": "none"}
    settings = {"image_params": told, "batch_size": 4, "epochs": 40, "calibration": "temperature"}
    rows = [*scenes(12, (16, 24), 1)[0], *scenes(12, (20, 16), 2)[0]]
    return Case(trained(X, Y, labels=PIXEL_LABELS, **settings), rows)


IMAGE_CASES = (
    images_cnn,
    images_resnet,
    images_convnext,
    backbone_frozen,
    backbone_tuned,
    backbone_whole,
    pixels,
)
"""What makes each of them."""
