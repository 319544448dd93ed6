"""What is counted over pixels, beside slow truth."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from manyhot.data.targets import Targets
from manyhot.models.segmentation import ConfusionCounts
from manyhot.models.segmentation.confusion_counts import BINS, bin_indices
from tests.fixtures.scenes import slow_measures


@pytest.fixture
def images() -> list[tuple[np.ndarray, Targets]]:
    generator = np.random.default_rng(0)
    found = []
    for size in ((6, 9), (13, 4), (5, 5)):
        values = generator.random((*size, 3)) < [0.5, 0.1, 0.0]
        known = generator.random((*size, 3)) < 0.8 if size != (5, 5) else None
        scores = np.clip(generator.normal(0.4 + 0.3 * values, 0.2), 0, 1).astype(np.float32)
        found.append((scores, Targets(values, known)))
    return found


def together(images) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, values, known = (
        np.concatenate([part.reshape(-1, 3) for part in parts])
        for parts in zip(*((s, t.values, t.known_mask()) for s, t in images), strict=True)
    )
    return scores, values, known


def test_counts_are_those_of_all_known_pixels(images):
    tally = ConfusionCounts(3)
    for scores, targets in images:
        tally.add_predictions(scores > 0.5, targets)
    scores, values, known = together(images)
    measured = tally.metrics()
    for j in range(3):
        truth = slow_measures(scores[:, j] > 0.5, values[:, j], known[:, j])
        for name, value in truth.items():
            np.testing.assert_allclose(measured[name][j], value, equal_nan=True, err_msg=name)
    assert tally.known.tolist() == known.sum(axis=0).tolist()


def test_average_precision_is_that_of_the_scores_but_for_ties_within_a_bin(images):
    tally = ConfusionCounts(3)
    for scores, targets in images:
        tally.add_scores(scores, targets)
    scores, values, known = together(images)
    found = tally.average_precision()
    for j in range(2):
        truth = average_precision_score(values[known[:, j], j], bin_indices(scores[known[:, j], j]))
        assert found[j] == pytest.approx(truth, abs=1e-12)
        exact = average_precision_score(values[known[:, j], j], scores[known[:, j], j])
        assert found[j] == pytest.approx(exact, abs=5e-3)
    assert np.isnan(found[2])


def test_bins_keep_the_order_and_take_every_score():
    scores = np.array([0, 1e-12, 1e-4, 0.3, 0.5, 0.9, 1 - 1e-7, 1], dtype=np.float32)
    places = bin_indices(scores)
    assert (np.diff(places) >= 0).all()
    assert places[0] == 0
    assert places[-1] == BINS - 1
    assert len(np.unique(places)) >= 6


def test_values_have_names_and_means(images):
    tally = ConfusionCounts(3)
    for scores, targets in images:
        tally.add_predictions(scores > 0.5, targets)
        tally.add_scores(scores, targets)
    values = tally.to_values(("a", "b", "c"))
    assert [row["label"] for row in values["labels"]] == ["a", "b", "c"]
    ious = [row["iou"] for row in values["labels"]]
    assert values["mean_iou"] == pytest.approx(np.nanmean(ious))
