"""Trials of a search side by side are the trainings they would be alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.optimizers import make_optimizer, place_of_decay
from manyhot.models.network_spec import NetworkSpec, network_settings
from manyhot.networks import MemberInitializer

SMALL = {"hidden_layer_sizes": (12,), "dropout": 0.2, "schedule": "cosine", "dtype": "float64"}
CHANGES = (
    {"epochs": 2},
    {"epochs": 3, "learning_rate": 1e-2},
    {"epochs": 2, "weight_decay": 0.5},
    {"epochs": 2, "label_smoothing": 0.2},
    {"epochs": 2, "loss_params": {"gamma": 0.5, "balance": 0.3}},
)


def configs(**more) -> list[TrainingConfig]:
    return [TrainingConfig(**{**SMALL, "loss": "focal", **more, **change}) for change in CHANGES]


def side_by_side(job, trials, layout="auto", executor=None):
    """All members of the job under each of the settings."""
    n_members, config = len(job.parts), trials[0]
    spec = NetworkSpec("mlp", network_settings(config), {"features": (job.features.shape[1],)}, 4, config.dtype)
    networks = spec.factory(
        n_members * len(trials),
        lambda k: MemberInitializer(1000 * config.random_state + k % n_members, None, "float64"),
    )
    parts = engine.MemberSplits(*(part * len(trials) for part in vars(job.parts).values()))
    data = engine.EncodedRows({"features": job.features}, job.values, None, job.weights, config.dtype)
    size = engine.JobSize(n_members, 20, engine.platform())
    runtime = RuntimeConfig(member_batching=layout, executor=executor)
    return engine.train(networks, data, parts, config, runtime, 16, size=size, trials=trials)


@pytest.mark.slow
def test_trials_side_by_side_are_what_they_are_alone_to_the_bit(make_job):
    job = make_job(n_members=4)
    trials = configs()
    together = side_by_side(job, trials)
    for k, config in enumerate(trials):
        alone = job.train(config)
        members = slice(4 * k, 4 * k + 4)
        for ours, own in zip(together.weights.trainable, alone.weights.trainable, strict=True):
            np.testing.assert_array_equal(ours[members], own)
        np.testing.assert_array_equal(together.best_epoch[members], alone.best_epoch)
        assert np.isnan(together.curves[members, config.epochs :]).all()
        np.testing.assert_array_equal(together.curves[members, : config.epochs], alone.curves)
    first = together.weights.trainable[0]
    assert not any(np.array_equal(first[:4], first[4 * k : 4 * k + 4]) for k in range(1, len(trials)))


@pytest.mark.slow
@pytest.mark.parametrize("early_stopping", [False, True])
def test_members_of_several_trials_share_a_program(make_job, early_stopping):
    """As on a GPU: every number that a trial sets is one value a member."""
    job = make_job(n_members=3)
    trials = configs(early_stopping=early_stopping, patience=1)
    apart, mixed = side_by_side(job, trials), side_by_side(job, trials, "together")
    for ours, own in zip(mixed.weights.trainable, apart.weights.trainable, strict=True):
        np.testing.assert_allclose(ours, own, atol=1e-9)
    np.testing.assert_array_equal(mixed.best_epoch, apart.best_epoch)


@pytest.mark.slow
def test_a_trial_that_diverges_leaves_the_others_alone(make_job):
    job = make_job(n_members=2)
    good = TrainingConfig(**SMALL, epochs=2)
    trials = [good, good.changed(learning_rate=1e300)]
    together = side_by_side(job, trials)
    alone = job.train(good)
    np.testing.assert_array_equal(together.weights.trainable[0][:2], alone.weights.trainable[0])
    assert not np.isfinite(together.weights.trainable[0][2:]).all()


def test_the_weight_decay_of_adamw_is_one_of_its_variables(make_job):
    config = TrainingConfig(**{**SMALL, "dtype": "float32"}, weight_decay=0.125)
    model = make_job().networks(config).build(0)
    optimizer = make_optimizer(config)
    optimizer.build(model.trainable_variables)
    place = place_of_decay(optimizer)
    assert float(optimizer.variables[place].value) == 0.125
    plain = make_optimizer(replace(config, optimizer="adam"))
    plain.build(model.trainable_variables)
    assert place_of_decay(plain) is None


@pytest.mark.slow
def test_trials_travel_to_an_executor(make_job):
    job = make_job(n_members=2)
    trials = configs()[:2]
    with ThreadPoolExecutor(1) as pool:
        elsewhere = side_by_side(job, trials, executor=pool)
    for ours, own in zip(elsewhere.weights.trainable, side_by_side(job, trials).weights.trainable, strict=True):
        np.testing.assert_array_equal(ours, own)
