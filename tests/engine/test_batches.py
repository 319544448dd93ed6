"""How many rows are scored at a time: few where images are large, and the scores are the same."""

import numpy as np
import pytest

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.engine import scoring
from manyhot.models.network_spec import NetworkSpec
from manyhot.networks import MemberInitializer


@pytest.mark.slow
def test_large_images_are_scored_few_at_a_time(monkeypatch):
    settings = {"images": {"image": {"mean": [0.5], "deviation": [0.2]}}, "filters": [2], "blocks": 1, "kernel": 3}
    settings |= {
        "pool": "average",
        "hidden_layer_sizes": [4],
        "activation": "relu",
        "dropout": 0.0,
        "batch_norm": False,
        "tables": [],
    }
    networks = NetworkSpec("cnn", settings, {"image": (8, 16, 1)}, 2, "float32").factory(
        1, lambda k: MemberInitializer(k)
    )
    model = networks.build(0)
    weights = engine.Weights([np.asarray(v.value)[None] for v in model.trainable_variables], [])
    images = np.random.default_rng(0).integers(0, 256, (21, 8, 16, 1), dtype=np.uint8)
    expected = engine.Scorer(networks, weights, "float32", RuntimeConfig()).scores({"image": images})
    sizes = []
    real = scoring._make_batch

    def record_size(blocks, first, size, *rest):
        sizes.append(size)
        return real(blocks, first, size, *rest)

    monkeypatch.setattr(scoring, "_make_batch", record_size)
    monkeypatch.setattr(scoring, "MAX_IMAGE_PIXELS", 5 * 8 * 16)
    scores = engine.Scorer(networks, weights, "float32", RuntimeConfig()).scores({"image": images})
    assert sizes == [5] * 5
    np.testing.assert_allclose(scores, expected, atol=1e-6)
