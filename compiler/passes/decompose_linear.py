"""
Write linear operations as Mul and Add (linear fusing, stage 1).

    batch_norm(x, s, b, m, v)  ==>  add(mul(add(mul(x, r), -m * r), s), b)
                                    with r = 1 / sqrt(v + epsilon), all per channel
    scale_shift(x, s, t)       ==>  add(mul(x, s), t)
    sub(x, c)                  ==>  add(x, -c)
    sub(c, x)                  ==>  add(mul(x, -1), c)
    neg(x)                     ==>  mul(x, -1)
    div(x, c)                  ==>  mul(x, 1 / c)

Legal when everything but `x` is constant and of x's element type, which is float32 or
float64; for a division also when every `1 / c` is a normal number. A change of sign is
written so only beside what it can join: `x` comes from, or the result is read by, a layer
with weights or another linear operation.

The right sides are algebra on constants; `fold-constants` turns it into numbers. The
batch norm and the division agree to rounding, the others to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from ...dialects.nn.base import NNOp, number
from ...dialects.types import element_type, is_static, shape_of
from .absorb import WEIGHTED
from .algebra import Algebra, Constants
from .linear import Obstacle, check_plain
from .reasons import decline
from .rewrite import FunctionPass, replace


@dataclass(frozen=True)
class DecomposeLinearPass(FunctionPass):
    """Write batch norms, scales, Sub and Div with constants as Mul and Add."""

    name = "decompose-linear"

    def rewrite(self, body: Block) -> int:
        constants = Constants.of(body)
        count = 0
        for op in list(body.ops):
            rule = RULES.get(type(op))
            if rule is None or not isinstance(op, NNOp):
                continue
            if op.results[0] in constants:
                continue
            if isinstance(op, nn.NegOp) and not is_worth(op, constants):
                continue
            try:
                check(op, constants)
            except Obstacle as obstacle:
                decline(op, self.name, str(obstacle), rewrite="Mul and Add")
                continue
            algebra = Algebra()
            rule(op, algebra)
            replace(op, algebra.ops)
            constants.follow(algebra.ops)
            count += 1
        return count


def check(op: NNOp, constants: Constants) -> None:
    """
    Whether an operation may be written as Mul and Add.

    Raises:
        Obstacle: a condition does not hold.
    """
    x, parameters = data_of(op, constants)
    check_plain(op)
    if not is_static(x.type):
        raise Obstacle("its shape is not known")
    if not constants.issuperset(parameters):
        raise Obstacle("its parameters are not constant")
    if any(element_type(p) != element_type(x) for p in parameters):
        raise Obstacle("its parameters have another element type")
    if isinstance(op, nn.DivOp) and not has_inverse(op.rhs):
        raise Obstacle("one over its divisor is no normal number")
    if not is_worth(op, constants):
        raise Obstacle("no layer and no linear operation is beside it")


def data_of(op: NNOp, constants: Constants) -> tuple[SSAValue, list[SSAValue]]:
    """What the operation changes, and its constants."""
    first, *others = op.operands
    if isinstance(op, nn.SubOp) and first in constants:
        return op.rhs, [first]
    return first, others


def is_worth(op: NNOp, constants: Constants) -> bool:
    """Whether a change of sign has something to join; anything else is worth it."""
    x, _ = data_of(op, constants)
    if not isinstance(op, nn.NegOp) and x is op.operands[0]:
        return True
    if op.results[0].type != x.type:
        return False
    before = x.owner if x.has_one_use() else None
    readers = [use.operation for use in op.results[0].uses]
    return any(is_linear(one, constants) for one in (before, *readers))


def is_linear(op: Operation | Block | None, constants: Constants) -> bool:
    """Whether an operation has weights, or computes with one value and constants."""
    if not isinstance(op, (*WEIGHTED, *RULES, nn.MulOp, nn.AddOp)):
        return False
    if isinstance(op, nn.DivOp) and op.lhs in constants:
        return False
    return len(op.operands) == 1 or not constants.isdisjoint(op.operands)


def has_inverse(divisor: SSAValue) -> bool:
    """Whether a constant's numbers are known and can be multiplied with instead."""
    array = constant_array(divisor)
    if array is None or not array.size:
        return False
    with np.errstate(all="ignore"):
        inverse = np.abs(1 / array)
    smallest = np.finfo(array.dtype).tiny
    return bool(((inverse >= smallest) & np.isfinite(inverse)).all())


Rule: TypeAlias = Callable[[NNOp, Algebra], object]
"""Writes the operation as others; the last of them stands for it."""


def from_batch_norm(op: NNOp, algebra: Algebra) -> None:
    """Normalize, then scale: two pairs of Mul and Add."""
    x, scale, bias, mean, variance = op.operands
    epsilon = number(op.properties.get("epsilon"), 1e-5)
    one, moved = algebra.number(1, x), algebra.number(epsilon, x)
    inverse = algebra.div(one, algebra.sqrt(algebra.add(variance, moved)))
    shift = algebra.neg(algebra.mul(mean, inverse))
    vectors = [
        per_channel(algebra, x, vector) for vector in (inverse, shift, scale, bias)
    ]
    value = algebra.add(algebra.mul(x, vectors[0]), vectors[1])
    algebra.add(algebra.mul(value, vectors[2]), vectors[3])


def from_scale_shift(op: NNOp, algebra: Algebra) -> None:
    """One pair."""
    x, scale, shift = op.operands
    factor, addend = (per_channel(algebra, x, v) for v in (scale, shift))
    algebra.add(algebra.mul(x, factor), addend)


def from_sub(op: NNOp, algebra: Algebra) -> None:
    """Minus `c` is plus `-c`, and `c - x` is `-x + c`, to the bit."""
    x, constant = op.operands
    if constant_array(x) is None:
        algebra.add(x, algebra.neg(constant))
    else:
        algebra.add(from_neg(op, algebra), x)


def from_neg(op: NNOp, algebra: Algebra) -> SSAValue:
    """Minus one times the last operand."""
    x = op.operands[-1]
    return algebra.mul(x, algebra.number(-1, x))


def from_div(op: NNOp, algebra: Algebra) -> None:
    """Exact for powers of two, else to rounding."""
    x, constant = op.operands
    algebra.mul(x, algebra.div(algebra.number(1, x), constant))


def per_channel(algebra: Algebra, x: SSAValue, vector: SSAValue) -> SSAValue:
    """A vector in the shape in which it broadcasts along dimension 1 of `x`."""
    return algebra.reshape(vector, [*shape_of(vector), *(1 for _ in shape_of(x)[2:])])


RULES: dict[type[Operation], Rule] = {
    nn.BatchNormOp: from_batch_norm,
    nn.ScaleShiftOp: from_scale_shift,
    nn.SubOp: from_sub,
    nn.NegOp: from_neg,
    nn.DivOp: from_div,
}
