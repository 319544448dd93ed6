"""The walk through an ONNX file: what the library's own reader finds, and what is refused."""

from contextlib import suppress

import numpy as np
import pytest

from manyhot.encoders.text.onnx import protobuf
from manyhot.encoders.text.onnx.graph import MAX_NODES, read_graph
from manyhot.encoders.text.onnx.protobuf import MAX_FIELDS, read_message
from manyhot.errors import InputError
from tests.fixtures.onnx_files import hidden_nodes, model_bytes, tables

onnx = pytest.importorskip("onnx", reason="makes the models of the tests")


def read(encoded: bytes):
    return read_graph(np.frombuffer(encoded, np.uint8))


def changed(change) -> bytes:
    """The model of the tests after a change by the library."""
    model = onnx.ModelProto.FromString(model_bytes())
    change(model)
    return model.SerializeToString()


def test_nodes_arrays_and_attributes_are_those_of_the_library():
    encoded = model_bytes()
    graph, theirs = read(encoded), onnx.ModelProto.FromString(encoded).graph
    assert [(node.operator, list(node.inputs), list(node.outputs)) for node in graph.nodes] == [
        (node.op_type, list(node.input), list(node.output)) for node in theirs.node
    ]
    assert graph.nodes[3].attributes == {"perm": [0, 2, 1]}
    assert graph.nodes[10].attributes == {"axis": -1}
    for name, array in tables().items():
        np.testing.assert_array_equal(graph.constants[name].known, array)
    assert [port.name for port in graph.inputs] == ["input_ids", "attention_mask"]
    assert graph.opset == 17


@pytest.mark.parametrize("name", ["int32_data", "int64_data", "float_data", "double_data"])
def test_numbers_may_be_packed_in_fields_of_their_type(name):
    kinds = {"int32_data": (6, [-3, 300]), "int64_data": (7, [-(2**60), 5]), "float_data": (1, [0.5, -2])}
    code, numbers = kinds.get(name, (11, [1e300, 0.25]))

    def change(model):
        array = model.graph.initializer.add()
        array.name, array.data_type = "more", code
        array.dims.append(2)
        getattr(array, name).extend(numbers)

    constant = read(changed(change)).constants["more"]
    np.testing.assert_array_equal(constant.known, numbers)


def test_half_precision_may_lie_in_whole_numbers():
    def change(model):
        array = model.graph.initializer.add()
        array.name, array.data_type = "more", 10
        array.dims.append(2)
        array.int32_data.extend(np.array([0.5, -2], np.float16).view(np.uint16).tolist())

    np.testing.assert_array_equal(read(changed(change)).constants["more"].known, [0.5, -2])


@pytest.mark.parametrize("length", range(0, len(model_bytes()) - 1, 7))
def test_a_cut_file_is_refused(length):
    with pytest.raises(InputError):
        read(model_bytes()[:length])


def first(model):
    return model.graph.initializer[0]


def outside(model):
    first(model).data_location = 1
    entry = first(model).external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def fixed(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (outside, "another file"),
        (lambda model: setattr(first(model), "data_location", 1), "another file"),
        (lambda model: first(model).dims.__setitem__(0, 2**40), "claims the shape"),
        (lambda model: first(model).dims.extend([2**62, 2**62, 2**62]), "claims the shape"),
        (lambda model: first(model).dims.__setitem__(0, 5), "other numbers than it says"),
        (lambda model: first(model).dims.__setitem__(0, -1), "claims the shape"),
        (lambda model: first(model).float_data.append(1), "twice"),
        (lambda model: first(model).ClearField("raw_data"), "no numbers"),
        (lambda model: setattr(first(model), "data_type", 8), "type 8"),
        (lambda model: setattr(first(model), "name", "key"), "one name"),
        (lambda model: model.graph.sparse_initializer.add(), "sparse"),
        (lambda model: model.functions.add(), "functions are not taken"),
        (lambda model: model.training_info.add(), "training is not taken"),
        (lambda model: model.graph.input[0].type.tensor_type.shape.dim.add(), "no matrix"),
        (lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", 1), "no matrix"),
        (lambda model: setattr(model.graph.input[0], "name", "pixel_values"), "its inputs are"),
        (fixed, "fixed sizes"),
        (lambda model: setattr(model.opset_import[0], "version", 99), "operators"),
        (lambda model: model.opset_import.add(), "operators"),
        (lambda model: model.ClearField("graph"), "no graph"),
        (lambda model: setattr(model.graph.node[0], "domain", "my.operators"), "my.operators"),
        (lambda model: setattr(model.graph.node[0], "name", "n" * 5000), "a name has more"),
    ],
)
def test_what_is_not_on_the_list_is_refused(change, reason):
    with pytest.raises(InputError, match=reason):
        read(changed(change))


@pytest.mark.parametrize("kind", ["Loop", "If", "Scan"])
def test_loops_and_branches_are_refused(kind):
    helper = onnx.helper
    body = helper.make_graph([], "body", [], [])
    attributes = {"If": {"then_branch": body, "else_branch": body}}.get(kind, {"body": body})
    node = helper.make_node(kind, ["input_ids"], ["turns"], **attributes)
    with pytest.raises(InputError, match="loops and branches"):
        read(model_bytes([*hidden_nodes(), node]))


def test_fields_and_nodes_are_counted():
    many = b"\x0a\x00" * (MAX_FIELDS + 1)  # nodes without anything
    length = len(many)
    size = bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14 & 0x7F])
    with pytest.raises(InputError, match="300,000 fields"):
        read(b"\x3a" + size + many)
    with pytest.raises(InputError, match="nodes"):
        read(model_bytes([onnx.helper.make_node("Identity", ["input_ids"], [f"{k}"]) for k in range(MAX_NODES + 1)]))


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"\x08\x07\x08\x07", "twice"),
        (b"\x09" + bytes(8), "another type"),
        (b"\x0b", "another type"),
        (b"\x00", "field 0"),
        (b"\xff" * 11, "no end"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut off"),
        (b"\x3a\x03\x12\x01\xff", "UTF-8"),
        (b"not a model", "not on the list|another type"),
    ],
)
def test_bytes_that_are_no_messages_are_refused(encoded, reason):
    with pytest.raises(InputError, match=reason):
        read_message(np.frombuffer(encoded, np.uint8))


def test_random_bytes_never_end_in_another_error():
    generator, encoded = np.random.default_rng(0), np.frombuffer(model_bytes(), np.uint8)
    for _ in range(2000):
        damaged = encoded.copy()
        damaged[generator.integers(len(encoded), size=generator.integers(1, 6))] = generator.integers(256)
        with suppress(InputError):
            read_graph(damaged)
    assert protobuf.count_varints(memoryview(b"\x01\x80\x01")) == 2
