"""The table of docs/how-to/onnx.md names what there is, and says of each what the code does."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from manyhot.config.training import AUTO, BUILT_NETWORKS, CALIBRATIONS
from manyhot.data.targets import Targets
from manyhot.decisions.rules.rules import Rules
from manyhot.decisions.thresholds.fixed import TopK
from manyhot.encoders import MatrixEncoder, ScoreEncoder, TableEncoder
from manyhot.errors import InputError
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.export.encoding import list_inputs
from manyhot.export.labels import why_not
from tests.export.models import block_encoder, image_encoder, policy, table_encoder

TEXT = (Path(__file__).parents[2] / "docs/how-to/onnx.md").read_text()
ROWS = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", TEXT.split("## What is exported")[1], flags=re.MULTILINE)[1:])
PAIRS = (("quiet", "loud"),)


def names(kind):
    return {found[1] for row in ROWS if (found := re.fullmatch(rf"{kind} `(\w+)`", row))}


def test_every_network_calibration_and_rule_has_a_row():
    assert names("network") == {*BUILT_NETWORKS, "custom"}
    assert names("calibration") == set(CALIBRATIONS) - {AUTO}
    assert names("rule") == {"implies", "exclusive", "min_labels", "max_labels"}


@pytest.mark.parametrize(
    ("row", "encoder"),
    [
        ("numbers, booleans, categories", table_encoder()),
        ("images", image_encoder()),
        ("arrays for a network of your own", block_encoder(a=(3,), b=(2, 2))),
        ("texts", TableEncoder({"t": "text"}).fit(pl.DataFrame({"t": ["a b", "b c", "a c"] * 3}))),
        ("sparse rows", MatrixEncoder(("a", "b")).fit(sp.csr_matrix([[0.0, 1], [1, 0]]))),
    ],
)
def test_encoders(row, encoder):
    assert list_inputs(encoder, False)
    if ROWS[row].startswith("yes"):
        assert list_inputs(encoder, True)
    else:
        assert ROWS[row] == "with `encoder=False`"
        with pytest.raises(InputError, match="encoder=False"):
            list_inputs(encoder, True)


@pytest.mark.parametrize("has_encoder", [True, False])
def test_scores_of_another_program(has_encoder):
    assert ROWS["scores of another program (`DecisionLayer`)"] == "no"
    with pytest.raises(InputError, match="no network of its own"):
        list_inputs(ScoreEncoder(("a", "b"), (1, 0)), has_encoder)


@pytest.mark.parametrize(
    ("row", "one"),
    [
        ("thresholds, tuned or set by hand", policy()),
        ("`top_k`", policy(decision=TopK(1).fit(np.full((1, 3), 0.5), Targets(np.array([[True, False, True]]))))),
        ("taxonomy", policy(taxonomy=PAIRS)),
        ("rule `implies`", policy(rules=Rules(implies=PAIRS))),
        ("rule `exclusive`", policy(rules=Rules(exclusive=PAIRS))),
        ("rule `min_labels`", policy(rules=Rules(min_labels=1))),
        ("rule `max_labels`", policy(rules=Rules(max_labels=1))),
        *(
            (
                "`exclusive`, `min_labels` or `max_labels` beside `implies` or a taxonomy",
                policy(rules=Rules(implies=PAIRS, **more)),
            )
            for more in ({"exclusive": (("quiet", "sad"),)}, {"min_labels": 1}, {"max_labels": 2})
        ),
    ],
)
def test_decisions(row, one):
    assert (why_not(one) is None) == ROWS[row].startswith("yes")
    assert ROWS[row].startswith("yes") or ROWS[row] == "with `labels=False`"


def test_the_limits_of_rows_that_say_yes():
    assert "without common labels" in ROWS["rule `exclusive`"]
    assert why_not(policy(rules=Rules(exclusive=(("quiet", "loud"), ("loud", "sad"))))) is not None
    assert ROWS["models of very many labels"] == "no"
    assert not hasattr(ExtremeMultiLabelClassifier, "export_onnx")
    assert set(ROWS) >= {"guarantee", "frozen backbone"}  # test_labels.py, test_backbones.py
