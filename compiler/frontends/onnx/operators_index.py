"""Rows of operators that take, place or find elements by index."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.types import is_static, shape_of
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


def reverse_sequence(node: Node) -> SSAValue:
    """A gather: the first `lengths[b]` steps of every batch entry b are reversed."""
    x = node.input(0)
    time: int = node.attribute("time_axis")
    batch: int = node.attribute("batch_axis")
    if not is_static(x.type):
        node.refuse("its input's shape is not known")
    shape = shape_of(x)
    along: dict[int, list[int]] = {axis: [1] * len(shape) for axis in (time, batch)}
    for axis, ones in along.items():
        ones[axis] = shape[axis]
    step = node.literal(np.arange(shape[time]).reshape(along[time]))
    lengths = node.build(nn.ReshapeOp, node.input(1), node.literal(along[batch]))
    last = node.build(nn.SubOp, lengths, node.literal(1))
    mirrored = node.build(nn.SubOp, last, step)
    inside = node.build(nn.LessOp, step, lengths)
    source = node.build(nn.WhereOp, inside, mirrored, step)
    everywhere = node.build(nn.ExpandOp, source, node.literal(shape))
    return node.build(nn.GatherElementsOp, x, everywhere, axis=time)


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
    "ReverseSequence": reverse_sequence,
    "ScatterND": same(nn.ScatterNdOp, "reduction"),
    "TopK": top_k,
}
