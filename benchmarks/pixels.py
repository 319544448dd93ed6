"""Labels of every pixel on real images: cells and their boundaries, streets and what stands in them.

Usage: python benchmarks/pixels.py [--sets nuclei,camvid] [--n-members 1] [--epochs auto] [--height 180]
           [--out results/pixels.json]; MANYHOT_DATA names the folder of data sets.
Nuclei are those of examples/cells.py: the first four fifths by name against the rest. CamVid is trained on its train
part, at a reduced size, and measured on its test part at that size. Beside its eleven classes, which exclude each
other, stand classes of classes, so that a pixel carries two labels. Pixels without a class are unknown.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from cells import LABELS, cells

from manyhot import MultiLabelClassifier
from manyhot.models.segmentation import ImageSet
from manyhot.models.segmentation.training import pixel_report

CLASSES = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
GROUPS = {
    "vehicle": ["car"],
    "vulnerable": ["pedestrian", "bicyclist"],
    "ground": ["road", "pavement"],
    "object": ["pole", "sign", "fence"],
}
VOID = 11


def camvid(folder: Path, part: str, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, h, w, 3), and float (n, h, w, l) with NaN where a pixel has no class."""
    images, numbers = [], []
    for path in sorted((folder / part).glob("*.jpg")):
        with Image.open(path) as image:
            size = (round(image.width * height / image.height), height)
            images.append(np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX)))
        with Image.open(folder / f"{part}annot" / f"{path.stem}.png") as mask:
            numbers.append(np.asarray(mask.resize(size, Image.Resampling.NEAREST)))
    classes = np.stack(numbers)[..., None] == np.arange(len(CLASSES))
    groups = [classes[..., [CLASSES.index(name) for name in names]].any(axis=-1) for names in GROUPS.values()]
    truth = np.concatenate([classes, np.stack(groups, axis=-1)], axis=-1).astype(np.float16)
    truth[np.stack(numbers) >= VOID] = np.nan
    return np.stack(images), truth


def measured(train: tuple, test: tuple, labels: list[str], options: argparse.Namespace, augment: str) -> dict:
    model = MultiLabelClassifier(
        labels=labels,
        n_members=options.n_members,
        epochs=options.epochs if options.epochs == "auto" else int(options.epochs),
        image_params={"augment": augment},
    )
    began = time.perf_counter()
    model.fit(*train)
    trained = time.perf_counter()
    values = pixel_report(model.model_, ImageSet(test[0]), model.pixel_targets(test[0], test[1]))["pixels"]
    predicted = time.perf_counter()
    own = model.model_.report["pixels"]
    for row in values["labels"]:
        print(f"  {row['label']:12} IoU {row['iou'] or 0:.3f}  Dice {row['dice'] or 0:.3f}")
    print(f"  mean IoU {values['mean_iou']:.3f}, Dice {values['mean_dice']:.3f}; {trained - began:.0f} s to train")
    classes = [row["iou"] or 0.0 for row in values["labels"] if row["label"] in CLASSES]
    return {
        "images": [len(train[0]), len(test[0])],
        "size": list(train[0].shape[1:3]),
        "config": {name: model.model_.report["config"][name] for name in ("n_members", "epochs", "batch_size")},
        "augment": augment,
        "train_seconds": round(trained - began, 1),
        "measured_images_per_second": round(len(test[0]) / (predicted - trained), 1),
        "test": values,
        "out_of_fold": {"mean_iou": own["mean_iou"], "mean_dice": own["mean_dice"]},
        **({"mean_iou_of_classes": float(np.mean(classes))} if classes else {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", default="nuclei,camvid")
    parser.add_argument("--n-members", type=int, default=1)
    parser.add_argument("--epochs", default="auto")
    parser.add_argument("--height", type=int, default=180)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    data = Path(os.environ["MANYHOT_DATA"])
    told = {
        "date": str(datetime.date.today()),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[1], 1),
        "sets": {},
    }
    for name in options.sets.split(","):
        print(name)
        if name == "nuclei":
            X, Y = cells(data / "nuclei_dsb2018", None)
            n = int(0.8 * len(X))
            train, test, labels, augment = (X[:n], Y[:n]), (X[n:], Y[n:]), LABELS, "flip+flip_vertical+quarter_turns"
        else:
            train, test = (camvid(data / "camvid", part, options.height) for part in ("train", "test"))
            labels, augment = [*CLASSES, *GROUPS], "flip+shift+colour"
        told["sets"][name] = measured(train, test, labels, options, augment)
        told["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
        if options.out is not None:
            options.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
