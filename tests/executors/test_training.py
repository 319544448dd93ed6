"""Training elsewhere gives what training here gives, to the bit; dead workers change nothing."""

import copy
import io
import pickle

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import manyhot  # before Keras, which it puts on JAX
from manyhot import MultiLabelClassifier, ReadOptions, cross_validate
from manyhot.engine import trainer
from manyhot.executors import tasks
from tests.fixtures.workers import killing_workers

import keras  # isort: skip

pytestmark = pytest.mark.slow
SETTINGS = {"n_members": 4, "epochs": 6, "hidden_layer_sizes": (16,), "verbose": 0}


def rows(n=400):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n, 12)).astype(np.float32)
    return X, X @ generator.normal(size=(12, 5)) + generator.normal(size=(n, 5)) > 0.7


def assert_same_models(one, other):
    for a, b in zip(one.model_.weights, other.model_.weights, strict=True):
        assert len(a) == len(b)
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    np.testing.assert_array_equal(one.model_.evidence.scores, other.model_.evidence.scores)
    np.testing.assert_array_equal(one.thresholds_, other.thresholds_)
    assert one.report_.to_dict()["metrics"] == other.report_.to_dict()["metrics"]


def assert_same_folds(one, other):
    np.testing.assert_array_equal(one.oof_scores, other.oof_scores)
    np.testing.assert_array_equal(one.thresholds, other.thresholds)
    assert one.scores.keys() == other.scores.keys()
    for at in one.scores:
        for name, values in one.scores[at].items():
            np.testing.assert_array_equal(values, other.scores[at][name])


@pytest.fixture(scope="module")
def here():
    """The reference, trained in this process."""
    return MultiLabelClassifier(**SETTINGS).fit(*rows())


@pytest.fixture(scope="module")
def folds_here():
    return cross_validate(MultiLabelClassifier(**SETTINGS), *rows(), n_splits=3, n_repeats=1)


@pytest.fixture(scope="module")
def dask_executor():
    from dask.distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        yield client.get_executor()


@pytest.fixture(scope="module")
def ray_cluster():
    """Ray on this machine; a skip with the reason where it does not start in three tries, as on a busy machine."""
    import ray

    for attempt in range(3):
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            break
        except Exception as error:
            ray.shutdown()
            if attempt == 2:
                pytest.skip(f"Ray did not start on this machine in three tries: {error}")
    yield "ray"
    ray.shutdown()


@pytest.fixture(params=["processes:2", "dask", "ray"])
def executor(request):
    if request.param == "processes:2":
        return request.param
    return request.getfixturevalue({"dask": "dask_executor", "ray": "ray_cluster"}[request.param])


def test_fit_is_the_same_to_the_bit(executor, here):
    assert_same_models(MultiLabelClassifier(**SETTINGS, executor=executor).fit(*rows()), here)


def test_cross_validation_is_the_same_to_the_bit(executor, folds_here):
    found = cross_validate(MultiLabelClassifier(**SETTINGS, executor=executor), *rows(), n_splits=3, n_repeats=1)
    assert_same_folds(found, folds_here)


INPUTS = {
    "text": lambda: (
        ["sun and sea", "rain", "cold rain and wind", "warm sea"] * 40,
        [["fair"], ["wet"], ["wet"], []] * 40,
    ),
    "table": lambda: (
        pl.DataFrame({"size": rows()[0][:, 0], "kind": ["a", "b", "c", "d"] * 100}),
        rows()[1],
    ),
    "sparse": lambda: (sp.random(300, 5000, 0.01, "csr", np.float32, random_state=0), rows(300)[1]),
    "images": lambda: (np.random.default_rng(0).integers(0, 255, (60, 16, 16), dtype=np.uint8), rows(60)[1]),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_rows_travels(kind):
    X, y = INPUTS[kind]()
    settings = {**SETTINGS, "epochs": 2, "n_members": 2}
    elsewhere = MultiLabelClassifier(**settings, executor="processes:2").fit(X, y)
    assert_same_models(elsewhere, MultiLabelClassifier(**settings).fit(X, y))


@pytest.mark.parametrize("n_members", [1, 2])
def test_members_of_a_stream_read_their_rows_where_they_train(n_members, executor, tmp_path):
    X, y = rows()
    columns = {f"x{j}": X[:, j] for j in range(12)} | {f"mood_{j}": y[:, j].astype(int) for j in range(5)}
    pl.DataFrame(columns).write_csv(tmp_path / "songs.csv")
    settings = {**SETTINGS, "n_members": n_members}

    def fit(**more):
        return MultiLabelClassifier(**settings, **more).fit_file(
            tmp_path / "songs.csv", ReadOptions(labels="mood_*"), stream=True, window_bytes=5000, stream_folder=tmp_path
        )

    assert_same_models(fit(executor=executor), fit())
    assert [path.name for path in tmp_path.iterdir()] == ["songs.csv"]


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def own_model():
    return keras.Sequential(
        [keras.Input((12,)), Doubled(), keras.layers.Dense(8, "relu"), keras.layers.Dense(5, "sigmoid")]
    )


def test_a_keras_model_with_a_layer_of_its_own_travels():
    X, y = rows()
    model = own_model()
    settings = {"n_splits": 3, "n_repeats": 1, "epochs": 3, "verbose": 0}
    found = cross_validate(model, X, y, **settings, executor="processes:2")
    assert_same_folds(found, cross_validate(model, X, y, **settings))
    parameters = {"n_members": 4, "epochs": 2, "verbose": 0, "network": model}
    elsewhere = MultiLabelClassifier(**parameters, executor="processes:2").fit(X, y)
    assert_same_models(elsewhere, MultiLabelClassifier(**parameters).fit(X, y))


def test_a_function_that_builds_a_network_travels():
    X, y = rows()

    def build(input_shape, n_labels):
        return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(n_labels, "sigmoid")])

    settings = {"n_splits": 3, "n_repeats": 1, "epochs": 2, "verbose": 0}
    found = cross_validate(build, X, y, **settings, executor="processes:2")
    assert_same_folds(found, cross_validate(build, X, y, **settings))


def test_killed_workers_change_nothing(here, folds_here):
    X, y = rows()
    with killing_workers([0.05]) as killed:
        found = MultiLabelClassifier(**SETTINGS, executor="processes:2").fit(X, y)
    assert_same_models(found, here)
    with killing_workers([0.05, 1.0]) as killed_later:
        found = cross_validate(MultiLabelClassifier(**SETTINGS, executor="processes:2"), X, y, n_splits=3, n_repeats=1)
    assert_same_folds(found, folds_here)
    assert killed + killed_later


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["fit", "cross_validate"])
def test_twenty_workers_killed_at_any_time_change_nothing(kind):
    X, y = rows()
    settings = {**SETTINGS, "epochs": 150, "n_members": 3}

    def train(**more):
        classifier = MultiLabelClassifier(**settings, **more)
        return classifier.fit(X, y) if kind == "fit" else cross_validate(classifier, X, y, n_splits=3, n_repeats=1)

    reference, generator, n_killed, n_runs = train(), np.random.default_rng(0), 0, 0
    while n_killed < 20:
        with killing_workers(generator.uniform(0.05, 3.0, 2).tolist()) as killed:
            found = train(executor="processes:2")
        (assert_same_models if kind == "fit" else assert_same_folds)(found, reference)
        n_killed, n_runs = n_killed + len(killed), n_runs + 1
    print(f"{kind}: {n_killed} killed in {n_runs} runs, each with the same bits")


def test_the_job_is_little_more_than_its_rows(monkeypatch):
    """Narrow rows and ten members: what travels beside the rows counts most."""
    X, y = rows(20000)
    sent = []

    def record(executor, work, arguments, **options):
        pickle.dumps(work.payload)  # plain
        stream = io.BytesIO()
        pickle.dump(tuple(work), stream, protocol=pickle.HIGHEST_PROTOCOL)
        sent.append(stream.tell() + sum(len(pickle.dumps(one)) for one in arguments))
        return iter(())

    monkeypatch.setattr(tasks, "run_tasks", record)
    monkeypatch.setattr("manyhot.executors.run_tasks", record)
    monkeypatch.setattr(trainer.Trainer, "_result", lambda self: (_ for _ in ()).throw(InterruptedError))
    with pytest.raises(InterruptedError):
        MultiLabelClassifier(n_members=10, verbose=0, executor="processes:2").fit(X, y)
    encoded = X.astype(np.float32).nbytes + y.nbytes
    print(f"{sent[0] / encoded:.2f} times the encoded rows")
    assert sent[0] <= 1.3 * encoded


class Handle:
    """An executor that must not be copied."""

    def submit(self, function, *arguments):
        raise NotImplementedError

    def __deepcopy__(self, memo):
        raise AssertionError("copied")

    def __reduce__(self):
        raise AssertionError("pickled")


def test_an_executor_is_shared_by_clones_and_left_behind_by_copies(here, tmp_path):
    handle = Handle()
    classifier = MultiLabelClassifier(**SETTINGS, executor=handle)
    assert clone(classifier).executor is handle
    assert clone(classifier).get_params() == classifier.get_params()
    assert copy.deepcopy(classifier).executor is None
    assert pickle.loads(pickle.dumps(classifier)).executor is None
    assert pickle.loads(pickle.dumps(classifier.set_params(executor="processes:2"))).executor == "processes:2"
    fitted = copy.copy(here)
    fitted.executor = handle
    fitted.model_.runtime = fitted.model_.runtime.changed(executor=handle)
    np.testing.assert_array_equal(copy.deepcopy(fitted).predict(rows()[0]), here.predict(rows()[0]))
    fitted.save(tmp_path / "model.manyhot")
    assert b"Handle" not in (tmp_path / "model.manyhot").read_bytes()
    assert manyhot.load(tmp_path / "model.manyhot").executor is None
