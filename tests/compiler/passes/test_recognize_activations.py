from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, check_pass, names_in
from ovc.compiler.passes.reasons import keep
from ovc.compiler.passes.recognize_activations import RecognizeActivationsPass
from ovc.dialects import nn
from ovc.dialects.const import ConstantOp
from patterns import MERGED, patterns
from strategies import Program
from xdsl.ir import SSAValue

TOLERANCE = 1e-6


class Value:
    """A value of a network, with Python's arithmetic."""

    def __init__(self, net: NetworkBuilder, value: SSAValue) -> None:
        self.net, self.value = net, value

    def apply(self, op: Any, *others: Any, **properties: Any) -> Value:
        values = [self.value, *(self.lift(o) for o in others)]
        return Value(self.net, self.net.add(op, *values, **properties))

    def lift(self, other: Any) -> SSAValue:
        if isinstance(other, Value):
            return other.value
        return self.net.constant(np.array(other, np.float32))

    def __add__(self, other: Any) -> Value:
        return self.apply(nn.AddOp, other)

    def __sub__(self, other: Any) -> Value:
        return self.apply(nn.SubOp, other)

    def __mul__(self, other: Any) -> Value:
        return self.apply(nn.MulOp, other)

    def __rmul__(self, other: float) -> Value:
        return Value(self.net, self.net.add(nn.MulOp, self.lift(other), self.value))

    def __radd__(self, other: float) -> Value:
        return Value(self.net, self.net.add(nn.AddOp, self.lift(other), self.value))

    def __rtruediv__(self, other: float) -> Value:
        return Value(self.net, self.net.add(nn.DivOp, self.lift(other), self.value))

    def __truediv__(self, other: Any) -> Value:
        return self.apply(nn.DivOp, other)

    def __neg__(self) -> Value:
        return self.apply(nn.NegOp)

    def __pow__(self, other: float) -> Value:
        return self.apply(nn.PowOp, other)

    def __getattr__(self, name: str) -> Callable[..., Value]:
        op = getattr(nn, "".join(map(str.title, name.split("_"))) + "Op")
        return lambda *others, **properties: self.apply(op, *others, **properties)


Formula = Callable[[Value], Value]

C = sqrt(2 / pi)
FORMS: list[tuple[str, Formula]] = [
    ("nn.sigmoid", lambda x: 1.0 / (1.0 + (-x).exp())),
    ("nn.sigmoid", lambda x: ((x * -1.0).exp() + 1.0).reciprocal()),
    ("nn.swish", lambda x: x * x.sigmoid()),
    ("nn.swish", lambda x: x.sigmoid() * x),
    ("nn.swish", lambda x: x * (1.5 * x).sigmoid()),
    ("nn.swish", lambda x: x / (1.0 + (-x).exp())),
    ("nn.swish", lambda x: x / ((x * -1.5).exp() + 1.0)),
    ("nn.hard_sigmoid", lambda x: (x + 3.0).clip(0.0, 6.0) / 6.0),
    ("nn.hard_sigmoid", lambda x: (x * 0.2 + 0.5).clip(0.0, 1.0)),
    ("nn.hard_sigmoid", lambda x: (x + 3.0).relu().minimum(6.0) * (1 / 6)),
    ("nn.hard_sigmoid", lambda x: (x + 3.0).maximum(0.0).minimum(6.0) / 6.0),
    ("nn.hard_swish", lambda x: x * (x + 3.0).clip(0.0, 6.0) / 6.0),
    ("nn.hard_swish", lambda x: x * ((x + 3.0).clip(0.0, 6.0) / 6.0)),
    ("nn.hard_swish", lambda x: (x + 3.0).clip(0.0, 6.0) * (x * (1 / 6))),
    ("nn.hard_swish", lambda x: x * x.hard_sigmoid(alpha=1 / 6, beta=0.5)),
    ("nn.gelu", lambda x: x * 0.5 * ((x / sqrt(2)).erf() + 1.0)),
    ("nn.gelu", lambda x: x * ((x / sqrt(2)).erf() + 1.0) * 0.5),
    ("nn.gelu", lambda x: 0.5 * (x * (1.0 + (x * sqrt(0.5)).erf()))),
    ("nn.gelu", lambda x: x * (0.5 * (x * sqrt(0.5)).erf() + 0.5)),
    ("nn.gelu", lambda x: 0.5 * x * (1.0 + (C * (x + 0.044715 * x**3.0)).tanh())),
    ("nn.gelu", lambda x: 0.5 * x * (1.0 + (C * (x + 0.044715 * x * x * x)).tanh())),
    ("nn.gelu", lambda x: 0.5 * x * (1.0 + (x * C * (1.0 + 0.044715 * x * x)).tanh())),
    ("nn.gelu", lambda x: x * (((x**3.0 * 0.044715 + x) * C).tanh() + 1.0) * 0.5),
]


def built(formula: Formula, dtype: type = np.float32) -> NetworkBuilder:
    net = NetworkBuilder([2, 5], dtype=dtype)
    formula(Value(net, net.values[0]))
    return net


@pytest.mark.parametrize(("name", "formula"), FORMS)
def test_every_form(name: str, formula: Formula) -> None:
    net = built(formula)
    module = net.finish()

    check_pass(RecognizeActivationsPass(), module, argument_arrays(module), TOLERANCE)

    found = [n for n in names_in(module) if n.startswith("nn.")]
    assert found == [name]


ROUNDED: list[Formula] = [
    lambda x: x * 0.5 * ((x * 0.70703125).erf() + 1.0),
    lambda x: x * 0.5 * ((x / 1.4140625).erf() + 1.0),
    lambda x: (
        0.5 * x * (1.0 + (0.7978515625 * (x + 0.044708251953125 * x**3.0)).tanh())
    ),
    lambda x: 0.5 * x * (1.0 + (C * (x + 0.044677734375 * x**3.0)).tanh()),
    lambda x: 0.5 * x * (1.0 + (C * (x + 0.044677734375 * x * x * x)).tanh()),
]
"""Numbers that were rounded to half precision."""


@pytest.mark.parametrize("formula", ROUNDED)
def test_numbers_rounded_to_half(formula: Formula) -> None:
    """What the rounding of a root changed is kept; that of a cube is too small."""
    net = built(formula)
    module = net.finish()
    exact = "nn.erf" in names_in(module)

    check_pass(
        RecognizeActivationsPass(),
        module,
        argument_arrays(module),
        TOLERANCE if exact else 2e-5,
    )

    names = [n for n in names_in(module) if n.startswith("nn.")]
    assert names == (["nn.mul", "nn.gelu", "nn.mul"] if exact else ["nn.gelu"])


NOT_QUITE: list[Formula] = [
    lambda x: 2.0 / (1.0 + (-x).exp()),
    lambda x: 1.0 / (2.0 + (-x).exp()),
    lambda x: 1.0 / (1.0 + x.exp() + x),
    lambda x: x * (x + 1.0).sigmoid(),
    lambda x: (x + 1.0) * x.sigmoid(),
    lambda x: 2.0 * x * x.sigmoid(),
    lambda x: x / (1.0 + (-x).exp() * 2.0),
    lambda x: x.clip(0.0, 1.0),
    lambda x: (x + 3.0).clip(0.0, 5.0) / 6.0,
    lambda x: (x + 3.0).clip(1.0, 6.0) / 6.0,
    lambda x: x * (x + 2.0).clip(0.0, 6.0) / 5.0,
    lambda x: x * (x + 3.0).clip(0.0, 6.0) / 5.0,
    lambda x: x * (x * 2.0 + 3.0).clip(0.0, 6.0) / 5.0,
    lambda x: x * 0.5 * ((x / 1.5).erf() + 1.0),
    lambda x: x * 0.4 * ((x / sqrt(2)).erf() + 1.0),
    lambda x: x * 0.5 * ((x / sqrt(2)).erf() + 2.0),
    lambda x: x * 0.5 * ((x.neg() / sqrt(2)).erf() + 1.0),
    lambda x: x * 0.5 * ((x / sqrt(2)).tanh() + 1.0),
    lambda x: 0.5 * x * (1.0 + (C * (x + 0.045 * x**3.0)).tanh()),
    lambda x: 0.5 * x * (1.0 + (0.8 * (x + 0.044715 * x**3.0)).tanh()),
    lambda x: 0.5 * x * (1.0 + (C * (x + 0.044715 * x**2.0)).tanh()),
    lambda x: x * 0.5 * ((x * 0.707).erf() + 1.0),
    lambda x: x * 0.5 * ((x * 0.7080078125).erf() + 1.0),
    lambda x: 0.5 * x * (1.0 + (C * (x + 0.0447 * x**3.0)).tanh()),
    lambda x: 0.5 * x * (1.0 + (C * (x + 0.0446 * x**3.0)).tanh()),
    lambda x: x * (x + 3.0).clip(0.0, 6.0) * 0.1666259765625,
]


@pytest.mark.parametrize("formula", NOT_QUITE)
def test_what_looks_alike_stays(formula: Formula) -> None:
    net = built(formula)
    module = net.finish()

    check_pass(RecognizeActivationsPass(), module, argument_arrays(module), TOLERANCE)

    assert not {n for n, _ in FORMS} & set(names_in(module)) - {"nn.sigmoid"}


@pytest.mark.parametrize(("name", "formula"), FORMS)
@given(data=st.data())
def test_another_reader_inside(name: str, formula: Formula, data: Any) -> None:
    """A value inside that others read, or that is an output, is still computed once."""
    net = built(formula)
    inside = [v for v in net.values[1:-1] if not isinstance(v.owner, ConstantOp)]
    if not inside:
        return
    value = data.draw(st.sampled_from(inside))
    module = net.finish(net.values[-1], value)
    before = len(names_in(module))

    check_pass(RecognizeActivationsPass(), module, argument_arrays(module), TOLERANCE)

    assert len(names_in(module)) <= before


@given(patterns(MERGED))
def test_arithmetic_is_left_alone(program: Program) -> None:
    module, inputs = program

    check_pass(RecognizeActivationsPass(), module, inputs, TOLERANCE)


def test_two_different_values() -> None:
    net = NetworkBuilder([2, 5], [2, 5])
    gate = net.add(nn.SigmoidOp, net.values[1])
    net.add(nn.MulOp, net.values[0], gate)
    module = net.finish()

    assert RecognizeActivationsPass().count(module) == 0


def test_a_gate_that_broadcasts_stays() -> None:
    net = NetworkBuilder([2, 5])
    x = Value(net, net.values[0])
    (x * x.sigmoid()) * np.ones((3, 1, 1), np.float32)
    module = net.finish()

    check_pass(RecognizeActivationsPass(), module, argument_arrays(module), TOLERANCE)


@pytest.mark.parametrize("position", range(2))
def test_kept_layers_stay(position: int) -> None:
    net = built(lambda x: x * x.sigmoid())
    keep(net.values[1 + position].owner)  # type: ignore[arg-type]
    module = net.finish()

    assert RecognizeActivationsPass().count(module) == 0


def softmax(net: NetworkBuilder, axis: int, other: int, keepdims: int) -> None:
    x = net.values[0]
    top = net.add(nn.ReduceMaxOp, x, net.ints(axis), keepdims=1)
    power = net.add(nn.ExpOp, net.add(nn.SubOp, x, top))
    total = net.add(nn.ReduceSumOp, power, net.ints(other), keepdims=keepdims)
    net.add(nn.DivOp, power, total)


@pytest.mark.parametrize(
    ("axis", "other", "keepdims", "found"),
    [(1, 1, 1, True), (-1, 1, 1, True), (0, 0, 1, True), (0, 1, 1, False)],
)
def test_softmax(axis: int, other: int, keepdims: int, found: bool) -> None:
    net = NetworkBuilder([3, 3])
    softmax(net, axis, other, keepdims)
    module = net.finish()

    check_pass(RecognizeActivationsPass(), module, argument_arrays(module), TOLERANCE)

    assert ("nn.softmax" in names_in(module)) == found
