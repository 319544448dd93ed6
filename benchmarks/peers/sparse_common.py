"""What the contenders on sparse rows share: arguments in, one line of JSON out."""

import argparse
import json
from pathlib import Path

import numpy as np
import scipy.sparse as sp


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    return parser.parse_args()


def rows(folder: Path, name: str) -> tuple[sp.csr_matrix, np.ndarray]:
    return sp.csr_matrix(sp.load_npz(folder / f"{name}.npz")), np.load(folder / f"{name}_targets.npy")


def tell(seconds: float, n_rows: int, epochs: int, scores: np.ndarray, targets: np.ndarray) -> None:
    """Print examples a second, the highest resident memory of this process and the log loss on test rows."""
    scores = np.clip(np.asarray(scores, dtype=float), 1e-7, 1 - 1e-7)
    loss = -np.mean(np.where(targets, np.log(scores), np.log(1 - scores)))
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    told = {"examples_per_second": n_rows * epochs / seconds, "peak_mib": peak, "log_loss": loss}
    print(json.dumps(told), flush=True)
