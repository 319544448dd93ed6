"""Feature columns of 0 and 1 that look like further labels: what is not known when predicting must not be a feature."""

from __future__ import annotations

from collections.abc import Sequence

from manyhot.evaluation.data_checks.findings import Finding, make_finding, quote


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
