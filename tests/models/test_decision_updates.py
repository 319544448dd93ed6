"""What a fitted model answers, changed without training."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.data.splitting.folds import stratified_folds
from manyhot.data.targets import Targets
from manyhot.decisions.policy import fit_policy, placeholder_row
from manyhot.decisions.thresholds import DECISIONS, Thresholds, build
from manyhot.errors import InputError
from manyhot.evaluation.metrics import compute_metrics
from manyhot.models import decision_updates

NAMES = ["day", "night", "car", "vehicle"]
SETTINGS = {"n_members": 4, "n_folds": 4, "epochs": 12, "hidden_layer_sizes": (32,), "verbose": 0, "labels": NAMES}


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 6))
    day = X[:, 0] + 0.4 * generator.normal(size=n) > 0.3
    night = X[:, 0] + 0.4 * generator.normal(size=n) < -0.6
    car = X[:, 1] + 0.5 * generator.normal(size=n) > 1.0
    vehicle = car | (X[:, 2] + 0.5 * generator.normal(size=n) > 0.8)
    return X, np.stack([day, night & ~day, car, vehicle], axis=1).astype(int)


@pytest.fixture(scope="module")
def trained():
    return MultiLabelClassifier(**SETTINGS).fit(*draw(400, 0))


@pytest.fixture
def model(trained, tmp_path):
    trained.save(tmp_path / "a.manyhot")
    return load(tmp_path / "a.manyhot")


def own(model, name: str) -> float:
    return model.report_.metrics["decision"][name]["value"]


SETTLED = {
    "cost": {"false_negative_cost": 2, "false_positive_cost": {name: 1 for name in NAMES}},
    "precision": {"min_precision": 0.8},
    "recall": {"min_recall": 0.8},
    "fbeta_macro": {"beta": 2},
    "top_k": {"k": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DECISIONS)
def test_thresholds_for_another_measure_are_those_of_a_fit_for_it(model, name):
    X, y = draw(400, 0)
    settings = SETTLED.get(name, {})
    model.tune_thresholds(name, **settings)
    told = {"top_k": 2} if name == "top_k" else {"decision_params": settings}
    anew = MultiLabelClassifier(**SETTINGS, decision=name, **told).fit(X, y)
    assert model.thresholds_ == pytest.approx(anew.thresholds_)
    fresh, _ = draw(50, 1)
    np.testing.assert_array_equal(model.predict(fresh), anew.predict(fresh))
    theirs, ours = anew.report_.to_dict(), model.report_.to_dict()
    assert theirs["metrics"] == ours["metrics"]
    assert ours["policy"]["decision"] == name


@pytest.mark.slow
def test_thresholds_by_hand_are_answered_by_kept_and_reported(model, tmp_path):
    X, _ = draw(80, 2)
    before = own(model, "f1_macro")
    spread = model.model_.policy.decision.spread
    model.set_thresholds({"car": 0.99, "day": 0.01})
    kept = model.model_.policy.decision.spread
    np.testing.assert_array_equal(kept, np.where(np.isin(NAMES, ["car", "day"]), 0, spread))
    assert (spread > 0).any()
    assert model.thresholds_["car"] == 0.99
    scores = model.predict_proba(X)
    np.testing.assert_array_equal(model.predict(X)[:, 2], scores[:, 2] >= 0.99)
    assert own(model, "f1_macro") < before
    model.save(tmp_path / "b.manyhot")
    again = load(tmp_path / "b.manyhot")
    assert again.thresholds_ == model.thresholds_
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    with pytest.raises(InputError, match="did you mean 'night'"):
        model.set_thresholds({"nigth": 0.5})
    with pytest.raises(InputError, match=r"1\.5"):
        model.set_thresholds({"night": 1.5})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["precision", "recall"])
def test_a_rate_for_some_labels_leaves_the_others_alone(model, name, tmp_path):
    before = model.thresholds_
    model.tune_thresholds(name, **{f"min_{name}": 0.85})
    of_all = model.thresholds_
    decision_updates.undo_decisions(model.model_)
    model.tune_thresholds(name, **{f"min_{name}": {"day": 0.85, "car": 0.85}})
    assert model.thresholds_ == before | {"day": of_all["day"], "car": of_all["car"]}
    assert of_all["day"] != before["day"]
    report = model.report_.to_dict()
    assert not report["scores"]["is_tuned_here"]
    own = model.model_.policy.exceptions["day"].describe().removeprefix("Decision: ")
    assert report["policy"]["meaning"].endswith(f"Except day, car: {own}")
    evidence, column = model.model_.evidence, NAMES.index("day")
    predicted = decision_updates.calibrated_scores(model.model_)[:, column] >= model.thresholds_["day"]
    positive = evidence.targets.values[:, column]
    assert (predicted & positive).sum() >= 0.85 * (predicted if name == "precision" else positive).sum() > 0
    with pytest.raises(InputError, match="did you mean 'night'"):
        model.tune_thresholds(name, **{f"min_{name}": {"nigth": 0.9}})
    model.save(tmp_path / "m.manyhot")
    again = load(tmp_path / "m.manyhot")
    assert again.report_.to_dict() == report
    decision_updates.set_rules(again.model_, again.model_.policy.rules)  # measured anew
    assert again.report_.to_dict()["labels"] == report["labels"]
    model.set_thresholds({"day": 0.5})
    assert list(model.model_.policy.exceptions) == ["car"]
    assert "Except car" in model.report_.to_dict()["policy"]["meaning"]
    assert model.report_.to_dict()["scores"]["is_tuned_here"]
    model.tune_thresholds("top_k", k=1)
    assert not model.model_.policy.exceptions
    with pytest.raises(InputError, match="no thresholds"):
        model.tune_thresholds(name, **{f"min_{name}": {"day": 0.85}})


@pytest.mark.slow
def test_the_threshold_of_one_label_is_measured_on_rows_that_did_not_choose_it(model):
    evidence, config, j = model.model_.evidence, model.model_.config, NAMES.index("day")
    model.tune_thresholds("precision", min_precision={"day": 0.85})
    rows, by_hand = evidence.unique_scores(), np.zeros(evidence.targets.n_samples, dtype=bool)
    folds = stratified_folds(rows.targets, 2, config.random_state)
    for fold in range(2):
        policy = fit_policy(config, model.model_.labels, rows.take(np.flatnonzero(folds != fold)), False)
        train = rows.take(np.flatnonzero(folds != fold))
        repeated = np.repeat(np.arange(len(train.raw)), train.counts)
        alone = build("precision", {"min_precision": 0.85})
        alone.fit(policy.calibrate(train.raw)[repeated][:, [j]], train.targets.take(repeated).select_labels([j]))
        decided = alone.apply(policy.calibrate(rows.raw)[:, [j]])[:, 0]
        by_hand |= ((folds == fold) & decided)[rows.inverse]
    row = next(row for row in model.report_.to_dict()["labels"] if row["label"] == "day")
    positive = evidence.targets.values[:, j]
    assert row["predicted"] == by_hand.sum()
    assert row["recall"] == pytest.approx((by_hand & positive).sum() / positive.sum())
    model.tune_thresholds("f1_macro")
    assert not model.model_.policy.exceptions


@pytest.mark.slow
def test_a_rate_for_one_label_where_the_others_stayed_at_one_half(model):
    config = model.model_.config
    halves = build("auto").fit(*placeholder_row(len(NAMES)))
    halves = halves.with_thresholds(Thresholds(np.full(len(NAMES), 0.5)))
    decision_updates.replace_policy(model.model_, model.model_.policy.with_decision(halves), config)
    before = {row["label"]: row for row in model.report_.to_dict()["labels"]}
    model.tune_thresholds("recall", min_recall={"day": 0.9})
    after = {row["label"]: row for row in model.report_.to_dict()["labels"]}
    assert model.thresholds_["day"] != 0.5
    assert model.report_.to_dict()["policy"]["meaning"].startswith("Decision: auto, 0.5 for every label: ")
    for label in set(NAMES) - {"day"}:
        assert after[label] == before[label]


@pytest.mark.slow
def test_top_k_has_no_thresholds_to_set(model):
    model.tune_thresholds("top_k", k=1)
    assert (model.predict(draw(20, 3)[0]).sum(axis=1) == 1).all()
    with pytest.raises(InputError, match="no thresholds"):
        model.set_thresholds({"car": 0.5})


def test_unknown_decisions_and_settings_are_named(model):
    with pytest.raises(InputError, match="did you mean 'f1_micro'"):
        model.tune_thresholds("f1_mikro")
    with pytest.raises(InputError, match="did you mean 'min_precision'"):
        model.tune_thresholds("precision", minprecision=0.9)


def test_rules_hold_in_answers_and_survive_the_file(model, tmp_path):
    X, _ = draw(500, 4)
    model.set_thresholds({"vehicle": 0.95, "day": 0.05, "night": 0.05})
    loose = model.predict(X)
    assert (loose[:, 2] > loose[:, 3]).any()
    assert (loose[:, 0] & loose[:, 1]).any()
    model.set_rules(implies=[("car", "vehicle")], exclusive=[("day", "night")], min_labels=1, max_labels=3)
    model.save(tmp_path / "rules.manyhot")
    for one in (model, load(tmp_path / "rules.manyhot")):
        answers = one.predict(X)
        assert (answers[:, 2] <= answers[:, 3]).all()
        assert not (answers[:, 0] & answers[:, 1]).any()
        assert (answers.sum(axis=1) >= 1).all()
    model.set_rules()
    np.testing.assert_array_equal(model.predict(X), loose)
    with pytest.raises(InputError, match="did you mean 'car'"):
        model.set_rules(implies=[("cra", "vehicle")])


def test_rules_of_the_plan_are_those_set_afterwards(model):
    X, y = draw(400, 0)
    rules = {"implies": [("car", "vehicle")], "exclusive": [("day", "night")], "min_labels": 1}
    planned = MultiLabelClassifier(**SETTINGS, **rules).fit(X, y)
    model.set_rules(**rules)
    fresh, _ = draw(100, 5)
    np.testing.assert_array_equal(planned.predict(fresh), model.predict(fresh))
    assert planned.report_.metrics == model.report_.metrics


def test_a_promise_is_answered_by_and_ends_with_other_thresholds(model, tmp_path):
    X, y = draw(600, 6)
    promise = model.guarantee(X, y, miss_rate=0.1)
    assert "10%" in promise.statement(model.labels_)
    model.save(tmp_path / "promise.manyhot")
    again = load(tmp_path / "promise.manyhot")
    fresh, truth = draw(4000, 7)
    answers = again.predict(fresh).astype(bool)
    carries = truth.any(axis=1)
    missed = ((truth == 1) & ~answers).sum(axis=1)[carries] / truth.sum(axis=1)[carries]
    assert 0.04 < missed.mean() < 0.15
    assert again.guarantee_.statement() == promise.statement()
    assert promise.statement(model.model_.labels) in str(again.report_).replace("\n", " ")
    again.tune_thresholds("f1_macro")
    assert again.guarantee_ is None
    with pytest.raises(InputError, match="guarantee is in force"):
        model.set_rules(min_labels=1)
    again.set_rules(min_labels=1)
    with pytest.raises(InputError, match="rules"):
        again.guarantee(X, y, miss_rate=0.1)


def test_a_promise_with_confidence(model):
    X, y = draw(800, 8)
    promise = model.guarantee(X, y, false_discovery_rate=0.2, confidence=0.9, per_label=True)
    assert promise.confidence == 0.9
    fresh, truth = draw(4000, 9)
    answers = model.predict(fresh).astype(bool)
    refused = list(promise.refused)
    assert not answers[:, refused].any()
    kept = [j for j in range(4) if j not in refused]
    assert len(kept) >= 2
    wrong = (answers & (truth == 0)).sum(axis=0)[kept] / answers.sum(axis=0)[kept]
    assert (wrong < 0.26).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "give either"),
        ({"miss_rate": 0.1, "false_discovery_rate": 0.1}, "give either"),
        ({"miss_rate": 0.001}, "999"),
        ({"miss_rate": 1.5}, r"1\.5"),
    ],
)
def test_a_promise_that_cannot_be_kept_is_refused_and_changes_nothing(model, settings, words):
    X, y = draw(200, 10)
    before = model.thresholds_
    with pytest.raises(InputError, match=words):
        model.guarantee(X, y, **settings)
    assert model.thresholds_ == before
    assert model.guarantee_ is None


def test_rows_of_training_cannot_carry_a_promise(model):
    X, y = draw(400, 0)
    with pytest.raises(InputError, match="400 of these 400 rows were used in training"):
        model.guarantee(X, y, miss_rate=0.1)
    fresh, truth = draw(300, 20)
    model.guarantee(np.concatenate([fresh, X[:20]]), np.concatenate([truth, y[:20]]), miss_rate=0.1)


def test_without_evidence_nothing_is_refitted_but_hands_may_set(trained, tmp_path):
    trained.save(tmp_path / "bare.manyhot", evidence=False)
    bare = load(tmp_path / "bare.manyhot")
    for refused in (lambda: bare.tune_thresholds("f1_micro"), lambda: bare.find_label_errors()):
        with pytest.raises(InputError, match="without out-of-fold scores"):
            refused()
    bare.tune_thresholds("fixed")
    bare.set_thresholds({"car": 0.3})
    assert bare.thresholds_["car"] == 0.3


@pytest.mark.slow
def test_after_further_training_the_scores_are_stale():
    X, y = draw(300, 0)
    fitted = MultiLabelClassifier(**SETTINGS).fit(X, y)
    fitted.partial_fit(X, y)
    with pytest.raises(InputError, match="training went on"):
        fitted.tune_thresholds("f1_micro")


@pytest.mark.slow
def test_calibrated_and_raw_probabilities():
    X, y = draw(300, 0)
    settings = {**SETTINGS, "n_members": 1, "epochs": 150, "dropout": 0.0, "weight_decay": 0.0}
    fitted = MultiLabelClassifier(**settings, calibration="platt").fit(X, y)
    fresh, truth = draw(2000, 11)
    raw, calibrated = fitted.predict_proba(fresh, calibrated=False), fitted.predict_proba(fresh)
    for j in range(4):
        order = np.argsort(raw[:, j], kind="stable")
        assert (np.diff(calibrated[order, j]) >= 0).all()
    brier = [((scores - truth) ** 2).mean() for scores in (raw, calibrated)]
    assert brier[1] < brier[0]
    values = fitted.report_.to_dict()
    assert values["policy"]["calibration"] == {"platt": 4}
    assert values["raw"]["probabilities"]["ece"]["value"] > values["probabilities"]["ece"]["value"]
    plain = MultiLabelClassifier(**settings, calibration="none").fit(X, y)
    np.testing.assert_array_equal(plain.predict_proba(fresh), raw)


@pytest.mark.slow
def test_the_report_measures_thresholds_on_rows_they_were_not_fitted_on():
    fitted = MultiLabelClassifier(**SETTINGS, decision="f1_macro").fit(*draw(200, 3))
    evidence, policy = fitted.model_.evidence, fitted.model_.policy
    scores = policy.calibrate(evidence.scores)
    flattering = compute_metrics(evidence.targets, scores, policy.decide(scores))["f1_macro"].value
    assert own(fitted, "f1_macro") < flattering


@pytest.mark.slow
def test_suspicious_labels_finds_planted_faults():
    X, y = draw(600, 12)
    sure = np.flatnonzero((X[:, 0] > 1.5) & (y[:, 0] == 1))[:6]
    y[sure, 0] = 0
    fitted = MultiLabelClassifier(**SETTINGS).fit(X, y)
    found = fitted.find_label_errors(12)
    named = {(int(row), int(label)) for row, label in zip(found.row, found.label, strict=True)}
    assert len({(int(row), 0) for row in sure} & named) >= 4


@pytest.mark.slow
def test_hidden_labels_are_learned_around_and_a_label_nobody_looked_at_is_told():
    X, y = draw(400, 13)
    y = y.astype(float)
    y[np.random.default_rng(0).random(y.shape) < 0.3] = np.nan
    y[:, 1] = np.nan
    fitted = MultiLabelClassifier(**SETTINGS).fit(X, y)
    findings = {finding["code"]: finding for finding in fitted.report_.to_dict()["checks"]}
    assert "night" in findings["constant_labels"]["labels"]
    fresh, truth = draw(500, 14)
    scores = fitted.predict_proba(fresh)
    assert np.isfinite(scores).all()
    found = compute_metrics(
        Targets(truth[:, [0, 2, 3]].astype(bool)), scores[:, [0, 2, 3]], scores[:, [0, 2, 3]] >= 0.5
    )
    assert found["roc_auc_macro"].value > 0.85


@pytest.mark.slow
def test_positive_only_learns_from_what_was_recorded_and_says_what_it_assumes():
    X, y = draw(500, 15)
    recorded = y * (np.random.default_rng(1).random(y.shape) < 0.5)
    fresh, truth = draw(1000, 16)
    scores = {}
    for positive_unlabeled in (False, True):
        settings = {**SETTINGS, "decision": "fixed", "positive_unlabeled": positive_unlabeled}
        fitted = MultiLabelClassifier(**settings).fit(X, recorded)
        scores[positive_unlabeled] = fitted.predict_proba(fresh)
    config, notes = fitted.report_.to_dict()["config"], " ".join(fitted.report_.to_dict()["notes"])
    assert config["loss"] == "hill"
    assert config["calibration"] == "none"
    assert "lower bounds" in notes
    found = {
        told: compute_metrics(Targets(truth.astype(bool)), one, one >= 0.5, names=["f1_micro", "map"])
        for told, one in scores.items()
    }
    assert found[True]["f1_micro"].value > found[False]["f1_micro"].value + 0.1
    assert found[True]["map"].value > found[False]["map"].value - 0.05
    with pytest.raises(InputError, match="softmax"):
        MultiLabelClassifier(positive_unlabeled=True, head="softmax", allow_softmax=True).fit(X, y)


@pytest.mark.slow
def test_targets_are_matched_by_name_where_they_carry_names():
    X, y = draw(400, 0)
    fitted = MultiLabelClassifier(**{**SETTINGS, "labels": ["vehicle", "night", "day", "car"]})
    fitted.fit(X, [{name for j, name in enumerate(NAMES) if row[j]} for row in y])
    fresh, truth = draw(400, 21)
    order = [3, 1, 0, 2]
    sets = [{name for j, name in enumerate(NAMES) if row[j]} for row in truth]
    samples = Samples(
        pl.DataFrame({f"x{j}": fresh[:, j] for j in range(6)}),
        [f"x{j}" for j in range(6)],
        {f"x{j}": "numeric" for j in range(6)},
        Targets(truth.astype(bool)),
        LabelSpace(tuple(NAMES)),
    )
    forms = {
        "array": (fresh, truth[:, order]),
        "frame": (fresh, pd.DataFrame(truth, columns=NAMES)),
        "sets": (fresh, sets),
        "series": (fresh, pd.Series(sets)),
        "samples": (samples, None),
    }
    promises = {form: fitted.guarantee(*given, miss_rate=0.2, per_label=True) for form, given in forms.items()}
    for form, promise in promises.items():
        np.testing.assert_array_equal(promise.thresholds, promises["array"].thresholds, err_msg=form)
        assert promise.n_used == tuple(truth[:, order].sum(axis=0)), form
    first = fitted.model_.evidence.rows.targets.n_samples
    fitted.partial_fit(*forms["samples"])
    added = fitted.model_.evidence.rows.targets.values[first:]
    np.testing.assert_array_equal(added, truth[:, order] == 1)
    with pytest.raises(InputError, match="were used in training"):
        fitted.guarantee(fresh, sets, miss_rate=0.2)


@pytest.mark.slow
def test_hand_set_thresholds_stay_in_the_report_whatever_changes_next(model, tmp_path):
    model.set_thresholds(dict.fromkeys(NAMES, 0.97))
    by_hand = own(model, "f1_micro")
    model.save(tmp_path / "hand.manyhot")
    for one in (model, load(tmp_path / "hand.manyhot")):
        one.set_rules(exclusive=[("day", "night")])
        one.set_rules()
        assert own(one, "f1_micro") == by_hand


def test_without_scores_the_report_says_nothing_of_new_thresholds(trained, tmp_path):
    trained.save(tmp_path / "bare.manyhot", evidence=False)
    bare = load(tmp_path / "bare.manyhot")
    bare.set_thresholds(dict.fromkeys(NAMES, 0.99))
    values = bare.report_.to_dict()
    assert values["metrics"]["decision"]["f1_micro"]["value"] is None
    assert values["metrics"]["fixed"]["f1_micro"]["value"] is not None
    assert {row["threshold"] for row in values["labels"]} == {0.99}
    assert {row["recall"] for row in values["labels"]} == {None}
    assert "without scores" in str(bare.report_)
    bare.save(tmp_path / "again.manyhot")
    assert load(tmp_path / "again.manyhot").thresholds_ == bare.thresholds_
    X, y = draw(400, 22)
    promise = bare.guarantee(X, y, miss_rate=0.2)
    assert bare.report_.to_dict()["policy"]["guarantee"] == promise.statement(bare.model_.labels)


def test_settings_of_another_decision_and_wrong_forms_are_refused(model):
    for name, settings in (("f1_micro", {"k": 3}), ("hamming", {"min_f1": 0.9}), ("hamming", {"metric": 1})):
        with pytest.raises(InputError, match="no setting"):
            model.tune_thresholds(name, **settings)
    with pytest.raises(InputError, match="label: threshold"):
        model.set_thresholds([("car", 0.3)])
    X, y = draw(300, 23)
    with pytest.raises(InputError, match="false_discovery_rate"):
        model.guarantee(X, y, miss_rate=0.2, simultaneous=True)


@pytest.mark.slow
def test_weights_of_labels_hold_in_further_training():
    X, y = draw(300, 0)
    settings = {**SETTINGS, "label_weights": {**dict.fromkeys(NAMES[:3], 0.0), "vehicle": 1e-9}, "weight_decay": 0.0}
    fitted = MultiLabelClassifier(**settings, optimizer="sgd", momentum=0.0, calibration="none").fit(X, y)
    before = fitted.predict_proba(X)
    fitted.partial_fit(X, 1 - y)
    moved = np.abs(fitted.predict_proba(X) - before).max(axis=0)
    assert moved[:3].max() < moved[3]
