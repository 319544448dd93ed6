"""Scores and decisions of new rows, by any kind of model."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.invalid_images import InvalidImages, raise_for_invalid
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.models.model import Model
from manyhot.models.segmentation import image_set
from manyhot.models.segmentation.model import check_no_skips

IMAGE_ROWS = 1024
"""Rows whose images are decoded at a time."""


def sample_features(model: Any, samples: Samples) -> Any:
    """The rows of a reader as the model's encoder takes them; columns are matched by name."""
    if model.labels_pixels:
        return image_set(samples, model.channels)
    if samples.is_sparse:
        return samples.features
    frame = samples.features
    assert isinstance(frame, pl.DataFrame)
    return model.encoder.from_frame(frame)


def predict_scores(
    model: Model,
    features: Any,
    is_calibrated: bool = True,
    on_bad_image: str = "error",
    samples: Samples | None = None,
) -> tuple[Any, InvalidImages]:
    """Scores (n, l), NaN in rows whose images cannot be used, and what those are; images are decoded in chunks."""
    score = model.scores if is_calibrated else model.uncalibrated_scores
    encoder = model.encoder
    if model.labels_pixels:
        check_no_skips(on_bad_image)
        return score(features), {}
    if not (encoder.image_columns and len(features)):
        return score(features), {}
    chunks, invalid = [], InvalidImages()
    for start in range(0, len(features), IMAGE_ROWS):
        frame, faults = encoder.decode_images(features[start : start + IMAGE_ROWS])
        invalid |= {start + row: fault for row, fault in faults.items()}
        try:
            if on_bad_image == "error":
                raise_for_invalid(invalid)
        except InputError as error:
            raise (error if samples is None else samples.locate_error(error)) from None
        chunks.append(score(frame))
        chunks[-1][list(faults)] = np.nan
    return np.concatenate(chunks), invalid


def exact_match(
    decisions: np.ndarray, targets: Targets, has_unseen: np.ndarray, sample_weight: np.ndarray | None = None
) -> float:
    """Fraction of rows whose known targets are all predicted right; rows without any are left out, unseen are wrong."""
    known = targets.known_mask()
    is_right = ((decisions == targets.values) | ~known).all(axis=1) & ~has_unseen
    return _weighted_share(is_right, np.asarray(known.any(axis=1)), sample_weight)


def sparse_exact_match(
    decisions: sp.csr_matrix, targets: sp.csr_matrix, has_unseen: np.ndarray, sample_weight: np.ndarray | None = None
) -> float:
    """`exact_match` of CSR decisions and CSR targets (n, l), all of them known."""
    difference = sp.csr_matrix(decisions, dtype=np.int8) - sp.csr_matrix(targets, dtype=np.int8)
    difference.eliminate_zeros()
    is_right = (np.diff(difference.indptr) == 0) & ~has_unseen
    return _weighted_share(is_right, np.ones(len(is_right), dtype=bool), sample_weight)


def _weighted_share(is_right: np.ndarray, has_known: np.ndarray, sample_weight: np.ndarray | None) -> float:
    weights = has_known * (1.0 if sample_weight is None else np.asarray(sample_weight, dtype=float))
    return float(np.average(is_right, weights=weights)) if weights.sum() > 0 else float("nan")
