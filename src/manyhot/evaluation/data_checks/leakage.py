"""Single columns that predict a label almost perfectly, which usually means that they were made from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import scipy.sparse as sp
from scipy.stats import rankdata

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks.findings import Finding, Severity, make_finding, quote
from manyhot.evaluation.data_checks.label_names import plain_name

LEAK_AUC = 0.995
LEAK_AGREEMENT = 0.995
# Where targets are unknown, ranks over all rows only suggest candidates; from here on they are computed exactly
SCREEN_AUC = 0.9
MIN_ROWS = 10  # rows with the label, and rows without it, that a verdict needs
CHUNK_COLUMNS = 128
CHUNK_LABELS = 512
MISSING = "\0missing"


def number_leaks(
    space: LabelSpace, targets: Targets, features: np.ndarray | sp.csr_matrix, names: Sequence[str]
) -> list[Finding]:
    """Find columns of numbers, float (n, f) or CSR, whose AUC for a label is `LEAK_AUC` or more, the highest first."""
    leaks = []
    for labels in _label_chunks(targets):
        positives = sp.csr_matrix(targets.values[:, labels], dtype=np.float64)
        known = None if targets.known is None else targets.known[:, labels].astype(np.float64)
        for start in range(0, features.shape[1], CHUNK_COLUMNS):
            block = features[:, start : start + CHUNK_COLUMNS]
            area, min_count = _roc_auc_areas(positives, known, *_rank_columns(block))
            limit = LEAK_AUC if known is None else SCREEN_AUC
            strength = np.maximum(area, 1 - area)
            for a, b in np.argwhere((strength >= limit) & (min_count >= MIN_ROWS)):
                j, column = int(labels[a]), start + int(b)
                exact = float(strength[a, b]) if known is None else _exact_area(targets, j, features, column)
                if exact >= LEAK_AUC:
                    leaks.append((exact, column, j))
    leaks.sort(key=lambda leak: (-leak[0], leak[1], leak[2]))
    severity: Severity = "note" if sp.issparse(features) else "warning"
    return [_number_finding(space.names[j], names[column], area, severity) for area, column, j in leaks]


def category_leaks(space: LabelSpace, targets: Targets, frame: pl.DataFrame) -> list[Finding]:
    """Find text columns whose level tells whether a label applies; a missing cell is a level of its own."""
    findings = []
    for column in frame:
        cells = column.cast(pl.String, strict=False).fill_null(MISSING)
        _, codes = np.unique(cells.to_numpy().astype(object), return_inverse=True)
        levels = sp.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))
        for labels in _label_chunks(targets):
            yes = (levels @ sp.csr_matrix(targets.values[:, labels], dtype=np.float64)).toarray()
            if targets.known is None:
                rows = np.broadcast_to(np.asarray(levels.sum(axis=1)), yes.shape)
            else:
                rows = levels @ targets.known[:, labels].astype(np.float64)
            agreement = np.minimum(_agreement(yes, rows), _agreement(rows - yes, rows))
            for a in np.flatnonzero(agreement >= LEAK_AGREEMENT):
                findings.append(_category_finding(space.names[labels[a]], column.name, float(agreement[a])))
    return sorted(findings, key=lambda finding: -finding.values["agreement"])


def same_names(space: LabelSpace, names: Sequence[str]) -> list[Finding]:
    """Columns that have a label's name, but for case, blanks, hyphens and underscores."""
    by_name = {plain_name(label): label for label in space.names}
    findings = []
    for name in names:
        label = by_name.get(plain_name(name))
        if label is not None:
            sentence = f"Feature column {quote(name)} is named like label {quote(label)}."
            brief = f"{quote(name)} like label {quote(label)}"
            findings.append(make_finding("same_name", "warning", sentence, brief, labels=(label,), columns=(name,)))
    return findings


def possible_labels(columns: Sequence[str]) -> list[Finding]:
    """Report columns that resemble the labels, as `label_like_columns` finds them."""
    return [
        make_finding(
            "possible_label",
            "warning",
            f"Column {quote(name)} of 0 and 1 looks like a further label and is used as a feature.",
            quote(name),
            columns=(name,),
        )
        for name in columns
    ]


def _label_chunks(targets: Targets) -> Iterator[np.ndarray]:
    """Labels with enough positives and negatives, some at a time."""
    support = targets.support()
    chosen = np.flatnonzero(np.minimum(support, targets.n_known() - support) >= MIN_ROWS)
    for start in range(0, len(chosen), CHUNK_LABELS):
        yield chosen[start : start + CHUNK_LABELS]


def _rank_columns(
    block: np.ndarray | sp.csr_matrix,
) -> tuple[np.ndarray | sp.csr_matrix, np.ndarray, np.ndarray | None]:
    """Ranks (n, c) less an offset (c,), and where there is a value: float64 (n, c), or None for everywhere."""
    if sp.issparse(block):
        return *_sparse_ranks(sp.csc_matrix(block)), None
    values = np.asarray(block, dtype=np.float64)
    is_present = ~np.isnan(values)
    ranks = rankdata(np.where(is_present, np.minimum(values, np.finfo(np.float64).max), np.inf), axis=0)
    zero = np.zeros(values.shape[1])
    if is_present.all():
        return ranks, zero, None
    return np.where(is_present, ranks, 0.0), zero, is_present.astype(np.float64)


def _sparse_ranks(block: sp.csc_matrix) -> tuple[sp.csr_matrix, np.ndarray]:
    """Ranks less the rank of zero, which is 0 where the matrix is, and the rank of zero (c,)."""
    block = block.copy()
    block.eliminate_zeros()
    n, width = block.shape
    counts = np.diff(block.indptr)
    column = np.repeat(np.arange(width), counts)
    below = np.bincount(column[block.data < 0], minlength=width)
    zeros = n - counts
    rank_of_zero = below + (zeros + 1) / 2
    order = np.lexsort((block.data, column))
    data, sorted_column = block.data[order], column[order]
    is_new = np.ones(len(data), dtype=bool)
    is_new[1:] = (data[1:] != data[:-1]) | (sorted_column[1:] != sorted_column[:-1])
    starts = np.flatnonzero(is_new)
    lengths = np.diff(np.append(starts, len(data)))
    within = np.repeat(starts + (lengths - 1) / 2, lengths) - block.indptr[sorted_column] + 1
    ranks = np.empty(len(data))
    ranks[order] = within + np.where(data > 0, zeros[sorted_column], 0) - rank_of_zero[sorted_column]
    return sp.csr_matrix(sp.csc_matrix((ranks, block.indices, block.indptr), shape=block.shape)), rank_of_zero


def _roc_auc_areas(
    positives: sp.csr_matrix,
    known: np.ndarray | None,
    ranks: np.ndarray | sp.csr_matrix,
    offset: np.ndarray,
    is_present: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the ROC curve (l, c), and the smaller of the numbers of positives and negatives behind each."""
    # 0.5 + (mean rank of positives - mean rank of negatives) / rows, exact when all targets are known.
    n = positives.shape[0]
    yes_ranks = _dense(positives.T @ ranks)
    if known is None:
        all_ranks = np.asarray(ranks.sum(axis=0)).reshape(1, -1)
        n_all = np.full((1, ranks.shape[1]), float(n)) if is_present is None else is_present.sum(axis=0)[None]
    else:
        all_ranks = _dense((ranks.T @ known).T)
        n_all = known.sum(axis=0)[:, None] if is_present is None else known.T @ is_present
    n_yes = np.asarray(positives.sum(axis=0)).reshape(-1, 1) if is_present is None else positives.T @ is_present
    n_no = n_all - n_yes
    n_yes, n_no = np.broadcast_to(n_yes, yes_ranks.shape), np.broadcast_to(n_no, yes_ranks.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = (yes_ranks / n_yes) - (all_ranks - yes_ranks) / n_no
        area = 0.5 + gap / (n_yes + n_no)
    return np.nan_to_num(area, nan=0.5), np.minimum(n_yes, n_no)


def _exact_area(targets: Targets, label: int, features: np.ndarray | sp.csr_matrix, column: int) -> float:
    """The area of one column and label over rows where both are known, in the direction that is larger."""
    block = features[:, [column]]
    values = _dense(block)[:, 0]
    rows = targets.known_mask()[:, label] & ~np.isnan(values)
    is_yes = targets.values[rows, label]
    n_yes, n_no = int(is_yes.sum()), int((~is_yes).sum())
    if min(n_yes, n_no) < MIN_ROWS:
        return 0.5
    area = (rankdata(values[rows])[is_yes].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * n_no)
    return float(max(area, 1 - area))


def _dense(matrix: np.ndarray | sp.csr_matrix) -> np.ndarray:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def _agreement(chosen: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(levels, l) counts -> (l,), the share of chosen rows of which another row of the same level is chosen too."""
    is_shared = rows > 1
    chosen = np.where(is_shared, chosen, 0.0)
    agreeing = (chosen * np.maximum(chosen - 1, 0) / np.maximum(rows - 1, 1)).sum(axis=0)
    total = chosen.sum(axis=0)
    return np.where(total >= MIN_ROWS, agreeing / np.maximum(total, 1), 0.0)


def _number_finding(label: str, column: str, area: float, severity: Severity) -> Finding:
    verb = "separates" if area == 1 else "almost separates"
    amount = "1" if area == 1 else f"{np.floor(area * 1000) / 1000:.3f}"
    sentence = f"Column {quote(column)} alone {verb} the rows with label {quote(label)} from the others (AUC {amount})."
    brief = f"{quote(column)} for {quote(label)} (AUC {amount})"
    return make_finding("leak", severity, sentence, brief, labels=(label,), columns=(column,), values={"auc": area})


def _category_finding(label: str, column: str, agreement: float) -> Finding:
    verb = "tells" if agreement == 1 else "nearly always tells"
    sentence = f"The category in column {quote(column)} {verb} whether a row has label {quote(label)}."
    brief = f"{quote(column)} for {quote(label)} (by category)"
    values = {"agreement": agreement}
    return make_finding("leak", "warning", sentence, brief, labels=(label,), columns=(column,), values=values)
