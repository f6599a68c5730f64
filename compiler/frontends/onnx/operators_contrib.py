"""Rows of com.microsoft operators, which onnxruntime's optimiser writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.types import is_static, shape_of
from .node import Node, Row
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


CONTRIBUTED: dict[str, Row] = {
    "BiasGelu": gelu,
    "FastGelu": fast_gelu,
    "FusedMatMul": fused_matmul,
    "Gelu": gelu,
    "LayerNormalization": layer_normalization,
    "QuickGelu": quick_gelu,
    "SimplifiedLayerNormalization": rms_normalization,
    "SkipLayerNormalization": skip_layer_normalization,
}
