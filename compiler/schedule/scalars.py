"""The scalar operation behind each kind of reduction, and its neutral element."""

from __future__ import annotations

from typing import cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    AnyFloat,
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute, Operation, SSAValue

FLOATS = (Float16Type, BFloat16Type, Float32Type, Float64Type)

COMBINE: dict[str, tuple[type[Operation] | None, type[Operation]]] = {
    "add": (arith.AddfOp, arith.AddiOp),
    "mul": (arith.MulfOp, arith.MuliOp),
    "max": (arith.MaximumfOp, arith.MaxSIOp),
    "min": (arith.MinimumfOp, arith.MinSIOp),
    "and": (None, arith.AndIOp),
    "or": (None, arith.OrIOp),
}


def combine(kind: str, lhs: SSAValue, rhs: SSAValue) -> Operation:
    """`lhs kind rhs` on scalars."""
    floating, whole = COMBINE[kind]
    op = floating if isinstance(lhs.type, FLOATS) else whole
    assert op is not None, f"{kind} of {lhs.type}"
    return op(lhs, rhs)  # pyright: ignore[reportCallIssue]


def identity(
    kind: str, element: Attribute
) -> FloatAttr[AnyFloat] | IntegerAttr[IntegerType]:
    """The neutral element of a reduction: `identity kind x == x`."""
    if isinstance(element, FLOATS):
        infinity = float("inf")
        values = {"add": 0.0, "mul": 1.0, "max": -infinity, "min": infinity, "or": 0.0}
        return FloatAttr(values[kind], element)
    assert isinstance(element, IntegerType)
    whole_type = cast("IntegerType", element)
    bits = whole_type.width.data
    lowest = -(1 << (bits - 1)) if bits > 1 else 0
    highest = (1 << (bits - 1)) - 1 if bits > 1 else 1
    whole = {"add": 0, "mul": 1, "max": lowest, "min": highest, "and": -1, "or": 0}
    return IntegerAttr(whole[kind], whole_type)
