"""Cross-validation: equal to a loop of fits, fold by fold, with corrected intervals of the mean."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.model_selection import KFold, RepeatedKFold, StratifiedKFold

from manyhot import MultiLabelClassifier, MultiLabelKFold, cross_validate
from manyhot.backend import keras
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds import DECISIONS
from manyhot.errors import InputError
from manyhot.estimators.cross_validation import folds
from manyhot.evaluation.metrics import compute_metrics
from tests.fixtures.precisions import in_both_precisions

L = keras.layers
QUICK = {"n_members": 3, "epochs": 3, "hidden_layer_sizes": (8,), "calibration": "none", "verbose": 0}


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 5)).astype(np.float32)
    Y = (X[:, :3] + 0.5 * generator.normal(size=(150, 3)) > [0.0, 0.5, 1.0]).astype(int)
    return X, Y


@pytest.fixture(scope="module")
def one_epoch_result(rows):
    return cross_validate(MultiLabelClassifier(**{**QUICK, "epochs": 1}), *rows, n_splits=2, n_repeats=1)


def network(*middle):
    model = keras.Sequential([L.Input((5,)), L.Dense(8, activation="relu"), *middle, L.Dense(3, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer="adam")
    return model


@pytest.mark.slow
def test_automatic_sizes_are_those_of_a_fit_on_a_folds_rows(rows):
    """Also where they depend on what the encoded columns are: dense ones have bins, words have tables."""
    X, Y = rows
    words = np.array(["sad quiet song", "loud fast song", "slow sad tune"], dtype=object)[np.arange(len(X)) % 3]
    for features in (X, pd.DataFrame({"words": words})):
        settings = {"hidden_layer_sizes": (4,), "epochs": 1, "verbose": 0}
        result = cross_validate(MultiLabelClassifier(**settings), features, Y, n_splits=3, n_repeats=1)
        train = MultiLabelClassifier(**settings).fit(features[:100], Y[:100]).model_.config.to_dict()
        for name in ("n_members", "batch_size", "epochs", "branches"):
            assert result.facts["config"][name] == train[name]


@pytest.mark.slow
def test_a_fold_equals_a_fit_on_its_training_rows(rows):
    """Encoder, members and thresholds come from the training rows alone."""
    X, Y = rows
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    settings = {**QUICK, "calibration": "auto", "batch_size": 16}
    clf = MultiLabelClassifier(**settings)
    result = cross_validate(clf, X, Y, splits=splits)
    train, test = splits[0]
    fitted = MultiLabelClassifier(**settings).fit(X[train], Y[train])
    np.testing.assert_allclose(result.oof_scores[0][test], fitted.predict_proba(X[test]), atol=1e-5)
    np.testing.assert_allclose(result.thresholds[0], list(fitted.thresholds_.values()), atol=1e-5)
    expected = compute_metrics(
        Targets(Y[test].astype(bool)), fitted.predict_proba(X[test]), fitted.predict(X[test]) == 1
    )
    for name, score in expected.items():
        assert result.values(name)[0] == pytest.approx(score.value, abs=1e-5)


MIDDLES = {"plain": [], "dropout": [L.Dropout(0.3)], "norm": [L.BatchNormalization()]}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype", "epochs", "tolerance"), in_both_precisions([*MIDDLES]))
def test_batched_folds_equal_single_folds(rows, name, dtype, epochs, tolerance):
    X, Y = rows
    middle = MIDDLES[name]
    options = {"n_splits": 5, "n_repeats": 2, "epochs": epochs, "batch_size": 32, "dtype": dtype, "verbose": 0}
    together, single = (
        cross_validate(network(*middle), X, Y, member_batching=how, **options) for how in ("together", "single")
    )
    difference = np.nanmax(np.abs(together.oof_scores - single.oof_scores))
    print(f"largest difference {difference:.1e}")
    assert difference < tolerance


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["classifier", "keras"])
def test_the_number_of_fits_trained_together_does_not_matter(rows, estimator, monkeypatch):
    X, Y = rows
    clf = MultiLabelClassifier(**QUICK, dtype="float64") if estimator == "classifier" else network()
    config = {} if estimator == "classifier" else {"epochs": 3, "batch_size": 32, "dtype": "float64", "verbose": 0}
    whole = cross_validate(clf, X, Y, n_splits=4, n_repeats=1, **config)
    monkeypatch.setattr(folds, "GROUP_BYTES", 1)
    single = cross_validate(clf, X, Y, n_splits=4, n_repeats=1, **config)
    np.testing.assert_array_equal(whole.oof_scores, single.oof_scores)


@pytest.mark.slow
def test_a_keras_model_is_trained_on_every_training_row(rows):
    X, Y = rows
    result = cross_validate(network(), X, Y, n_splits=3, n_repeats=1, epochs=1, batch_size=64, verbose=0)
    assert result.facts["config"]["n_members"] == 1
    assert result.facts["config"]["decision"] == "fixed"
    assert set(result.scores["decision"]) == set(result.scores["fixed"])
    for name, values in result.scores["fixed"].items():
        np.testing.assert_array_equal(values, result.values(name))


@pytest.fixture(scope="module")
def repeated(rows):
    return cross_validate(network(), *rows, n_splits=3, n_repeats=2, epochs=1, batch_size=64, verbose=0)


@pytest.mark.slow
def test_every_row_is_tested_once_in_every_repeat(repeated):
    result = repeated
    assert result.n_fits == 6
    assert result.is_tested.all()
    assert np.isfinite(result.oof_scores).all()
    for repeat in range(2):
        tested = np.concatenate([split.test for split in result.splits if split.repeat == repeat])
        np.testing.assert_array_equal(np.sort(tested), np.arange(150))
    assert not np.array_equal(result.splits[0].test, result.splits[3].test)


@pytest.mark.slow
def test_a_group_is_never_split(rows):
    X, Y = rows
    groups = np.arange(150) // 5
    for stratify in (True, False):
        options = {"n_splits": 3, "n_repeats": 1, "epochs": 1, "batch_size": 64, "verbose": 0}
        result = cross_validate(network(), X, Y, groups=groups, stratify=stratify, **options)
        for split in result.splits:
            assert not np.intersect1d(groups[split.train], groups[split.test]).size


@pytest.mark.slow
def test_scikit_learn_splitters(rows):
    X, Y = rows
    options = {"epochs": 1, "batch_size": 64, "verbose": 0, "metrics": ["f1_micro"]}
    by_ours = cross_validate(network(), X, Y, splits=MultiLabelKFold(3), **options)
    by_theirs = cross_validate(
        network(), X, Y, splits=RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), **options
    )
    assert (by_ours.n_fits, by_theirs.n_fits) == (3, 6)
    assert len(by_theirs.is_tested) == 2
    assert set(by_ours.scores["decision"]) == {"f1_micro"}


@pytest.mark.slow
def test_thresholds_are_tuned_inside_the_folds():
    """On pure noise, F1 is not above the baseline; with thresholds tuned on the test rows it would be."""
    generator = np.random.default_rng(3)
    X, Y = generator.normal(size=(120, 4)), generator.random((120, 4)) < 0.3
    result = cross_validate(MultiLabelClassifier(**QUICK, min_f1=0.0), X, Y, n_splits=4, n_repeats=6)
    excess = result.values("f1_macro") - result.baselines["decision"]["f1_macro"]
    low, _ = np.mean(excess) + np.array([-3, 3]) * np.std(excess) / np.sqrt(len(excess))
    assert low < 0
    best = []
    for split in result.splits:
        scores, truth = result.oof_scores[split.repeat][split.test], Y[split.test]
        f1 = [
            max(2 * (truth[:, j] & (s >= t)).sum() / max((s >= t).sum() + truth[:, j].sum(), 1) for t in s)
            for j, s in enumerate(scores.T)
        ]
        best.append(np.mean(f1))
    assert np.mean(best) > np.mean(result.values("f1_macro")) + 0.03


@pytest.mark.slow
def test_the_interval_is_the_corrected_one(repeated):
    result = repeated
    values = result.values("lrap")
    reach = stats.t.ppf(0.975, 5) * np.sqrt((1 / 6 + 50 / 100) * values.var(ddof=1))
    assert result.interval("lrap") == pytest.approx((max(0, values.mean() - reach), min(1, values.mean() + reach)))
    assert result.mean("lrap") == pytest.approx(values.mean())
    assert result.std("lrap") == pytest.approx(values.std(ddof=1))


@pytest.mark.slow
def test_a_label_without_positives_in_a_fold_is_counted(rows):
    X, Y = rows
    rare = np.zeros((150, 1), dtype=int)
    rare[:2] = 1
    options = {"n_splits": 5, "n_repeats": 1, "epochs": 1, "batch_size": 64, "verbose": 0}
    model = keras.Sequential([L.Input((5,)), L.Dense(4, activation="sigmoid")])
    result = cross_validate(model, X, np.hstack([Y, rare]), **options)
    assert result.n_unscored.tolist() == [0, 0, 0, 3]
    assert np.isnan(result.label_scores["f1"][:, 3]).sum() == 3
    assert "not scored in some folds, for lack of positives: 1" in str(result)


@pytest.mark.slow
def test_unknown_targets_are_left_out(rows):
    X, Y = rows
    holed = Y.astype(float)
    holed[:40, 0] = np.nan
    options = {"n_splits": 3, "n_repeats": 1, "epochs": 2, "batch_size": 64, "verbose": 0}
    result = cross_validate(network(), X, holed, **options)
    assert result.label_scores["n_known"].sum(axis=0).tolist() == [110, 150, 150]


@pytest.mark.slow
def test_two_settings_on_the_same_folds(rows):
    X, Y = rows
    options = {"n_splits": 5, "n_repeats": 2, "batch_size": 16, "verbose": 0}
    trained = cross_validate(network(), X, Y, epochs=60, **options)
    untrained = cross_validate(network(), X, Y, epochs=1, **options)
    comparison = trained.compare(untrained)
    assert comparison.verdict("lrap") == "this"
    assert comparison.verdict("hamming_loss") == "this"
    assert untrained.compare(trained).verdict("lrap") == "other"
    assert trained.compare(trained).verdict("lrap") == "unsure"
    differences = trained.values("lrap") - untrained.values("lrap")
    assert comparison.metrics["lrap"].value == pytest.approx(differences.mean())
    assert "this is better" in str(comparison)
    json.dumps(comparison.to_dict(), allow_nan=False)
    for name, row in comparison.metrics.items():
        is_clear = comparison.verdict(name) != "unsure"
        assert is_clear == (row.low > 0 or row.high < 0)
    with pytest.raises(InputError, match=r"another cross-validation, got 0\.5"):
        trained.compare(0.5)
    with pytest.raises(InputError, match="different folds"):
        trained.compare(cross_validate(network(), X, Y, epochs=1, **{**options, "n_repeats": 1}))


@pytest.mark.slow
def test_json_and_text(rows):
    X, Y = rows
    result = cross_validate(MultiLabelClassifier(**QUICK), X, Y, n_splits=3, n_repeats=2)
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["n_fits"] == 6
    assert len(document["metrics"]["decision"]["f1_macro"]["folds"]) == 6
    assert [row["label"] for row in document["labels"]] == ["label_0", "label_1", "label_2"]
    text = str(result)
    assert "6 fits (2 repeats) on 150 rows, 50 test rows each" in text
    assert "At a threshold of 0.5" in text
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("decision", DECISIONS)
def test_text_for_every_decision(one_epoch_result, decision):
    facts = {**one_epoch_result.facts, "config": {**one_epoch_result.facts["config"], "decision": decision}}
    text = str(replace(one_epoch_result, facts=facts))
    heading = {"fixed": "At a threshold of 0.5", "top_k": "Predicting the labels with the highest scores"}
    assert f"\n\n{heading.get(decision, f'At thresholds tuned for {decision} ')}" in text
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize(
    "options",
    [
        {"decision": "precision"},
        {"decision": "recall", "decision_params": {"at_leest": 0.5}},
        {"decision_params": {"shrink": -1}},
        {"implies": [("label_0", "nobody")]},
        {"exclusive": [("label_0", "label_1")], "implies": [("label_0", "label_1")]},
    ],
    ids=str,
)
def test_invalid_decisions_and_rules_raise_before_training(rows, options, monkeypatch):
    X, Y = rows

    def train(*_):
        pytest.fail("training started")

    monkeypatch.setattr(folds, "train_searched", train)
    with pytest.raises(InputError):
        cross_validate(MultiLabelClassifier(**QUICK), X, Y, n_splits=3, n_repeats=1, **options)


@pytest.mark.slow
def test_ranking_losses_are_calibrated_without_tuned_thresholds(rows):
    X, Y = rows
    options = {"n_splits": 2, "n_repeats": 1, "n_members": 1, "decision": "fixed", "batch_size": 16}
    plain, ranked = (
        cross_validate(MultiLabelClassifier(**{**QUICK, "calibration": "auto", "loss": loss}), X, Y, **options)
        for loss in ("binary_crossentropy", "two_way")
    )
    assert (plain.facts["config"]["calibration"], ranked.facts["config"]["calibration"]) == ("none", "auto")
    np.testing.assert_allclose(ranked.oof_scores[0].mean(axis=0), Y.mean(axis=0), atol=0.15)


@pytest.mark.slow
def test_results_are_reproducible(rows):
    X, Y = rows
    options = {"n_splits": 3, "n_repeats": 1, "epochs": 1, "batch_size": 64, "verbose": 0}
    first, again, other = (cross_validate(network(), X, Y, random_state=seed, **options) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.oof_scores, again.oof_scores)
    assert not np.array_equal(first.oof_scores, other.oof_scores)


@pytest.mark.slow
def test_frames_label_sets_and_samples(rows):
    import polars as pl

    X, Y = rows
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": ["x", "y", "z"] * 50})
    sets = [{name for name, on in zip("pqr", row, strict=True) if on} for row in Y]
    result = cross_validate(MultiLabelClassifier(**QUICK), frame, sets, n_splits=3, n_repeats=1)
    assert result.labels == ("p", "q", "r")


WRONG = [
    ({"n_splits": 1}, "n_splits"),
    ({"n_repeats": 0}, "n_repeats"),
    ({"n_splits": 151}, "fewer than 151 folds"),
    ({"groups": [1, 2]}, "groups"),
    ({"groups": np.arange(150) // 75, "n_splits": 3}, "2 groups are fewer than 3 folds"),
    ({"metrics": ["f1_mikro"]}, "did you mean 'f1_micro'"),
    ({"epoch": 3}, "did you mean 'epochs'"),
    ({"splits": [([0, 1], [1, 2])]}, "train and test rows overlap"),
    ({"splits": [([0, 1], [999])]}, "all from 0 to 149"),
    ({"splits": [([0.5], [1])]}, "is not a pair"),
    ({"splits": [([0, 0, 1], [2])]}, "train rows contain duplicates"),
    ({"splits": [(np.ones(3, bool), [1])]}, "is not a pair"),
    ({"splits": StratifiedKFold(3)}, "the splitter rejected"),
    ({"splits": []}, "expected at least one split"),
    ({"splits": 5}, "expected pairs"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_arguments_are_named(rows, options, message):
    X, Y = rows
    with pytest.raises(InputError, match=message):
        cross_validate(network(), X, Y, **{"epochs": 1, "batch_size": 64, "verbose": 0, **options})


def test_invalid_estimators_raise(rows):
    X, Y = rows
    with pytest.raises(InputError, match="expected a MultiLabelClassifier, a Keras model"):
        cross_validate("mlp", X, Y)


@pytest.mark.slow
def test_the_estimator_is_not_modified(rows):
    X, Y = rows
    clf = MultiLabelClassifier(**QUICK)
    cross_validate(clf, X, Y, n_splits=3, n_repeats=1, random_state=4)
    assert clf.random_state == 0
    assert not hasattr(clf, "model_")


@pytest.mark.slow
def test_folds_with_fewer_steps_are_independent_of_the_others(rows):
    """112 rows make 7 batches of 16, 113 make 8; more epochs than one call records."""
    X, Y = rows
    everything = np.arange(150)
    splits = [(everything[:112], everything[112:]), (everything[37:], everything[:37])]
    options = {"epochs": 260, "batch_size": 16, "dtype": "float64", "verbose": 0}
    together = cross_validate(
        network(L.BatchNormalization()), X, Y, splits=splits, member_batching="together", **options
    )
    alone = cross_validate(network(L.BatchNormalization()), X, Y, splits=splits[:1], **options)
    test = splits[0][1]
    np.testing.assert_allclose(together.oof_scores[0][test], alone.oof_scores[0][test], atol=1e-8)


@pytest.mark.slow
def test_schedules_follow_the_steps_of_each_fold(rows):
    X, Y = rows
    options = {
        "epochs": 7,
        "batch_size": 16,
        "optimizer": "adam",
        "schedule": "cosine",
        "verbose": 0,
        "member_batching": "together",
    }
    longer = [(np.arange(113), np.arange(113, 120)), (np.arange(30, 142), np.arange(142, 150))]
    equal = [(np.arange(112), np.arange(113, 120)), longer[1]]
    scores = [
        cross_validate(network(), X, Y, splits=splits, dtype="float64", **options).oof_scores[0][142:]
        for splits in (longer, equal)
    ]
    np.testing.assert_allclose(*scores, atol=1e-9)


@pytest.mark.slow
def test_masks_are_row_numbers(rows):
    X, Y = rows
    mask = np.arange(150) < 100
    options = {"epochs": 1, "batch_size": 32, "verbose": 0}
    by_mask = cross_validate(network(), X, Y, splits=[(mask, ~mask)], **options)
    by_number = cross_validate(network(), X, Y, splits=[(np.flatnonzero(mask), np.flatnonzero(~mask))], **options)
    np.testing.assert_array_equal(by_mask.oof_scores, by_number.oof_scores)
