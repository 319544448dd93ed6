"""Converts frozen files of format 1 to format 2, which has other names for the same things: `convert.py OLD_SAVED`.

It ran once, on the files of the last commit with format 1, and stays to document what became of each name. Arrays are
the same bit for bit, which is checked; documents keep every value. Sentences inside reports stay as they were written.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))

from manyhot.persistence import container
from manyhot.persistence.container.header import DTYPES
from tests.contract.frozen.answers import EXPECTED, MODEL, PACKED_MODEL, SAVED
from tests.contract.frozen.write import write_json

FOLDERS = {
    "many_mixed": "extreme_mixed",
    "many_sparse": "extreme_sparse",
    "own_sequential": "custom_sequential",
    "own_two_inputs": "custom_two_inputs",
    "text_ngrams": "text_tfidf",
}
DOCUMENT_KEYS = {"plan": "config", "decider": "policy", "members": "n_members", "reading": "read_options"}
EXTREME_KIND = {"many_labels": "extreme_multi_label"}
CONFIG_KEYS = {
    "members": "n_members",
    "folds": "n_folds",
    "hidden": "hidden_layer_sizes",
    "encode": "preprocessing",
    "text_settings": "text_params",
    "image_settings": "image_params",
    "loss_settings": "loss_params",
    "positive_only": "positive_unlabeled",
    "calibrate": "calibration",
    "decide": "decision",
    "decide_settings": "decision_params",
    "least_f1": "min_f1",
    "least_labels": "min_labels",
    "most_labels": "max_labels",
    "precision": "dtype",
    "seed": "random_state",
    "held_out": "holdout_fraction",
    "stop_share": "validation_fraction",
}
"""Settings of `TrainingConfig` and `ExtremeConfig`."""
IMAGE_KEYS = {"tune": "fine_tune_epochs", "tune_rate": "fine_tune_learning_rate"}
DECISION_KEYS = {
    "least_f1": "min_f1",
    "least_fbeta": "min_fbeta",
    "miss_cost": "false_negative_cost",
    "false_alarm_cost": "false_positive_cost",
}
"""Settings of decisions; "at_least" is that of precision or of recall."""
RULE_KEYS = {"least": "min_labels", "most": "max_labels"}
GUARANTEE_KEYS = {"n_answers": "predictions_per_row", "share_answered": "share_predicted"}
GUARANTEES = {"false_discoveries": "false_discovery_rate"}
ENCODER_KEYS = {"kinds": "column_types", "has_rest": "has_other"}
NETWORK_KEYS = {"takes": "input_format", "hidden": "hidden_layer_sizes"}
SCORES_KEYS = {"members": "n_members", "folds": "n_folds"}
REPORT_KEYS = {"measures": "metrics", "plan": "config", "answering": "policy", "diagnosis": "checks"}
DATA_KEYS = {"rows_given": "rows_total"}
SUPPORT_KEYS = {"least": "min", "most": "max"}
LABEL_KEYS = {"answered": "predicted"}
EXTREME_DECISION_KEYS = {"most_answers": "max_predictions", "answers_per_row": "predictions_per_row"}
KINDS_OF_METRICS = {"own": "decision", "half": "fixed"}
TEXTS = {"ngrams": "tfidf", "own": "custom"}
NETWORKS = {"words": "embedding_bag", "own": "custom"}
DECISIONS = {"half": "fixed"}
OPTIMIZERS = {"own": "compiled"}
EXPECTED_REPORT_KEYS = {"members": "n_members", "measures": "metrics"}


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The same values under new keys."""
    return {names.get(key, key): value for key, value in values.items()}


def convert_decision_params(decision: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a decision by its old name."""
    if decision == "half":
        return {"threshold": 0.5, **values}
    return renamed(values, {**DECISION_KEYS, "at_least": f"min_{decision}"})


def convert_config(old: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a training."""
    new = renamed(old, CONFIG_KEYS)
    for name, values in (("network", NETWORKS), ("text", TEXTS), ("decision", DECISIONS), ("optimizer", OPTIMIZERS)):
        if name in new:
            new[name] = values.get(new[name], new[name])
    if "decide" in old and (old["decide_settings"] is not None or old["decide"] == "half"):
        new["decision_params"] = convert_decision_params(old["decide"], old["decide_settings"] or {})
    if "stop_share" in old:
        new["validation_fraction"] = 1 / old["stop_share"]
    if old.get("image_settings") is not None:
        new["image_params"] = renamed(old["image_settings"], IMAGE_KEYS)
    return new


def convert_policy(old: Mapping[str, Any]) -> dict[str, Any]:
    """What turns scores into decisions."""
    decision, guarantee = old["decision"], old["guarantee"]
    name = decision["name"]
    params = convert_decision_params(name, {key: value for key, value in decision.items() if key != "name"})
    if guarantee is not None:
        kind = GUARANTEES.get(guarantee["kind"], guarantee["kind"])
        guarantee = renamed(guarantee, GUARANTEE_KEYS) | {"kind": kind}
    return {
        "calibration": old["calibration"],
        "decision": {"name": DECISIONS.get(name, name), **params},
        "rules": renamed(old["rules"], RULE_KEYS),
        "guarantee": guarantee,
        "is_manual": old["is_given"],
    }


def convert_encoder(old: Mapping[str, Any]) -> dict[str, Any]:
    """What turns features into arrays."""
    new = renamed(old, ENCODER_KEYS)
    if "text" in new:
        new["text"] = [{**column, "kind": TEXTS.get(column["kind"], column["kind"])} for column in new["text"]]
    return new


def convert_network(old: Mapping[str, Any]) -> dict[str, Any]:
    """What the network looks like: one of manyhot's, a Keras model, or the hidden layers below very many labels."""
    new = renamed(old, NETWORK_KEYS)
    if "name" in new:
        new["name"] = NETWORKS.get(new["name"], new["name"])
    if "settings" in new:
        new["settings"] = renamed(new["settings"], NETWORK_KEYS)
    return new


def convert_report(old: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured; the report on very many labels has no kinds of metrics."""
    new = renamed(old, REPORT_KEYS)
    if "plan" not in old:
        new["decisions"] = renamed(old["decisions"], EXTREME_DECISION_KEYS)
        return new
    new["data"] = {**renamed(old["data"], DATA_KEYS), "support": renamed(old["data"]["support"], SUPPORT_KEYS)}
    new["labels"] = [renamed(row, LABEL_KEYS) for row in old["labels"]]
    answering = old["answering"]
    new["config"] = convert_config(old["plan"])
    new["scores"] = renamed(old["scores"], SCORES_KEYS)
    new["metrics"] = renamed(old["measures"], KINDS_OF_METRICS)
    decision = DECISIONS.get(answering["decision"], answering["decision"])
    new["policy"] = {**answering, "decision": decision, "rules": renamed(answering["rules"], RULE_KEYS)}
    return new


def convert_document(old: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document."""
    new = renamed(old, DOCUMENT_KEYS)
    if "decider" in old:
        new["has_integer_labels"] = False
    new["config"] = convert_config(old["plan"])
    new["encoder"] = convert_encoder(old["encoder"])
    new["network"] = convert_network(old["network"])
    new["report"] = convert_report(old["report"])
    if "decider" in old:
        new["policy"] = convert_policy(old["decider"])
    if "kind" in old:
        new["kind"] = EXTREME_KIND[old["kind"]]
    return new


def convert_expected(old: Mapping[str, Any]) -> dict[str, Any]:
    """What `described` said of the model."""
    kinds = dict(old["kinds"])
    for name, values in (("text", TEXTS), ("network", NETWORKS), ("decision", DECISIONS)):
        if name in kinds:
            kinds[name] = [values.get(kind, kind) for kind in kinds[name]]
    report = renamed(old["report"], EXPECTED_REPORT_KEYS) if "measures" in old["report"] else old["report"]
    return {**old, "kinds": kinds, "report": report}


def read_format_1(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Document and arrays of a file that is trusted: nothing is checked but the format."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    sealed = json.loads(header.pop("__metadata__")["manyhot"])
    if sealed["format"] != 1:
        raise SystemExit(f"got a file in format {sealed['format']}, expected format 1")
    arrays = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        arrays[name] = np.frombuffer(data[start:stop], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return sealed["document"], arrays


def convert(old: Path, new: Path) -> int:
    """Convert the folder of one file; all that is beside the model and its description is copied.

    Returns:
        How many arrays were compared.
    """
    is_packed = (old / PACKED_MODEL).exists()
    content = lzma.decompress((old / PACKED_MODEL).read_bytes()) if is_packed else (old / MODEL).read_bytes()
    document, arrays = read_format_1(content)
    expected = convert_expected(json.loads((old / EXPECTED).read_text(encoding="utf-8")))
    if old.resolve() != new.resolve():
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(old, new)
    container.write(new / MODEL, convert_document(document), arrays)
    again = container.read(new / MODEL)
    assert again.document == convert_document(document)
    assert set(again.arrays) == set(arrays)
    for name, array in arrays.items():
        assert (again.arrays[name].dtype, again.arrays[name].shape) == (array.dtype, array.shape), name
        assert again.arrays[name].tobytes() == array.tobytes(), name
    if is_packed:
        packed = lzma.compress((new / MODEL).read_bytes(), preset=9 | lzma.PRESET_EXTREME)
        (new / PACKED_MODEL).write_bytes(packed)
        (new / MODEL).unlink()
    write_json(new / EXPECTED, expected)
    return len(arrays)


def main() -> None:
    """Convert every file in a folder into the folder of this checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="tests/contract/frozen/saved of a checkout with format 1")
    folders = sorted(path for path in parser.parse_args().old.iterdir() if path.is_dir())
    counts = [convert(folder, SAVED / FOLDERS.get(folder.name, folder.name)) for folder in folders]
    print(f"{len(folders)} files converted, {sum(counts)} arrays the same bit for bit")


if __name__ == "__main__":
    main()
