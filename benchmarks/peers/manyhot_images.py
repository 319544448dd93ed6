"""manyhot on images: a Keras model handed to `MultiLabelClassifier`, trained as `fit` does it; the first run compiles.

It tells besides how long the matrix products alone would take at this machine's measured rate.
"""

import time

import images_common as common
import numpy as np

from manyhot import MultiLabelClassifier, engine
from manyhot.backend import jax, keras
from manyhot.models.cross_fitting import prepare_cross_fit, train_cross_fits

options = common.arguments()
X, Y = common.rows(options.folder, "train", options.rows)
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
model.compile(optimizer=keras.optimizers.Adam(common.RATE), loss="binary_crossentropy")
classifier = MultiLabelClassifier(network=model, n_members=1, batch_size=common.BATCH, epochs=options.epochs, verbose=0)
taken = classifier._inputs(X, Y.astype(int), *classifier._configs())
fit = prepare_cross_fit(taken.features, taken.targets, taken.encoder(), taken.config, model, trains_on_all=True)
for _ in range(2):
    clock = common.Clock()
    networks, trained = train_cross_fits([fit], taken.runtime)
    seconds = clock.read()


def rate_of_products(n: int = 2048) -> float:
    """FLOP a second of a large float32 matrix product."""
    a = jax.device_put(np.random.default_rng(0).normal(size=(n, n)).astype(np.float32))
    product = jax.jit(lambda a: a @ a)
    times = []
    for _ in range(6):
        began = time.perf_counter()
        product(a).block_until_ready()
        times.append(time.perf_counter() - began)
    return 2 * n**3 / min(times)


# the result and two gradients of each layer, but no gradient of the images
n_multiplied = 2 * 26 * 26 * 9 * common.FILTERS
n_multiplied += 3 * (13 * 13 * common.FILTERS * common.UNITS + common.UNITS * common.LABELS)
flop, rate = 2 * n_multiplied * len(X) * options.epochs, rate_of_products()
X_test, Y_test = common.rows(options.folder, "t10k")
scores = engine.Scorer(networks, trained.weights, "float32", taken.runtime).scores({"features": X_test})
share = {"products_gflop_per_second": rate / 1e9, "products_share": flop / rate / seconds[0]}
common.tell(seconds, len(X), options, scores, Y_test, **share)
