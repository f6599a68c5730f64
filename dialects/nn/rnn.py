"""
Recurrent networks: LSTM, GRU and the simple recurrent network.

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
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
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
from .binary import AddOp, ClipOp, GreaterOp, MulOp, SubOp, WhereOp
from .elementwise import ReluOp, SigmoidOp, TanhOp
from .linear import GemmOp
from .movement import ConcatOp, ReshapeOp, SplitOp, TransposeOp
from .program import Program, reference_of_decomposition
from .slicing import SliceOp

Function: TypeAlias = Callable[[Program, SSAValue], SSAValue]

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


class Activation(NamedTuple):
    """An activation function of ONNX: how it is built, and its default parameters."""

    build: Callable[[Program, SSAValue, float, float], SSAValue]
    alpha: float | None = None
    beta: float | None = None


def _plain(operation: type[NNOp]) -> Activation:
    return Activation(lambda p, x, _a, _b: p(operation, x))


def _with_alpha(operation: type[NNOp], alpha: float) -> Activation:
    return Activation(lambda p, x, a, _b: p(operation, x, alpha=a), alpha)


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
    r: SSAValue
    """`[H, gates * H]`"""
    biases: tuple[SSAValue, SSAValue] | None
    """Of the input and of the state, `[gates * H]` each."""
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
    """Activation functions see values between `-clip` and `clip`."""
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
        for name in names:
            if name.lower() not in ACTIVATIONS:
                raise VerifyException(f"activation {name} is not supported")
            build, alpha, beta = ACTIVATIONS[name.lower()]
            if alpha is not None:
                alpha = alphas.pop(0) if alphas else alpha
            if beta is not None:
                beta = betas.pop(0) if betas else beta
            built.append(partial(_activate, build, alpha or 0.0, beta or 0.0, limit))
        count = len(self.FUNCTIONS)
        return [built[i * count : (i + 1) * count] for i in range(directions)]

    def flops(self) -> int:
        steps, batch, inputs, directions, hidden = self.sizes()
        rows = self.GATES * hidden
        return 2 * prod((steps, batch, directions, rows, inputs + hidden))

    # meaning

    def cell(self, p: Program, x: SSAValue, state: State, weights: Weights) -> State:
        """One time step; `x` is the projected input, `[N, gates * H]`."""
        raise NotImplementedError(f"{self.name} has no cell")

    def input_bias(self, p: Program, weights: Weights) -> SSAValue | None:
        """What is added to the projected inputs of all time steps."""
        return None if weights.biases is None else p(AddOp, *weights.biases)

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
            bias = self.input_bias(p, weights)
            projected = p(GemmOp, rows, weights.w, bias)
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
        biases = None
        if self.b is not None:
            first, second = p.all(SplitOp, self.part(p, self.b, d), results=2)
            biases = (first, second)
        peepholes: list[SSAValue] = []
        if (value := getattr(self, "p", None)) is not None:
            peepholes = p.all(SplitOp, self.part(p, value, d), results=3)
        return Weights(w, r, biases, peepholes, functions)

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


@irdl_op_definition
class RnnOp(Recurrent):
    """
    `h' = f(x W + h R + b)`. Source: ONNX RNN; shapes as in `Recurrent`.
    """

    name = "nn.rnn"
    GATES = 1
    FUNCTIONS = ("Tanh",)

    y = result_def()
    y_h = result_def()

    def cell(self, p: Program, x: SSAValue, state: State, weights: Weights) -> State:
        (f,) = weights.functions
        return State(f(p, p(GemmOp, state.h, weights.r, x)))


@irdl_op_definition
class GruOp(Recurrent):
    """
    Gated recurrent unit; gates in the order `z r h`, shapes as in `Recurrent`.

    `z, r = f(x W + h R + b)`; `n = g(x Wn + (r * h) Rn + bn)`, or with
    `linear_before_reset` `n = g(x Wn + r * (h Rn + bRn) + bWn)`; `h' = (1 - z) * n + z * h`.

    Source: ONNX GRU.
    """

    name = "nn.gru"
    GATES = 3
    FUNCTIONS = ("Sigmoid", "Tanh")

    linear_before_reset = prop_def(default_value=to_attribute(0))

    y = result_def()
    y_h = result_def()

    def input_bias(self, p: Program, weights: Weights) -> SSAValue | None:
        """With `linear_before_reset` the state's bias of `n` is added before the reset."""
        if weights.biases is None or not integer(self.linear_before_reset):
            return super().input_bias(p, weights)
        of_input, of_state = weights.biases
        return p(AddOp, of_input, self._bias_part(p, of_state, gate=False))

    def _bias_part(self, p: Program, bias: SSAValue, gate: bool) -> SSAValue:
        """The state's bias of `n` when `gate` is set, else that of `z` and `r`."""
        hidden = self.sizes()[-1]
        keep = np.repeat([not gate, not gate, gate], hidden)
        return p(MulOp, bias, p.constant(keep, value_dtype(bias)))

    def cell(self, p: Program, x: SSAValue, state: State, weights: Weights) -> State:
        f, g = weights.functions
        h = state.h
        if integer(self.linear_before_reset):
            bias = None
            if weights.biases is not None:
                bias = self._bias_part(p, weights.biases[1], gate=True)
            z, r, n = p.all(SplitOp, x, axis=1, results=3)
            hz, hr, hn = p.all(
                SplitOp, p(GemmOp, h, weights.r, bias), axis=1, results=3
            )
            z, r = f(p, p(AddOp, z, hz)), f(p, p(AddOp, r, hr))
            n = g(p, p(AddOp, n, p(MulOp, r, hn)))
        else:
            hidden = self.sizes()[-1]
            gates = p.ints(2 * hidden, hidden)
            xzr, xn = p.all(SplitOp, x, gates, axis=1, results=2)
            rzr, rn = p.all(SplitOp, weights.r, gates, axis=1, results=2)
            z, r = p.all(SplitOp, f(p, p(GemmOp, h, rzr, xzr)), axis=1, results=2)
            n = g(p, p(GemmOp, p(MulOp, r, h), rn, xn))
        return State(p(AddOp, n, p(MulOp, z, p(SubOp, h, n))))


@irdl_op_definition
class LstmOp(Recurrent):
    """
    Long short-term memory; gates in the order `i o f c`, shapes as in `Recurrent`.

    `i, f = f(x W + h R + b + p * c)`, `n = g(x Wc + h Rc + bc)`, `c' = f * c + i * n`,
    `o = f(x Wo + h Ro + bo + po * c')`, `h' = o * h(c')`. The peepholes `p` are `[D, 3 * H]`,
    for `i o f`; `initial_c` and `y_c` have the shape of `initial_h`. With `input_forget`
    `f = 1 - i`.

    Source: ONNX LSTM.
    """

    name = "nn.lstm"
    GATES = 4
    FUNCTIONS = ("Sigmoid", "Tanh", "Tanh")

    initial_c = opt_operand_def()
    p = opt_operand_def()

    input_forget = prop_def(default_value=to_attribute(0))

    y = result_def()
    y_h = result_def()
    y_c = result_def()

    def start(self, p: Program, d: int) -> State:
        return State(
            self.initial(p, self.initial_h, d), self.initial(p, self.initial_c, d)
        )

    def cell(self, p: Program, x: SSAValue, state: State, weights: Weights) -> State:
        f, g, h = weights.functions
        c = state.c
        assert c is not None
        gates = p(GemmOp, state.h, weights.r, x)
        i, o, forget, n = p.all(SplitOp, gates, axis=1, results=4)
        if weights.peepholes:
            pi, _, pf = weights.peepholes
            i = p(AddOp, i, p(MulOp, pi, c))
            forget = p(AddOp, forget, p(MulOp, pf, c))
        i, n = f(p, i), g(p, n)
        if integer(self.input_forget):
            new = p(AddOp, c, p(MulOp, i, p(SubOp, n, c)))
        else:
            new = p(AddOp, p(MulOp, f(p, forget), c), p(MulOp, i, n))
        if weights.peepholes:
            o = p(AddOp, o, p(MulOp, weights.peepholes[1], new))
        return State(p(MulOp, f(p, o), h(p, new)), new)


OPS: tuple[type[NNOp], ...] = (RnnOp, GruOp, LstmOp)
