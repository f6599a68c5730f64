"""The row of attention."""

from __future__ import annotations

from math import sqrt

import numpy as np
from onnx import helper
from xdsl.dialects.builtin import Float32Type, Float64Type
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import VerifyException

from ....dialects import nn
from ....dialects.const import constant_array
from ....dialects.nn.base import broadcast_shapes
from ....dialects.types import Array, element_type, is_static, shape_of, value_dtype
from .node import Node, Row
from .problems import NeedsDefinition
from .rows import scalar_like

UNDERSTOOD = {
    "is_causal",
    "kv_num_heads",
    "q_num_heads",
    "qk_matmul_output_mode",
    "scale",
    "softcap",
    "softmax_precision",
}
"""Attributes that the row reads; the windows of newer opsets are not among them."""


def attention(node: Node) -> SSAValue:
    """
    As one operation where there are no caches and as many heads of keys as of queries;
    else the standard's definition is imported.

    The scale stands before the queries, from where it goes into their weights.
    """
    check_plain(node)
    q, k, v = (node.input(i) for i in range(3))
    heads = heads_of(node)
    mask = mask_of(node, heads)
    scale = node.attribute("scale")
    if scale is None:
        depth = shape_of(q)[-1] // (heads if node.rank(q) == 3 else 1)
        scale = 1 / sqrt(depth)
    q, k, v = (with_heads(node, x, heads) for x in (q, k, v))
    q = node.build(nn.MulOp, q, scalar_like(node, scale, q))
    operand = None if mask is None else node.literal(mask, mask.dtype)
    y = node.build(nn.AttentionOp, q, k, v, operand)
    if node.rank(node.input(0)) == 4:
        return y
    batch, _, rows, depth = shape_of(y)
    rowwise = node.build(nn.TransposeOp, y, perm=[0, 2, 1, 3])
    return node.build(nn.ReshapeOp, rowwise, node.literal([batch, rows, heads * depth]))


def check_plain(node: Node) -> None:
    """
    Whether shapes are known, and nothing is asked for but scale and mask.

    Raises:
        NeedsDefinition: it is not so.
    """
    if not UNDERSTOOD.issuperset(node.attributes):
        raise NeedsDefinition
    operands = [node.input(i) for i in range(3)]
    elements = {element_type(x) for x in operands}
    known = all(is_static(x.type) for x in operands)
    if not known or elements not in ({Float32Type()}, {Float64Type()}):
        raise NeedsDefinition
    own = helper.np_dtype_to_tensor_dtype(value_dtype(operands[0]))
    if node.attribute("softmax_precision") not in (None, own):
        raise NeedsDefinition
    node.ignore("qk_matmul_output_mode")
    caches = any(node.optional(i) is not None for i in range(4, len(node.inputs)))
    if caches or any(node.reads_output(i) for i in range(1, 4)):
        raise NeedsDefinition
    if node.attribute("softcap") or node.attribute("scale") == 0:
        raise NeedsDefinition


def heads_of(node: Node) -> int:
    """
    The heads of queries, keys and values.

    Raises:
        NeedsDefinition: keys have fewer, or the ranks differ.
    """
    shapes = [shape_of(node.input(i)) for i in range(3)]
    names = ("q_num_heads", "kv_num_heads", "kv_num_heads")
    heads = [node.attribute(name) for name in names]
    if all(len(shape) == 4 for shape in shapes):
        heads = [shape[1] for shape in shapes]
    elif not all(len(shape) == 3 for shape in shapes):
        raise NeedsDefinition
    if not heads[0] or len(set(heads)) > 1:
        raise NeedsDefinition
    return heads[0]


def with_heads(node: Node, x: SSAValue, heads: int) -> SSAValue:
    """`[B, S, H * D]` as `[B, H, S, D]`."""
    if node.rank(x) == 4:
        return x
    depth = shape_of(x)[-1]
    if depth % heads:
        node.refuse(f"{depth} columns do not divide into {heads} heads")
    shape = node.literal([0, 0, heads, depth // heads])
    apart = node.build(nn.ReshapeOp, x, shape)
    return node.build(nn.TransposeOp, apart, perm=[0, 2, 1, 3])


def mask_of(node: Node, heads: int) -> Array | None:
    """
    What is added to the scores; None when nothing is.

    Raises:
        NeedsDefinition: it is no constant, or leaves a query without any key: the
            standard gives zeros there.
    """
    q, k = node.input(0), node.input(1)
    rows, keys = shape_of(q)[-2], shape_of(k)[-2]
    bias = given_mask(node, (shape_of(q)[0], heads, rows, keys))
    if node.attribute("is_causal"):
        past = np.tril(np.ones((rows, keys), bool))
        causal = np.where(past, 0, -np.inf).astype(value_dtype(q))
        bias = causal if bias is None else bias + causal
    if bias is not None and not (bias.max(-1) > -np.inf).all():
        raise NeedsDefinition
    return bias


def given_mask(node: Node, scores: tuple[int, ...]) -> Array | None:
    """The operand `attn_mask`, as numbers to add."""
    value = node.optional(3)
    if value is None:
        return None
    mask = constant_array(value)
    if mask is None or mask.ndim < 2 or mask.shape[-1] != scores[-1]:
        raise NeedsDefinition
    try:
        if broadcast_shapes(mask.shape, scores) != scores:
            raise NeedsDefinition
    except VerifyException as error:
        raise NeedsDefinition from error
    dtype = value_dtype(node.input(0))
    if mask.dtype == bool:
        return np.where(mask, 0, -np.inf).astype(dtype)
    if mask.dtype != dtype:
        raise NeedsDefinition
    return mask


ATTENTION: dict[str, Row] = {"Attention": attention}
