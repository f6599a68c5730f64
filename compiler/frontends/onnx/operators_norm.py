"""Rows of normalisations."""

from __future__ import annotations

from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.types import is_static, shape_of
from .node import Node, Row
from .rows import cast_like, same


def batch_normalization(node: Node) -> SSAValue:
    node.only("training_mode", 0)
    node.only("spatial", 1)
    node.ignore("momentum")
    x = node.input(0)
    statistics = [cast_like(node, node.input(i), x) for i in range(1, 5)]
    return node.build(nn.BatchNormOp, x, *statistics, epsilon=node.attribute("epsilon"))


def layer_normalization(node: Node) -> tuple[SSAValue, ...]:
    node.only("stash_type", 1)
    names = ("axis", "epsilon")
    properties = {name: node.attribute(name) for name in names}
    operands = [node.input(0), node.input(1), node.optional(2)]
    return node.build_all(nn.LayerNormOp, *operands, **properties)


def rms_normalization(node: Node) -> SSAValue:
    node.only("stash_type", 1)
    names = ("axis", "epsilon")
    properties = {name: node.attribute(name) for name in names}
    x = node.input(0)
    return node.build(nn.RmsNormOp, x, cast_like(node, node.input(1), x), **properties)


def group_normalization(node: Node) -> SSAValue:
    """Scale and bias are per channel; in opset 18 to 20 they were per group."""
    node.only("stash_type", 1)
    x, groups = node.input(0), node.required("num_groups")
    parameters = [node.input(1), node.input(2)]
    if node.version < 21:
        if not is_static(x.type):
            node.refuse("the number of channels is not known")
        repeats = shape_of(x)[1] // groups
        parameters = [per_channel(node, p, groups, repeats) for p in parameters]
    return node.build(
        nn.GroupNormOp,
        x,
        *parameters,
        num_groups=groups,
        epsilon=node.attribute("epsilon"),
    )


def per_channel(node: Node, value: SSAValue, groups: int, repeats: int) -> SSAValue:
    column = node.build(nn.ReshapeOp, value, node.literal([groups, 1]))
    matrix = node.build(nn.ExpandOp, column, node.literal([groups, repeats]))
    return node.build(nn.ReshapeOp, matrix, node.literal([groups * repeats]))


NORM: dict[str, Row] = {
    "BatchNormalization": batch_normalization,
    "GroupNormalization": group_normalization,
    "InstanceNormalization": same(nn.InstanceNormOp, "epsilon"),
    "LRN": same(nn.LrnOp, "size", "alpha", "beta", "bias"),
    "LayerNormalization": layer_normalization,
    "LpNormalization": same(nn.LpNormOp, "axis", "p"),
    "MeanVarianceNormalization": same(nn.MeanVarianceNormOp, "axes"),
    "RMSNormalization": rms_normalization,
}
