"""A label that comes up after training."""

import numpy as np
import pandas as pd
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.errors import InputError

SETTINGS = {"n_members": 4, "n_folds": 4, "epochs": 16, "hidden_layer_sizes": (32,), "verbose": 0}


def draw(n: int, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 6))
    noisy = X + 0.4 * generator.normal(size=X.shape)
    return X, pd.DataFrame({"sad": noisy[:, 0] > 0, "quiet": noisy[:, 1] > 0.5, "loud": noisy[:, 1] < -0.7}).astype(int)


@pytest.fixture
def fitted():
    X, Y = draw(500, 0)
    return MultiLabelClassifier(**SETTINGS).fit(X, Y[["sad", "quiet"]])


@pytest.mark.slow
def test_a_new_label_is_learned_and_the_old_ones_keep_their_worth(fitted, tmp_path):
    X, Y = draw(500, 0)
    before = fitted.report_.to_dict()["labels"]
    fitted.add_labels(X, Y[["loud"]])  # the old targets of these rows are known from training
    assert fitted.labels_ == ("sad", "quiet", "loud")
    after = fitted.report_.to_dict()["labels"]
    assert [row["support"] for row in after[:2]] == [row["support"] for row in before]
    for old, new in zip(before, after, strict=False):
        assert new["roc_auc"] > old["roc_auc"] - 0.02
    assert after[2]["roc_auc"] > 0.85
    fresh, truth = draw(1000, 1)
    fitted.save(tmp_path / "more.manyhot")
    again = load(tmp_path / "more.manyhot")
    assert ((again.predict(fresh)[:, 2] == truth["loud"]).mean()) > 0.8
    np.testing.assert_array_equal(again.predict_proba(fresh), fitted.predict_proba(fresh))


@pytest.mark.slow
def test_members_never_train_on_rows_they_are_scored_on(fitted):
    """Labels that are pure noise show nothing, unless a member has seen the row before."""
    X, Y = draw(500, 0)
    noise = pd.DataFrame({"noise": np.random.default_rng(5).integers(0, 2, 500)})
    fitted.add_labels(X, noise, epochs=40)
    evidence = fitted.model_.evidence
    assert (evidence.rows.held_out.sum(axis=1) >= 1).all()
    area = fitted.report_.to_dict()["labels"][2]["roc_auc"]
    assert 0.4 < area < 0.6
    first = MultiLabelClassifier(**SETTINGS).fit(X, Y[["sad", "quiet"]]).model_.evidence
    order, again = np.argsort(first.rows.fingerprints), np.argsort(evidence.rows.fingerprints)
    np.testing.assert_array_equal(first.rows.held_out[order], evidence.rows.held_out[again])


@pytest.mark.slow
def test_new_rows_are_dealt_out_too(fitted):
    X, Y = draw(800, 0)
    fitted.add_labels(X, Y, epochs=4)
    assert fitted.report_.to_dict()["data"]["rows"] == 800
    assert fitted.model_.evidence.rows.held_out.any(axis=0).all()


@pytest.mark.slow
def test_it_starts_from_the_old_weights(fitted):
    X, Y = draw(500, 0)
    fresh, _ = draw(300, 2)
    before = fitted.predict_proba(fresh, calibrated=False)
    fitted.add_labels(X, Y, epochs=1)
    moved = np.abs(fitted.predict_proba(fresh, calibrated=False)[:, :2] - before).mean()
    anew = MultiLabelClassifier(**{**SETTINGS, "epochs": 1}).fit(X, Y).predict_proba(fresh, calibrated=False)
    assert moved < 0.5 * np.abs(anew[:, :2] - before).mean()


@pytest.mark.slow
def test_label_sets_and_named_arrays_are_taken(fitted):
    X, Y = draw(500, 0)
    sets = [{name for name in Y if row[name]} for _, row in Y.iterrows()]
    fitted.add_labels(X, sets, epochs=2)
    assert fitted.labels_ == ("sad", "quiet", "loud")
    fitted.add_labels(X, Y["loud"].to_numpy()[:, None], labels=["blue"], epochs=2)
    assert fitted.labels_ == ("sad", "quiet", "loud", "blue")


@pytest.mark.slow
def test_what_cannot_grow_is_refused(fitted, tmp_path):
    X, Y = draw(500, 0)
    with pytest.raises(InputError, match="known already"):
        fitted.add_labels(X, Y[["sad"]])
    with pytest.raises(InputError, match="labels="):
        fitted.add_labels(X, Y.to_numpy())
    with pytest.raises(InputError, match="500 rows but y has 10"):
        fitted.add_labels(X, Y[:10])
    fitted.save(tmp_path / "bare.manyhot", evidence=False)
    with pytest.raises(InputError, match="without out-of-fold scores"):
        load(tmp_path / "bare.manyhot").add_labels(X, Y)
    assert fitted.labels_ == ("sad", "quiet")


@pytest.mark.slow
def test_one_member_remembers_the_targets_it_was_trained_on():
    X, Y = draw(500, 0)
    fitted = MultiLabelClassifier(**{**SETTINGS, "n_members": 1}).fit(X, Y[["sad", "quiet"]])
    before = fitted.model_.evidence.rows.targets.support()
    fitted.add_labels(X, Y[["loud"]])
    after = fitted.model_.evidence.rows.targets
    np.testing.assert_array_equal(after.support()[:2], before)
    assert after.known is None
    fitted.add_labels(X, pd.DataFrame({"late": Y["sad"]}))
    np.testing.assert_array_equal(fitted.model_.evidence.rows.targets.support()[:2], before)
    assert fitted.model_.config.epochs == SETTINGS["epochs"]


@pytest.mark.slow
def test_rows_with_equal_features_keep_their_own_targets_and_folds():
    X, _ = draw(150, 0)
    X = np.concatenate([X, X])
    sets = [{"a"} if x > 0 else {"b"} for x in X[:150, 0]] + [{"a", "b"}] * 150
    fitted = MultiLabelClassifier(**SETTINGS).fit(X, sets)
    before = fitted.model_.evidence.rows
    fitted.add_labels(X, pd.DataFrame({"late": (X[:, 1] > 0).astype(int)}), epochs=2)
    after = fitted.model_.evidence.rows
    np.testing.assert_array_equal(after.targets.values[:, :2], before.targets.values)
    np.testing.assert_array_equal(after.held_out, before.held_out)
    assert fitted.report_.to_dict()["data"]["rows"] == 300


def test_old_labels_that_would_be_forgotten_are_named(fitted):
    X, Y = draw(200, 9)
    with pytest.raises(InputError, match="'sad' does not vary"):
        fitted.add_labels(X, Y[["loud"]])
    assert fitted.labels_ == ("sad", "quiet")


@pytest.mark.slow
def test_weights_settings_and_precision_go_along():
    X, Y = draw(300, 0)
    weights = np.where(X[:, 3] > 0, 2.0, 1.0)
    settings = {**SETTINGS, "dtype": "float64", "label_weights": {"sad": 2.0}, "early_stopping": True}
    fitted = MultiLabelClassifier(**settings).fit(X, Y[["sad", "quiet"]], sample_weight=weights)
    fitted.set_thresholds({"sad": 0.9})
    fitted.add_labels(X, Y[["loud"]], epochs=3)
    np.testing.assert_array_equal(np.sort(fitted.model_.evidence.rows.weights), np.sort(weights))
    assert "were not carried over" in " ".join(fitted.report_.to_dict()["notes"])
    assert fitted.fit(X, Y).labels_ == ("sad", "quiet", "loud")


@pytest.mark.slow
def test_the_softmax_trap_and_settings_per_label_are_refused_before_training():
    X, Y = draw(300, 0)
    exclusive = [{"day"} if x > 0 else {"night"} for x in X[:, 0]]
    softmax = MultiLabelClassifier(**SETTINGS, head="softmax", loss="categorical_crossentropy").fit(X, exclusive)
    with pytest.raises(InputError, match="compete"):
        softmax.add_labels(X, Y[["loud"]])
    costs = {"false_negative_cost": {"sad": 2, "quiet": 1}}
    costly = MultiLabelClassifier(**SETTINGS, decision="cost", decision_params=costs).fit(X, Y[["sad", "quiet"]])
    with pytest.raises(InputError, match="loud"):
        costly.add_labels(X, Y[["loud"]])
