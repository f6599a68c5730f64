"""
Recognize group normalization written as instance normalization of groups.

    reshape(instance_norm(reshape(x, [N, G, -1]), s, b), [N, C, ...]) * m + a
        ==>  group_norm(x, s * m, b * m + a){num_groups = G}

Also with a layer normalization of `[N, G, ...]` or `[N * G, ...]` inside; without `m` or
`a`, or with several of them; and without the reshapes where there are as many groups as
channels, which is an instance normalization again. Legal when `N` and `C` are the first
two dimensions of the result and `G` divides `C`, `m` and `a` are constants per channel,
`s` and `b` constants per group, and no value inside is read by others. Results agree to
rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.nn.base import NNOp, normalized_axis, number
from ...dialects.nn.base import integer as whole
from ...dialects.nn.reshape import Reshaping
from ...dialects.types import is_static, shape_of
from ..locations import merge_sources
from .algebra import Algebra, Constants, hoist
from .linear import Linear, Obstacle, channel_axis, check_plain, linear_of
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace
from .terms import one_number


@dataclass(frozen=True)
class RecognizeGroupNormPass(FunctionPass):
    """Write group normalization as one operation."""

    name = "recognize-group-norm"

    def rewrite(self, body: Block) -> int:
        constants = Constants.of(body)
        count = 0
        for op in list(body.ops):
            if not isinstance(op, nn.InstanceNormOp | nn.LayerNormOp):
                continue
            try:
                norm = matched(op, constants)
            except Obstacle as obstacle:
                decline(op, self.name, str(obstacle), rewrite="group_norm")
                continue
            if norm is not None:
                fuse(norm, body, constants)
                count += 1
        return count


@dataclass(frozen=True)
class Norm:
    """What is normalized, and the products and sums that follow, in order."""

    op: nn.InstanceNormOp | nn.LayerNormOp
    x: SSAValue
    groups: int
    inside: tuple[NNOp, ...]
    linears: tuple[Linear, ...]

    @property
    def last(self) -> NNOp:
        """The operation whose result is replaced."""
        return self.inside[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """`[N, C, ...]`."""
        return shape_of(self.last.results[0])


def matched(
    op: nn.InstanceNormOp | nn.LayerNormOp, constants: Constants
) -> Norm | None:
    """
    The group normalization around `op`; None when it is something else.

    Raises:
        Obstacle: it is one, but a condition does not hold.
    """
    y = op.results[0]
    if not is_static(op.x.type) or not is_static(y.type):
        return None
    before, after = op.x.owner, reader(op)
    x: SSAValue = op.x
    inside: list[NNOp] = [op]
    if isinstance(before, Reshaping) and isinstance(after, Reshaping):
        x, inside = before.operands[0], [before, op, after]
    elif isinstance(op, nn.LayerNormOp):
        return None
    if isinstance(op, nn.LayerNormOp) and not is_uniform(op.scale, op.bias):
        return None
    shape = shape_of(inside[-1].results[0])
    groups = group_count(shape, rows_of(op))
    if groups is None or not is_static(x.type):
        return None
    linears: list[Linear] = []
    while linear := following(inside[-1], constants):
        linears.append(linear)
        inside.append(linear.op)
    if inside == [op]:
        return None
    check(op, inside, constants, (shape[0], groups))
    return Norm(op, x, groups, tuple(inside), tuple(linears))


def reader(op: Operation) -> Operation | None:
    """The only operation that reads the first result."""
    value = op.results[0]
    return next(iter(value.uses)).operation if value.has_one_use() else None


def is_uniform(*operands: SSAValue | None) -> bool:
    """Whether each operand that is there is one number."""
    return all(o is None or one_number(o) is not None for o in operands)


def rows_of(op: nn.InstanceNormOp | nn.LayerNormOp) -> int:
    """How many runs of neighbouring elements are normalized, each by itself."""
    shape = shape_of(op.x)
    if isinstance(op, nn.InstanceNormOp):
        return shape[0] * shape[1]
    return prod(shape[: normalized_axis(whole(op.axis), len(shape))])


def group_count(shape: tuple[int, ...], rows: int) -> int | None:
    """The groups of channels of `[N, C, ...]` when so many rows are whole groups."""
    if len(shape) < 2 or 0 in shape or rows % shape[0]:
        return None
    groups = rows // shape[0]
    return groups if groups and shape[1] % groups == 0 else None


def following(op: Operation, constants: Constants) -> Linear | None:
    """The Mul or Add that alone reads the result, with a constant per channel."""
    after = reader(op)
    linear = None if after is None else linear_of(after, constants)
    if linear is None or is_kept(linear.op):
        return None
    if linear.result.type != linear.x.type:
        return None
    try:
        return linear if channel_axis(linear) in (None, 1) else None
    except Obstacle:
        return None


def check(
    op: nn.InstanceNormOp | nn.LayerNormOp,
    inside: Sequence[NNOp],
    constants: Constants,
    sizes: tuple[int, int],
) -> None:
    """
    Whether what looks like a normalization is one.

    Raises:
        Obstacle: a condition does not hold.
    """
    check_plain(op)
    if any(is_kept(one) for one in inside):
        raise Obstacle("a layer inside is kept")
    if inside[0] is not op and not op.x.has_one_use():
        raise Obstacle("a value inside has another reader")
    if any(result.first_use for result in op.results[1:]):
        raise Obstacle("its statistics are read")
    per_group = {op.scale, op.bias} <= constants and shape_of(op.x)[:2] == sizes
    if not per_group and not is_uniform(op.scale, op.bias):
        raise Obstacle("its scale or bias is not a constant per group")


def fuse(norm: Norm, body: Block, constants: Constants) -> None:
    """Put one operation in the place of the normalization, its scale and its bias."""
    for linear in norm.linears:
        hoist(body, linear.constant)
    algebra, channels = Algebra(), norm.shape[1]
    scale = inner(algebra, norm, norm.op.scale, 1.0)
    bias = inner(algebra, norm, norm.op.bias, 0.0)
    for linear in norm.linears:
        constant = vector(algebra, linear.constant, channels)
        if linear.is_mul:
            scale, bias = algebra.mul(scale, constant), algebra.mul(bias, constant)
        else:
            bias = algebra.add(bias, constant)
    x = algebra.reshape(norm.x, norm.shape)
    epsilon = number(norm.op.epsilon)
    if norm.groups == channels and len(norm.shape) > 2:
        new = nn.InstanceNormOp.make(x, scale, bias, epsilon=epsilon)
    else:
        new = nn.GroupNormOp.make(
            x, scale, bias, num_groups=norm.groups, epsilon=epsilon
        )
    merge_sources(new, norm.inside)
    applied("recognize-group-norm", norm.inside, new)
    new.output.name_hint = norm.last.results[0].name_hint
    replace(norm.last, [*algebra.ops, new], [new.output])
    erase_if_dead(*reversed(norm.inside[:-1]))
    constants.follow(algebra.ops)


def inner(
    algebra: Algebra, norm: Norm, operand: SSAValue | None, default: float
) -> SSAValue:
    """The scale or bias inside, per channel."""
    channels = norm.shape[1]
    one = default if operand is None else one_number(operand)
    if one is not None or operand is None:
        return algebra.expand(algebra.number(one or 0.0, norm.x), [channels])
    share = channels // norm.groups
    column = algebra.reshape(operand, [norm.groups, 1])
    return algebra.reshape(algebra.expand(column, [norm.groups, share]), [channels])


def vector(algebra: Algebra, constant: SSAValue, channels: int) -> SSAValue:
    """A constant that varies along the channels at most, as `[C]`."""
    flat = algebra.reshape(constant, [prod(shape_of(constant))])
    return algebra.expand(flat, [channels])
