"""
The unrolling that all recurrent networks share, and their activation functions.

An operation decomposes into one product that projects the inputs of all time steps, and
one cell after the other. The references evaluate that decomposition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, FloatAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
)
from xdsl.utils.exceptions import VerifyException

from ..const import constant_array
from ..types import value_dtype
from .activation import (
    EluOp,
    HardSigmoidOp,
    LeakyReluOp,
    SoftplusOp,
    SoftsignOp,
    ThresholdedReluOp,
)
from .base import Array, NNOp, integer, number, shape_of, text, to_attribute
from .binary import AddOp, ClipOp, MulOp, WhereOp
from .elementwise import ReluOp, SigmoidOp, TanhOp
from .linear import GemmOp
from .logic import GreaterOp
from .movement import ConcatOp, SplitOp, TransposeOp
from .program import Program, reference_of_decomposition
from .reshape import ReshapeOp
from .slicing import SliceOp

Function: TypeAlias = Callable[[Program, SSAValue], SSAValue]

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


class Activation(NamedTuple):
    """An activation function of ONNX: how it is built, and its default parameters."""

    build: Callable[[Program, SSAValue, float, float], SSAValue]
    alpha: float | None = None
    beta: float | None = None


def _plain(operation: type[NNOp]) -> Activation:
    def build(p: Program, x: SSAValue, _alpha: float, _beta: float) -> SSAValue:
        return p(operation, x)

    return Activation(build)


def _with_alpha(operation: type[NNOp], alpha: float) -> Activation:
    def build(p: Program, x: SSAValue, alpha: float, _beta: float) -> SSAValue:
        return p(operation, x, alpha=alpha)

    return Activation(build, alpha)


def _times(p: Program, x: SSAValue, factor: float) -> SSAValue:
    return x if factor == 1 else p(MulOp, x, p.constant(factor, value_dtype(x)))


def _affine(p: Program, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    return p(AddOp, _times(p, x, alpha), p.constant(beta, value_dtype(x)))


def _scaled_tanh(p: Program, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    return _times(p, p(TanhOp, _times(p, x, beta)), alpha)


def _hard_sigmoid(p: Program, x: SSAValue, alpha: float, beta: float) -> SSAValue:
    return p(HardSigmoidOp, x, alpha=alpha, beta=beta)


ACTIVATIONS: dict[str, Activation] = {
    "relu": _plain(ReluOp),
    "tanh": _plain(TanhOp),
    "sigmoid": _plain(SigmoidOp),
    "softsign": _plain(SoftsignOp),
    "softplus": _plain(SoftplusOp),
    "leakyrelu": _with_alpha(LeakyReluOp, 0.01),
    "thresholdedrelu": _with_alpha(ThresholdedReluOp, 1.0),
    "elu": _with_alpha(EluOp, 1.0),
    "affine": Activation(_affine, 1.0, 0.0),
    "scaledtanh": Activation(_scaled_tanh, 1.0, 1.0),
    "hardsigmoid": Activation(_hard_sigmoid, 0.2, 0.5),
}
"""Activation functions by their ONNX name in lower case."""


class Weights(NamedTuple):
    """The parameters of one direction, as values."""

    w: SSAValue
    """`[I, gates * H]`"""
    r: list[SSAValue]
    """`[H, gates * H]`, in as many parts as the cell takes."""
    input_bias: SSAValue | None
    """`[gates * H]`, added to the projected inputs of all time steps."""
    state_bias: SSAValue | None
    """`[gates * H]`, added to the projected state; None when `input_bias` has it all."""
    peepholes: list[SSAValue]
    """`[H]` each; none without peepholes."""
    functions: list[Function]


class State(NamedTuple):
    """What a cell hands to the next one, `[N, H]` each; `c` is the LSTM's."""

    h: SSAValue
    c: SSAValue | None = None


class Recurrent(NNOp):
    """
    Base of recurrent networks.

    | value         | shape                  | with `layout` 1 |
    | ------------- | ---------------------- | --------------- |
    | x             | `[S, N, I]`            | `[N, S, I]`     |
    | w             | `[D, gates * H, I]`    |                 |
    | r             | `[D, gates * H, H]`    |                 |
    | b             | `[D, 2 * gates * H]`   |                 |
    | sequence_lens | `[N]`                  |                 |
    | initial_h     | `[D, N, H]`            | `[N, D, H]`     |
    | y             | `[S, D, N, H]`         | `[N, S, D, H]`  |
    | y_h           | `[D, N, H]`            | `[N, D, H]`     |

    `S` time steps, `N` sequences, `D` directions. Behind the end of a sequence `y` is zero
    and the state stays; the reverse direction starts at each sequence's own end.
    """

    GATES: ClassVar[int]
    FUNCTIONS: ClassVar[tuple[str, ...]]
    """Default activation functions of one direction."""

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    x = operand_def()
    w = operand_def()
    r = operand_def()
    b = opt_operand_def()
    sequence_lens = opt_operand_def()
    initial_h = opt_operand_def()

    hidden_size = opt_prop_def()
    direction = prop_def(default_value=to_attribute("forward"))
    activations = opt_prop_def(ArrayAttr)
    activation_alpha = opt_prop_def(DenseArrayBase)
    activation_beta = opt_prop_def(DenseArrayBase)
    """Parameters of those activation functions that have some, in their order."""
    clip = opt_prop_def(FloatAttr)
    """
    Activation functions see values between `-clip` and `clip`; the last one of an LSTM
    sees its state as it is, as in onnxruntime.
    """
    layout = prop_def(default_value=to_attribute(0))

    # shapes

    def sizes(self) -> tuple[int, int, int, int, int]:
        """`S, N, I, D, H`."""
        x, w, r = shape_of(self.x), shape_of(self.w), shape_of(self.r)
        for name, shape in (("input", x), ("w", w), ("r", r)):
            if len(shape) != 3:
                raise VerifyException(f"{name} {list(shape)} must have rank 3")
        direction = text(self.direction)
        if direction not in DIRECTIONS:
            raise VerifyException(
                f"direction {direction} is not one of {[*DIRECTIONS]}"
            )
        batch_first = integer(self.layout)
        steps, batch = (x[1], x[0]) if batch_first else (x[0], x[1])
        return steps, batch, x[2], DIRECTIONS[direction], r[2]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        steps, batch, inputs, directions, hidden = self.sizes()
        rows = self.GATES * hidden
        state = self.state_shape()
        expected: dict[str, tuple[int, ...]] = {
            "w": (directions, rows, inputs),
            "r": (directions, rows, hidden),
            "b": (directions, 2 * rows),
            "sequence_lens": (batch,),
            "initial_h": state,
            "initial_c": state,
            "p": (directions, 3 * hidden),
        }
        for name, shape in expected.items():
            value = getattr(self, name, None)
            if value is not None and shape_of(value) != shape:
                raise VerifyException(
                    f"{name} {list(shape_of(value))} does not match the expected {list(shape)}"
                )
        if self.hidden_size is not None and integer(self.hidden_size) != hidden:
            raise VerifyException(
                f"hidden_size {integer(self.hidden_size)} is not the {hidden} columns of r"
            )
        self.functions()
        y = (steps, directions, batch, hidden)
        if integer(self.layout):
            y = (batch, steps, directions, hidden)
        return [y, *(state for _ in self.results[1:])]

    def state_shape(self) -> tuple[int, ...]:
        """`[D, N, H]`, or `[N, D, H]` with `layout` 1."""
        _, batch, _, directions, hidden = self.sizes()
        outer = (batch, directions) if integer(self.layout) else (directions, batch)
        return (*outer, hidden)

    def functions(self) -> list[list[Function]]:
        """The activation functions of every direction, with clipping."""
        directions = DIRECTIONS[text(self.direction)]
        names = [*self.FUNCTIONS] * directions
        if self.activations is not None:
            names = [text(n) for n in self.activations.data]  # pyright: ignore
        if len(names) != len(self.FUNCTIONS) * directions:
            raise VerifyException(
                f"activations {names} must be {len(self.FUNCTIONS)} for each direction"
            )
        alphas, betas = floats(self.activation_alpha), floats(self.activation_beta)
        limit = None if self.clip is None else number(self.clip)
        built: list[Function] = []
        count = len(self.FUNCTIONS)
        for position, name in enumerate(names):
            if name.lower() not in ACTIVATIONS:
                raise VerifyException(f"activation {name} is not supported")
            build, alpha, beta = ACTIVATIONS[name.lower()]
            if alpha is not None:
                alpha = alphas.pop(0) if alphas else alpha
            if beta is not None:
                beta = betas.pop(0) if betas else beta
            bound = limit if position % count < 2 else None
            built.append(partial(_activate, build, alpha or 0.0, beta or 0.0, bound))
        return [built[i * count : (i + 1) * count] for i in range(directions)]

    def flops(self) -> int:
        steps, batch, inputs, directions, hidden = self.sizes()
        rows = self.GATES * hidden
        return 2 * prod((steps, batch, directions, rows, inputs + hidden))

    # meaning

    def cell(self, p: Program, x: SSAValue, state: State, weights: Weights) -> State:
        """One time step; `x` is the projected input, `[N, gates * H]`."""
        raise NotImplementedError(f"{self.name} has no cell")

    def reference(self, *inputs: Array | None) -> tuple[Array, ...]:
        return reference_of_decomposition(self, inputs)

    def decompose_results(self) -> tuple[list[Operation], list[SSAValue]]:
        p = Program()
        steps, batch, inputs, directions, hidden = self.sizes()
        batch_first = integer(self.layout) != 0
        x = p(TransposeOp, self.x, perm=[1, 0, 2]) if batch_first else self.x
        rows = p(ReshapeOp, x, p.ints(steps * batch, inputs))
        sequences: list[SSAValue] = []
        states: list[State] = []
        for d, functions in enumerate(self.functions()):
            weights = self.weights(p, d, functions)
            backward = d == 1 or text(self.direction) == "reverse"
            projected = p(GemmOp, rows, weights.w, weights.input_bias)
            y, state = self.unroll(p, projected, self.start(p, d), weights, backward)
            sequences.append(p(ReshapeOp, y, p.ints(steps, 1, batch, hidden)))
            states.append(state)
        y = sequences[0] if directions == 1 else p(ConcatOp, sequences, axis=1)
        if batch_first:
            y = p(TransposeOp, y, perm=[2, 0, 1, 3])
        lasts = [[s.h for s in states], [s.c for s in states if s.c is not None]]
        return p.ops, [y, *(self.joined(p, last) for last in lasts if last)]

    def unroll(
        self,
        p: Program,
        projected: SSAValue,
        state: State,
        weights: Weights,
        backward: bool,
    ) -> tuple[SSAValue, State]:
        """All time steps of one direction: `[S * N, H]`, and the last state."""
        steps, batch, *_ = self.sizes()
        masks = self.masks(p)
        outputs: list[SSAValue] = []
        for step in reversed(range(steps)) if backward else range(steps):
            first = step * batch
            x = p(SliceOp, projected, p.ints(first), p.ints(first + batch), p.ints(0))
            new = self.cell(p, x, state, weights)
            output = new.h
            if masks is not None:
                mask = masks(step)
                zero = p.constant(0, value_dtype(new.h))
                output = p(WhereOp, mask, new.h, zero)
                kept = [
                    None if n is None or o is None else p(WhereOp, mask, n, o)
                    for n, o in zip(new, state, strict=True)
                ]
                assert kept[0] is not None
                new = State(kept[0], kept[1])
            state = new
            outputs.append(output)
        ordered = outputs[::-1] if backward else outputs
        return ordered[0] if steps == 1 else p(ConcatOp, ordered, axis=0), state

    def masks(self, p: Program) -> Callable[[int], SSAValue] | None:
        """For a time step, which sequences have not ended, `[N, 1]`; None when all go on."""
        if self.sequence_lens is None:
            return None
        lengths = constant_array(self.sequence_lens)
        steps, batch, *_ = self.sizes()
        if lengths is not None and (lengths == steps).all():
            return None
        column = p(ReshapeOp, self.sequence_lens, p.ints(batch, 1))
        dtype = value_dtype(column)
        return lambda step: p(GreaterOp, column, p.constant(step, dtype))

    # operands of one direction

    def part(self, p: Program, value: SSAValue, d: int, axis: int = 0) -> SSAValue:
        """Row `d` of an operand with one row a direction."""
        shape = [n for i, n in enumerate(shape_of(value)) if i != axis]
        if shape_of(value)[axis] > 1:
            value = p(SliceOp, value, p.ints(d), p.ints(d + 1), p.ints(axis))
        return p(ReshapeOp, value, p.ints(*shape))

    def weights(self, p: Program, d: int, functions: list[Function]) -> Weights:
        """The parameters of direction `d`."""
        w, r = (
            p(TransposeOp, self.part(p, value, d), perm=[1, 0])
            for value in (self.w, self.r)
        )
        bias = None
        if self.b is not None:
            bias = p(AddOp, *p.all(SplitOp, self.part(p, self.b, d), results=2))
        peepholes: list[SSAValue] = []
        if (value := getattr(self, "p", None)) is not None:
            peepholes = p.all(SplitOp, self.part(p, value, d), results=3)
        return Weights(w, [r], bias, None, peepholes, functions)

    def start(self, p: Program, d: int) -> State:
        """The first state of direction `d`."""
        return State(self.initial(p, self.initial_h, d))

    def initial(self, p: Program, value: SSAValue | None, d: int) -> SSAValue:
        """The part of an initial state for direction `d`; zeros without one."""
        if value is not None:
            return self.part(p, value, d, integer(self.layout))
        _, batch, _, _, hidden = self.sizes()
        return p.constant(np.zeros((batch, hidden)), value_dtype(self.x))

    def joined(self, p: Program, lasts: Sequence[SSAValue]) -> SSAValue:
        """The last states of all directions as one result."""
        _, batch, _, _, hidden = self.sizes()
        axis = integer(self.layout)
        shape = (batch, 1, hidden) if axis else (1, batch, hidden)
        rows = [p(ReshapeOp, last, p.ints(*shape)) for last in lasts]
        return rows[0] if len(rows) == 1 else p(ConcatOp, rows, axis=axis)


def floats(attribute: Attribute | None) -> list[float]:
    """The numbers of an `array<f64: ...>` property."""
    if attribute is None:
        return []
    assert isinstance(attribute, DenseArrayBase)
    return [float(v) for v in attribute.iter_values()]


def _activate(
    build: Callable[[Program, SSAValue, float, float], SSAValue],
    alpha: float,
    beta: float,
    limit: float | None,
    p: Program,
    x: SSAValue,
) -> SSAValue:
    if limit is not None:
        dtype = value_dtype(x)
        x = p(ClipOp, x, p.constant(-limit, dtype), p.constant(limit, dtype))
    return build(p, x, alpha, beta)
