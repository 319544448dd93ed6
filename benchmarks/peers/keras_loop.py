"""The folds with Keras: one model after the other, on the backend that KERAS_BACKEND names.

Usage: KERAS_BACKEND=jax|tensorflow python keras_loop.py FOLDER [--tuned] [--jobs 2] [--n-folds 30]
Without --tuned it is the loop that tutorials show: every fold builds, compiles, fits and predicts. With --tuned it is
the fastest that was found while `fit` still does the training: one compiled model whose weights and optimizer begin
anew in every fold, an epoch's steps per call, and one `fit` over a stream of all epochs' batches, which spares what
Keras does between epochs. --jobs 2 gives every other fold to a second process.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import task

EPOCHS, BATCH = 100, 32


def build(steps_per_execution: int = 1):
    import keras

    model = keras.Sequential(
        [
            keras.Input((task.N_FEATURES,)),
            keras.layers.Dense(20, activation="relu", kernel_initializer="he_uniform"),
            keras.layers.Dense(task.N_LABELS, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam", steps_per_execution=steps_per_execution)
    return model


def score(model, X: np.ndarray, Y: np.ndarray) -> float:
    return float((model.predict(X, verbose=0).round() == Y).all(axis=1).mean())


def plain(X: np.ndarray, Y: np.ndarray, splits: list) -> list[float]:
    scores = []
    for train, test in splits:
        model = build()
        model.fit(X[train], Y[train], epochs=EPOCHS, batch_size=BATCH, verbose=0)
        scores.append(score(model, X[test], Y[test]))
    return scores


def tuned(X: np.ndarray, Y: np.ndarray, splits: list) -> list[float]:
    n_steps = -(-len(splits[0][0]) // BATCH)
    model = build(steps_per_execution=n_steps)
    model.optimizer.build(model.trainable_variables)
    fresh = [np.asarray(variable.value) for variable in model.optimizer.variables]
    scores = []
    for train, test in splits:
        for layer in model.layers:
            layer.kernel.assign(type(layer.kernel_initializer)()(layer.kernel.shape))
            layer.bias.assign(np.zeros(layer.bias.shape))
        for variable, value in zip(model.optimizer.variables, fresh, strict=True):
            variable.assign(value)
        model.fit(batches(X[train], Y[train]), steps_per_epoch=EPOCHS * n_steps, shuffle=False, verbose=0)
        scores.append(score(model, X[test], Y[test]))
    return scores


def batches(X: np.ndarray, Y: np.ndarray):
    """All epochs' batches (features, labels) as one stream, each epoch in an order of its own."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(len(X)).batch(BATCH).repeat(EPOCHS)
    return shuffled(X, Y)


def shuffled(X: np.ndarray, Y: np.ndarray):
    generator = np.random.default_rng()
    for _ in range(EPOCHS):
        order = generator.permutation(len(X))
        features, labels = X[order], Y[order]
        for first in range(0, len(X), BATCH):
            yield features[first : first + BATCH], labels[first : first + BATCH]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--n-folds", type=int, default=30)
    parser.add_argument("--share", type=int, help="run only every --jobs'th fold, from this one on")
    options = parser.parse_args()
    others = []
    if options.share is None:
        command = [sys.executable, *sys.argv, "--share"]
        shares = range(1, options.jobs)
        others = [subprocess.Popen([*command, str(k)], stdout=subprocess.PIPE, text=True) for k in shares]
    X, Y, splits = task.read(options.folder, options.n_folds)
    run = tuned if options.tuned else plain
    parts = [run(X, Y, splits[options.share or 0 :: options.jobs])]
    parts += [json.loads(other.communicate()[0])["scores"] for other in others]
    task.report([parts[k % len(parts)][k // len(parts)] for k in range(sum(map(len, parts)))])


if __name__ == "__main__":
    main()
