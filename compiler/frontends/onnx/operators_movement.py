"""Rows of operators that place, join or make elements."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.const import Weight, WeightAttr
from ....dialects.types import element_of, is_static, shape_of
from .node import Node, Row
from .rows import axes_operand, same, scalar_like
from .tensors import dtype_of_onnx


def squeeze(node: Node) -> SSAValue:
    return node.build(nn.SqueezeOp, node.input(0), axes_operand(node))


def unsqueeze(node: Node) -> SSAValue:
    return node.build(nn.UnsqueezeOp, node.input(0), axes_operand(node))


def split(node: Node) -> tuple[SSAValue, ...]:
    count = len(node.proto.output)
    sizes = node.attribute("split")
    operand = node.optional(1) if sizes is None else node.literal(sizes)
    parts = node.attribute("num_outputs")
    if parts is not None and parts != count:
        node.refuse(
            f'attribute "num_outputs" is {parts}, but there are {count} outputs'
        )
    return node.build_all(
        nn.SplitOp,
        node.input(0),
        operand,
        axis=node.attribute("axis"),
        num_outputs=count if operand is None else None,
        results=count,
    )


def slice_(node: Node) -> SSAValue:
    if node.version >= 10:
        return same(nn.SliceOp)(node)  # pyright: ignore[reportReturnType]
    axes = node.attribute("axes")
    return node.build(
        nn.SliceOp,
        node.input(0),
        node.literal(node.required("starts")),
        node.literal(node.required("ends")),
        None if axes is None else node.literal(axes),
        None,
    )


def pad(node: Node) -> SSAValue:
    mode = node.attribute("mode")
    if node.version >= 11:
        operands = [node.optional(i) for i in range(1, 4)]
        return node.build(nn.PadOp, node.input(0), *operands, mode=mode)
    x = node.input(0)
    pads = node.literal(node.required("pads"))
    value = scalar_like(node, node.attribute("value"), x)
    return node.build(nn.PadOp, x, pads, value, None, mode=mode)


def constant_of_shape(node: Node) -> SSAValue:
    tensor = node.attribute("value")
    if tensor is None:
        array = np.zeros(1, np.float32)
    else:
        array = node.importer.tensors.array(tensor)
    if array.size != 1:
        node.refuse('attribute "value" does not have one element')
    value = WeightAttr(Weight(array.reshape(1)))
    return node.build(nn.FillOp, node.input(0), value=value)


def dropout(node: Node) -> list[SSAValue]:
    """Inference: the input itself, and a mask of ones where somebody reads it."""
    x = node.input(0)
    node.ignore("ratio", "seed")
    training = node.constant(2, "training mode")
    if training is not None and training.any():
        ratio = node.constant(1, "ratio")
        if ratio is None or ratio.any():
            node.refuse("dropout in training mode is not supported")
    outputs = [node.build(nn.DropoutOp, x)]
    if node.reads_output(1):
        kind = np.bool_ if node.version >= 10 else np.float32
        one = WeightAttr(Weight(np.ones(1, kind)))
        outputs.append(node.build(nn.FillOp, node.build(nn.ShapeOp, x), value=one))
    return outputs


def eye_like(node: Node) -> SSAValue:
    dtype = node.attribute("dtype")
    element = None if dtype is None else element_of(dtype_of_onnx(dtype))
    return node.build(nn.EyeLikeOp, node.input(0), k=node.attribute("k"), dtype=element)


def space_to_depth(node: Node) -> SSAValue:
    """Blocks become channels: before the old ones, or (`CRD`) inside each old one."""
    if node.attribute("mode") != "CRD":
        return same(nn.SpaceToDepthOp, "blocksize")(node)  # pyright: ignore
    x, size = node.input(0), node.attribute("blocksize")
    if not is_static(x.type) or len(shape_of(x)) != 4:
        node.refuse("its input's shape is not known")
    batch, channels, height, width = shape_of(x)
    height, width = height // size, width // size
    blocks = node.literal([batch, channels, height, size, width, size])
    split = node.build(nn.ReshapeOp, x, blocks)
    moved = node.build(nn.TransposeOp, split, perm=[0, 1, 3, 5, 2, 4])
    shape = node.literal([batch, channels * size * size, height, width])
    return node.build(nn.ReshapeOp, moved, shape)


MOVEMENT: dict[str, Row] = {
    "Concat": lambda n: n.build(nn.ConcatOp, n.all_inputs(), axis=n.attribute("axis")),
    "ConstantOfShape": constant_of_shape,
    "DepthToSpace": same(nn.DepthToSpaceOp, "blocksize", "mode"),
    "Dropout": dropout,
    "Expand": same(nn.ExpandOp),
    "EyeLike": eye_like,
    "Flatten": same(nn.FlattenOp, "axis"),
    "Pad": pad,
    "Range": same(nn.RangeOp),
    "Reshape": same(nn.ReshapeOp, "allowzero"),
    "Shape": same(nn.ShapeOp, "start", "end"),
    "Size": same(nn.SizeOp),
    "Slice": slice_,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": same(nn.TileOp),
    "Transpose": same(nn.TransposeOp, "perm"),
    "Trilu": same(nn.TriluOp, "upper"),
    "Unsqueeze": unsqueeze,
}
