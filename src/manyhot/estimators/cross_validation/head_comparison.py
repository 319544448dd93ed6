"""`compare_heads`: one network with three output functions on the same folds, to show the effect of softmax."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from manyhot import display
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.fold_training import as_classifier, cross_validate
from manyhot.estimators.cross_validation.result import CrossValidation
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.charts import Chart, plot_heads, save_chart
from manyhot.evaluation.report.measure import to_json_value
from manyhot.evaluation.report.text import table
from manyhot.models.checks import is_exclusive
from manyhot.models.network_spec import describe_custom

# name in the table -> output function and loss
HEADS = {
    "softmax, categorical cross-entropy": ("softmax", "categorical_crossentropy"),
    "softmax, binary cross-entropy": ("softmax", "binary_crossentropy"),
    "sigmoid, binary cross-entropy": ("sigmoid", "binary_crossentropy"),
}
# row of the table -> metric, and whether at tuned thresholds or at 0.5
METRIC_ROWS = {
    "binary_accuracy": ("element_accuracy", "fixed"),
    "subset_accuracy": ("subset_accuracy", "fixed"),
    "f1_micro_fixed": ("f1_micro", "fixed"),
    "f1_macro_fixed": ("f1_macro", "fixed"),
    "f1_micro_tuned": ("f1_micro", "decision"),
    "f1_macro_tuned": ("f1_macro", "decision"),
}
N_MEMBERS = 4  # default number of members per fold; thresholds are tuned on their out-of-fold scores
EPSILON = 1e-7


@dataclass(frozen=True)
class Heads:
    """Results of one network with three output functions."""

    results: Mapping[str, CrossValidation]  # name of the head -> its cross-validation
    values: Mapping[str, Any]  # the values that `to_dict` returns

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: accuracies, F1 and loss per head, their baselines, count errors and one example row."""
        return dict(self.values)

    def plot(self, path: str | Path | None = None) -> Chart:
        """Plot the probabilities of one row under each head.

        Args:
            path: File to write (.svg, .png or .html); None only returns the chart.

        Returns:
            A `Chart`, which a notebook shows as a picture; its Altair chart is `.altair`.

        Raises:
            InputError: Another suffix, or the extra `pictures` is not installed.
            OutputError: A folder that is not there.
        """
        return save_chart(plot_heads(self.values), path)

    def __repr__(self) -> str:
        figures = [f"{name} {head['f1_macro_tuned']:.3f}" for name, head in self.values["heads"].items()]
        return display.short_repr("Heads", f"macro F1 at tuned thresholds: {'; '.join(figures)}")

    def _repr_html_(self) -> str:
        heads, baselines = self.values["heads"], self.values["baselines"]
        rows = [
            (metric.replace("_", " "), *(head[metric] for head in heads.values()), baseline)
            for metric, baseline in baselines.items()
        ]
        return display.section(
            display.paragraph("One network under three output functions,", f"{self.values['rows']} rows"),
            display.table(("metric", *heads, "baseline"), rows),
            display.paragraph("", self.values["advice"]),
            "<div>One row's probabilities as a picture: <code>.plot()</code></div>",
        )

    def __str__(self) -> str:
        values = self.values
        names = list(values["heads"])
        rows = []
        for metric, baseline in values["baselines"].items():
            cells = [f"{values['heads'][name][metric]:.3f}" for name in names]
            rows.append([metric.replace("_", " "), *cells, "" if baseline is None else f"{baseline:.3f}"])
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
        sample_header = [f"row {values['sample']['row']}", *header[1:-1], "true"]
        parts = [
            table(header, rows),
            "Mean error in the number of labels (predicted minus true, threshold 0.5), by true number:\n"
            + table(header, sizes),
            "Predicted probabilities of one row:\n" + table(sample_header, [*sample, ["sum", *sums, ""]]),
            textwrap.fill(values["advice"], 100),
        ]
        return "\n\n".join(parts)


def compare_heads(
    estimator: Any, X: Any, y: Any = None, *, n_splits: int = 5, n_repeats: int = 1, groups: Any = None, **config: Any
) -> Heads:
    """Train the same network three times on the same folds, with three output functions.

    Args:
        estimator: `MultiLabelClassifier`, a Keras model (its last activation is removed) or a function that builds
            one; None for the built-in network.
        X: As for `MultiLabelClassifier.fit`.
        y: As for `MultiLabelClassifier.fit`; None when X is `Samples` with targets.
        n_splits: Folds per repeat, 2 or more.
        n_repeats: Number of repeats, 1 or more.
        groups: As for `cross_validate`.
        config: Fields of `TrainingConfig` and `RuntimeConfig` by name, except `head`, `loss` and `allow_softmax`.

    Returns:
        The results of the three heads.

    Raises:
        InputError: An invalid argument, named in the message.
    """
    reserved = {"head", "loss", "allow_softmax"} & set(config)
    if reserved:
        raise InputError("is set by the comparison itself; omit it", argument=min(reserved))
    if isinstance(estimator, MultiLabelClassifier):
        classifier = as_classifier(estimator, config)
    else:
        base_estimator = MultiLabelClassifier() if estimator is None else estimator
        classifier = as_classifier(
            base_estimator, {"n_members": N_MEMBERS, "decision": TrainingConfig.decision, "prior_bias": False, **config}
        )
    inputs = classifier._inputs(X, y, *classifier._configs())
    classifier.set_params(random_state=inputs.config.random_state)  # one seed, so that all heads have the same folds
    if inputs.config.network == CUSTOM:
        shapes = inputs.encoder().fit(inputs.features).shapes()
        custom_network = describe_custom(classifier.network, shapes, len(inputs.labels))
        classifier.set_params(network=replace(custom_network, output="linear", loss=None))
    cv_options: dict[str, Any] = {"n_splits": n_splits, "n_repeats": n_repeats, "groups": groups}
    results = {
        name: cross_validate(classifier, X, y, **cv_options, head=head, loss=loss, allow_softmax=head == "softmax")
        for name, (head, loss) in HEADS.items()
    }
    return Heads(results, _values(results))


def _values(results: Mapping[str, CrossValidation]) -> dict[str, Any]:
    first = next(iter(results.values()))
    targets = first.targets
    example_row = _example_row(list(results.values())[-1])
    has_exclusive_labels = is_exclusive(targets)
    advice = (
        "Every row has exactly one label, so the labels are mutually exclusive: softmax with categorical cross-entropy "
        "is appropriate."
        if has_exclusive_labels
        else "Rows have several labels or none. Under softmax the probabilities of a row sum to one, so raising one "
        "label lowers all others; use one sigmoid per label with binary cross-entropy, which predicts labels "
        "independently."
    )
    counts = np.bincount(targets.values.sum(axis=1))
    return to_json_value(
        {
            "rows": targets.n_samples,
            "n_fits": first.n_fits,
            "labels": list(first.labels),
            "is_exclusive": has_exclusive_labels,
            "set_sizes": {str(size): int(count) for size, count in enumerate(counts) if count},
            "baselines": _baselines(first),
            "heads": {
                name: {
                    **_head_metrics(result, HEADS[name][1]),
                    "count_error": _count_errors(result),
                    "sample": result.oof_scores[0, example_row].astype(float),
                }
                for name, result in results.items()
            },
            "sample": {"row": example_row + 1, "true": targets.values[example_row]},
            "advice": advice,
        }
    )


def _example_row(result: CrossValidation) -> int:
    """A row with the most labels; among those, the one with the median loss."""
    sizes = np.where(result.is_tested[0], result.targets.values.sum(axis=1), -1)
    rows = np.flatnonzero(sizes == sizes.max())
    p = np.clip(result.oof_scores[0][rows].astype(np.float64), EPSILON, 1 - EPSILON)
    losses = -np.where(result.targets.values[rows], np.log(p), np.log1p(-p)).mean(axis=1)
    return int(rows[np.argsort(losses, kind="stable")[len(rows) // 2]])


def _head_metrics(result: CrossValidation, loss: str) -> dict[str, float]:
    """The metrics that are called accuracy, and better alternatives."""
    scores = result.oof_scores[0][result.is_tested[0]].astype(np.float64)
    rows = result.targets.take(result.is_tested[0])
    return {
        "loss": _loss(rows, scores, loss),
        "binary_crossentropy": _loss(rows, scores, "binary_crossentropy"),
        "categorical_accuracy": float((scores.argmax(axis=1) == rows.values.argmax(axis=1)).mean()),
        **{row: result.mean(*metric) for row, metric in METRIC_ROWS.items()},
    }


def _loss(rows: Targets, scores: np.ndarray, loss: str) -> float:
    """Held-out loss over known entries; categorical cross-entropy as in Keras, the mean over rows."""
    p = np.clip(scores, EPSILON, 1 - EPSILON)
    if loss == "categorical_crossentropy":
        return float(-(rows.values * np.log(p)).sum(axis=1).mean())
    elements = -np.where(rows.values, np.log(p), np.log1p(-p))
    return float(elements[rows.known_mask()].mean())


def _baselines(result: CrossValidation) -> dict[str, float | None]:
    """Scores of a prediction that ignores the features; None where there is none."""
    values, prevalence = result.targets.values, np.nan_to_num(result.targets.prevalence())
    return {
        "loss": None,
        "binary_crossentropy": _loss(result.targets, np.broadcast_to(prevalence, values.shape), "binary_crossentropy"),
        "categorical_accuracy": float((values.argmax(axis=1) == prevalence.argmax()).mean()),
        **{row: float(np.nanmean(result.baselines[at][name])) for row, (name, at) in METRIC_ROWS.items()},
    }


def _count_errors(result: CrossValidation) -> dict[str, float]:
    """Mean of predicted minus true number of labels at a threshold of 0.5, by true number."""
    tested = result.is_tested[0]
    n_true = result.targets.values[tested].sum(axis=1)
    n_predicted = (result.oof_scores[0][tested] >= 0.5).sum(axis=1)
    return {str(size): float((n_predicted - n_true)[n_true == size].mean()) for size in np.unique(n_true)}
