"""The frozen files, opened with the code of the day, and what they answer to their stored rows.

Run as a script, it writes the answers of all files into one `.npz`, which `compare.py` compares bit for bit.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

import manyhot
from manyhot import DecisionLayer, ExtremeMultiLabelClassifier, MultiLabelClassifier
from manyhot.backend import keras
from manyhot.errors import InputError

Classifier = MultiLabelClassifier | DecisionLayer | ExtremeMultiLabelClassifier
SAVED = Path(__file__).parent / "saved"
MODEL, PACKED_MODEL = "model.manyhot", "model.manyhot.xz"
ROWS, ROW_ARRAYS, EXPECTED, EXPECTED_ARRAYS = "rows.json", "rows.npz", "expected.json", "expected.npz"
TOP = 3
"""Labels of a row that a model of very many labels is asked for."""


class Doubled(keras.layers.Layer):
    """A layer of the user's own, which is handed over when its model is loaded."""

    def call(self, inputs: Any) -> Any:
        """Twice the inputs."""
        return 2.0 * inputs


def letter_shares(texts: list[str]) -> np.ndarray:
    """A function of the user's own: the share of some letters in each text, and its length."""
    rows = [[*(text.count(letter) / max(len(text), 1) for letter in "aeiou"), len(text) / 40] for text in texts]
    return np.array(rows).reshape(len(texts), 6)


def recorded(name: str) -> Callable[[list[str]], np.ndarray]:
    """What a transformer made of each text when the file was written, so that nothing but the file is needed."""
    known = json.loads((SAVED / name / "features.json").read_text(encoding="utf-8"))
    return lambda texts: np.array([known[text] for text in texts], dtype=np.float32)


LOADED_WITH: dict[str, Callable[[], dict[str, Any]]] = {
    "custom_two_inputs": lambda: {"custom_objects": {"Doubled": Doubled}},
    "text_function": lambda: {"text": letter_shares},
    "text_pretrained": lambda: {"text": recorded("text_pretrained")},
}
"""Name of a file -> what has to be handed over when it is loaded."""


def saved_names() -> list[str]:
    """The frozen files by name."""
    return sorted(path.name for path in SAVED.iterdir() if path.is_dir())


def opened(name: str) -> Classifier:
    """A frozen file, loaded."""
    if (SAVED / name / MODEL).is_file():
        return reopened(name, SAVED / name / MODEL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL
        path.write_bytes(lzma.decompress((SAVED / name / PACKED_MODEL).read_bytes()))
        return reopened(name, path)


def reopened(name: str, path: Path) -> Classifier:
    """Another file of the same model, loaded with what it needs."""
    return manyhot.load(path, **LOADED_WITH.get(name, dict)())


def rows_of(name: str) -> Any:
    """The rows of a frozen file in the form that its model takes."""
    folder = SAVED / name
    told = json.loads((folder / ROWS).read_text(encoding="utf-8"))
    arrays = dict(np.load(folder / ROW_ARRAYS, allow_pickle=False)) if (folder / ROW_ARRAYS).exists() else {}
    match told["form"]:
        case "texts":
            return told["texts"]
        case "array":
            return arrays["X"]
        case "arrays by name":
            return arrays
        case "list of arrays":
            return [arrays[str(k)] for k in range(len(arrays))]
        case "csr":
            return sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=arrays["shape"])
    columns = {}
    for column in told["columns"]:
        cells = told["cells"].get(column, arrays.get(column))
        columns[column] = [str(folder / cell) for cell in cells] if column in told["files"] else cells
    return pl.DataFrame([pl.Series(column, cells) for column, cells in columns.items()])


def answers(classifier: Classifier, X: Any) -> dict[str, np.ndarray]:
    """What a classifier says of rows, as arrays by name; images of different sizes have an array each."""
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        top = classifier.predict_top_k(X, TOP)
        return {"scores": top.scores, "top": top.labels, "answers": classifier.predict(X).toarray()}
    said = {
        "scores": classifier.predict_proba(X),
        "raw_scores": classifier.predict_proba(X, calibrated=False),
        "answers": classifier.predict(X),
    }
    lists = {key: value for key, value in said.items() if isinstance(value, list)}
    apart = {f"{key}.{k}": array for key, arrays in lists.items() for k, array in enumerate(arrays)}
    return {key: value for key, value in said.items() if key not in lists} | apart


def expected_answers(name: str) -> dict[str, np.ndarray]:
    """The answers of the day on which the file was written."""
    return dict(np.load(SAVED / name / EXPECTED_ARRAYS, allow_pickle=False))


def described(classifier: Classifier, X: Any) -> dict[str, Any]:
    """What a classifier says of itself, and its answers to rows by name, as plain values."""
    values = classifier.report_.to_dict()
    told: dict[str, Any] = {"kinds": kinds(classifier), "labels": list(classifier.labels_)}
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        told["threshold"] = classifier.threshold_
        told["label_sets"] = classifier.predict_labels(X, TOP, classifier.threshold_)
        told["report"] = {name: score["value"] for name, score in values["metrics"].items()}
        return told
    told["thresholds"] = classifier.thresholds_
    told["classes"] = np.asarray(classifier.classes_).tolist()
    if "pixels" not in values:
        told["label_sets"] = [sorted(labels) for labels in classifier.predict_labels(X)]
    told["report"] = {
        "rows": values["data"]["rows"],
        "n_members": values["scores"]["n_members"],
        "support": [row["support"] for row in values["labels"]],
        "metrics": {name: score["value"] for name, score in values["metrics"]["decision"].items()},
    }
    return told


def thresholds_anew(classifier: Classifier) -> dict[str, float] | None:
    """Thresholds chosen anew by the out-of-fold scores in the file; None where it holds no fresh ones."""
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        return None
    try:
        return classifier.tune_thresholds("f1_micro").thresholds_
    except InputError:
        return None


def kinds(classifier: Classifier) -> dict[str, list[str]]:
    """Of which kinds a model is: what of a table -> the names in it."""
    model = classifier.model_
    found = {"encoder": [model.encoder.kind]}
    if getattr(model.encoder, "text_columns", ()):
        found["text"] = [model.encoder.texts.kind]
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        return found
    found |= {
        "network": [model.network.name],
        "decision": [model.policy.decision.name],
        "calibration": sorted(set(model.policy.calibration.kinds)),
    }
    return found | {"loss": [model.config.loss], "output": [model.config.head]} if model.makes_scores else found


def main() -> None:
    """Write the answers of some files, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("names", nargs="*", help="names of frozen files; all of them where none is given")
    told = parser.parse_args()
    root = Path(__file__).parents[3]
    if not Path(manyhot.__file__).is_relative_to(root):
        sys.exit(f"manyhot is imported from {manyhot.__file__}, expected {root / 'src'}: set PYTHONPATH to it")
    found = {}
    for name in told.names or saved_names():
        said = answers(opened(name), rows_of(name))
        found |= {f"{name}/{key}": array for key, array in said.items()}
    np.savez(told.output, **found)


if __name__ == "__main__":
    main()
