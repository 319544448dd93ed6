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
from manyhot.config.images import IMAGE_NETWORKS, PIXEL_NETWORKS, image_settings
from manyhot.config.label_rules import checked_groups, checked_implications
from manyhot.config.losses import LOSS_SPECS, loss_settings
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.text import NGRAMS, TEXT_KINDS, text_settings
from manyhot.errors import InputError

OPTIMIZERS = ("auto", "adamw", "adam", "sgd", "own")
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
    "half",
    "top_k",
)
ENCODERS = ("auto", "standard", "none")
CUSTOM = "own"
"""Name of the network that is a Keras model of the user's."""
NETWORKS = ("auto", "mlp", "words", *IMAGE_NETWORKS, *PIXEL_NETWORKS, CUSTOM)
PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class TrainingConfig:
    """What changes the result.

    Args:
        members: Networks trained; predictions are their mean. "auto" picks by the number of rows.
        folds: Parts the rows are split into; each member is scored on the part it never saw. With fewer
            members than folds there are as many folds as members; one member is scored on a held-out part
            (a tenth, of fewer than 1,000 rows up to a quarter).
        epochs: Passes over the training rows, at most; "auto" picks by the number of rows.
        batch_size: Rows per optimizer step; "auto" picks by the number of rows.
        optimizer: "adamw", "adam", "sgd" or "own" (that of a compiled Keras model, with its learning rate and its
            schedule); "auto" takes "own" where there is one, else "adamw".
        learning_rate: Step size at its highest.
        schedule: How the learning rate moves: "constant", "cosine" or "linear" decay to zero over `epochs`.
        weight_decay: Decoupled weight decay of "adamw", per step and learning rate.
        momentum: Momentum of "sgd", 0 to below 1.
        nesterov: Whether "sgd" uses Nesterov's momentum.
        early_stopping: Whether a part of each member's rows decides when it stops; the best weights are kept.
        patience: Epochs without a better stopping loss before a member stops.
        stop_share: One in this many rows outside the held-out fold decides about stopping.
        network: "mlp" (dense layers), "words" (the same on learned vectors of words, for text="embeddings"), "cnn",
            "resnet" or "convnext" (plain, residual or depthwise convolutions, for images), "backbone" (a known network
            for images, which learns with the rest), "unet" (for labels of every pixel), "own" (a Keras model of your
            own), or "auto": whichever of "mlp", "words", "resnet", "backbone" and "unet" suits features and targets.
        hidden: Units of each hidden layer.
        activation: Activation of the hidden layers, by its Keras name.
        dropout: Share of hidden units dropped in training, 0 to below 1.
        batch_norm: Whether hidden layers are batch-normalised.
        prior_bias: Whether the output bias starts at each label's log odds in training; "auto" does so except in a
            Keras model of your own.
        encode: "standard" (numbers scaled, gaps filled, categories one-hot), "none" (numbers as they are), or "auto":
            "none" for a Keras model of your own, else "standard".
        text: How columns of text become numbers: "ngrams" (words, pairs of words and pieces of words), "static" (the
            mean of fixed vectors, from Model2Vec files), "embeddings" (a vector for each word, learned by the
            network), "pretrained" (a transformer of keras-hub's, as it is), or "own" for a function of yours.
        text_settings: Settings of `text` by name, such as {"max_words": 20000}; None for its defaults. "ngrams" has
            max_words, max_characters and hashed, "static" model, "embeddings" max_words, buckets,
            max_tokens, units and pool, "pretrained" preset, max_tokens and cache, "own" name and cache.
        image_settings: Settings for images by name, such as {"size": 128, "augment": "flip+shift"}; None for the
            defaults: size, channels and fit (how images are brought to one size), backbone (a known network that looks
            at them), weights, tune, tune_rate and cache (where it begins, and whether it learns too), filters, blocks,
            kernel and pool (of other networks; pool not of "unet"), patch, tile and overlap (of labels of pixels),
            augment and strength (how they are varied in training).
        loss: "binary_crossentropy", "focal", "asymmetric", "class_balanced", "distribution_balanced", "two_way",
            "zlpr", "hill", "entropy_maximization", "weak_negatives", or "categorical_crossentropy" with
            `head="softmax"`; "auto" takes "binary_crossentropy", and "hill" with `positive_only`.
        loss_settings: Hyperparameters of the loss by name, such as {"gamma": 2}; None for the loss's defaults.
        label_smoothing: How far targets are moved towards 0.5 in training, 0 to below 1; 0 with `head="softmax"`.
        label_weights: Label name -> weight of its entries in the loss (1 where not named); or "balanced": positives
            weigh as much as negatives within each label, at most 10 times as much.
        positive_only: Whether only yes was ever recorded, so that a 0 means "not recorded" and not "no". Assumes that
            which of the labels that hold were recorded does not depend on the sample.
        head: What turns logits into probabilities: "sigmoid", or "softmax", which suits exclusive labels only.
        allow_softmax: Whether softmax may be used although samples carry several labels, for comparison.
        calibrate: How probabilities are corrected on out-of-fold scores: "temperature", "platt", "beta", "isotonic",
            "none", or "auto": whichever has the best cross-validated log loss, "none" unless beaten (and always for
            softmax, positive-only data and a Keras model of your own). "two_way" only ranks: it is refused with "none",
            and "auto" compares for it in every case.
        decide: How scores become decisions: thresholds tuned for "f1_macro", "fbeta_macro", "f1_micro", "f1_samples",
            "jaccard_samples", "hamming", "cost", "precision", "recall" or "cardinality"; "half" (0.5) or "top_k".
        top_k: Labels answered per sample by `decide="top_k"`.
        least_f1: A label whose best F1 stays below this is answered only at scores at least as high as any seen;
            0 for the exact optimum always. Without it a hopeless rare label is answered nearly everywhere.
        decide_settings: Further settings of the decision by name, such as {"at_least": 0.9} for "precision"; None for
            its defaults. A number per label is a mapping from label names.
        implies: Pairs (label, label that it implies): who answers the first answers the second.
        exclusive: Groups of labels of which at most one is answered.
        least_labels: Labels answered per sample, at least.
        most_labels: Labels answered per sample, at most; None for no limit.
        precision: "float32" or "float64".
        seed: Start of everything random.

    Raises:
        InputError: A value out of its range, naming the field.
    """

    members: int | Literal["auto"] = "auto"
    folds: int = 8
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
    stop_share: int = 8
    network: str = "auto"
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"
    dropout: float = 0.3
    batch_norm: bool = False
    prior_bias: bool | Literal["auto"] = "auto"
    encode: str = "auto"
    text: str = NGRAMS
    text_settings: Mapping[str, Any] | None = None
    image_settings: Mapping[str, Any] | None = None
    loss: str = "auto"
    loss_settings: Mapping[str, float] | None = None
    label_smoothing: float = 0.0
    label_weights: Mapping[str, float] | str | None = None
    positive_only: bool = False
    head: str = "sigmoid"
    allow_softmax: bool = False
    calibrate: str = "auto"
    decide: str = "f1_macro"
    top_k: int = 3
    least_f1: float = 0.1
    decide_settings: Mapping[str, Any] | None = None
    implies: tuple[tuple[str, str], ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    least_labels: int = 0
    most_labels: int | None = None
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        self._keep(
            members=unless_auto(validation.integer, members=self.members, low=1, high=100_000),
            folds=validation.integer(folds=self.folds, low=2, high=10_000),
            epochs=unless_auto(validation.integer, epochs=self.epochs, low=1),
            batch_size=unless_auto(validation.integer, batch_size=self.batch_size, low=1),
            optimizer=validation.one_of(OPTIMIZERS, optimizer=self.optimizer),
            learning_rate=validation.positive(learning_rate=self.learning_rate),
            schedule=validation.one_of(SCHEDULES, schedule=self.schedule),
            weight_decay=validation.number(weight_decay=self.weight_decay, low=0.0),
            momentum=validation.number(momentum=self.momentum, low=0.0, high=0.999999),
            patience=validation.integer(patience=self.patience, low=1),
            stop_share=validation.integer(stop_share=self.stop_share, low=2),
            network=validation.one_of(NETWORKS, network=self.network),
            dropout=validation.number(dropout=self.dropout, low=0.0, high=0.99),
            prior_bias=unless_auto(validation.boolean, prior_bias=self.prior_bias),
            encode=validation.one_of(ENCODERS, encode=self.encode),
            text=validation.one_of(TEXT_KINDS, text=self.text),
            loss=validation.one_of(LOSSES, loss=self.loss),
            label_smoothing=validation.number(label_smoothing=self.label_smoothing, low=0.0, high=0.99),
            head=validation.one_of(HEADS, head=self.head),
            calibrate=validation.one_of(CALIBRATIONS, calibrate=self.calibrate),
            decide=validation.one_of(DECISIONS, decide=self.decide),
            top_k=validation.integer(top_k=self.top_k, low=1),
            least_f1=validation.number(least_f1=self.least_f1, low=0.0, high=1.0),
            implies=checked_implications(self.implies),
            exclusive=checked_groups(self.exclusive),
            least_labels=validation.integer(least_labels=self.least_labels, low=0),
            precision=validation.one_of(PRECISIONS, precision=self.precision),
            seed=validation.integer(seed=self.seed, low=0, high=2**32 - 1),
        )
        if self.most_labels is not None:
            self._keep(most_labels=validation.integer(most_labels=self.most_labels, low=max(1, self.least_labels)))
        for name in ("nesterov", "early_stopping", "batch_norm", "allow_softmax", "positive_only"):
            validation.boolean(**{name: getattr(self, name)})
        if self.text_settings is not None:
            settings = text_settings(self.text, self.text_settings)
            self._keep(text_settings={str(name): settings[name] for name in self.text_settings})
        if self.image_settings is not None:
            settings = image_settings(self.image_settings)
            self._keep(image_settings={str(name): settings[name] for name in self.image_settings})
        if self.decide_settings is not None:
            if not isinstance(self.decide_settings, Mapping):
                raise InputError(
                    f"got {validation.shown(self.decide_settings)}, expected settings by name such as "
                    "{'at_least': 0.9}",
                    argument="decide_settings",
                )
            self._keep(decide_settings=json_value(self.decide_settings))
        if not isinstance(self.hidden, (tuple, list)):
            raise InputError(
                f"got {validation.shown(self.hidden)}, expected layer sizes such as (256, 256)", argument="hidden"
            )
        self._keep(hidden=tuple(validation.integer(hidden=units, low=1) for units in self.hidden))
        if not isinstance(self.activation, str):
            raise InputError(
                f"got {validation.shown(self.activation)}, expected the Keras name of an activation such as 'relu'",
                argument="activation",
            )
        self._keep(activation=str(self.activation))
        self._check_loss()
        self._check_calibration()

    def _keep(self, **values: Any) -> None:
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
        loss = self.loss_used
        settings = loss_settings(loss, {} if self.loss_settings is None else self.loss_settings)
        if self.loss_settings is not None:
            self._keep(loss_settings={str(name): settings[name] for name in self.loss_settings})
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
            self._keep(label_weights={str(name): validation.number(label_weights=w, low=0.0) for name, w in weights})
        elif self.label_weights is not None:
            self._keep(label_weights=validation.one_of(("balanced",), label_weights=self.label_weights))
        if self.positive_only and self.head == "softmax":
            raise InputError("softmax needs to know which labels do not hold", argument="positive_only")

    def _check_calibration(self) -> None:
        if self.calibrate == "none" and LOSS_SPECS[self.loss_used].is_shift_free:
            raise InputError(
                f"the loss {self.loss_used!r} only ranks: its scores have no zero point of their own and are no "
                "probabilities before they are calibrated; say calibrate='auto' or another kind, or choose another "
                "loss",
                argument="calibrate",
            )

    @property
    def loss_used(self) -> str:
        """The name of the loss, where it is "auto" the one that this stands for."""
        if self.loss != "auto":
            return self.loss
        return "hill" if self.positive_only else "binary_crossentropy"


def to_dict(settings: TrainingConfig | RuntimeConfig) -> dict[str, Any]:
    """The fields as plain JSON values."""
    return {name: json_value(value) for name, value in asdict(settings).items()}


def config_from_dict(values: Mapping[str, Any]) -> TrainingConfig:
    """A plan from its JSON form; unknown names are refused with a suggestion."""
    known = {f.name for f in fields(TrainingConfig)}
    for name in values:
        if name not in known:
            raise InputError(f"there is no such setting{validation.did_you_mean(name, known)}", argument=name[:100])
    return TrainingConfig(**values)
