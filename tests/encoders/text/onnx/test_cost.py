"""What a batch takes: budgets that go by the file, memory that is alive, and graphs that are none."""

import numpy as np
import pytest

from manyhot.encoders.text.onnx.cost import BASE_WORK, MAX_LIVE_BYTES, CostCounter
from manyhot.encoders.text.onnx.graph import read_graph
from manyhot.errors import InputError
from tests.fixtures.onnx_files import WIDTH, hidden_nodes, model_bytes

onnx = pytest.importorskip("onnx", reason="makes the models of the tests")
node = onnx.helper.make_node


def counter(nodes=(), **arrays) -> CostCounter:
    encoded = model_bytes([*hidden_nodes(), *nodes], arrays={name: np.asarray(one) for name, one in arrays.items()})
    return CostCounter(read_graph(np.frombuffer(encoded, np.uint8)))


def filled(n_numbers: int, *more) -> CostCounter:
    return counter([node("ConstantOfShape", ["sizes"], ["filled"]), *more], sizes=[n_numbers])


def test_outputs_have_the_sizes_of_the_batch():
    found = counter().check(3, 7).outputs["last_hidden_state"]
    assert (found.shape, found.dtype) == ((3, 7, WIDTH), np.float32)


def test_work_and_memory_grow_with_texts_and_with_the_square_of_the_length():
    one, two, longer = (counter().check(*shape) for shape in ((1, 100), (2, 100), (1, 200)))
    assert two.work == pytest.approx(2 * one.work, rel=0.01)
    assert 3.5 < longer.work / one.work < 4
    assert 3.5 < longer.live_bytes / one.live_bytes < 4


def test_work_beyond_what_the_file_allows_is_refused():
    filled(BASE_WORK // 2).check(1, 2)
    power = node("Pow", ["filled", "filled"], ["more"])
    with pytest.raises(InputError, match="multiplications, at most"):
        filled(BASE_WORK // 8, power).check(1, 2)


def test_memory_is_that_of_values_alive_at_one_time():
    n_numbers = MAX_LIVE_BYTES // 4 // 64
    chain = [node("Identity", [f"f{k}" if k else "filled"], [f"f{k + 1}"]) for k in range(6)]
    alone = filled(n_numbers, *chain).check(1, 2).live_bytes
    assert alone < 3 * 4 * n_numbers
    kept = filled(n_numbers, *chain, node("Concat", ["filled", "f5"], ["both"], axis=0)).check(1, 2).live_bytes
    assert kept > alone
    with pytest.raises(InputError, match="bytes at ConstantOfShape, at most"):
        filled(MAX_LIVE_BYTES // 4 + 1).check(1, 2)


def test_a_length_that_takes_more_is_found_when_it_comes():
    trap = [
        node("Shape", ["input_ids"], ["shape"]),
        node("Equal", ["shape", "trap"], ["is_trap"]),
        node("Cast", ["is_trap"], ["flags"], to=7),
        node("Mul", ["flags", "many"], ["sizes"]),
        node("ConstantOfShape", ["sizes"], ["x"]),
    ]
    found = counter(trap, trap=[1, 13], many=[10**5, 10**5])
    for length in (1, 12, 14, 500):
        found.check(1, length)
    with pytest.raises(InputError, match=r"array of the shape|bytes at"):
        found.check(1, 13)


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([node("Add", ["b", "unit"], ["a"]), node("Add", ["a", "unit"], ["b"])], "nothing before it makes"),
        ([node("Identity", ["unit"], ["embedded"])], "two nodes make"),
        ([node("Relu", ["unit"], ["a", "b"])], "2 outputs, expected 1"),
        ([node("Relu", [], ["a"])], "lacks an input"),
    ],
)
def test_graphs_that_are_none_are_refused(nodes, reason):
    with pytest.raises(InputError, match=reason):
        counter(nodes).check(1, 2)
