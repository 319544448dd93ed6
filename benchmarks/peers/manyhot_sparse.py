"""manyhot on sparse rows: one member, trained by the engine that every fit uses; the first run compiles."""

import time

import numpy as np
from sparse_common import arguments, rows, tell

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.models.network_spec import NetworkSpec, network_settings
from manyhot.networks import MemberInitializer

options = arguments()
X, Y = rows(options.folder, "train")
config = TrainingConfig(
    hidden_layer_sizes=(options.units,),
    dropout=0.0,
    epochs=options.epochs,
    learning_rate=options.rate,
    schedule="constant",
)
spec = NetworkSpec("mlp", network_settings(config, ["rows"]), {"rows": (X.shape[1],)}, Y.shape[1], "float32")
networks = spec.factory(1, lambda member: MemberInitializer(member))
nothing = np.zeros(0, dtype=np.int64)
parts = engine.MemberSplits([np.arange(len(Y))], [nothing], [nothing])
data = engine.EncodedRows({"rows": X}, Y, None, np.ones(len(Y)), "float32")
for _ in range(2):
    began = time.perf_counter()
    trained = engine.train(networks, data, parts, config, RuntimeConfig(verbose=0), options.batch)
    seconds = time.perf_counter() - began
X_test, Y_test = rows(options.folder, "test")
scores = engine.Scorer(networks, trained.weights, "float32", RuntimeConfig()).scores({"rows": X_test})
tell(seconds, len(Y), options.epochs, scores, Y_test)
