"""A peer on rows of numbers: trains on prepared arrays and writes its scores for the rows to test on.

Usage: python tabular.py FOLDER METHOD [--seed 0]
FOLDER holds train.npz and test.npz (CSR) or train.npy and test.npy (NaN where missing), and targets.npy (bool).
Writes scores.npy (n, l) and prints one line of JSON: seconds, processor seconds, `cut` (the score from which a label
counts as predicted: 0.5, or 0 for margins) and what was chosen. Single-threaded; knows nothing of manyhot. Needs
scikit-learn, and LightGBM, XGBoost and CatBoost for the methods of these names.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score
from sklearn.model_selection import KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

MAX_CV_ROWS = 4000  # for choosing C
Matrix = np.ndarray | sp.csr_matrix


@dataclass
class Result:
    """Scores (n, l) of the rows to test on, and what is to be known about them."""

    scores: np.ndarray
    cut: float = 0.5
    chosen: dict = field(default_factory=dict)


def probabilities(model, X: Matrix) -> np.ndarray:
    """The probability of each label (n, l), also of models that give one array (n, 2) a label."""
    told = model.predict_proba(X)
    return np.column_stack([part[:, 1] for part in told]) if isinstance(told, list) else np.asarray(told)


def filled(X: Matrix, model):
    """The model behind the median in place of what is missing."""
    return model if sp.issparse(X) else make_pipeline(SimpleImputer(strategy="median"), model)


def scaled(X: Matrix, model):
    """The model behind numbers of one scale; sparse rows, zeros and ones or TF-IDF, stay as they are."""
    if sp.issparse(X):
        return model
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model)


def forest(kind: type) -> Callable[..., Result]:
    def run(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
        model = filled(X, kind(n_estimators=500, n_jobs=1, random_state=seed)).fit(X, Y)
        return Result(probabilities(model, X_test))

    return run


def neighbours(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    return Result(probabilities(scaled(X, KNeighborsClassifier(10)).fit(X, Y), X_test))


def logistic(c: float) -> LogisticRegression:
    return LogisticRegression(C=c, max_iter=1000)


def regressions(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    model = scaled(X, OneVsRestClassifier(logistic(1.0))).fit(X, Y)
    return Result(model.predict_proba(X_test))


def tuned_regressions(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    made, c = best_c(lambda c: scaled(X, OneVsRestClassifier(logistic(c))), (1.0, 10.0, 100.0), X, Y, seed)
    return Result(made.fit(X, Y).predict_proba(X_test), chosen={"C": c})


def chain(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    model = scaled(X, ClassifierChain(logistic(1.0), random_state=seed)).fit(X, Y)
    return Result(model.predict_proba(X_test))


def machines(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    def made(c: float):
        return scaled(X, OneVsRestClassifier(LinearSVC(C=c, dual="auto", max_iter=5000, random_state=seed)))

    model, c = best_c(made, (0.01, 0.1, 1.0, 10.0), X, Y, seed)
    return Result(margins(model.fit(X, Y), X_test), cut=0.0, chosen={"C": c})


def margins(model, X: Matrix) -> np.ndarray:
    """The margin of each label (n, l), which scikit-learn gives as (n,) for one."""
    found = np.asarray(model.decision_function(X))
    return found.reshape(len(found), -1)


def best_c(made: Callable, cs: tuple[float, ...], X: Matrix, Y: np.ndarray, seed: int):
    """The model with the C that orders held-out rows best in three folds: LRAP and mean average precision, added up."""
    rows = np.random.default_rng(seed).permutation(len(Y))[:MAX_CV_ROWS]
    totals = dict.fromkeys(cs, 0.0)
    for train, held in KFold(3).split(rows):
        some, rest = rows[train], rows[held]
        both = np.flatnonzero(Y[some].any(axis=0) & ~Y[some].all(axis=0) & Y[rest].any(axis=0))
        truth = Y[rest][:, both]
        has_label = truth.any(axis=1)
        for c in cs:
            model = clone(made(c)).fit(X[some], Y[some][:, both])
            scores = margins(model, X[rest])
            totals[c] += average_precision_score(truth, scores, average="macro")
            totals[c] += label_ranking_average_precision_score(truth[has_label], scores[has_label])
    best = max(cs, key=totals.get)
    return made(best), best


def network(**settings) -> Callable[..., Result]:
    def run(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
        model = scaled(X, MLPClassifier(**settings, random_state=seed)).fit(X, Y)
        return Result(probabilities(model, X_test).reshape(-1, Y.shape[1]))

    return run


def lightgbm(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    from lightgbm import LGBMClassifier

    settings = {"n_estimators": 200, "learning_rate": 0.05, "num_leaves": 15, "n_jobs": 1, "verbose": -1}
    return Result(a_model_a_label(lambda: LGBMClassifier(**settings, random_state=seed), X, Y, X_test))


def xgboost(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    from xgboost import XGBClassifier

    settings = {"n_estimators": 200, "learning_rate": 0.05, "max_depth": 5, "n_jobs": 1, "verbosity": 0}
    return Result(a_model_a_label(lambda: XGBClassifier(**settings, random_state=seed), X, Y, X_test))


def a_model_a_label(made: Callable, X: Matrix, Y: np.ndarray, X_test: Matrix) -> np.ndarray:
    return np.column_stack([made().fit(X, column).predict_proba(X_test)[:, 1] for column in Y.T])


def catboost(X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    from catboost import CatBoostClassifier

    settings = {"iterations": 500, "thread_count": 1, "verbose": False, "allow_writing_files": False}
    model = CatBoostClassifier(**settings, loss_function="MultiLogloss", random_seed=seed).fit(X, Y)
    return Result(np.asarray(model.predict_proba(X_test)))


METHODS: dict[str, Callable[..., Result]] = {
    "LinearSVM": machines,
    "OvR-LogReg": regressions,
    "OvR-LogReg-CV": tuned_regressions,
    "kNN10": neighbours,
    "RF500": forest(RandomForestClassifier),
    "ExtraTrees500": forest(ExtraTreesClassifier),
    "MLP": network(hidden_layer_sizes=(100,), max_iter=200),
    "MLP-es": network(hidden_layer_sizes=(256,), early_stopping=True),
    "Chain-LogReg": chain,
    "LightGBM": lightgbm,
    "XGBoost": xgboost,
    "CatBoost": catboost,
}


def scored(method: str, X: Matrix, Y: np.ndarray, X_test: Matrix, seed: int) -> Result:
    """Scores of all labels; one that is the same in every training row is not learned and gets that answer."""
    support = Y.sum(axis=0)
    both = np.flatnonzero((support > 0) & (support < len(Y)))
    # int64, because scikit-learn 1.9 corrupts uint8 targets of more than 255 labels
    result = METHODS[method](X, Y[:, both].astype(np.int64), X_test, seed)
    beyond = 1 + np.abs(result.scores).max() if result.cut == 0 else 1.0
    whole = np.where(support == len(Y), beyond, -beyond if result.cut == 0 else 0.0)
    scores = np.tile(whole.astype(np.float64), (X_test.shape[0], 1))
    scores[:, both] = result.scores
    return Result(scores, result.cut, result.chosen)


def read(folder: Path, name: str) -> Matrix:
    path = folder / f"{name}.npz"
    return sp.csr_matrix(sp.load_npz(path)) if path.exists() else np.load(folder / f"{name}.npy")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, X_test, Y = read(options.folder, "train"), read(options.folder, "test"), np.load(options.folder / "targets.npy")
    began = time.perf_counter()
    result = scored(options.method, X, Y, X_test, options.seed)
    told = {"seconds": round(time.perf_counter() - began, 1), "processor_seconds": round(time.process_time(), 1)}
    np.save(options.folder / "scores.npy", result.scores)
    print(json.dumps({**told, "cut": result.cut, **result.chosen}))


if __name__ == "__main__":
    main()
