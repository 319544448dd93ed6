"""What the contenders on images share: MNIST, eleven labels (ten digits and "5 or more"), arguments in, JSON out."""

import argparse
import gzip
import json
import time
from pathlib import Path

import numpy as np

BATCH, RATE, FILTERS, UNITS, LABELS = 64, 1e-3, 32, 256, 11


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="holds MNIST's four files")
    parser.add_argument("--rows", type=int, default=19_200)
    parser.add_argument("--epochs", type=int, default=2, help="timed; one more before them is not")
    parser.add_argument("--steps", type=int, default=1, help="Keras: steps_per_execution")
    parser.add_argument("--jit", choices=["auto", "true", "false"], default="auto", help="Keras: jit_compile")
    parser.add_argument("--compiled", action="store_true", help="PyTorch: torch.compile")
    parser.add_argument("--channels-last", action="store_true", help="PyTorch: memory format")
    return parser.parse_args()


def rows(folder: Path, name: str, n_rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 (n, 28, 28, 1) from 0 to 1, targets float32 (n, 11); "train" or "t10k"."""
    images = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
    digits = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    X = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)[:n_rows].astype(np.float32) / 255
    y = np.frombuffer(digits, np.uint8, offset=8)[:n_rows]
    return X, np.concatenate([np.eye(10, dtype=np.float32)[y], (y >= 5)[:, None].astype(np.float32)], axis=1)


class Clock:
    """Seconds by the clock and by the processors since it was made; the second hardly feels what else runs."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._began[0], time.process_time() - self._began[1]


def tell(
    seconds: tuple[float, float], n_rows: int, options: argparse.Namespace, scores: np.ndarray, Y: np.ndarray, **more
) -> None:
    """Print images a second, and on test rows the share of images with all labels right and the log loss."""
    scores = np.clip(np.asarray(scores, dtype=float), 1e-7, 1 - 1e-7)
    told = {
        "images_per_second": n_rows * options.epochs / seconds[0],
        "images_per_processor_second": n_rows * options.epochs / seconds[1],
        "all_labels_right": float(((scores >= 0.5) == (Y > 0)).all(axis=1).mean()),
        "log_loss": float(-np.mean(np.where(Y > 0, np.log(scores), np.log(1 - scores)))),
        **more,
    }
    print(json.dumps(told), flush=True)
