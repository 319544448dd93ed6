"""What the classifiers over a `Model` share: everything after `fit`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from manyhot import models, persistence, reports
from manyhot.data.hierarchy import complete_targets
from manyhot.data.invalid_images import describe_invalid
from manyhot.data.samples import Samples
from manyhot.data.target_input import align_scored_targets, align_targets, check_row_counts
from manyhot.data.targets import Targets
from manyhot.decisions.guarantees import Guarantee
from manyhot.decisions.rules.rules import Rules
from manyhot.errors import ManyhotWarning
from manyhot.estimators.base import BaseMultiLabelEstimator
from manyhot.estimators.progress import stage_progress
from manyhot.evaluation.label_errors import LabelErrors, find_label_errors
from manyhot.evaluation.report import LabelSets

if TYPE_CHECKING:
    from manyhot.config.training import TrainingConfig
    from manyhot.models.model import Model
    from manyhot.reports.model_page import PagedReport


class BaseModelClassifier(ClassifierMixin, BaseMultiLabelEstimator):
    """Scores, label sets, thresholds, guarantees and the report of the model in `model_`."""

    model_: Model
    labels: Any
    verbose: int
    on_bad_image = "error"

    def predict_proba(self, X: Any, calibrated: bool = True) -> np.ndarray:
        """Probability of every label.

        Args:
            X: As for `fit`, without targets.
            calibrated: Whether probabilities are calibrated (see `calibration`) or as the network gives them.

        Returns:
            float32 or float64 (n, l) by `dtype`, in [0, 1]; columns in the order of `labels_`. Only after
            `fit` on one binary target (n,) it is (n, 2), no and yes, as in scikit-learn. NaN in rows whose
            image cannot be used, with `on_bad_image="skip"`. For labels of pixels it is (n, h, w, l), or a list of
            (h, w, l) where images have different sizes.
        """
        check_is_fitted(self)
        scores = self._scores(X, calibrated)
        return scores if self._binary_classes is None else np.concatenate([1 - scores, scores], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Decisions: int64 (n, l), 1 where a label is predicted; classes (n,) after one binary target (n,)."""
        check_is_fitted(self)
        decisions = self.model_.decisions(self._scores(X))
        return decisions if self._binary_classes is None else self._binary_classes[decisions[:, 0]]

    def predict_labels(self, X: Any) -> LabelSets:
        """Decisions as label sets, one per row, of whole numbers if `fit` got such; a notebook shows them as a table.

        Behind a pipeline: `pipeline[-1].predict_labels(pipeline[:-1].transform(X))`.
        """
        check_is_fitted(self)
        models.segmentation.refuse_pixels(self.model_, "only models of rows predict label sets")
        return LabelSets(self.model_.labels.decode(self.model_.decisions(self._scores(X))))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Exact match (subset accuracy): the fraction of rows whose known labels are all predicted right.

        Args:
            X: As for `fit`.
            y: As for `fit`; columns and label sets with names are matched by name. Unknown entries do not count, and
                rows without any known one are left out; a row with a label that the model does not know is wrong.
            sample_weight: (n,), 0 or more.

        Returns:
            0 to 1; NaN if no row has a known label.

        Raises:
            InputError: Targets that do not fit, or a model that labels pixels.
        """
        check_is_fitted(self)
        models.segmentation.refuse_pixels(self.model_, "only models of rows have a score")
        targets, has_unseen = align_scored_targets(X, y, self.model_.labels, self._binary_classes)
        decisions = self.model_.decisions(self._scores(X))
        check_row_counts(decisions, targets)
        targets, _ = complete_targets(targets, self.model_.policy.hierarchy)
        return models.prediction.exact_match(decisions, targets, has_unseen, sample_weight)

    @property
    def thresholds_(self) -> dict[str, float]:
        """Label name -> threshold on the probability that `predict_proba` gives; empty for `decision="top_k"`."""
        check_is_fitted(self)
        return self.model_.thresholds()

    @property
    def guarantee_(self) -> Guarantee | None:
        """The guarantee in force, or None."""
        check_is_fitted(self)
        return self.model_.policy.guarantee

    def set_thresholds(self, values: Mapping[str, float]) -> Self:
        """Change some labels' thresholds, in [0, 1]; nothing is trained again, and the report follows.

        Args:
            values: Label name -> threshold.

        Raises:
            InputError: An unknown label, a value outside [0, 1], or decisions that have no thresholds.
        """
        check_is_fitted(self)
        models.decision_updates.set_thresholds(self.model_, values)
        return self

    def tune_thresholds(self, metric: str, /, **params: Any) -> Self:
        """Choose thresholds for another metric, on the out-of-fold scores of training.

        Args:
            metric: What `decision` takes, such as "f1_micro" or "precision".
            params: What `decision_params` takes, such as `min_precision=0.9`. Where one names some labels only, such as
                `min_precision={"sad": 0.9}`, the others keep their thresholds.

        Returns:
            The classifier itself; `thresholds_` and `report_` are those of the new decision.

        Raises:
            InputError: An unknown name or parameter, or a model without out-of-fold scores.
        """
        check_is_fitted(self)
        models.decision_updates.tune_thresholds(self.model_, metric, params)
        return self

    def set_rules(
        self,
        implies: Any = (),
        exclusive: Any = (),
        min_labels: int = 0,
        max_labels: int | None = None,
    ) -> Self:
        """Set the rules between labels; without arguments, remove them. See `manyhot.decisions.rules.rules.Rules`.

        Args:
            implies: Pairs (label, implied label), such as `check_data(...).implications()` finds.
            exclusive: Groups of labels of which at most one is predicted.
            min_labels: Labels predicted per sample, at least, 0 or more.
            max_labels: Labels predicted per sample, at most; None for no limit.

        Raises:
            InputError: An unknown label, or rules that contradict each other.
        """
        check_is_fitted(self)
        models.decision_updates.set_rules(self.model_, Rules(implies, exclusive, min_labels, max_labels))
        return self

    def guarantee(
        self,
        X: Any,
        y: Any = None,
        *,
        miss_rate: float | None = None,
        false_discovery_rate: float | None = None,
        confidence: float = 0.9,
        per_label: bool = False,
        simultaneous: bool = False,
    ) -> Guarantee:
        """Choose thresholds with a guarantee for new rows, calibrated on held-out rows.

        It holds for rows from the same distribution as these, because both are scored by the same trained members;
        out-of-fold scores, which come from fewer members, would not do.
        `statement()` says it in a sentence, `details()` on what assumptions.

        Args:
            X: Rows that were kept out of `fit`, as for `predict`.
            y: Their targets, as for `fit`; unknown entries are left out.
            miss_rate: At most this fraction of the true labels is missed, on average (conformal risk control), 0 to 1.
            false_discovery_rate: At most this fraction of the predicted labels is wrong, on average over new rows, with
                probability `confidence` over the choice of these rows (learn then test), 0 to 1.
            confidence: See `false_discovery_rate`; 0 to 1.
            per_label: Whether each label gets a guarantee of its own.
            simultaneous: Whether `confidence` is that of all labels simultaneously, with `per_label`.

        Returns:
            The guarantee; it is also in `guarantee_`, and `predict` uses its thresholds from now on.

        Raises:
            InputError: Too few rows (with how many are needed), rows of training, not exactly one rate, or rules in
                force.
        """
        check_is_fitted(self)
        models.segmentation.refuse_pixels(
            self.model_, "guarantees are for rows drawn one by one, which pixels of an image are not"
        )
        features, targets = self._rows(X, y)
        models.decision_updates.check_not_training_rows(self.model_, features)
        rates, scores = (miss_rate, false_discovery_rate), self.model_.scores(features)
        return models.decision_updates.apply_guarantee(
            self.model_, scores, targets, *rates, confidence, per_label, simultaneous
        )

    def find_label_errors(self, limit: int | None = None, label: str | None = None) -> LabelErrors:
        """Training targets that look wrong, by their out-of-fold scores, the most suspicious first.

        Args:
            limit: How many at most; None for as many as are estimated to be wrong.
            label: Only this label; None for all.

        Raises:
            InputError: A model without out-of-fold scores.
        """
        check_is_fitted(self)
        models.segmentation.refuse_pixels(self.model_, "label errors are found in labels of rows")
        evidence = models.decision_updates.current_evidence(self.model_, "find label errors")
        with stage_progress(self.verbose) as progress:
            return find_label_errors(
                evidence.scores, evidence.targets, evidence.ids, self.model_.labels, limit, label, progress
            )

    def save(self, path: str | Path, evidence: bool = True) -> None:
        """Write one file that predicts anywhere; see `manyhot.load`.

        Args:
            path: Where to; a file there is replaced only when the new one is complete.
            evidence: Whether out-of-fold scores, targets and training curves are saved too.
        """
        check_is_fitted(self)
        classes = None if self._binary_classes is None else self._binary_classes.tolist()
        metadata = {
            "classes": classes,
            "read_options": self.read_options_,
            "has_fixed_labels": self.labels is not None,
        }
        persistence.model_file.save(self.model_, path, metadata, with_evidence=evidence)

    @property
    def report_(self) -> PagedReport:
        """How good the model is, from scores of rows that the scoring members never saw."""
        check_is_fitted(self)
        return reports.model_page.PagedReport(self.model_.report, self.model_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        tags.non_deterministic = False
        return tags

    def _set_model(
        self,
        model: Model,
        classes: np.ndarray | None,
        read_options: Mapping[str, Any] | None = None,
        config: TrainingConfig | None = None,
    ) -> Self:
        """Take a trained model; `config` are the settings of the fit that has just made it."""
        if config is not None and model.origin is not None:
            model.origin = replace(model.origin, automatic=config.automatic)
        self.model_ = model
        self.labels_ = model.labels.names
        self.read_options_: dict[str, Any] = dict(read_options or {})
        self._binary_classes = classes
        self.classes_ = np.tile([0, 1], (len(self.labels_), 1)) if classes is None else classes
        return self

    def _rows(self, X: Any, y: Any) -> tuple[Any, Targets]:
        """Features and targets of rows after training, in the order of the model's labels."""
        targets = align_targets(X, y, self.model_.labels, self._binary_classes)
        features = self._features(X)
        check_row_counts(features, targets)
        return features, complete_targets(targets, self.model_.policy.hierarchy)[0]

    def _scores(self, X: Any, is_calibrated: bool = True) -> Any:
        samples = X if isinstance(X, Samples) else None
        scores, invalid = models.prediction.predict_scores(
            self.model_, self._features(X), is_calibrated, self.on_bad_image, samples
        )
        if invalid:
            warnings.warn(describe_invalid(invalid, "not predicted"), ManyhotWarning, stacklevel=3)
        return scores
