"""Small saved models of every kind, and rows that they predict."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SMALL: dict[str, Any] = {"n_members": 2, "n_folds": 2, "epochs": 1, "batch_size": 16, "verbose": 0}
N = 40


def _numbers() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(N, 3))
    return X, (X[:, :2] + generator.normal(size=(N, 2)) > 0).astype(int)


def _texts() -> list[str]:
    X, _ = _numbers()
    return [" ".join(row) for row in np.where(X > 0, ["good", "bad", "thing"], "the")]


def _table() -> Any:
    import polars as pl

    X, _ = _numbers()
    colours = np.where(X[:, 1] > 0, "red", np.where(X[:, 2] > 0, "blue", "green"))
    return pl.DataFrame({"a": X[:, 0], "b": np.where(X[:, 2] > 1, np.nan, X[:, 2]), "c": colours})


def _images(n: int = N) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)


def table(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier

    frame = _table()
    return MultiLabelClassifier(hidden_layer_sizes=(4,), **SMALL).fit(frame, _numbers()[1]), frame[:3]


def text(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier

    texts = _texts()
    return MultiLabelClassifier(hidden_layer_sizes=(4,), **SMALL).fit(texts, _numbers()[1]), texts[:3]


def words(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier

    settings = {"text": "embeddings", "text_params": {"units": 4, "buckets": 5}}
    texts = _texts()
    return MultiLabelClassifier(hidden_layer_sizes=(4,), **settings, **SMALL).fit(texts, _numbers()[1]), texts[:3]


def static(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier
    from tests.fixtures.text_files import static_folder

    settings = {"text": "static", "text_params": {"model": str(static_folder(folder / "vectors"))}}
    texts = _texts()
    odd = ["", "bad " * 50, "x" * 5000, "Grüße 😀"]
    return MultiLabelClassifier(hidden_layer_sizes=(4,), **settings, **SMALL).fit(texts, _numbers()[1]), odd


def onnx(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier
    from tests.fixtures.onnx_files import onnx_folder

    settings = {"text": "onnx", "text_params": {"model": str(onnx_folder(folder / "model")), "embed": True}}
    texts = _texts()
    odd = ["", "bad " * 50, "x" * 5000, "Grüße 😀"]
    return MultiLabelClassifier(hidden_layer_sizes=(4,), **settings, **SMALL).fit(texts, _numbers()[1]), odd


def cnn(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier

    settings = {"network": "cnn", "image_params": {"filters": [2, 3], "augment": []}}
    images = _images()
    return MultiLabelClassifier(hidden_layer_sizes=(4,), **settings, **SMALL).fit(images, _numbers()[1]), images[:3]


def keras(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier
    from manyhot.backend import keras

    layers = keras.layers
    inputs = keras.Input((6, 2))
    x = layers.BatchNormalization()(layers.Conv1D(3, 3, padding="same", activation="relu")(inputs))
    x = layers.Add()([x, layers.Dense(3)(layers.ZeroPadding1D(1)(layers.MaxPooling1D(3, 1)(x)))])
    x = layers.Dropout(0.1)(layers.UpSampling1D(2)(x))
    x = layers.Activation("tanh")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs, layers.Dense(2, activation="sigmoid")(x))
    model.compile(loss="binary_crossentropy", optimizer="adam")
    X = np.random.default_rng(2).normal(size=(N, 6, 2)).astype("float32")
    return MultiLabelClassifier(network=model, **SMALL).fit(X, _numbers()[1]), X[:3]


def sequential(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier
    from manyhot.backend import keras

    layers = keras.layers
    parts = [
        keras.Input((3,)),
        layers.Dense(4, kernel_regularizer="l2"),
        layers.Activation("relu"),
        layers.Dropout(0.1),
    ]
    model = keras.Sequential([*parts, layers.Dense(2, activation="sigmoid")])
    X, Y = _numbers()
    return MultiLabelClassifier(network=model, **SMALL).fit(X, Y), X[:3]


def extreme(folder: Path) -> tuple[Any, Any]:
    import scipy.sparse as sp

    from manyhot import ExtremeMultiLabelClassifier

    texts = _texts() * 2
    Y = sp.random(len(texts), 30, 0.2, "csr", random_state=0)
    Y.data[:] = 1
    settings = {"hidden_layer_sizes": (4,), "epochs": 1, "verbose": 0}
    return ExtremeMultiLabelClassifier(**settings).fit(texts, Y.astype(np.int64)), texts[:3]


def pixels(folder: Path) -> tuple[Any, Any]:
    from manyhot import MultiLabelClassifier

    images = _images(8)
    masks = np.stack([images[..., 0] > 128, images[..., 1] > 128], axis=-1).astype(np.uint8)
    settings = {"network": "unet", "image_params": {"filters": [2, 2], "tile": 16, "patch": 2, "augment": []}}
    small = {**SMALL, "batch_size": 4}
    return MultiLabelClassifier(**settings, **small).fit(images, masks), images[:2]


KINDS: dict[str, Callable[[Path], tuple[Any, Any]]] = {
    one.__name__: one for one in (table, text, words, static, onnx, cnn, keras, sequential, extreme, pixels)
}
