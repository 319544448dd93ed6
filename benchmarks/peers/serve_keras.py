"""The network of a bundle behind a plain FastAPI handler that calls Keras' `predict`, as tutorials write it.

Usage: python benchmarks/peers/serve_keras.py BUNDLE PORT
"""

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from manyhot import load
from manyhot.backend import keras

classifier = load(sys.argv[1])
model = classifier.model_
logits = model.network.factory(1).build(0)
for variable, leaf in zip(logits.trainable_variables, model.weights.trainable, strict=True):
    variable.assign(leaf[0])
network = keras.Model(logits.inputs, keras.ops.sigmoid(logits.output))
scale = model.encoder.scale
app = FastAPI()


class Body(BaseModel):
    rows: list[list[float]]


@app.post("/predict")
async def predict(body: Body):  # on the loop, one after another: from several threads Keras' predict fails on JAX
    return {"probabilities": network.predict(scale.apply(np.array(body.rows)), verbose=0).tolist()}


@app.get("/ready")
def ready():
    return {"ready": True}


network.predict(np.zeros((1, len(scale.center))), verbose=0)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
