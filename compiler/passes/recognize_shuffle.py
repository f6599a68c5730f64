"""
Recognize shuffles written as reshape, transpose and reshape.

    reshape(transpose(reshape(x, [N, b, b, C, H, W]), [0, 3, 4, 1, 5, 2]), [N, C, H b, W b])
        ==>  depth_to_space(x){blocksize = b, mode = "DCR"}
    reshape(transpose(reshape(x, [N, C, b, b, H, W]), [0, 1, 4, 2, 5, 3]), [N, C, H b, W b])
        ==>  depth_to_space(x){blocksize = b, mode = "CRD"}
    reshape(transpose(reshape(x, [N, g, C / g, ...]), [0, 2, 1, ...]), [N, C, ...])
        ==>  channel_shuffle(x){group = g}

Legal when nobody else reads the values inside. Results are kept to the bit. A shuffle of
channels may have any rank, and join or split the dimensions that it leaves in place, as
in `[N, g, C / g, H W]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.ir import Block

from ...dialects import nn
from ...dialects.nn.base import NNOp
from ...dialects.nn.reshape import Reshaping
from ...dialects.types import is_static, shape_of
from ..locations import merge_sources
from .linear import Obstacle, check_one_reader
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace

Shape = tuple[int, ...]

MODES: dict[Shape, str] = {
    (0, 3, 4, 1, 5, 2): "DCR",
    (0, 1, 4, 2, 5, 3): "CRD",
}
"""The order of dimensions that makes squares out of channels."""


@dataclass(frozen=True)
class RecognizeShufflePass(FunctionPass):
    """Write shuffles of pixels and of channels as one operation."""

    name = "recognize-shuffle"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if not isinstance(op, Reshaping) or op.parent is None:
                continue
            turn = op.operands[0].owner
            if not isinstance(turn, nn.TransposeOp) or is_kept(op):
                continue
            first = turn.x.owner
            if isinstance(first, Reshaping):
                count += self.visit(op, turn, first)
        return count

    def visit(self, last: NNOp, turn: nn.TransposeOp, first: NNOp) -> bool:
        """Try the rules on the three operations."""
        x = first.operands[0]
        if not all(is_static(v.type) for v in (x, turn.x, last.results[0])):
            return False
        new = shuffle_of(last, turn, first)
        if new is None:
            return False
        try:
            check_one_reader(turn.x, "a value inside")
            check_one_reader(turn.output, "a value inside")
            if is_kept(turn) or is_kept(first):
                raise Obstacle("a layer inside is kept")
        except Obstacle as obstacle:
            kind = new.name.removeprefix("nn.")
            decline(last, self.name, str(obstacle), rewrite=kind)
            new.drop_all_references()
            return False
        merge_sources(new, [first, turn, last])
        applied(self.name, [first, turn, last], new)
        replace(last, [new])
        erase_if_dead(turn, first)
        return True


def shuffle_of(last: NNOp, turn: nn.TransposeOp, first: NNOp) -> NNOp | None:
    """The operation that the three are together, if there is one."""
    x = first.operands[0]
    source, target = shape_of(x), shape_of(last.results[0])
    if (block := block_of(source, turn, target)) is not None:
        size, mode = block
        return nn.DepthToSpaceOp.make(x, blocksize=size, mode=mode)
    if (group := group_of(source, turn, target)) is not None:
        return nn.ChannelShuffleOp.make(x, group=group)
    return None


def block_of(
    source: Shape, turn: nn.TransposeOp, target: Shape
) -> tuple[int, str] | None:
    """Size and order of the squares, when the shapes are those of a pixel shuffle."""
    shape = shape_of(turn.x)
    if len(shape) != 6 or len(source) != 4 or len(target) != 4:
        return None
    mode = MODES.get(turn.permutation(6))
    if mode is None:
        return None
    batch, *inner, height, width = shape
    size = inner[0] if mode == "DCR" else inner[1]
    channels = inner[2] if mode == "DCR" else inner[0]
    squares = [size, size, channels] if mode == "DCR" else [channels, size, size]
    if inner != squares or source != (batch, channels * size * size, height, width):
        return None
    if target != (batch, channels, height * size, width * size):
        return None
    return size, mode


def group_of(source: Shape, turn: nn.TransposeOp, target: Shape) -> int | None:
    """The groups, when two parts of the channels change places and nothing else moves."""
    shape = shape_of(turn.x)
    perm = turn.permutation(len(shape))
    moved = [axis for axis, origin in enumerate(perm) if axis != origin]
    if target != source or len(source) < 2 or len(moved) != 2:
        return None
    outer, inner = moved
    if inner != outer + 1 or prod(shape[:outer]) != source[0]:
        return None
    if shape[outer] * shape[inner] != source[1] or 1 in shape[outer : inner + 1]:
        return None
    return shape[outer]
