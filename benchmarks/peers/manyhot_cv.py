"""The folds with manyhot: all of them train together, in one compiled program.

Usage: KERAS_BACKEND=jax python manyhot_cv.py FOLDER [--n-folds 30]
"""

import argparse
from pathlib import Path

import task

from manyhot import cross_validate

import keras  # after manyhot, which puts it on JAX  # isort: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n-folds", type=int, default=30)
    options = parser.parse_args()
    X, Y, splits = task.read(options.folder, options.n_folds)
    model = keras.Sequential(
        [
            keras.Input((task.N_FEATURES,)),
            keras.layers.Dense(20, activation="relu", kernel_initializer="he_uniform"),
            keras.layers.Dense(task.N_LABELS, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam")
    result = cross_validate(model, X, Y, splits=splits, epochs=100, batch_size=32, metrics=["subset_accuracy"])
    task.report(result.scores["fixed"]["subset_accuracy"])


if __name__ == "__main__":
    main()
