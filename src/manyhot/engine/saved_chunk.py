"""A chunk of members that is saved while it is trained, so that a killed process goes on to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.backend import jax
from manyhot.engine.job import ChunkResult, Snapshots
from manyhot.engine.state import State
from manyhot.engine.weights import Weights


class SavedChunk:
    """What was saved of one chunk; nothing where no snapshots are kept."""

    def __init__(self, snapshots: Snapshots | None, number: int, members: list[int]) -> None:
        self.snapshots, self.members = snapshots, members
        self.name, self.result_name = f"chunk-{number:05d}", f"chunk-{number:05d}-done"

    def result(self, platform: str) -> ChunkResult | None:
        """What the chunk left, where it was trained to its end before."""
        found = self._load(self.result_name)
        if found is None:
            return None
        document, arrays = found
        trainable, fixed = ([arrays[f"{kind}/{k}"] for k in range(document[kind])] for kind in ("trainable", "fixed"))
        return ChunkResult(
            self.members, Weights(trainable, fixed), arrays["best_epoch"], arrays["curves"], document["loss"], platform
        )

    def keep(self, result: ChunkResult) -> ChunkResult:
        """Save what the finished chunk left, and return it."""
        if self.snapshots is not None:
            trainable, fixed = result.weights
            arrays = {f"trainable/{k}": leaf for k, leaf in enumerate(trainable)}
            arrays |= {f"fixed/{k}": leaf for k, leaf in enumerate(fixed)}
            arrays |= {"best_epoch": result.best_epoch, "curves": result.curves}
            document = {"members": self.members, "trainable": len(trainable), "fixed": len(fixed), "loss": result.loss}
            self.snapshots.save(self.result_name, document, arrays)
        return result

    def _load(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        found = None if self.snapshots is None else self.snapshots.load(name)
        return found if found is not None and found[0]["members"] == self.members else None

    def restore(self, state: State, device: Any) -> tuple[State, np.ndarray]:
        """The state that was saved last, or else this one, with the curves (k, epochs, 2) up to it."""
        found = self._load(self.name)
        if found is None:
            return state, np.zeros((len(self.members), 0, 2), np.float32)
        arrays = found[1]
        leaves, tree = jax.tree.flatten(state)
        saved = [arrays[f"state/{k}"].astype(leaf.dtype) for k, leaf in enumerate(leaves)]
        return jax.device_put(jax.tree.unflatten(tree, saved), device), arrays["curves"]

    def save(self, state: State, curves: np.ndarray) -> None:
        """Save the state where it is due."""
        if self.snapshots is None or not self.snapshots.is_due(self.name):
            return
        arrays = {f"state/{k}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(state))}
        self.snapshots.save(self.name, {"members": self.members}, {**arrays, "curves": curves})
