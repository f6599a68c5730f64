"""The row of attention, where it is one operation; else its definition is imported."""

from __future__ import annotations

from math import sqrt

import numpy as np
from onnx import helper
from xdsl.dialects.builtin import Float32Type, Float64Type
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.const import constant_array
from ....dialects.nn.base import broadcast_shapes
from ....dialects.types import Array, element_type, is_static, shape_of, value_dtype
from .node import Node, Row
from .rows import scalar_like


def attention(node: Node) -> SSAValue | None:
    """
    Queries, keys and values of as many heads, without caches.

    The scale stands before the queries, from where it goes into their weights.
    """
    if not is_plain(node):
        return None
    q, k, v = (node.input(i) for i in range(3))
    ranks = {len(shape_of(x)) for x in (q, k, v)}
    if ranks == {3}:
        heads = node.attribute("q_num_heads")
        if not heads or node.attribute("kv_num_heads") != heads:
            return None
    elif ranks == {4}:
        heads = shape_of(q)[1]
        if any(shape_of(x)[1] != heads for x in (k, v)):
            return None
        node.ignore("q_num_heads", "kv_num_heads")
    else:
        return None
    mask = mask_of(node, shape_of(q)[-2], shape_of(k)[-2])
    if mask is REFUSED:
        return None
    return built(node, heads, mask)


REFUSED = object()
"""The mask of an attention that one operation cannot have."""


def is_plain(node: Node) -> bool:
    """Whether shapes are known and nothing is asked for but scale and mask."""
    operands = [node.input(i) for i in range(3)]
    if not all(is_static(x.type) for x in operands):
        return False
    elements = {element_type(x) for x in operands}
    if elements not in ({Float32Type()}, {Float64Type()}):
        return False
    precision = node.attribute("softmax_precision")
    own = helper.np_dtype_to_tensor_dtype(value_dtype(operands[0]))
    if precision is not None and precision != own:
        return False
    if node.attribute("softcap") or node.attribute("scale") == 0:
        return False
    node.ignore("qk_matmul_output_mode")
    if any(node.optional(i) is not None for i in range(4, 7)):
        return False
    return not any(node.reads_output(i) for i in range(1, 4))
