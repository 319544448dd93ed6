"""`MultiLabelClassifier`: the scikit-learn estimator.

It turns X and y of any form into features and targets, hands them to models/, and gives the results back under their
labels' names. How training works it does not know. Start reading at `MultiLabelClassifier.fit`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from manyhot import engine, explanation, export, models, persistence, reports
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.text import CUSTOM_TEXT
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data import readers
from manyhot.data.feature_input import row_weights
from manyhot.data.pixel_targets import is_pixel_targets
from manyhot.data.readers import ReadOptions
from manyhot.data.samples import Samples
from manyhot.data.target_input import (
    check_row_counts,
    parse_named_targets,
    resolve_targets,
)
from manyhot.errors import InputError
from manyhot.estimators.base import (
    document_settings,
    draw_seed,
    keep_parameters,
    warn_of_table,
)
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.estimators.followed_training import Follow, FollowedTraining
from manyhot.estimators.progress import stage_progress, track_rows, training_progress

if TYPE_CHECKING:
    from manyhot.explanation.explain import Explanations
    from manyhot.models.labeling import RowsToLabel
    from manyhot.models.model import Model
    from manyhot.models.training_data import TrainingInputs
    from manyhot.persistence.checkpoints import Checkpoint


@document_settings(TrainingConfig, RuntimeConfig)
class MultiLabelClassifier(FollowedTraining, BaseModelClassifier):
    """A network with one sigmoid per label, trained as an ensemble of cross-fitted members.

    Args:
        labels: Names and order of the labels; None takes them from y. Default: None.
        column_types: Column name -> "numeric", "boolean", "categorical", "text", "image" or "ignored", for columns
            whose type is guessed wrong. Default: None.
        (settings)

    `network` also takes your own Keras model (Sequential, functional, or subclassed with a config; compiled or not), or
    a function `(input_shape, n_labels) -> keras.Model`. The model is cloned, never changed; a compiled one brings its
    optimizer. It is trained as its own `fit` would train it, in full batches without early stopping, on numbers as they
    are; a last sigmoid becomes part of the loss. Each member gets new initial weights, but frozen and adapted layers
    keep theirs.

    `text` also takes a function `(texts) -> array (n, d)` of finite numbers, called with lists of distinct texts (a
    missing one is empty). Its results are cached on disk by the content of the texts; a saved file does not contain the
    function: `load(path, text=function)`.

    `random_state` also takes None (a fresh seed for every `fit`, recorded in the report) or a
    `numpy.random.RandomState`.

    Attributes:
        labels_: tuple of l label names, in the order of all columns; whole numbers are given as text here.
        classes_: int (l, 2), 0 and 1 for each label; after `fit` on one binary target (n,) its two classes.
        n_features_in_: Number of columns of X.
        feature_names_in_: Their names, when X was a frame.
        report_: How good the model is, from out-of-fold scores.
        thresholds_: Label name -> threshold; empty for `decision="top_k"`.
        guarantee_: The guarantee in force, or None.
        history_: Training curves of each member, as arrays.
        read_options_: How the training file was read, as plain JSON values; empty unless it was read by the command
            line.
        model_: The trained model; internal, may change between versions.
    """

    model_: Model
    labels: Sequence[Any] | None

    @keep_parameters
    def __init__(
        self,
        *,
        labels: Sequence[str] | None = None,
        column_types: Mapping[str, str] | None = None,
        n_members: int | str = TrainingConfig.n_members,
        n_folds: int = TrainingConfig.n_folds,
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
        validation_fraction: float = TrainingConfig.validation_fraction,
        network: Any = TrainingConfig.network,
        hidden_layer_sizes: Sequence[int] = TrainingConfig.hidden_layer_sizes,
        branches: str = TrainingConfig.branches,
        activation: str = TrainingConfig.activation,
        dropout: float = TrainingConfig.dropout,
        batch_norm: bool = TrainingConfig.batch_norm,
        prior_bias: bool | str = TrainingConfig.prior_bias,
        preprocessing: str = TrainingConfig.preprocessing,
        text: Any = TrainingConfig.text,
        text_params: Mapping[str, Any] | None = TrainingConfig.text_params,
        image_params: Mapping[str, Any] | None = TrainingConfig.image_params,
        loss: str = TrainingConfig.loss,
        loss_params: Mapping[str, float] | None = TrainingConfig.loss_params,
        label_smoothing: float = TrainingConfig.label_smoothing,
        label_weights: Mapping[str, float] | str | None = TrainingConfig.label_weights,
        positive_unlabeled: bool = TrainingConfig.positive_unlabeled,
        head: str = TrainingConfig.head,
        allow_softmax: bool = TrainingConfig.allow_softmax,
        calibration: str = TrainingConfig.calibration,
        decision: str = TrainingConfig.decision,
        top_k: int = TrainingConfig.top_k,
        min_f1: float = TrainingConfig.min_f1,
        decision_params: Mapping[str, Any] | None = TrainingConfig.decision_params,
        implies: Sequence[tuple[str, str]] = TrainingConfig.implies,
        taxonomy: Sequence[tuple[str, str]] | str | Path | None = TrainingConfig.taxonomy,
        exclusive: Sequence[Sequence[str]] = TrainingConfig.exclusive,
        min_labels: int = TrainingConfig.min_labels,
        max_labels: int | None = TrainingConfig.max_labels,
        dtype: str = TrainingConfig.dtype,
        random_state: int | np.random.RandomState | None = TrainingConfig.random_state,
        devices: int | str = RuntimeConfig.devices,
        member_batching: str = RuntimeConfig.member_batching,
        predict_batch_size: int = RuntimeConfig.predict_batch_size,
        compilation_cache: bool = RuntimeConfig.compilation_cache,
        fast_layers: bool = RuntimeConfig.fast_layers,
        verbose: int = RuntimeConfig.verbose,
        on_bad_image: str = RuntimeConfig.on_bad_image,
        executor: Any = RuntimeConfig.executor,
    ) -> None: ...

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        checkpoint: Any = None,
        checkpoint_every: float = 60,
        resume: bool = False,
    ) -> MultiLabelClassifier:
        """Train on features and label sets.

        Args:
            X: A matrix (n, f), dense or CSR, texts, a pandas or polars frame, or a reader's `Samples`. NaN is missing.
                Images are an array (n, h, w) or (n, h, w, c) of whole numbers from 0 to 255 or floats from 0 to 1, or a
                column of a frame: paths, contents of files, arrays or images of Pillow's. For labels of pixels also
                one array for each image, of any size.
                For your own Keras model also an array (n, ...), or a dict or list of arrays, one per input.
            y: Targets: a multi-hot array (n, l), CSR, a frame of indicators, or a list of label sets (text, or whole
                numbers). NaN, None and `?` mean unknown. None when X is `Samples` with targets. For labels of every
                pixel an array (n, h, w, l), or one (h, w, l) for each image. One binary target (n,) is treated as
                scikit-learn does: two classes, decided at 0.5.
            sample_weight: (n,), 0 or more; weight k has the effect of k copies of the row. None: those of `Samples`, or
                all alike.
            checkpoint: Folder in which the state of training is kept, so that a run that was killed can go on to the
                same result; it is removed at the end. None for no such folder.
            checkpoint_every: Seconds between two states of the same members, above 0.
            resume: Whether to go on from what the folder holds; with an empty one, training begins.

        Returns:
            The classifier itself.

        Raises:
            InputError: What cannot be used, by row, column or argument; a checkpoint of other rows, settings or
                versions.
        """
        if sample_weight is None and isinstance(X, Samples):
            sample_weight = X.sample_weight

        def train(follow: Follow) -> None:
            with persistence.checkpoints.checkpointed(checkpoint, checkpoint_every, resume) as snapshots:
                self._fit(X, y, sample_weight, *self._configs(), snapshots, follow)

        return self._run_fit(train, X, y, sample_weight)

    def fit_file(
        self,
        path: str | Path,
        read_options: ReadOptions | None = None,
        *,
        stream: bool | None = None,
        stream_folder: str | Path | None = None,
        window_bytes: int | None = None,
        checkpoint: Any = None,
        checkpoint_every: float = 60,
        resume: bool = False,
    ) -> MultiLabelClassifier:
        """Train on a file, which may be larger than memory.

        A stream is read twice, chunk by chunk. A random sample of its rows (up to 200,000) determines column types,
        labels, scales and terms; a part of it is held out for thresholds, calibration and the report. All other rows
        are encoded, kept on disk meanwhile, and trained on window by window, by one member unless `n_members` says
        more.

        Args:
            path: CSV, TSV, JSONL, Parquet or Arrow; and any format that `read` takes where it is not streamed.
            read_options: Where the labels are, and what else the file does not say itself.
            stream: Whether the file is streamed; None does so if it does not fit in memory.
            stream_folder: Where encoded rows are kept while training; None for the folder for temporary files.
            window_bytes: Encoded rows of a window at most; several windows are in memory at a time. None for 64 MiB.
            checkpoint: As for `fit`; encoded rows are kept there, too.
            checkpoint_every: As for `fit`.
            resume: As for `fit`.

        Returns:
            The classifier itself.

        Raises:
            InputError: What cannot be used, by file, row and column; a file that changed meanwhile; too little room
                on the disk; a format that cannot be streamed.
        """

        def train(follow: Follow) -> None:
            with persistence.checkpoints.checkpointed(checkpoint, checkpoint_every, resume) as snapshots:
                self._fit_file(path, read_options, stream, stream_folder, window_bytes, snapshots, follow)

        return self._run_fit(train)

    def _fit_file(
        self,
        path: str | Path,
        read_options: ReadOptions | None,
        stream: bool | None,
        stream_folder: str | Path | None,
        window_bytes: int | None,
        snapshots: Checkpoint | None,
        follow: Follow,
    ) -> MultiLabelClassifier:
        config, runtime = self._configs()
        if stream is None:
            stream = models.stream_survey.needs_stream(path, read_options, config.image_params)
        if not stream:
            samples = readers.read(path, read_options)
            warn_of_table(samples.notes)
            return self._fit(samples, None, samples.sample_weight, config, runtime, snapshots, follow)
        with stage_progress(self.verbose) as progress:
            survey = models.stream_survey.survey_file(path, read_options, config, progress)
            warn_of_table(survey.samples.notes)
            inputs = self._inputs(survey.samples, None, config, runtime)
            job, classes = models.streaming.prepare_stream(survey, inputs, self.network), inputs.classes
            del survey, inputs  # the sample is not needed any more
        folder = Path(tempfile.gettempdir() if stream_folder is None else stream_folder)
        folder = folder if snapshots is None else snapshots.folder
        with ExitStack() as stack:
            with stage_progress(self.verbose) as progress:
                rows = stack.enter_context(models.streaming.encoded_rows(job, folder, snapshots, progress))
            with training_progress(self.verbose, suggests_checkpoint=snapshots is None) as callback:
                model = models.streaming.train_stream(job, *rows, window_bytes, follow(callback), snapshots)
        return self._set_model(model, classes, config=config)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MultiLabelClassifier:
        """Train further: one pass of every member over these rows; the first call is `fit`.

        The report stays that of the first fit and is marked as stale, because every member has then seen every new
        row. Thresholds stay as they are.

        Args:
            X: As for `fit`.
            y: As for `fit`, with the same labels.
            classes: Ignored; there for scikit-learn's interface.
            sample_weight: As for `fit`.
        """
        if not hasattr(self, "model_"):
            return self.fit(X, y, sample_weight)
        models.segmentation.refuse_pixels(self.model_, "only models of rows can be trained further")
        features, targets = self._rows(X, y)
        with training_progress(self.verbose) as callback:
            models.incremental.continue_training(
                self.model_, features, targets, row_weights(sample_weight, targets.n_samples), 1, callback
            )
        return self

    def add_labels(
        self, X: Any, y: Any = None, *, labels: Sequence[str] | None = None, epochs: int | str = "auto"
    ) -> MultiLabelClassifier:
        """Learn labels that came up after `fit`: training continues from the old weights, with new output columns.

        Members keep to their folds, so rows of training (recognised by their features) stay held out from the members
        that never saw them, and the new report is as honest as the old one.

        Args:
            X: Rows as for `predict`, best those of `fit` and perhaps new ones.
            y: Targets with names, as for `fit`: the new labels, and the old ones where they are known. Old labels that
                are missing are those of `fit` for its own rows, and unknown for others.
            labels: Names of the columns of y, when y has none.
            epochs: Passes over the rows; "auto" is half as many as `fit` took.

        Returns:
            The classifier itself, with the new labels at the end of `labels_`.

        Raises:
            InputError: No label is new, a model without out-of-fold scores, or a Keras model of yours.
        """
        check_is_fitted(self)
        models.segmentation.refuse_pixels(self.model_, "only models of rows can learn further labels")
        features, (space, targets) = self._features(X), parse_named_targets(X, y, labels)
        check_row_counts(features, targets)
        extension = models.incremental.match_rows(self.model_, features, space, targets)
        with training_progress(self.verbose) as callback:
            model = models.incremental.add_labels(
                self.model_, extension, epochs, X.ids if isinstance(X, Samples) else None, callback
            )
        if self.labels is not None:
            self.labels = model.labels.to_list()
        return self._set_model(model, None, self.read_options_)

    def explain(self, X: Any, labels: Sequence[str] | None = None, top: int = explanation.MAX_REASONS) -> Explanations:
        """Explain predictions: what in each row speaks for and against its labels.

        Explained is the mean logit of the members; of a parent in a taxonomy that of the label below it which each
        member scores highest. Without hidden layers (`hidden_layer_sizes=()`) and taxonomy the contributions of
        everything in a row and a constant sum to it; otherwise a contribution is gradient times input, which ranks
        what mattered and sums to nothing in particular. Words of a text get the contributions of their word pairs and
        character n-grams. A model of images is explained by its images: what each pixel adds to the logit, compared
        with images of one colour, in `maps`, summed over nine parts for `for_` and `against`. It shows what the
        network used, not what causes a label.

        Args:
            X: As for `predict`.
            labels: The labels to explain in every row; None for those that are predicted, or the one with the highest
                score where none is.
            top: Most reasons for and most against, each, 1 or more.

        Returns:
            For each row: label -> `Explanation`, which has `for_`, `against`, `to_dict()` and a text form.

        Raises:
            InputError: An unknown label, `top` below 1, or a model of arrays, whose numbers have no names.
        """
        check_is_fitted(self)
        models.segmentation.refuse_pixels(self.model_, "only models of rows are explained")
        features = self._features(X)
        scores = self.model_.scores(features)
        rows = explanation.explain.explain_rows(self.model_, features, scores, labels, top)
        return explanation.explain.Explanations(track_rows(rows, len(scores), self.verbose, "explaining"))

    def rank_for_labeling(self, X: Any, k: int, *, ids: Sequence[str] | None = None) -> RowsToLabel:
        """Rank unlabelled rows by how useful their labels would be: the k to have labelled next, best first.

        Useful are rows about whose labels the members of the ensemble disagree (mutual information of a label and the
        member, as a share of the label's entropy, summed over labels; Houlsby and others 2011), and that are unlike
        those ranked before: a score counts by the squared distance of the row's probabilities from the nearest of
        them. A row that the members agree on teaches little, even where they all say 0.5. Of rows with equal features
        the first is ranked. A model of one member ranks by entropy, and says so.

        Args:
            X: As for `predict`; scored in chunks.
            k: Rows to rank, 1 or more; fewer where X has fewer different ones.
            ids: Names of the rows; None for those of `Samples`, else their numbers from 1.

        Returns:
            Positions, scores and least settled labels of the rows.

        Raises:
            InputError: k below 1, or a model that labels pixels.
        """
        check_is_fitted(self)
        models.segmentation.refuse_pixels(self.model_, "rows to label next are chosen by models of rows")
        samples = X if isinstance(X, Samples) else None
        features, names = self._features(X), samples.row_ids() if samples is not None and ids is None else ids
        with stage_progress(self.verbose) as progress:
            ranking = models.labeling.rank_for_labeling(
                self.model_, features, k, names, self.on_bad_image, samples, progress
            )
        warn_of_table(ranking.notes)
        return ranking

    def plot_predictions(
        self,
        X: Any,
        folder: str | Path,
        *,
        explain: bool = False,
        limit: int = reports.MAX_DRAWN_ROWS,
        ids: Sequence[str] | None = None,
    ) -> list[Path]:
        """A picture of each row: its image beside its labels' probabilities and thresholds; or, of a model that labels
        pixels, the image under its predictions.

        Args:
            X: As for `predict`, with images.
            folder: Where the PNG files go; created if missing.
            explain: Whether maps of what spoke for and against the predicted labels are drawn too; see `explain`.
            limit: Rows that are drawn, the first ones, 1 or more.
            ids: Names of the rows; None for their numbers from 1.

        Returns:
            The files, one for each row; rows that `on_bad_image="skip"` leaves out have none.

        Raises:
            InputError: A model without images, an image that cannot be used, or explanations of labels of pixels.
            OutputError: A folder that cannot be written to.
        """
        check_is_fitted(self)
        images = reports.prediction_images.RowImages(self.model_, X, self._features(X), ids, self.on_bad_image)
        return images.plot_predictions(folder, explain, limit)

    def plot_errors(self, X: Any, y: Any, folder: str | Path, *, ids: Sequence[str] | None = None) -> dict[str, Path]:
        """For each label a sheet of its worst errors: false positives with the highest probability, false negatives
        with the lowest.

        Args:
            X: As for `predict`, with images; best rows that training never saw.
            y: Their targets, as for `fit`; unknown entries are left out.
            folder: Where the PNG files go; created if missing.
            ids: Names of the rows; None for their numbers from 1.

        Returns:
            Label -> file; a label without errors has none.

        Raises:
            InputError: A model without images, or targets that do not fit X.
            OutputError: A folder that cannot be written to.
        """
        check_is_fitted(self)
        models.segmentation.refuse_pixels(self.model_, "sheets of errors are for models that label whole images")
        features, targets = self._rows(X, y)
        images = reports.prediction_images.RowImages(self.model_, X, features, ids, self.on_bad_image)
        return images.plot_errors(targets, folder)

    def summary(self) -> str:
        """The layers of one member, as Keras shows them."""
        check_is_fitted(self)
        return self.model_.summary()

    def export_onnx(
        self, path: str | Path, encoder: bool = True, calibrated: bool = True, labels: bool = True
    ) -> dict[str, Any]:
        """Write an ONNX file, which other runtimes read; docs/how-to/onnx.md says what it takes and gives.

        Args:
            path: Where to; a file there is replaced only when the new one is complete.
            encoder: Whether the file encodes rows: numbers scaled, categories from their texts. Without, it takes the
                blocks that the encoder makes of rows, which is the only way for texts and sparse rows.
            calibrated: Whether `probabilities` are those of `predict_proba`, or uncalibrated ones.
            labels: Whether there is an output `labels` too, which decides as `predict` does.

        Returns:
            What the file says of itself (inputs, labels, thresholds, decision, versions), and under "comparison" the
            number of rows on which it was compared with this model and the largest difference of a probability; None
            where ONNX Runtime is not installed.

        Raises:
            InputError: An encoder, a network or a decision that an ONNX file does not hold; onnx is not installed.
            OutputError: A file that cannot be written.
        """
        check_is_fitted(self)
        return export.onnx_file.export(self.model_, path, encoder, calibrated, labels)

    def _configs(self) -> tuple[TrainingConfig, RuntimeConfig]:
        """The settings of one fit, validated, with its seed."""
        training, runtime = (
            {field.name: getattr(self, field.name) for field in fields(config_class)}
            for config_class in (TrainingConfig, RuntimeConfig)
        )
        training["random_state"] = draw_seed(self.random_state)
        if not isinstance(self.network, str):
            training["network"] = CUSTOM
        if not isinstance(self.text, str):
            training["text"] = CUSTOM_TEXT
        configs = TrainingConfig(**training), RuntimeConfig(**runtime)
        engine.set_compilation_cache(configs[1].compilation_cache)
        return configs

    def _inputs(self, X: Any, y: Any, config: TrainingConfig, runtime: RuntimeConfig) -> TrainingInputs:
        """X, y and the settings as training takes them; sets `n_features_in_` and `feature_names_in_`."""
        samples = X if isinstance(X, Samples) else None
        y, names = resolve_targets(samples, y, self.labels)
        if is_pixel_targets(y):
            raise InputError("labels of pixels are for `fit` alone", argument="y")
        table = self._training_features(X)
        with stage_progress(runtime.verbose) as progress:
            inputs = models.training_data.prepare_inputs(config, runtime, table, y, names, samples, self.text, progress)
        if samples is not None:  # their notes are with them, and whoever read them has said them
            return inputs
        notes = self._data_notes(y, inputs.labels.names, table)
        warn_of_table(notes)
        return inputs._replace(notes=(*inputs.targets.notes, *notes, *inputs.notes))

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        config: TrainingConfig,
        runtime: RuntimeConfig,
        snapshots: Checkpoint | None,
        follow: Follow,
    ) -> MultiLabelClassifier:
        if is_pixel_targets(X.targets if y is None and isinstance(X, Samples) else y):
            pixels = models.segmentation.pixel_inputs(config, runtime, X, y, self.labels)
            with training_progress(self.verbose, suggests_checkpoint=snapshots is None) as callback:
                model: Model = models.segmentation.train_pixels(pixels, sample_weight, follow(callback), snapshots)
            self.n_features_in_ = 1
            return self._set_model(model, None, config=config)
        inputs = self._inputs(X, y, config, runtime)
        with training_progress(self.verbose, suggests_checkpoint=snapshots is None) as callback:
            model = models.training.train_inputs(inputs, self.network, sample_weight, follow(callback), snapshots)
        return self._set_model(model, inputs.classes, config=config)
