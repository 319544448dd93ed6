"""A taxonomy from targets to scores, decisions, reports and files."""

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from manyhot import MultiLabelClassifier, cross_validate, load
from manyhot.backend import keras
from manyhot.config.training import TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.data.readers import ReadOptions
from manyhot.data.targets import Targets
from manyhot.decisions.policy import (
    cross_fitted_decisions,
    cross_fitted_scores,
    fit_policy,
    merge_equal_scores,
)
from manyhot.errors import InputError
from tests.data.test_hierarchy import hierarchies

LABELS = ["animal", "cat", "dog", "loud", "poodle"]
TREE = [("cat", "animal"), ("dog", "animal"), ("poodle", "dog")]
COLUMNS = [(1, 0), (2, 0), (4, 2)]
SMALL = {"n_members": 4, "n_folds": 4, "epochs": 8, "hidden_layer_sizes": (16,), "verbose": 0, "labels": LABELS}


def rows(n=240, seed=0):
    """Numbers, and targets in which parents are recorded now and then only."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 6))
    cat, poodle = X[:, 0] > 0.7, X[:, 1] > 0.8
    dog = poodle | (X[:, 2] > 0.9)
    animal = cat | dog | (X[:, 3] > 1)
    Y = np.stack([animal, cat, dog, X[:, 4] > 0, poodle], axis=1).astype(float)
    Y[::3, 0] = 0  # forgotten
    return X, Y


def assert_consistent(values):
    values = np.asarray(values)
    for child, parent in COLUMNS:
        assert (values[..., parent] >= values[..., child]).all()


@pytest.fixture(scope="module")
def fitted():
    return MultiLabelClassifier(**SMALL, taxonomy=TREE).fit(*rows())


@pytest.fixture(scope="module")
def fresh():
    return rows(300, 1)


@pytest.mark.parametrize(
    ("inputs", "settings"),
    [
        (np.asarray, {"calibration": "none"}),
        (np.asarray, {"calibration": "isotonic", "dtype": "float64", "loss": "asymmetric"}),
        (np.asarray, {"calibration": "platt", "decision": "top_k", "top_k": 1}),
        (np.asarray, {"calibration": "beta", "loss": "two_way", "decision": "f1_micro"}),
        (lambda X: sp.csr_matrix(np.maximum(X, 0)), {"decision": "cardinality"}),
        (
            lambda X: X.astype("float32"),
            {"network": keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(5)]), "hidden_layer_sizes": ()},
        ),
    ],
    ids=["plain", "isotonic", "top_k", "ranked", "sparse", "custom"],
)
def test_scores_and_decisions_keep_the_taxonomy(inputs, settings):
    X, Y = rows()
    settings = {**SMALL, **settings}
    if settings["hidden_layer_sizes"] == ():
        del settings["hidden_layer_sizes"]
    classifier = MultiLabelClassifier(**settings, taxonomy=TREE).fit(inputs(X), Y)
    assert classifier.n_members == 4
    assert_consistent(classifier.model_.evidence.scores)
    X_new = inputs(rows(500, 1)[0])
    for is_calibrated in (True, False):
        scores = classifier.predict_proba(X_new, calibrated=is_calibrated)
        assert_consistent(scores)
        assert len(np.unique(scores)) > 20
    assert_consistent(classifier.predict(X_new))
    if classifier.thresholds_:
        classifier.set_thresholds({"poodle": 0.01, "animal": 0.99})
        assert_consistent(classifier.predict(X_new))
        assert classifier.predict(X_new)[:, 4].any()


@given(hierarchies(), st.sampled_from(["platt", "beta", "isotonic", "temperature"]), st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_a_policy_keeps_any_taxonomy_whatever_the_raw_scores_are(hierarchy, calibration, seed):
    n_labels, pairs = hierarchy
    space = LabelSpace(tuple(f"label {j}" for j in range(n_labels)))
    taxonomy = tuple((space.names[child], space.names[parent]) for child, parent in pairs)
    config = TrainingConfig(taxonomy=taxonomy, calibration=calibration, n_members=2)
    generator = np.random.default_rng(seed)
    raw, targets = generator.random((60, n_labels)), Targets(generator.random((60, n_labels)) < 0.4)
    merged = merge_equal_scores(raw, targets, np.ones(60))
    policy = fit_policy(config, space, merged, has_spread=False)
    scores, decisions = cross_fitted_decisions(config, space, merged, policy)
    np.testing.assert_array_equal(scores, cross_fitted_scores(config, space, merged))
    for child, parent in pairs:
        for values in (policy.calibrate(raw), policy.decide(policy.calibrate(raw)), scores, decisions):
            assert (values[:, parent] >= values[:, child]).all()


def test_targets_are_completed_and_the_report_says_so(fitted):
    X, Y = rows()
    forgotten = int((Y[:, [1, 2]].any(axis=1) & (Y[:, 0] == 0)).sum())
    assert forgotten > 10
    values = fitted.model_.evidence.targets.values
    assert_consistent(values)
    assert values[:, 0].sum() == Y[:, 0].sum() + forgotten
    (note,) = [note for note in fitted.report_.to_dict()["notes"] if "taxonomy" in note]
    assert f"{forgotten} recorded as no, in {forgotten} rows" in note
    text = str(fitted.report_)
    assert "Taxonomy: 3 pairs" in text
    assert "hierarchical_f1" in text
    unknown = Y.copy()
    unknown[:, 0] = np.nan
    unknown[:, 2] = np.where(Y[:, 4] == 1, np.nan, Y[:, 2])
    again = MultiLabelClassifier(**SMALL, taxonomy=TREE).fit(X, unknown)
    (note,) = [note for note in again.report_.to_dict()["notes"] if "taxonomy" in note]
    assert "unknown became yes" in note
    assert again.model_.evidence.targets.values[:, 2].sum() == Y[:, 2].sum()
    filled = np.where(np.isnan(unknown[:, 2]), 1, unknown[:, 2])
    assert again.score(X, unknown) == again.score(X, np.c_[unknown[:, :2], filled, unknown[:, 3:]])


def test_without_a_taxonomy_nothing_is_completed_and_no_hierarchical_metric_is_reported():
    classifier = MultiLabelClassifier(**SMALL).fit(*rows())
    report = classifier.report_.to_dict()
    assert not [name for name in report["metrics"]["decision"] if "hierarchical" in name]
    assert classifier.model_.evidence.targets.values[:, 0].sum() == rows()[1][:, 0].sum()
    assert not any("taxonomy" in note for note in report["notes"])
    with pytest.raises(InputError, match="needs a taxonomy"):
        cross_validate(MultiLabelClassifier(**SMALL), *rows(), metrics=["hierarchical_f1"])


def test_the_constraint_is_there_in_training_not_only_afterwards(fitted):
    X, Y = rows()
    Y[:, 0] = Y[:, :3].max(axis=1)
    plain = MultiLabelClassifier(**SMALL).fit(X, Y)
    weights = [one.model_.weights.trainable for one in (fitted, plain)]
    assert any(not np.allclose(a, b) for a, b in zip(*weights, strict=True))
    losses = [one.report_.to_dict()["training"]["loss"] for one in (fitted, plain)]
    assert losses[0] != losses[1]


def test_saved_and_cloned_it_answers_alike(fitted, fresh, tmp_path):
    X, _ = fresh
    fitted.save(tmp_path / "animals.manyhot")
    again = load(tmp_path / "animals.manyhot")
    assert [tuple(pair) for pair in again.taxonomy] == TREE
    for is_calibrated in (True, False):
        np.testing.assert_array_equal(again.predict_proba(X, is_calibrated), fitted.predict_proba(X, is_calibrated))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert clone(fitted).taxonomy == TREE
    again.tune_thresholds("f1_micro")
    assert_consistent(again.predict(X))


def test_rules_come_and_go_and_the_taxonomy_stays(fitted, fresh, tmp_path):
    fitted.save(tmp_path / "animals.manyhot")
    classifier = load(tmp_path / "animals.manyhot")
    classifier.set_rules(exclusive=[("cat", "dog")], max_labels=3)
    answers = classifier.predict(fresh[0])
    assert_consistent(answers)
    assert (answers[:, [1, 2]].sum(axis=1) <= 1).all()
    classifier.set_rules()
    assert_consistent(classifier.predict(fresh[0]))
    with pytest.raises(InputError, match="could never be answered"):
        classifier.set_rules(exclusive=[("poodle", "animal")])
    with pytest.raises(InputError, match="circle"):
        classifier.set_rules(implies=[("animal", "poodle")])


def test_a_guarantee_takes_one_threshold_for_all_labels(fitted, tmp_path):
    fitted.save(tmp_path / "animals.manyhot")
    classifier = load(tmp_path / "animals.manyhot")
    X, Y = rows(600, 5)
    classifier.guarantee(X, Y, miss_rate=0.2)
    assert_consistent(classifier.predict(X))
    other = load(tmp_path / "animals.manyhot")
    with pytest.raises(InputError, match="per_label=False"):
        other.guarantee(X, Y, miss_rate=0.2, per_label=True)


def test_cross_validation_measures_with_ancestors():
    X, Y = rows()
    result = cross_validate(MultiLabelClassifier(**SMALL, taxonomy=TREE), X, Y, n_splits=3, n_repeats=1)
    assert_consistent(result.oof_scores[0])
    assert_consistent(result.targets.values)
    for at in ("decision", "fixed"):
        assert result.mean("hierarchical_f1", at=at) == pytest.approx(result.mean("f1_micro", at=at))
    assert "hierarchical_precision" in str(result)


def test_further_rows_and_labels_keep_it(tmp_path):
    X, Y = rows()
    classifier = MultiLabelClassifier(**SMALL, taxonomy=TREE).fit(X, Y)
    classifier.partial_fit(X, Y)
    assert_consistent(classifier.predict_proba(X))
    assert_consistent(classifier.model_.evidence.rows.targets.values)
    classifier = MultiLabelClassifier(**SMALL, taxonomy=TREE).fit(X, Y)
    extended = np.c_[Y, X[:, 5] > 0.5]
    classifier.add_labels(X, extended, labels=[*LABELS, "old"])
    assert classifier.labels_ == (*LABELS, "old")
    assert_consistent(classifier.predict_proba(X))
    assert_consistent(classifier.predict(X))
    assert any("taxonomy" in note for note in classifier.report_.to_dict()["notes"])
    assert classifier.model_.evidence.targets.values[:, 0].sum() > Y[:, 0].sum()


def test_a_stream_is_as_training_in_memory(tmp_path):
    X, Y = rows(600)
    frame = pl.DataFrame({f"x{j}": X[:, j].round(5) for j in range(6)})
    frame = frame.with_columns(**{f"is_{label}": Y[:, j].astype(int) for j, label in enumerate(LABELS)})
    frame.write_csv(tmp_path / "rows.csv")
    tree = [(f"is_{child}", f"is_{parent}") for child, parent in TREE]
    settings = {**SMALL, "n_members": 1, "taxonomy": tree, "labels": None}
    options = ReadOptions(labels="is_*")
    streamed = MultiLabelClassifier(**settings).fit_file(tmp_path / "rows.csv", options, stream=True)
    memory = MultiLabelClassifier(**settings).fit_file(tmp_path / "rows.csv", options, stream=False)
    features = frame.drop(pl.selectors.starts_with("is_"))
    np.testing.assert_allclose(streamed.predict_proba(features), memory.predict_proba(features), atol=1e-6)
    notes = [[n for n in one.report_.to_dict()["notes"] if "taxonomy" in n] for one in (streamed, memory)]
    assert notes[0] == notes[1]
    assert len(notes[0]) == 1


def test_a_parent_is_explained_by_its_highest_descendant(fitted, fresh):
    X = fresh[0][:40]
    scores = fitted.predict_proba(X)
    reasons = fitted.explain(X, labels=["animal", "dog"])
    explained = np.array([[row["animal"].logit, row["dog"].logit] for row in reasons])
    assert (explained[:, 0] >= explained[:, 1]).all()
    assert np.corrcoef(explained[:, 0], scores[:, 0])[0, 1] > 0.8
    assert all(row["animal"].for_ or row["animal"].against for row in reasons)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"taxonomy": [("kat", "animal")]}, "argument 'taxonomy': there is no label 'kat'; did you mean 'cat'?"),
        ({"taxonomy": [*TREE, ("animal", "poodle")]}, "the taxonomy goes in a circle"),
        ({"taxonomy": TREE, "implies": [("animal", "poodle")]}, "circle"),
        ({"taxonomy": TREE, "exclusive": [("poodle", "animal")]}, "could never be answered"),
        ({"taxonomy": TREE, "head": "softmax"}, "softmax"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused_before_training(settings, message):
    with pytest.raises(InputError) as caught:
        MultiLabelClassifier(**SMALL, **settings).fit(*rows())
    assert message in str(caught.value)


def test_pixels_and_a_keras_softmax_take_none():
    images = np.random.default_rng(0).integers(0, 255, size=(6, 8, 8)).astype(np.uint8)
    targets = np.stack([images > 100, images > 150], axis=-1)
    with pytest.raises(InputError, match=r"taxonomy.*pixels"):
        MultiLabelClassifier(labels=["a", "b"], taxonomy=[("b", "a")], verbose=0).fit(images, targets)
    network = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(5, activation="softmax")])
    with pytest.raises(InputError, match="softmax"):
        MultiLabelClassifier(labels=LABELS, network=network, taxonomy=TREE, verbose=0).fit(*rows())
