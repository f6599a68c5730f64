"""`kernel`, second form: mapped loops, and the functions they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    StringAttr,
    SymbolNameConstraint,
    UnitAttr,
)
from xdsl.ir import Block, BlockArgument, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, IsTerminator, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from ..types import integer_array, integers
from .bounds import check_func
from .operation import KernelOp
from .tiles import TileType

LOOPS = ("grid", "item", "serial")


@irdl_op_definition
class YieldOp(KernelOp):
    """Ends a body: the values carried on."""

    name = "kernel.yield"
    values = var_operand_def()
    traits = traits_def(IsTerminator())

    def __init__(self, values: Sequence[SSAValue] = ()) -> None:
        self.make(values)

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
                "extents": integer_array(extents),
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
