"""
What a rewrite is worth: a simple model of the time an operation takes.

    cost = arithmetic operations + 4 * bytes read and written

A byte counts as much as four operations, since a core computes a few dozen numbers in the
time it takes one from memory. Only differences between two forms of a network matter.
"""

from __future__ import annotations

from math import prod

from xdsl.ir import SSAValue

from ...dialects.nn.base import NNOp
from ...dialects.types import shape_of, value_dtype

BYTE = 4
START = 20_000
"""What starting one more operation costs, where their number is what changes."""


def bytes_of(value: SSAValue) -> int:
    """The size of a value whose type is static."""
    return prod(shape_of(value)) * value_dtype(value).itemsize


def cost(flops: float, moved: float) -> float:
    """The cost of one operation with this work that moves so many bytes."""
    return flops + BYTE * moved


def cost_of(op: NNOp) -> float:
    """The cost of an operation as it is."""
    moved = sum(map(bytes_of, dict.fromkeys((*op.operands, *op.results))))
    return cost(op.flops(), moved)


def compared(before: float, after: float) -> str:
    """Two costs for people, in millions of operations."""
    return f"cost {before / 1e6:.3g} M before, {after / 1e6:.3g} M after"
