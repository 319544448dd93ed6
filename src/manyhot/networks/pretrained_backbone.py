"""A backbone as a function of images: weights downloaded by Keras, of a file of the user's, or of a saved model."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.backend import jax, use_dtype
from manyhot.config.images import BACKBONES, DOWNLOADED
from manyhot.errors import InputError
from manyhot.networks.backbone import build_core, build_features
from manyhot.networks.custom.cloning import first_line
from manyhot.networks.fast.layers import choose_layers

SUFFIXES = (".weights.h5", ".h5", ".hdf5", ".keras")
# images in a batch: one size, so that what is made of an image does not depend on how many there are
CPU_BATCH_SIZE, DEVICE_BATCH_SIZE = 8, 64


class Backbone:
    """Features of images, (n, width): the mean over places of the network's last layer."""

    def __init__(self, name: str, trainable: Sequence[np.ndarray], fixed: Sequence[np.ndarray], width: int) -> None:
        self.name, self.trainable, self.fixed, self.width = name, list(trainable), list(fixed), width
        self._runs: dict[tuple[int, ...], Callable] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_runs": {}}

    @cached_property
    def digest(self) -> str:
        """Of the weights."""
        digest = hashlib.sha256()
        for leaf in (*self.trainable, *self.fixed):
            digest.update(f"{leaf.dtype} {leaf.shape}\n".encode())
            digest.update(np.ascontiguousarray(leaf).data)
        return digest.hexdigest()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features float32 (n, width) of images uint8 (n, h, w, 3), in batches of one size."""
        size = CPU_BATCH_SIZE if jax.default_backend() == "cpu" else DEVICE_BATCH_SIZE
        outputs = []
        with use_dtype("float32"):
            run = self._run(images.shape[1:3])
            for first in range(0, len(images), size):
                batch = images[first : first + size]
                padded = np.zeros((size, *images.shape[1:]), np.uint8)
                padded[: len(batch)] = batch
                outputs.append(np.asarray(run(padded))[: len(batch)])
        rows = np.concatenate(outputs) if outputs else np.zeros((0, self.width), np.float32)
        if not np.isfinite(rows).all():
            raise InputError(
                f"the weights of {self.name} make NaN or infinity of an image; they are not those of such a network",
                argument="image_params",
            )
        return rows

    def _run(self, edges: tuple[int, ...]) -> Callable:
        if edges not in self._runs:
            network = choose_layers(build_features(self.name, (edges[0], edges[1])), True)

            def features(trainable: Any, fixed: Any, images: Any) -> Any:
                return network.stateless_call(trainable, fixed, images, training=False)[0]

            compiled, weights = jax.jit(features), jax.device_put((self.trainable, self.fixed))
            self._runs[edges] = lambda images: compiled(*weights, images)
        return self._runs[edges]


def open_backbone(name: str, weights: str) -> Backbone:
    """Open a backbone with the weights "imagenet", or those of a file as Keras saves them without the last layer."""
    edge = BACKBONES[name].min_edge
    with use_dtype("float32"):
        if weights == DOWNLOADED:
            return _download_backbone(name)
        core = build_core(name, (edge, edge), "float32")
        path = Path(weights).expanduser()
        if not weights or not path.is_file() or not weights.endswith(SUFFIXES):
            raise InputError(
                f"weights: got {weights!r}, expected 'imagenet', 'none', or a file of the weights of {name}, ending in "
                f"{', '.join(SUFFIXES)}",
                argument="image_params",
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras warns of every layer of another network before it raises
                core.inner.load_weights(str(path))
            kernels = [one for one in core.trainable_variables if len(one.shape) > 1]
            missing = [one.path for one in kernels if not np.asarray(one.value).any()]
        except Exception as error:  # h5py and Keras raise whatever a damaged file leads them to
            raise _weights_error(path, name, first_line(error)) from None
        if missing:
            raise _weights_error(path, name, f"{len(missing)} layers are missing, such as {missing[0]}")
        return _from_core(name, core)


def _weights_error(path: Path, name: str, reason: str) -> InputError:
    return InputError(
        f"weights: {path} does not hold the weights of {name} without its last layer ({reason}); such a file is "
        "written "
        f"by keras.applications.{BACKBONES[name].constructor}(include_top=False).save_weights('x.weights.h5')",
        argument="image_params",
    )


def _download_backbone(name: str) -> Backbone:
    edge = BACKBONES[name].min_edge
    try:
        core = build_core(name, (edge, edge), "float32", weights=DOWNLOADED)
    except Exception as error:  # Keras raises a plain Exception where a download fails
        raise InputError(
            f"weights: those of {name} could not be downloaded ({first_line(error)}); where there is no network, "
            "download that file elsewhere and say weights=FILE (or put it into ~/.keras/models), or say weights='none' "
            "to begin from nothing",
            argument="image_params",
        ) from None
    return _from_core(name, core)


def _from_core(name: str, core: Any) -> Backbone:
    variable_groups = (core.trainable_variables, core.non_trainable_variables)
    trainable, fixed = ([np.asarray(variable.value) for variable in variables] for variables in variable_groups)
    return Backbone(name, trainable, fixed, core.inner.output_shape[-1])
