"""Eleven labels for one digit: which of the ten it is, and whether it is 5 or more.

python examples/digits_and_more.py --data FOLDER
python examples/digits_and_more.py --data FOLDER --schedule default --json

FOLDER holds MNIST's four files (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., packed or not). A small
network with one sigmoid per label is trained, saved, and loaded by another process; then one network is trained under
three heads, to see what softmax makes of samples with several labels. Pictures land in --out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from manyhot import MultiLabelClassifier, compare_heads  # first: it chooses Keras' backend
from manyhot.errors import ManyhotError
from manyhot.evaluation.charts import require_pictures
from manyhot.reports.image_sheets import PredictionSheet, draw_prediction
from manyhot.data.readers import ReadOptions, read
import keras
import numpy as np
import polars as pl
from sklearn.metrics import log_loss

NAMES = (*map(str, range(10)), "5 or more")
ELSEWHERE = """
import sys
import numpy as np
from manyhot import load
np.save(sys.argv[3], load(sys.argv[1]).predict_proba(np.load(sys.argv[2])))
"""


def digits(folder: Path, part: str, n_rows: int | None) -> tuple[np.ndarray, pl.DataFrame]:
    """Images (n, 28, 28, 1) from 0 to 1, and one 0/1 column a label."""
    name = next((path for path in sorted(folder.glob(f"{part}-images*idx3*")) if path.is_file()), None)
    if name is None:
        raise SystemExit(f"{folder}: no {part}-images-idx3-ubyte is there; see --help for what the folder holds")
    samples = read(name, ReadOptions(label_order=NAMES[:10]))
    images = samples.features["image"].to_numpy()[:n_rows, :, :, None] / np.float32(255)
    ten = samples.targets.values[:n_rows]
    values = np.concatenate([ten, ten[:, 5:].any(axis=1, keepdims=True)], axis=1)
    return images, pl.DataFrame(values.astype(np.int8), schema=list(NAMES))


def network(schedule: str) -> keras.Model:
    """Convolution, pooling, a dense layer, eleven sigmoids; compiled where Adam's rate stays as it is."""
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(len(NAMES), activation="sigmoid"),
        ]
    )
    if schedule == "constant":
        model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def same_elsewhere(classifier: MultiLabelClassifier, images: np.ndarray, folder: Path) -> bool:
    """Whether the saved file gives the same probabilities, bit for bit, in another process."""
    bundle, rows, predictions = folder / "digits.manyhot", folder / "rows.npy", folder / "predictions.npy"
    classifier.save(bundle)
    np.save(rows, images)
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(bundle), str(rows), str(predictions)], check=True)
    return np.array_equal(np.load(predictions), classifier.predict_proba(images))


def main() -> None:
    """Train, save, load, look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the four files")
    parser.add_argument(
        "--schedule", choices=("constant", "default"), default="constant", help="Adam's rate, or manyhot's"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int, help="only the first rows of each part, to see that all runs")
    parser.add_argument("--heads", type=int, default=6000, help="rows for the three heads; 0 leaves them out")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, help="folder for the model file and the plots (default: a temporary folder)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    if options.heads:
        require_pictures()  # asked here, before anything is trained
    X, Y = digits(options.data, "train", options.rows)
    X_test, Y_test = digits(options.data, "t10k", options.rows)
    truth = Y_test.to_numpy()

    settings = {
        "n_members": 1,
        "epochs": options.epochs,
        "batch_size": 64,
        "decision": "fixed",
        "random_state": options.random_state,
    }
    classifier = MultiLabelClassifier(network=network(options.schedule), **settings).fit(X, Y)
    scores = classifier.predict_proba(X_test)
    is_right = (scores >= 0.5) == truth
    answer = {
        "element_accuracy": float(is_right.mean()),
        "subset_accuracy": float(is_right.all(axis=1).mean()),
        "loss": float(np.mean([log_loss(truth[:, j], scores[:, j], labels=[0, 1]) for j in range(len(NAMES))])),
    }
    print(f"{len(X_test)} test images: {answer['element_accuracy']:.5f} of the labels right, all eleven of an image in")
    print(f"{answer['subset_accuracy']:.4f} of them, loss {answer['loss']:.4f}")

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        answer["same_elsewhere"] = same_elsewhere(classifier, X_test[:1000], folder)
        print(f"another process with the saved file predicts the same, bit for bit: {answer['same_elsewhere']}")
        if options.heads:
            heads = {
                "epochs": min(options.epochs, 5),
                "batch_size": 64,
                "n_members": 1,
                "random_state": options.random_state,
            }
            compared = compare_heads(network("default"), X[: options.heads], Y.head(options.heads), n_splits=3, **heads)
            print(compared)
            compared.plot(folder / "heads.svg")
        print("test image 9:")
        for name, score in zip(NAMES, scores[9], strict=True):
            print(f"  {name:>9} {score:.3f} {'#' * round(40 * score)}")
        picture = np.repeat(np.round(255 * X_test[9]).astype(np.uint8), 3, axis=2)
        halves = np.full(len(NAMES), 0.5)
        shown = PredictionSheet("test image 9", [picture], NAMES, scores[9], scores[9] >= halves, halves)
        draw_prediction(shown).save(folder / "image-9.png")
        answer["plots"] = sorted(path.name for path in folder.glob("*.[ps][nv]g"))
    if options.json:
        print(json.dumps(answer | {"schedule": options.schedule, "random_state": options.random_state}))


if __name__ == "__main__":
    try:
        main()
    except ManyhotError as error:
        raise SystemExit(str(error)) from None
