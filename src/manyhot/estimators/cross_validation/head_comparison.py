"""`compare_heads`: one network under three output functions on the same folds, to see what softmax does.

Softmax with categorical cross-entropy, softmax with binary cross-entropy, and one sigmoid per label with binary
cross-entropy. Start reading at `compare_heads`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.fold_training import as_classifier, cross_validate
from manyhot.estimators.cross_validation.result import CrossValidation
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.charts import heads, save
from manyhot.evaluation.report.measure import plain
from manyhot.evaluation.report.text import table
from manyhot.models.checks import is_exclusive
from manyhot.models.network_spec import describe_custom

HEADS = {
    "softmax, categorical cross-entropy": ("softmax", "categorical_crossentropy"),
    "softmax, binary cross-entropy": ("softmax", "binary_crossentropy"),
    "sigmoid, binary cross-entropy": ("sigmoid", "binary_crossentropy"),
}
"""What stands in the table -> output function and loss."""
MEMBERS = 4
"""Networks in each fold, unless the plan says otherwise; thresholds are tuned on their out-of-fold scores."""
TINY = 1e-7


@dataclass(frozen=True)
class Heads:
    """One network under three output functions.

    Args:
        results: Name of the head -> its cross-validation; all on the same folds.
        values: What `to_dict` gives.
    """

    results: Mapping[str, CrossValidation]
    values: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: per head the accuracies with their baselines, F1, loss, errors by set size, one sample."""
        return dict(self.values)

    def plot(self, path: str | Path | None = None) -> Any:
        """The probabilities of one sample under each head.

        Args:
            path: Where to: .svg, .png or .html; None only makes the chart.

        Returns:
            An altair chart.
        """
        chart = heads(self.values)
        return save(chart, path) if path is not None else chart

    def __str__(self) -> str:
        values = self.values
        names = list(values["heads"])
        rows = []
        for measure, baseline in values["baselines"].items():
            cells = [f"{values['heads'][name][measure]:.3f}" for name in names]
            rows.append([measure.replace("_", " "), *cells, "" if baseline is None else f"{baseline:.3f}"])
        sizes = [
            [f"{size} label{'s' * (int(size) != 1)} ({count} rows)"]
            + [f"{values['heads'][name]['count_error'][size]:+.2f}" for name in names]
            + [""]
            for size, count in values["set_sizes"].items()
        ]
        header = ["", *(name.replace(", ", "+").replace(" cross-entropy", "") for name in names), "baseline"]
        sample = [
            [label, *(f"{values['heads'][name]['sample'][j]:.3f}" for name in names), "yes" if is_true else ""]
            for j, (label, is_true) in enumerate(zip(values["labels"], values["sample"]["true"], strict=True))
        ]
        sums = [f"{sum(values['heads'][name]['sample']):.3f}" for name in names]
        header_of_sample = [f"row {values['sample']['row']}", *header[1:-1], "true"]
        parts = [
            table(header, rows),
            "Labels answered minus labels carried, at 0.5, by the number carried:\n" + table(header, sizes),
            "One sample's probabilities:\n" + table(header_of_sample, [*sample, ["sum", *sums, ""]]),
            textwrap.fill(values["advice"], 100),
        ]
        return "\n\n".join(parts)


def compare_heads(
    estimator: Any, X: Any, y: Any = None, *, folds: int = 5, repeats: int = 1, groups: Any = None, **plan: Any
) -> Heads:
    """Train the same network three times on the same folds, under three output functions.

    Args:
        estimator: `MultiLabelClassifier`, a Keras model (its last activation is taken off) or a function that makes
            one; None for the built-in network.
        X: As for `MultiLabelClassifier.fit`.
        y: As there; None when X is `Samples` with targets.
        folds: Parts of each repeat, 2 or more.
        repeats: 1 or more.
        groups: As for `cross_validate`.
        plan: Fields of `TrainingConfig` and `RuntimeConfig` by name, without `head`, `loss` and `allow_softmax`.

    Returns:
        The three results side by side.

    Raises:
        InputError: What cannot be used, by argument.
    """
    settled = {"head", "loss", "allow_softmax"} & set(plan)
    if settled:
        raise InputError("is what the comparison tries out itself; leave it away", argument=min(settled))
    if isinstance(estimator, MultiLabelClassifier):
        classifier = as_classifier(estimator, plan)
    else:
        ours = MultiLabelClassifier() if estimator is None else estimator
        classifier = as_classifier(
            ours, {"members": MEMBERS, "decide": TrainingConfig.decide, "prior_bias": False, **plan}
        )
    taken = classifier._inputs(X, y)
    if taken.plan.network == CUSTOM:
        shapes = taken.encoder().fit(taken.features).shapes()
        own = describe_custom(classifier.network, shapes, len(taken.labels))
        classifier.set_params(network=replace(own, output="linear", loss=None))
    results = {}
    for name, (head, loss) in HEADS.items():
        chosen: dict[str, Any] = {"head": head, "loss": loss, "allow_softmax": head == "softmax"}
        results[name] = cross_validate(classifier, X, y, folds=folds, repeats=repeats, groups=groups, **chosen)
    return Heads(results, _values(results))


def _values(results: Mapping[str, CrossValidation]) -> dict[str, Any]:
    first = next(iter(results.values()))
    targets = first.targets
    sizes = targets.values.sum(axis=1)
    row = _shown_row(list(results.values())[-1])
    measured = {name: _measures(result, HEADS[name]) for name, result in results.items()}
    exclusive = is_exclusive(targets)
    advice = (
        "Exactly one label in every row: these labels exclude each other. Here softmax with categorical cross-entropy "
        "is right."
        if exclusive
        else "Samples carry several labels or none. Under softmax the probabilities of a sample sum to one, so raising "
        "one label lowers all others and none stands alone; one sigmoid per label with binary cross-entropy is right."
    )
    counts = np.bincount(sizes)
    return plain(
        {
            "rows": targets.n_samples,
            "folds": first.n_fits,
            "labels": list(first.labels),
            "is_exclusive": exclusive,
            "set_sizes": {str(size): int(count) for size, count in enumerate(counts) if count},
            "baselines": _baselines(first),
            "heads": {
                name: {
                    **measured[name],
                    "count_error": _count_errors(result),
                    "sample": result.oof_scores[0, row].astype(float),
                }
                for name, result in results.items()
            },
            "sample": {"row": row + 1, "true": targets.values[row]},
            "advice": advice,
        }
    )


def _shown_row(result: CrossValidation) -> int:
    """A sample of the most labels, and of those one that is answered neither best nor worst."""
    sizes = np.where(result.is_tested[0], result.targets.values.sum(axis=1), -1)
    rows = np.flatnonzero(sizes == sizes.max())
    p = np.clip(result.oof_scores[0][rows].astype(np.float64), TINY, 1 - TINY)
    losses = -np.where(result.targets.values[rows], np.log(p), np.log1p(-p)).mean(axis=1)
    return int(rows[np.argsort(losses, kind="stable")[len(rows) // 2]])


def _measures(result: CrossValidation, kind: tuple[str, str]) -> dict[str, float]:
    """Every number that people call accuracy, and what they should look at instead."""
    scores = result.oof_scores[0][result.is_tested[0]].astype(np.float64)
    rows = result.targets.take(result.is_tested[0])
    return {
        "own_loss": _loss(rows, scores, kind[1]),
        "binary_loss": _loss(rows, scores, "binary_crossentropy"),
        "categorical_accuracy": float((scores.argmax(axis=1) == rows.values.argmax(axis=1)).mean()),
        "binary_accuracy": result.mean("element_accuracy", "half"),
        "subset_accuracy": result.mean("subset_accuracy", "half"),
        "f1_micro_at_half": result.mean("f1_micro", "half"),
        "f1_macro_at_half": result.mean("f1_macro", "half"),
        "f1_micro_tuned": result.mean("f1_micro", "own"),
        "f1_macro_tuned": result.mean("f1_macro", "own"),
    }


def _loss(rows: Targets, scores: np.ndarray, loss: str) -> float:
    """Held-out loss over known entries; categorical cross-entropy as Keras has it, the mean over rows."""
    p = np.clip(scores, TINY, 1 - TINY)
    if loss == "categorical_crossentropy":
        return float(-(rows.values * np.log(p)).sum(axis=1).mean())
    elements = -np.where(rows.values, np.log(p), np.log1p(-p))
    return float(elements[rows.known_mask()].mean())


def _baselines(result: CrossValidation) -> dict[str, float | None]:
    """What an answer gets that never looks at the features; None where there is no such number."""
    values = result.targets.values
    commonest = int(np.nan_to_num(result.targets.prevalence()).argmax())
    prevalence = np.broadcast_to(np.nan_to_num(result.targets.prevalence()), values.shape)

    def mean(name: str, at: str) -> float:
        return float(np.nanmean(result.baselines[at][name]))

    return {
        "own_loss": None,
        "binary_loss": _loss(result.targets, prevalence, "binary_crossentropy"),
        "categorical_accuracy": float((values.argmax(axis=1) == commonest).mean()),
        "binary_accuracy": mean("element_accuracy", "half"),
        "subset_accuracy": mean("subset_accuracy", "half"),
        "f1_micro_at_half": mean("f1_micro", "half"),
        "f1_macro_at_half": mean("f1_macro", "half"),
        "f1_micro_tuned": mean("f1_micro", "own"),
        "f1_macro_tuned": mean("f1_macro", "own"),
    }


def _count_errors(result: CrossValidation) -> dict[str, float]:
    """Mean of labels answered minus labels carried, by the number carried, at 0.5."""
    tested = result.is_tested[0]
    carried = result.targets.values[tested].sum(axis=1)
    answered = (result.oof_scores[0][tested] >= 0.5).sum(axis=1)
    return {str(size): float((answered - carried)[carried == size].mean()) for size in np.unique(carried)}
