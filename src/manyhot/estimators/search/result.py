"""What a search found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from manyhot import display
from manyhot.config.fields import json_value
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.search.space import label
from manyhot.estimators.search.trial import EnsembleScore, Trial, best_trials
from manyhot.evaluation.charts import Chart, save_chart
from manyhot.evaluation.metrics import METRICS
from manyhot.evaluation.report.measure import to_json_value
from manyhot.evaluation.report.text import pluralize, table, wrap
from manyhot.evaluation.search_chart import plot_search
from manyhot.models.trials import COMPLETE, DIVERGED, PRUNED

TRIALS_SHOWN = 5
STATE_WORDS = {COMPLETE: "trained whole", PRUNED: "given up early", DIVERGED: "diverged"}


@dataclass(frozen=True)
class Search:
    """The trials of a search, the best settings, and a classifier fitted with them.

    Args:
        metric: What the best trial was chosen by.
        trials: All trials in their order; the first has the classifier's own settings.
        classifier: Fitted with the best settings on all rows.
        best_settings: What the best trial changes of the classifier's settings; with them, a fit is the trial.
        ensemble_scores: Number of a trial -> `(value, gain, error)`: the metric that all its members together would
            have, measured with as many further members on other folds; by how much it is better than with the settings
            given; the standard error of that, over rows. For the best trials and the settings given; empty where no
            trial was better than these.
        space: Where the search looked, as plain values.
        importances: Setting -> how much it mattered, shares that sum to 1; empty for too few trials.
        nested_scores: The metric on the test rows of each outer fold; empty without `nested`.
        seconds: How long it took.
        n_resumed: Trials that stood in the journal already.
    """

    metric: str
    trials: tuple[Trial, ...]
    classifier: MultiLabelClassifier
    best_settings: Mapping[str, Any]
    ensemble_scores: Mapping[int, EnsembleScore]
    space: Mapping[str, Any]
    importances: Mapping[str, float]
    nested_scores: tuple[float, ...]
    seconds: float
    n_resumed: int = 0

    @property
    def best_trial(self) -> Trial:
        """The best of the trials that are clearly better than the settings given as ensembles, and else these."""
        return self._ranked()[0]

    @property
    def best_params(self) -> dict[str, Any]:
        """The values of the best trial, for the settings that were searched."""
        return dict(self.best_trial.params)

    @property
    def best_score(self) -> float:
        """The out-of-fold metric of the best trial: selected on these rows, so it flatters."""
        value = self.best_trial.value
        return math.nan if value is None else value

    @property
    def nested_score(self) -> float | None:
        """The mean metric over the outer folds, whose test rows no search saw; None without `nested`."""
        return float(np.mean(self.nested_scores)) if self.nested_scores else None

    def _ranked(self) -> list[Trial]:
        return best_trials(self.trials, self.metric, self.ensemble_scores)

    def statement(self) -> str:
        """What the best score is, and what it is not."""
        own = self.trials[0].value
        text = (
            f"Best out-of-fold {self.metric} {_figure(self.best_score)}, selected on these rows among "
            f"{pluralize(len(self.trials), 'trial')}, so it is too good; the settings given scored {_figure(own)}."
        )
        if self.ensemble_scores:
            (_, without), *others = self.ensemble_scores.items()
            figures = ", ".join(
                f"trial {number} {_figure(score.value)} (gain {score.gain:+.4f}, standard error {score.error:.4f})"
                for number, score in others
            )
            text += f" As ensembles, with further members on other folds: the settings given {_figure(without.value)}"
            text += f", {figures}" if figures else ""
            text += "." if self.best_trial.number else ": no clear gain, so the settings given stay."
        if self.nested_score is None:
            return f"{text} For an honest score: nested=5 (--nested 5), or rows that the search never sees."
        spread = f" ({min(self.nested_scores):.4f} to {max(self.nested_scores):.4f})"
        return (
            f"{text} On the test rows of {len(self.nested_scores)} outer folds, which their searches never saw: "
            f"{self.nested_score:.4f}{spread}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the classifier, as plain JSON values."""
        return to_json_value(
            {
                "metric": self.metric,
                "better": METRICS[self.metric].better,
                "best_trial": self.best_trial.number,
                "best_score": self.best_score,
                "ensemble_scores": {str(number): score._asdict() for number, score in self.ensemble_scores.items()},
                "selected_on_these_rows": True,
                "best_params": json_value(self.best_params),
                "best_settings": json_value(self.best_settings),
                "nested_score": self.nested_score,
                "nested_scores": list(self.nested_scores),
                "importances": dict(self.importances),
                "space": json_value(self.space),
                "trials": [trial.to_dict() for trial in self.trials],
                "seconds": self.seconds,
                "n_resumed": self.n_resumed,
            }
        )

    def plot(self, path: str | Path | None = None) -> Chart:
        """Plot the score of every trial, and which settings mattered.

        Args:
            path: File to write (.svg, .png or .html); None only returns the chart.

        Returns:
            A `Chart`, which a notebook shows as a picture; its Altair chart is `.altair`.

        Raises:
            InputError: Another suffix, or the extra `pictures` is not installed.
            OutputError: A folder that is not there.
        """
        return save_chart(plot_search(self.to_dict()), path)

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for trial in self.trials for name in trial.params))

    def _count_states(self) -> str:
        counts = {words: sum(trial.state == state for trial in self.trials) for state, words in STATE_WORDS.items()}
        return ", ".join(f"{count} {words}" for words, count in counts.items() if count)

    def _time(self) -> str:
        if not self.n_resumed:
            return f"in {self.seconds:.0f} s"
        n_new = len(self.trials) - self.n_resumed
        return f"of which {self.n_resumed} were in the journal; {n_new} more in {self.seconds:.0f} s"

    def to_text(self) -> str:
        """The best trials, and what mattered, as text for a terminal."""
        names = self._columns()
        shown = self._ranked()[:TRIALS_SHOWN]
        shown += [trial for trial in self.trials[:1] if trial not in shown]
        rows = [
            [
                f"{trial.number}{' (settings given)' if trial.number == 0 else ''}",
                _figure(trial.value),
                *(label(trial.params[name]) if name in trial.params else "-" for name in names),
            ]
            for trial in shown
        ]
        parts = [
            f"{pluralize(len(self.trials), 'trial')} ({self._count_states()}) {self._time()}",
            table(["trial", self.metric, *names], rows),
            wrap(self.statement()),
        ]
        if self.importances:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in self.importances.items())
            parts.append(wrap(f"What mattered: {shares}."))
        return "\n\n".join(parts)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        size = pluralize(len(self.trials), "trial")
        honest = "" if self.nested_score is None else f"; nested {self.nested_score:.3f}"
        params = ", ".join(f"{name}={label(value)}" for name, value in self.best_params.items())
        figure = f"best {self.metric} {_figure(self.best_score)}, selected on these rows{honest}"
        return display.short_repr("Search", f"{size}; {figure}; {params}")

    def _repr_html_(self) -> str:
        names, ranked = self._columns(), self._ranked()
        rows = [
            (trial.number, trial.value, *(label(trial.params[n]) if n in trial.params else None for n in names))
            for trial in ranked[: display.ROWS_SHOWN]
        ]
        return display.section(
            display.paragraph(pluralize(len(self.trials), "trial"), f"({self._count_states()}) {self._time()}"),
            display.paragraph("", self.statement()),
            display.table(("trial", self.metric, *names), rows, len(ranked), "trials"),
            "<div>As a picture: <code>.plot()</code>; the fitted classifier: <code>.classifier</code></div>",
        )


def _figure(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"
