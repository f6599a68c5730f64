"""Rows of convolutions and poolings."""

from __future__ import annotations

from math import prod

from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from ....dialects.types import is_static, shape_of
from .node import Node, Row
from .rows import same, scalar_like

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


def max_unpool(node: Node) -> SSAValue:
    """
    Elements are scattered among zeros, by their flat indices in the output.

    The standard's reference counts them in the smallest output where a larger one is asked
    for; as in onnxruntime and PyTorch they belong to the one that is asked for, which is
    the input of the pooling.
    """
    x, indices = node.input(0), node.input(1)
    kernel: list[int] = node.required("kernel_shape")
    strides = node.attribute("strides") or [1] * len(kernel)
    pads = node.attribute("pads") or [0] * (2 * len(kernel))
    if not is_static(x.type):
        node.refuse("its input's shape is not known")
    batch, channels, *sizes = shape_of(x)
    pads = [sum(pair) for pair in zip(pads, pads[len(kernel) :], strict=False)]
    parts = zip(sizes, kernel, strides, pads, strict=True)
    spatial = [(n - 1) * stride + k - pad for n, k, stride, pad in parts]
    shape = [batch, channels, *spatial]
    given = node.constant(2, "output shape")
    wanted = shape if given is None else [int(n) for n in given.reshape(-1)]
    if wanted[:2] != shape[:2] or len(wanted) != len(shape):
        node.refuse(f"its output shape {wanted} does not fit its input")
    if any(n < least for n, least in zip(wanted, shape, strict=True)):
        node.refuse(
            f"its output shape {wanted} is smaller than {shape}, that of windows"
        )
    zeros = node.build(
        nn.ExpandOp, scalar_like(node, 0, x), node.literal([prod(wanted)])
    )
    flat = node.literal([-1])
    places, elements = (node.build(nn.ReshapeOp, v, flat) for v in (indices, x))
    spread = node.build(nn.ScatterElementsOp, zeros, places, elements)
    return node.build(nn.ReshapeOp, spread, node.literal(wanted))


WINDOW: dict[str, Row] = {
    "AveragePool": same(nn.AveragePoolOp, *POOL, "count_include_pad"),
    "Conv": convolution(nn.ConvOp),
    "ConvTranspose": convolution(nn.ConvTransposeOp, "output_padding", "output_shape"),
    "GlobalAveragePool": same(nn.GlobalAveragePoolOp),
    "GlobalLpPool": same(nn.GlobalLpPoolOp, "p"),
    "GlobalMaxPool": same(nn.GlobalMaxPoolOp),
    "LpPool": same(nn.LpPoolOp, *POOL, "p"),
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
}
