"""From the blocks that the network sees to scores: the members, their mean, the taxonomy, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manyhot.backend import jax, use_dtype
from manyhot.config.fields import NONE
from manyhot.config.training import ISOTONIC
from manyhot.decisions.calibration.calibration import Calibration
from manyhot.decisions.calibration.isotonic import Curve
from manyhot.errors import InputError
from manyhot.export.encoding import TYPES, Input
from manyhot.export.graph import Graph
from manyhot.export.program import Translator, trace
from manyhot.export.traced_values import Value, known
from manyhot.models.model import Model

DTYPE = "float32"  # of scores, whatever the model was trained in
Levels = Sequence[tuple[np.ndarray, np.ndarray]]


def write_scores(graph: Graph, model: Model, inputs: Sequence[Input], blocks: Mapping[str, str]) -> str:
    """Write all members and the mean of what they say; uncalibrated scores float32 (n, ..., l)."""
    spec = model.network
    if spec.custom is not None and spec.dtype != DTYPE:
        raise InputError(f"a Keras model of your own is exported in {DTYPE}, this one was trained in {spec.dtype}")
    shapes, levels = spec.shapes, model.network.levels
    with use_dtype(DTYPE):
        factory = replace(spec, dtype=DTYPE).factory(model.n_members).with_layers(False)
        network = factory.build(0)
        tables = list(factory.tables)

        def logits(leaves: Any, rows: Any) -> Any:
            trainable, fixed = leaves
            bags = {name: rows[name] @ table for name, table in zip(tables, trainable, strict=False)}
            return network.stateless_call(trainable[len(bags) :], fixed, {**rows, **bags}, training=False)[0]

        types = {name: _block_type(model, name) for name in shapes}
        first = _member_leaves(model, 0)
        program = trace(logits, first, {name: (shape, types[name]) for name, shape in shapes.items()})
        n_leaves = len(jax.tree.leaves(first))
        translator = Translator(graph, next(iter(inputs)).name)
        rows = [
            Value(one.aval.shape, one.aval.shape, np.dtype(one.aval.dtype), name=blocks[name])
            for name, one in zip(sorted(shapes), program.jaxpr.invars[n_leaves:], strict=True)
        ]
        outputs = []
        averages_logits = model.scorer().averages_logits
        for member in range(model.n_members):
            leaves = jax.tree.leaves(_member_leaves(model, member))
            (result,) = translator.run(program, [*map(known, leaves), *rows])
            output = raise_parents(graph, translator.whole(result), levels, len(result.shape), len(model.labels))
            if not averages_logits:
                output = _as_scores(graph, output, model.config.head)
            outputs.append(output)
    mean = outputs[0]
    if len(outputs) > 1:
        mean = graph.node("Div", graph.node("Sum", *outputs), graph.constant(len(outputs), np.float32))
    if averages_logits:
        mean = _as_scores(graph, mean, "sigmoid")
    # rounding may put a parent a last digit below a child
    return raise_parents(graph, mean, levels, score_rank(model), len(model.labels))


def score_rank(model: Model) -> int:
    """Axes of the scores: rows and labels, with height and width between where pixels have labels."""
    return 4 if model.labels_pixels else 2


def _as_scores(graph: Graph, logits: str, head: str) -> str:
    return graph.node("Softmax", logits, axis=-1) if head == "softmax" else graph.node("Sigmoid", logits)


def _block_type(model: Model, name: str) -> Any:
    if name in model.encoder.images.blocks:
        return TYPES["uint8"]
    return TYPES["int32" if name in model.encoder.vocabularies else "float32"]


def _member_leaves(model: Model, member: int) -> Any:
    """Trainable and other arrays of one member, numbers in the type of the export."""
    return tuple(
        [leaf[member].astype(DTYPE) if leaf.dtype.kind == "f" else leaf[member] for leaf in leaves]
        for leaves in (model.weights.trainable, model.weights.fixed)
    )


def raise_parents(graph: Graph, values: str, levels: Levels, rank: int, n_labels: int) -> str:
    """Raise each label's value (n, ..., l) to the highest of those that imply it; lowest parents first."""
    for children, parents in levels:
        unique, starts = np.unique(parents, return_index=True)
        groups = np.split(np.asarray(children), starts[1:])
        widest = max(map(len, groups))
        padded = [[*group, *[group[0]] * (widest - len(group))] for group in groups]
        shape = [0] * (rank - 1) + [len(unique), widest]
        found = graph.reshape(graph.gather(values, np.concatenate(padded)), shape)
        highest = graph.node("ReduceMax", found, graph.constant([-1], np.int64), keepdims=0)
        raised = graph.node("Max", highest, graph.gather(values, unique))
        values = put_columns(graph, values, raised, unique, n_labels)
    return values


def put_columns(graph: Graph, values: str, columns: str, places: np.ndarray, n_labels: int) -> str:
    """Values (n, ..., l) with other ones in some columns."""
    sources = np.arange(n_labels)
    sources[places] = n_labels + np.arange(len(places))
    return graph.gather(graph.node("Concat", values, columns, axis=-1), sources)


def write_calibration(graph: Graph, scores: str, calibration: Calibration, levels: Levels, rank: int) -> str:
    """`DecisionPolicy.calibrate`: scores float32 (n, ..., l) to calibrated ones; in float64, as there."""
    calibrated, kinds = scores, np.array(calibration.kinds)
    wide = graph.cast(scores, np.float64)
    formula_places = np.flatnonzero((kinds != NONE) & (kinds != ISOTONIC))
    if len(formula_places):
        mapped = _write_formulas(graph, graph.gather(wide, formula_places), calibration.parameters[formula_places])
        calibrated = put_columns(graph, calibrated, mapped, formula_places, len(kinds))
    curve_places = np.array(sorted(calibration.curves), dtype=np.int64)
    if len(curve_places):
        curves = [calibration.curves[int(j)] for j in curve_places]
        mapped = _write_curves(graph, graph.gather(wide, curve_places), curves)
        calibrated = put_columns(graph, calibrated, mapped, curve_places, len(kinds))
    return raise_parents(graph, calibrated, levels, rank, len(kinds))


def _write_formulas(graph: Graph, scores: str, parameters: np.ndarray) -> str:
    """`calibration.parametric.apply_maps`: float64 (n, ..., k) to float32."""

    def constant(value: Any) -> str:
        return graph.constant(value, np.float64)

    limits = np.finfo(np.float32)
    a, b, c = parameters.T
    values = graph.node("Max", scores, constant(float(limits.tiny)))
    complement = graph.node("Max", graph.node("Sub", constant(1), values), constant(float(limits.epsneg) / 2))
    f = graph.node("Mul", constant(a), graph.node("Log", values))
    f = graph.node("Sub", f, graph.node("Mul", constant(b), graph.node("Log", complement)))
    f = graph.node("Clip", graph.node("Add", f, constant(c)), constant(-700), constant(700))
    below = graph.node("Add", constant(1), graph.node("Exp", graph.node("Neg", f)))
    return graph.cast(graph.node("Div", constant(1), below), np.float32)


def _write_curves(graph: Graph, scores: str, curves: Sequence[Curve]) -> str:
    """`calibration.isotonic.Curve.apply` for a curve a column: float64 (n, ..., k) to float32."""
    # all points lie in one array; each score's segment is found by halving what is left of its curve
    points = [(one.x, one.y) if len(one.x) > 1 else ([one.x[0], one.x[0] + 1], [one.y[0]] * 2) for one in curves]
    n_points = np.array([len(x) for x, _ in points])
    first = graph.constant(np.cumsum([0, *n_points[:-1]]), np.int64)
    last = graph.constant(np.cumsum(n_points) - 2, np.int64)  # the last segment's beginning
    x = graph.constant(np.concatenate([x for x, _ in points]), np.float64)
    y = graph.constant(np.concatenate([y for _, y in points]), np.float64)
    low = graph.constant([one.x[0] for one in curves], np.float64)
    high = graph.constant([one.x[-1] for one in curves], np.float64)
    clipped = graph.node("Min", graph.node("Max", scores, low), high)
    never = graph.node("Less", scores, graph.constant(-1, np.float64))
    place = graph.node("Add", first, graph.cast(never, np.int64))  # where each score's curve begins
    for step in 2 ** np.arange(int(n_points.max() - 1).bit_length())[::-1]:
        further = graph.node("Min", graph.node("Add", place, graph.constant(step, np.int64)), last)
        is_beyond = graph.node("GreaterOrEqual", clipped, graph.node("Gather", x, further))
        place = graph.node("Where", is_beyond, further, place)
    following = graph.node("Add", place, graph.constant(1, np.int64))
    x_left, y_left = graph.node("Gather", x, place), graph.node("Gather", y, place)
    width = graph.node("Sub", graph.node("Gather", x, following), x_left)
    share = graph.node("Div", graph.node("Sub", clipped, x_left), width)
    rise = graph.node("Sub", graph.node("Gather", y, following), y_left)
    return graph.cast(graph.node("Add", y_left, graph.node("Mul", rise, share)), np.float32)
