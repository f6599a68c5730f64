"""
Recognize layer normalization written as primitive operations.

    d = x - mean(x);  d / sqrt(mean(d * d) + e) * s + b  ==>  layer_norm(x, s, b)

Also with `d ** 2`, with `1 / sqrt(...)` or `(...) ** -0.5` as a factor, and without `s`
or `b`. Legal when both means are over the same trailing dimensions and keep them as size
1, `e` is one number, `s` and `b` are constants that broadcast to those dimensions, and no
value inside is read by others. Results agree to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.const import ConstantOp, constant_array
from ...dialects.nn.base import NNOp, integer, normalized_axis
from ...dialects.types import is_static, shape_of, value_dtype
from ..locations import merge_sources
from .algebra import Algebra, Constants, hoist
from .linear import Linear, Obstacle, check_plain, linear_of
from .reasons import applied, decline, is_kept
from .recognize_activations import behind
from .rewrite import FunctionPass, erase_if_dead, replace
from .terms import one_number, sum_of


@dataclass(frozen=True)
class RecognizeLayerNormPass(FunctionPass):
    """Write layer normalization as one operation."""

    name = "recognize-layer-norm"

    def rewrite(self, body: Block) -> int:
        constants = Constants.of(body)
        count = 0
        for op in list(body.ops):
            if not isinstance(op, nn.DivOp | nn.MulOp) or op.parent is None:
                continue
            try:
                norm = matched(op)
            except Obstacle as obstacle:
                decline(op, self.name, str(obstacle), rewrite="layer_norm")
                continue
            if norm is not None:
                fuse(norm, body, constants)
                count += 1
        return count


@dataclass(frozen=True)
class Norm:
    """A normalization: everything but scale and bias."""

    x: SSAValue
    op: NNOp
    axis: int
    epsilon: float


def matched(op: nn.DivOp | nn.MulOp) -> Norm | None:
    """
    The normalization that ends with `op`; None when it is something else.

    Raises:
        Obstacle: it is one, but a condition does not hold.
    """
    for centered, inverse in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
        difference = centered.owner
        if not isinstance(difference, nn.SubOp):
            continue
        squares = variance_of(op, inverse)
        if squares is None:
            continue
        variance, epsilon = squares
        mean = difference.rhs.owner
        if not isinstance(mean, nn.ReduceMeanOp) or mean.x is not difference.lhs:
            continue
        if not is_square(variance.x, centered):
            continue
        check(op, difference, mean, variance)
        return Norm(mean.x, op, trailing_axis(mean), epsilon)
    return None


def variance_of(
    op: nn.DivOp | nn.MulOp, value: SSAValue
) -> tuple[nn.ReduceMeanOp, float] | None:
    """The mean of squares and the epsilon behind a (inverse) standard deviation."""
    root = value.owner
    if isinstance(op, nn.DivOp):
        if value is not op.rhs:
            return None
    elif isinstance(root, nn.DivOp) and one_number(root.lhs) == 1:
        root = root.rhs.owner
    elif isinstance(root, nn.ReciprocalOp):
        root = root.x.owner
    elif isinstance(root, nn.PowOp) and one_number(root.rhs) == -0.5:
        return sum_of_squares(root.lhs)
    else:
        return None
    if isinstance(root, nn.PowOp) and one_number(root.rhs) == 0.5:
        return sum_of_squares(root.lhs)
    return sum_of_squares(root.x) if isinstance(root, nn.SqrtOp) else None


def sum_of_squares(value: SSAValue) -> tuple[nn.ReduceMeanOp, float] | None:
    """`mean + epsilon`."""
    total = sum_of(value)
    if len(total.terms) != 1 or total.terms[0][0] != 1 or total.number < 0:
        return None
    mean = total.terms[0][1].owner
    return (mean, total.number) if isinstance(mean, nn.ReduceMeanOp) else None


def is_square(value: SSAValue, x: SSAValue) -> bool:
    """Whether a value is `x * x` or `x ** 2`."""
    op = value.owner
    if isinstance(op, nn.MulOp):
        return op.lhs is x and op.rhs is x
    return isinstance(op, nn.PowOp) and op.lhs is x and one_number(op.rhs) == 2


def check(
    op: NNOp, difference: nn.SubOp, mean: nn.ReduceMeanOp, variance: nn.ReduceMeanOp
) -> None:
    """
    Whether what looks like a normalization is one.

    Raises:
        Obstacle: a condition does not hold.
    """
    check_plain(op)
    if not is_static(op.results[0].type):
        raise Obstacle("its shape is not known")
    if trailing_axis(mean) != trailing_axis(variance):
        raise Obstacle("the means are over different dimensions")
    inside = [op, *behind(op, mean.x)]
    if not {difference, mean, variance, variance.x.owner} <= set(inside):
        raise Obstacle("a value inside has another reader")
    if any(is_kept(one) for one in inside):
        raise Obstacle("a layer inside is kept")


def trailing_axis(op: nn.ReduceMeanOp) -> int:
    """
    The first of the trailing dimensions that a mean is over.

    Raises:
        Obstacle: it is over other dimensions, or does not keep them.
    """
    rank = len(shape_of(op.x))
    array = None if op.axes is None else constant_array(op.axes)
    if array is None or not integer(op.keepdims, 1):
        raise Obstacle("a mean does not keep its dimensions")
    axes = sorted(normalized_axis(int(axis), rank) for axis in array.reshape(-1))
    if not axes or axes != list(range(axes[0], rank)):
        raise Obstacle("a mean is over dimensions that are not the last")
    return axes[0]


def fuse(norm: Norm, body: Block, constants: Constants) -> None:
    """Put one operation in the place of the normalization, its scale and its bias."""
    algebra = Algebra()
    inner = shape_of(norm.x)[norm.axis :]
    scale = following(norm.op, constants, inner, is_mul=True)
    last = norm.op if scale is None else scale.op
    bias = following(last, constants, inner, is_mul=False)
    for linear in (scale, bias):
        if linear is not None:
            hoist(body, linear.constant)
    last = last if bias is None else bias.op
    if scale is None:
        ones = ConstantOp(np.ones(inner, value_dtype(norm.x)))
        factor = algebra.write(ones)
    else:
        factor = fitted(algebra, scale.constant, len(inner))
    addend = None if bias is None else fitted(algebra, bias.constant, len(inner))
    new = nn.LayerNormOp.make(
        norm.x, factor, addend, axis=norm.axis, epsilon=norm.epsilon
    )
    inside = list(behind(last, norm.x))
    merge_sources(new, [*reversed(inside), last])
    applied("recognize-layer-norm", [*reversed(inside), last], new)
    new.y.name_hint = last.results[0].name_hint
    replace(last, [*algebra.ops, new], [new.y])
    erase_if_dead(*inside)
    constants.follow(algebra.ops)


def following(
    op: Operation, constants: Constants, inner: tuple[int, ...], *, is_mul: bool
) -> Linear | None:
    """The Mul or Add that alone reads the result, with a constant that fits."""
    value = op.results[0]
    if not value.has_one_use():
        return None
    linear = linear_of(next(iter(value.uses)).operation, constants)
    if linear is None or linear.is_mul != is_mul or is_kept(linear.op):
        return None
    if linear.result.type != linear.x.type:
        return None
    shape = shape_of(linear.constant)
    outer = shape[: max(0, len(shape) - len(inner))]
    return linear if prod(outer) == 1 else None


def fitted(algebra: Algebra, constant: SSAValue, rank: int) -> SSAValue:
    """A constant without leading dimensions of size 1 beyond a rank."""
    shape = shape_of(constant)
    return algebra.reshape(constant, shape[max(0, len(shape) - rank) :])
