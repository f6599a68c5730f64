"""Rows of operators that sample images anew."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.const import constant_array
from .node import Node, Row
from .rows import same

RESIZE_ATTRIBUTES = (
    "mode",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "extrapolation_value",
    "nearest_mode",
    "antialias",
    "axes",
    "keep_aspect_ratio_policy",
)


def resize(node: Node) -> SSAValue:
    if node.version < 11:
        return _resize_10(node)
    properties = {name: node.attribute(name) for name in RESIZE_ATTRIBUTES}
    cropped = properties["coordinate_transformation_mode"] == "tf_crop_and_resize"
    roi = _given(node.optional(1)) if cropped else None
    scales, sizes = _given(node.optional(2)), _given(node.optional(3))
    if (scales is None) == (sizes is None):
        node.refuse("it needs either scales or sizes")
    return node.build(nn.ResizeOp, node.input(0), roi, scales, sizes, **properties)


def _resize_10(node: Node) -> SSAValue:
    """
    Resize of opset 10. Its nearest element is the one before, but the one behind in a
    dimension that shrinks: these are resized first, the others after.
    """
    known = constant_array(node.input(1))
    if node.attribute("mode") != "nearest" or known is None or (known >= 1).all():
        return _resize_by_scales(node, node.input(1))
    less = node.literal(np.minimum(known, 1), "float32")
    more = node.literal(np.maximum(known, 1), "float32")
    shrunk = _resize_by_scales(node, less, nearest="ceil")
    return _resize_by_scales(node, more, shrunk)


def upsample(node: Node) -> SSAValue:
    if node.version >= 9:
        return _resize_by_scales(node, node.input(1))
    scales = node.literal(node.required("scales"), "float32")
    return _resize_by_scales(node, scales)


def _resize_by_scales(
    node: Node, scales: SSAValue, x: SSAValue | None = None, nearest: str = "floor"
) -> SSAValue:
    """The old meaning of Upsample and Resize: corner to corner, cut down."""
    mode = node.attribute("mode")
    return node.build(
        nn.ResizeOp,
        node.input(0) if x is None else x,
        None,
        scales,
        None,
        mode="linear" if mode == "bilinear" else mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode=nearest,
    )


def _given(value: SSAValue | None) -> SSAValue | None:
    """An operand; an empty constant stands for one left out."""
    if value is None:
        return None
    array = constant_array(value)
    return None if array is not None and array.size == 0 else value


RESIZE: dict[str, Row] = {
    "GridSample": same(nn.GridSampleOp, "mode", "padding_mode", "align_corners"),
    "Resize": resize,
    "Upsample": upsample,
}
