"""Rows of quantised operators; those without an `nn` operation go through real numbers
or 32-bit integers, as their definitions do."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.types import is_static, shape_of, value_dtype
from .node import Node, Row
from .operators_window import WINDOW_ATTRIBUTES
from .rows import cast_like, cast_to, scalar_like
from .tensors import dtype_of_onnx


def quantize(node: Node) -> SSAValue:
    node.only("saturate", 1)
    node.only("precision", 0, 1)
    node.typed_by(2)
    x, scale, zero_point = node.input(0), node.input(1), node.optional(2)
    output = node.attribute("output_dtype") or 0
    axis, size = node.attribute("axis"), node.attribute("block_size")
    if zero_point is None:
        zero_point = node.literal(0, dtype_of_onnx(output) if output else np.uint8)
    if not size:
        return node.build(nn.QuantizeLinearOp, x, scale, zero_point, axis=axis)
    scale = _repeated(node, scale, axis, size)
    steps = node.build(nn.RoundOp, node.build(nn.DivOp, x, scale))
    zero = cast_like(node, _repeated(node, zero_point, axis, size), steps)
    limits = np.iinfo(value_dtype(zero_point))
    low, high = (scalar_like(node, v, steps) for v in (limits.min, limits.max))
    limited = node.build(nn.ClipOp, node.build(nn.AddOp, steps, zero), low, high)
    return cast_like(node, limited, zero_point)


def dequantize(node: Node) -> SSAValue:
    node.only("output_dtype", 0)
    x, scale, zero_point = node.input(0), node.input(1), node.optional(2)
    axis, size = node.attribute("axis"), node.attribute("block_size")
    if not size:
        return node.build(nn.DequantizeLinearOp, x, scale, zero_point, axis=axis)
    scale = _repeated(node, scale, axis, size)
    steps = cast_like(node, x, scale)
    if zero_point is not None:
        zero = cast_like(node, _repeated(node, zero_point, axis, size), scale)
        steps = node.build(nn.SubOp, steps, zero)
    return node.build(nn.MulOp, steps, scale)


def _repeated(node: Node, value: SSAValue, axis: int, size: int) -> SSAValue:
    """A parameter of blocks, for every element of the blocks of the first operand."""
    x = node.input(0)
    if not is_static(x.type):
        node.refuse("quantisation by blocks needs known shapes")
    if not shape_of(value):
        return value
    blocks = np.arange(shape_of(x)[axis]) // size
    return node.build(nn.GatherOp, value, node.literal(blocks), axis=axis)


def _real(node: Node, index: int, axis: int = 1) -> SSAValue:
    """Operands index, index + 1 and index + 2 as real numbers."""
    triple = (node.input(index), node.input(index + 1), node.input(index + 2))
    return node.build(nn.DequantizeLinearOp, *triple, axis=axis)


def _quantized(node: Node, value: SSAValue, index: int) -> SSAValue:
    scale, zero_point = node.input(index), node.input(index + 1)
    return node.build(nn.QuantizeLinearOp, value, scale, zero_point, axis=1)


def qlinear_matmul(node: Node) -> SSAValue:
    """Vectors of scales are per row of the first matrix, per column of the second."""
    a, b = _real(node, 0, axis=-2), _real(node, 3, axis=-1)
    return _quantized(node, node.build(nn.MatmulOp, a, b), 6)


def qlinear_conv(node: Node) -> SSAValue:
    node.ignore("kernel_shape")
    x, w = _real(node, 0), _real(node, 3, axis=0)
    bias = node.optional(8)
    if bias is not None:
        scale = node.build(nn.MulOp, node.input(1), node.input(4))
        bias = node.build(nn.MulOp, cast_to(node, bias, np.float32), scale)
    properties = {name: node.attribute(name) for name in ("group", *WINDOW_ATTRIBUTES)}
    return _quantized(node, node.build(nn.ConvOp, x, w, bias, **properties), 6)


def _centred(node: Node, index: int, zero_point: int, axis: int) -> SSAValue:
    """An operand less its zero point, as 32-bit integers; a vector is along `axis`."""
    x = cast_to(node, node.input(index), np.int32)
    zero = node.optional(zero_point)
    if zero is None:
        return x
    zero = cast_to(node, zero, np.int32)
    if is_static(zero.type) and is_static(x.type) and len(shape_of(zero)) == 1:
        shape = [1] * len(shape_of(x))
        shape[axis] = -1
        zero = node.build(nn.ReshapeOp, zero, node.literal(shape))
    return node.build(nn.SubOp, x, zero)


def matmul_integer(node: Node) -> SSAValue:
    a, b = _centred(node, 0, 2, axis=-2), _centred(node, 1, 3, axis=-1)
    return node.build(nn.MatmulOp, a, b)


def conv_integer(node: Node) -> SSAValue:
    node.ignore("kernel_shape")
    x, w = _centred(node, 0, 2, axis=1), _centred(node, 1, 3, axis=0)
    properties = {name: node.attribute(name) for name in ("group", *WINDOW_ATTRIBUTES)}
    return node.build(nn.ConvOp, x, w, None, **properties)


QUANT: dict[str, Row] = {
    "ConvInteger": conv_integer,
    "DequantizeLinear": dequantize,
    "MatMulInteger": matmul_integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QuantizeLinear": quantize,
}
