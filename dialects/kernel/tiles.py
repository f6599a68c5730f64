"""
`kernel`, second form: mapped loops over register tiles.

```mlir
kernel.func @matmul(%a: memref<128x64xf32>, %b: memref<64x32xf32>, %y: memref<128x32xf32>) {
  kernel.loop %m: grid 16 {
    %acc_0 = kernel.fill 0.0 : !kernel.tile<[8, 2] f32 x 16>
    %acc = kernel.loop %k: serial 64 carry %acc_1 = %acc_0 {
      %a_1 = kernel.load %a[%m * 8 + t0, %k] : !kernel.tile<[8, 1] f32>
      %b_1 = kernel.load %b[%k, t1 * 16 + lane] : !kernel.tile<[1, 2] f32 x 16>
      %acc_2 = kernel.contract %acc_1 += %a_1 * %b_1
      kernel.yield %acc_2
    }
    kernel.store %acc, %y[%m * 8 + t0, t1 * 16 + lane]
  }
}
```

A tile is one value: registers arranged in `shape`, each `lanes` elements wide. All tiles
of a kernel have the same rank; a dimension of size one, and a register of one lane, are
broadcast to the others they meet. `t0`, `t1`, … index the tile, `lane` the register.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IndexType,
    IntAttr,
    IntegerAttr,
    MemRefType,
    StringAttr,
    SymbolNameConstraint,
    UnitAttr,
    i64,
)
from xdsl.ir import (
    Attribute,
    Block,
    BlockArgument,
    ParametrizedAttribute,
    Region,
    SSAValue,
    TypeAttribute,
)
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    param_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, IsTerminator, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from ..types import buffer_type, integers
from .bounds import check_func
from .text import print_place

LOOPS = ("grid", "item", "serial")


def _ints(values: Sequence[int]) -> DenseArrayBase:
    return DenseArrayBase.from_list(i64, list(values))


@irdl_attr_definition
class TileType(ParametrizedAttribute, TypeAttribute):
    """Registers: `shape` of them, each `lanes` elements wide (1: scalars)."""

    name = "kernel.tile"
    shape: ArrayAttr[IntAttr] = param_def()
    element: Attribute = param_def()
    lanes: IntAttr = param_def()

    @staticmethod
    def of(shape: Sequence[int], element: Attribute, lanes: int = 1) -> TileType:
        return TileType(ArrayAttr(map(IntAttr, shape)), element, IntAttr(lanes))

    @property
    def dims(self) -> tuple[int, ...]:
        """How many registers along each tile dimension."""
        return tuple(i.data for i in self.shape)

    @property
    def width(self) -> int:
        """Lanes of a register."""
        return self.lanes.data

    def print_parameters(self, printer: Printer) -> None:
        printer.print_string(f"<{list(self.dims)} ")
        printer.print_attribute(self.element)
        printer.print_string(f" x {self.width}>" if self.width > 1 else ">")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            dims = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, parser.parse_integer
            )
            element = parser.parse_type()
            lanes = parser.parse_integer() if parser.parse_optional_keyword("x") else 1
        return [ArrayAttr(map(IntAttr, dims)), element, IntAttr(lanes)]


def tile_type(value: SSAValue) -> TileType:
    """The type of a tile value."""
    assert isinstance(value.type, TileType)
    return value.type


class AccessOp(IRDLOperation):
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
        super().__init__(
            operands=[buffer, indices, offset, mask],
            properties={
                "map": AffineMapAttr(map_),
                "valid": None if valid is None else _ints(valid),
                "fill": fill,
                "ahead": None if ahead is None else IntegerAttr(ahead, i64),
                "across": None if across is None else IntegerAttr(across, i64),
            },
            result_types=[result],
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
        super().__init__(
            operands=[value, buffer, indices, offset, mask],
            properties={
                "map": AffineMapAttr(map_),
                "valid": None if valid is None else _ints(valid),
            },
        )

    def verify_(self) -> None:
        self.check(tile_type(self.value))

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.value)
        printer.print_string(", ")
        self.print_access(printer, tile_type(self.value))


@irdl_op_definition
class FillOp(IRDLOperation):
    """A tile of one value."""

    name = "kernel.fill"
    value = prop_def(FloatAttr | IntegerAttr)
    result = result_def(TileType)

    def __init__(self, value: Attribute, type_: TileType) -> None:
        super().__init__(properties={"value": value}, result_types=[type_])

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.value.value.data} : ")
        printer.print_attribute(self.result.type)


@irdl_op_definition
class PositionOp(IRDLOperation):
    """`map(indices; t0, t1, …, lane)` as an integer tile."""

    name = "kernel.position"
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    result = result_def(TileType)

    def __init__(
        self, indices: Sequence[SSAValue], map_: AffineMap, result: TileType
    ) -> None:
        super().__init__(
            operands=[indices],
            properties={"map": AffineMapAttr(map_)},
            result_types=[result],
        )

    def print(self, printer: Printer) -> None:
        tile = tile_type(self.result)
        names = [f"t{n}" for n in range(len(tile.dims))] + ["lane"]
        printer.print_string(" ")
        print_place(printer, None, self.indices, self.map.data, names)
        printer.print_string(" : ")
        printer.print_attribute(tile)


@irdl_op_definition
class ApplyOp(IRDLOperation):
    """A scalar body (arith, math) for every element of the broadcast inputs."""

    name = "kernel.apply"
    inputs = var_operand_def(TileType)
    result = result_def(TileType)
    body = region_def("single_block")

    def __init__(
        self, inputs: Sequence[SSAValue], type_: TileType, body: Region
    ) -> None:
        super().__init__(operands=[list(inputs)], result_types=[type_], regions=[body])

    def verify_(self) -> None:
        out = tile_type(self.result)
        for value, argument in zip(self.inputs, self.body.block.args, strict=True):
            tile = tile_type(value)
            if argument.type != tile.element or tile.width not in (1, out.width):
                raise VerifyException(f"{tile} does not fit the body")
            if any(n not in (1, m) for n, m in zip(tile.dims, out.dims, strict=True)):
                raise VerifyException(f"{tile} does not broadcast to {out}")

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")

        def pair(names: tuple[BlockArgument, SSAValue]) -> None:
            printer.print_ssa_value(names[0])
            printer.print_string(" = ")
            printer.print_ssa_value(names[1])

        printer.print_list(
            list(zip(self.body.block.args, self.inputs, strict=True)), pair
        )
        printer.print_string(" -> ")
        printer.print_attribute(self.result.type)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False)


@irdl_op_definition
class ContractOp(IRDLOperation):
    """`acc += lhs * rhs`; dimensions where only `acc` has size one are summed, in order."""

    name = "kernel.contract"
    acc = operand_def(TileType)
    lhs = operand_def(TileType)
    rhs = operand_def(TileType)
    result = result_def(TileType)

    def __init__(self, acc: SSAValue, lhs: SSAValue, rhs: SSAValue) -> None:
        super().__init__(operands=[acc, lhs, rhs], result_types=[acc.type])

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.acc)
        printer.print_string(" += ")
        printer.print_ssa_value(self.lhs)
        printer.print_string(" * ")
        printer.print_ssa_value(self.rhs)


@irdl_op_definition
class FoldOp(IRDLOperation):
    """`acc (kind)= value`; dimensions where only `acc` has size one are folded, in order."""

    name = "kernel.fold"
    kind = prop_def(StringAttr)
    acc = operand_def(TileType)
    value = operand_def(TileType)
    result = result_def(TileType)

    def __init__(self, kind: str, acc: SSAValue, value: SSAValue) -> None:
        super().__init__(
            operands=[acc, value],
            properties={"kind": StringAttr(kind)},
            result_types=[acc.type],
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.kind.data} ")
        printer.print_ssa_value(self.acc)
        printer.print_string(", ")
        printer.print_ssa_value(self.value)


@irdl_op_definition
class LanesOp(IRDLOperation):
    """The lanes of every register folded to a scalar, halves first: a fixed tree."""

    name = "kernel.lanes"
    kind = prop_def(StringAttr)
    value = operand_def(TileType)
    result = result_def(TileType)

    def __init__(self, kind: str, value: SSAValue) -> None:
        tile = tile_type(value)
        super().__init__(
            operands=[value],
            properties={"kind": StringAttr(kind)},
            result_types=[TileType.of(tile.dims, tile.element)],
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.kind.data} ")
        printer.print_ssa_value(self.value)


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Ends a body: the values carried on."""

    name = "kernel.yield"
    values = var_operand_def()
    traits = traits_def(IsTerminator())

    def __init__(self, values: Sequence[SSAValue] = ()) -> None:
        super().__init__(operands=[list(values)])

    def print(self, printer: Printer) -> None:
        printer.print_string(" " if self.values else "")
        printer.print_list(self.values, printer.print_ssa_value)


@irdl_op_definition
class LoopOp(IRDLOperation):
    """
    Loops, outermost first, each with a mapping.

    grid: independent, shares of it go to threads or work-groups; item: a work-item of the
    group; serial: a loop. Carried tiles flow through the serial loops in order.
    """

    name = "kernel.loop"
    extents = prop_def(DenseArrayBase)
    mappings = prop_def(ArrayAttr[StringAttr])
    init = var_operand_def(TileType)
    res = var_result_def(TileType)
    body = region_def("single_block")

    def __init__(
        self,
        extents: Sequence[int],
        mappings: Sequence[str],
        init: Sequence[SSAValue],
        body: Region,
    ) -> None:
        super().__init__(
            operands=[list(init)],
            properties={
                "extents": _ints(extents),
                "mappings": ArrayAttr(map(StringAttr, mappings)),
            },
            result_types=[[v.type for v in init]],
            regions=[body],
        )

    @property
    def nest(self) -> list[tuple[BlockArgument, int, str]]:
        """(counter, extent, mapping) of each loop."""
        names = [m.data for m in self.mappings]
        counters = self.body.block.args[: len(names)]
        return list(zip(counters, integers(self.extents), names, strict=True))

    @property
    def carried(self) -> Sequence[BlockArgument]:
        """The carried tiles, as the body sees them."""
        return self.body.block.args[len(self.mappings) :]

    def verify_(self) -> None:
        kinds = [m.data for m in self.mappings]
        if any(k not in LOOPS for k in kinds):
            raise VerifyException(f"mappings are among {LOOPS}, not {kinds}")
        if self.init and {"grid", "item"} & set(kinds):
            raise VerifyException("values are not carried through parallel loops")
        if "grid" in kinds and isinstance(self.parent_op(), LoopOp):
            raise VerifyException("grid loops are outermost")
        last = self.body.block.last_op
        yielded = [v.type for v in last.operands] if isinstance(last, YieldOp) else []
        inside = [a.type for a in self.carried]
        if not inside == [v.type for v in self.init] == yielded:
            raise VerifyException("init, carried and yielded types differ")

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        for position, (counter, extent, mapping) in enumerate(self.nest):
            printer.print_string(", " if position else "")
            printer.print_ssa_value(counter)
            printer.print_string(f": {mapping} {extent}")
        if self.init:
            printer.print_string(" carry ")

            def pair(names: tuple[SSAValue, SSAValue]) -> None:
                printer.print_ssa_value(names[0])
                printer.print_string(" = ")
                printer.print_ssa_value(names[1])

            printer.print_list(list(zip(self.carried, self.init, strict=True)), pair)
        printer.print_string(" ")
        printer.print_region(
            self.body,
            print_entry_block_args=False,
            print_block_terminators=bool(self.init),
        )


@irdl_op_definition
class FuncOp(IRDLOperation):
    """A kernel as it runs. Several grid loops follow one another in one flat range."""

    name = "kernel.func"
    sym_name = prop_def(SymbolNameConstraint())
    body = region_def("single_block")
    scalar = opt_prop_def(UnitAttr)
    schedule = opt_prop_def(StringAttr)
    """The schedule it was made with, as text for people."""
    traits = traits_def(IsolatedFromAbove(), SymbolOpInterface())

    def __init__(self, name: str, body: Region) -> None:
        super().__init__(properties={"sym_name": StringAttr(name)}, regions=[body])

    def verify_(self) -> None:
        check_func(self)

    @property
    def grid(self) -> int:
        """How many independent shares the kernel has."""
        return sum(
            prod(e for _, e, m in op.nest if m == "grid")
            for op in self.body.block.ops
            if isinstance(op, LoopOp)
        )

    @property
    def items(self) -> int:
        """Work-items of a group."""
        return work_items(self.body.block)

    def print(self, printer: Printer) -> None:
        printer.print_string(f" @{self.sym_name.data}(")
        printer.print_list(self.body.block.args, printer.print_block_argument)
        printer.print_string(") ")
        if self.schedule is not None:
            printer.print_string(f"schedule <{self.schedule.data}> ")
        printer.print_region(
            self.body, print_entry_block_args=False, print_block_terminators=False
        )


def work_items(block: Block) -> int:
    """How many work-items the item loops in `block` need, those in each other multiplied."""
    needed = 1
    for op in block.ops:
        if isinstance(op, LoopOp):
            own = prod(e for _, e, m in op.nest if m == "item")
            needed = max(needed, own * work_items(op.body.block))
    return needed
