"""Recurrent networks: LSTM, GRU and the simple recurrent network."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)

from ..types import value_dtype
from .base import NNOp, integer, to_attribute
from .binary import AddOp, MulOp, SubOp
from .linear import GemmOp
from .movement import SplitOp
from .program import Program
from .recurrent import Function, Recurrent, State, Weights


@irdl_op_definition
class RnnOp(Recurrent):
    """
    `h' = f(x W + h R + b)`. Source: ONNX RNN; shapes as in `Recurrent`.
    """

    name = "nn.rnn"
    GATES: ClassVar[int] = 1
    FUNCTIONS: ClassVar[tuple[str, ...]] = ("Tanh",)

    y = result_def()
    y_h = result_def()

    def cell(self, p: Program, x: SSAValue, state: State, weights: Weights) -> State:
        (f,) = weights.functions
        return State(f(p, p(GemmOp, state.h, weights.r[0], x)))


@irdl_op_definition
class GruOp(Recurrent):
    """
    Gated recurrent unit; gates in the order `z r h`, shapes as in `Recurrent`.

    `z, r = f(x W + h R + b)`; `n = g(x Wn + (r * h) Rn + bn)`, or with
    `linear_before_reset` `n = g(x Wn + r * (h Rn + bRn) + bWn)`; `h' = (1 - z) * n + z * h`.

    Source: ONNX GRU.
    """

    name = "nn.gru"
    GATES: ClassVar[int] = 3
    FUNCTIONS: ClassVar[tuple[str, ...]] = ("Sigmoid", "Tanh")

    linear_before_reset = prop_def(default_value=to_attribute(0))

    y = result_def()
    y_h = result_def()

    def weights(self, p: Program, d: int, functions: list[Function]) -> Weights:
        """The state's bias of `n` is added before the reset, or `r` is in two parts."""
        weights = super().weights(p, d, functions)
        hidden = self.sizes()[-1]
        if not integer(self.linear_before_reset):
            gates = p.ints(2 * hidden, hidden)
            return weights._replace(
                r=p.all(SplitOp, weights.r[0], gates, axis=1, results=2)
            )
        if self.b is None:
            return weights
        of_input, of_state = p.all(SplitOp, self.part(p, self.b, d), results=2)
        dtype = value_dtype(of_state)
        gates, new = (
            p(MulOp, of_state, p.constant(np.repeat(keep, hidden), dtype))
            for keep in ([1, 1, 0], [0, 0, 1])
        )
        return weights._replace(input_bias=p(AddOp, of_input, gates), state_bias=new)

    def cell(self, p: Program, x: SSAValue, state: State, weights: Weights) -> State:
        f, g = weights.functions
        h = state.h
        if integer(self.linear_before_reset):
            z, r, n = p.all(SplitOp, x, axis=1, results=3)
            projected = p(GemmOp, h, weights.r[0], weights.state_bias)
            hz, hr, hn = p.all(SplitOp, projected, axis=1, results=3)
            z, r = f(p, p(AddOp, z, hz)), f(p, p(AddOp, r, hr))
            n = g(p, p(AddOp, n, p(MulOp, r, hn)))
        else:
            rzr, rn = weights.r
            hidden = self.sizes()[-1]
            gates = p.ints(2 * hidden, hidden)
            xzr, xn = p.all(SplitOp, x, gates, axis=1, results=2)
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
    GATES: ClassVar[int] = 4
    FUNCTIONS: ClassVar[tuple[str, ...]] = ("Sigmoid", "Tanh", "Tanh")

    x = operand_def()
    w = operand_def()
    r = operand_def()
    b = opt_operand_def()
    sequence_lens = opt_operand_def()
    initial_h = opt_operand_def()
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
        gates = p(GemmOp, state.h, weights.r[0], x)
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
