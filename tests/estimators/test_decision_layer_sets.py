"""A slice of benchmarks/decision_layer.py: real sets, scores of a random forest and of LightGBM, beside 0.5."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.multioutput import MultiOutputClassifier

from manyhot import DecisionLayer, MultiLabelKFold
from manyhot.data.readers import ReadOptions, read
from manyhot.data.targets import Targets
from manyhot.estimators.decision_layer import stack_scores
from manyhot.evaluation.metrics import compute_metrics, log_loss


def forest():
    return RandomForestClassifier(40, random_state=0)


def boosting():
    lightgbm = pytest.importorskip("lightgbm")
    return MultiOutputClassifier(lightgbm.LGBMClassifier(n_estimators=25, num_leaves=8, n_jobs=1, verbose=-1))


@pytest.mark.slow
@pytest.mark.parametrize("make", [forest, boosting])
@pytest.mark.parametrize("name", ["yeast", "scene"])
def test_better_than_one_half_in_what_is_tuned(data_folder, name, make):
    folder = data_folder(name)
    known = read(folder / f"{name}-train.arff.gz")
    fresh = read(folder / f"{name}-test.arff.gz", ReadOptions(known_labels=known.labels.names))
    X, Y, new = known.features.to_numpy(), known.targets.values.astype(int), fresh.features.to_numpy()
    held_out = np.empty(Y.shape)
    for train, test in MultiLabelKFold(3).split(X, Y):
        held_out[test] = stack_scores(make().fit(X[train], Y[train]).predict_proba(X[test]))
    scores = stack_scores(make().fit(X, Y).predict_proba(new))
    layer, targets = DecisionLayer(verbose=0).fit(held_out, Y), Targets(fresh.targets.values)
    assert log_loss(targets, layer.predict_proba(scores)).value <= log_loss(targets, scores).value + 1e-3
    for metric in ("f1_macro", "f1_micro", "f1_samples"):
        tuned = layer.tune_thresholds(metric).predict(scores).astype(bool)
        at_half = compute_metrics(targets, None, scores >= 0.5, names=[metric])[metric].value
        assert compute_metrics(targets, None, tuned, names=[metric])[metric].value > at_half
