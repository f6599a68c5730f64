"""Rows of convolutions and poolings."""

from __future__ import annotations

from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from ....dialects.types import is_static, shape_of
from .node import Node, Row
from .rows import same

WINDOW_ATTRIBUTES = ("strides", "pads", "dilations", "auto_pad")
POOL = ("kernel_shape", *WINDOW_ATTRIBUTES, "ceil_mode")


def convolution(operation: type[NNOp], *more: str) -> Row:
    build = same(operation, "group", *WINDOW_ATTRIBUTES, *more)

    def row(node: Node) -> SSAValue:
        kernel, weights = node.attribute("kernel_shape"), node.input(1)
        if kernel is not None and is_static(weights.type):
            actual = list(shape_of(weights)[2:])
            if kernel != actual:
                node.refuse(
                    f'attribute "kernel_shape" is {kernel}, the weights\' {actual}'
                )
        return build(node)  # pyright: ignore[reportReturnType]

    return row


def max_pool(node: Node) -> list[SSAValue]:
    properties = {name: node.attribute(name) for name in POOL}
    order = node.attribute("storage_order")
    x = node.input(0)
    outputs = [node.build(nn.MaxPoolOp, x, **properties)]
    if node.reads_output(1):
        indices = nn.MaxPoolIndicesOp
        outputs.append(node.build(indices, x, storage_order=order, **properties))
    return outputs


WINDOW: dict[str, Row] = {
    "AveragePool": same(nn.AveragePoolOp, *POOL, "count_include_pad"),
    "Conv": convolution(nn.ConvOp),
    "ConvTranspose": convolution(nn.ConvTransposeOp, "output_padding", "output_shape"),
    "GlobalAveragePool": same(nn.GlobalAveragePoolOp),
    "GlobalLpPool": same(nn.GlobalLpPoolOp, "p"),
    "GlobalMaxPool": same(nn.GlobalMaxPoolOp),
    "LpPool": same(nn.LpPoolOp, *POOL, "p"),
    "MaxPool": max_pool,
}
