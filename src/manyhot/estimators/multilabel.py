"""`MultiLabelClassifier`: the scikit-learn face of the whole job.

It turns whatever X and y a person has into features and targets, hands them to `train_model`, and gives the answers
back under their names. How training works it does not know. Start reading at `MultiLabelClassifier.fit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from manyhot import validation
from manyhot.backend import keep_compiled_programs
from manyhot.config.text import OWN_TEXT
from manyhot.config.training import OWN, Plan, Runtime
from manyhot.data.feature_input import given_targets, row_weights, targets_in_order, targets_of
from manyhot.data.pixel_targets import is_pixel_targets
from manyhot.data.samples import Arrays, Samples
from manyhot.errors import InputError
from manyhot.estimators.base import Accepts
from manyhot.estimators.decides import Decides
from manyhot.estimators.files import Files
from manyhot.estimators.per_pixel import PerPixel
from manyhot.estimators.progress import reporting, watching
from manyhot.evaluation.report import LabelSets
from manyhot.models.incremental import add_labels, extension
from manyhot.models.training import Model, continue_training, train_model
from manyhot.models.training_data import Taken, decode_images, image_function, text_function
from manyhot.networks.pretrained_backbone import open_backbone
from manyhot.networks.text_transformer import preset_function
from manyhot.persistence import model_file
from manyhot.reports.model_page import PagedReport
from manyhot.reports.prediction_images import Draws


class MultiLabelClassifier(Accepts, Decides, Draws, PerPixel, Files, ClassifierMixin, BaseEstimator):
    """A network with one sigmoid per label, trained as many cross-fitted members at once.

    Every field of `Plan` and `Runtime` is a parameter under its own name; see there for meaning and range.

    Args:
        labels: Names and order of the labels; None takes them from y.
        kinds: Column name -> "numeric", "boolean", "categorical" or "ignored", where inspection guesses wrong.
        network: Name of a network builder; or your own Keras model (Sequential, functional, or subclassed with a
            config; compiled or not), or a function `(input_shape, n_labels) -> keras.Model`. The model is cloned,
            never changed; a compiled one brings its optimizer. It is trained as its own `fit` would train it, in full
            batches without early stopping, on numbers as they are; a last sigmoid is taken into the loss. Weights are
            drawn anew for each member, but layers that do not learn (frozen, adapted) keep theirs.
        text: Name of a way from texts to numbers; or a function `(texts) -> array (n, d)` of finite numbers, called
            with lists of different texts (a missing one is empty). Its answers are kept on disk by the content of the
            texts; a saved file does not hold it: `load(path, text=function)`.

    Attributes:
        labels_: tuple of l label names, in the order of all columns.
        classes_: list of l arrays `[0, 1]`; after `fit` on one binary target (n,) its two classes.
        n_features_in_: Number of columns of X.
        feature_names_in_: Their names, when X was a frame.
        report_: How good it is, from out-of-fold scores.
        thresholds_: Label name -> threshold; empty for `decide="top_k"`.
        reading_: How the training file was read, as plain JSON values; empty unless somebody sets it.
        model_: Everything that was learned.
    """

    model_: Model

    def __init__(
        self,
        *,
        labels: Sequence[str] | None = None,
        kinds: Mapping[str, str] | None = None,
        members: int | str = Plan.members,
        folds: int = Plan.folds,
        epochs: int | str = Plan.epochs,
        batch_size: int | str = Plan.batch_size,
        optimizer: str = Plan.optimizer,
        learning_rate: float = Plan.learning_rate,
        schedule: str = Plan.schedule,
        weight_decay: float = Plan.weight_decay,
        momentum: float = Plan.momentum,
        nesterov: bool = Plan.nesterov,
        early_stopping: bool = Plan.early_stopping,
        patience: int = Plan.patience,
        stop_share: int = Plan.stop_share,
        network: Any = Plan.network,
        hidden: Sequence[int] = Plan.hidden,
        activation: str = Plan.activation,
        dropout: float = Plan.dropout,
        batch_norm: bool = Plan.batch_norm,
        prior_bias: bool | str = Plan.prior_bias,
        encode: str = Plan.encode,
        text: Any = Plan.text,
        text_settings: Mapping[str, Any] | None = Plan.text_settings,
        image_settings: Mapping[str, Any] | None = Plan.image_settings,
        loss: str = Plan.loss,
        loss_settings: Mapping[str, float] | None = Plan.loss_settings,
        label_smoothing: float = Plan.label_smoothing,
        label_weights: Mapping[str, float] | str | None = Plan.label_weights,
        positive_only: bool = Plan.positive_only,
        head: str = Plan.head,
        allow_softmax: bool = Plan.allow_softmax,
        calibrate: str = Plan.calibrate,
        decide: str = Plan.decide,
        top_k: int = Plan.top_k,
        least_f1: float = Plan.least_f1,
        decide_settings: Mapping[str, Any] | None = Plan.decide_settings,
        implies: Sequence[tuple[str, str]] = Plan.implies,
        exclusive: Sequence[Sequence[str]] = Plan.exclusive,
        least_labels: int = Plan.least_labels,
        most_labels: int | None = Plan.most_labels,
        precision: str = Plan.precision,
        seed: int = Plan.seed,
        devices: int | str = Runtime.devices,
        layout: str = Runtime.layout,
        predict_rows: int = Runtime.predict_rows,
        compilation_cache: bool = Runtime.compilation_cache,
        fast_layers: bool = Runtime.fast_layers,
        quiet: bool = Runtime.quiet,
        on_bad_image: str = Runtime.on_bad_image,
    ) -> None:
        self.labels = labels
        self.kinds = kinds
        self.members = members
        self.folds = folds
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.nesterov = nesterov
        self.early_stopping = early_stopping
        self.patience = patience
        self.stop_share = stop_share
        self.network = network
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.prior_bias = prior_bias
        self.encode = encode
        self.text = text
        self.text_settings = text_settings
        self.image_settings = image_settings
        self.loss = loss
        self.loss_settings = loss_settings
        self.label_smoothing = label_smoothing
        self.label_weights = label_weights
        self.positive_only = positive_only
        self.head = head
        self.allow_softmax = allow_softmax
        self.calibrate = calibrate
        self.decide = decide
        self.top_k = top_k
        self.least_f1 = least_f1
        self.decide_settings = decide_settings
        self.implies = implies
        self.exclusive = exclusive
        self.least_labels = least_labels
        self.most_labels = most_labels
        self.precision = precision
        self.seed = seed
        self.devices = devices
        self.layout = layout
        self.predict_rows = predict_rows
        self.compilation_cache = compilation_cache
        self.fast_layers = fast_layers
        self.quiet = quiet
        self.on_bad_image = on_bad_image

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MultiLabelClassifier:
        """Train on features and label sets.

        Args:
            X: A matrix (n, f), dense or CSR, texts, a pandas or polars frame, or a reader's `Samples`. NaN is missing.
                Images are an array (n, h, w) or (n, h, w, c) of whole numbers from 0 to 255 or floats from 0 to 1, or a
                column of a frame: paths, contents of files, arrays or images of Pillow's. For labels of pixels also
                one array for each image, of any size.
                For a network of your own also an array (n, ...), or a dict or list of arrays, one per input.
            y: Targets: a multi-hot array (n, l), CSR, a frame of indicators, or a list of label sets. NaN, None and
                `?` mean unknown. None when X is `Samples` with targets. For labels of every pixel an array
                (n, h, w, l), or one (h, w, l) for each image. One binary target (n,) is taken as scikit-learn has it:
                two classes, decided at 0.5.
            sample_weight: (n,), 0 or more; weight k does what the row k times does.

        Returns:
            Itself.

        Raises:
            InputError: What cannot be used, by row, column or argument.
        """
        if self._gives_pixels(X, y):
            self._take(self._pixel_model(X, y, sample_weight), None)
            return self
        taken = self.taken(X, y)
        given = taken.of_rows(sample_weight, "sample_weight")
        weights = None if given is None else row_weights(given, taken.targets.n_samples)
        with watching(self.quiet) as watch:
            model = train_model(
                taken.features,
                taken.labels,
                taken.targets,
                taken.encoder(),
                taken.plan,
                taken.runtime,
                network=self.network,
                sample_weight=weights,
                ids=taken.ids,
                watch=watch,
                notes=taken.notes,
            )
        self._take(model, taken.classes)
        return self

    def taken(self, X: Any, y: Any = None) -> Taken:
        """X, y and the settings as training takes them; sets `n_features_in_` and `feature_names_in_`.

        Args:
            X: As for `fit`.
            y: As for `fit`.

        Raises:
            InputError: What cannot be used, by row, column or argument.
        """
        plan, runtime = self._settings(Plan), self._settings(Runtime)
        keep_compiled_programs(runtime.compilation_cache)
        samples = X if isinstance(X, Samples) else None
        y, names = given_targets(samples, y, self.labels)
        if is_pixel_targets(y):
            raise InputError("labels of pixels are for `fit` alone", argument="y")
        features, kinds = self._features(X, y, reset=True)
        space, targets, classes = targets_of(y, names)
        if classes is not None:
            plan = replace(
                plan, decide="half", decide_settings=None
            )  # scikit-learn's contract: the class of the higher probability
        if targets.n_samples != features.shape[0]:
            raise InputError(f"X has {features.shape[0]} rows but y has {targets.n_samples}", argument="y")
        backbone = image_function(plan, kinds, open_backbone)
        with reporting(runtime.quiet or backbone is None) as tell:
            told = (plan, runtime.on_bad_image, samples, backbone, tell)
            features, is_kept, left_out = decode_images(features, kinds, *told)
        columns = () if kinds is not None or isinstance(features, Arrays) else self._column_names(features, samples)
        ids, notes = (samples.ids, tuple(samples.notes)) if samples is not None else (None, ())
        if is_kept is not None:
            targets, ids, notes = targets.take(is_kept), None if ids is None else ids[is_kept], (*notes, *left_out)
        function = text_function(plan, self.text, kinds, preset_function)
        rest = (classes, plan, runtime, ids, notes, function, is_kept, backbone)
        return Taken(features, kinds, columns, space, targets, *rest)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MultiLabelClassifier:
        """Train further: one pass of every member over the given rows; the first call is `fit`.

        The report stays that of the first fit and is marked as stale, because every member has then seen every new
        row. Thresholds stay as they are.

        Args:
            X: As for `fit`.
            y: As for `fit`, with the same labels.
            classes: Label names, when y does not carry them and `labels` is not set; ignored after the first call.
            sample_weight: As for `fit`.
        """
        if not hasattr(self, "model_"):
            return self.fit(X, y, sample_weight)
        self.refuse_pixels("only models of rows can be trained further")
        features, _ = self._features(X, y, reset=False)
        targets = targets_in_order(X, y, self.model_.labels, self._binary_classes)
        weights = row_weights(sample_weight, targets.n_samples)
        with watching(self.quiet) as watch:
            continue_training(self.model_, features, targets, weights, 1, watch)
        return self

    def add_labels(
        self, X: Any, y: Any = None, *, labels: Sequence[str] | None = None, epochs: int | str = "auto"
    ) -> MultiLabelClassifier:
        """Learn labels that came up after `fit`, with the old weights as the start and new columns for the new labels.

        Members keep to their folds, so rows of training (recognised by their features) stay held from the members
        that never saw them, and the new report is as honest as the old one.

        Args:
            X: Rows as for `predict`, best those of `fit` and perhaps new ones.
            y: Targets with names, as for `fit`: the new labels, and the old ones where they are known. Old labels that
                are missing are those of `fit` for its own rows, and unknown for others.
            labels: Names of the columns of y, when y does not carry them.
            epochs: Passes over the rows; "auto" takes half as many as `fit` took.

        Returns:
            Itself, with the new labels at the end of `labels_`.

        Raises:
            InputError: No label is new, a model without out-of-fold scores, or a Keras model of your own.
        """
        check_is_fitted(self)
        self.refuse_pixels("only models of rows can learn further labels")
        samples = X if isinstance(X, Samples) else None
        y, names = given_targets(samples, y, labels)
        is_numbers = sp.issparse(y) or (isinstance(y, np.ndarray) and y.dtype.kind in "biuf")
        if names is None and is_numbers:
            raise InputError("the columns of y have no names; say labels=[...]", argument="labels")
        features, _ = self._features(X, y, reset=False)
        space, targets, _ = targets_of(y, names)
        if targets.n_samples != features.shape[0]:
            raise InputError(f"X has {features.shape[0]} rows but y has {targets.n_samples}", argument="y")
        grown = extension(self.model_, features, space, targets)
        half = max(1, int(self.model_.plan.epochs) // 2)
        n_epochs = half if epochs == "auto" else validation.integer(epochs=epochs, low=1)
        ids = samples.ids if samples is not None else None
        with watching(self.quiet) as watch:
            model = add_labels(self.model_, grown, n_epochs, ids, watch)
        if self.labels is not None:
            self.labels = list(model.labels.names)
        self._take(model, None, self.reading_)
        return self

    def predict_proba(self, X: Any, calibrated: bool = True) -> np.ndarray:
        """Probability of every label.

        Args:
            X: As for `fit`, without targets.
            calibrated: Whether probabilities are calibrated (see `calibrate`) or as the network gives them.

        Returns:
            float32 or float64 (n, l) by `precision`, in [0, 1]; columns in the order of `labels_`. Only after
            `fit` on one binary target (n,) it is (n, 2), no and yes, as scikit-learn has it. NaN in rows whose
            image cannot be used, with `on_bad_image="skip"`. For labels of pixels it is (n, h, w, l), or a list of
            (h, w, l) where images have different sizes.
        """
        check_is_fitted(self)
        scores = self._scores(X, calibrated)
        return scores if self._binary_classes is None else np.concatenate([1 - scores, scores], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Decisions: int64 like the probabilities, 1 where a label holds; classes (n,) after one binary target (n,)."""
        check_is_fitted(self)
        decisions = self._answers(X)
        return decisions if self._binary_classes is None else self._binary_classes[decisions[:, 0]]

    def predict_labels(self, X: Any) -> list[set[str]]:
        """Decisions as label sets, one per row; a notebook shows the list as a table."""
        check_is_fitted(self)
        self.refuse_pixels("only models of rows answer with label sets")
        return LabelSets(self.model_.labels.decode(self._answers(X)))

    def summary(self) -> str:
        """The layers of one member, as Keras shows them."""
        check_is_fitted(self)
        lines: list[str] = []
        self.model_.network.networks(1).build(0).summary(line_length=88, print_fn=lambda text, **_: lines.append(text))
        return "\n".join(lines)

    def save(self, path: str | Path, evidence: bool = True) -> None:
        """Write one file that predicts anywhere; see `manyhot.load`.

        Args:
            path: Where to; a file there is replaced only when the new one is complete.
            evidence: Whether the out-of-fold scores, targets and training curves go along.
        """
        check_is_fitted(self)
        classes = None if self._binary_classes is None else self._binary_classes.tolist()
        model_file.save(self.model_, path, {"classes": classes, "reading": self.reading_}, with_evidence=evidence)

    @property
    def report_(self) -> PagedReport:
        """How good the model is, from scores of rows that the scoring members never saw."""
        check_is_fitted(self)
        return PagedReport(self.model_.report, self.model_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        tags.target_tags.two_d_labels = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags

    def _settings(self, kind: type) -> Any:
        values = {f.name: getattr(self, f.name) for f in fields(kind)}
        if kind is Plan and not isinstance(self.network, str):
            values["network"] = OWN
        if kind is Plan and not isinstance(self.text, str):
            values["text"] = OWN_TEXT
        return kind(**values)

    def _take(self, model: Model, classes: np.ndarray | None, reading: Mapping[str, Any] | None = None) -> None:
        self.model_ = model
        self.labels_ = model.labels.names
        self.reading_: dict[str, Any] = dict(reading or {})
        self._binary_classes = classes
        self.classes_ = [np.array([0, 1])] * len(self.labels_) if classes is None else classes
