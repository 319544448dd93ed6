"""Each operation that a program may have, beside what JAX makes of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from manyhot.errors import InputError
from manyhot.export.graph import Graph
from manyhot.export.operations import OPERATIONS
from manyhot.export.program import Translator, trace
from manyhot.export.traced_values import Value
from tests.export.models import run

GENERATOR = np.random.default_rng(0)
ROWS = {
    "x": GENERATOR.normal(size=(7, 5)).astype(np.float32),
    "y": GENERATOR.uniform(0.1, 2, (7, 5)).astype(np.float32),
    "k": GENERATOR.integers(0, 4, (7, 5)).astype(np.int32),
    "image": GENERATOR.normal(size=(7, 9, 8, 4)).astype(np.float32),
}
KERNEL = GENERATOR.normal(size=(3, 3, 4, 6)).astype(np.float32)
TABLE = GENERATOR.normal(size=(4, 3)).astype(np.float32)
NHWC = ("NHWC", "HWIO", "NHWC")


def convolve(image, kernel, **more):
    settings = {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": NHWC, **more}
    return lax.conv_general_dilated(image, kernel, **settings)


def window(image, operation, start, size, steps, padding):
    return lax.reduce_window(image, start, operation, size, steps, padding)


FUNCTIONS = {
    "of one number": lambda r: [
        getattr(jnp, name)(r["x"])
        for name in ("abs", "ceil", "cos", "exp", "expm1", "floor", "negative", "sign", "sin", "square", "tanh")
    ],
    "of a number above 0": lambda r: (jnp.log(r["y"]), jnp.log1p(r["y"]), jnp.sqrt(r["y"])),
    "of two numbers": lambda r: [
        getattr(jnp, name)(r["x"], r["y"])
        for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "less", "less_equal", "greater")
    ],
    "erf": lambda r: lax.erf(r["x"]),
    "erfc": lambda r: lax.erfc(r["x"]),
    "rsqrt": lambda r: lax.rsqrt(r["y"]),
    "logistic": lambda r: jax.nn.sigmoid(r["x"]),
    "pow": lambda r: lax.pow(r["y"], r["x"]),
    "integer_pow": lambda r: (r["x"] ** 2, r["y"] ** 3, r["y"] ** -1),
    "equal": lambda r: (r["k"] == 2, r["k"] != 2, r["k"] >= 2),
    "logic": lambda r: (~(r["x"] > 0) & (r["y"] > 1) | (r["k"] > 1)) ^ (r["x"] > 1),
    "where": lambda r: jnp.where(r["x"] > 0, r["x"], 2.0),
    "clamp": lambda r: lax.clamp(-0.5, r["x"], 0.5),
    "convert": lambda r: (r["k"].astype("float32") / 3, (r["x"] * 3).astype("int32"), (r["x"] > 0).astype("float32")),
    "copy": lambda r: lax.stop_gradient(jnp.copy(r["x"])) + lax.reduce_precision(r["x"], 8, 23),
    "barrier": lambda r: lax.optimization_barrier(r["x"]) * 2,
    "broadcast": lambda r: (r["x"][:, :, None] - TABLE[0], jnp.broadcast_to(r["x"][:, None, :1], (*r["x"].shape, 5))),
    "broadcast of nothing": lambda r: jnp.concatenate([jnp.zeros_like(r["x"]), r["x"], jnp.ones((5,)) + 0 * r["x"]], 1),
    "reshape": lambda r: (
        r["image"].reshape(r["image"].shape[0], -1),
        (2 * r["image"].reshape(-1, 4)).reshape(r["image"].shape[0], 9, -1, 2),
    ),
    "squeeze": lambda r: lax.squeeze(r["x"][:, 1:2], (1,)) + lax.expand_dims(r["x"], (1,))[:, 0, 0],
    "transpose": lambda r: (
        r["image"].transpose(0, 3, 2, 1),
        jnp.broadcast_to(r["x"][..., None], (*r["x"].shape, 2)).mT,
    ),
    "concatenate": lambda r: (jnp.concatenate([r["x"], r["y"]], 1), jnp.stack([r["x"], r["y"]], 1)),
    "slice": lambda r: (
        r["image"][:, 1:8:2, ::-1, 2],
        lax.dynamic_slice_in_dim(r["x"], 2, 2, 1),
        lax.slice_in_dim(r["x"], 1, 5, 2, 1),
    ),
    "split": lambda r: jnp.split(r["x"], [2, 3], 1),
    "pad": lambda r: jnp.pad(r["x"], ((0, 0), (1, 2)), constant_values=3.0),
    "sum": lambda r: (r["image"].sum((1, 2)), r["image"].mean((1, 2, 3)), r["x"].cumsum(1), r["x"].prod(1)),
    "sum of one number": lambda r: jnp.broadcast_to(r["x"][:, :1], r["x"].shape).sum(1),
    "max": lambda r: (r["image"].max((1, 3)), r["image"].min(2), (r["x"] > 0).any(1), (r["x"] > -1).all(1)),
    "places": lambda r: (r["x"].argmax(1), r["x"].argmin(1)),
    "cumulate backwards": lambda r: lax.cumsum(r["x"], 1, reverse=True),
    "product": lambda r: (r["x"] @ np.ones((5, 2), "float32"), r["x"] @ np.ones(5, "float32")),
    "products": lambda r: (
        jnp.einsum("bk,mk->bm", r["x"], TABLE[:, :1] * np.ones(5, "float32")),
        jnp.einsum("bhwc,bhvc->bwv", r["image"], r["image"]),
        jnp.einsum("bhwc,h->bwc", r["image"], np.arange(9, dtype="float32")),
    ),
    "vectors": lambda r: (jnp.take(TABLE, r["k"], axis=0), jnp.take(r["x"], np.array([3, 0]), axis=1)),
    "convolution": lambda r: (
        convolve(r["image"], KERNEL),
        convolve(r["image"], KERNEL, window_strides=(2, 3), rhs_dilation=(2, 1), padding=((1, 2), (0, 1))),
        convolve(r["image"], KERNEL[:, :, :2], feature_group_count=2),
        convolve(r["image"].transpose(0, 3, 1, 2), KERNEL, dimension_numbers=("NCHW", "HWIO", "NCHW")),
    ),
    "transposed convolution": lambda r: lax.conv_transpose(r["image"], KERNEL, (2, 3), "SAME", dimension_numbers=NHWC),
    "convolution of a line": lambda r: lax.conv_general_dilated(
        r["image"][:, 0], KERNEL[0], (2,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")
    ),
    "max pooling": lambda r: (
        window(r["image"], lax.max, -jnp.inf, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
        window(r["image"], lax.max, -jnp.inf, (1, 3, 3, 1), (1, 2, 2, 1), "SAME"),
        window(r["image"], lax.max, -jnp.inf, (1, 1, 2, 1), (1, 1, 2, 1), "VALID"),
        window(r["image"], lax.max, -jnp.inf, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"),
    ),
    "mean pooling": lambda r: window(r["image"], lax.add, 0.0, (1, 3, 2, 1), (1, 2, 2, 1), "SAME") / 6,
    "a call": lambda r: jax.nn.relu(r["x"]) + jax.nn.elu(r["x"]) + jax.nn.gelu(r["x"]) + jax.nn.softplus(r["x"]),
}


def traced(function):
    shapes = {name: (rows.shape[1:], rows.dtype) for name, rows in ROWS.items()}
    return trace(lambda leaves, rows: jax.tree.leaves(function(rows)), [], shapes)


def content(function):
    program = traced(function)
    graph = Graph({*ROWS, *(f"result {k}" for k in range(9))})
    for name in sorted(ROWS):
        graph.add_input(name, ROWS[name].dtype, ROWS[name].shape[1:])
    values = [
        Value(one.aval.shape, one.aval.shape, np.dtype(one.aval.dtype), name=name)
        for name, one in zip(sorted(ROWS), program.jaxpr.invars, strict=True)
    ]
    translator = Translator(graph, "x")
    for k, result in enumerate(translator.run(program, values)):
        graph.add_output(f"result {k}", translator.whole(result), result.dtype, result.shape[1:])
    return graph.content({})


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
def test_a_graph_computes_what_jax_does(name):
    expected = jax.tree.leaves(FUNCTIONS[name](ROWS))
    if any(not one.shape for one in expected):
        expected = [one for one in expected if one.shape]
        results = run(content(lambda rows: [one for one in jax.tree.leaves(FUNCTIONS[name](rows)) if one.shape]), ROWS)
    else:
        results = run(content(FUNCTIONS[name]), ROWS)
    assert len(results) == len(expected)
    for got, wanted in zip(results.values(), expected, strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6)


def names_in(program):
    for equation in program.eqns:
        yield equation.primitive.name
        for value in equation.params.values():
            yield from (
                names_in(getattr(value, "jaxpr", value)) if hasattr(getattr(value, "jaxpr", value), "eqns") else ()
            )


def test_every_operation_is_run():
    found = {name for function in FUNCTIONS.values() for name in names_in(traced(function).jaxpr)}
    assert set(OPERATIONS) - found <= {"add_any", "copy_p"}  # of gradients, and of other versions of JAX


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda r: lax.fori_loop(0, 3, lambda k, x: x * 2, r["x"]), "scan|while"),
        (lambda r: jnp.sort(r["x"], axis=1), "sort"),
        (lambda r: r["x"][r["k"][0, 0]], "gather|take"),
        (lambda r: r["x"][1:], "rows of a batch"),
        (lambda r: r["k"] & 1, "bits"),
        (lambda r: lax.pad(r["x"], 0.0, ((0, 0, 0), (0, 0, 1))), "pads between"),
    ],
)
def test_what_is_not_written_is_named(function, name):
    with pytest.raises(InputError, match=name):
        content(function)
