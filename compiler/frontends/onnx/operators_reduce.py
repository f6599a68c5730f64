"""Rows of reductions and of what is normalised by a sum."""

from __future__ import annotations

from math import prod

from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from ....dialects.types import is_static, shape_of
from .node import Node, Row
from .rows import axes_operand

REDUCTIONS: dict[str, type[NNOp]] = {
    "ReduceL1": nn.ReduceL1Op,
    "ReduceL2": nn.ReduceL2Op,
    "ReduceLogSum": nn.ReduceLogSumOp,
    "ReduceLogSumExp": nn.ReduceLogSumExpOp,
    "ReduceMax": nn.ReduceMaxOp,
    "ReduceMean": nn.ReduceMeanOp,
    "ReduceMin": nn.ReduceMinOp,
    "ReduceProd": nn.ReduceProdOp,
    "ReduceSum": nn.ReduceSumOp,
    "ReduceSumSquare": nn.ReduceSumSquareOp,
}


def reduction(operation: type[NNOp]) -> Row:
    def row(node: Node) -> SSAValue:
        return node.build(
            operation,
            node.input(0),
            axes_operand(node),
            keepdims=node.attribute("keepdims"),
            noop_with_empty_axes=node.attribute("noop_with_empty_axes"),
        )

    return row


def along_axis(operation: type[NNOp]) -> Row:
    """
    Softmax and its kin. Before opset 13 the input was seen as a matrix: the dimensions
    from `axis` on are one.
    """

    def row(node: Node) -> SSAValue:
        x, axis = node.input(0), node.attribute("axis")
        if node.version >= 13 or _is_last(x, axis):
            return node.build(operation, x, axis=axis)
        matrix = node.build(nn.FlattenOp, x, axis=axis)
        result = node.build(operation, matrix, axis=1)
        return node.build(nn.ReshapeOp, result, node.build(nn.ShapeOp, x))

    return row


def _is_last(x: SSAValue, axis: int) -> bool:
    """Whether `axis` has all elements of the dimensions from it on."""
    if axis == -1:
        return True
    if not is_static(x.type):
        return False
    shape = shape_of(x)
    if not -len(shape) <= axis < len(shape):
        return False
    return prod(shape[axis % len(shape) + 1 :]) == 1


REDUCE: dict[str, Row] = {
    **{name: reduction(operation) for name, operation in REDUCTIONS.items()},
    "Hardmax": along_axis(nn.HardmaxOp),
    "LogSoftmax": along_axis(nn.LogSoftmaxOp),
    "Softmax": along_axis(nn.SoftmaxOp),
}
