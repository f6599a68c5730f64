"""
Let the operands of a concatenation be written where they end up, and the results of a
split or slice be read where they are.

    t = concat(f(x), g(y))   ==>   f and g write parts of t's buffer; concat does nothing
    a, b = split(x)          ==>   readers of a and b read parts of x's buffer

A value becomes a part of another by its layout alone (`part` in `#nn.layout`). Legal when
both lie in memory in the same order, the cut falls on whole blocks, and the value is not
part of something else, an input, an output or a constant. The attribute `parts` (operands
of a concat, results of a split) tells the lowering which values need no copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, SSAValue

from ...dialects.const import ConstantOp
from ...dialects.layout import LayoutAttr, layout_of, with_layout
from ...dialects.nn.base import NNOp, constant_ints, integer, normalized_axis
from ...dialects.nn.movement import ConcatOp, SplitOp
from ...dialects.nn.reshape import Reshaping
from ...dialects.nn.slicing import SliceOp
from ...dialects.types import integer_array, shape_of
from .rewrite import FunctionPass

PARTS = "parts"


@dataclass(frozen=True)
class Link:
    """`value` lies at `start` along `axis` of `whole`."""

    value: SSAValue
    whole: SSAValue
    axis: int
    start: int


@dataclass(frozen=True)
class PlacePartsPass(FunctionPass):
    """Make concats, splits and slices layouts where that is legal."""

    name = "place-parts"

    def rewrite(self, body: Block) -> int:
        last = body.last_op
        assert isinstance(last, ReturnOp)
        placer = Placer(set(last.operands))
        ops = [op for op in body.ops if isinstance(op, NNOp)]
        for op in ops:
            if isinstance(op, SplitOp):
                placer.split(op)
            elif isinstance(op, SliceOp):
                placer.slice(op)
        for op in reversed(ops):
            if isinstance(op, ConcatOp):
                placer.concat(op)
        return placer.count


class Placer:
    """Places the parts of one function."""

    def __init__(self, returned: set[SSAValue]) -> None:
        self.returned = returned
        self.count = 0

    # splits: read in place

    def split(self, op: SplitOp) -> None:
        axis = normalized_axis(integer(op.axis), len(shape_of(op.x)))
        sizes = op.parts(shape_of(op.x)[axis], constant_ints(op.sizes, "sizes"))
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        placed = [
            index
            for index, (result, start) in enumerate(
                zip(op.results, starts, strict=True)
            )
            if self._read_in_place(Link(result, op.x, axis, start))
        ]
        if len(placed) == len(op.results):
            op.attributes[PARTS] = integer_array(placed)
            self.count += 1
            return
        for result in op.results:
            _set(result, LayoutAttr.row_major(len(shape_of(result))))

    def slice(self, op: SliceOp) -> None:
        ranges, shape = op.static_ranges(), shape_of(op.x)
        cut = [d for d, r in enumerate(ranges) if len(r) != shape[d]]
        if len(cut) != 1 or any(r.step != 1 for r in ranges):
            return
        if self._read_in_place(Link(op.output, op.x, cut[0], ranges[cut[0]].start)):
            op.attributes[PARTS] = integer_array([0])
            self.count += 1

    def _read_in_place(self, link: Link) -> bool:
        value, whole = link.value, link.whole
        if value in self.returned or isinstance(_root(whole).owner, ConstantOp):
            return False
        if shape_of(value) == shape_of(whole):
            return False  # all of it is no part
        layout = layout_of(whole.type)
        if not _on_blocks(layout, link.axis, link.start):
            return False
        if any(isinstance(use.operation, Reshaping) for use in value.uses):
            return False
        _set(value, layout.with_part(_part(layout, link)))
        return True

    # concats: written in place

    def concat(self, op: ConcatOp) -> None:
        whole = op.results[0]
        axis = normalized_axis(integer(op.axis), len(shape_of(whole)))
        placed: list[int] = []
        start = 0
        for index, operand in enumerate(op.operands):
            if self._write_in_place(op, Link(operand, whole, axis, start)):
                placed.append(index)
            start += shape_of(operand)[axis]
        if placed:
            op.attributes[PARTS] = integer_array(placed)
            self.count += 1

    def _write_in_place(self, op: ConcatOp, link: Link) -> bool:
        value, whole = link.value, link.whole
        owner = value.owner
        if value in self.returned or not isinstance(owner, NNOp):
            return False
        if shape_of(value) == shape_of(whole):
            return False
        if isinstance(owner, Reshaping | SplitOp):
            return False
        if isinstance(owner, SliceOp) and PARTS in owner.attributes:
            return False
        if len(owner.results) != 1 or list(op.operands).count(value) != 1:
            return False
        others = [use.operation for use in value.uses if use.operation is not op]
        if any(isinstance(other, Reshaping) for other in others):
            return False
        if any(isinstance(o, ConcatOp | SplitOp | SliceOp) for o in others):
            return False
        own, layout = layout_of(value.type), layout_of(whole.type)
        if own.order != layout.order or own.is_part or own.halo != layout.halo:
            return False
        if not _on_blocks(layout, link.axis, link.start):
            return False
        _set(value, layout.with_part(_part(layout, link)))
        return True


def _part(layout: LayoutAttr, link: Link) -> list[tuple[int, int]]:
    part = layout.part
    before, after = part[link.axis]
    size = shape_of(link.value)[link.axis]
    left = shape_of(link.whole)[link.axis] - link.start - size
    part[link.axis] = before + link.start, after + left
    return part


def _on_blocks(layout: LayoutAttr, axis: int, start: int) -> bool:
    blocks = [block for dim, block in layout.order if dim == axis and block > 1]
    if any(layout.halo[axis]):
        return False
    return all(start % block == 0 for block in blocks)


def _root(value: SSAValue) -> SSAValue:
    while isinstance(value.owner, Reshaping):
        value = value.owner.operands[0]
    return value


def _set(value: SSAValue, layout: LayoutAttr) -> None:
    type_ = value.type
    assert isinstance(type_, TensorType)
    value._type = with_layout(type_, layout)  # pyright: ignore[reportPrivateUsage, reportUnknownArgumentType]


def placed_parts(op: NNOp) -> Sequence[int]:
    """Positions of the operands or results of `op` that need no copy."""
    parts = op.attributes.get(PARTS)
    return () if parts is None else [int(v) for v in parts.iter_values()]  # pyright: ignore
