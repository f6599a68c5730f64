"""
Operations that a Mul or Add with a constant can be moved through.

    f(x) * k = f(x * k)    and    f(x) + k = f(x) + k

for every `f` here, to the bit. `k` is one number, or one per index of a dimension, which
`f` may move. Both directions share the rules: only the dimension is mapped the other way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from xdsl.ir import Operation, SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from ...dialects.nn.base import (
    NNOp,
    UnknownValue,
    constant_ints,
    integer,
    normalized_axis,
    text,
)
from ...dialects.types import shape_of
from .linear import Obstacle

Place = tuple[SSAValue, "Carried"]


@dataclass(frozen=True)
class Carried:
    """A factor or addend on its way to a layer."""

    is_mul: bool
    positive: bool
    """Whether every number is known to be greater than zero."""
    axis: int | None
    """The dimension it varies along; None for one number."""
    part: tuple[int, int] | None = None
    """Which of its numbers, when not all: first and behind the last."""

    def along(self, axis: int | None) -> Carried:
        """The same along another dimension."""
        return self if self.axis is None else replace(self, axis=axis)

    def cut(self, start: int, stop: int) -> Carried:
        """A part of the numbers."""
        offset = 0 if self.part is None else self.part[0]
        return replace(self, part=(offset + start, offset + stop))


def behind(op: NNOp, carried: Carried) -> list[Place]:
    """
    Where to look on when walking up through `op`.

    Raises:
        Obstacle: nothing can be moved up through it.
    """
    if isinstance(op, nn.ConcatOp):
        return _branches(op, carried)
    check_through(op, carried)
    x = op.operands[0]
    axis = carried.axis
    if axis is None:
        return [(x, carried)]
    if isinstance(op, nn.TransposeOp):
        axis = op.permutation(len(shape_of(x)))[axis]
    elif isinstance(op, RESHAPES):
        axis = same_dimension(op, shape_of(op.results[0]), shape_of(x), axis)
    return [(x, carried.along(axis))]


def beyond(op: NNOp, value: SSAValue, carried: Carried) -> list[Place]:
    """
    Where to look on when walking down from `value` through its reader `op`.

    Raises:
        Obstacle: nothing can be moved down through it.
    """
    if isinstance(op, nn.SplitOp):
        return _parts(op, carried)
    check_through(op, carried)
    if any(operand is value for operand in op.operands[1:]):
        raise Obstacle(f"{op.name} is in between")
    axis = carried.axis
    if axis is not None and isinstance(op, nn.TransposeOp):
        axis = op.permutation(len(shape_of(value))).index(axis)
    elif axis is not None and isinstance(op, RESHAPES):
        axis = same_dimension(op, shape_of(value), shape_of(op.results[0]), axis)
    return [(op.results[0], carried.along(axis))]


RESHAPES = (nn.ReshapeOp, nn.FlattenOp, nn.SqueezeOp, nn.UnsqueezeOp)
EVERYWHERE = (nn.IdentityOp, nn.DropoutOp, nn.TransposeOp, *RESHAPES)
ONE_NUMBER = (nn.ExpandOp, nn.TileOp, nn.DepthToSpaceOp, nn.SpaceToDepthOp)
MAXIMA = (nn.MaxPoolOp, nn.GlobalMaxPoolOp)
MEANS = (nn.AveragePoolOp, nn.GlobalAveragePoolOp)


def check_through(op: Operation, carried: Carried) -> None:
    """
    Whether a factor or addend may be moved through `op`, up or down.

    Raises:
        Obstacle: it may not.
    """
    between = f"{op.name} is in between"
    match op:
        case nn.ReluOp() if carried.is_mul:
            _check_positive(op, carried)
        case _ if isinstance(op, EVERYWHERE):
            return
        case _ if isinstance(op, ONE_NUMBER) and carried.axis is None:
            return
        case nn.ResizeOp():
            _check_resize(op, carried)
        case nn.ChannelShuffleOp() if carried.axis != 1:
            return
        case _ if isinstance(op, MAXIMA):
            _check_not_spatial(op, carried)
            if carried.is_mul:
                _check_positive(op, carried)
        case _ if isinstance(op, MEANS):
            _check_not_spatial(op, carried)
            _check_exact_mean(op)
        case nn.SliceOp():
            _check_slice(op, carried)
        case nn.PadOp() if carried.is_mul:
            _check_pad(op, carried)
        case _:
            raise Obstacle(between)


def _check_positive(op: Operation, carried: Carried) -> None:
    if not carried.positive:
        raise Obstacle(f"{op.name} is in between and not every factor is positive")


def _check_not_spatial(op: Operation, carried: Carried) -> None:
    if carried.axis is not None and carried.axis > 1:
        raise Obstacle(f"{op.name} mixes the dimension along which the constant varies")


def _check_exact_mean(op: Operation) -> None:
    """A mean of a power of two elements rounds nowhere else."""
    count = prod(shape_of(op.operands[0])[2:])
    if isinstance(op, nn.AveragePoolOp):
        geometry = op.windows()
        count = prod(window.kernel for window in geometry)
        if any(window.padded for window in geometry):
            raise Obstacle("nn.average_pool with padding is in between")
    if count & (count - 1):
        raise Obstacle(f"{op.name} is in between: its mean would be rounded elsewhere")


def _check_slice(op: nn.SliceOp, carried: Carried) -> None:
    try:
        ranges = op.static_ranges()
    except UnknownValue as error:
        raise Obstacle("nn.slice is in between") from error
    axis = carried.axis
    if axis is not None and ranges[axis] != range(shape_of(op.x)[axis]):
        raise Obstacle("nn.slice is in between and cuts the channels")


def _check_resize(op: nn.ResizeOp, carried: Carried) -> None:
    """One that takes elements as they are, and all of the channels."""
    outside = text(op.coordinate_transformation_mode) == op.ROI_MODE
    if text(op.mode) != "nearest" or outside:
        raise Obstacle("nn.resize is in between and computes between elements")
    axis = carried.axis
    if axis is not None and axis > 1:
        raise Obstacle("nn.resize mixes the dimension along which the constant varies")
    if axis is not None and shape_of(op.x)[axis] != shape_of(op.output)[axis]:
        raise Obstacle("nn.resize is in between and stretches the channels")


def _check_pad(op: nn.PadOp, carried: Carried) -> None:
    if text(op.mode) != "constant":
        raise Obstacle(f'nn.pad with mode "{text(op.mode)}" is in between')
    fill = None if op.value is None else constant_array(op.value)
    if op.value is not None and (fill is None or fill.any()):
        raise Obstacle("nn.pad with a value is in between")
    try:
        widths = op.static_widths()
    except UnknownValue as error:
        raise Obstacle("nn.pad is in between") from error
    if carried.axis is not None and any(widths[carried.axis]):
        raise Obstacle("nn.pad is in between and pads the channels")


def same_dimension(
    op: NNOp, before: tuple[int, ...], after: tuple[int, ...], axis: int
) -> int:
    """
    The dimension of `after` that holds what `axis` of `before` does.

    Raises:
        Obstacle: the reshape splits or joins it.
    """
    outer = prod(before[:axis])
    for place, size in enumerate(after):
        if size == before[axis] and prod(after[:place]) == outer:
            return place
    raise Obstacle(f"{op.name} is in between and splits or joins the channels")


def _branches(op: nn.ConcatOp, carried: Carried) -> list[Place]:
    """Every operand of a concatenation, each with its part of the numbers."""
    axis = normalized_axis(integer(op.axis), len(shape_of(op.output)))
    if carried.axis != axis:
        return [(x, carried) for x in op.operands]
    places: list[Place] = []
    start = 0
    for x in op.operands:
        stop = start + shape_of(x)[axis]
        places.append((x, carried.cut(start, stop)))
        start = stop
    return places


def _parts(op: nn.SplitOp, carried: Carried) -> list[Place]:
    """Every result of a split, each with its part of the numbers."""
    axis = normalized_axis(integer(op.axis), len(shape_of(op.x)))
    if carried.axis != axis:
        return [(result, carried) for result in op.results]
    sizes = op.parts(shape_of(op.x)[axis], constant_ints(op.sizes, "sizes"))
    places: list[Place] = []
    start = 0
    for result, size in zip(op.results, sizes, strict=True):
        places.append((result, carried.cut(start, start + size)))
        start += size
    return places
