"""Text models in ONNX that ask for all memory or time, or for what is not on the list."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from tests.fixtures.onnx_files import hidden_nodes, model_bytes


def _with(nodes: Sequence[Any], **arrays: Any) -> bytes:
    return model_bytes([*hidden_nodes(), *nodes], arrays={name: np.asarray(array) for name, array in arrays.items()})


def _chain(operator: str, n: int, first: str, *others: str) -> list[Any]:
    from onnx import helper

    names = [first, *(f"chain{k}" for k in range(n))]
    return [helper.make_node(operator, [names[k], *others], [names[k + 1]]) for k in range(n)]


def _changed(change: Any) -> bytes:
    from onnx import ModelProto

    model = ModelProto.FromString(model_bytes())
    change(model)
    return model.SerializeToString()


@cache
def hostile_models() -> dict[str, bytes]:
    """Name -> model; each has to end in an error, and little may be spent until it does."""
    from onnx import TensorProto, helper

    node = helper.make_node
    empty = helper.make_graph([], "body", [], [helper.make_tensor_value_info("on", TensorProto.BOOL, [])])

    def outside(model: Any) -> None:
        entry = model.graph.initializer[0].external_data.add()
        entry.key, entry.value = "location", "/etc/passwd"
        model.graph.initializer[0].data_location = 1

    def claims(model: Any) -> None:
        model.graph.initializer[0].dims[:] = [2**31, 2**31]

    length = node("Shape", ["input_ids"], ["shape"])
    filled = node("ConstantOfShape", ["sizes"], ["filled"])
    return {
        "external data": _changed(outside),
        "huge claims": _changed(claims),
        "functions": _changed(lambda model: model.functions.add()),
        "sparse": _changed(lambda model: model.graph.sparse_initializer.add()),
        "cut": model_bytes()[:-40],
        "many nodes": b"\x3a\x80\x89\x7a" + b"\x0a\x00" * 1_000_000,
        "custom domain": model_bytes([*hidden_nodes(), node("Evil", ["one"], ["x"], domain="evil")], domains=["evil"]),
        "unlisted": _with([node("NonZero", ["one"], ["x"])]),
        "loop": _with([node("Loop", ["turns", "on"], ["x"], body=empty)], turns=2**62, on=True),
        "branch": _with([node("If", ["on"], ["x"], then_branch=empty, else_branch=empty)], on=True),
        "scan": _with([node("Scan", ["one"], ["x"], body=empty, num_scan_inputs=1)]),
        "expand": _with([node("Expand", ["one", "sizes"], ["x"])], sizes=[2**20, 2**20]),
        "fill": _with([filled], sizes=[2**30]),
        "fill below zero": _with([filled], sizes=[-(2**62)]),
        "range": _with([node("Range", ["a", "b", "c"], ["x"])], a=0, b=2**62, c=1),
        "endless range": _with([node("Range", ["a", "b", "c"], ["x"])], a=0, b=5, c=0),
        "tile": _with([node("Tile", ["one", "sizes"], ["x"])], sizes=[2**40]),
        "products": _with([filled, *_chain("MatMul", 60, "filled", "filled")], sizes=[4096, 4096]),
        "powers": _with([filled, *_chain("Pow", 60, "filled", "filled")], sizes=[2**22]),
        "doubling": _with(
            [node("Concat", [f"d{k}" if k else "one"] * 2, [f"d{k + 1}"], axis=0) for k in range(60)],
        ),
        "by zero": _with([node("Div", ["input_ids", "zero"], ["x"])], zero=[0]),
        "by what is not known": _with([node("Mod", ["input_ids", "input_ids"], ["x"])]),
        "shapes by a text": _with(
            [
                node("ReduceMax", ["input_ids"], ["top"], keepdims=0),
                node("Mul", ["top", "many"], ["more"]),
                node("Reshape", ["more", "flat"], ["sizes"]),
                node("ConstantOfShape", ["sizes"], ["x"]),
            ],
            many=10**9,
            flat=[1],
        ),
        "one length": _with(
            [
                length,
                node("Equal", ["shape", "trap"], ["is_trap"]),
                node("Cast", ["is_trap"], ["flags"], to=7),
                node("Mul", ["flags", "many"], ["sizes"]),
                node("ConstantOfShape", ["sizes"], ["x"]),
            ],
            trap=[1, 2],  # the empty text is tried when a model is loaded
            many=[10**6, 10**6],
        ),
    }
