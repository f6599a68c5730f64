"""What rows of several operator tables share."""

from __future__ import annotations

from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from ....dialects.types import Array, element_of, element_type, value_dtype
from .node import Node, Row


def same(operation: type[NNOp], *attributes: str) -> Row:
    """A row for an operator that has an operation of the same operands and attributes."""
    count = len(operation.get_irdl_definition().operands)

    def row(node: Node) -> SSAValue:
        operands = [node.optional(i) for i in range(count)]
        properties = {name: node.attribute(name) for name in attributes}
        return node.build(operation, *operands, **properties)

    return row


def axes_operand(node: Node, index: int = 1) -> SSAValue | None:
    """Axes: an attribute in old opsets, an operand in new ones."""
    axes = node.attribute("axes")
    if axes is None:
        return node.optional(index)
    return node.literal(axes)


def scalar_like(node: Node, number: float, value: SSAValue) -> SSAValue:
    """A scalar constant of the element type of `value`."""
    return node.literal(number, value_dtype(value))


def cast_like(node: Node, value: SSAValue, other: SSAValue) -> SSAValue:
    """`value` in the element type of `other`."""
    if element_type(value) == element_type(other):
        return value
    return node.build(nn.CastOp, value, to=element_type(other))


def cast_to(node: Node, value: SSAValue, dtype: Any) -> SSAValue:
    """`value` in the element type of a numpy type."""
    if value_dtype(value) == np.dtype(dtype):
        return value
    return node.build(nn.CastOp, value, to=element_of(np.dtype(dtype)))


def given(array: Array | None) -> Array | None:
    """An array, or None when it is empty: both mean that an operand is left out."""
    return None if array is None or array.size == 0 else array
