"""Entry point of the data checks: rows in any form -> `DataChecks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot import validation
from manyhot.config.training import TrainingConfig
from manyhot.data.feature_input import is_frame, to_frame
from manyhot.data.labels import LabelSpace
from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.readers.columns import read_columns
from manyhot.data.readers.label_columns import label_like_columns
from manyhot.data.samples import Samples
from manyhot.data.target_input import parse_targets
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.data_checks.conflicting_rows import conflicting_rows, row_keys
from manyhot.evaluation.data_checks.counts import count_pairs
from manyhot.evaluation.data_checks.findings import KINDS, SEVERITIES, DataChecks, Finding
from manyhot.evaluation.data_checks.label_names import leftover_notation, similar_names
from manyhot.evaluation.data_checks.label_pairs import paired_labels
from manyhot.evaluation.data_checks.leakage import category_leaks, number_leaks, possible_labels, same_names
from manyhot.evaluation.data_checks.single_labels import constant_labels, one_label_per_row, rare_labels, unknown_labels
from manyhot.evaluation.data_checks.summary import describe_targets

MAX_PAIRED_LABELS = 3000  # most labels that are compared two by two: those with the most positives
MAX_LEAK_ROWS = 50_000  # most rows that columns are compared with labels on: drawn once, always the same
MAX_FINDINGS = 1000  # most findings of one kind, the strongest; more help nobody


@dataclass(frozen=True)
class _CheckInputs:
    """The data set in the forms that the checks take."""

    space: LabelSpace
    targets: Targets
    ids: np.ndarray  # str (n,)
    matrix: np.ndarray | sp.csr_matrix | None = None  # float64 (n, f), NaN for missing, or CSR
    matrix_names: list[str] = field(default_factory=list)
    categories: pl.DataFrame = field(default_factory=pl.DataFrame)
    identity_columns: pl.DataFrame | None = None  # named columns, which tell rows apart; None: the matrix does
    label_like: tuple[str, ...] = ()  # columns of 0 and 1 that resemble labels


def check_data(
    samples_or_X: Any, y: Any = None, n_folds: int = TrainingConfig.n_folds, labels: Sequence[str] | None = None
) -> DataChecks:
    """Check a data set for label problems before training.

    Args:
        samples_or_X: `Samples` with targets, as `data.readers.read` returns them; or features (n, f): a frame of
            pandas, polars or Arrow, an array or a sparse matrix; or None to check labels alone.
        y: Targets in any form that `labels.as_targets` takes, or `Targets`; None with `Samples`. With
            `samples_or_X=None` it may be (n, h, w, l): every pixel is then a row.
        n_folds: Parts that training will split the rows into, 2 or more: a label with fewer positives is rare.
        labels: Names of the columns of y, where y does not carry them.

    Returns:
        Findings, facts and limits. Every comparison is made on known targets only.

    Raises:
        InputError: No labels, another number of rows in X and y, or a form that is not understood.

    Example:
        >>> from manyhot.evaluation.data_checks import check_data
        >>> rows = [["sad"], ["quiet"], ["sad", "quiet"], []] * 10
        >>> check_data(None, rows).findings
        []
    """
    n_folds = validation.integer(low=2, n_folds=n_folds)
    rows = (
        _from_samples(samples_or_X, y) if isinstance(samples_or_X, Samples) else _from_arrays(samples_or_X, y, labels)
    )
    space, targets = rows.space, rows.targets
    limits: list[str] = []
    paired = _labels_to_pair(targets, limits)
    pairs = count_pairs(targets, paired)
    multi_class = one_label_per_row(space, targets)
    findings = [
        *multi_class,
        *constant_labels(space, targets),
        *paired_labels(space, paired, pairs, is_multi_class=bool(multi_class)),
        *leftover_notation(space, targets.support()),
        *similar_names(space, targets.support()),
        *rare_labels(space, targets, n_folds),
        *unknown_labels(space, targets),
        *same_names(space, [] if rows.identity_columns is None else rows.identity_columns.columns),
        *possible_labels(rows.label_like),
        *_leaks(rows, limits),
        *_conflicts(rows),
    ]
    facts = describe_targets(space, targets, paired, pairs)
    return DataChecks(_rank_findings(findings, limits), facts, tuple(limits))


def _from_samples(samples: Samples, y: Any) -> _CheckInputs:
    if y is not None:
        raise InputError("Samples have their own targets; omit y", argument="y")
    if samples.targets is None or samples.labels is None:
        raise InputError("there are no labels to check; say where they are", file=samples.source or None)
    ids, targets = samples.row_ids(), samples.targets
    if isinstance(targets, PixelTargets):
        targets = targets.image_targets()
    if samples.is_sparse:
        names = list(samples.feature_names)
        return _CheckInputs(samples.labels, targets, ids, sp.csr_matrix(samples.features), names)
    assert isinstance(samples.features, pl.DataFrame)
    label_like = samples.label_like
    if label_like is None:
        label_like = label_like_columns(samples.features, samples.labels.names, samples.column_types)
    fields = _from_frame(samples.features, samples.column_types)
    return _CheckInputs(samples.labels, targets, ids, **fields, label_like=label_like)


def _from_arrays(X: Any, y: Any, labels: Sequence[str] | None) -> _CheckInputs:
    space, targets, _ = parse_targets(y, labels)
    if X is None:
        width = targets.n_labels
        known = None if targets.known is None else targets.known.reshape(-1, width)
        targets = Targets(targets.values.reshape(-1, width), known)
        return _CheckInputs(space, targets, np.arange(1, targets.n_samples + 1).astype(str))
    if targets.values.ndim != 2:
        raise InputError(f"targets have shape {targets.values.shape}; give X=None to check them alone", argument="y")
    ids = np.arange(1, targets.n_samples + 1).astype(str)
    fields: dict[str, Any]
    if is_frame(X):
        frame, inspection = read_columns(to_frame(X, is_raw=True), {})
        n, fields = len(frame), _from_frame(frame, inspection.column_types)
        fields["label_like"] = label_like_columns(frame, space.names, inspection.column_types)
    else:
        try:
            matrix = sp.csr_matrix(X, dtype=float) if sp.issparse(X) else np.asarray(X, dtype=float)
        except (TypeError, ValueError):
            raise InputError(
                "got cells that are no numbers; give a frame to mix numbers and text", argument="X"
            ) from None
        if matrix.ndim != 2:
            raise InputError(f"got shape {matrix.shape}, expected (n, f)", argument="X")
        n = matrix.shape[0]
        fields = {"matrix": matrix, "matrix_names": [f"x{k}" for k in range(matrix.shape[1])]}
    if n != targets.n_samples:
        raise InputError(f"X has {n} rows but y has {targets.n_samples}", argument="X")
    return _CheckInputs(space, targets, ids, **fields)


def _from_frame(frame: pl.DataFrame, column_types: Any) -> dict[str, Any]:
    numbers = [name for name in frame.columns if column_types[name] in ("numeric", "boolean")]
    matrix = frame.select(pl.col(numbers).cast(pl.Float64, strict=False)).to_numpy() if numbers else None
    return {
        "matrix": matrix,
        "matrix_names": numbers,
        "categories": frame.select(name for name in frame.columns if column_types[name] == "categorical"),
        "identity_columns": frame.select(name for name in frame.columns if column_types[name] not in ("id", "ignored")),
    }


def _labels_to_pair(targets: Targets, limits: list[str]) -> np.ndarray:
    if targets.n_labels <= MAX_PAIRED_LABELS:
        return np.arange(targets.n_labels)
    limits.append(
        f"Pairs of labels beyond the {MAX_PAIRED_LABELS} with the most positives: duplicates, implications and "
        "exclusions "
        "among the others were not searched."
    )
    return np.sort(np.argsort(-targets.support(), kind="stable")[:MAX_PAIRED_LABELS])


def _leaks(rows: _CheckInputs, limits: list[str]) -> list[Finding]:
    targets, matrix, categories = rows.targets, rows.matrix, rows.categories
    if targets.n_samples > MAX_LEAK_ROWS and (matrix is not None or categories.width):
        limits.append(
            f"All rows for columns that give a label away: {MAX_LEAK_ROWS} of {targets.n_samples} were drawn, and "
            "labels "
            "with fewer than 10 positives among them were left out."
        )
        sample = np.sort(np.random.default_rng(0).choice(targets.n_samples, MAX_LEAK_ROWS, replace=False))
        targets, categories = targets.take(sample), categories[sample] if categories.width else categories
        matrix = None if matrix is None else matrix[sample]
    leaks = [] if matrix is None else number_leaks(rows.space, targets, matrix, rows.matrix_names)
    return leaks + category_leaks(rows.space, targets, categories)


def _conflicts(rows: _CheckInputs) -> list[Finding]:
    features = rows.matrix
    if rows.identity_columns is not None:
        features = row_keys(rows.identity_columns)
    elif features is None:
        return []
    elif sp.issparse(features):
        features = sp.csr_matrix(features, copy=True)
        features.sum_duplicates()
        features.eliminate_zeros()
    else:
        features = row_keys(pl.DataFrame(features, schema=rows.matrix_names))
    return conflicting_rows(rows.space, rows.targets, features, rows.ids)


def _rank_findings(findings: list[Finding], limits: list[str]) -> list[Finding]:
    """The gravest first, then in the order of the kinds, each kind cut to what a person or program can use."""
    place = {name: k for k, name in enumerate(KINDS)}
    ranked = sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), place[finding.kind]))
    selected, counts = [], dict.fromkeys(KINDS, 0)
    for finding in ranked:
        counts[finding.kind] += 1
        if counts[finding.kind] <= MAX_FINDINGS:
            selected.append(finding)
    limits += [
        f"Findings of the kind '{kind}' beyond the {MAX_FINDINGS} clearest: there are {count} in all."
        for kind, count in counts.items()
        if count > MAX_FINDINGS
    ]
    return selected
