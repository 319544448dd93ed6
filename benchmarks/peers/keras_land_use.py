"""The residual network of manyhot in Keras, on the backend that KERAS_BACKEND names: trained for so many seconds.

A tenth of the training rows is kept out to judge the learning rate and to choose one threshold for F1 of samples. The
rate falls in a cosine to zero over the epochs that fit into the time, as the quickest of three timed ones tells.
"""

import argparse
import json
import math
import time

import keras
import numpy as np
from keras import layers


def resnet(shape: tuple[int, ...], n_labels: int, filters: list[int], blocks: int, hidden: list[int]) -> keras.Model:
    def active(x):
        return layers.Activation("relu")(layers.BatchNormalization(momentum=0.95)(x))

    def convolution(n, kernel, stride, x):
        return layers.Conv2D(n, kernel, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(
            x
        )

    inputs = keras.Input(shape)
    x = layers.RandomFlip("horizontal_and_vertical")(inputs)
    x = layers.Rescaling(1 / 64, offset=-2)(x)
    n_halvings = max(0, min(2, round(math.log2(min(shape[:2]) / 32))))
    if not n_halvings:
        x = convolution(filters[0], 3, 1, x)
    for k in reversed(range(n_halvings)):
        x = convolution(max(filters[0] // 2**k, 8), 3, 2, x)
        x = active(x) if k else x
    for stage, n in enumerate(filters):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inner = active(x)
            if stride > 1 or x.shape[-1] != n:
                x = convolution(n, 1, stride, inner)
            inner = convolution(n, 3, stride, inner)
            x = layers.Add()([x, convolution(n, 3, 1, active(inner))])
    x = layers.GlobalAveragePooling2D()(active(x))
    for units in hidden:
        x = layers.Dropout(0.3)(layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x))
    return keras.Model(inputs, layers.Dense(n_labels, activation="sigmoid")(x))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", help="npz with X, Y, X_test, Y_test")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--network", required=True, help="JSON: filters, blocks, hidden")
    told = parser.parse_args()
    keras.utils.set_random_seed(0)
    arrays = np.load(told.rows)
    X, Y = arrays["X"], arrays["Y"].astype("float32")
    kept = np.random.default_rng(0).permutation(len(X)) < len(X) // 10
    model = resnet(X.shape[1:], Y.shape[1], **json.loads(told.network))

    def compile_with(rate) -> None:
        model.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-2), loss="binary_crossentropy")

    compile_with(told.rate)
    first = model.get_weights()
    model.fit(X[~kept][: told.batch * 4], Y[~kept][: told.batch * 4], batch_size=told.batch, verbose=0)
    lengths = []
    for _ in range(3):
        began = time.perf_counter()
        model.fit(X[~kept], Y[~kept], batch_size=told.batch, verbose=0)
        lengths.append(time.perf_counter() - began)
    epochs = max(1, round(told.seconds / min(lengths)))
    model.set_weights(first)
    compile_with(keras.optimizers.schedules.CosineDecay(told.rate, epochs * math.ceil((~kept).sum() / told.batch)))
    began = time.perf_counter()
    model.fit(X[~kept], Y[~kept], batch_size=told.batch, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - began
    of_kept, of_test = (model.predict(rows, batch_size=64, verbose=0) for rows in (X[kept], arrays["X_test"]))
    print(json.dumps({"seconds": seconds, "epochs": epochs, "kept": of_kept.tolist(), "test": of_test.tolist()}))


if __name__ == "__main__":
    main()
