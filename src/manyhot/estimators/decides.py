"""What a fitted classifier can be told about its answers: all of `MultiLabelClassifier` that trains no weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from manyhot.data.feature_input import targets_in_order
from manyhot.data.samples import Samples
from manyhot.decisions.guarantees import Guarantee
from manyhot.decisions.rules.rules import Rules
from manyhot.decisions.thresholds import Thresholds
from manyhot.encoders import TableEncoder
from manyhot.encoders.images.encoder import Bad, bad_words, refuse_bad
from manyhot.errors import InputError
from manyhot.evaluation.label_errors import Suspicions, suspicious_labels
from manyhot.explanation import explain as explaining
from manyhot.explanation.explain import Explanation
from manyhot.models import decision_updates
from manyhot.models.segmentation.model import PixelModel, check_no_skips
from manyhot.models.training import Model

IMAGE_ROWS = 1024
"""Rows whose images are decoded at a time when they are answered."""


class Decides:
    """Thresholds, rules, promises and suspicions of a fitted classifier."""

    model_: Model
    refuse_pixels: Callable[[str], None]
    on_bad_image: str

    @property
    def thresholds_(self) -> dict[str, float]:
        """Label name -> threshold on the probability that `predict_proba` gives; empty for `decide="top_k"`."""
        check_is_fitted(self)
        thresholds = self.model_.decider.thresholds
        return {} if thresholds is None else Thresholds(thresholds).to_dict(self.model_.labels)

    @property
    def guarantee_(self) -> Guarantee | None:
        """The promise that is in force, if any."""
        check_is_fitted(self)
        return self.model_.decider.guarantee

    def set_threshold(self, label: str, value: float) -> Any:
        """Change one label's threshold, in [0, 1]; nothing is trained again."""
        return self.set_thresholds({label: value})

    def set_thresholds(self, values: Mapping[str, float]) -> Any:
        """Change some labels' thresholds, in [0, 1]; nothing is trained again, and the report follows.

        Args:
            values: Label name -> threshold.

        Raises:
            InputError: An unknown label, a value outside [0, 1], or decisions that have no thresholds.
        """
        check_is_fitted(self)
        decision_updates.set_thresholds(self.model_, values)
        return self

    def decide_for(self, measure: str, /, **settings: Any) -> Any:
        """Choose thresholds for another measure, on the out-of-fold scores of training.

        Args:
            measure: What `decide` takes, such as "f1_micro" or "precision".
            settings: The decision's settings, such as `at_least=0.9`.

        Returns:
            Itself; `thresholds_` and `report_` are those of the new decision.

        Raises:
            InputError: An unknown name or setting, or a model without out-of-fold scores.
        """
        check_is_fitted(self)
        decision_updates.decide_for(self.model_, measure, settings)
        return self

    def set_rules(
        self,
        implies: Any = (),
        exclusive: Any = (),
        least_labels: int = 0,
        most_labels: int | None = None,
    ) -> Any:
        """Say what holds between labels; without arguments, nothing does. See `manyhot.decisions.rules.rules.Rules`.

        Args:
            implies: Pairs (label, label that it implies), such as `examine(...).implications()` finds.
            exclusive: Groups of labels of which at most one is answered.
            least_labels: Labels answered per sample, at least.
            most_labels: Labels answered per sample, at most.

        Raises:
            InputError: An unknown label, or rules that contradict each other.
        """
        check_is_fitted(self)
        decision_updates.set_rules(self.model_, Rules(implies, exclusive, least_labels, most_labels))
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
        """Choose thresholds that keep a promise on new rows, with rows that training never saw.

        The promise holds for rows that are drawn as these were, because the scores of both come from the same trained
        members; out-of-fold scores, which come from fewer members, would not do. Its words are in `statement`.

        Args:
            X: Rows that were kept out of `fit`, as for `predict`.
            y: Their targets, as for `fit`; unknown entries are left out.
            miss_rate: At most this share of the labels that hold is missed, on average (conformal risk control).
            false_discovery_rate: At most this share of the labels answered is wrong, on average over new rows, with
                probability `confidence` over the choice of these rows (learn then test).
            confidence: See `false_discovery_rate`; 0 to 1.
            per_label: Whether the promise is made for each label by itself.
            simultaneous: Whether `confidence` is that of all labels together, with `per_label`.

        Returns:
            The promise; it is also in `guarantee_`, and `predict` answers by its thresholds from now on.

        Raises:
            InputError: Too few rows for the promise (with how many it needs), rows of training, not exactly one rate,
                or rules in force.
        """
        check_is_fitted(self)
        self.refuse_pixels("promises are made for rows that are drawn one by one, which pixels of an image are not")
        targets = targets_in_order(X, y, self.model_.labels, getattr(self, "_binary_classes", None))
        features, _ = self._features(X, None, reset=False)
        if features.shape[0] != targets.n_samples:
            raise InputError(f"X has {features.shape[0]} rows but y has {targets.n_samples}", argument="y")
        decision_updates.check_unseen(self.model_, features)
        scores = self.model_.scores(features)
        rates = (miss_rate, false_discovery_rate)
        return decision_updates.promise(self.model_, scores, targets, *rates, confidence, per_label, simultaneous)

    def explain(
        self, X: Any, labels: Sequence[str] | None = None, top: int = explaining.TOP
    ) -> list[dict[str, Explanation]]:
        """What in each row speaks for and against its labels.

        Explained is the mean over the members of the raw logit. Without hidden layers (`hidden=()`) the contributions
        of everything in a row and a constant sum to it; otherwise a contribution is gradient times input, which ranks
        what mattered and sums to nothing in particular. Words of a text get what their pairs and runs of characters
        contribute. A model that looks at images is explained by its images: what each pixel adds to the logit of this
        row with images of one colour, in `maps`, summed over nine parts for `for_` and `against`. It tells what the
        network went by, not what causes a label.

        Args:
            X: As for `predict`.
            labels: The labels to explain in every row; None for those that the row is answered with, or the one with
                the highest score where there is none.
            top: Most reasons for and most against, each, 1 or more.

        Returns:
            For each row: label -> `Explanation`, which has `for_`, `against`, `to_dict()` and a text form.

        Raises:
            InputError: An unknown label, `top` below 1, or a model of arrays, whose numbers have no names.
        """
        check_is_fitted(self)
        self.refuse_pixels("only models of rows are explained")
        features, _ = self._features(X, None, reset=False)
        return list(explaining.explained(self.model_, features, self.model_.scores(features), labels, top))

    def suspicious_labels(self, limit: int | None = None, label: str | None = None) -> Suspicions:
        """Training targets that look wrong, by the out-of-fold scores, the most suspicious first.

        Args:
            limit: How many at most; None for as many as are estimated to be wrong.
            label: Only this label; None for all.

        Raises:
            InputError: A model without out-of-fold scores.
        """
        check_is_fitted(self)
        self.refuse_pixels("only labels of rows are audited")
        evidence = decision_updates.fresh_evidence(self.model_, "find suspicious labels")
        return suspicious_labels(evidence.scores, evidence.targets, evidence.ids, self.model_.labels, limit, label)

    def _features(self, X: Any, y: Any, reset: bool) -> Any:
        raise NotImplementedError

    def _scores(self, X: Any, is_calibrated: bool = True) -> np.ndarray:
        features, _ = self._features(X, None, reset=False)
        scores, bad = self.scored(features, is_calibrated, X if isinstance(X, Samples) else None)
        if bad:
            warnings.warn(bad_words(bad, "not answered"), UserWarning, stacklevel=3)
        return scores

    def _answers(self, X: Any) -> np.ndarray:
        """Decisions, int64 (n, l), none in rows whose scores are NaN; of pixels (n, h, w, l), or a list."""
        scores = self._scores(X)
        if isinstance(self.model_, PixelModel):
            return self.model_.answers(scores)
        is_bad = np.isnan(scores).any(axis=1)
        answers = self.model_.decider.answers(np.where(is_bad[:, None], 0, scores)) & ~is_bad[:, None]
        return np.asarray(answers, dtype=np.int64)

    def scored(self, features: Any, is_calibrated: bool, samples: Samples | None = None) -> tuple[np.ndarray, Bad]:
        """Scores (n, l) of what `_features` made, NaN in rows whose images cannot be used, and what those are.

        Images are decoded a piece of the rows at a time, so that memory is bounded.

        Args:
            features: n rows.
            is_calibrated: Whether the scores are calibrated.
            samples: Where the rows came from, for messages.

        Raises:
            InputError: An image that cannot be used, unless such rows are skipped.
        """
        scores_of = self.model_.scores if is_calibrated else self.model_.raw_scores
        encoder = self.model_.encoder
        if isinstance(self.model_, PixelModel):
            check_no_skips(self.on_bad_image)
        if isinstance(self.model_, PixelModel) or not (
            isinstance(encoder, TableEncoder) and encoder.image_columns and len(features)
        ):
            return scores_of(features), {}
        parts, bad = [], Bad()
        for start in range(0, len(features), IMAGE_ROWS):
            frame, faults = encoder.opened(features[start : start + IMAGE_ROWS])
            bad |= {start + row: fault for row, fault in faults.items()}
            try:
                if self.on_bad_image == "error":
                    refuse_bad(bad)
            except InputError as error:
                raise (error if samples is None else samples.placed(error)) from None
            parts.append(scores_of(frame))
            parts[-1][list(faults)] = np.nan
        return np.concatenate(parts), bad
