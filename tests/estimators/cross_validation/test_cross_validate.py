"""Cross-validation: what one loop of fits would give, fold by fold, and what it says about the mean."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import KFold, RepeatedKFold, StratifiedKFold

from manyhot import MultiLabelClassifier, MultiLabelKFold, cross_validate
from manyhot.backend import keras
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds import DECISIONS
from manyhot.errors import InputError
from manyhot.estimators.cross_validation import fold_training as run_module
from manyhot.evaluation.metrics import measure
from tests.fixtures.precisions import in_both_precisions

L = keras.layers
QUICK = {"members": 3, "epochs": 3, "hidden": (8,), "calibrate": "none", "quiet": True}


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 5)).astype(np.float32)
    Y = (X[:, :3] + 0.5 * generator.normal(size=(150, 3)) > [0.0, 0.5, 1.0]).astype(int)
    return X, Y


@pytest.fixture(scope="module")
def decided(rows):
    return cross_validate(MultiLabelClassifier(**{**QUICK, "epochs": 1}), *rows, folds=2, repeats=1)


def network(*middle):
    model = keras.Sequential([L.Input((5,)), L.Dense(8, activation="relu"), *middle, L.Dense(3, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer="adam")
    return model


@pytest.mark.slow
def test_a_fold_is_what_fit_makes_of_its_training_rows(rows):
    """Encoder, members and thresholds come from the training rows alone."""
    X, Y = rows
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    settings = {**QUICK, "calibrate": "auto", "batch_size": 16}
    clf = MultiLabelClassifier(**settings)
    result = cross_validate(clf, X, Y, splits=splits)
    train, test = splits[0]
    alone = MultiLabelClassifier(**settings).fit(X[train], Y[train])
    np.testing.assert_allclose(result.oof_scores[0][test], alone.predict_proba(X[test]), atol=1e-5)
    np.testing.assert_allclose(result.thresholds[0], list(alone.thresholds_.values()), atol=1e-5)
    own = measure(Targets(Y[test].astype(bool)), alone.predict_proba(X[test]), alone.predict(X[test]) == 1)
    for name, score in own.items():
        assert result.values(name)[0] == pytest.approx(score.value, abs=1e-5)


MIDDLES = {"plain": [], "dropout": [L.Dropout(0.3)], "norm": [L.BatchNormalization()]}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision", "epochs", "tolerance"), in_both_precisions([*MIDDLES]))
def test_folds_together_equal_folds_one_after_another(rows, name, precision, epochs, tolerance):
    X, Y = rows
    middle = MIDDLES[name]
    told = {"folds": 5, "repeats": 2, "epochs": epochs, "batch_size": 32, "precision": precision, "quiet": True}
    together, single = (cross_validate(network(*middle), X, Y, layout=how, **told) for how in ("together", "single"))
    difference = np.nanmax(np.abs(together.oof_scores - single.oof_scores))
    print(f"largest difference {difference:.1e}")
    assert difference < tolerance


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["ours", "own"])
def test_the_number_of_fits_side_by_side_changes_nothing(rows, estimator, monkeypatch):
    X, Y = rows
    clf = MultiLabelClassifier(**QUICK, precision="float64") if estimator == "ours" else network()
    plan = {} if estimator == "ours" else {"epochs": 3, "batch_size": 32, "precision": "float64", "quiet": True}
    whole = cross_validate(clf, X, Y, folds=4, repeats=1, **plan)
    monkeypatch.setattr(run_module, "GROUP_BYTES", 1)
    single = cross_validate(clf, X, Y, folds=4, repeats=1, **plan)
    np.testing.assert_allclose(whole.oof_scores, single.oof_scores, atol=1e-9)


@pytest.mark.slow
def test_a_keras_model_is_trained_on_every_training_row(rows):
    X, Y = rows
    result = cross_validate(network(), X, Y, folds=3, repeats=1, epochs=1, batch_size=64, quiet=True)
    assert result.facts["plan"]["members"] == 1
    assert result.facts["plan"]["decide"] == "half"
    assert set(result.scores["own"]) == set(result.scores["half"])
    for name, values in result.scores["half"].items():
        np.testing.assert_array_equal(values, result.values(name))


@pytest.fixture(scope="module")
def repeated(rows):
    return cross_validate(network(), *rows, folds=3, repeats=2, epochs=1, batch_size=64, quiet=True)


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
def test_groups_stay_together(rows):
    X, Y = rows
    groups = np.arange(150) // 5
    for stratify in (True, False):
        told = {"folds": 3, "repeats": 1, "epochs": 1, "batch_size": 64, "quiet": True}
        result = cross_validate(network(), X, Y, groups=groups, stratify=stratify, **told)
        for split in result.splits:
            assert not np.intersect1d(groups[split.train], groups[split.test]).size


@pytest.mark.slow
def test_a_splitter_can_be_brought(rows):
    X, Y = rows
    told = {"epochs": 1, "batch_size": 64, "quiet": True, "measures": ["f1_micro"]}
    by_ours = cross_validate(network(), X, Y, splits=MultiLabelKFold(3), **told)
    by_theirs = cross_validate(network(), X, Y, splits=RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), **told)
    assert (by_ours.n_fits, by_theirs.n_fits) == (3, 6)
    assert len(by_theirs.is_tested) == 2
    assert set(by_ours.scores["own"]) == {"f1_micro"}


@pytest.mark.slow
def test_thresholds_are_tuned_inside_the_folds():
    """Labels that are pure noise have no better F1 than the baseline; tuned on the test rows they would have."""
    generator = np.random.default_rng(3)
    X, Y = generator.normal(size=(120, 4)), generator.random((120, 4)) < 0.3
    result = cross_validate(MultiLabelClassifier(**QUICK, least_f1=0.0), X, Y, folds=4, repeats=6)
    excess = result.values("f1_macro") - result.baselines["own"]["f1_macro"]
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
    assert result.interval("lrap") == pytest.approx((values.mean() - reach, values.mean() + reach))
    assert result.mean("lrap") == pytest.approx(values.mean())
    assert result.std("lrap") == pytest.approx(values.std(ddof=1))


@pytest.mark.slow
def test_a_label_without_positives_in_a_fold_is_counted(rows):
    X, Y = rows
    rare = np.zeros((150, 1), dtype=int)
    rare[:2] = 1
    told = {"folds": 5, "repeats": 1, "epochs": 1, "batch_size": 64, "quiet": True}
    model = keras.Sequential([L.Input((5,)), L.Dense(4, activation="sigmoid")])
    result = cross_validate(model, X, np.hstack([Y, rare]), **told)
    assert result.n_unscored.tolist() == [0, 0, 0, 3]
    assert np.isnan(result.label_scores["f1"][:, 3]).sum() == 3
    assert "lack a positive in some fold" in str(result)


@pytest.mark.slow
def test_unknown_targets_are_left_out(rows):
    X, Y = rows
    holed = Y.astype(float)
    holed[:40, 0] = np.nan
    told = {"folds": 3, "repeats": 1, "epochs": 2, "batch_size": 64, "quiet": True}
    result = cross_validate(network(), X, holed, **told)
    assert result.label_scores["n_known"].sum(axis=0).tolist() == [110, 150, 150]


@pytest.mark.slow
def test_two_settings_on_the_same_folds(rows):
    X, Y = rows
    told = {"folds": 5, "repeats": 2, "batch_size": 16, "quiet": True}
    trained = cross_validate(network(), X, Y, epochs=60, **told)
    untrained = cross_validate(network(), X, Y, epochs=1, **told)
    comparison = trained.compare(untrained)
    assert comparison.verdict("lrap") == "this"
    assert comparison.verdict("hamming_loss") == "this"
    assert untrained.compare(trained).verdict("lrap") == "other"
    assert trained.compare(trained).verdict("lrap") == "unsure"
    differences = trained.values("lrap") - untrained.values("lrap")
    assert comparison.measures["lrap"].value == pytest.approx(differences.mean())
    assert "this is better" in str(comparison)
    json.dumps(comparison.to_dict(), allow_nan=False)
    with pytest.raises(InputError, match="other folds"):
        trained.compare(cross_validate(network(), X, Y, epochs=1, **{**told, "repeats": 1}))


@pytest.mark.slow
def test_it_travels_as_json_and_reads_well(rows):
    X, Y = rows
    result = cross_validate(MultiLabelClassifier(**QUICK), X, Y, folds=3, repeats=2)
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["fits"] == 6
    assert len(document["measures"]["own"]["f1_macro"]["folds"]) == 6
    assert [row["label"] for row in document["labels"]] == ["label_0", "label_1", "label_2"]
    text = str(result)
    assert "6 fits (2 repeats) on 150 rows, 50 tested in each" in text
    assert "At 0.5" in text
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("decide", DECISIONS)
def test_every_decision_reads_well(decided, decide):
    told = {**decided.facts, "plan": {**decided.facts["plan"], "decide": decide}}
    text = str(replace(decided, facts=told))
    heading = {"half": "At 0.5", "top_k": "With the labels of the highest scores answered"}
    assert f"\n\n{heading.get(decide, f'At the thresholds for {decide} ')}" in text
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize(
    "told",
    [
        {"decide": "precision"},
        {"decide": "recall", "decide_settings": {"at_leest": 0.5}},
        {"decide_settings": {"shrink": -1}},
        {"implies": [("label_0", "nobody")]},
        {"exclusive": [("label_0", "label_1")], "implies": [("label_0", "label_1")]},
    ],
    ids=str,
)
def test_decisions_and_rules_that_do_not_suit_are_told_before_training(rows, told, monkeypatch):
    X, Y = rows

    def train(*_):
        pytest.fail("training has begun")

    monkeypatch.setattr(run_module, "train_and_fine_tune", train)
    with pytest.raises(InputError):
        cross_validate(MultiLabelClassifier(**QUICK), X, Y, folds=3, repeats=1, **told)


@pytest.mark.slow
def test_scores_that_only_rank_are_calibrated_although_nothing_else_is_learned(rows):
    X, Y = rows
    told = {"folds": 2, "repeats": 1, "members": 1, "decide": "half", "batch_size": 16}
    plain, ranked = (
        cross_validate(MultiLabelClassifier(**{**QUICK, "calibrate": "auto", "loss": loss}), X, Y, **told)
        for loss in ("binary_crossentropy", "two_way")
    )
    assert (plain.facts["plan"]["calibrate"], ranked.facts["plan"]["calibrate"]) == ("none", "auto")
    np.testing.assert_allclose(ranked.oof_scores[0].mean(axis=0), Y.mean(axis=0), atol=0.15)


@pytest.mark.slow
def test_one_seed_gives_one_result(rows):
    X, Y = rows
    told = {"folds": 3, "repeats": 1, "epochs": 1, "batch_size": 64, "quiet": True}
    first, again, other = (cross_validate(network(), X, Y, seed=seed, **told) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.oof_scores, again.oof_scores)
    assert not np.array_equal(first.oof_scores, other.oof_scores)


@pytest.mark.slow
def test_frames_label_sets_and_samples(rows):
    import polars as pl

    X, Y = rows
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": ["x", "y", "z"] * 50})
    sets = [{name for name, on in zip("pqr", row, strict=True) if on} for row in Y]
    result = cross_validate(MultiLabelClassifier(**QUICK), frame, sets, folds=3, repeats=1)
    assert result.labels == ("p", "q", "r")


WRONG = [
    ({"folds": 1}, "folds"),
    ({"repeats": 0}, "repeats"),
    ({"folds": 151}, "fewer than 151 folds"),
    ({"groups": [1, 2]}, "groups"),
    ({"groups": np.arange(150) // 75, "folds": 3}, "2 groups are fewer than 3 folds"),
    ({"measures": ["f1_mikro"]}, "did you mean 'f1_micro'"),
    ({"epoch": 3}, "did you mean 'epochs'"),
    ({"splits": [([0, 1], [1, 2])]}, "trains on rows that it tests"),
    ({"splits": [([0, 1], [999])]}, "numbers from 0 to 149"),
    ({"splits": [([0.5], [1])]}, "no pair of row numbers"),
    ({"splits": [([0, 0, 1], [2])]}, "named more than once"),
    ({"splits": [(np.ones(3, bool), [1])]}, "no pair of row numbers"),
    ({"splits": StratifiedKFold(3)}, "the splitter refuses"),
    ({"splits": []}, "there is no split"),
    ({"splits": 5}, "expected pairs"),
]


@pytest.mark.parametrize(("told", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_arguments_are_named(rows, told, message):
    X, Y = rows
    with pytest.raises(InputError, match=message):
        cross_validate(network(), X, Y, **{"epochs": 1, "batch_size": 64, "quiet": True, **told})


def test_what_is_no_estimator_is_refused(rows):
    X, Y = rows
    with pytest.raises(InputError, match="expected a MultiLabelClassifier, a Keras model"):
        cross_validate("mlp", X, Y)


@pytest.mark.slow
def test_a_pandas_style_estimator_is_left_as_it_is(rows):
    X, Y = rows
    clf = MultiLabelClassifier(**QUICK)
    cross_validate(clf, X, Y, folds=3, repeats=1, seed=4)
    assert clf.seed == 0
    assert not hasattr(clf, "model_")


@pytest.mark.slow
def test_folds_with_one_step_less_are_left_alone_by_the_others(rows):
    """112 rows make 7 batches of 16, 113 make 8; more epochs than one call records."""
    X, Y = rows
    everything = np.arange(150)
    splits = [(everything[:112], everything[112:]), (everything[37:], everything[:37])]
    told = {"epochs": 260, "batch_size": 16, "precision": "float64", "quiet": True}
    together = cross_validate(network(L.BatchNormalization()), X, Y, splits=splits, layout="together", **told)
    alone = cross_validate(network(L.BatchNormalization()), X, Y, splits=splits[:1], **told)
    test = splits[0][1]
    np.testing.assert_allclose(together.oof_scores[0][test], alone.oof_scores[0][test], atol=1e-8)


@pytest.mark.slow
def test_a_schedule_by_name_follows_a_folds_own_steps(rows):
    X, Y = rows
    told = {
        "epochs": 7,
        "batch_size": 16,
        "optimizer": "adam",
        "schedule": "cosine",
        "quiet": True,
        "layout": "together",
    }
    longer = [(np.arange(113), np.arange(113, 120)), (np.arange(30, 142), np.arange(142, 150))]
    equal = [(np.arange(112), np.arange(113, 120)), longer[1]]
    scores = [
        cross_validate(network(), X, Y, splits=splits, precision="float64", **told).oof_scores[0][142:]
        for splits in (longer, equal)
    ]
    np.testing.assert_allclose(*scores, atol=1e-9)


@pytest.mark.slow
def test_masks_are_row_numbers(rows):
    X, Y = rows
    mask = np.arange(150) < 100
    told = {"epochs": 1, "batch_size": 32, "quiet": True}
    by_mask = cross_validate(network(), X, Y, splits=[(mask, ~mask)], **told)
    by_number = cross_validate(network(), X, Y, splits=[(np.flatnonzero(mask), np.flatnonzero(~mask))], **told)
    np.testing.assert_array_equal(by_mask.oof_scores, by_number.oof_scores)
