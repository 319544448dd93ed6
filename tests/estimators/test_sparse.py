"""Sparse rows from CSR to answers: never laid out densely, compiled once, and as good as they should be."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from manyhot import MultiLabelClassifier, load
from manyhot.data.readers import ReadOptions, read
from manyhot.encoders.numeric import MatrixEncoder
from tests.fixtures.peak_memory import PEAK

HUGE = (
    PEAK
    + """
import json, sys
import numpy as np, scipy.sparse as sp
from manyhot import MultiLabelClassifier
n, f, k = map(int, sys.argv[1:4])
generator = np.random.default_rng(0)
Y = generator.random((n, 5)) < 0.3
topic = np.where(Y.any(axis=1), (Y * generator.random((n, 5))).argmax(axis=1), generator.integers(0, 5, n))
columns = generator.integers(0, f, (n, k), dtype=np.int32)
columns[:, ::4] = topic[:, None] * (f // 5) + columns[:, ::4] % (f // 5)
columns.sort(axis=1)
X = sp.csr_matrix((np.ones(n * k, np.float32), columns.ravel(), np.arange(0, n * k + 1, k)), (n, f))
X.sum_duplicates()
classifier = MultiLabelClassifier(**json.loads(sys.argv[4])).fit(X[:-2000], Y[:-2000])
gib = peak() / 2**20
scores = classifier.predict_proba(X[-2000:])
from sklearn.metrics import roc_auc_score
print(json.dumps({"gib": gib, "auc": roc_auc_score(Y[-2000:], scores)}))
"""
)


STATED = """
import json, sys
from contextlib import contextmanager
import numpy as np, scipy.sparse as sp
import manyhot.estimators.multilabel
from manyhot import MultiLabelClassifier

said, generator = [], np.random.default_rng(0)

@contextmanager
def training_progress(verbose, description="training", **options):
    yield lambda news: said.append(news)

def memory(what):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith(what))

def fit(n, f, members):
    columns = np.sort(generator.integers(0, f, (n, 20), dtype=np.int32), axis=1)
    X = sp.csr_matrix((np.ones(n * 20, np.float32), columns.ravel(), np.arange(0, n * 20 + 1, 20)), (n, f))
    X.sum_duplicates()
    before = memory("VmRSS")
    MultiLabelClassifier(n_members=members, epochs=1).fit(X, generator.random((n, 3)) < 0.4)
    return memory("VmHWM") - before

manyhot.estimators.multilabel.training_progress = training_progress
fit(200, 300, int(sys.argv[1]))
grown = fit(4_000, 300_000, int(sys.argv[1]))
print(json.dumps({"stated": max(news.n_bytes for news in said) / 2**30, "grown": grown, "first": said[0].done}))
"""


def rows(n: int, width: int, per_row: int, seed: int = 0) -> tuple[sp.csr_matrix, np.ndarray]:
    """Rows of about per_row non-zeros, and labels that a tenth of the columns speak for."""
    generator = np.random.default_rng(seed)
    counts = generator.poisson(per_row, n)
    columns = generator.integers(0, width, counts.sum())
    X = sp.csr_matrix((np.ones(counts.sum()), columns, np.concatenate([[0], np.cumsum(counts)])), (n, width))
    X.sum_duplicates()
    found = np.stack([X[:, j * width // 10 : (j + 1) * width // 10].sum(axis=1).A1 for j in range(3)], axis=1)
    return X, found > np.median(found, axis=0)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("n", "width", "settings", "most_gib"),
    [
        (20_000, 200_000, {"n_members": 2, "epochs": 5, "hidden_layer_sizes": [64]}, 2),
        pytest.param(200_000, 1_000_000, {}, 6, marks=pytest.mark.exhaustive),
    ],
    ids=["15 GiB", "745 GiB"],
)
def test_a_matrix_too_large_to_be_dense_trains(n, width, settings, most_gib):
    """The matrix has 100 values a row; its name here is what it would take if it were dense."""
    command = [sys.executable, "-c", HUGE, str(n), str(width), "100", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    print(told)
    assert told["gib"] < most_gib
    assert told["auc"] > 0.6


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("members", [1, pytest.param(4, marks=pytest.mark.exhaustive)])
def test_memory_is_stated_before_training_and_kept(members):
    done = subprocess.run([sys.executable, "-c", STATED, str(members)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    print(told)
    assert told["first"] == 0
    assert told["grown"] <= told["stated"] + 0.1
    assert told["stated"] <= 3 * told["grown"]


@pytest.mark.parametrize("name", ["slashdot", "medical", "tmc2007", "delicious", "corel5k"])
@pytest.mark.slow
def test_real_sets_train_as_csr_and_stay_sparse(name, data_folder, monkeypatch):
    X, Y = real_set(name, data_folder(name))
    lay_out = sp.csr_matrix.toarray

    def refuse(self, *given, **settings):
        assert self.shape[1] != X.shape[1], "features were laid out densely"
        return lay_out(self, *given, **settings)

    monkeypatch.setattr(sp.csr_matrix, "toarray", refuse)
    classifier = MultiLabelClassifier(
        n_members=2, epochs=8, hidden_layer_sizes=(64,), calibration="none", decision="fixed"
    ).fit(X, Y)
    assert classifier.model_.encoder.sparse == {"features"}
    assert classifier.report_.to_dict()["metrics"]["fixed"]["roc_auc_macro"]["value"] > 0.6


def real_set(name: str, folder) -> tuple[sp.csr_matrix, np.ndarray]:
    if name == "slashdot":
        samples = read(folder / "slashdot.txt.gz", ReadOptions(format="xc"))
    else:
        samples = read(next(path for path in sorted(folder.glob("*.arff*")) if "train" in path.name))
    features = samples.features if sp.issparse(samples.features) else samples.features.to_numpy().astype(float)
    return sp.csr_matrix(features), samples.targets.values[:, samples.targets.values.any(axis=0)]


@pytest.mark.slow
def test_saved_sparse_models_score_the_same_and_sparse_rows_in_any_form(tmp_path):
    X, Y = rows(300, 500, 20)
    classifier = MultiLabelClassifier(n_members=2, epochs=8, hidden_layer_sizes=(16,)).fit(X, Y)
    classifier.save(tmp_path / "sparse.manyhot")
    scores = classifier.predict_proba(X)
    np.testing.assert_array_equal(load(tmp_path / "sparse.manyhot").predict_proba(X), scores)
    shuffled = X.tocoo().tocsc()
    np.testing.assert_array_equal(classifier.predict_proba(shuffled), scores)
    assert roc_auc_score(Y, scores) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("is_sparse", [True, False])
def test_scores_are_means_of_logits_where_rows_are_sparse_out_of_fold_too(is_sparse):
    X, Y = rows(120, 30, 5)
    features = X if is_sparse else X.toarray()
    settings = {
        "n_members": 4,
        "n_folds": 4,
        "epochs": 3,
        "branches": "none",
        "calibration": "none",
        "dtype": "float64",
        "verbose": 0,
    }
    classifier = MultiLabelClassifier(**settings).fit(features, Y)
    model = classifier.model_
    blocks = model.encoder.transform(features)
    each = np.array([model.scorer().scores(blocks, (k, k + 1)) for k in range(4)])
    joined = (lambda some: expit(logit(some).mean(axis=0))) if is_sparse else (lambda some: some.mean(axis=0))
    np.testing.assert_allclose(classifier.predict_proba(features), joined(each), atol=1e-9)
    held = model.evidence.rows.held_out
    assert held.any(axis=1).all()
    expected = [joined(each[held[i], i]) for i in range(len(held))]
    np.testing.assert_allclose(model.evidence.scores, expected, atol=1e-6)


@pytest.mark.slow
def test_a_row_counts_the_same_twice_or_with_weight_two():
    X, Y = rows(120, 60, 10)
    chosen = np.arange(120) % 3 == 0
    twice = MultiLabelClassifier(n_members=2, epochs=3, hidden_layer_sizes=(8,))
    weighted = MultiLabelClassifier(n_members=2, epochs=3, hidden_layer_sizes=(8,))
    twice.fit(sp.vstack([X, X[chosen]]).tocsr(), np.concatenate([Y, Y[chosen]]))
    weighted.fit(X, Y, sample_weight=1.0 + chosen)
    np.testing.assert_allclose(twice.predict_proba(X), weighted.predict_proba(X), atol=2e-5)


@pytest.mark.slow
def test_peak_memory_of_sparse_prediction_follows_the_non_zeros():
    X, Y = rows(2000, 50, 5)
    wide = sp.csr_matrix((X.data, X.indices * 20_000, X.indptr), (2000, 1_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    classifier = MultiLabelClassifier(n_members=1, epochs=2, hidden_layer_sizes=(8,)).fit(wide, Y)
    classifier.predict_proba(wide)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    assert grown < 1.0, f"{grown:.2f} GiB; one dense block of predictions alone would have 7.5"


def as_network_sees(X: sp.spmatrix, weights: np.ndarray | None = None) -> np.ndarray:
    encoder = MatrixEncoder([f"f{k}" for k in range(X.shape[1])]).fit(X, weights)
    return encoder.transform(X)["features"].toarray()


def weighed(seed: int = 0) -> sp.csr_matrix:
    """Columns whose weights are like those of TF-IDF: a rare word's are three times a usual one's."""
    generator = np.random.default_rng(seed)
    X = sp.random(300, 12, 0.5, format="csr", random_state=seed, data_rvs=lambda n: generator.uniform(0.08, 0.12, n))
    return sp.csr_matrix(X @ sp.diags(np.linspace(1.0, 3.0, 12)))


def test_sparse_columns_keep_their_proportions():
    X = weighed()
    seen = as_network_sees(X)
    usual = [np.median(column[column > 0]) for column in seen.T]
    assert np.all(np.diff(usual) > 0)
    assert 2.0 < usual[-1] / usual[0] < 3.0  # a little less than 3 by the smooth clip
    np.testing.assert_array_equal(as_network_sees(X * 1024), seen)


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_a_sparse_column_in_other_units_has_a_scale_of_its_own(factor):
    X = weighed()
    factors = np.ones(12)
    factors[4] = factor
    seen = as_network_sees(sp.csr_matrix(X @ sp.diags(factors)))
    usual = [np.median(column[column > 0]) for column in seen.T]
    assert 0.3 < usual[4] / np.median(usual) < 3.0
    assert len(np.unique(seen[:, 4])) == len(np.unique(X[:, 4].toarray()))


def test_a_sparse_row_of_weight_k_scales_like_k_rows():
    X = weighed()
    times = np.arange(300) % 4 + 1
    repeated = as_network_sees(sp.csr_matrix(X[np.repeat(np.arange(300), times)]))
    np.testing.assert_allclose(as_network_sees(X, times.astype(float)), repeated[np.cumsum(times) - 1], rtol=1e-6)
