"""
`kernel`, chains: kernels that run one after another on each block of a domain.

```mlir
kernel.chain @chain_0(%q: memref<12x512x64xf32>, %k: …, %v: …, %y: …) {
  %s = kernel.local : memref<1x32x512xf32>
  kernel.stage @scores(%q, %k, %s)
  kernel.stage @output(%s, %v, %y)
}
```

The schedules of all stages begin with the same parallel loops: the blocks. What a stage
hands on is as large as a block needs it, belongs to the thread, and stays in a cache.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    DenseArrayBase,
    FlatSymbolRefAttrConstr,
    MemRefType,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
)
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
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

from ..types import integer_array


@irdl_op_definition
class LocalOp(IRDLOperation):
    """Memory of the running thread, as large as one block needs it; not initialised."""

    name = "kernel.local"
    result = result_def(MemRefType)
    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, type_: Attribute) -> None:
        super().__init__(result_types=[type_])


@irdl_op_definition
class StageOp(IRDLOperation):
    """One kernel of a chain, on the chain's buffers and on local memory."""

    name = "kernel.stage"
    kernel = prop_def(FlatSymbolRefAttrConstr)
    starts = opt_prop_def(DenseArrayBase)
    """
    Where its domain begins in that of the chain, along each dimension of the blocks: it
    runs in those blocks alone that it has points of. Zero by default.
    """
    buffers = var_operand_def(MemRefType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$kernel `(` $buffers `)` attr-dict `:` type($buffers)"

    def __init__(
        self, kernel: str, buffers: Sequence[SSAValue], starts: Sequence[int] = ()
    ) -> None:
        properties: dict[str, Attribute] = {"kernel": SymbolRefAttr(kernel)}
        if starts:
            properties["starts"] = integer_array(starts)
        super().__init__(operands=[list(buffers)], properties=properties)

    @property
    def kernel_name(self) -> str:
        return self.kernel.root_reference.data


@irdl_op_definition
class ChainOp(IRDLOperation):
    """Kernels that become one: all stages of a block run before the next block does."""

    name = "kernel.chain"
    sym_name = prop_def(SymbolNameConstraint())
    body = region_def("single_block")
    traits = traits_def(NoTerminator(), IsolatedFromAbove(), SymbolOpInterface())

    def __init__(self, name: str, body: Region) -> None:
        super().__init__(properties={"sym_name": StringAttr(name)}, regions=[body])

    @property
    def locals(self) -> list[LocalOp]:
        return [op for op in self.body.block.ops if isinstance(op, LocalOp)]

    @property
    def stages(self) -> list[StageOp]:
        return [op for op in self.body.block.ops if isinstance(op, StageOp)]

    def verify_(self) -> None:
        if any(not isinstance(op, LocalOp | StageOp) for op in self.body.block.ops):
            raise VerifyException("a chain has local memory and stages, nothing else")
        if not self.stages:
            raise VerifyException("a chain has no stages")

    def print(self, printer: Printer) -> None:
        printer.print_string(f" @{self.sym_name.data}(")
        printer.print_list(self.body.block.args, printer.print_block_argument)
        printer.print_string(") ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> ChainOp:
        name = parser.parse_symbol_name()
        buffers = parser.parse_comma_separated_list(
            parser.Delimiter.PAREN, parser.parse_argument
        )
        return cls(name.data, parser.parse_region(buffers))
