"""`kernel`, second form: tiles from buffers, and tiles to buffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseArrayBase,
    FloatAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from ..types import buffer_type, integer_array, integers
from .operation import KernelOp, segments
from .text import print_place
from .tiles import TileType, tile_type


class AccessOp(KernelOp):
    """
    Shared by load and store: `buffer[map(indices; t0, t1, …, lane)]`.

    `offset` (elements, an i64 tile) is added where places depend on data. `mask` (an i1
    tile) says which elements take part. `valid` is how many elements along tile dimension
    `valid_dim` (none: -1) and the lanes exist; the others are left alone.
    """

    def check(self, tile: TileType) -> None:
        map_: AffineMap = cast("LoadOp", self).map.data
        buffer = buffer_type(cast("LoadOp", self).buffer)
        if len(map_.results) != buffer.get_num_dims():
            raise VerifyException(f"{len(map_.results)} indices for {buffer}")
        if map_.num_symbols != len(tile.dims) + 1:
            raise VerifyException(f"the map has not the symbols of {tile}")

    def print_access(self, printer: Printer, tile: TileType) -> None:
        names = [f"t{n}" for n in range(len(tile.dims))] + ["lane"]
        op = cast("LoadOp", self)
        print_place(printer, op.buffer, op.indices, op.map.data, names)
        if op.offset is not None:
            printer.print_string(" at ")
            printer.print_ssa_value(op.offset)
        if op.mask is not None:
            printer.print_string(" where ")
            printer.print_ssa_value(op.mask)
        if op.valid is not None:
            dim, count = integers(op.valid)
            along = f"(t{dim}, lane)" if dim >= 0 else "lane"
            printer.print_string(f" valid {along} < {count}")

    @property
    def valid_part(self) -> tuple[int, int] | None:
        """(tile dimension or -1, element count), when registers are partly outside."""
        valid = cast("LoadOp", self).valid
        if valid is None:
            return None
        dim, count = integers(valid)
        return dim, count


@irdl_op_definition
class LoadOp(AccessOp):
    """A tile from a buffer; elements that do not take part are `fill`."""

    name = "kernel.load"
    buffer = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    offset = opt_operand_def(TileType)
    mask = opt_operand_def(TileType)
    map = prop_def(AffineMapAttr)
    valid = opt_prop_def(DenseArrayBase)
    fill = opt_prop_def(FloatAttr | IntegerAttr)
    ahead = opt_prop_def(IntegerAttr)
    """The elements so much further on are asked for too: they are needed soon."""
    across = opt_prop_def(IntegerAttr)
    """A tile dimension along which memory runs: loaded along it, and transposed."""
    result = result_def(TileType)
    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def __init__(
        self,
        buffer: SSAValue,
        indices: Sequence[SSAValue],
        map_: AffineMap,
        result: TileType,
        offset: SSAValue | None = None,
        mask: SSAValue | None = None,
        valid: tuple[int, int] | None = None,
        fill: Attribute | None = None,
        ahead: int | None = None,
        across: int | None = None,
    ) -> None:
        extra = [value for value in (offset, mask) if value is not None]
        present = (int(value is not None) for value in (offset, mask))
        self.make(
            [buffer, *indices, *extra],
            [result],
            {
                "map": AffineMapAttr(map_),
                "valid": None if valid is None else integer_array(valid),
                "fill": fill,
                "ahead": None if ahead is None else IntegerAttr(ahead, i64),
                "across": None if across is None else IntegerAttr(across, i64),
                "operandSegmentSizes": segments(1, len(indices), *present),
            },
        )

    def verify_(self) -> None:
        self.check(tile_type(self.result))

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        self.print_access(printer, tile_type(self.result))
        if self.fill is not None:
            printer.print_string(" else ")
            printer.print_attribute(self.fill)
        if self.ahead is not None:
            printer.print_string(f" ahead {self.ahead.value.data}")
        if self.across is not None:
            printer.print_string(f" across t{self.across.value.data}")
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)


@irdl_op_definition
class StoreOp(AccessOp):
    """A tile to a buffer."""

    name = "kernel.store"
    value = operand_def(TileType)
    buffer = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    offset = opt_operand_def(TileType)
    mask = opt_operand_def(TileType)
    map = prop_def(AffineMapAttr)
    valid = opt_prop_def(DenseArrayBase)
    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def __init__(
        self,
        value: SSAValue,
        buffer: SSAValue,
        indices: Sequence[SSAValue],
        map_: AffineMap,
        offset: SSAValue | None = None,
        mask: SSAValue | None = None,
        valid: tuple[int, int] | None = None,
    ) -> None:
        extra = [part for part in (offset, mask) if part is not None]
        present = (int(part is not None) for part in (offset, mask))
        self.make(
            [value, buffer, *indices, *extra],
            properties={
                "map": AffineMapAttr(map_),
                "valid": None if valid is None else integer_array(valid),
                "operandSegmentSizes": segments(1, 1, len(indices), *present),
            },
        )

    def verify_(self) -> None:
        self.check(tile_type(self.value))

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.value)
        printer.print_string(", ")
        self.print_access(printer, tile_type(self.value))
