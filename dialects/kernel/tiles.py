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

Here are tiles and what computes them; `access.py` has loads and stores, `loops.py` what
stands around both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    FloatAttr,
    IndexType,
    IntAttr,
    IntegerAttr,
    StringAttr,
)
from xdsl.ir import (
    Attribute,
    BlockArgument,
    ParametrizedAttribute,
    Region,
    SSAValue,
    TypeAttribute,
)
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    param_def,
    prop_def,
    region_def,
    result_def,
    var_operand_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from .operation import KernelOp
from .text import print_place


@irdl_attr_definition
class TileType(ParametrizedAttribute, TypeAttribute):
    """Registers: `shape` of them, each `lanes` elements wide (1: scalars)."""

    name = "kernel.tile"
    shape: ArrayAttr[IntAttr] = param_def()
    element: Attribute = param_def()
    lanes: IntAttr = param_def()

    @staticmethod
    def of(shape: Sequence[int], element: Attribute, lanes: int = 1) -> TileType:
        return _tile_type(tuple(shape), element, lanes)

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


@lru_cache(4096)
def _tile_type(shape: tuple[int, ...], element: Attribute, lanes: int) -> TileType:
    return TileType(ArrayAttr(map(IntAttr, shape)), element, IntAttr(lanes))


def tile_type(value: SSAValue) -> TileType:
    """The type of a tile value."""
    assert isinstance(value.type, TileType)
    return value.type


@irdl_op_definition
class FillOp(KernelOp):
    """A tile of one value."""

    name = "kernel.fill"
    value = prop_def(FloatAttr | IntegerAttr)
    result = result_def(TileType)

    def __init__(self, value: Attribute, type_: TileType) -> None:
        self.make([], [type_], {"value": value})

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.value.value.data} : ")
        printer.print_attribute(self.result.type)


@irdl_op_definition
class PositionOp(KernelOp):
    """`map(indices; t0, t1, …, lane)` as an integer tile."""

    name = "kernel.position"
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    result = result_def(TileType)

    def __init__(
        self, indices: Sequence[SSAValue], map_: AffineMap, result: TileType
    ) -> None:
        self.make(indices, [result], {"map": AffineMapAttr(map_)})

    def print(self, printer: Printer) -> None:
        tile = tile_type(self.result)
        names = [f"t{n}" for n in range(len(tile.dims))] + ["lane"]
        printer.print_string(" ")
        print_place(printer, None, self.indices, self.map.data, names)
        printer.print_string(" : ")
        printer.print_attribute(tile)


@irdl_op_definition
class ApplyOp(KernelOp):
    """A scalar body (arith, math) for every element of the broadcast inputs."""

    name = "kernel.apply"
    inputs = var_operand_def(TileType)
    result = result_def(TileType)
    body = region_def("single_block")

    def __init__(
        self, inputs: Sequence[SSAValue], type_: TileType, body: Region
    ) -> None:
        self.make(inputs, [type_], regions=[body])

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
class ContractOp(KernelOp):
    """`acc += lhs * rhs`; dimensions where only `acc` has size one are summed, in order."""

    name = "kernel.contract"
    acc = operand_def(TileType)
    lhs = operand_def(TileType)
    rhs = operand_def(TileType)
    result = result_def(TileType)

    def __init__(self, acc: SSAValue, lhs: SSAValue, rhs: SSAValue) -> None:
        self.make([acc, lhs, rhs], [acc.type])

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.acc)
        printer.print_string(" += ")
        printer.print_ssa_value(self.lhs)
        printer.print_string(" * ")
        printer.print_ssa_value(self.rhs)


@irdl_op_definition
class FoldOp(KernelOp):
    """`acc (kind)= value`; dimensions where only `acc` has size one are folded, in order."""

    name = "kernel.fold"
    kind = prop_def(StringAttr)
    acc = operand_def(TileType)
    value = operand_def(TileType)
    result = result_def(TileType)

    def __init__(self, kind: str, acc: SSAValue, value: SSAValue) -> None:
        self.make([acc, value], [acc.type], {"kind": StringAttr(kind)})

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.kind.data} ")
        printer.print_ssa_value(self.acc)
        printer.print_string(", ")
        printer.print_ssa_value(self.value)


@irdl_op_definition
class LanesOp(KernelOp):
    """The lanes of every register folded to a scalar, halves first: a fixed tree."""

    name = "kernel.lanes"
    kind = prop_def(StringAttr)
    value = operand_def(TileType)
    result = result_def(TileType)

    def __init__(self, kind: str, value: SSAValue) -> None:
        tile = tile_type(value)
        result = TileType.of(tile.dims, tile.element)
        self.make([value], [result], {"kind": StringAttr(kind)})

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.kind.data} ")
        printer.print_ssa_value(self.value)
