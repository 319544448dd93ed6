"""What is odd about a result, in words: the sentences a colleague would say after a look at the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manyhot.evaluation.metrics import counts
from manyhot.validation import join_names

GOOD_ROC_AUC = 0.7
MIN_SUPPORT = 10
MIN_PREDICTED_SHARE = 0.1  # yes answers at 0.5, as a share of the positives
MAX_ACCURACY_BASELINE = 0.9
NAMES_SHOWN = 10
# Below this share of the gap to 1, and this many times its baseline, a macro F1 is hardly better than that baseline
BARELY, BARELY_TIMES = 0.1, 1.5
NOT_BETTER = "not_better_than_constant"


def check_report(report: Mapping[str, Any], n_predicted: Sequence[int]) -> list[dict[str, Any]]:
    """List what is odd in a report, the gravest first; `n_predicted`: predictions of each label at 0.5."""
    findings = [
        _not_better_than_constant(report),
        _threshold_wrong(report, n_predicted),
        _no_better_than_baseline(report),
        _labels_no_better_than_constant(report),
        _constant(report),
        _little_support(report),
        _flattering_accuracy(report),
    ]
    return [finding for finding in findings if finding is not None]


def _finding(code: str, text: str, labels: Sequence[str] = ()) -> dict[str, Any]:
    return {"code": code, "text": text, "labels": list(labels)}


def _not_better_than_constant(report: Mapping[str, Any]) -> dict[str, Any] | None:
    macro_f1 = report["metrics"]["decision"]["f1_macro"]
    value, baseline = macro_f1["value"], macro_f1["baseline"]
    if value is None or baseline is None or not gains_little(value, baseline):
        return None
    return _finding(
        NOT_BETTER,
        f"{'Hardly' if value > baseline else 'Not'} better than a constant prediction: macro F1 is {value:.3f}, and "
        f"predicting every label for every row gets {baseline:.3f}.",
    )


def gains_little(value: float, baseline: float) -> bool:
    """Whether a macro F1 is hardly better than that of a constant prediction, or worse.

    With many rare labels both are small, and a model that triples the F1 of a constant prediction says something.
    """
    return value - baseline < BARELY * (1 - baseline) and value < BARELY_TIMES * baseline


def _threshold_wrong(report: Mapping[str, Any], n_predicted: Sequence[int]) -> dict[str, Any] | None:
    labels = report["labels"]
    support = sum(row["support"] for row in labels)
    area = report["metrics"]["fixed"]["roc_auc_macro"]["value"]
    if area is not None and area > GOOD_ROC_AUC and sum(n_predicted) < MIN_PREDICTED_SHARE * support:
        return _finding(
            "threshold_wrong",
            f"Good ranking, wrong threshold: the mean ROC-AUC is {area:.3f}, but at 0.5 only {sum(n_predicted)} labels "
            f"are predicted of the {support} in the data. Use thresholds tuned per label.",
        )
    rarely_predicted = [
        row["label"]
        for row, n in zip(labels, n_predicted, strict=True)
        if row["support"] >= MIN_SUPPORT
        and (row["roc_auc"] or 0.0) > GOOD_ROC_AUC
        and n < MIN_PREDICTED_SHARE * row["support"]
    ]
    if rarely_predicted:
        return _finding(
            "threshold_wrong",
            f"Good ranking, wrong threshold for {len(rarely_predicted)} of {len(labels)} labels: at 0.5 they are "
            f"hardly ever predicted although their ROC-AUC is above {GOOD_ROC_AUC}: "
            f"{join_names(rarely_predicted, NAMES_SHOWN)}.",
            rarely_predicted,
        )
    return None


def _no_better_than_baseline(report: Mapping[str, Any]) -> dict[str, Any] | None:
    lrap = report["metrics"]["decision"]["lrap"]
    area = report["metrics"]["decision"]["roc_auc_macro"]
    if lrap["value"] is None or area["value"] is None:
        return None
    if lrap["value"] > lrap["baseline"] or area["value"] > GOOD_ROC_AUC:
        return None
    return _finding(
        "no_better_than_baseline",
        f"The ranking is no better than one by label frequency alone (LRAP {lrap['value']:.3f} against "
        f"{lrap['baseline']:.3f}). Check the features, the learning rate and the number of epochs.",
    )


def _labels_no_better_than_constant(report: Mapping[str, Any]) -> dict[str, Any] | None:
    constant = set(report["data"]["constant_labels"])
    names = [
        row["label"]
        for row in report["labels"]
        if row["support"] >= MIN_SUPPORT
        and row["label"] not in constant
        and row["f1"] is not None
        and row["f1"] <= constant_f1(row["support"], row["n_known"])
    ]
    if not names:
        return None
    return _finding(
        "label_no_better_than_constant",
        f"{len(names)} of {report['data']['labels']} labels {'has' if len(names) == 1 else 'have'} an F1 no better "
        f"than predicting the label for every row: {join_names(names, NAMES_SHOWN)}.",
        names,
    )


def constant_f1(support: int, n_known: int) -> float:
    """F1 of predicting a label for every row, the best that a constant prediction can do; 0 without positives."""
    return float(counts.f1(support, n_known, support, default=0.0))


def _constant(report: Mapping[str, Any]) -> dict[str, Any] | None:
    names = report["data"]["constant_labels"]
    if not names:
        return None
    return _finding(
        "constant_labels",
        f"{len(names)} of {report['data']['labels']} labels {'has' if len(names) == 1 else 'have'} the same value in "
        f"every known row, so nothing can be learned or measured: {join_names(names, NAMES_SHOWN)}.",
        names,
    )


def _little_support(report: Mapping[str, Any]) -> dict[str, Any] | None:
    constant = set(report["data"]["constant_labels"])
    names = [row["label"] for row in report["labels"] if row["support"] < MIN_SUPPORT and row["label"] not in constant]
    if not names:
        return None
    return _finding(
        "little_support",
        f"{len(names)} of {report['data']['labels']} labels {'has' if len(names) == 1 else 'have'} fewer than "
        f"{MIN_SUPPORT} positives, so scores and thresholds are unreliable: {join_names(names, NAMES_SHOWN)}.",
        names,
    )


def _flattering_accuracy(report: Mapping[str, Any]) -> dict[str, Any] | None:
    accuracy = report["metrics"]["decision"]["element_accuracy"]
    density = report["data"]["density"]
    if accuracy["value"] is None or density is None or accuracy["baseline"] < MAX_ACCURACY_BASELINE:
        return None
    return _finding(
        "accuracy_flatters",
        f"Element-wise accuracy ({accuracy['value']:.3f}) flatters at a density of {density:.3f}: a constant "
        f"prediction gets {accuracy['baseline']:.3f}. Look at F1 instead.",
    )
