"""
What each `nn` operation is called in ONNX, and how those are written that are called
nothing there.

Operations have the operands and attributes of the newest operator, so most rows are a
name; a name that is not listed is the operation's own, without underscores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from xdsl.dialects.builtin import FloatAttr, IntegerAttr

from ...dialects import nn
from ...dialects.const import WeightAttr
from ...dialects.nn.base import NNOp, integer
from ...dialects.types import shape_of, value_dtype

if TYPE_CHECKING:
    from .graph import GraphWriter

NAMES: dict[type[NNOp], str] = {
    nn.BatchNormOp: "BatchNormalization",
    nn.CumsumOp: "CumSum",
    nn.FillOp: "ConstantOfShape",
    nn.GatherNdOp: "GatherND",
    nn.GroupNormOp: "GroupNormalization",
    nn.GruOp: "GRU",
    nn.InstanceNormOp: "InstanceNormalization",
    nn.IsNanOp: "IsNaN",
    nn.LayerNormOp: "LayerNormalization",
    nn.LpNormOp: "LpNormalization",
    nn.LrnOp: "LRN",
    nn.LstmOp: "LSTM",
    nn.MatmulOp: "MatMul",
    nn.MaximumOp: "Max",
    nn.MeanVarianceNormOp: "MeanVarianceNormalization",
    nn.MinimumOp: "Min",
    nn.PreluOp: "PRelu",
    nn.RmsNormOp: "RMSNormalization",
    nn.RnnOp: "RNN",
    nn.ScatterNdOp: "ScatterND",
    nn.TopKOp: "TopK",
}

INTERNAL = frozenset({"nn.interpolate", "nn.fused", "nn.yield"})
"""Operations that only lowering makes."""

APART = frozenset({"nn.attention"})
"""Operations that few engines have: their decomposition is written."""


def operator_name(op: NNOp) -> str:
    """The name in ONNX, as far as a table and a rule can tell."""
    if type(op) in NAMES:
        return NAMES[type(op)]
    words = op.name.removeprefix("nn.").split("_")
    return "".join(word.capitalize() for word in words)


Writer: TypeAlias = Callable[["GraphWriter", NNOp], None]


def write_scale_shift(writer: GraphWriter, op: NNOp) -> None:
    """`x * scale[c] + shift[c]`, as two nodes."""
    x, scale, shift = op.operands
    rank = len(shape_of(x))
    names: list[str] = []
    for value in (scale, shift):
        shape = [-1, *(1 for _ in range(rank - 2))] if rank > 1 else [-1]
        target = writer.constant(np.array(shape, np.int64))
        names.append(writer.fresh("per_channel"))
        writer.node("Reshape", op, [writer.name(value), target], [names[-1]])
    product = writer.fresh("scaled")
    writer.node("Mul", op, [writer.name(x), names[0]], [product])
    writer.node("Add", op, [product, names[1]], [writer.name(op.results[0])])


def write_max_pool_indices(writer: GraphWriter, op: NNOp) -> None:
    """The second output of a pooling."""
    outputs = [writer.fresh("pooled"), writer.name(op.results[0])]
    inputs = [writer.name(o) for o in op.operands]
    writer.node("MaxPool", op, inputs, outputs, **writer.attributes(op))


def write_channel_shuffle(writer: GraphWriter, op: NNOp) -> None:
    """Reshape, transpose of two dimensions, reshape."""
    assert isinstance(op, nn.ChannelShuffleOp)
    batch, channels, *place = shape_of(op.x)
    group = integer(op.group)
    apart = np.array([batch, group, channels // group, *place], np.int64)
    shape = writer.constant(apart)
    groups, turned = writer.fresh("groups"), writer.fresh("turned")
    writer.node("Reshape", op, [writer.name(op.x), shape], [groups])
    perm = [0, 2, 1, *range(3, len(place) + 3)]
    writer.node("Transpose", op, [groups], [turned], perm=perm)
    together = writer.constant(np.array([batch, channels, *place], np.int64))
    writer.node("Reshape", op, [turned, together], [writer.name(op.output)])


def write_fill(writer: GraphWriter, op: NNOp) -> None:
    """The number is a tensor of one element in ONNX."""
    value = op.properties.get("value")
    dtype = value_dtype(op.results[0])
    number = 0
    if isinstance(value, WeightAttr):
        number = value.data.array.reshape(-1)[0]
    elif isinstance(value, FloatAttr | IntegerAttr):
        number = value.value.data
    tensor = writer.tensor(np.array([number], dtype), "value")
    inputs = [writer.name(op.operands[0])]
    outputs = [writer.name(op.results[0])]
    writer.node("ConstantOfShape", op, inputs, outputs, value=tensor)


def write_swish(writer: GraphWriter, op: NNOp) -> None:
    """`x * sigmoid(alpha * x)`: few engines have the operator itself."""
    assert isinstance(op, nn.SwishOp)
    x = inner = writer.name(op.operands[0])
    alpha = float(op.alpha.value.data)  # pyright: ignore
    if alpha != 1.0:
        factor = writer.constant(np.array(alpha, value_dtype(op.operands[0])))
        inner = writer.fresh("scaled")
        writer.node("Mul", op, [x, factor], [inner])
    gate = writer.fresh("gate")
    writer.node("Sigmoid", op, [inner], [gate])
    writer.node("Mul", op, [x, gate], [writer.name(op.results[0])])


WRITERS: dict[type[NNOp], Writer] = {
    nn.ChannelShuffleOp: write_channel_shuffle,
    nn.FillOp: write_fill,
    nn.MaxPoolIndicesOp: write_max_pool_indices,
    nn.ScaleShiftOp: write_scale_shift,
    nn.SwishOp: write_swish,
}
"""Operations that are not one node with the same operands and attributes."""
