"""`DecisionLayer`: scores of another program in every form, what it refuses and recognises, and what it remembers."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from scipy.special import logit
from sklearn.metrics import f1_score

from manyhot import DecisionLayer, MultiLabelClassifier, load, predict_arrow
from manyhot.data.targets import Targets
from manyhot.errors import InputError, ManyhotWarning
from manyhot.evaluation.metrics import log_loss

NAMES = ["sad", "quiet", "fast"]


def problem(n: int = 300, seed: int = 0, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that rank well and are calibrated at temperature 1, and targets (n, 3)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, 3)) * 2 - [2.0, 1.0, 0.0]
    Y = generator.random((n, 3)) < 1 / (1 + np.exp(-logits))
    return 1 / (1 + np.exp(-logits / temperature)), Y


def sets_of(Y: np.ndarray, names=NAMES) -> list[set]:
    return [{name for name, value in zip(names, row, strict=True) if value} for row in Y]


def notes(layer: DecisionLayer) -> list[str]:
    return layer.report_.to_dict()["notes"]


@pytest.fixture(scope="module")
def layer() -> DecisionLayer:
    return DecisionLayer(labels=NAMES, decision="f1_macro").fit(*problem())


def test_calibrated_probabilities_are_better_and_thresholds_are_fitted():
    scores, Y = problem(1000, temperature=0.3)
    fresh, fresh_Y = problem(2000, 1, temperature=0.3)
    layer = DecisionLayer(decision="f1_macro").fit(scores, Y)
    targets = Targets(fresh_Y)
    assert log_loss(targets, layer.predict_proba(fresh)).value < log_loss(targets, fresh).value - 0.1
    np.testing.assert_allclose(layer.predict_proba(fresh, calibrated=False), fresh, atol=1e-6)
    assert layer.report_.metrics["decision"]["f1_macro"]["value"] > layer.report_.metrics["fixed"]["f1_macro"]["value"]


def higher(values: list[float], others: list[float]) -> bool:
    """Whether paired values are higher beyond chance."""
    differences = np.subtract(values, others)
    return bool(differences.mean() > 3 * differences.std(ddof=1) / np.sqrt(len(values)))


def test_its_report_cross_fits():
    """On scores without any information, thresholds fitted to the rows that they decide flatter, and the report not."""
    generator = np.random.default_rng(0)
    reported, own, fresh = [], [], []
    for _ in range(20):
        scores, new = generator.random((2, 80, 3))
        Y, new_Y = generator.random((2, 80, 3)) < 0.2
        layer = DecisionLayer(decision="f1_macro", calibration="none").fit(scores, Y)
        reported.append(layer.report_.metrics["decision"]["f1_macro"]["value"])
        own.append(f1_score(Y, layer.predict(scores), average="macro"))
        fresh.append(f1_score(new_Y, layer.predict(new), average="macro"))
    assert higher(own, fresh)
    assert not higher(reported, fresh)


def test_every_form_of_scores_and_targets_gives_the_same():
    scores, Y = problem()
    expected = DecisionLayer(labels=NAMES).fit(scores, Y).predict_proba(scores)
    frame = pd.DataFrame(scores, columns=NAMES)
    pairs = [np.stack([1 - column, column], axis=1) for column in scores.T]
    order = ["fast", "quiet", "sad"]
    by_name = [NAMES.index(name) for name in order]
    for X, y, labels in [
        (scores, sets_of(Y), NAMES),
        (sp.csr_matrix(scores), sp.csr_matrix(Y.astype(int)), NAMES),
        (pairs, Y, NAMES),
        (frame, pd.DataFrame(Y, columns=NAMES), None),
        (pl.from_pandas(frame), Y, NAMES),
        (frame.add_prefix("p_")[[f"p_{name}" for name in order]], Y, NAMES),
        (frame.add_suffix(" score").assign(text="words"), sets_of(Y), NAMES),
        (pd.DataFrame(scores), Y, NAMES),
    ]:
        layer = DecisionLayer(labels=labels).fit(X, y)
        np.testing.assert_allclose(layer.predict_proba(X), expected, atol=1e-6)
    layer = DecisionLayer().fit(frame, sets_of(Y))  # sorted, as label sets without `labels` are
    assert layer.labels_ == tuple(order)
    np.testing.assert_allclose(layer.predict_proba(scores), expected[:, by_name], atol=1e-6)
    layer = DecisionLayer(labels=NAMES, scores="logits").fit(logit(scores), Y)
    np.testing.assert_allclose(layer.predict_proba(logit(scores)), expected, atol=1e-5)


def test_columns_of_other_names_are_taken_in_their_order_and_the_report_says_so():
    scores, Y = problem()
    layer = DecisionLayer(labels=NAMES).fit(pd.DataFrame(scores, columns=["a", "b", "c"]), Y)
    assert any("taken in their order: a for sad, b for quiet, c for fast" in note for note in notes(layer))
    with pytest.raises(InputError, match=r"4 columns beside the labels .* and 3 labels"):
        DecisionLayer(labels=NAMES).fit(pd.DataFrame(np.c_[scores, scores[:, 0]], columns=list("abcd")), Y)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: np.where(np.arange(3) == 1, 1.5, s), r"row 1, column 'quiet'.* 1.5, .*scores='logits'"),
        (lambda s: -s, "from 0 to 1"),
        (lambda s: np.where(np.arange(len(s))[:, None] == 6, np.nan, s), "row 7, column 'sad'.*NaN"),
        (lambda s: s[:, :2], "2 columns of scores, but there are 3 labels"),
        (lambda s: [np.ones((len(s), 1)), *(np.c_[1 - c, c] for c in s.T[1:])], r"number 1 is \(300, 1\)"),
    ],
)
def test_what_cannot_be_scores_is_refused_with_its_place(change, words):
    scores, Y = problem()
    with pytest.raises(InputError, match=words):
        DecisionLayer(labels=NAMES).fit(change(scores), Y)


def test_what_rounding_adds_is_cut_off():
    scores, Y = problem()
    scores[0] = 1 + 1e-7
    assert DecisionLayer(calibration="none").fit(scores, Y).predict_proba(scores).max() == 1


def test_scores_of_training_rows_are_recognised_where_they_are_perfect():
    scores, Y = problem()
    with pytest.warns(ManyhotWarning, match="not trained on"):
        layer = DecisionLayer().fit(0.5 * scores + 0.5 * Y, Y)
    assert any("separate the rows" in note for note in notes(layer))
    with pytest.warns(ManyhotWarning, match="decisions already"):
        DecisionLayer().fit(Y.astype(float), Y)
    assert "scores of training rows flatter" in str(layer.report_).replace("\n", " ")


@pytest.mark.filterwarnings("error::manyhot.ManyhotWarning")
def test_good_scores_are_not_suspected():
    assert not notes(DecisionLayer().fit(*problem()))
    scores, Y = problem()
    scores[:, 0] = 0.5 * scores[:, 0] + 0.5 * Y[:, 0]  # one easy label proves nothing
    assert not notes(DecisionLayer().fit(scores, Y))


def test_unknown_targets_and_weights():
    scores, Y = problem(400)
    weights = np.random.default_rng(1).integers(0, 4, len(Y))
    layer = DecisionLayer(decision="f1_macro").fit(scores, Y, weights)
    repeated = DecisionLayer(decision="f1_macro").fit(np.repeat(scores, weights, axis=0), np.repeat(Y, weights, axis=0))
    np.testing.assert_allclose(layer.predict_proba(scores), repeated.predict_proba(scores), atol=2e-3)
    unknown = Y.astype(float)
    unknown[::3, 0] = np.nan
    shown = DecisionLayer().fit(scores, unknown).report_.to_dict()
    assert shown["data"]["unknown_share"] == pytest.approx(134 / 1200)
    known = ~np.isnan(unknown[:, 0])
    column = DecisionLayer(calibration="platt").fit(scores[:, :1], unknown[:, :1]).predict_proba(scores[:, :1])
    alone = DecisionLayer(calibration="platt").fit(scores[known, :1], Y[known, :1]).predict_proba(scores[:, :1])
    np.testing.assert_allclose(column, alone, atol=1e-6)


def test_a_saved_layer_is_a_layer_and_says_the_same(layer, tmp_path):
    fresh, _ = problem(50, 2)
    layer.save(tmp_path / "layer.manyhot")
    loaded = load(tmp_path / "layer.manyhot")
    assert isinstance(loaded, DecisionLayer)
    assert loaded.get_params() == layer.get_params()
    np.testing.assert_array_equal(loaded.predict_proba(fresh), layer.predict_proba(fresh))
    assert loaded.predict_labels(fresh) == layer.predict_labels(fresh)
    assert str(loaded.report_) == str(layer.report_)
    assert loaded.tune_thresholds("f1_micro").thresholds_ == layer.tune_thresholds("f1_micro").thresholds_
    layer.tune_thresholds("f1_macro")
    frame = pl.DataFrame(fresh, schema=NAMES).select(["fast", "sad", "quiet"])
    np.testing.assert_array_equal(loaded.predict_proba(frame), loaded.predict_proba(fresh))
    assert predict_arrow(loaded, frame).columns == ["labels", "p_sad", "p_quiet", "p_fast"]
    layer.save(tmp_path / "bare.manyhot", evidence=False)
    with pytest.raises(InputError, match="without out-of-fold scores"):
        load(tmp_path / "bare.manyhot").tune_thresholds("f1_micro")


def test_a_guarantee_is_for_other_rows():
    layer = DecisionLayer(labels=NAMES).fit(*problem())
    with pytest.raises(InputError, match="300 of these 300 rows were used to fit the decisions"):
        layer.guarantee(*problem(), miss_rate=0.1)
    fresh, fresh_Y = problem(2000, 3)
    layer.guarantee(*problem(400, 2), miss_rate=0.1)
    rows = fresh_Y.any(axis=1)
    missed = ((fresh_Y & ~layer.predict(fresh).astype(bool)).sum(axis=1)[rows] / fresh_Y.sum(axis=1)[rows]).mean()
    assert missed < 0.12


def test_planted_label_errors_are_found():
    scores, Y = problem(600)
    sure = np.argwhere(scores > 0.97)[:8]
    Y[tuple(sure.T)] = True
    wrong = sure[:4]
    Y[tuple(wrong.T)] = False
    found = DecisionLayer(labels=NAMES).fit(scores, Y).find_label_errors(12)
    places = {(row_id, NAMES[label]) for row_id, label in zip(found.ids, found.label, strict=True)}
    assert {(str(row + 1), NAMES[label]) for row, label in wrong} <= places


def test_rules_and_a_taxonomy_hold():
    scores, Y = problem()
    Y[:, 1] |= Y[:, 0]
    layer = DecisionLayer(labels=NAMES, taxonomy=[("sad", "quiet")], max_labels=2).fit(scores, Y)
    proba, decisions = layer.predict_proba(scores), layer.predict(scores)
    assert (proba[:, 1] >= proba[:, 0]).all()
    assert (decisions[:, 1] >= decisions[:, 0]).all()
    assert decisions.sum(axis=1).max() == 2


def test_one_binary_target():
    scores, Y = problem()
    layer = DecisionLayer().fit(scores[:, :1], np.where(Y[:, 0], "yes", "no"))
    assert set(layer.predict(scores[:, :1])) == {"no", "yes"}
    assert layer.predict_proba(scores[:, :1]).shape == (300, 2)


def test_settings_of_networks_are_none_of_its_parameters():
    parameters = DecisionLayer().get_params()
    assert {"decision", "calibration", "random_state", "labels", "scores"} <= set(parameters)
    assert not {"epochs", "network", "n_members"} & set(parameters)
    shared = set(parameters) & set(MultiLabelClassifier().get_params())
    assert {name: parameters[name] for name in shared} == {
        name: MultiLabelClassifier().get_params()[name] for name in shared
    }
    with pytest.raises(InputError, match="scores"):
        DecisionLayer(scores="odds").fit(*problem())


def test_neither_jax_nor_keras_is_imported(tmp_path):
    page = str(tmp_path / "m.html")
    code = (
        "import sys, numpy as np, manyhot\n"
        "scores = np.random.default_rng(0).random((60, 2))\n"
        "layer = manyhot.DecisionLayer().fit(scores, scores > 0.4)\n"
        f"layer.save({str(tmp_path / 'm.manyhot')!r})\n"
        f"manyhot.load({str(tmp_path / 'm.manyhot')!r}).predict(scores)\n"
        f"layer.report_.to_html({page!r})\n"
        "print({'jax', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
