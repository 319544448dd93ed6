"""Files that were saved before load and answer as on the day they were written; see frozen/README.md."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from manyhot.config.text import TEXT_KINDS
from manyhot.decisions.calibration import calibration
from manyhot.decisions.thresholds import DECISIONS
from manyhot.encoders import ENCODERS
from manyhot.engine.losses import LOSSES, OUTPUTS
from manyhot.models.score_model import IDENTITY
from manyhot.networks import BUILDERS
from tests.contract.frozen import compare
from tests.contract.frozen.answers import (
    EXPECTED,
    SAVED,
    answers,
    described,
    expected_answers,
    opened,
    reopened,
    rows_of,
    saved_names,
    thresholds_anew,
)
from tests.contract.frozen.write import CASES

ROOT = Path(__file__).parents[2]
MAX_BYTES = 2 * 2**20
NEEDS = {"text_static": "tokenizers", "text_onnx": "onnxruntime"}
"""Name of a file -> what has to be installed for loading it."""
SLOW = ("backbone_tuned", "backbone_whole")
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in saved_names()]
TOLERANCE = {"backbone_frozen": 5e-6}
"""Of scores that pass many layers: instruction sets of one CPU differ by up to 2.8e-6 from those of another."""
TABLES = {
    "encoder": set(ENCODERS),
    "text": set(TEXT_KINDS),
    "network": {*BUILDERS, "custom", IDENTITY},
    "decision": set(DECISIONS),
    "calibration": set(calibration.KINDS),
    "loss": {name for name, _ in LOSSES},
    "output": set(OUTPUTS),
}
"""What a model may be, by the tables of the code."""
NOT_FROZEN: dict[tuple[str, str], str] = {}
"""Table and name of what no file is there for -> why."""


@cache
def model(name: str):
    """A frozen file, loaded once; no test changes it."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    return opened(name)


@cache
def expected(name: str) -> dict:
    return json.loads((SAVED / name / EXPECTED).read_text(encoding="utf-8"))


def assert_same_bits(found: dict[str, np.ndarray], known: dict[str, np.ndarray]) -> None:
    assert set(found) == set(known)
    for key, array in known.items():
        assert found[key].dtype == array.dtype
        np.testing.assert_array_equal(found[key], array)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_answers_as_on_the_day_it_was_written(name):
    X = rows_of(name)
    said, stored = answers(model(name), X), expected_answers(name)
    assert set(said) == set(stored)
    for key, array in stored.items():
        assert (said[key].shape, said[key].dtype) == (array.shape, array.dtype)
        if array.dtype.kind == "f":
            np.testing.assert_allclose(said[key], array, atol=TOLERANCE.get(name, 1e-6), rtol=0)
        else:
            np.testing.assert_array_equal(said[key], array)
    assert described(model(name), X) == {key: value for key, value in expected(name).items() if key != "f1_micro"}
    assert str(model(name).report_)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_saved_again_it_answers_the_same_bit_for_bit(name, tmp_path):
    X = rows_of(name)
    model(name).save(tmp_path / "again.manyhot")
    again = reopened(name, tmp_path / "again.manyhot")
    assert_same_bits(answers(again, X), answers(model(name), X))
    assert thresholds_anew(again) == pytest.approx(expected(name)["f1_micro"], abs=1e-6)


@pytest.mark.parametrize("table", TABLES)
def test_every_kind_is_frozen(table):
    found = {kind for name in saved_names() for kind in expected(name)["kinds"].get(table, [])}
    left_out = {kind for one, kind in NOT_FROZEN if one == table}
    assert found | left_out == TABLES[table]
    assert not found & left_out


def test_every_case_is_written_and_all_of_them_are_small():
    assert saved_names() == sorted(CASES)
    assert sum(path.stat().st_size for path in SAVED.rglob("*") if path.is_file()) < MAX_BYTES


def test_a_difference_of_one_bit_is_found():
    scores, labels = np.float32([[0.5, 0.25]]), np.array([[1, 0]])
    old = {"table/scores": scores, "table/answers": labels, "matrix/scores": scores}
    assert compare.differences(old, dict(old)) == {"table": "", "matrix": ""}
    moved = np.nextafter(scores, np.float32(1))
    new = {"table/scores": moved, "table/answers": 1 - labels, "matrix/scores": scores.astype(float)}
    assert compare.differences(old, new) == {
        "table": "answers at 2 places, scores by up to 5.96e-08",
        "matrix": "scores was float32 (1, 2), is float64 (1, 2)",
    }
    assert compare.differences(old, {}) == {
        "table": "answers is in one of them only, scores is in one of them only",
        "matrix": "scores is in one of them only",
    }


@pytest.mark.slow
def test_a_checkout_answers_as_itself():
    command = [sys.executable, compare.__file__, str(ROOT), str(ROOT), "table", "custom_two_inputs"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["table", "same", "custom_two_inputs", "same"]), done.stderr
