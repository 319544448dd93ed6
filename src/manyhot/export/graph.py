"""An ONNX graph that grows node by node; the one module that knows the package onnx."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.errors import InputError, how_to_install
from manyhot.version import __version__

try:
    import onnx
    from onnx import checker, helper, numpy_helper
except ImportError:
    raise InputError(f"an export needs onnx, which is not installed: {how_to_install('onnx')}") from None

OPSET = 18  # read by ONNX Runtime from 1.14 on
IR_VERSION = 8  # the format of that opset's time
ML_DOMAIN = "ai.onnx.ml"  # where the operator for categories is
MAX_BYTES = 2**31 - 2**20  # a protobuf ends at 2 GiB; the rest is for nodes and metadata
BATCH = "batch"
PRODUCER = "manyhot"
HEAD_BYTES = 64  # in which a file says what wrote it


class Graph:
    """Nodes, constants, inputs and outputs; a node or a constant that is there already is used again.

    Args:
        reserved: Names that inputs, outputs and constants will have, which no node may take.
    """

    def __init__(self, reserved: Collection[str]) -> None:
        self._names = set(reserved)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._known: dict[Any, str] = {}  # what a node or a constant is -> its name
        self.n_bytes = 0  # of the constants

    def add_input(self, name: str, dtype: Any, shape: tuple[int, ...]) -> str:
        """An input whose first axis is the batch, before axes of fixed lengths."""
        self._inputs.append(helper.make_tensor_value_info(name, tensor_type(dtype), [BATCH, *shape]))
        return name

    def add_output(self, name: str, value: str, dtype: Any, shape: tuple[int, ...]) -> None:
        """Give a value out under a name."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(helper.make_tensor_value_info(name, tensor_type(dtype), [BATCH, *shape]))

    def constant(self, value: Any, dtype: Any = None, name: str | None = None) -> str:
        """A constant; a name of its own makes it one that can be found and changed in the file."""
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if name is None and key in self._known:
            return self._known[key]
        self.n_bytes += array.nbytes
        if self.n_bytes > MAX_BYTES:
            raise InputError(
                "the model has more than 2 GiB of weights, which one ONNX file cannot hold; train fewer or smaller "
                "members"
            )
        label = name or self._new_name("constant")
        self._constants.append(numpy_helper.from_array(array, label))
        if name is None:
            self._known[key] = label
        return label

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The result of an operator on values by name."""
        key = (operator, inputs, repr(sorted(attributes.items())))
        if key not in self._known:
            name = self._known[key] = self._new_name(operator.lower())
            self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **attributes))
        return self._known[key]

    def top_k(self, values: str, k: str) -> str:
        """Places of the k highest values of each row, int64 (n, k); of equal ones the first."""
        key = ("TopK", values, k)
        if key not in self._known:
            name, other = self._new_name("places"), self._new_name("highest")
            self._nodes.append(helper.make_node("TopK", [values, k], [other, name], name=name, axis=-1))
            self._known[key] = name
        return self._known[key]

    def cast(self, value: str, dtype: Any) -> str:
        """A value in another type."""
        return self.node("Cast", value, to=tensor_type(dtype))

    def gather(self, value: str, places: Any, axis: int = -1) -> str:
        """Some places along an axis."""
        return self.node("Gather", value, self.constant(places, np.int64), axis=axis)

    def reshape(self, value: str, shape: Any) -> str:
        """Another shape; -1 stands for what is left, 0 for the length of the same axis."""
        return self.node("Reshape", value, self.constant(shape, np.int64))

    def content(self, metadata: Mapping[str, str]) -> bytes:
        """The checked file."""
        graph = helper.make_graph(self._nodes, PRODUCER, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, 3)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name=PRODUCER,
            producer_version=__version__,
        )
        helper.set_model_props(model, dict(metadata))
        checker.check_model(model, full_check=True)
        return model.SerializeToString()

    def _new_name(self, stem: str) -> str:
        name, k = f"{stem}_{len(self._names)}", 0
        while name in self._names:
            k += 1
            name = f"{stem}_{len(self._names)}_{k}"
        self._names.add(name)
        return name


def is_own_file(path: Path) -> bool:
    """Whether a file begins as those that are written here."""
    with path.open("rb") as file:
        return PRODUCER.encode() in file.read(HEAD_BYTES)


def tensor_type(dtype: Any) -> int:
    """ONNX's number of a NumPy type; text is `str`."""
    return int(onnx.TensorProto.STRING if dtype is str else helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
