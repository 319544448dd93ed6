"""Settings that change the result, under the same name in Python, on the command line (`--batch-size`) and in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from manyhot import validation
from manyhot.config.fields import (
    AUTO,
    NONE,
    BoolField,
    ChoiceField,
    CustomField,
    FloatField,
    IntField,
    Settings,
    json_value,
    setting,
    settings_of,
)
from manyhot.config.images import IMAGE_NETWORKS, PIXEL_NETWORKS, image_params
from manyhot.config.label_rules import TAXONOMY, validate_groups, validate_implications, validate_taxonomy
from manyhot.config.losses import LOSS_SPECS, loss_params
from manyhot.config.text import TEXT_KINDS, TFIDF, text_params
from manyhot.errors import InputError

SCHEDULES = ("constant", "cosine", "linear")
LOSSES = ("auto", *LOSS_SPECS)
LINEAR, BINS = "linear", "bins"
BRANCHES = (AUTO, NONE, LINEAR, BINS, f"{BINS}+{LINEAR}")
HEADS = ("sigmoid", "softmax")
SOFTMAX_LOSSES = ("auto", "binary_crossentropy", "categorical_crossentropy")
TEMPERATURE, PLATT, BETA, ISOTONIC = "temperature", "platt", "beta", "isotonic"
CALIBRATIONS = (AUTO, NONE, TEMPERATURE, PLATT, BETA, ISOTONIC)
DECISIONS = (
    AUTO,
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
C = TypeVar("C", bound=Settings)
MAX_HIDDEN_LAYERS = 64
"""Keras walks through layers by recursion, and four of its layers make a hidden one."""
MAX_UNITS = 10_000_000


def layer_sizes(name: str, value: Any) -> tuple[int, ...]:
    """Units of each hidden layer."""
    if not isinstance(value, (tuple, list)):
        raise InputError(f"got {validation.shorten(value)}, expected layer sizes such as (256, 256)", argument=name)
    if len(value) > MAX_HIDDEN_LAYERS:
        raise InputError(f"got {len(value):,} layers, expected {MAX_HIDDEN_LAYERS} at most", argument=name)
    return tuple(validation.integer(low=1, high=MAX_UNITS, **{name: units}) for units in value)


def activation_name(name: str, value: Any) -> str:
    """The Keras name of an activation; Keras itself knows whether there is one."""
    if not isinstance(value, str):
        raise InputError(
            f"got {validation.shorten(value)}, expected the Keras name of an activation such as 'relu'", argument=name
        )
    return str(value)


def positive(name: str, value: Any) -> float:
    """A number above 0."""
    return validation.positive(**{name: value})


def _label_weights(name: str, value: Any) -> dict[str, float] | str | None:
    if not isinstance(value, Mapping):
        return None if value is None else str(validation.one_of(("balanced",), **{name: value}))
    for label in value:
        if not isinstance(label, str):
            raise InputError(f"got {label!r}, expected the name of a label", argument=name)
    return {str(label): validation.number(low=0.0, **{name: weight}) for label, weight in value.items()}


def _decision_params(name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, Mapping):
        raise InputError(
            f"got {validation.shorten(value)}, expected settings by name such as {{'min_precision': 0.9}}",
            argument=name,
        )
    return json_value(value)


def _checked_later(name: str, value: Any) -> Any:
    """A value whose range depends on other settings."""
    return value


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """Settings that change the result.

    The first sentence on each is its help on the command line.

    Args:
        n_members: Networks in the ensemble, 1 to 100,000; predictions are their mean. "auto" depends on the number of
            rows.
        n_folds: Folds for out-of-fold scores, 2 to 10,000. Each member is scored on the fold that it was not trained
            on. With fewer members than folds there are as many folds as members; a single member is scored on a
            held-out part (a tenth of the rows; up to a quarter of fewer than 1,000).
        epochs: Passes over the training rows, at most, 1 or more; "auto" compares several on rows left out of training.
            It starts from a number that depends on the number of rows, doubles or halves it, and takes the one with the
            lowest loss on rows left out of some members' training. Networks for images, Keras models of yours, streams,
            other losses, label weights and early stopping go by the rows alone.
        batch_size: Rows per optimizer step, 1 or more; "auto" depends on the number of rows.
        optimizer: Optimizer; "auto" is "adamw". One of "adamw", "adam", "sgd", or "compiled" (that of a compiled Keras
            model, with its learning rate and schedule); with such a model "auto" is "compiled".
        learning_rate: Peak learning rate, above 0.
        schedule: Learning rate over `epochs`: "constant", or decaying to zero by "cosine" or "linear".
        weight_decay: Decoupled weight decay of "adamw", 0 or more.
        momentum: Momentum of "sgd", from 0 to below 1.
        nesterov: Whether "sgd" uses Nesterov momentum.
        early_stopping: Whether training stops when the loss on validation rows no longer improves. The best weights are
            restored.
        patience: Epochs without a better validation loss before a member stops, 1 or more.
        validation_fraction: Fraction of each member's training rows used as validation rows by `early_stopping`, 0.001
            to 0.5.
        network: "mlp" for tables and text, "embedding_bag" for `text="embeddings"`, "cnn", "resnet", "convnext" or
            "backbone" (pretrained) for images, "unet" for labels of pixels, or "auto", by features and targets. "mlp"
            has dense layers, "embedding_bag" dense layers on learned word embeddings; "backbone" is fine-tuned;
            "custom" is a Keras model of yours, in Python. "auto" is the one of "mlp", "embedding_bag", "resnet",
            "backbone" and "unet" that suits features and targets.
        hidden_layer_sizes: Units of each hidden layer, each 1 or more; 64 layers at most. () (on the command line:
            none) for no hidden layer.
        branches: What the network "mlp" has beside its hidden layers: "linear" logits straight from the columns, hidden
            layers on "bins" of numbers, both or "none"; "auto" goes by the columns. "linear", "bins", "bins+linear",
            "none", or "auto": "linear" for sparse columns and TF-IDF, "bins" (each number's place among fixed bins) for
            up to 500 dense columns. Each branch has a loss of its own. The logits of all branches are averaged, by
            weights that are chosen on out-of-fold scores.
        activation: Activation of the hidden layers, by its Keras name.
        dropout: Fraction of hidden units dropped in training, 0 to 0.99.
        batch_norm: Whether hidden layers use batch normalization.
        prior_bias: Whether the output bias starts at each label's log odds. "auto" does so except for a Keras model of
            yours.
        preprocessing: "standard" scales numbers, imputes gaps and one-hot encodes categories; "none" takes numbers as
            they are. "auto" is "none" for a Keras model of yours, else "standard".
        text: How text columns become numbers: "tfidf", "static" (pretrained word embeddings), "embeddings" (learned),
            "onnx" (a pretrained model) or "pretrained" (a transformer). "tfidf" is made of words, word pairs and
            character n-grams; "static" is the mean of static embeddings, from Model2Vec files; "embeddings" are word
            embeddings learned by the network; "onnx" is a frozen model in ONNX, "pretrained" a frozen keras-hub
            transformer; "custom" is a function of yours, in Python.
        text_params: Parameters of `text` by name, such as max_words=20000 for "tfidf", model=FOLDER for "static" or
            "onnx", preset=FOLDER for "pretrained". A mapping in Python; None for the defaults. "tfidf" has max_words,
            max_characters and hashed, "static" model, "embeddings" max_words, buckets, max_tokens, units and pool,
            "onnx" model, pool, max_tokens, cache and embed, "pretrained" preset, max_tokens and cache, "custom" name
            and cache.
        image_params: Parameters for images by name, such as size=128, augment=flip+shift or backbone=resnet50. A
            mapping in Python; None for the defaults. size, channels and fit bring images to one size; backbone,
            weights, fine_tune_epochs, fine_tune_learning_rate and cache choose a pretrained network; filters, blocks,
            kernel and pool shape the other networks; patch, tile and overlap are for "unet"; augment and strength set
            the data augmentation.
        loss: "binary_crossentropy", "focal", "asymmetric", "class_balanced", "distribution_balanced", "two_way",
            "zlpr", "hill", "entropy_maximization", "weak_negatives", or "categorical_crossentropy" for
            `head="softmax"`. "auto" is "binary_crossentropy", or "hill" with `positive_unlabeled`.
        loss_params: Parameters of `loss` by name, such as gamma=2 for "focal". A mapping in Python; None for the
            defaults.
        label_smoothing: How far targets move towards 0.5 in training, 0 to 0.99. 0 with `head="softmax"`.
        label_weights: Weights of labels in the loss, 0 or more (1 where not named); or "balanced": positives weigh as
            much as negatives within each label. In Python a mapping from label names, or "balanced", which weighs at
            most 10 times as much.
        positive_unlabeled: Whether a 0 means "not recorded" rather than "no" (positive-unlabeled data). Assumes that
            which positives were recorded does not depend on the sample.
        head: Output activation: "sigmoid", or "softmax", which suits mutually exclusive labels only.
        allow_softmax: Whether softmax may be used on samples with several labels, for comparison.
        calibration: Calibration of probabilities on out-of-fold scores: "temperature", "platt", "beta", "isotonic",
            "none", or "auto", the one with the best cross-validated log loss. "auto" is "none" unless that is beaten
            (and always for softmax, positive-unlabeled data and a Keras model of yours). The loss "two_way" only ranks:
            it is refused with "none", and "auto" always compares for it.
        decision: How scores become label sets: thresholds that raise F1 and exact match ("auto") or are tuned for
            "f1_macro", "fbeta_macro", "f1_micro", "f1_samples", "jaccard_samples", "hamming", "cost", "precision",
            "recall" or "cardinality"; a "fixed" threshold; or "top_k". "auto" beats a cutoff of 0.5
            on F1 and exact match, without adding many wrong predictions.
        top_k: Labels predicted per sample by `decision="top_k"`, 1 or more.
        min_f1: With `decision="f1_macro"`, 0 to 1: a label whose best F1 stays below this is predicted only at its very
            highest scores. It is predicted only where it scores as high as its highest out-of-fold score; 0 for the
            exact optimum always. Without it a hopeless rare label is predicted nearly everywhere.
        decision_params: Parameters of `decision` by name, such as threshold=0.5 for "fixed" or min_precision=0.9 for
            "precision". "precision" needs min_precision, "recall" min_recall. A mapping in Python; None for the
            defaults. A number per label is a mapping from label names.
        implies: Pairs (label, implied label): a sample with the first also gets the second. On the command line
            'car>vehicle,dog>animal'.
        taxonomy: Pairs (label, parent), or a CSV file with the columns parent and child: a parent is at least as likely
            as its descendants. This holds in training, scores and decisions (the maximum constraint). On the command
            line pairs as for `implies`, or the file's name.
        exclusive: Groups of labels of which at most one is predicted. On the command line 'day|night,in|out'.
        min_labels: Labels predicted per sample, at least, 0 or more.
        max_labels: Labels predicted per sample, at most, 1 or more. None (on the command line: none) for no limit.
        dtype: Numbers of training and prediction: "float32" or "float64".
        random_state: Seed of everything random, 0 to 4,294,967,295.

    Raises:
        InputError: A value out of its range, naming the field.
    """

    n_members: int | Literal["auto"] = setting(IntField("auto", 1, 100_000))
    n_folds: int = setting(IntField(8, 2, 10_000))
    epochs: int | Literal["auto"] = setting(IntField("auto", 1))
    batch_size: int | Literal["auto"] = setting(IntField("auto", 1))
    optimizer: str = setting(ChoiceField("auto", OPTIMIZERS))
    learning_rate: float = setting(CustomField(2e-3, positive))
    schedule: str = setting(ChoiceField("cosine", SCHEDULES))
    weight_decay: float = setting(FloatField(1e-2, 0.0))
    momentum: float = setting(FloatField(0.9, 0.0, 0.999999))
    nesterov: bool = setting(BoolField(False))
    early_stopping: bool = setting(BoolField(False))
    patience: int = setting(IntField(8, 1))
    validation_fraction: float = setting(FloatField(0.125, 1e-3, 0.5))
    network: str = setting(ChoiceField("auto", NETWORKS))
    hidden_layer_sizes: tuple[int, ...] = setting(CustomField((256, 256), layer_sizes))
    branches: str = setting(ChoiceField(AUTO, BRANCHES))
    activation: str = setting(CustomField("relu", activation_name))
    dropout: float = setting(FloatField(0.3, 0.0, 0.99))
    batch_norm: bool = setting(BoolField(False))
    prior_bias: bool | Literal["auto"] = setting(BoolField("auto"))
    preprocessing: str = setting(ChoiceField("auto", ENCODERS))
    text: str = setting(ChoiceField(TFIDF, tuple(TEXT_KINDS)))
    text_params: Mapping[str, Any] = setting(CustomField(None, _checked_later))
    image_params: Mapping[str, Any] = setting(CustomField(None, _checked_later))
    loss: str = setting(ChoiceField("auto", LOSSES))
    loss_params: Mapping[str, float] = setting(CustomField(None, _checked_later))
    label_smoothing: float = setting(FloatField(0.0, 0.0, 0.99))
    label_weights: Mapping[str, float] | str | None = setting(CustomField(None, _label_weights))
    positive_unlabeled: bool = setting(BoolField(False))
    head: str = setting(ChoiceField("sigmoid", HEADS))
    allow_softmax: bool = setting(BoolField(False))
    calibration: str = setting(ChoiceField(AUTO, CALIBRATIONS))
    decision: str = setting(ChoiceField(AUTO, DECISIONS))
    top_k: int = setting(IntField(3, 1))
    min_f1: float = setting(FloatField(0.1, 0.0, 1.0))
    decision_params: Mapping[str, Any] | None = setting(CustomField(None, _decision_params))
    implies: tuple[tuple[str, str], ...] = setting(CustomField((), lambda _, pairs: validate_implications(pairs)))
    taxonomy: tuple[tuple[str, str], ...] = setting(CustomField((), lambda _, pairs: validate_taxonomy(pairs)))
    exclusive: tuple[tuple[str, ...], ...] = setting(CustomField((), lambda _, groups: validate_groups(groups)))
    min_labels: int = setting(IntField(0, 0))
    max_labels: int | None = setting(CustomField(None, _checked_later))
    dtype: str = setting(ChoiceField("float32", DTYPES))
    random_state: int = setting(IntField(0, 0, 2**32 - 1))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_labels is not None:
            self._store(max_labels=validation.integer(max_labels=self.max_labels, low=max(1, self.min_labels)))
        self._check_head()
        loss_values = loss_params(self.resolved_loss, self.loss_params)
        text_values, image_values = text_params(self.text, self.text_params), image_params(self.image_params)
        self._store(loss_params=loss_values, text_params=text_values, image_params=image_values)

    def _check_head(self) -> None:
        """Refuse settings that do not suit the head or the loss."""
        loss = self.resolved_loss
        if loss == "categorical_crossentropy" and self.head == "sigmoid":
            raise InputError(
                "categorical_crossentropy belongs to head='softmax'; sigmoids take binary_crossentropy",
                argument="loss",
            )
        if self.head == "softmax" and self.loss not in SOFTMAX_LOSSES:
            raise InputError(f"{self.loss} belongs to head='sigmoid'", argument="loss")
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
        if self.taxonomy and self.head == "softmax":
            raise InputError(
                "a row with a label has its ancestors too, but a softmax makes labels compete; use head='sigmoid'",
                argument=TAXONOMY,
            )
        if self.positive_unlabeled and self.head == "softmax":
            raise InputError("softmax needs to know which labels do not hold", argument="positive_unlabeled")
        if self.calibration == "none" and LOSS_SPECS[loss].is_shift_free:
            raise InputError(
                f"the loss {loss!r} only ranks: its scores have no zero point of their own and are no probabilities "
                "before they are calibrated; say calibration='auto' or another kind, or choose another loss",
                argument="calibration",
            )

    @property
    def resolved_loss(self) -> str:
        """The name of the loss, where it is "auto" the one that this stands for."""
        if self.loss != "auto":
            return self.loss
        return "hill" if self.positive_unlabeled else "binary_crossentropy"

    @property
    def automatic(self) -> tuple[str, ...]:
        """The settings that are left to training; the decision stays "auto" and may be changed afterwards."""
        return tuple(name for name in settings_of(type(self)) if getattr(self, name) == AUTO and name != "decision")

    @property
    def is_encoded(self) -> bool:
        """Whether features are encoded, and do not go to the network as they are."""
        return self.preprocessing == "standard" or (self.preprocessing == "auto" and self.network != CUSTOM)


def config_from_dict(config_class: type[C], values: Mapping[str, Any]) -> C:
    """A config from its JSON form; unknown names are refused with a suggestion."""
    known = settings_of(config_class)
    for name in values:
        if name not in known:
            raise InputError(f"there is no such setting{validation.did_you_mean(name, known)}", argument=name[:100])
    return config_class(**values)
