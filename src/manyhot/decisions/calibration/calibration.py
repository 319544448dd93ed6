"""Maps from scores to calibrated scores, one per label, applied and saved; what is read from a file is not trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyhot import validation
from manyhot.config.fields import AUTO, NONE
from manyhot.config.training import BETA, CALIBRATIONS, ISOTONIC, PLATT
from manyhot.decisions.calibration.isotonic import Curve
from manyhot.decisions.calibration.parametric import IDENTITY, apply_maps, are_in_range
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import blocks, check_scores

KINDS = tuple(kind for kind in CALIBRATIONS if kind != AUTO)  # what a label's map can be


@dataclass(frozen=True, eq=False)
class Calibration:
    """One rising map per label that makes scores readable as frequencies."""

    # Source: temperature: Guo and others (ICML 2017); platt: Platt (1999) on logits; beta: Kull and others (AISTATS
    # 2017), both slopes above 0; isotonic: Zadrozny, Elkan (KDD 2002)

    kinds: tuple[str, ...]  # the kind of each label's map, of `KINDS`
    parameters: np.ndarray  # a, b, c of a log p - b log(1 - p) + c, float64 (l, 3)
    curves: Mapping[int, Curve] = field(default_factory=dict)  # for isotonic labels alone
    # mean log loss of each compared kind on rows it was not fitted on, in nats
    evidence: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in self.kinds:
            validation.one_of(KINDS, kinds=kind)
        _check_parameters(self.parameters, self.kinds)
        expected = {j for j, kind in enumerate(self.kinds) if kind == ISOTONIC}
        if set(self.curves) != expected:
            raise InputError(f"curves for labels {sorted(self.curves)}, expected {sorted(expected)}", argument="curves")
        for j, curve in self.curves.items():
            _check_curve(j, curve)
        for kind, loss in self.evidence.items():
            validation.one_of(KINDS, evidence=kind)
            validation.number(low=0.0, evidence=loss)
        values = self.parameters.copy()
        values.setflags(write=False)
        object.__setattr__(self, "parameters", values)

    @classmethod
    def none(cls, n_labels: int) -> Calibration:
        """The calibration that changes nothing."""
        return cls((NONE,) * n_labels, np.tile(IDENTITY, (n_labels, 1)))

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def is_identity(self) -> bool:
        """Whether no label has a map."""
        return set(self.kinds) == {NONE}

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Calibrate scores, (n, l) or deeper with the label axis last; the order within a label never reverses."""
        calibrated = np.array(check_scores(scores, n_labels=len(self)), order="C")
        if self.is_identity:
            return calibrated
        rows = calibrated.reshape(-1, len(self))
        # by a formula first, all labels alike, then what has none is put back
        has_formula = np.array([kind not in (NONE, ISOTONIC) for kind in self.kinds])
        for part in blocks(*rows.shape):
            block = rows[part]
            if has_formula.any():
                rows[part] = np.where(has_formula, apply_maps(block, self.parameters), block)
            for j, curve in self.curves.items():
                rows[part, j] = curve.apply(block[:, j])
        return calibrated

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Everything `from_spec` needs: plain JSON values, and arrays by name."""
        labels = sorted(self.curves)
        ends = np.cumsum([0, *(len(self.curves[j].x) for j in labels)], dtype=np.int64)
        none = [np.zeros(0)]
        arrays = {
            "parameters": np.array(self.parameters),
            "curve_ends": ends[1:],
            "curve_x": np.concatenate([self.curves[j].x for j in labels] or none),
            "curve_y": np.concatenate([self.curves[j].y for j in labels] or none),
        }
        return {"kinds": list(self.kinds), "evidence": dict(self.evidence)}, arrays

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Calibration:
        """Rebuild a calibration from what `to_spec` gave."""
        _check_names(spec, ("kinds", "evidence"), "spec")
        _check_names(arrays, ("parameters", "curve_ends", "curve_x", "curve_y"), "arrays")
        kinds, evidence = spec["kinds"], spec["evidence"]
        if not isinstance(kinds, Sequence) or isinstance(kinds, (str, bytes)) or not len(kinds):
            raise InputError(f"got {validation.shorten(kinds)}, expected a list of kinds", argument="kinds")
        if not isinstance(evidence, Mapping):
            raise InputError(f"got {validation.shorten(evidence)}, expected a loss for each kind", argument="evidence")
        parameters = _array(arrays, "parameters", "f8", 2)
        x, y = _array(arrays, "curve_x", "f8", 1), _array(arrays, "curve_y", "f8", 1)
        ends = _array(arrays, "curve_ends", "i8", 1).tolist()
        labels = [j for j, kind in enumerate(kinds) if kind == ISOTONIC]
        starts = [0, *ends[:-1]] if ends else []
        rising = all(start < end for start, end in zip(starts, ends, strict=True))
        if len(ends) != len(labels) or not rising or len(x) != len(y) or len(x) != (ends[-1] if ends else 0):
            raise InputError(
                f"{len(ends)} curves with {len(x)} and {len(y)} points end at {validation.shorten(ends)}, "
                f"expected {len(labels)} curves that share the points out",
                argument="curve_ends",
            )
        spans = zip(labels, starts, ends, strict=True)
        curves = {j: Curve(x[start:end].copy(), y[start:end].copy()) for j, start, end in spans}
        return cls(tuple(kinds), parameters, curves, dict(evidence))


def _check_parameters(parameters: np.ndarray, kinds: tuple[str, ...]) -> None:
    shape = (len(kinds), 3)
    if not isinstance(parameters, np.ndarray) or parameters.shape != shape or parameters.dtype != np.float64:
        got = f"{getattr(parameters, 'dtype', type(parameters).__name__)} of shape {np.shape(parameters)}"
        raise InputError(f"got {got}, expected float64 of shape {shape}", argument="parameters")
    if not kinds:
        raise InputError("there is no label, expected at least one", argument="kinds")
    if not are_in_range(parameters):
        raise InputError("a slope or a shift is no number, not above 0 or beyond what fits give", argument="parameters")
    kind_names = np.array(kinds)
    a, b, c = parameters.T
    invalid = (kind_names != BETA) & (a != b)
    invalid |= ~np.isin(kind_names, (BETA, PLATT)) & (c != 0)
    invalid |= np.isin(kind_names, (NONE, ISOTONIC)) & (a != 1)
    if invalid.any():
        j = int(np.flatnonzero(invalid)[0])
        raise InputError(f"label {j} has {parameters[j].tolist()}, which is no {kinds[j]!r} map", argument="parameters")


def _check_curve(label: int, curve: Curve) -> None:
    x, y = curve
    for column in (x, y):
        if column.shape != x.shape or column.ndim != 1 or not column.size or not np.isfinite(column).all():
            raise InputError(f"the points of label {label} are not pairs of finite numbers", argument="curves")
    if not ((np.diff(x) > 0).all() and (np.diff(y) >= 0).all() and x[0] >= 0 and x[-1] <= 1 and y[0] > 0 and y[-1] < 1):
        raise InputError(f"the map of label {label} does not rise within 0 and 1", argument="curves")


def _check_names(mapping: Any, expected: tuple[str, ...], argument: str) -> None:
    if not isinstance(mapping, Mapping) or set(mapping) != set(expected):
        got = sorted(map(str, mapping)) if isinstance(mapping, Mapping) else mapping
        raise InputError(f"got {validation.shorten(got)}, expected {', '.join(expected)}", argument=argument)


def _array(arrays: Mapping[str, np.ndarray], name: str, dtype: str, n_axes: int) -> np.ndarray:
    array = arrays[name]
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype(dtype) or array.ndim != n_axes:
        got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"got {got}, expected {np.dtype(dtype)} with {n_axes} axes", argument=name)
    return array
