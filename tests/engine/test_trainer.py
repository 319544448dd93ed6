"""Members together are members alone, and padding changes nothing."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from manyhot import engine
from manyhot.backend import jax
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine import ensemble
from manyhot.engine import trainer as members_module
from tests.fixtures.precisions import in_both_precisions

ROOT = Path(__file__).parents[2]
SMALL = {"hidden_layer_sizes": (16, 8), "schedule": "constant", "early_stopping": False}


NETWORKS = {"plain": {}, "dropout": {"dropout": 0.4}, "batch_norm": {"batch_norm": True}}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype", "epochs", "tolerance"), in_both_precisions([*NETWORKS]))
def test_members_together_equal_members_alone(job, name, dtype, epochs, tolerance):
    config = TrainingConfig(dtype=dtype, epochs=epochs, **{**SMALL, **NETWORKS[name]})
    together = job.train(config, layout="together")
    single = job.train(config, layout="single")
    difference = np.abs(job.scores(config, together) - job.scores(config, single)).max()
    print(f"largest difference {difference:.1e}")
    assert difference < tolerance
    for a, b in zip(together.weights.trainable, single.weights.trainable, strict=True):
        assert not np.array_equal(a[0], a[1])
        np.testing.assert_allclose(a, b, atol=10 * tolerance)


@pytest.mark.slow
def test_chunks_that_do_not_divide_the_members_change_nothing(job, monkeypatch):
    config = TrainingConfig(dtype="float64", epochs=5, **SMALL)
    unchunked = job.train(config, layout="together")
    monkeypatch.setattr(ensemble, "chunk_size", lambda *_: 4)
    chunked = job.train(config)
    np.testing.assert_allclose(job.scores(config, unchunked), job.scores(config, chunked), atol=1e-10)


@pytest.mark.slow
def test_padded_rows_change_nothing(job, monkeypatch):
    config = TrainingConfig(
        dtype="float64",
        epochs=8,
        dropout=0.3,
        batch_norm=True,
        hidden_layer_sizes=(16,),
        early_stopping=True,
        patience=3,
    )
    padded = job.train(config)
    exact = {"count": 0}

    def no_bucket(count: int, min_size: int = 64) -> int:
        exact["count"] += 1
        return max(count, 1)

    monkeypatch.setattr("manyhot.engine.device_data.bucket", no_bucket)
    monkeypatch.setattr("manyhot.engine.trainer.bucket", no_bucket)
    unpadded = job.train(config)
    assert exact["count"] > 0
    np.testing.assert_allclose(job.scores(config, padded), job.scores(config, unpadded), atol=1e-9)
    assert (padded.best_epoch == unpadded.best_epoch).all()


@pytest.mark.slow
def test_unknown_entries_equal_entries_of_weight_zero_for_one_label(make_job):
    job = make_job(n_labels=1)
    config = TrainingConfig(dtype="float64", epochs=4, **SMALL)
    known = np.random.default_rng(1).random(job.values.shape) < 0.7
    job.known, job.values = known, job.values & known
    masked = job.train(config)
    job.known, job.weights = None, known[:, 0].astype(float)
    weighted = job.train(config)
    np.testing.assert_allclose(job.scores(config, masked), job.scores(config, weighted), atol=1e-12)


@pytest.mark.slow
def test_what_stands_in_unknown_entries_does_not_matter(job):
    config = TrainingConfig(dtype="float64", epochs=3, **SMALL)
    job.known = np.random.default_rng(1).random(job.values.shape) < 0.7
    before = job.train(config)
    job.values = np.where(job.known, job.values, ~job.values)
    np.testing.assert_array_equal(job.scores(config, before), job.scores(config, job.train(config)))


@pytest.mark.slow
def test_one_seed_gives_one_result_and_another_seed_another(job):
    config = TrainingConfig(epochs=4, dropout=0.2, hidden_layer_sizes=(32,))
    first, again = (job.scores(config, job.train(config)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = TrainingConfig(epochs=4, dropout=0.2, hidden_layer_sizes=(32,), random_state=1)
    assert np.abs(first - job.scores(other, job.train(other))).max() > 1e-3


@pytest.mark.slow
def test_early_stopping_keeps_the_best_weights(job):
    config = TrainingConfig(
        epochs=60, early_stopping=True, patience=4, learning_rate=0.02, hidden_layer_sizes=(32,), schedule="constant"
    )
    trained = job.train(config)
    stop_losses = trained.curves[:, :, 1]
    assert (trained.best_epoch == np.nanargmin(stop_losses, axis=1) + 1).all()
    ran = np.isfinite(stop_losses).sum(axis=1)
    assert (ran <= np.minimum(trained.best_epoch + config.patience, config.epochs)).all()
    assert ran.min() < config.epochs
    scores = job.scores(config, trained, (0, 1))[job.parts.validation[0]]
    target = job.values[job.parts.validation[0]]
    loss = -np.where(target, np.log(scores), np.log1p(-scores)).mean()
    assert loss == pytest.approx(np.nanmin(stop_losses[0]), abs=1e-5)


@pytest.mark.slow
def test_more_calls_of_the_program_change_nothing(job, monkeypatch):
    config = TrainingConfig(epochs=30, **SMALL)
    monkeypatch.setattr(members_module, "CALL_SECONDS", 1e-9)
    many = job.train(config)
    monkeypatch.setattr(members_module, "CALL_SECONDS", 1e9)
    few = job.train(config)
    np.testing.assert_array_equal(job.scores(config, many), job.scores(config, few))
    np.testing.assert_array_equal(many.curves, few.curves)


@pytest.mark.slow
def test_progress_ends_at_one(job):
    config = TrainingConfig(epochs=5, **SMALL)
    news = []
    data = engine.EncodedRows({"features": job.features}, job.values, None, job.weights, config.dtype)
    engine.train(job.networks(config), data, job.parts, config, RuntimeConfig(), 16, callback=news.append)
    assert news[-1].done == 1.0
    assert news[-1].n_finished == len(job.parts)
    assert all(a.done <= b.done + 1e-9 for a, b in pairwise(news))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_an_error(job):
    config = TrainingConfig(epochs=3, optimizer="sgd", learning_rate=1e30, **SMALL)
    with pytest.raises(members_module.TrainingError, match="learning_rate"):
        job.train(config)


TWO_DEVICES = """
from manyhot.backend import jax
jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
from tests.engine.conftest import Job
from manyhot.config.training import TrainingConfig
config = TrainingConfig(epochs=5, dropout=0.2, hidden_layer_sizes=(16,))
job = Job()
assert len(jax.devices()) == 2
np.save({path!r}, job.scores(config, job.train(config)))
"""


@pytest.mark.slow
def test_two_devices_give_what_one_gives(job, tmp_path):
    path = str(tmp_path / "scores.npy")
    subprocess.run([sys.executable, "-c", TWO_DEVICES.format(path=path)], cwd=ROOT, check=True)
    assert len(jax.devices()) == 1
    config = TrainingConfig(epochs=5, dropout=0.2, hidden_layer_sizes=(16,))
    np.testing.assert_allclose(job.scores(config, job.train(config)), np.load(path), atol=1e-6)


def test_chunks_follow_shapes_alone():
    small, large = 1e4, 1e8
    assert ensemble.chunk_size(30, small, 1e4, "auto", "cpu") == 15
    assert ensemble.chunk_size(16, large, 1e6, "auto", "cpu") == 1
    assert ensemble.chunk_size(16, large, 1e6, "auto", "gpu") == 16
    assert ensemble.chunk_size(16, large, 2**30, "auto", "gpu") == 2
    assert ensemble.chunk_size(16, small, 1e4, "single", "gpu") == 1
    assert jax.devices()[0].platform == "cpu"
