"""Rows of com.microsoft operators, which onnxruntime's optimiser writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from ....dialects.types import is_static, shape_of
from .node import Node, Row
from .operators_contrib_quant import CONTRIBUTED_QUANT
from .operators_window import WINDOW_ATTRIBUTES
from .rows import scalar_like


def _attribute(node: Node, name: str, default: Any) -> Any:
    value = node.attribute(name)
    return default if value is None else value


def fused_matmul(node: Node) -> SSAValue:
    node.only("transBatchA", 0)
    node.only("transBatchB", 0)
    a = _transposed(node, node.input(0), "transA")
    b = _transposed(node, node.input(1), "transB")
    product = node.build(nn.MatmulOp, a, b)
    alpha = _attribute(node, "alpha", 1.0)
    if alpha == 1.0:
        return product
    return node.build(nn.MulOp, product, scalar_like(node, alpha, product))


def _transposed(node: Node, value: SSAValue, attribute: str) -> SSAValue:
    if not _attribute(node, attribute, 0):
        return value
    if not is_static(value.type):
        node.refuse(f'"{attribute}" needs a known rank')
    *batch, row, column = range(len(shape_of(value)))
    return node.build(nn.TransposeOp, value, perm=[*batch, column, row])


def gelu(node: Node) -> SSAValue:
    return node.build(nn.GeluOp, _biased(node), approximate="none")


def fast_gelu(node: Node) -> SSAValue:
    return node.build(nn.GeluOp, _biased(node), approximate="tanh")


def _biased(node: Node) -> SSAValue:
    x, bias = node.input(0), node.optional(1)
    return x if bias is None else node.build(nn.AddOp, x, bias)


def quick_gelu(node: Node) -> SSAValue:
    alpha = _attribute(node, "alpha", 1.702)
    return node.build(nn.SwishOp, node.input(0), alpha=alpha)


def layer_normalization(node: Node) -> tuple[SSAValue, ...]:
    node.only("stash_type", 1)
    operands = [node.input(0), node.input(1), node.optional(2)]
    axis, epsilon = _attribute(node, "axis", -1), _attribute(node, "epsilon", 1e-5)
    return node.build_all(nn.LayerNormOp, *operands, axis=axis, epsilon=epsilon)


def skip_layer_normalization(node: Node) -> Sequence[SSAValue]:
    """Normalise a sum of the input, a skipped connection and a bias."""
    total = node.build(nn.AddOp, node.input(0), node.input(1))
    bias = node.optional(4)
    if bias is not None:
        total = node.build(nn.AddOp, total, bias)
    epsilon = _attribute(node, "epsilon", 1e-12)
    operands = [total, node.input(2), node.optional(3)]
    results = node.build_all(nn.LayerNormOp, *operands, axis=-1, epsilon=epsilon)
    return [*results, total]


def rms_normalization(node: Node) -> SSAValue:
    node.only("stash_type", 1)
    axis, epsilon = _attribute(node, "axis", -1), _attribute(node, "epsilon", 1e-5)
    operands = (node.input(0), node.input(1))
    return node.build(nn.RmsNormOp, *operands, axis=axis, epsilon=epsilon)


def fused_conv(node: Node) -> SSAValue:
    """A convolution, a sum with another value and an activation."""
    operands = [node.input(0), node.input(1), node.optional(2)]
    properties = {name: node.attribute(name) for name in ("group", *WINDOW_ATTRIBUTES)}
    node.ignore("kernel_shape")
    result = node.build(nn.ConvOp, *operands, **properties)
    other = node.optional(3)
    if other is not None:
        result = node.build(nn.AddOp, result, other)
    return _activated(node, result)


def fused_gemm(node: Node) -> SSAValue:
    operands = [node.input(0), node.input(1), node.optional(2)]
    names = ("alpha", "beta", "transA", "transB")
    properties = {name: node.attribute(name) for name in names}
    return _activated(node, node.build(nn.GemmOp, *operands, **properties))


ACTIVATIONS: dict[str, type[NNOp]] = {
    "HardSigmoid": nn.HardSigmoidOp,
    "LeakyRelu": nn.LeakyReluOp,
    "Relu": nn.ReluOp,
    "Sigmoid": nn.SigmoidOp,
    "Tanh": nn.TanhOp,
}

PARAMETERS = {"HardSigmoid": ("alpha", "beta"), "LeakyRelu": ("alpha",)}


def _activated(node: Node, value: SSAValue) -> SSAValue:
    name = _attribute(node, "activation", "")
    if not name:
        return value
    numbers = _attribute(node, "activation_params", [])
    names = PARAMETERS.get(name, ())
    if name == "Clip" and len(numbers) == 2:
        low, high = (scalar_like(node, number, value) for number in numbers)
        return node.build(nn.ClipOp, value, low, high)
    if name not in ACTIVATIONS or len(numbers) not in (0, len(names)):
        node.refuse(f'attribute "activation" = {name!r} is not supported')
    given = dict(zip(names, map(float, numbers), strict=False))
    for parameter in names:
        number = node.attribute(f"activation_{parameter}")
        if number is not None:
            given[parameter] = number
    return node.build(ACTIVATIONS[name], value, **given)


CONTRIBUTED: dict[str, Row] = {
    **CONTRIBUTED_QUANT,
    "BiasGelu": gelu,
    "FastGelu": fast_gelu,
    "FusedConv": fused_conv,
    "FusedGemm": fused_gemm,
    "FusedMatMul": fused_matmul,
    "Gelu": gelu,
    "LayerNormalization": layer_normalization,
    "QuickGelu": quick_gelu,
    "SimplifiedLayerNormalization": rms_normalization,
    "SkipLayerNormalization": skip_layer_normalization,
}
