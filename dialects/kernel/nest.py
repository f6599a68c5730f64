"""
`kernel`, first form: a scalar program over named dimensions, and a schedule for it.

```mlir
kernel.nest @matmul(%a: memref<128x64xf32>, %b: memref<64x32xf32>, %y: memref<128x32xf32>)
    over (%m = 128, %n = 32, %k = 64)
    schedule <parallel m by 8, serial k, unroll m, unroll n by 16, vector n by 16> {
  %a_1 = kernel.read %a[%m, %k] : f32
  %b_1 = kernel.read %b[%k, %n] : f32
  %0 = arith.mulf %a_1, %b_1 : f32
  %acc = kernel.reduce add %0 over [%k] : f32
  kernel.write %acc, %y[%m, %n] : f32
}
```

The body holds at every point of the domain. A value depends on the union of its
operands' dimensions; `reduce` takes dimensions away. The schedule says how it runs and
never what it means.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseArrayBase,
    FloatAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    StringAttr,
    SymbolNameConstraint,
    i64,
)
from xdsl.ir import Attribute, BlockArgument, Region, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, NoTerminator, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from ..types import integer_array, integers
from .bounds import check_nest
from .operation import KernelOp, segments
from .schedule import MAPPINGS, ScheduleAttr
from .text import parse_place, print_place

REDUCTIONS = ("add", "mul", "max", "min", "and", "or")


@irdl_op_definition
class ReadOp(KernelOp):
    """
    `result = buffer[map(indices)]`; `fill` where `guard(indices)` leaves `[0, bounds)`.

    Indices are dimensions of the nest, or index values that the body computes.
    """

    name = "kernel.read"
    buffer = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    guard = opt_prop_def(AffineMapAttr)
    bounds = opt_prop_def(DenseArrayBase)
    fill = opt_prop_def(FloatAttr | IntegerAttr)
    result = result_def()

    def __init__(
        self,
        buffer: SSAValue,
        indices: Sequence[SSAValue],
        map_: AffineMap,
        result: Attribute,
        guard: tuple[AffineMap, Sequence[int], Attribute] | None = None,
    ) -> None:
        properties: dict[str, Attribute | None] = {"map": AffineMapAttr(map_)}
        if guard is not None:
            properties["guard"] = AffineMapAttr(guard[0])
            properties["bounds"] = integer_array(guard[1])
            properties["fill"] = guard[2]
        self.make([buffer, *indices], [result], properties)

    def verify_(self) -> None:
        _check_place(self.buffer, self.indices, self.map.data)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        print_place(printer, self.buffer, self.indices, self.map.data)
        if self.guard is not None and self.bounds is not None and self.fill is not None:
            printer.print_string(" where ")
            print_place(printer, None, self.indices, self.guard.data)
            printer.print_string(f" in {list(integers(self.bounds))} else ")
            printer.print_attribute(self.fill)
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> ReadOp:
        buffer, indices, map_ = parse_place(parser)
        guard = None
        if parser.parse_optional_keyword("where"):
            _, guarded, guard_map = parse_place(parser, buffer=False)
            indices, map_, guard_map = _joined(indices, map_, guarded, guard_map)
            parser.parse_keyword("in")
            bounds = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, parser.parse_integer
            )
            parser.parse_keyword("else")
            guard = (guard_map, bounds, parser.parse_attribute())
        parser.parse_punctuation(":")
        return cls(buffer, indices, map_, parser.parse_type(), guard)


@irdl_op_definition
class WriteOp(KernelOp):
    """`buffer[map(indices)] = value`, where `condition` holds when it is given."""

    name = "kernel.write"
    value = operand_def()
    buffer = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    condition = opt_operand_def()
    map = prop_def(AffineMapAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())

    def __init__(
        self,
        value: SSAValue,
        buffer: SSAValue,
        indices: Sequence[SSAValue],
        map_: AffineMap,
        condition: SSAValue | None = None,
    ) -> None:
        extra = [] if condition is None else [condition]
        sizes = segments(1, 1, len(indices), len(extra))
        self.make(
            [value, buffer, *indices, *extra],
            properties={"map": AffineMapAttr(map_), "operandSegmentSizes": sizes},
        )

    def verify_(self) -> None:
        _check_place(self.buffer, self.indices, self.map.data)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.value)
        printer.print_string(", ")
        print_place(printer, self.buffer, self.indices, self.map.data)
        if self.condition is not None:
            printer.print_string(" where ")
            printer.print_ssa_value(self.condition)
        printer.print_string(" : ")
        printer.print_attribute(self.value.type)

    @classmethod
    def parse(cls, parser: Parser) -> WriteOp:
        value = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        buffer, indices, map_ = parse_place(parser)
        condition = None
        if parser.parse_optional_keyword("where"):
            condition = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        type_ = parser.parse_type()
        from xdsl.dialects.builtin import i1

        return cls(
            parser.resolve_operand(value, type_),
            buffer,
            indices,
            map_,
            None if condition is None else parser.resolve_operand(condition, i1),
        )


@irdl_op_definition
class ReduceOp(IRDLOperation):
    """`result[rest] = init (kind) value[rest, dims]` over all points of `dims`."""

    name = "kernel.reduce"
    kind = prop_def(StringAttr)
    value = operand_def()
    dims = var_operand_def(IndexType)
    init = opt_operand_def()
    result = result_def()
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())

    def __init__(
        self,
        kind: str,
        value: SSAValue,
        dims: Sequence[SSAValue],
        init: SSAValue | None = None,
    ) -> None:
        super().__init__(
            operands=[value, dims, init],
            properties={"kind": StringAttr(kind)},
            result_types=[value.type],
        )

    def verify_(self) -> None:
        if self.kind.data not in REDUCTIONS:
            raise VerifyException(
                f"reduction {self.kind.data} is not one of {REDUCTIONS}"
            )
        if self.init is not None and self.init.type != self.value.type:
            raise VerifyException(
                f"init is {self.init.type}, the reduced value {self.value.type}"
            )

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.kind.data} ")
        printer.print_ssa_value(self.value)
        printer.print_string(" over [")
        printer.print_list(self.dims, printer.print_ssa_value)
        printer.print_string("]")
        if self.init is not None:
            printer.print_string(" from ")
            printer.print_ssa_value(self.init)
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> ReduceOp:
        kind = parser.parse_identifier()
        value = parser.parse_unresolved_operand()
        parser.parse_keyword("over")
        dims = parser.parse_comma_separated_list(
            parser.Delimiter.SQUARE, parser.parse_unresolved_operand
        )
        init = None
        if parser.parse_optional_keyword("from"):
            init = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        type_ = parser.parse_type()
        return cls(
            kind,
            parser.resolve_operand(value, type_),
            [parser.resolve_operand(d, IndexType()) for d in dims],
            None if init is None else parser.resolve_operand(init, type_),
        )


@irdl_op_definition
class IndexOp(IRDLOperation):
    """`result = map(indices)` as an integer: where a body computes with positions."""

    name = "kernel.index"
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    result = result_def()

    def __init__(
        self, indices: Sequence[SSAValue], map_: AffineMap, type_: Attribute = i64
    ) -> None:
        super().__init__(
            operands=[indices],
            properties={"map": AffineMapAttr(map_)},
            result_types=[type_],
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        print_place(printer, None, self.indices, self.map.data)
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> IndexOp:
        _, indices, map_ = parse_place(parser, buffer=False)
        parser.parse_punctuation(":")
        return cls(indices, map_, parser.parse_type())


@irdl_op_definition
class NestOp(IRDLOperation):
    """A kernel: what is computed at every point of a domain, and a schedule for it."""

    name = "kernel.nest"
    sym_name = prop_def(SymbolNameConstraint())
    sizes = prop_def(DenseArrayBase)
    schedule = prop_def(ScheduleAttr)
    body = region_def("single_block")
    traits = traits_def(NoTerminator(), IsolatedFromAbove(), SymbolOpInterface())

    def __init__(
        self,
        name: str,
        sizes: Sequence[int],
        body: Region,
        schedule: ScheduleAttr | None = None,
    ) -> None:
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "sizes": integer_array(sizes),
                "schedule": schedule or ScheduleAttr.of(""),
            },
            regions=[body],
        )

    @property
    def extents(self) -> tuple[int, ...]:
        """The size of each dimension."""
        return integers(self.sizes)

    @property
    def dims(self) -> Sequence[BlockArgument]:
        """The dimensions, as index values."""
        return self.body.block.args[: len(self.extents)]

    @property
    def buffers(self) -> Sequence[BlockArgument]:
        """The buffers it reads and writes."""
        return self.body.block.args[len(self.extents) :]

    def verify_(self) -> None:
        names = [dim.name_hint for dim in self.dims]
        if len(set(names)) != len(names) or None in names:
            raise VerifyException(f"dimensions need different names, not {names}")
        for loop in self.schedule.loops:
            if loop.dim.data not in names:
                raise VerifyException(
                    f"the schedule names unknown dimension {loop.dim.data}"
                )
            if loop.mapping.data not in MAPPINGS:
                raise VerifyException(
                    f"mapping {loop.mapping.data} is not one of {MAPPINGS}"
                )
        self._verify_registers()
        check_nest(self)

    def _verify_registers(self) -> None:
        """Verify the part of the schedule that shapes tiles."""
        unrolls = [
            loop for loop in self.schedule.loops if loop.mapping.data == "unroll"
        ]
        vectors = [
            loop for loop in self.schedule.loops if loop.mapping.data == "vector"
        ]
        if len(vectors) > 1:
            raise VerifyException("only one dimension fills the lanes of registers")
        if len({loop.dim.data for loop in unrolls}) != len(unrolls):
            raise VerifyException("a dimension is unrolled twice")
        for vector in vectors:
            lanes = vector.step.data
            if lanes & (lanes - 1):
                raise VerifyException(f"registers have 2, 4, 8, … lanes, not {lanes}")
            for loop in unrolls:
                if loop.dim == vector.dim and loop.step.data != lanes:
                    raise VerifyException(
                        f"`{loop}` does not walk registers of `{vector}`"
                    )

    def print(self, printer: Printer) -> None:
        printer.print_string(f" @{self.sym_name.data}(")
        printer.print_list(self.buffers, printer.print_block_argument)
        printer.print_string(")\n    over (")

        def dim(pair: tuple[BlockArgument, int]) -> None:
            printer.print_ssa_value(pair[0])
            printer.print_string(f" = {pair[1]}")

        printer.print_list(list(zip(self.dims, self.extents, strict=True)), dim)
        printer.print_string(")\n    schedule ")
        self.schedule.print_parameters(printer)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> NestOp:
        name = parser.parse_symbol_name()
        buffers = parser.parse_comma_separated_list(
            parser.Delimiter.PAREN, parser.parse_argument
        )
        parser.parse_keyword("over")

        def dim() -> tuple[Parser.Argument, int]:
            argument = parser.parse_argument(expect_type=False)
            parser.parse_punctuation("=")
            return argument.resolve(IndexType()), parser.parse_integer()

        dims = parser.parse_comma_separated_list(parser.Delimiter.PAREN, dim)
        parser.parse_keyword("schedule")
        schedule = ScheduleAttr.new(ScheduleAttr.parse_parameters(parser))
        attributes = parser.parse_optional_attr_dict_with_keyword()
        body = parser.parse_region([*(d for d, _ in dims), *buffers])
        nest = cls(name.data, [s for _, s in dims], body, schedule)
        if attributes is not None:
            nest.attributes |= attributes.data
        return nest


def _check_place(
    buffer: SSAValue, indices: Sequence[SSAValue], map_: AffineMap
) -> None:
    type_ = buffer.type
    assert isinstance(type_, MemRefType)
    if len(map_.results) != type_.get_num_dims():
        raise VerifyException(f"{len(map_.results)} indices for {type_}")
    if map_.num_dims != len(indices):
        raise VerifyException(f"{len(indices)} values for {map_.num_dims} indices")


def _joined(
    indices: Sequence[SSAValue],
    map_: AffineMap,
    others: Sequence[SSAValue],
    other: AffineMap,
) -> tuple[list[SSAValue], AffineMap, AffineMap]:
    """Both maps over one list of values."""
    from xdsl.ir.affine import AffineExpr

    values = list(dict.fromkeys([*indices, *others]))

    def over_all(own: Sequence[SSAValue], old: AffineMap) -> AffineMap:
        new = [AffineExpr.dimension(values.index(v)) for v in own]
        results = tuple(e.replace_dims_and_symbols(new, []) for e in old.results)
        return AffineMap(len(values), 0, results)

    return values, over_all(indices, map_), over_all(others, other)
