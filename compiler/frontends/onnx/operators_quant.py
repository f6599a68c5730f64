"""Rows of quantised operators; those without an `nn` operation go through real numbers
or 32-bit integers, as their definitions do."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from .node import Node, Row
from .operators_window import WINDOW_ATTRIBUTES
from .rows import cast_to
from .tensors import dtype_of_onnx


def quantize(node: Node) -> SSAValue:
    node.only("block_size", 0)
    node.only("saturate", 1)
    node.only("precision", 0, 1)
    zero_point = node.optional(2)
    output = node.attribute("output_dtype") or 0
    if zero_point is None and output:
        zero_point = node.literal(0, dtype_of_onnx(output))
    operands = [node.input(0), node.input(1), zero_point]
    return node.build(nn.QuantizeLinearOp, *operands, axis=node.attribute("axis"))


def dequantize(node: Node) -> SSAValue:
    node.only("block_size", 0)
    node.only("output_dtype", 0)
    operands = [node.input(0), node.input(1), node.optional(2)]
    return node.build(nn.DequantizeLinearOp, *operands, axis=node.attribute("axis"))


def _real(node: Node, index: int, axis: int = 1) -> SSAValue:
    """Operands index, index + 1 and index + 2 as real numbers."""
    triple = (node.input(index), node.input(index + 1), node.input(index + 2))
    return node.build(nn.DequantizeLinearOp, *triple, axis=axis)


def _quantized(node: Node, value: SSAValue, index: int) -> SSAValue:
    scale, zero_point = node.input(index), node.input(index + 1)
    return node.build(nn.QuantizeLinearOp, value, scale, zero_point, axis=1)


def qlinear_matmul(node: Node) -> SSAValue:
    product = node.build(nn.MatmulOp, _real(node, 0), _real(node, 3))
    return _quantized(node, product, 6)


def qlinear_conv(node: Node) -> SSAValue:
    node.ignore("kernel_shape")
    x, w = _real(node, 0), _real(node, 3, axis=0)
    bias = node.optional(8)
    if bias is not None:
        scale = node.build(nn.MulOp, node.input(1), node.input(4))
        real = cast_to(node, bias, np.float32)
        bias = node.build(nn.MulOp, real, scale)
    properties = {name: node.attribute(name) for name in ("group", *WINDOW_ATTRIBUTES)}
    return _quantized(node, node.build(nn.ConvOp, x, w, bias, **properties), 6)


def _integers(node: Node, index: int, zero_point: int) -> SSAValue:
    """An operand less its zero point, as 32-bit integers."""
    x = cast_to(node, node.input(index), np.int32)
    zero = node.optional(zero_point)
    if zero is None:
        return x
    return node.build(nn.SubOp, x, cast_to(node, zero, np.int32))


def matmul_integer(node: Node) -> SSAValue:
    a, b = _integers(node, 0, 2), _integers(node, 1, 3)
    return node.build(nn.MatmulOp, a, b)


def conv_integer(node: Node) -> SSAValue:
    node.ignore("kernel_shape")
    x, w = _integers(node, 0, 2), _integers(node, 1, 3)
    properties = {name: node.attribute(name) for name in ("group", *WINDOW_ATTRIBUTES)}
    operation: type[NNOp] = nn.ConvOp
    return node.build(operation, x, w, None, **properties)


QUANT: dict[str, Row] = {
    "ConvInteger": conv_integer,
    "DequantizeLinear": dequantize,
    "MatMulInteger": matmul_integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QuantizeLinear": quantize,
}
