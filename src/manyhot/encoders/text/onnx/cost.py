"""What a model takes for a batch of texts, found from its shapes without carrying anything out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from manyhot.encoders.text.onnx.graph import Graph, Node, Value
from manyhot.encoders.text.onnx.operators import MICROSOFT, RULES, SLOW
from manyhot.encoders.text.onnx.protobuf import file_error
from manyhot.encoders.text.onnx.values import Inputs, required_input, value
from manyhot.errors import InputError

MAX_LIVE_BYTES = 2**30  # of the values of a batch that are needed at one time
BASE_WORK = 2**27  # multiplications that a batch may take whatever the model
WORK_PER_WEIGHT = 32  # multiplications for each number of the file and token; models that use layers again need some
SLOW_WORK = 16  # multiplications that a number of a slow function counts as


class Cost(NamedTuple):
    """What a batch takes."""

    live_bytes: int
    work: int
    outputs: Mapping[str, Value]


class CostCounter:
    """Count what a model takes for a batch, a node after the other.

    Raises:
        InputError: An operator that is not listed, or one that goes by numbers known only to a text.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._n_weights = graph.n_weights
        self._last_use: dict[str, int] = {}
        seen = {port.name for port in graph.inputs} | set(graph.constants)
        for place, node in enumerate(graph.nodes):
            if node.operator not in RULES:
                raise file_error(f"the operator {node.operator[:80]!r} is not on the list")
            for name in filter(None, node.inputs):
                if name not in seen:
                    raise file_error(f"{node.operator} takes {name[:80]!r}, which nothing before it makes")
                self._last_use[name] = place
            for name in filter(None, node.outputs):
                if name in seen:
                    raise file_error(f"two nodes make {name[:80]!r}")
                seen.add(name)
        self._kept = {port.name for port in graph.outputs}
        if not self._kept or not self._kept <= seen:
            raise file_error("its outputs are not what its nodes make")

    def check(self, n_texts: int, length: int) -> Cost:
        """Return the cost of n texts of one length; raise `InputError` for more than the file's size allows."""
        cost = self._count(n_texts, length)
        allowed = BASE_WORK + WORK_PER_WEIGHT * n_texts * length * self._n_weights
        if cost.work > allowed:
            raise file_error(
                f"{n_texts} texts of {length} tokens take {cost.work:.2g} multiplications, at most {allowed:.2g} are "
                f"allowed for its {self._n_weights:.2g} numbers"
            )
        return cost

    def _count(self, n_texts: int, length: int) -> Cost:
        found: dict[str, Value] = dict(self._graph.constants)
        for port in self._graph.inputs:
            found[port.name] = value((n_texts, length), np.dtype(port.dtype))
        live = peak = work = 0
        sizes: dict[str, int] = {}
        for place, node in enumerate(self._graph.nodes):
            inputs = [found[name] if name else None for name in node.inputs]
            try:
                outputs = RULES[node.operator](node, inputs)
            except InputError:
                raise
            except (OverflowError, TypeError, ValueError, IndexError) as error:
                raise file_error(f"{node.operator} cannot be followed ({str(error)[:80]})") from None
            if len(node.outputs) > len(outputs):
                raise file_error(f"{node.operator} has {len(node.outputs)} outputs, expected {len(outputs)} at most")
            found |= {name: one for name, one in zip(node.outputs, outputs, strict=False) if name}
            extra, node_work = _work(node, inputs, outputs)
            work += node_work
            for name in filter(None, node.outputs):
                sizes[name] = found[name].n_bytes
                live += sizes[name]
            peak = max(peak, live + extra)
            if peak > MAX_LIVE_BYTES:
                raise file_error(
                    f"{n_texts} texts of {length} tokens take {peak:.2g} bytes at {node.operator}, at most "
                    f"{MAX_LIVE_BYTES:.2g} are allowed; make max_tokens smaller"
                )
            for name in {*node.inputs, *node.outputs}:
                if name in sizes and self._last_use.get(name, place) <= place and name not in self._kept:
                    live -= sizes.pop(name)
        return Cost(peak, work, {name: found[name] for name in self._kept})


def _work(node: Node, inputs: Inputs, outputs: Sequence[Value]) -> tuple[int, int]:
    """Bytes that a node needs beside its outputs, and multiplications."""
    made = sum(one.size for one in outputs)
    n_read = sum(one.size for one in inputs if one is not None)
    name = node.operator.removeprefix(MICROSOFT)
    if "MatMul" in name or name == "Gemm":
        first = required_input(inputs, 0).shape
        inner = first[-2] if node.attributes.get("transA") and len(first) > 1 else first[-1]
        return 0, outputs[0].size * max(inner, 1) + made
    if "Attention" in name:
        n_texts, length, width = required_input(inputs, 0).shape
        n_keys = required_input(inputs, 1).shape[1] if name == "MultiHeadAttention" else length
        n_heads = node.attributes.get("num_heads", 1)
        if type(n_heads) is not int or not 1 <= n_heads <= max(width, 1):
            raise file_error(f"{name} has {str(n_heads)[:40]} heads")
        scores = n_texts * n_heads * length * n_keys
        weights = math.prod(required_input(inputs, 1).shape) if name != "MultiHeadAttention" else 0
        return 8 * scores + 12 * n_texts * length * width, (
            n_texts * length * weights + 2 * n_texts * length * n_keys * width + SLOW_WORK * scores
        )
    is_slow = name in SLOW or "Gelu" in name or "Normalization" in name or "Scatter" in name
    # an array that is looked things up in is not gone through
    return 0, (SLOW_WORK if is_slow else 1) * made + (0 if name.startswith(("Gather", "Embed")) else n_read)
