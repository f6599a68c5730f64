"""
Remove operations that change nothing.

    identity(x), dropout(x), cast(x) to its own type       ==>  x
    transpose(x) that only moves dimensions of size 1      ==>  x
    reshape, expand, slice, pad, tile, concat, resize, ... ==>  x
    channel_shuffle(x) of one group, or of C groups        ==>  x
    x + 0, x - 0, x * 1, x / 1, x ** 1                     ==>  x

Always only where the type stays the same, and bit for bit: in floating point `x + 0` is
not `x` for negative zero, `x + (-0.0)` and `x - 0` are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from xdsl.ir import Block, SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from ...dialects.nn.base import NNOp, integer, ints, text
from ...dialects.types import Array, is_static, shape_of
from .reasons import is_kept
from .rewrite import FunctionPass, replace


@dataclass(frozen=True)
class RemoveIdentityPass(FunctionPass):
    """Replace operations that change nothing by their operand."""

    name = "remove-identity"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if is_kept(op):
                continue
            if isinstance(op, NNOp) and (value := unchanged(op)) is not None:
                replace(op, [], [value])
                count += 1
        return count


def unchanged(op: NNOp) -> SSAValue | None:
    """The operand that the single result of `op` equals, in type and value; or None."""
    rule = RULES.get(type(op))
    if rule is None or len(op.results) != 1:
        return None
    value = rule(op)
    if value is None or value.type != op.results[0].type:
        return None
    return value


Rule: TypeAlias = Callable[[NNOp], SSAValue | None]
"""The operand an operation equals, provided the types are the same."""


def first(op: NNOp) -> SSAValue:
    """Equal types suffice."""
    return op.operands[0]


def alone(op: NNOp) -> SSAValue | None:
    """A single operand: a concatenation of one, a clip without bounds."""
    return op.operands[0] if len(op.operands) == 1 else None


def same_order(op: NNOp) -> SSAValue | None:
    """A transposition that keeps the order of all dimensions larger than 1."""
    x = op.operands[0]
    if not is_static(x.type):
        return None
    shape = shape_of(x)
    order = ints(op.properties.get("perm")) or tuple(range(len(shape)))[::-1]
    moved = [axis for axis in order if shape[axis] != 1]
    return x if moved == sorted(moved) else None


def same_channels(op: NNOp) -> SSAValue | None:
    """A shuffle with one group, or with groups of one channel."""
    assert isinstance(op, nn.ChannelShuffleOp)
    if not is_static(op.x.type):
        return None
    return op.x if integer(op.group) in (1, shape_of(op.x)[1]) else None


def forward_slice(op: NNOp) -> SSAValue | None:
    """A slice that does not turn a dimension around."""
    assert isinstance(op, nn.SliceOp)
    if op.steps is None:
        return op.operands[0]
    steps = constant_array(op.steps)
    return op.operands[0] if steps is not None and (steps > 0).all() else None


def no_padding(op: NNOp) -> SSAValue | None:
    """All pads are zero; the shape alone would allow a shift."""
    pads = constant_array(op.operands[1])
    return op.operands[0] if pads is not None and not pads.any() else None


SHIFTING = ("tf_crop_and_resize", "tf_half_pixel_for_nn")
"""Ways of resizing that sample between the points even at the same size."""


def same_grid(op: NNOp) -> SSAValue | None:
    """A resize that samples exactly the points it has."""
    assert isinstance(op, nn.ResizeOp)
    mode = op.properties.get("coordinate_transformation_mode")
    if text(mode) in SHIFTING:
        return None
    if op.scales is None:
        return op.operands[0]
    scales = constant_array(op.scales)
    return op.operands[0] if scales is not None and (scales == 1).all() else None


def neutral(left: bool, *numbers: float) -> Rule:
    """
    The other operand is everywhere one of `numbers`, with its sign.

    Args:
        left: whether the left operand may be the neutral one.
    """

    def rule(op: NNOp) -> SSAValue | None:
        x, y = op.operands
        if _is_all(y, numbers):
            return x
        return y if left and _is_all(x, numbers) else None

    return rule


def _is_all(value: SSAValue, numbers: tuple[float, ...]) -> bool:
    """Whether a constant is one of `numbers` everywhere; the sign of zero counts."""
    array = constant_array(value)
    if array is None or array.dtype.kind == "b" or not array.size:
        return False
    number = float(array.reshape(-1)[0])
    if array.dtype.kind in "iu":
        return number in map(abs, numbers) and bool((array == number).all())
    if not any(_bits(number) == _bits(n) for n in numbers):
        return False
    return bool((_bits(array) == _bits(number)).all())


def _bits(numbers: Array | float) -> Array:
    """Floats as integers that are equal only for identical floats."""
    return np.asarray(numbers, np.float64).view(np.int64)


RULES: dict[type[NNOp], Rule] = {
    nn.IdentityOp: first,
    nn.DropoutOp: first,
    nn.CastOp: first,
    nn.TransposeOp: same_order,
    nn.ReshapeOp: first,
    nn.FlattenOp: first,
    nn.SqueezeOp: first,
    nn.UnsqueezeOp: first,
    nn.ExpandOp: first,
    nn.TileOp: first,
    nn.SliceOp: forward_slice,
    nn.PadOp: no_padding,
    nn.ConcatOp: alone,
    nn.SplitOp: first,
    nn.ClipOp: alone,
    nn.ResizeOp: same_grid,
    nn.DepthToSpaceOp: first,
    nn.SpaceToDepthOp: first,
    nn.ChannelShuffleOp: same_channels,
    nn.ReduceSumOp: first,
    nn.ReduceMeanOp: first,
    nn.ReduceMaxOp: first,
    nn.ReduceMinOp: first,
    nn.ReduceProdOp: first,
    nn.AddOp: neutral(True, -0.0),
    nn.SubOp: neutral(False, 0.0),
    nn.MulOp: neutral(True, 1.0),
    nn.DivOp: neutral(False, 1.0),
    nn.PowOp: neutral(False, 1.0),
}
