"""Rows of com.microsoft's operators on quantised numbers: through real numbers."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from ....dialects.types import value_dtype
from .node import Node, Row


def _real(node: Node, index: int) -> SSAValue:
    """Operands index, index + 1 and index + 2: numbers, scale and zero point."""
    triple = (node.input(index), node.input(index + 1), node.optional(index + 2))
    return node.build(nn.DequantizeLinearOp, *triple, axis=1)


def _quantized(node: Node, value: SSAValue, index: int) -> SSAValue:
    zero_point = node.optional(index + 1)
    if zero_point is None:
        zero_point = node.literal(0, value_dtype(node.input(0)))
    return node.build(nn.QuantizeLinearOp, value, node.input(index), zero_point, axis=1)


def two_operands(operation: type[NNOp]) -> Row:
    def row(node: Node) -> SSAValue:
        result = node.build(operation, _real(node, 0), _real(node, 3))
        return _quantized(node, result, 6)

    return row


def one_operand(compute: Callable[[Node, SSAValue], SSAValue]) -> Row:
    return lambda node: _quantized(node, compute(node, _real(node, 0)), 3)


def leaky_relu(node: Node, x: SSAValue) -> SSAValue:
    alpha = node.attribute("alpha")
    return node.build(nn.LeakyReluOp, x, alpha=0.01 if alpha is None else alpha)


def sigmoid(node: Node, x: SSAValue) -> SSAValue:
    return node.build(nn.SigmoidOp, x)


def global_average_pool(node: Node, x: SSAValue) -> SSAValue:
    node.only("channels_last", 0)
    return node.build(nn.GlobalAveragePoolOp, x)


def concat(node: Node) -> SSAValue:
    """Scale and zero point of the result come first, then triples of operands."""
    parts = [_real(node, i) for i in range(2, len(node.inputs), 3)]
    joined = node.build(nn.ConcatOp, parts, axis=node.required("axis"))
    scale, zero_point = node.input(0), node.input(1)
    return node.build(nn.QuantizeLinearOp, joined, scale, zero_point, axis=1)


CONTRIBUTED_QUANT: dict[str, Row] = {
    "QLinearAdd": two_operands(nn.AddOp),
    "QLinearConcat": concat,
    "QLinearGlobalAveragePool": one_operand(global_average_pool),
    "QLinearLeakyRelu": one_operand(leaky_relu),
    "QLinearMul": two_operands(nn.MulOp),
    "QLinearSigmoid": one_operand(sigmoid),
}
