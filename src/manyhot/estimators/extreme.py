"""`ExtremeMultiLabelClassifier`: the k best of very many labels, trained and answered without an array of rows by
labels.

It turns whatever X and y a person has into features and sparse targets, hands them to `train_extreme_model`, and gives
the answers back. Start reading at `ExtremeMultiLabelClassifier.fit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from manyhot import validation
from manyhot.config.extreme import ExtremeConfig
from manyhot.config.fields import settings_of
from manyhot.config.runtime import RuntimeConfig
from manyhot.data.samples import Arrays, Samples
from manyhot.data.target_input import check_row_counts
from manyhot.errors import InputError
from manyhot.estimators.base import (
    BaseMultiLabelEstimator,
    document_settings,
    draw_seed,
    keep_parameters,
    warn_of_table,
)
from manyhot.estimators.progress import training_progress
from manyhot.evaluation.metrics import TopK
from manyhot.models.extreme.model import ExtremeModel, train_extreme_model
from manyhot.models.extreme.report import ExtremeReport
from manyhot.models.extreme.targets import (
    align_scored_extreme_targets,
    parse_extreme_targets,
    resolve_extreme_targets,
)
from manyhot.models.prediction import sparse_exact_match
from manyhot.models.training_data import TrainingInputs, matrix_columns
from manyhot.persistence import extreme_model
from manyhot.persistence.container import Contents


@document_settings(ExtremeConfig)
class ExtremeMultiLabelClassifier(BaseMultiLabelEstimator):
    """A network over thousands to a million labels, on sparse targets; it answers with the best labels of a row.

    One network with one sigmoid per label and binary cross-entropy. The last layer is computed in chunks of labels, so
    memory grows with the weights (`hidden_layer_sizes[-1]` numbers per label, 4 bytes each, twice while training) and
    with the positive entries, never with rows x labels. For up to some thousand labels `MultiLabelClassifier` offers
    more: out-of-fold scores of every row, a threshold for each label, calibration, rules.

    Args:
        labels: Names and order of the labels; None takes them from y. Default: None.
        column_types: Column name -> "numeric", "boolean", "categorical", "text" or "ignored", for columns whose type is
            guessed wrong. Default: None.
        (settings)
        verbose: 1 shows progress on standard error: a bar in a terminal; elsewhere lines, and only for work of more
            than ten seconds. 0 hides it. Default: 1.

    Attributes:
        labels_: tuple of l label names.
        threshold_: Scores at least as high are answered by `predict`.
        n_features_in_: Number of columns of X.
        feature_names_in_: Their names, when X was a frame.
        report_: How good it is, from rows that were held out of training.
        read_options_: How the training file was read, as plain JSON values; empty unless it was read by the command
            line.
        model_: The trained model; internal, may change between versions.
    """

    model_: ExtremeModel

    @keep_parameters
    def __init__(
        self,
        *,
        labels: Sequence[str] | None = None,
        column_types: Mapping[str, str] | None = None,
        hidden_layer_sizes: Sequence[int] = ExtremeConfig.hidden_layer_sizes,
        activation: str = ExtremeConfig.activation,
        dropout: float = ExtremeConfig.dropout,
        epochs: int | str = ExtremeConfig.epochs,
        batch_size: int | str = ExtremeConfig.batch_size,
        learning_rate: float = ExtremeConfig.learning_rate,
        weight_decay: float = ExtremeConfig.weight_decay,
        holdout_fraction: float = ExtremeConfig.holdout_fraction,
        dtype: str = ExtremeConfig.dtype,
        random_state: int | np.random.RandomState | None = ExtremeConfig.random_state,
        verbose: int = 1,
    ) -> None: ...

    def fit(self, X: Any, y: Any = None) -> ExtremeMultiLabelClassifier:
        """Train on features and sparse targets.

        Args:
            X: A matrix (n, f), dense or CSR, texts, a frame with numbers, categories and text, or `Samples`.
            y: CSR (n, l) of 0 and 1, or one label set per row; an array (n, l) of 0 and 1, a frame of them and one
                mapping {label: 0 or 1} per row are read too. All must be known. None when X is `Samples` with targets.

        Returns:
            Itself.

        Raises:
            InputError: What cannot be used, by row, column or argument.
        """
        settings = {name: getattr(self, name) for name in settings_of(ExtremeConfig)}
        config = ExtremeConfig(**{**settings, "random_state": draw_seed(self.random_state)})
        runtime = RuntimeConfig(verbose=self.verbose)
        samples = X if isinstance(X, Samples) else None
        if samples is not None and samples.sample_weight is not None:
            raise InputError("weights of rows are not supported with very many labels", argument="sample_weight")
        y, names = resolve_extreme_targets(samples, y, self.labels)
        table = self._training_features(X)
        if isinstance(table.features, Arrays):
            raise InputError("got arrays, expected a matrix (n, f), a frame or Samples", argument="X")
        photos = [name for name, kind in (table.column_types or {}).items() if kind == "image"]
        if photos:
            raise InputError(
                f"images are not taken with very many labels; leave them out with column_types={{{photos[0]!r}: "
                f"'ignored'}} (--column-type {photos[0]}=ignored)",
                argument="X",
            )
        labels, targets, target_notes = parse_extreme_targets(y, names)
        check_row_counts(table.features, targets)
        notes = tuple(samples.notes) if samples is not None else self._data_notes(y, labels.names, table)
        if samples is None:
            warn_of_table(notes)
            notes = (*target_notes, *notes)
        columns = matrix_columns(table, samples)
        frame = (table.column_types, table.number_formats, columns)
        inputs = TrainingInputs(table.features, labels, targets, config.training(), runtime, *frame, notes=notes)
        with training_progress(runtime.verbose) as callback:
            model = train_extreme_model(inputs, config, callback)
        self._keep(model, {})
        return self

    def predict_top_k(self, X: Any, k: int = 5) -> TopK:
        """The k best labels of each row, exact over all labels.

        Args:
            X: As for `fit`, without targets.
            k: How many, from 1 to the number of labels.

        Returns:
            `labels`, int32 (n, k), places in `labels_`, best first; `scores`, float (n, k), their probabilities as the
            network gives them.

        Raises:
            InputError: A k out of its range.
        """
        check_is_fitted(self)
        k = validation.integer(k=k, low=1, high=len(self.labels_))
        return self.model_.top(self._features(X), k)

    def predict_labels(self, X: Any, k: int = 5, threshold: float | None = None) -> list[list[Any]]:
        """The names of the k best labels of each row, best first; whole numbers where the labels of `fit` were such.

        Args:
            X: As for `fit`, without targets.
            k: How many at most, from 1 to the number of labels.
            threshold: Labels of a lower score are left out; None leaves none out.

        Raises:
            InputError: A k or threshold out of its range.
        """
        least = 0.0 if threshold is None else validation.number(threshold=threshold, low=0.0, high=1.0)
        top = self.predict_top_k(X, k)
        counts = (top.scores >= least).sum(axis=1)
        names = self.model_.labels.to_list()
        return [[names[j] for j in row[:n]] for row, n in zip(top.labels.tolist(), counts.tolist(), strict=True)]

    def predict(self, X: Any) -> sp.csr_matrix:
        """Answers: CSR int64 (n, l), 1 where a label is among the 50 best of its row and reaches `threshold_`."""
        check_is_fitted(self)
        return self.model_.decisions(self._features(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Exact match (subset accuracy): the fraction of rows whose labels are all predicted right.

        Args:
            X: As for `fit`.
            y: As for `evaluate`; a row with a label that the model does not know is wrong.
            sample_weight: (n,), 0 or more.

        Returns:
            0 to 1; NaN if all weights are 0.

        Raises:
            InputError: Targets that do not fit.
        """
        check_is_fitted(self)
        y, names = resolve_extreme_targets(X if isinstance(X, Samples) else None, y, None)
        self._check_order(names)
        targets, has_unseen = align_scored_extreme_targets(y, self.model_.labels)
        decisions = self.predict(X)
        check_row_counts(decisions, targets)
        return sparse_exact_match(decisions, targets, has_unseen, sample_weight)

    def evaluate(self, X: Any, y: Any = None) -> ExtremeReport:
        """Measure on rows whose labels are known.

        Args:
            X: As for `fit`.
            y: As for `fit`; a matrix has its columns in the order of `labels_`, label sets go by name.

        Raises:
            InputError: Other labels than in training.
        """
        check_is_fitted(self)
        samples = X if isinstance(X, Samples) else None
        y, names = resolve_extreme_targets(samples, y, None)
        self._check_order(names)
        features = self._features(X)
        targets = parse_extreme_targets(y, self.model_.labels)[1]
        check_row_counts(features, targets)
        notes = () if samples is None else samples.notes
        return ExtremeReport(self.model_.evaluate(features, targets, notes))

    def save(self, path: str | Path) -> None:
        """Write one file that predicts anywhere; see `manyhot.load`.

        Args:
            path: Where to; a file there is replaced only when the new one is complete.
        """
        check_is_fitted(self)
        extreme_model.save(self.model_, path, self.read_options_, has_fixed_labels=self.labels is not None)

    @classmethod
    def _from_contents(cls, contents: Contents, path: str | Path) -> ExtremeMultiLabelClassifier:
        """The classifier in a bundle that was read; see `manyhot.load`."""
        model, reading, has_fixed_labels = extreme_model.construct(contents, path)
        settings = {name: getattr(model.config, name) for name in settings_of(ExtremeConfig)}
        classifier = cls(labels=model.labels.to_list() if has_fixed_labels else None, **settings)
        classifier._keep(model, reading)
        if model.encoder.column_types:
            classifier.feature_names_in_ = np.asarray(model.encoder.names, dtype=object)
        classifier.n_features_in_ = len(model.encoder.names)
        return classifier

    @property
    def report_(self) -> ExtremeReport:
        """How good the model is, from rows that were held out of training."""
        check_is_fitted(self)
        return ExtremeReport(self.model_.report)

    def _check_order(self, names: Sequence[str] | None) -> None:
        """Raise where samples have other labels than the model, or another order."""
        if names is not None and tuple(names) != self.labels_:
            raise InputError("the labels are not those of training, in its order", argument="y")

    def _keep(self, model: ExtremeModel, reading: Mapping[str, Any]) -> None:
        self.model_ = model
        self.labels_ = model.labels.names
        self.threshold_ = model.threshold
        self.read_options_: dict[str, Any] = dict(reading)
