"""Every setting, and the only home of its default.

`TrainingConfig` is what changes the result, `RuntimeConfig` what changes only speed, memory or what is shown.
A field's name is the same in Python, on the command line (`--batch-size`) and in JSON.
This module must not know how any of it is carried out. Start reading at `TrainingConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from manyhot import validation
from manyhot.config.fields import json_value, unless_auto
from manyhot.config.images import IMAGE_NETWORKS, PIXEL_NETWORKS, image_params
from manyhot.config.label_rules import validate_groups, validate_implications
from manyhot.config.losses import LOSS_SPECS, loss_params
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.text import TEXT_KINDS, TFIDF, text_params
from manyhot.errors import InputError

SCHEDULES = ("constant", "cosine", "linear")
LOSSES = ("auto", *LOSS_SPECS)
HEADS = ("sigmoid", "softmax")
SOFTMAX_LOSSES = ("auto", "binary_crossentropy", "categorical_crossentropy")
CALIBRATIONS = ("auto", "none", "temperature", "platt", "beta", "isotonic")
DECISIONS = (
    "f1_macro",
    "fbeta_macro",
    "f1_micro",
    "f1_samples",
    "jaccard_samples",
    "hamming",
    "cost",
    "precision",
    "recall",
    "cardinality",
    "fixed",
    "top_k",
)
ENCODERS = ("auto", "standard", "none")
CUSTOM = "custom"
"""Name of the network that is a Keras model of the user's."""
COMPILED = "compiled"
"""Name of the optimizer that a compiled Keras model brings."""
OPTIMIZERS = ("auto", "adamw", "adam", "sgd", COMPILED)
BUILT_NETWORKS = ("mlp", "embedding_bag", *IMAGE_NETWORKS, *PIXEL_NETWORKS)
"""Networks that manyhot builds itself: the rows of `networks.BUILDERS`."""
NETWORKS = ("auto", *BUILT_NETWORKS, CUSTOM)
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class TrainingConfig:
    """Settings that change the result.

    Args:
        n_members: Networks in the ensemble, 1 to 100,000; predictions are their mean. "auto" depends on the number of
            rows.
        n_folds: Folds for out-of-fold scores, 2 to 10,000; each member is scored on the fold that it was not trained
            on. With fewer members than folds there are as many folds as members; a single member is scored on a
            held-out part (a tenth of the rows; up to a quarter of fewer than 1,000).
        epochs: Passes over the training rows, at most, 1 or more; "auto" depends on the number of rows.
        batch_size: Rows per optimizer step, 1 or more; "auto" depends on the number of rows.
        optimizer: "adamw", "adam", "sgd", or "compiled" (that of a compiled Keras model, with its learning rate and
            schedule); "auto" is "compiled" where there is one, else "adamw".
        learning_rate: Peak learning rate, above 0.
        schedule: Learning rate over `epochs`: "constant", or decaying to zero by "cosine" or "linear".
        weight_decay: Decoupled weight decay of "adamw", 0 or more.
        momentum: Momentum of "sgd", from 0 to below 1.
        nesterov: Whether "sgd" uses Nesterov momentum.
        early_stopping: Whether training stops when the loss on validation rows no longer improves; the best weights
            are restored.
        patience: Epochs without a better validation loss before a member stops, 1 or more.
        validation_fraction: Fraction of each member's training rows used as validation rows by `early_stopping`, 0.001
            to 0.5.
        network: "mlp" (dense layers), "embedding_bag" (dense layers on learned word embeddings, for
            text="embeddings"), "cnn", "resnet" or "convnext" (for images), "backbone" (a pretrained network for images,
            fine-tuned), "unet" (labels for every pixel), "custom" (a Keras model of yours, in Python), or "auto": the
            one of "mlp", "embedding_bag", "resnet", "backbone" and "unet" that suits features and targets.
        hidden_layer_sizes: Units of each hidden layer, each 1 or more; () (on the command line: none) for no hidden
            layer.
        activation: Activation of the hidden layers, by its Keras name.
        dropout: Fraction of hidden units dropped in training, 0 to 0.99.
        batch_norm: Whether hidden layers use batch normalization.
        prior_bias: Whether the output bias starts at each label's log odds; "auto" does so except for a Keras model of
            yours.
        preprocessing: "standard" (numbers scaled, gaps imputed, categories one-hot encoded), "none" (numbers as they
            are), or "auto": "none" for a Keras model of yours, else "standard".
        text: How text columns become numbers: "tfidf" (words, word pairs and character n-grams), "static" (mean of
            static embeddings, from Model2Vec files), "embeddings" (word embeddings learned by the network),
            "pretrained" (a frozen keras-hub transformer), or "custom" for a function of yours, in Python.
        text_params: Parameters of `text` by name, such as {"max_words": 20000}; None for its defaults. "tfidf" has
            max_words, max_characters and hashed, "static" model, "embeddings" max_words, buckets,
            max_tokens, units and pool, "pretrained" preset, max_tokens and cache, "custom" name and cache.
        image_params: Parameters for images by name, such as {"size": 128, "augment": "flip+shift"}; None for the
            defaults. size, channels and fit bring images to one size; backbone, weights, fine_tune_epochs,
            fine_tune_learning_rate and cache choose a pretrained network; filters, blocks, kernel and pool shape the
            other networks; patch, tile and overlap are for "unet"; augment and strength set the data augmentation.
        loss: "binary_crossentropy", "focal", "asymmetric", "class_balanced", "distribution_balanced", "two_way",
            "zlpr", "hill", "entropy_maximization", "weak_negatives", or "categorical_crossentropy" with
            `head="softmax"`; "auto" is "binary_crossentropy", or "hill" with `positive_unlabeled`.
        loss_params: Parameters of the loss by name, such as {"gamma": 2}; None for its defaults.
        label_smoothing: How far targets move towards 0.5 in training, 0 to 0.99; 0 with `head="softmax"`.
        label_weights: Label name -> weight of its entries in the loss, 0 or more (1 where not named); or "balanced":
            positives weigh as much as negatives within each label, at most 10 times as much.
        positive_unlabeled: Whether a 0 means "not recorded" rather than "no" (positive-unlabeled data). Assumes that
            which positives were recorded does not depend on the sample.
        head: Output activation: "sigmoid", or "softmax", which suits mutually exclusive labels only.
        allow_softmax: Whether softmax may be used on samples with several labels, for comparison.
        calibration: Calibration of probabilities on out-of-fold scores: "temperature", "platt", "beta", "isotonic",
            "none", or "auto": the one with the best cross-validated log loss, "none" unless beaten (and always for
            softmax, positive-unlabeled data and a Keras model of yours). The loss "two_way" only ranks: it is refused
            with "none", and "auto" always compares for it.
        decision: How scores become label sets: thresholds tuned for "f1_macro", "fbeta_macro", "f1_micro",
            "f1_samples", "jaccard_samples", "hamming", "cost", "precision", "recall" or "cardinality"; a "fixed"
            threshold; or "top_k".
        top_k: Labels predicted per sample by `decision="top_k"`, 1 or more.
        min_f1: A label whose best F1 stays below this is predicted only where it scores as high as its highest
            out-of-fold score, 0 to 1; 0 for the exact optimum always. Without it a hopeless rare label is predicted
            nearly everywhere.
        decision_params: Further parameters of the decision by name, such as {"threshold": 0.5} for "fixed" or
            {"min_precision": 0.9} for "precision" (needed there, as min_recall is for "recall"); None for its defaults.
            A number per label is a mapping from label
            names.
        implies: Pairs (label, implied label): a sample with the first also gets the second; on the command line
            'car>vehicle,dog>animal'.
        exclusive: Groups of labels of which at most one is predicted; on the command line 'day|night,in|out'.
        min_labels: Labels predicted per sample, at least, 0 or more.
        max_labels: Labels predicted per sample, at most, 1 or more; None (on the command line: none) for no limit.
        dtype: "float32" or "float64".
        random_state: Seed of everything random, 0 to 4,294,967,295.

    Raises:
        InputError: A value out of its range, naming the field.
    """

    n_members: int | Literal["auto"] = "auto"
    n_folds: int = 8
    epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    optimizer: str = "auto"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    weight_decay: float = 1e-2
    momentum: float = 0.9
    nesterov: bool = False
    early_stopping: bool = False
    patience: int = 8
    validation_fraction: float = 0.125
    network: str = "auto"
    hidden_layer_sizes: tuple[int, ...] = (256, 256)
    activation: str = "relu"
    dropout: float = 0.3
    batch_norm: bool = False
    prior_bias: bool | Literal["auto"] = "auto"
    preprocessing: str = "auto"
    text: str = TFIDF
    text_params: Mapping[str, Any] | None = None
    image_params: Mapping[str, Any] | None = None
    loss: str = "auto"
    loss_params: Mapping[str, float] | None = None
    label_smoothing: float = 0.0
    label_weights: Mapping[str, float] | str | None = None
    positive_unlabeled: bool = False
    head: str = "sigmoid"
    allow_softmax: bool = False
    calibration: str = "auto"
    decision: str = "f1_macro"
    top_k: int = 3
    min_f1: float = 0.1
    decision_params: Mapping[str, Any] | None = None
    implies: tuple[tuple[str, str], ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    min_labels: int = 0
    max_labels: int | None = None
    dtype: str = "float32"
    random_state: int = 0

    def __post_init__(self) -> None:
        self._set_fields(
            n_members=unless_auto(validation.integer, n_members=self.n_members, low=1, high=100_000),
            n_folds=validation.integer(n_folds=self.n_folds, low=2, high=10_000),
            epochs=unless_auto(validation.integer, epochs=self.epochs, low=1),
            batch_size=unless_auto(validation.integer, batch_size=self.batch_size, low=1),
            optimizer=validation.one_of(OPTIMIZERS, optimizer=self.optimizer),
            learning_rate=validation.positive(learning_rate=self.learning_rate),
            schedule=validation.one_of(SCHEDULES, schedule=self.schedule),
            weight_decay=validation.number(weight_decay=self.weight_decay, low=0.0),
            momentum=validation.number(momentum=self.momentum, low=0.0, high=0.999999),
            patience=validation.integer(patience=self.patience, low=1),
            validation_fraction=validation.number(validation_fraction=self.validation_fraction, low=1e-3, high=0.5),
            network=validation.one_of(NETWORKS, network=self.network),
            dropout=validation.number(dropout=self.dropout, low=0.0, high=0.99),
            prior_bias=unless_auto(validation.boolean, prior_bias=self.prior_bias),
            preprocessing=validation.one_of(ENCODERS, preprocessing=self.preprocessing),
            text=validation.one_of(TEXT_KINDS, text=self.text),
            loss=validation.one_of(LOSSES, loss=self.loss),
            label_smoothing=validation.number(label_smoothing=self.label_smoothing, low=0.0, high=0.99),
            head=validation.one_of(HEADS, head=self.head),
            calibration=validation.one_of(CALIBRATIONS, calibration=self.calibration),
            decision=validation.one_of(DECISIONS, decision=self.decision),
            top_k=validation.integer(top_k=self.top_k, low=1),
            min_f1=validation.number(min_f1=self.min_f1, low=0.0, high=1.0),
            implies=validate_implications(self.implies),
            exclusive=validate_groups(self.exclusive),
            min_labels=validation.integer(min_labels=self.min_labels, low=0),
            dtype=validation.one_of(DTYPES, dtype=self.dtype),
            random_state=validation.integer(random_state=self.random_state, low=0, high=2**32 - 1),
        )
        if self.max_labels is not None:
            self._set_fields(max_labels=validation.integer(max_labels=self.max_labels, low=max(1, self.min_labels)))
        for name in ("nesterov", "early_stopping", "batch_norm", "allow_softmax", "positive_unlabeled"):
            validation.boolean(**{name: getattr(self, name)})
        if self.text_params is not None:
            settings = text_params(self.text, self.text_params)
            self._set_fields(text_params={str(name): settings[name] for name in self.text_params})
        if self.image_params is not None:
            settings = image_params(self.image_params)
            self._set_fields(image_params={str(name): settings[name] for name in self.image_params})
        if self.decision_params is not None:
            if not isinstance(self.decision_params, Mapping):
                raise InputError(
                    f"got {validation.shorten(self.decision_params)}, expected settings by name such as "
                    "{'min_precision': 0.9}",
                    argument="decision_params",
                )
            self._set_fields(decision_params=json_value(self.decision_params))
        if not isinstance(self.hidden_layer_sizes, (tuple, list)):
            raise InputError(
                f"got {validation.shorten(self.hidden_layer_sizes)}, expected layer sizes such as (256, 256)",
                argument="hidden_layer_sizes",
            )
        self._set_fields(
            hidden_layer_sizes=tuple(
                validation.integer(hidden_layer_sizes=units, low=1) for units in self.hidden_layer_sizes
            )
        )
        if not isinstance(self.activation, str):
            raise InputError(
                f"got {validation.shorten(self.activation)}, expected the Keras name of an activation such as 'relu'",
                argument="activation",
            )
        self._set_fields(activation=str(self.activation))
        self._check_loss()
        self._check_calibration()

    def _set_fields(self, **values: Any) -> None:
        """Store what the checks gave back: plain Python values, whatever was handed in."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_loss(self) -> None:
        if self.loss == "categorical_crossentropy" and self.head == "sigmoid":
            raise InputError(
                "categorical_crossentropy belongs to head='softmax'; sigmoids take binary_crossentropy",
                argument="loss",
            )
        if self.head == "softmax" and self.loss not in SOFTMAX_LOSSES:
            raise InputError(f"{self.loss} belongs to head='sigmoid'", argument="loss")
        loss = self.resolved_loss
        settings = loss_params(loss, {} if self.loss_params is None else self.loss_params)
        if self.loss_params is not None:
            self._set_fields(loss_params={str(name): settings[name] for name in self.loss_params})
        if self.label_smoothing and self.head == "softmax":
            raise InputError(
                "targets are moved towards 0.5, which suits one sigmoid per label but not a softmax, whose "
                "probabilities sum to one; leave it at 0 or use head='sigmoid'",
                argument="label_smoothing",
            )
        if self.label_smoothing and LOSS_SPECS[loss].is_coupled:
            raise InputError(
                f"{loss} ranks labels against each other and takes no smoothing", argument="label_smoothing"
            )
        if isinstance(self.label_weights, Mapping):
            for label in self.label_weights:
                if not isinstance(label, str):
                    raise InputError(f"got {label!r}, expected the name of a label", argument="label_weights")
            weights = self.label_weights.items()
            self._set_fields(
                label_weights={str(name): validation.number(label_weights=w, low=0.0) for name, w in weights}
            )
        elif self.label_weights is not None:
            self._set_fields(label_weights=validation.one_of(("balanced",), label_weights=self.label_weights))
        if self.positive_unlabeled and self.head == "softmax":
            raise InputError("softmax needs to know which labels do not hold", argument="positive_unlabeled")

    def _check_calibration(self) -> None:
        if self.calibration == "none" and LOSS_SPECS[self.resolved_loss].is_shift_free:
            raise InputError(
                f"the loss {self.resolved_loss!r} only ranks: its scores have no zero point of their own and are no "
                "probabilities before they are calibrated; say calibration='auto' or another kind, or choose another "
                "loss",
                argument="calibration",
            )

    @property
    def resolved_loss(self) -> str:
        """The name of the loss, where it is "auto" the one that this stands for."""
        if self.loss != "auto":
            return self.loss
        return "hill" if self.positive_unlabeled else "binary_crossentropy"


def to_dict(config: TrainingConfig | RuntimeConfig) -> dict[str, Any]:
    """The fields as plain JSON values."""
    return {name: json_value(value) for name, value in asdict(config).items()}


def config_from_dict(values: Mapping[str, Any]) -> TrainingConfig:
    """A config from its JSON form; unknown names are refused with a suggestion."""
    known = {f.name for f in fields(TrainingConfig)}
    for name in values:
        if name not in known:
            raise InputError(f"there is no such setting{validation.did_you_mean(name, known)}", argument=name[:100])
    return TrainingConfig(**values)
