"""`MultiLabelClassifier`: the scikit-learn face of the whole job.

It turns whatever X and y a person has into features and targets, hands them to models/, and gives the answers back
under their names. How training works it does not know. Start reading at `MultiLabelClassifier.fit`.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from manyhot import validation
from manyhot.backend import keep_compiled_programs
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.text import OWN_TEXT
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.feature_input import row_weights
from manyhot.data.pixel_targets import is_pixel_targets
from manyhot.data.readers import ReadOptions, read
from manyhot.data.samples import Samples
from manyhot.data.shards import Shards
from manyhot.data.target_input import align_targets, check_row_counts, parse_targets, resolve_targets
from manyhot.data.targets import Targets
from manyhot.decisions.guarantees import Guarantee
from manyhot.decisions.rules.rules import Rules
from manyhot.decisions.thresholds import Thresholds
from manyhot.encoders.images.encoder import describe_invalid
from manyhot.errors import InputError
from manyhot.estimators.base import BaseMultiLabelEstimator
from manyhot.estimators.progress import reporting, watching
from manyhot.evaluation.label_errors import LabelErrors, suspicious_labels
from manyhot.evaluation.report import LabelSets
from manyhot.explanation.explain import TOP, Explanation, explained
from manyhot.models import decision_updates
from manyhot.models.incremental import add_labels, continue_training, match_rows
from manyhot.models.model import Model
from manyhot.models.prediction import predict_decisions, predict_scores
from manyhot.models.segmentation.model import PixelModel, refuse_pixels
from manyhot.models.segmentation.training import pixel_inputs, train_pixels
from manyhot.models.stream_survey import needs_stream, survey_file
from manyhot.models.streaming import StreamJob, prepare_stream, train_stream, write_rows
from manyhot.models.training import train_model
from manyhot.models.training_data import Progress, TrainingInputs, prepare_inputs
from manyhot.persistence import model_file
from manyhot.reports import prediction_images
from manyhot.reports.image_sheets import check_folder
from manyhot.reports.model_page import PagedReport


class MultiLabelClassifier(ClassifierMixin, BaseMultiLabelEstimator):
    """A network with one sigmoid per label, trained as many cross-fitted members at once.

    Every field of `TrainingConfig` and `RuntimeConfig` is a parameter under its own name; see there for meaning and
    range.

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
        members: int | str = TrainingConfig.members,
        folds: int = TrainingConfig.folds,
        epochs: int | str = TrainingConfig.epochs,
        batch_size: int | str = TrainingConfig.batch_size,
        optimizer: str = TrainingConfig.optimizer,
        learning_rate: float = TrainingConfig.learning_rate,
        schedule: str = TrainingConfig.schedule,
        weight_decay: float = TrainingConfig.weight_decay,
        momentum: float = TrainingConfig.momentum,
        nesterov: bool = TrainingConfig.nesterov,
        early_stopping: bool = TrainingConfig.early_stopping,
        patience: int = TrainingConfig.patience,
        stop_share: int = TrainingConfig.stop_share,
        network: Any = TrainingConfig.network,
        hidden: Sequence[int] = TrainingConfig.hidden,
        activation: str = TrainingConfig.activation,
        dropout: float = TrainingConfig.dropout,
        batch_norm: bool = TrainingConfig.batch_norm,
        prior_bias: bool | str = TrainingConfig.prior_bias,
        encode: str = TrainingConfig.encode,
        text: Any = TrainingConfig.text,
        text_settings: Mapping[str, Any] | None = TrainingConfig.text_settings,
        image_settings: Mapping[str, Any] | None = TrainingConfig.image_settings,
        loss: str = TrainingConfig.loss,
        loss_settings: Mapping[str, float] | None = TrainingConfig.loss_settings,
        label_smoothing: float = TrainingConfig.label_smoothing,
        label_weights: Mapping[str, float] | str | None = TrainingConfig.label_weights,
        positive_only: bool = TrainingConfig.positive_only,
        head: str = TrainingConfig.head,
        allow_softmax: bool = TrainingConfig.allow_softmax,
        calibrate: str = TrainingConfig.calibrate,
        decide: str = TrainingConfig.decide,
        top_k: int = TrainingConfig.top_k,
        least_f1: float = TrainingConfig.least_f1,
        decide_settings: Mapping[str, Any] | None = TrainingConfig.decide_settings,
        implies: Sequence[tuple[str, str]] = TrainingConfig.implies,
        exclusive: Sequence[Sequence[str]] = TrainingConfig.exclusive,
        least_labels: int = TrainingConfig.least_labels,
        most_labels: int | None = TrainingConfig.most_labels,
        precision: str = TrainingConfig.precision,
        seed: int = TrainingConfig.seed,
        devices: int | str = RuntimeConfig.devices,
        layout: str = RuntimeConfig.layout,
        predict_rows: int = RuntimeConfig.predict_rows,
        compilation_cache: bool = RuntimeConfig.compilation_cache,
        fast_layers: bool = RuntimeConfig.fast_layers,
        quiet: bool = RuntimeConfig.quiet,
        on_bad_image: str = RuntimeConfig.on_bad_image,
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
        if is_pixel_targets(X.targets if y is None and isinstance(X, Samples) else y):
            return self._fit_pixels(X, y, sample_weight)
        taken = self._inputs(X, y)
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
        self._keep(model, taken.classes)
        return self

    def fit_file(
        self,
        path: str | Path,
        reading: ReadOptions | None = None,
        *,
        stream: bool | None = None,
        stream_folder: str | Path | None = None,
        window_bytes: int | None = None,
    ) -> MultiLabelClassifier:
        """Train on a file, which may be larger than memory.

        A stream is read twice, piece by piece. A random sample of its rows (up to 200,000) settles kinds of columns,
        labels, scales and terms; a part of it is set aside for thresholds, calibration and the report. All other rows
        are encoded, kept on disk meanwhile, and trained on window by window, by one member unless `members` says more.

        Args:
            path: CSV, TSV, JSONL, Parquet or Arrow, and whatever `read` takes where it is not streamed.
            reading: Where the labels are, and what else the file does not say itself.
            stream: Whether the file is streamed; None does so where it needs more memory than there is.
            stream_folder: Where encoded rows are kept while training; None for the folder for temporary files.
            window_bytes: Encoded rows of a window at most; several windows are in memory at a time. None for 64 MiB.

        Returns:
            Itself.

        Raises:
            InputError: What cannot be used, by file, row and column; a file that changed meanwhile; too little room
                on the disk; a format that cannot be streamed.
        """
        if stream is None:
            stream = needs_stream(path, reading, self.image_settings)
        if not stream:
            return self.fit(read(path, reading))
        folder = Path(tempfile.gettempdir() if stream_folder is None else stream_folder)
        with reporting(self.quiet) as progress:
            job, classes = self._stream_job(path, reading, progress)
        with Shards(folder) as shards:
            with reporting(self.quiet) as progress:
                rows = write_rows(job, shards, progress)
            with watching(self.quiet) as watch:
                model = train_stream(job, shards, rows, window_bytes, watch)
        self._keep(model, classes)
        return self

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
        refuse_pixels(self.model_, "only models of rows can be trained further")
        features = self._features(X)
        targets = align_targets(X, y, self.model_.labels, self._binary_classes)
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
        refuse_pixels(self.model_, "only models of rows can learn further labels")
        samples = X if isinstance(X, Samples) else None
        y, names = resolve_targets(samples, y, labels)
        is_numbers = sp.issparse(y) or (isinstance(y, np.ndarray) and y.dtype.kind in "biuf")
        if names is None and is_numbers:
            raise InputError("the columns of y have no names; say labels=[...]", argument="labels")
        features = self._features(X)
        space, targets, _ = parse_targets(y, names)
        check_row_counts(features, targets)
        grown = match_rows(self.model_, features, space, targets)
        with watching(self.quiet) as watch:
            model = add_labels(self.model_, grown, epochs, None if samples is None else samples.ids, watch)
        if self.labels is not None:
            self.labels = list(model.labels.names)
        self._keep(model, None, self.reading_)
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
        decisions = predict_decisions(self.model_, self._scores(X))
        return decisions if self._binary_classes is None else self._binary_classes[decisions[:, 0]]

    def predict_labels(self, X: Any) -> list[set[str]]:
        """Decisions as label sets, one per row; a notebook shows the list as a table."""
        check_is_fitted(self)
        refuse_pixels(self.model_, "only models of rows answer with label sets")
        return LabelSets(self.model_.labels.decode(predict_decisions(self.model_, self._scores(X))))

    def explain(self, X: Any, labels: Sequence[str] | None = None, top: int = TOP) -> list[dict[str, Explanation]]:
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
        refuse_pixels(self.model_, "only models of rows are explained")
        features = self._features(X)
        return list(explained(self.model_, features, self.model_.scores(features), labels, top))

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

    def set_threshold(self, label: str, value: float) -> MultiLabelClassifier:
        """Change one label's threshold, in [0, 1]; nothing is trained again."""
        return self.set_thresholds({label: value})

    def set_thresholds(self, values: Mapping[str, float]) -> MultiLabelClassifier:
        """Change some labels' thresholds, in [0, 1]; nothing is trained again, and the report follows.

        Args:
            values: Label name -> threshold.

        Raises:
            InputError: An unknown label, a value outside [0, 1], or decisions that have no thresholds.
        """
        check_is_fitted(self)
        decision_updates.set_thresholds(self.model_, values)
        return self

    def decide_for(self, measure: str, /, **settings: Any) -> MultiLabelClassifier:
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
    ) -> MultiLabelClassifier:
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
        refuse_pixels(
            self.model_, "promises are made for rows that are drawn one by one, which pixels of an image are not"
        )
        features, targets = self._rows(X, y)
        decision_updates.check_not_training_rows(self.model_, features)
        scores, rates = self.model_.scores(features), (miss_rate, false_discovery_rate)
        return decision_updates.apply_guarantee(
            self.model_, scores, targets, *rates, confidence, per_label, simultaneous
        )

    def suspicious_labels(self, limit: int | None = None, label: str | None = None) -> LabelErrors:
        """Training targets that look wrong, by the out-of-fold scores, the most suspicious first.

        Args:
            limit: How many at most; None for as many as are estimated to be wrong.
            label: Only this label; None for all.

        Raises:
            InputError: A model without out-of-fold scores.
        """
        check_is_fitted(self)
        refuse_pixels(self.model_, "only labels of rows are audited")
        evidence = decision_updates.current_evidence(self.model_, "find suspicious labels")
        return suspicious_labels(evidence.scores, evidence.targets, evidence.ids, self.model_.labels, limit, label)

    def draw_answers(
        self,
        X: Any,
        folder: str | Path,
        *,
        why: bool = False,
        limit: int = prediction_images.LIMIT,
        ids: Sequence[str] | None = None,
    ) -> list[Path]:
        """A picture of each row: its image beside its labels' probabilities and thresholds; or, of a model that gives
        every pixel its labels, the image with its answers over it.

        Args:
            X: As for `predict`, with images.
            folder: Where the PNG files go; made where it is not there.
            why: Whether maps of what spoke for and against the answered labels are drawn too; see `explain`.
            limit: Rows that are drawn, the first ones, 1 or more.
            ids: What the rows are called; None for their numbers from 1.

        Returns:
            The files, one for each row; rows that `on_bad_image="skip"` leaves out have none.

        Raises:
            InputError: A model that looks at no images, an image that cannot be used, or reasons of labels of pixels.
            OutputError: A folder that cannot be written to.
        """
        check_is_fitted(self)
        prediction_images.check_has_images(self.model_)
        n_rows, features = validation.integer(limit=limit, low=1), self._features(X)
        names = prediction_images.row_names(X, ids, min(n_rows, features.shape[0]))
        if isinstance(self.model_, PixelModel):
            if why:
                raise InputError("reasons are not given for labels of pixels", argument="why")
            images = features.take(np.arange(len(names)))
            drawn = prediction_images.picture_pixels(self.model_, images, names, check_folder(folder))
            return [path for _, path in drawn]
        features = features[:n_rows]
        scores = predict_scores(self.model_, features, on_bad_image=self.on_bad_image)[0]
        reasons = list(explained(self.model_, features, scores)) if validation.boolean(why=why) else None
        told = (features, scores, names, check_folder(folder))
        return prediction_images.picture_answers(self.model_, *told, reasons=reasons)

    def draw_mistakes(self, X: Any, y: Any, folder: str | Path, *, ids: Sequence[str] | None = None) -> dict[str, Path]:
        """For each label a sheet of the images that it is most wrong on: answered with the highest probability though
        it does not hold, and missed with the lowest though it does.

        Args:
            X: As for `predict`, with images; best rows that training never saw.
            y: Their targets, as for `fit`; unknown entries are left out.
            folder: Where the PNG files go; made where it is not there.
            ids: What the rows are called; None for their numbers from 1.

        Returns:
            Label -> file; a label without mistakes has none.

        Raises:
            InputError: A model that looks at no images, or targets that do not fit X.
            OutputError: A folder that cannot be written to.
        """
        check_is_fitted(self)
        refuse_pixels(self.model_, "sheets of mistakes are for models that give a whole image its labels")
        prediction_images.check_has_images(self.model_)
        features, targets = self._rows(X, y)
        names = prediction_images.row_names(X, ids, features.shape[0])
        scores = predict_scores(self.model_, features, on_bad_image=self.on_bad_image)[0]
        told = (features, targets, scores, names, check_folder(folder))
        return prediction_images.picture_mistakes(self.model_, *told)

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
        tags.non_deterministic = False
        return tags

    def _settings(self, kind: type) -> Any:
        values = {f.name: getattr(self, f.name) for f in fields(kind)}
        if kind is TrainingConfig and not isinstance(self.network, str):
            values["network"] = CUSTOM
        if kind is TrainingConfig and not isinstance(self.text, str):
            values["text"] = OWN_TEXT
        return kind(**values)

    def _keep(self, model: Model, classes: np.ndarray | None, reading: Mapping[str, Any] | None = None) -> None:
        self.model_ = model
        self.labels_ = model.labels.names
        self.reading_: dict[str, Any] = dict(reading or {})
        self._binary_classes = classes
        self.classes_ = [np.array([0, 1])] * len(self.labels_) if classes is None else classes

    def _inputs(self, X: Any, y: Any = None) -> TrainingInputs:
        """X, y and the settings as training takes them; sets `n_features_in_` and `feature_names_in_`."""
        plan, runtime = self._settings(TrainingConfig), self._settings(RuntimeConfig)
        keep_compiled_programs(runtime.compilation_cache)
        samples = X if isinstance(X, Samples) else None
        y, names = resolve_targets(samples, y, self.labels)
        if is_pixel_targets(y):
            raise InputError("labels of pixels are for `fit` alone", argument="y")
        features, kinds = self._training_features(X)
        with reporting(runtime.quiet) as progress:
            return prepare_inputs(plan, runtime, features, kinds, y, names, samples, self.text, progress)

    def _fit_pixels(self, X: Any, y: Any, sample_weight: Any) -> MultiLabelClassifier:
        plan, runtime = self._settings(TrainingConfig), self._settings(RuntimeConfig)
        keep_compiled_programs(runtime.compilation_cache)
        inputs = pixel_inputs(plan, runtime, X, y, self.labels, sample_weight)
        with watching(self.quiet) as watch:
            model = train_pixels(inputs, watch)
        self.n_features_in_ = 1
        self._keep(model, None)
        return self

    def _stream_job(
        self, path: str | Path, reading: ReadOptions | None, progress: Progress | None
    ) -> tuple[StreamJob, np.ndarray | None]:
        """The job; the sample that it was made from is let go."""
        survey = survey_file(path, reading, self.image_settings, self._settings(TrainingConfig).seed, progress)
        taken = self._inputs(survey.samples)
        return prepare_stream(survey, taken, self.network), taken.classes

    def _rows(self, X: Any, y: Any) -> tuple[Any, Targets]:
        """Features and targets of rows that were not trained on, in the order of the model's labels."""
        targets = align_targets(X, y, self.model_.labels, getattr(self, "_binary_classes", None))
        features = self._features(X)
        check_row_counts(features, targets)
        return features, targets

    def _scores(self, X: Any, is_calibrated: bool = True) -> Any:
        samples = X if isinstance(X, Samples) else None
        scores, bad = predict_scores(self.model_, self._features(X), is_calibrated, self.on_bad_image, samples)
        if bad:
            warnings.warn(describe_invalid(bad, "not answered"), UserWarning, stacklevel=3)
        return scores
