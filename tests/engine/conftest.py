"""A small training job for the engine, from arrays alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manyhot import engine
from manyhot.backend import jax
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.models.network_spec import NetworkSpec, network_settings
from manyhot.networks import MemberInitializer


class Job:
    """Six members on unequal parts of 150 rows."""

    def __init__(self, seed: int = 0, n_rows: int = 150, n_features: int = 10, n_labels: int = 4, n_members: int = 6):
        generator = np.random.default_rng(seed)
        self.features = generator.normal(size=(n_rows, n_features))
        mixing = generator.normal(size=(n_features, n_labels))
        self.values = self.features @ mixing + generator.normal(size=(n_rows, n_labels)) > 0.5
        self.known = None
        self.weights = np.ones(n_rows)
        sizes = [n_rows - 40 - 7 * k for k in range(n_members)]
        orders = [generator.permutation(n_rows) for _ in range(n_members)]
        self.parts = engine.MemberSplits(
            [order[:size] for order, size in zip(orders, sizes, strict=True)],
            [order[size : size + 20] for order, size in zip(orders, sizes, strict=True)],
            [order[size + 20 :] for order, size in zip(orders, sizes, strict=True)],
        )

    def only(self, *members: int) -> "Job":
        """The same job with some of the members."""
        other = Job.__new__(Job)
        other.__dict__ = dict(self.__dict__)
        other.parts = engine.MemberSplits(*([part[k] for k in members] for part in vars(self.parts).values()))
        return other

    def networks(self, config: TrainingConfig, first: int = 0) -> engine.NetworkFactory:
        shapes = {"features": (self.features.shape[1],)}
        spec = NetworkSpec("mlp", network_settings(config), shapes, self.values.shape[1], config.dtype)
        return spec.factory(
            len(self.parts), lambda k: MemberInitializer(1000 * config.random_state + k + first, None, config.dtype)
        )

    def train(
        self, config: TrainingConfig, layout: str = "auto", batch_size: int = 16, features: Any = None
    ) -> engine.TrainingResult:
        block = self.features if features is None else features
        data = engine.EncodedRows({"features": block}, self.values, self.known, self.weights, config.dtype)
        return engine.train(
            self.networks(config), data, self.parts, config, RuntimeConfig(member_batching=layout), batch_size
        )

    def scores(
        self, config: TrainingConfig, trained: engine.TrainingResult, members: tuple[int, int] | None = None
    ) -> np.ndarray:
        scorer = engine.Scorer(self.networks(config), trained.weights, config.dtype, RuntimeConfig())
        return scorer.scores({"features": self.features}, members)


@pytest.fixture
def job() -> Job:
    """A fresh job."""
    return Job()


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """Jobs of other sizes."""
    return Job


@pytest.fixture
def compiles():
    """A list that grows by one for each program that the backend compiles."""
    events = []

    def listen(event: str, _: float, **__: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)
