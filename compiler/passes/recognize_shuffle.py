"""
Recognize pixel shuffles written as reshape, transpose and reshape.

    reshape(transpose(reshape(x, [N, b, b, C, H, W]), [0, 3, 4, 1, 5, 2]), [N, C, H b, W b])
        ==>  depth_to_space(x){blocksize = b, mode = "DCR"}
    reshape(transpose(reshape(x, [N, C, b, b, H, W]), [0, 1, 4, 2, 5, 3]), [N, C, H b, W b])
        ==>  depth_to_space(x){blocksize = b, mode = "CRD"}

Legal when nobody else reads the values inside. Results are kept to the bit. A shuffle of
channels, reshape, transpose of two dimensions and reshape, is two views and one copy
already, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Block

from ...dialects import nn
from ...dialects.nn.base import NNOp
from ...dialects.nn.reshape import Reshaping
from ...dialects.types import is_static, shape_of
from ..locations import merge_sources
from .linear import Obstacle, check_one_reader
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace

MODES: dict[tuple[int, ...], str] = {
    (0, 3, 4, 1, 5, 2): "DCR",
    (0, 1, 4, 2, 5, 3): "CRD",
}
"""The order of dimensions that makes squares out of channels."""


@dataclass(frozen=True)
class RecognizeShufflePass(FunctionPass):
    """Write pixel shuffles as one operation."""

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
        """Try the rule on the three operations."""
        x = first.operands[0]
        if not all(is_static(v.type) for v in (x, turn.x, last.results[0])):
            return False
        found = block_of(shape_of(x), turn, shape_of(last.results[0]))
        if found is None:
            return False
        try:
            check_one_reader(turn.x, "a value inside")
            check_one_reader(turn.output, "a value inside")
            if is_kept(turn) or is_kept(first):
                raise Obstacle("a layer inside is kept")
        except Obstacle as obstacle:
            decline(last, self.name, str(obstacle), rewrite="depth_to_space")
            return False
        size, mode = found
        new = nn.DepthToSpaceOp.make(x, blocksize=size, mode=mode)
        merge_sources(new, [first, turn, last])
        applied(self.name, [first, turn, last], new)
        replace(last, [new])
        erase_if_dead(turn, first)
        return True


def block_of(
    source: tuple[int, ...], turn: nn.TransposeOp, target: tuple[int, ...]
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
