"""Keras' `fit` on images, on the backend that KERAS_BACKEND names; one epoch of `fit` before the timed ones."""

import images_common as common
import keras
import numpy as np

options = common.arguments()
X, Y = common.rows(options.folder, "train", options.rows)
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(common.FILTERS, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
        keras.layers.Dense(common.UNITS, activation="relu"),
        keras.layers.Dense(common.LABELS, activation="sigmoid"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(common.RATE),
    loss="binary_crossentropy",
    steps_per_execution=options.steps,
    jit_compile={"auto": "auto", "true": True, "false": False}[options.jit],
)
first = model.get_weights()
model.fit(X, Y, batch_size=common.BATCH, epochs=1, verbose=0)
model.set_weights(first)
for variable in model.optimizer.variables:
    if variable is not model.optimizer.learning_rate:
        variable.assign(np.zeros(variable.shape, variable.dtype))
clock = common.Clock()
model.fit(X, Y, batch_size=common.BATCH, epochs=options.epochs, verbose=0)
seconds = clock.read()
X_test, Y_test = common.rows(options.folder, "t10k")
common.tell(seconds, len(Y), options, model.predict(X_test, batch_size=1000, verbose=0), Y_test)
