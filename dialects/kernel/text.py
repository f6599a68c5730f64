"""How places `%buffer[%i floordiv 16, %j + 1]` are printed and parsed."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
    AffineSymExpr,
)
from xdsl.parser import Parser
from xdsl.printer import Printer

SYMBOLS = {
    AffineBinaryOpKind.Add: "+",
    AffineBinaryOpKind.Mul: "*",
    AffineBinaryOpKind.FloorDiv: "floordiv",
    AffineBinaryOpKind.Mod: "mod",
}


def print_expression(
    printer: Printer,
    expression: AffineExpr,
    dims: Sequence[SSAValue],
    symbols: Sequence[str] = (),
) -> None:
    """`expression` with values for dimensions and names for symbols."""
    match expression:
        case AffineDimExpr(position):
            printer.print_ssa_value(dims[position])
        case AffineSymExpr(position):
            printer.print_string(symbols[position])
        case AffineConstantExpr(value):
            printer.print_string(str(value))
        case AffineBinaryOpExpr(kind, lhs, rhs):
            for side, before in ((lhs, ""), (rhs, f" {SYMBOLS[kind]} ")):
                printer.print_string(before)
                inner = isinstance(side, AffineBinaryOpExpr) and not (
                    kind == AffineBinaryOpKind.Add
                    and (side is lhs or side.kind != AffineBinaryOpKind.Add)
                )
                printer.print_string("(" if inner else "")
                print_expression(printer, side, dims, symbols)
                printer.print_string(")" if inner else "")
        case _:
            raise TypeError(expression)


def print_place(
    printer: Printer,
    buffer: SSAValue | None,
    indices: Sequence[SSAValue],
    map_: AffineMap,
    symbols: Sequence[str] = (),
) -> None:
    """`%buffer[...]`, or the indices alone."""
    if buffer is not None:
        printer.print_ssa_value(buffer)
    printer.print_string("[")
    printer.print_list(
        map_.results, lambda e: print_expression(printer, e, indices, symbols)
    )
    printer.print_string("]")


def parse_place(
    parser: Parser, buffer: bool = True
) -> tuple[SSAValue, list[SSAValue], AffineMap]:
    """
    Buffer (or, without one, some index), index values, and the map over them.

    The buffer is an argument of the enclosing operation, so it is known already.
    """
    place: SSAValue | None = None
    if buffer:
        operand = parser.parse_unresolved_operand()
        known = parser.ssa_values.get(operand.operand_name)
        if known is None or not isinstance(known[0].type, MemRefType):
            parser.raise_error(f"{operand.operand_name} is not a buffer of this kernel")
        place = known[0]
    map_, indices = parser.parse_affine_map_of_ssa_ids()
    if map_.num_symbols:  # xDSL reads SSA values as symbols here
        dims = [AffineExpr.dimension(i) for i in range(map_.num_symbols)]
        results = tuple(e.replace_dims_and_symbols([], dims) for e in map_.results)
        map_ = AffineMap(len(dims), 0, results)
    if place is None:
        place = indices[0] if indices else None  # type: ignore[assignment]
    return place, list(indices), map_  # pyright: ignore[reportReturnType]
