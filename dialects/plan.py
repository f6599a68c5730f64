"""
`plan`: buffers with places, and launches in order.

```mlir
%x = plan.input 0 : memref<1x3x8x8xf32>
%w = plan.weight #const.weight<"4f…"> : memref<2x3x3x3x16xf32>
%t = plan.buffer at 0 : memref<1x2x8x8x16xf32>
plan.launch @conv(%x, %w, %t) {flops = 1000 : i64, layers = ["conv1"]}
```

A launch ends before the next one starts. `at` is a byte offset in the arena; it is absent
until memory is planned.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    FlatSymbolRefAttrConstr,
    IntAttr,
    IntegerAttr,
    MemRefType,
    StringAttr,
    SymbolRefAttr,
    i64,
)
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from .const import Weight, WeightAttr
from .types import buffer_bytes


class PortOp(IRDLOperation):
    """The caller's array of an input or an output, row-major."""

    index = prop_def(IntAttr)
    result = result_def(MemRefType)

    def __init__(self, index: int, type_: Attribute) -> None:
        super().__init__(properties={"index": IntAttr(index)}, result_types=[type_])

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.index.data} : ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> PortOp:
        index = parser.parse_integer()
        parser.parse_punctuation(":")
        return cls(index, parser.parse_type())


@irdl_op_definition
class InputOp(PortOp):
    """An input of the network."""

    name = "plan.input"


@irdl_op_definition
class OutputOp(PortOp):
    """An output of the network."""

    name = "plan.output"


@irdl_op_definition
class WeightOp(IRDLOperation):
    """Constant memory: an array as it lies in memory."""

    name = "plan.weight"
    value = prop_def(WeightAttr)
    result = result_def(MemRefType)

    def __init__(self, weight: Weight, type_: Attribute) -> None:
        super().__init__(properties={"value": WeightAttr(weight)}, result_types=[type_])

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_attribute(self.value)
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> WeightOp:
        value = parser.parse_attribute()
        assert isinstance(value, WeightAttr)
        parser.parse_punctuation(":")
        return cls(value.data, parser.parse_type())


@irdl_op_definition
class BufferOp(IRDLOperation):
    """Memory in the arena."""

    name = "plan.buffer"
    offset = opt_prop_def(IntegerAttr)
    result = result_def(MemRefType)

    def __init__(self, type_: Attribute, offset: int | None = None) -> None:
        at = None if offset is None else IntegerAttr(offset, i64)
        super().__init__(properties={"offset": at}, result_types=[type_])

    def print(self, printer: Printer) -> None:
        if self.offset is not None:
            printer.print_string(f" at {self.offset.value.data}")
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> BufferOp:
        at = parser.parse_integer() if parser.parse_optional_keyword("at") else None
        parser.parse_punctuation(":")
        return cls(parser.parse_type(), at)


@irdl_op_definition
class ViewOp(IRDLOperation):
    """The memory of another buffer, or of a part `at` a byte offset, under another shape."""

    name = "plan.view"
    source = operand_def(MemRefType)
    offset = opt_prop_def(IntegerAttr)
    result = result_def(MemRefType)

    def __init__(self, source: SSAValue, type_: Attribute, offset: int = 0) -> None:
        at = IntegerAttr(offset, i64) if offset else None
        super().__init__(
            operands=[source], properties={"offset": at}, result_types=[type_]
        )

    @property
    def start(self) -> int:
        """Where it begins in its source, in bytes."""
        return 0 if self.offset is None else self.offset.value.data

    def verify_(self) -> None:
        if self.start < 0 or self.start + buffer_bytes(self.result) > buffer_bytes(
            self.source
        ):
            raise VerifyException(f"{self.result.type} is not inside its source")

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.source)
        if self.offset is not None:
            printer.print_string(f" at {self.start}")
        printer.print_string(" : ")
        printer.print_attribute(self.source.type)
        printer.print_string(" -> ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> ViewOp:
        source = parser.parse_unresolved_operand()
        at = parser.parse_integer() if parser.parse_optional_keyword("at") else 0
        parser.parse_punctuation(":")
        value = parser.resolve_operand(source, parser.parse_type())
        parser.parse_punctuation("->")
        return cls(value, parser.parse_type(), at)


@irdl_op_definition
class LaunchOp(IRDLOperation):
    """
    A kernel on buffers. `layers` are the names a user knows, `flops` the work,
    `operations` what became one kernel.
    """

    name = "plan.launch"
    kernel = prop_def(FlatSymbolRefAttrConstr)
    buffers = var_operand_def(MemRefType)
    flops = prop_def(IntegerAttr)
    layers = prop_def(ArrayAttr[StringAttr])
    operations = opt_prop_def(ArrayAttr[StringAttr])

    def __init__(
        self,
        kernel: str,
        buffers: Sequence[SSAValue],
        flops: int,
        layers: Sequence[str],
        operations: Sequence[str] = (),
    ) -> None:
        names = ArrayAttr(map(StringAttr, operations)) if operations else None
        super().__init__(
            operands=[list(buffers)],
            properties={
                "operations": names,
                "kernel": SymbolRefAttr(kernel),
                "flops": IntegerAttr(flops, i64),
                "layers": ArrayAttr(map(StringAttr, layers)),
            },
        )

    @property
    def kernel_name(self) -> str:
        return self.kernel.root_reference.data

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$kernel `(` $buffers `)` attr-dict `:` type($buffers)"


Plan = Dialect("plan", [InputOp, OutputOp, WeightOp, BufferOp, ViewOp, LaunchOp], [])
