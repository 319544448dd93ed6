"""Nuclei in microscope images: every pixel may be nucleus, boundary and touching, each with a yes or no of its own.

python examples/cells.py --data nuclei_dsb2018
python examples/cells.py --data nuclei_dsb2018 --n-members 1 --epochs 10 --json

The folder holds images/ (grey, 256 x 256) and instances/ (0 is background, k the k-th nucleus), as the images of the
Data Science Bowl 2018 (BBBC038) do once their masks are merged. The first four fifths by name are trained on.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from manyhot import MultiLabelClassifier

LABELS = ["nucleus", "boundary", "touching"]
NEAR = 5
"""Edge of the square around a pixel that reaches 2 pixels far."""


def pixel_labels(instances: np.ndarray) -> np.ndarray:
    """Numbers of nuclei (h, w) -> bool (h, w, 3).

    A pixel of a nucleus within 2 pixels of its edge is nucleus and boundary; any pixel within 2 pixels of two different
    nuclei is touching.
    """
    nucleus = instances > 0
    highest = ndimage.maximum_filter(instances, NEAR)
    lowest = ndimage.minimum_filter(instances, NEAR)
    nobody = instances.max() + 1
    lowest_nucleus = ndimage.minimum_filter(np.where(nucleus, instances, nobody), NEAR)
    touching = (highest > 0) & (lowest_nucleus < highest)
    return np.stack([nucleus, nucleus & (lowest != highest), touching], axis=-1)


def cells(folder: Path, most: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, h, w) and the labels of their pixels (n, h, w, 3), in the order of their names."""
    names = sorted(path.name for path in (folder / "images").glob("*.png"))[:most]
    missing = [name for name in names if not (folder / "instances" / name).is_file()]
    if not names or missing:
        what = f"instances/{missing[0]}" if missing else "image (images/*.png)"
        raise SystemExit(f"{folder}: no {what} is there; see --help for what the folder holds")
    images = np.stack([np.asarray(Image.open(folder / "images" / name)) for name in names])
    instances = [np.asarray(Image.open(folder / "instances" / name)).astype(np.int64) for name in names]
    return images, np.stack([pixel_labels(one) for one in instances])


def main() -> None:
    """Train on the first four fifths, look at the rest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with images/ and instances/")
    parser.add_argument("--images", type=int, help="only so many of the first images")
    parser.add_argument("--n-members", type=int, default=2)
    parser.add_argument("--epochs", default="auto")
    parser.add_argument("--batch-size", default="auto")
    parser.add_argument("--filters", default="auto", help="of each stage, such as 16x32x64x128")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    X, Y = cells(options.data, options.images)
    n_train = int(0.8 * len(X))
    shares = ", ".join(f"{name} {share:.1%}" for name, share in zip(LABELS, Y.mean(axis=(0, 1, 2)), strict=True))
    print(f"{n_train} images to train on, {len(X) - n_train} to test; of their pixels {shares}")

    began = time.perf_counter()
    model = MultiLabelClassifier(
        labels=LABELS,
        n_members=options.n_members,
        epochs=options.epochs if options.epochs == "auto" else int(options.epochs),
        batch_size=options.batch_size if options.batch_size == "auto" else int(options.batch_size),
        image_params={"filters": options.filters, "augment": "flip+flip_vertical+quarter_turns"},
        random_state=options.random_state,
        verbose=0 if options.json else 1,
    ).fit(X[:n_train], Y[:n_train])
    seconds = time.perf_counter() - began
    predictions, truth = model.predict(X[n_train:]).astype(bool), Y[n_train:]

    both = (predictions & truth).sum(axis=(0, 1, 2))
    predicted, true = predictions.sum(axis=(0, 1, 2)), truth.sum(axis=(0, 1, 2))
    dice, iou = 2 * both / np.maximum(predicted + true, 1), both / np.maximum(predicted + true - both, 1)
    print(f"trained in {seconds:.0f} s; on the images that were kept aside:")
    out_of_fold = {row["label"]: row["dice"] for row in model.report_.values["pixels"]["labels"]}
    for j, name in enumerate(LABELS):
        print(f"  {name:9} Dice {dice[j]:.3f}, IoU {iou[j]:.3f} (out of fold: Dice {out_of_fold[name] or 0:.3f})")
    several = (predictions.sum(axis=-1) > 1).mean()
    print(f"{several:.1%} of the pixels are predicted to have several labels")
    if options.json:
        measured = {name: {"dice": float(dice[j]), "iou": float(iou[j])} for j, name in enumerate(LABELS)}
        print(json.dumps({"test": measured, "out_of_fold": out_of_fold, "seconds": seconds, "several": several}))


if __name__ == "__main__":
    main()
