"""
Fuse a split, convolutions and a concat into one grouped convolution.

    concat(conv(x0, w0, b0), conv(x1, w1, b1), ...)   with x0, x1, ... = split(x)
        ==>  conv(x, concat(w0, w1, ...), concat(b0, b1, ...), group n)

Legal when

- split and concat are along the channels (dimension 1), and the parts are equal,
- convolution `i` reads part `i` and is operand `i` of the concat: no part is left out,
  swapped or read twice,
- all convolutions have the same kernel, strides, dilations, padding, groups and number
  of outputs, constant weights, and either all or none of them have a constant bias,
- nobody else reads a part or the result of a convolution, and none is a graph output.

Convolutions that are grouped themselves multiply their groups. Results are kept to the
bit: every output channel is the same sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xdsl.ir import Block, SSAValue

from ...dialects import nn
from ...dialects.nn.base import integer, normalized_axis
from ...dialects.nn.windows import Window
from ...dialects.types import is_static, shape_of
from ..locations import merge_sources
from .algebra import Algebra, Constants
from .linear import Obstacle, check_one_reader
from .reasons import KEPT, applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace

CHANNELS = 1


@dataclass(frozen=True)
class FuseGroupsPass(FunctionPass):
    """Fuse split, convolutions and concat into a grouped convolution."""

    name = "fuse-groups"

    def rewrite(self, body: Block) -> int:
        constants = Constants.of(body)
        count = 0
        for op in list(body.ops):
            if not isinstance(op, nn.ConcatOp):
                continue
            split = first_split(op)
            if split is None:
                continue
            try:
                convs = matched(op, split, constants)
            except Obstacle as obstacle:
                reason = str(obstacle)
                decline(op, self.name, reason, rewrite="one grouped convolution")
                continue
            fuse(op, split, convs, constants)
            count += 1
        return count


def first_split(concat: nn.ConcatOp) -> nn.SplitOp | None:
    """The split before a convolution before the concat, if there is one."""
    for value in concat.operands:
        owner = value.owner
        if isinstance(owner, nn.ConvOp) and isinstance(owner.x.owner, nn.SplitOp):
            return owner.x.owner
    return None


def matched(
    concat: nn.ConcatOp, split: nn.SplitOp, constants: Constants
) -> list[nn.ConvOp]:
    """
    The convolutions between split and concat, in order.

    Raises:
        Obstacle: a condition does not hold.
    """
    convs = [value.owner for value in concat.operands]
    for op in (concat, split, *convs):
        if is_kept(op):
            raise Obstacle(KEPT)
    for name, op in (("split", split), ("concat", concat)):
        if not all(is_static(v.type) for v in (*op.operands, *op.results)):
            raise Obstacle(f"the shapes of the {name} are not known")
        if normalized_axis(integer(op.axis), len(shape_of(op.results[0]))) != CHANNELS:
            raise Obstacle(f"the {name} is not along the channels")
    if len({shape_of(part) for part in split.results}) != 1:
        raise Obstacle("the parts of the split are not equal")
    if len(convs) != len(split.results) or len(convs) < 2:
        raise Obstacle("there is not one convolution for each part of the split")
    found: list[nn.ConvOp] = []
    for conv, part in zip(convs, split.results, strict=True):
        if not isinstance(conv, nn.ConvOp):
            raise Obstacle("an operand of the concat is not a convolution")
        if conv.x is not part:
            raise Obstacle("the concat does not have the order of the split")
        check_one_reader(part, "a part of the split")
        check_one_reader(conv.output, "the result of a convolution")
        found.append(conv)
    check_alike(found, constants)
    return found


def check_alike(convs: list[nn.ConvOp], constants: Constants) -> None:
    """
    Whether the convolutions are one but for their numbers.

    Raises:
        Obstacle: they are not.
    """
    first = convs[0]
    for conv in convs:
        if conv.w not in constants:
            raise Obstacle("the weights are not constant")
        if (conv.b is None) != (first.b is None):
            raise Obstacle("some convolutions have a bias and some have none")
        if conv.b is not None and conv.b not in constants:
            raise Obstacle("a bias is not constant")
        if shape_of(conv.w)[0] != shape_of(first.w)[0]:
            raise Obstacle("the convolutions have different numbers of outputs")
        if shape_of(conv.w)[2:] != shape_of(first.w)[2:]:
            raise Obstacle("the convolutions have different kernels")
        if integer(conv.group) != integer(first.group):
            raise Obstacle("the convolutions have different groups")
        for what in ("stride", "dilation", "begin", "end"):
            numbers = [getattr(w, what) for w in conv.windows()]
            if numbers != [getattr(w, what) for w in first.windows()]:
                raise Obstacle(f"the convolutions have different {WORDS[what]}")


WORDS = {
    "stride": "strides",
    "dilation": "dilations",
    "begin": "padding",
    "end": "padding",
}


def geometry_properties(windows: list[Window]) -> dict[str, Any]:
    """A convolution's properties, spelled out."""
    return {
        "strides": [w.stride for w in windows],
        "pads": [*(w.begin for w in windows), *(w.end for w in windows)],
        "dilations": [w.dilation for w in windows],
    }


def fuse(
    concat: nn.ConcatOp, split: nn.SplitOp, convs: list[nn.ConvOp], constants: Constants
) -> None:
    """Put one grouped convolution in the place of all."""
    block = concat.parent
    assert block is not None
    algebra = Algebra()
    w = algebra.concat([conv.w for conv in convs], 0)
    biases: list[SSAValue] = [conv.b for conv in convs if conv.b is not None]
    bias = algebra.concat(biases, 0) if biases else None
    group = integer(convs[0].group) * len(convs)
    properties: dict[str, Any] = geometry_properties(convs[0].windows())
    new = nn.ConvOp.make(split.x, w, bias, group=group, **properties)
    merge_sources(new, [split, *convs, concat])
    applied("fuse-groups", [split, *convs, concat], new)
    replace(concat, [*algebra.ops, new])
    erase_if_dead(*convs, split)
    constants.follow(algebra.ops)
