"""`DecisionLayer`: calibrated probabilities, thresholds, guarantees and a report for scores of any other program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils import Tags

from manyhot.config.runtime import RuntimeConfig
from manyhot.config.scores import PROBABILITIES, SCORE_KINDS, SCORE_SETTINGS
from manyhot.config.training import TrainingConfig
from manyhot.data.feature_input import is_frame, refuse_other_forms, to_frame
from manyhot.data.hierarchy import bind_taxonomy, complete_targets
from manyhot.data.samples import Samples
from manyhot.data.target_input import check_row_counts, parse_targets, resolve_targets
from manyhot.encoders.number_columns import frame_numbers
from manyhot.encoders.scores import ScoreEncoder, score_columns
from manyhot.errors import InputError
from manyhot.estimators.base import document_settings, draw_seed, keep_parameters, warn_of_table
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.models.score_model import ScoreModel, fit_scores
from manyhot.models.training_data import TrainingInputs
from manyhot.validation import integer, one_of


@document_settings(TrainingConfig, names=SCORE_SETTINGS)
class DecisionLayer(BaseModelClassifier):
    """Decisions on the scores of any other model: calibration, thresholds, guarantees, report, service.

    Rows are scores, columns the labels' scores, as gradient boosting, a fine-tuned transformer or an API gives them.
    They must be scores of rows that the scoring model was not trained on, such as
    `cross_val_predict(model, X, Y, method="predict_proba")` of scikit-learn gives: scores of training rows flatter, and
    everything that is fitted to them is wrong. They are recognised where they are perfect, and a warning says so.

    Args:
        labels: Names and order of the labels; None takes them from y. Default: None.
        scores: What the scores are: "probabilities", from 0 to 1 (they need not be calibrated), or "logits", to which
            a sigmoid is applied. Default: 'probabilities'.
        (settings)
        verbose: 1 shows progress where it takes long, 0 hides it. Default: 1.

    Attributes:
        labels_: tuple of l label names, in the order of all columns; whole numbers are given as text here.
        classes_: int (l, 2), 0 and 1 for each label; after `fit` on one binary target (n,) its two classes.
        n_features_in_: Number of columns of X, one for each label.
        feature_names_in_: Their names, when X was a frame.
        report_: How good the decisions are: thresholds and calibration are cross-fitted, so that no row is decided by
            what was fitted to it.
        thresholds_: Label name -> threshold; empty for `decision="top_k"`.
        guarantee_: The guarantee in force, or None.
        read_options_: How the file of scores was read, as plain JSON values; empty unless the command line read it.
        model_: The decisions; internal, may change between versions.

    Example:
        >>> import numpy as np
        >>> from manyhot import DecisionLayer
        >>> generator = np.random.default_rng(0)
        >>> Y = generator.random((200, 2)) < [0.2, 0.5]
        >>> scores = 1 / (1 + np.exp(1.0 - 2.0 * Y - generator.normal(size=(200, 2))))
        >>> layer = DecisionLayer(labels=["sad", "quiet"], decision="f1_macro").fit(scores, Y)
        >>> sorted(layer.thresholds_)
        ['quiet', 'sad']
    """

    @keep_parameters
    def __init__(
        self,
        *,
        labels: Sequence[str] | None = None,
        scores: str = PROBABILITIES,
        decision: str = TrainingConfig.decision,
        decision_params: Mapping[str, Any] | None = TrainingConfig.decision_params,
        top_k: int = TrainingConfig.top_k,
        min_f1: float = TrainingConfig.min_f1,
        calibration: str = TrainingConfig.calibration,
        implies: Sequence[tuple[str, str]] = TrainingConfig.implies,
        exclusive: Sequence[Sequence[str]] = TrainingConfig.exclusive,
        taxonomy: Sequence[tuple[str, str]] | str | Path | None = TrainingConfig.taxonomy,
        min_labels: int = TrainingConfig.min_labels,
        max_labels: int | None = TrainingConfig.max_labels,
        random_state: int | np.random.RandomState | None = TrainingConfig.random_state,
        verbose: int = RuntimeConfig.verbose,
    ) -> None: ...

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Calibrate the scores, choose thresholds and report, from rows that the scoring model was not trained on.

        Args:
            X: Scores (n, l): a matrix, dense or CSR, with a column for each label in their order (label sets without
                `labels` have their names sorted); a pandas or polars frame, whose columns are called like the labels,
                perhaps all with the same text before or behind (p_sad), or stand in their order; what `predict_proba`
                of scikit-learn's forests gives, a list of l arrays (n, 2); or a reader's `Samples`.
            y: Targets, as for `MultiLabelClassifier.fit`: a multi-hot array (n, l), CSR, a frame of indicators, or a
                list of label sets. NaN, None and `?` mean unknown. None when X is `Samples` with targets.
            sample_weight: (n,), 0 or more; weight k has the effect of k copies of the row. None: those of `Samples`, or
                all alike.

        Returns:
            The layer itself.

        Raises:
            InputError: Scores that are missing or not from 0 to 1, with row and column; a number of columns other than
                that of the labels.

        Warns:
            ManyhotWarning: Scores that look like those of training rows, or are decisions already.
        """
        samples = X if isinstance(X, Samples) else None
        if sample_weight is None and samples is not None:
            sample_weight = samples.sample_weight
        config, runtime = self._configs()
        y, names = resolve_targets(samples, y, self.labels)
        X = stack_scores(X)
        if samples is None and not is_frame(X):
            refuse_other_forms(X)
            X = self._matrix(X, reset=True)
        space, targets, classes = parse_targets(y, names)
        if classes is not None:  # scikit-learn's contract: the class of the higher probability
            config = config.changed(decision="fixed", decision_params=None)
        features, encoder, notes = self._training_scores(X, space.names)
        check_row_counts(features, targets)
        try:
            encoder.transform(features)
        except InputError as error:
            raise (error if samples is None else samples.locate_error(error)) from None
        targets, completion = complete_targets(targets, bind_taxonomy(config.taxonomy, space))
        notes = (*(targets.notes if samples is None else samples.notes), *notes)
        ids = None if samples is None else samples.ids
        inputs = TrainingInputs(
            features, space, targets, config, runtime, classes=classes, ids=ids, notes=notes, completion=completion
        )
        model, suspicions = fit_scores(inputs, encoder, sample_weight)
        warn_of_table(suspicions)
        return self._set_model(model, classes, config=config)

    @classmethod
    def _from_model(cls, model: ScoreModel, facts: Mapping[str, Any]) -> DecisionLayer:
        """The layer of a saved model."""
        labels = model.labels.to_list() if facts["has_fixed_labels"] else None
        settings = {name: getattr(model.config, name) for name in SCORE_SETTINGS}
        layer = cls(labels=labels, scores=model.encoder.scores, **settings)
        layer.n_features_in_ = len(model.encoder.names)
        classes = facts["classes"]
        return layer._set_model(model, None if classes is None else np.asarray(classes), facts["read_options"])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags

    def _configs(self) -> tuple[TrainingConfig, RuntimeConfig]:
        """The settings of one fit, validated, with its seed."""
        one_of(SCORE_KINDS, scores=self.scores)
        values = {name: getattr(self, name) for name in SCORE_SETTINGS}
        values["random_state"] = draw_seed(self.random_state)
        runtime = RuntimeConfig(verbose=integer(verbose=self.verbose, low=0))
        return TrainingConfig(**values, n_members=1), runtime

    def _training_scores(self, X: Any, labels: Sequence[str]) -> tuple[Any, ScoreEncoder, tuple[str, ...]]:
        """Scores (n, l) in the order of X, where each label's are, and what was guessed; sets `n_features_in_`."""
        frame = _as_frame(X)
        if frame is None:
            matrix = self._matrix(X.features if isinstance(X, Samples) else X, reset=True)
            names = list(X.feature_names) if isinstance(X, Samples) else list(labels)
            if matrix.shape[1] != len(labels):
                raise InputError(
                    f"X has {matrix.shape[1]} columns of scores, but there are {len(labels)} labels "
                    f"({', '.join(labels[:4])}{', ...' if len(labels) > 4 else ''}); give one column for each label, "
                    "and labels=[...] for labels that no row has",
                    argument="X",
                )
            return matrix, ScoreEncoder(names, range(len(labels)), self.scores), ()
        names, note = score_columns(frame.columns, labels)
        columns = [name for name in frame.columns if name in set(names)]
        encoder = ScoreEncoder(columns, [columns.index(name) for name in names], self.scores)
        matrix = encoder.from_frame(frame)
        self.n_features_in_, self.feature_names_in_ = len(columns), np.asarray(columns, dtype=object)
        return matrix, encoder, (note,) if note else ()

    def _features(self, X: Any) -> Any:
        """Scores as the encoder takes them, in the order of `fit`; other columns of a frame are left out."""
        X = stack_scores(X)
        if isinstance(X, Samples):
            return super()._features(X)
        refuse_other_forms(X)
        if not is_frame(X):
            return self._matrix(X, reset=False)
        frame, names = to_frame(X), self.model_.encoder.names
        if hasattr(self, "feature_names_in_") and not set(names) < set(frame.columns):
            self._check_columns(X)
        if set(names).isdisjoint(frame.columns):  # after `fit` on a matrix: columns count by their place
            return frame_numbers(frame, frame.columns)
        return self.model_.encoder.from_frame(frame)


def stack_scores(X: Any) -> Any:
    """A matrix (n, l) of what scikit-learn's forests give for l labels: a list of l arrays (n, 2), no and yes."""
    if not isinstance(X, (list, tuple)) or not all(getattr(part, "ndim", 0) == 2 for part in X) or not X:
        return X
    widths = [part.shape[1] for part in X]
    if set(widths) != {2}:
        j = next(j for j, width in enumerate(widths) if width != 2)
        raise InputError(
            f"got a list of arrays, of which number {j + 1} is {X[j].shape}, expected (n, 2) for each label, no and "
            "yes; a label that did not vary in training has one column only: make one matrix (n, l) of scores",
            argument="X",
        )
    return np.column_stack([part[:, 1] for part in X])


def _as_frame(X: Any) -> Any:
    """X as a polars frame, None where its columns have no names."""
    if isinstance(X, Samples):
        return None if X.is_sparse else X.features
    refuse_other_forms(X)
    return to_frame(X) if is_frame(X) else None
