"""Every operator of the list: the shapes and numbers that its rule says are those that onnxruntime makes."""

import numpy as np
import pytest

from manyhot.encoders.text.onnx.cost import CostCounter
from manyhot.encoders.text.onnx.graph import read_graph
from manyhot.encoders.text.onnx.operators import MICROSOFT, RULES, SLOW
from manyhot.errors import InputError

onnx = pytest.importorskip("onnx", reason="makes the models of the tests")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra: pip install 'manyhot[onnxtext]'")


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


A, B, IDS = floats(2, 3, 4), floats(3, 1), whole(1, 0, 2)
BITS, BYTES = np.array([True, False]), np.arange(6, dtype=np.uint8).reshape(2, 3)
ONE, HALF, ZERO = np.float32(1), np.array(0.5, np.float32), np.array(0, np.uint8)
UNARY = [
    *SLOW,
    "Relu",
    "LeakyRelu",
    "Reciprocal",
    "Sign",
    "Round",
    "HardSigmoid",
    "Neg",
    "Abs",
    "Floor",
    "Ceil",
    "Sqrt",
]
UNARY = [name for name in UNARY if name not in ("Pow", "Mod", "LayerNormalization", "Swish")]
NUMBERS = ("Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
REDUCED = [name for name in RULES if name.startswith("Reduce")]
NORMALIZED = [A, floats(4)]
# operator -> cases of inputs, attributes
CASES: dict[str, list[tuple[list, dict]]] = {
    **{name: [([A], {}), ([whole(4, -3) if name in ("Neg", "Abs", "Sign") else B], {})] for name in UNARY},
    **{name: [([A, B], {}), ([whole(7, 8), whole(2, 8)], {})] for name in NUMBERS},
    **{name: [([BITS, BITS[::-1].copy()], {})] for name in ("And", "Or", "Xor")},
    **{name: [([A], {"keepdims": 0}), ([whole(5, 6, 7)], {"keepdims": 1})] for name in REDUCED if "Log" not in name},
    **{name: [([A], {"keepdims": 0})] for name in REDUCED if "Log" in name},
    "Swish": [([A], {})],
    "Not": [([BITS], {})],
    "IsNaN": [([A], {})],
    "IsInf": [([A], {})],
    "Mod": [([whole(7, -8), whole(2, 3)], {})],
    "PRelu": [([A, floats(4)], {})],
    "Clip": [([A, -ONE, ONE], {})],
    "Where": [([BITS, whole(1, 2), whole(3, 4)], {}), ([np.array(True), A, B], {})],
    "Identity": [([A], {})],
    "Dropout": [([A], {})],
    "LayerNormalization": [(NORMALIZED, {})],
    "RMSNormalization": [(NORMALIZED, {})],
    "SimplifiedLayerNormalization": [(NORMALIZED, {})],
    "Cast": [([A], {"to": 7}), ([whole(1, 0)], {"to": 9})],
    "Constant": [([], {"value_ints": [1, 2]}), ([], {"value_float": 2.0}), ([], {"value": "tensor"})],
    "Shape": [([A], {}), ([A], {"start": -2})],
    "Size": [([A], {})],
    "Gather": [([A, IDS], {"axis": 1}), ([whole(5, 6, 7), whole(2)], {}), ([whole(5, 6, 7), np.array(-1)], {})],
    "GatherElements": [([A, np.zeros((1, 3, 2), np.int64)], {"axis": 2})],
    "GatherND": [([A, np.zeros((5, 2), np.int64)], {}), ([A, np.zeros((2, 1), np.int64)], {"batch_dims": 1})],
    "ScatterND": [([A, np.array([[1]]), A[:1]], {})],
    "ScatterElements": [([B, np.array([[1]]), B[:1]], {})],
    "Concat": [([A, A], {"axis": -1}), ([IDS, whole(9)], {"axis": 0})],
    "Slice": [
        ([A, whole(1, -9), whole(2**62, 2), whole(1, -1)], {}),
        ([IDS, whole(-1), whole(-(2**62)), whole(0), whole(-2)], {}),
    ],
    "Squeeze": [([floats(1, 3, 1), whole(-1)], {}), ([floats(1, 3, 1)], {})],
    "Unsqueeze": [([A, whole(0, -1)], {}), ([IDS, whole(1)], {})],
    "Reshape": [([A, whole(0, -1)], {}), ([IDS, whole(3, 1)], {}), ([A, whole(4, 3, 2)], {"allowzero": 1})],
    "Flatten": [([A], {"axis": 2}), ([A], {"axis": -2})],
    "Transpose": [([A], {}), ([A], {"perm": [1, 0, 2]})],
    "Expand": [([B, whole(2, 3, 5)], {}), ([A, whole(1)], {})],
    "Tile": [([A, whole(2, 1, 3)], {})],
    "ConstantOfShape": [([whole(2, 3)], {}), ([whole(2)], {"value": "tensor"})],
    "Range": [([np.array(2), np.array(9), np.array(3)], {}), ([np.float32(3), np.float32(0), np.float32(-0.9)], {})],
    "Trilu": [([A], {"upper": 0})],
    "CumSum": [([A, np.array(1)], {})],
    "Split": [([A, whole(1, 3)], {"axis": 2}), ([IDS, whole(2, 1)], {})],
    "MatMul": [([A, floats(4, 5)], {}), ([A, floats(4)], {}), ([floats(3), A], {}), ([floats(4), floats(4)], {})],
    "Gemm": [([floats(2, 3), floats(4, 3), floats(4)], {"transB": 1}), ([floats(3, 2), floats(3, 4)], {"transA": 1})],
    "MatMulInteger": [([BYTES, BYTES.T.copy()], {})],
    "DynamicQuantizeLinear": [([A], {})],
    "QuantizeLinear": [([A, HALF, np.array(0, np.int8)], {}), ([A, HALF], {})],
    "DequantizeLinear": [([BYTES, HALF, ZERO], {})],
    MICROSOFT + "FusedMatMul": [([A, floats(5, 4)], {"transB": 1})],
    MICROSOFT + "MatMulIntegerToFloat": [([BYTES, BYTES.T.copy(), HALF, HALF], {})],
    MICROSOFT + "DynamicQuantizeMatMul": [([floats(2, 3), BYTES.T.copy(), HALF, ZERO], {})],
    MICROSOFT + "Attention": [([A, floats(4, 12), floats(12)], {"num_heads": 2})],
    MICROSOFT + "QAttention": [
        (
            [BYTES.reshape(1, 2, 3), np.ones((3, 9), np.uint8), floats(9), HALF, HALF, np.ones((1, 2), np.int32)]
            + [ZERO] * 2,
            {"num_heads": 1},
        )
    ],
    MICROSOFT + "MultiHeadAttention": [([A, A, A], {"num_heads": 2})],
    MICROSOFT + "EmbedLayerNormalization": [
        (
            [np.ones((2, 3), np.int32), np.zeros((2, 3), np.int32), floats(5, 4), floats(6, 4), floats(2, 4)]
            + [floats(4)] * 2,
            {},
        )
    ],
    MICROSOFT + "SkipLayerNormalization": [([A, A, floats(4), floats(4)], {})],
    MICROSOFT + "Gelu": [([A], {})],
    MICROSOFT + "QuickGelu": [([A], {})],
    MICROSOFT + "FastGelu": [([A, floats(4)], {})],
    MICROSOFT + "BiasGelu": [([A, floats(4)], {})],
}
N_OUTPUTS = {"Split": 2, "DynamicQuantizeLinear": 3, MICROSOFT + "EmbedLayerNormalization": 2}
OPSETS = {"Swish": 24, "RMSNormalization": 23}


def one_node(operator: str, inputs: list, attributes: dict, n_outputs: int = 1) -> bytes:
    """A model of one operation on constants."""
    helper = onnx.helper
    domain, _, name = operator.rpartition(".")
    attributes = {
        key: onnx.numpy_helper.from_array(np.array([3])) if one == "tensor" else one for key, one in attributes.items()
    }
    names, outputs = [f"in{k}" for k in range(len(inputs))], [f"out{k}" for k in range(n_outputs)]
    graph = helper.make_graph(
        [helper.make_node(name, names, outputs, domain=domain, **attributes)],
        "one",
        [helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["n", "length"])],
        [onnx.ValueInfoProto(name=output) for output in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), key) for key, array in zip(names, inputs, strict=True)],
    )
    imports = [helper.make_opsetid("", OPSETS.get(operator, 20)), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()


def test_every_operator_is_asked():
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("operator", CASES)
def test_rules_say_what_onnxruntime_makes(operator):
    for inputs, attributes in CASES[operator]:
        model = one_node(operator, inputs, attributes, N_OUTPUTS.get(operator, 1))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            missing = ("NOT_IMPLEMENTED", "is not a registered", "is under development")
            if any(words in str(error) for words in missing):
                pytest.skip("this onnxruntime does not have it")
            raise
        made = session.run(None, {"input_ids": np.ones((1, 1), np.int64)})
        said = CostCounter(read_graph(np.frombuffer(model, np.uint8))).check(1, 1).outputs
        for output, array in zip(session.get_outputs(), made, strict=True):
            assert said[output.name].shape == array.shape, (operator, attributes)
            assert said[output.name].dtype == array.dtype, (operator, attributes)
            if said[output.name].known is not None:
                np.testing.assert_allclose(said[output.name].known, array, rtol=1e-6)


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "reason"),
    [
        ("Div", [whole(1), whole(0)], {}, "divides whole numbers by what may be 0"),
        ("Mod", [whole(1), whole(-1)], {}, "divides whole numbers by what may be 0"),
        ("Range", [np.array(0), np.array(1), np.array(0)], {}, "has no end"),
        ("Range", [np.array(0), np.array(2**62), np.array(1)], {}, "has no end"),
        ("Expand", [A, whole(2**40, 1, 1)], {}, "arrays of the shapes|array of the shape"),
        ("Tile", [A, whole(2**20, 2**20, 1)], {}, "array of the shape"),
        ("ConstantOfShape", [whole(-1)], {}, "array of the shape"),
        ("Reshape", [A, whole(5, -1)], {}, "Reshape makes"),
        ("Gather", [whole(1), whole(5)], {}, "not there"),
        ("Gather", [A, IDS], {"axis": 9}, "axis 9"),
        ("Concat", [A, B], {"axis": 0}, "do not fit"),
        ("MatMul", [A, A], {}, "are multiplied"),
        ("Split", [A, whole(9, 9)], {"axis": 2}, "parts that are not"),
        ("Transpose", [A], {"perm": [0, 0, 1]}, "other axes"),
        ("Slice", [A, whole(0), whole(1), whole(0), whole(0)], {}, "do not fit"),
        ("Squeeze", [A, whole(0)], {}, "longer than 1"),
        ("Cast", [A], {"to": 8}, "type that is not on the list"),
        (MICROSOFT + "Attention", [A, floats(4, 12), floats(12)], {"num_heads": 10**9}, "heads"),
        (MICROSOFT + "Attention", [A, floats(5, 12), floats(12)], {"num_heads": 2}, "do not fit"),
        (MICROSOFT + "Inverse", [A], {}, "not on the list"),
        ("NonZero", [A], {}, "not on the list"),
    ],
)
def test_what_cannot_be_counted_is_refused(operator, inputs, attributes, reason):
    model = one_node(operator, inputs, attributes, N_OUTPUTS.get(operator, 1))
    with pytest.raises(InputError, match=reason):
        CostCounter(read_graph(np.frombuffer(model, np.uint8))).check(1, 1)
