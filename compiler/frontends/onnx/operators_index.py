"""Rows of operators that take, place or find elements by index."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from .node import Node, Row
from .rows import same


def top_k(node: Node) -> tuple[SSAValue, ...]:
    count = node.input(1) if node.version >= 10 else node.literal([node.required("k")])
    names = ("axis", "largest", "sorted")
    properties = {name: node.attribute(name) for name in names}
    return node.build_all(nn.TopKOp, node.input(0), count, **properties)


def compress(node: Node) -> SSAValue:
    """A gather, when it is known which elements stay."""
    condition = node.constant(1, "condition")
    assert condition is not None
    kept = node.literal(np.flatnonzero(condition))
    x, axis = node.input(0), node.attribute("axis")
    if axis is None:
        x, axis = node.build(nn.ReshapeOp, x, node.literal([-1])), 0
    return node.build(nn.GatherOp, x, kept, axis=axis)


def non_zero(node: Node) -> SSAValue:
    array = node.constant(0, "input")
    assert array is not None
    return node.literal(np.array(np.nonzero(array)))


INDEX: dict[str, Row] = {
    "ArgMax": same(nn.ArgMaxOp, "axis", "keepdims", "select_last_index"),
    "ArgMin": same(nn.ArgMinOp, "axis", "keepdims", "select_last_index"),
    "Compress": compress,
    "CumSum": same(nn.CumsumOp, "exclusive", "reverse"),
    "Gather": same(nn.GatherOp, "axis"),
    "GatherElements": same(nn.GatherElementsOp, "axis"),
    "GatherND": same(nn.GatherNdOp, "batch_dims"),
    "NonZero": non_zero,
    "OneHot": same(nn.OneHotOp, "axis"),
    "Scatter": same(nn.ScatterElementsOp, "axis"),
    "ScatterElements": same(nn.ScatterElementsOp, "axis", "reduction"),
    "ScatterND": same(nn.ScatterNdOp, "reduction"),
    "TopK": top_k,
}
