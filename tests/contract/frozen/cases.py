"""The models of tables and texts that are frozen: each a function that trains one and makes candidates for its rows.

They run in an empty folder, in which they may write; only what lies in the folder that they are given is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot import DecisionLayer, ExtremeMultiLabelClassifier, MultiLabelClassifier
from manyhot.backend import keras
from manyhot.data.readers import ReadOptions
from manyhot.encoders.text.custom import PROBE
from manyhot.models import half_precision
from manyhot.networks.text_transformer import preset_function
from tests.contract.frozen.answers import Doubled, letter_shares
from tests.fixtures.onnx_files import onnx_folder
from tests.fixtures.text_files import WORDS, preset_folder, static_folder

N = 96
CANDIDATES = 60
"""Rows of which the clear ones are kept."""
SMALL = {
    "n_members": 2,
    "n_folds": 2,
    "epochs": 12,
    "hidden_layer_sizes": (6,),
    "batch_size": 16,
    "learning_rate": 0.02,
}
SMALL |= {"dropout": 0.1, "verbose": 0, "decision": "f1_macro"}
MOODS = ["sad", "quiet", "fast"]


class Case(NamedTuple):
    """A model to be frozen.

    Attributes:
        classifier: The model.
        rows: Candidates for the stored rows, in the form that the model takes.
        save: Further arguments of `save`.
        files: Columns of the rows that name files in the folder of the case.
        features: What else is needed for loading it: text -> features.
    """

    classifier: MultiLabelClassifier | DecisionLayer | ExtremeMultiLabelClassifier
    rows: Any
    save: Mapping[str, Any] = {}
    files: tuple[str, ...] = ()
    features: Mapping[str, list[float]] | None = None


def trained(X: Any, y: Any, **settings: Any) -> MultiLabelClassifier:
    """A small model."""
    return MultiLabelClassifier(**SMALL | settings).fit(X, y)


def numbers(n: int, seed: int, width: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and three labels that depend on them."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, width))
    return X, (X[:, :3] + 0.6 * generator.normal(size=(n, 3)) > 0.2).astype(float)


def sentences(Y: np.ndarray, seed: int) -> list[str]:
    """Texts whose words tell of the labels: good, bad and very, among others."""
    generator = np.random.default_rng(seed)
    texts = []
    for row in Y:
        told = [word for word, holds in zip(("good", "bad", "very"), row, strict=True) if holds]
        words = [*told, *generator.choice(["the", "thing", "not", "grün", "😀", "stone"], size=4)]
        texts.append(" ".join(generator.permutation(words)) + ".")
    return texts


def with_gaps(cells: list[Any], seed: int, share: float = 0.1) -> list[Any]:
    """Some cells missing."""
    gaps = np.random.default_rng(seed).random(len(cells)) < share
    return [None if gap else cell for cell, gap in zip(cells, gaps, strict=True)]


def table(folder: Path) -> Case:
    """Numbers, a flag and categories with missing cells, and unknown targets."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = numbers(n, seed)
        columns = {
            "tempo": with_gaps((100 + 30 * X[:, 0]).round(1).tolist(), seed, 0.3),
            "loud": (X[:, 1] > 0.2).tolist(),
            "year": (1990 + 5 * X[:, 2]).astype(int).tolist(),
            "genre": with_gaps(
                np.array(["rock", "folk", "jazz"])[(X[:, 3] > 0) + (X[:, 4] > 0) * 1].tolist(), seed + 1
            ),
        }
        return pl.DataFrame(columns), Y

    X, Y = frame(N, 0)
    Y[::9, 1] = np.nan
    settings = {"calibration": "platt", "early_stopping": True, "label_weights": {"sad": 2.0}}
    return Case(trained(X, Y, labels=MOODS, **settings), frame(CANDIDATES, 1)[0])


def categories(folder: Path) -> Case:
    """Categories of two values, with and without gaps, between numbers, and more levels than a quarter of the rows."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = numbers(n, seed)
        generator = np.random.default_rng(seed + 1)
        columns = {
            "voice": np.where(X[:, 0] > 0.7, "w", "m").tolist(),
            "tempo": (100 + 30 * X[:, 1]).round(1).tolist(),
            "live": with_gaps(np.where(X[:, 2] > 0, "nein", "ja").tolist(), seed),
            "award": ["x" if x > 0.5 else None for x in X[:, 3]],
        }
        noise = {f"tag_{k}": generator.choice(["a", "b", "c"], n).tolist() for k in range(12)}
        return pl.DataFrame(columns | noise), Y

    return Case(trained(*frame(N, 0), labels=MOODS), frame(CANDIDATES, 1)[0])


def default_decision(folder: Path) -> Case:
    """Thresholds by the default decision."""
    return Case(trained(*numbers(N, 40), labels=MOODS, decision="auto"), numbers(CANDIDATES, 41)[0])


def single_labels(folder: Path) -> Case:
    """Two labels with a decision of their own beside the others, one of them by a precision, one by a recall."""
    classifier = trained(*numbers(N, 40), labels=MOODS, decision="f1_micro")
    classifier.tune_thresholds("precision", min_precision={MOODS[0]: 0.7})
    classifier.tune_thresholds("recall", min_recall={MOODS[1]: 0.8})
    return Case(classifier, numbers(CANDIDATES, 41)[0])


def decision_layer(folder: Path) -> Case:
    """Scores of another program in a frame, in another order than the labels, with unknown targets."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = numbers(n, seed)
        scores = 1 / (1 + np.exp(-1.5 * X[:, :3]))
        return pl.DataFrame(scores.round(4), schema=[f"p_{mood}" for mood in MOODS]).select(
            f"p_{mood}" for mood in reversed(MOODS)
        ), Y

    X, Y = frame(N, 50)
    Y[::7, 2] = np.nan
    layer = DecisionLayer(labels=MOODS, decision="f1_macro", calibration="platt", verbose=0)
    return Case(layer.fit(X, Y), frame(CANDIDATES, 51)[0])


def matrix(folder: Path) -> Case:
    """A dense matrix with missing numbers, in float64."""
    X, Y = numbers(N, 2)
    X[::7, 4] = np.nan
    settings = {
        "loss": "focal",
        "calibration": "beta",
        "decision": "f1_micro",
        "batch_norm": True,
        "activation": "tanh",
    }
    rows = numbers(CANDIDATES, 3)[0]
    rows[::3, 4] = np.nan
    return Case(trained(X, Y, dtype="float64", **settings), rows)


def sparse(folder: Path) -> Case:
    """A CSR matrix, of whose columns one has a scale of its own."""

    def rows(n: int, seed: int) -> tuple[sp.csr_matrix, np.ndarray]:
        X, Y = numbers(n, seed)
        X = np.c_[np.maximum(X, 0), np.random.default_rng(seed).random((n, 20)) < 0.1]
        X[:, 7] *= 1000
        return sp.csr_matrix(X), Y

    settings = {"loss": "asymmetric", "calibration": "temperature", "decision": "f1_samples"}
    return Case(trained(*rows(N, 4), labels=MOODS, **settings), rows(CANDIDATES, 5)[0])


def plain_numbers(folder: Path) -> Case:
    """Numbers that go into the network as they are."""
    settings = {"preprocessing": "none", "calibration": "none", "decision": "hamming", "label_smoothing": 0.1}
    return Case(trained(*numbers(N, 6), loss="entropy_maximization", **settings), numbers(CANDIDATES, 7)[0])


def two_classes(folder: Path) -> Case:
    """One binary target, as scikit-learn has it, and training that went on, so that its evidence is stale."""
    X, Y = numbers(N, 8)
    y = np.where(Y[:, 0] > 0, "yes", "no")
    return Case(trained(X, y).partial_fit(X[:50], y[:50]), numbers(CANDIDATES, 9)[0])


def exclusive_labels(folder: Path) -> Case:
    """A softmax, and the highest score as the answer."""
    X = numbers(N, 10)[0]
    Y = np.eye(3)[X[:, :3].argmax(axis=1)]
    settings = {"head": "softmax", "loss": "categorical_crossentropy", "decision": "top_k", "top_k": 1}
    return Case(trained(X, Y, labels=MOODS, **settings), numbers(CANDIDATES, 11)[0])


def text_tfidf(folder: Path) -> Case:
    """Texts alone, terms counted."""
    settings = {"text_params": {"max_words": 30, "max_characters": 40}, "loss": "zlpr", "calibration": "isotonic"}
    Y = numbers(2 * N, 12)[1]
    X = sentences(Y, 12)
    return Case(trained(X, Y, decision="jaccard_samples", **settings), sentences(numbers(CANDIDATES, 13)[1], 13))


def text_half_precision(folder: Path) -> Case:
    """Texts whose table of weights is rounded to half precision, as larger ones are."""
    settings = {"text_params": {"max_words": 30, "max_characters": 40}, "loss": "binary_crossentropy"}
    Y = numbers(2 * N, 48)[1]
    with patch.object(half_precision, "MIN_WEIGHTS", 0):
        classifier = trained(sentences(Y, 48), Y, labels=MOODS, **settings)
    return Case(classifier, sentences(numbers(CANDIDATES, 49)[1], 49))


def text_hashed(folder: Path) -> Case:
    """Two columns of texts, terms hashed; only yes was recorded."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        Y = numbers(n, seed)[1]
        columns = {"title": with_gaps(sentences(Y, seed), seed), "body": sentences(Y, seed + 100)}
        return pl.DataFrame(columns), Y

    settings = {"text_params": {"hashed": True, "max_words": 32, "max_characters": 32}, "positive_unlabeled": True}
    column_types = {"title": "text", "body": "text"}
    return Case(
        trained(*frame(N, 14), column_types=column_types, decision="f1_micro", **settings), frame(CANDIDATES, 15)[0]
    )


def text_static(folder: Path) -> Case:
    """Texts by fixed vectors, which travel in the file."""
    settings = {"text": "static", "text_params": {"model": str(static_folder(Path("vectors")))}}
    settings |= {"decision": "precision", "decision_params": {"min_precision": 0.7}, "loss": "weak_negatives"}
    Y = numbers(N, 16)[1]
    return Case(trained(sentences(Y, 16), Y, labels=MOODS, **settings), sentences(numbers(CANDIDATES, 17)[1], 17))


def text_onnx(folder: Path) -> Case:
    """Two columns of texts by a model in ONNX, which travels in the file once."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        Y = numbers(n, seed)[1]
        return pl.DataFrame({"title": sentences(Y, seed), "body": sentences(Y[::-1], seed)}), Y

    model = onnx_folder(Path("model"))
    settings = {"text": "onnx", "text_params": {"model": str(model), "cache": False, "embed": True}}
    column_types = {"title": "text", "body": "text"}
    return Case(trained(*frame(N, 44), column_types=column_types, **settings), frame(CANDIDATES, 45)[0])


def text_attention(folder: Path) -> Case:
    """Learned vectors of words, weighed for each label, beside a number."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = numbers(n, seed)
        return pl.DataFrame({"text": sentences(Y, seed), "price": X[:, 4]}), Y

    settings = {"text": "embeddings", "text_params": words_told(pool="attention"), "loss": "class_balanced"}
    settings |= {"decision": "cost", "decision_params": {"false_negative_cost": {"sad": 2, "quiet": 1, "fast": 3}}}
    classifier = trained(*frame(N, 18), labels=MOODS, column_types={"text": "text"}, **settings)
    return Case(classifier, frame(CANDIDATES, 19)[0])


def text_means(folder: Path) -> Case:
    """The mean of learned vectors of words, two columns of texts, and a number of labels that is kept to."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        Y = numbers(n, seed)[1]
        return pl.DataFrame({"title": sentences(Y, seed), "body": sentences(Y[::-1], seed)}), Y

    settings = {"text": "embeddings", "text_params": words_told(pool="mean"), "loss": "distribution_balanced"}
    settings |= {"min_labels": 1, "max_labels": 2}
    column_types = {"title": "text", "body": "text"}
    return Case(trained(*frame(N, 20), column_types=column_types, **settings), frame(CANDIDATES, 21)[0])


def words_told(pool: str) -> dict[str, Any]:
    """Few words with a vector of their own, the others sharing some."""
    return {"max_words": 7, "buckets": 4, "max_tokens": 12, "units": 4, "pool": pool}


def text_function(folder: Path) -> Case:
    """Texts by a function of the user's, which is handed over when the file is loaded."""
    settings = {"text": letter_shares, "text_params": {"name": "letter shares", "cache": False}}
    Y = numbers(N, 22)[1]
    return Case(trained(sentences(Y, 22), Y, **settings), sentences(numbers(CANDIDATES, 23)[1], 23))


def text_pretrained(folder: Path) -> Case:
    """Texts by a tiny transformer of keras-hub, whose features are stored beside, so that tests do without it."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = numbers(n, seed)
        return pl.DataFrame({"text": sentences(Y, seed), "price": X[:, 4]}), Y

    keras.utils.set_random_seed(0)
    rows = frame(CANDIDATES, 25)[0]
    preset = preset_folder(Path("tiny"))
    settings = {"text": "pretrained", "text_params": {"preset": str(preset), "max_tokens": 16, "cache": False}}
    classifier = trained(*frame(N, 24), column_types={"text": "text"}, **settings)
    texts = [*PROBE, *rows["text"]]
    features = dict(zip(texts, preset_function(preset, 16)(texts).tolist(), strict=True))
    return Case(classifier, rows, features=features)


def mixed_added_labels(folder: Path) -> Case:
    """A text, a category and a number in one table, rules between labels, and a label that came later."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = numbers(n, seed)
        genre = np.array(["rock", "folk"])[(X[:, 3] > 0) * 1].tolist()
        return pl.DataFrame({"genre": genre, "text": sentences(Y, seed), "price": X[:, 4]}), Y

    X, Y = frame(N, 26)
    settings = {"decision": "fbeta_macro", "decision_params": {"beta": 2.0}, "loss": "two_way"}
    settings |= {"text_params": {"max_words": 20, "max_characters": 0}, "exclusive": [("quiet", "fast")]}
    classifier = trained(X, Y, labels=MOODS, column_types={"text": "text"}, **settings)
    late = np.c_[Y, Y[:, 0] * (X["price"].to_numpy() > 0)]
    classifier.add_labels(X, late, labels=[*MOODS, "blue"])
    classifier.set_rules(implies=[("blue", "sad")], exclusive=[("quiet", "fast")])
    return Case(classifier, frame(CANDIDATES, 27)[0])


def branches(folder: Path) -> Case:
    """Numbers and a text, with every branch beside the hidden layers."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
        X, Y = numbers(n, seed)
        return pl.DataFrame({"text": sentences(Y, seed), "price": X[:, 3], "width": X[:, 4]}), Y

    settings = {"branches": "bins+linear", "text_params": {"max_words": 20, "max_characters": 0}}
    X, Y = frame(N, 60)
    return Case(trained(X, Y, labels=MOODS, column_types={"text": "text"}, **settings), frame(CANDIDATES, 61)[0])


def taxonomy(folder: Path) -> Case:
    """Labels in a taxonomy, whose targets it completes; maps of single labels put parents below children."""
    X, Y = numbers(N, 48)
    settings = {"taxonomy": [("sad", "quiet"), ("fast", "quiet")], "calibration": "platt"}
    return Case(trained(X, Y, labels=MOODS, **settings), numbers(CANDIDATES, 49)[0])


def custom(X: Any, y: Any, network: Any, **settings: Any) -> MultiLabelClassifier:
    """A small model around a Keras model."""
    told = {
        name: value for name, value in SMALL.items() if name not in ("hidden_layer_sizes", "dropout", "learning_rate")
    }
    return MultiLabelClassifier(network=network, **told | settings).fit(X, y)


def custom_sequential(folder: Path) -> Case:
    """A compiled Sequential with batch normalisation, answers at one half."""
    L = keras.layers
    network = keras.Sequential(
        [L.Input((5,)), L.Dense(6), L.BatchNormalization(), L.ReLU(), L.Dropout(0.1), L.Dense(3, activation="sigmoid")]
    )
    network.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Nadam(0.01))
    X, Y = numbers(N, 32)
    return Case(custom(X, Y, network, decision="fixed"), numbers(CANDIDATES, 33)[0])


def custom_two_inputs(folder: Path) -> Case:
    """A functional model with two inputs by name, one of several axes, and a layer of the user's own."""

    def rows(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        X, Y = numbers(n, seed, 8)
        return {"grid": X[:, :6].reshape(n, 2, 3).astype(np.float32), "rest": X[:, 6:].astype(np.float32)}, Y

    L = keras.layers
    grid, rest = keras.Input((2, 3), name="grid"), keras.Input((2,), name="rest")
    x = L.Concatenate()([Doubled()(L.Dense(4, activation="tanh")(L.Flatten()(grid))), rest])
    network = keras.Model({"grid": grid, "rest": rest}, L.Dense(3, activation="sigmoid")(x))
    network.compile(optimizer=keras.optimizers.RMSprop(0.02), loss=keras.losses.BinaryCrossentropy())
    return Case(custom(*rows(N, 34), network), rows(CANDIDATES, 35)[0])


def extreme_sparse(folder: Path) -> Case:
    """Very many labels, which sparse features tell of."""

    def rows(n: int, seed: int) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        X = sp.random(n, 30, density=0.15, format="csr", random_state=seed)
        return X, sp.csr_matrix(X[:, :20] > 0.5)

    settings = {"hidden_layer_sizes": (8, 4), "epochs": 12, "batch_size": 16, "holdout_fraction": 0.2, "verbose": 0}
    classifier = ExtremeMultiLabelClassifier(labels=[f"tag {j}" for j in range(20)], **settings)
    return Case(classifier.fit(*rows(200, 36)), rows(CANDIDATES, 37)[0])


def extreme_mixed(folder: Path) -> Case:
    """Very many labels of a text and a number."""

    def frame(n: int, seed: int) -> tuple[pl.DataFrame, list[set[str]]]:
        X, Y = numbers(n, seed)
        texts = sentences(Y, seed)
        tags = [{word for word in WORDS if word in text} for text in texts]
        return pl.DataFrame({"text": texts, "price": X[:, 4]}), tags

    settings = {"hidden_layer_sizes": (6,), "epochs": 12, "batch_size": 16, "dtype": "float64", "verbose": 0}
    classifier = ExtremeMultiLabelClassifier(column_types={"text": "text"}, **settings)
    return Case(classifier.fit(*frame(N, 38)), frame(CANDIDATES, 39)[0])


def streamed(folder: Path) -> Case:
    """A file trained on piece by piece, and thresholds set by hand."""
    X, Y = numbers(400, 40)
    names = [f"x{j}" for j in range(5)]
    columns = [pl.Series(name, X[:, j].round(4)) for j, name in enumerate(names)]
    columns += [pl.Series(f"mood_{mood}", Y[:, j].astype(int)) for j, mood in enumerate(MOODS)]
    pl.DataFrame(columns).write_csv("songs.csv")
    classifier = MultiLabelClassifier(**SMALL)
    options = ReadOptions(labels="mood_*")
    classifier.fit_file("songs.csv", options, stream=True, stream_folder=".", window_bytes=2000)
    classifier.set_thresholds({classifier.labels_[0]: 0.3, classifier.labels_[1]: 0.7})
    return Case(classifier, pl.DataFrame(numbers(CANDIDATES, 41)[0], schema=names))


def promised_misses(folder: Path) -> Case:
    """A promise about misses."""
    classifier = trained(*numbers(N, 42), labels=MOODS)
    classifier.guarantee(*numbers(200, 43), miss_rate=0.1)
    return Case(classifier, numbers(CANDIDATES, 44)[0])


def promised_discoveries(folder: Path) -> Case:
    """A promise about wrong answers for each label; saved without out-of-fold scores."""
    classifier = trained(*numbers(N, 45), labels=MOODS)
    classifier.guarantee(*numbers(300, 46), false_discovery_rate=0.3, per_label=True)
    return Case(classifier, numbers(CANDIDATES, 47)[0], save={"evidence": False})


ROW_CASES = (
    table,
    categories,
    decision_layer,
    default_decision,
    single_labels,
    matrix,
    sparse,
    plain_numbers,
    two_classes,
    exclusive_labels,
    text_tfidf,
    text_half_precision,
    text_hashed,
    text_static,
    text_onnx,
    text_attention,
    text_means,
    text_function,
    text_pretrained,
    mixed_added_labels,
    branches,
    taxonomy,
    custom_sequential,
    custom_two_inputs,
    extreme_sparse,
    extreme_mixed,
    streamed,
    promised_misses,
    promised_discoveries,
)
"""What makes each of them; a frozen file has the name of its function."""
