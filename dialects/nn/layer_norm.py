"""Normalization along trailing dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import (
    Float32Type,
    Float64Type,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import (
    Array,
    NNOp,
    broadcast_shapes,
    element_type,
    integer,
    normalized_axis,
    number,
    shape_of,
    to_attribute,
)
from .common import FLOATS, require, require_same
from .numeric import widened

if TYPE_CHECKING:
    from ..kernel.build import Loops

from .statistics import dimensions, standardize, standardized


def split_at_axis(x: Sequence[int], axis: Attribute) -> int:
    """The axis from which on everything is normalized."""
    return normalized_axis(integer(axis), len(x))


def check_inner(x: Sequence[int], start: int, name: str, operand: SSAValue) -> None:
    """Whether the operand broadcasts to the dimensions from `start` on."""
    shape, inner = shape_of(operand), tuple(x[start:])
    if broadcast_shapes(shape, tuple(x)) != tuple(x):
        raise VerifyException(
            f"{name} {list(shape)} does not broadcast to {list(inner)}"
        )


@irdl_op_definition
class LayerNormOp(NNOp):
    """
    `y = (x - mean) * inv_std * scale + bias`, `inv_std = 1 / sqrt(variance + epsilon)`,
    with the statistics of all dimensions from `axis` on.

    | value         | shape                             |
    | ------------- | --------------------------------- |
    | x, y          | `[outer..., inner...]`            |
    | scale, bias   | broadcast to `[inner...]`         |
    | mean, inv_std | `[outer..., 1...]`, float32       |

    Source: ONNX LayerNormalization.
    """

    name = "nn.layer_norm"

    x = operand_def()
    scale = operand_def()
    bias = opt_operand_def()
    axis = prop_def(default_value=to_attribute(-1))
    epsilon = prop_def(default_value=to_attribute(1e-5))
    y = result_def()
    mean = result_def()
    inv_std = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        require_same(self.operands)
        x = element_type(self.x)
        statistics = x if isinstance(x, Float64Type) else Float32Type()
        return [x, statistics, statistics]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        start = split_at_axis(x, self.axis)
        check_inner(x, start, "scale", self.scale)
        if self.bias is not None:
            check_inner(x, start, "bias", self.bias)
        statistics = (*x[:start], *(1 for _ in x[start:]))
        return [x, statistics, statistics]

    def reference(
        self, x: Array, scale: Array, bias: Array | None = None
    ) -> tuple[Array, ...]:
        axes = tuple(range(split_at_axis(x.shape, self.axis), x.ndim))
        y, mean, inverse = standardize(widened(x), axes, number(self.epsilon))
        y = y * widened(scale)
        if bias is not None:
            y = y + widened(bias)
        return y.astype(x.dtype, copy=False), mean, inverse

    def loops(self, k: Loops) -> None:
        sizes = shape_of(self.x)
        start = split_at_axis(sizes, self.axis)
        n = k.nest(dimensions(sizes))
        inner = list(dimensions(sizes))[start:]
        x = n.read(self.x, n.indices)
        count, epsilon = prod(sizes[start:]), number(self.epsilon)
        centered, mean, inverse = standardized(n, x, inner, count, epsilon)
        y = centered * inverse * n.read_broadcast(self.scale, n.indices)
        if self.bias is not None:
            y = y + n.read_broadcast(self.bias, n.indices)
        n.write(y, self.y, n.indices)
        place = [*n.indices[:start], *(0 for _ in inner)]
        n.write(mean, self.mean, place)
        n.write(inverse, self.inv_std, place)

    def flops(self) -> int:
        return 7 * prod(shape_of(self.x))


@irdl_op_definition
class RmsNormOp(NNOp):
    """
    `output = x / sqrt(mean(x * x) + epsilon) * scale`, the mean over all dimensions from
    `axis` on. Source: ONNX RMSNormalization.
    """

    name = "nn.rms_norm"

    x = operand_def()
    scale = operand_def()
    axis = prop_def(default_value=to_attribute(-1))
    epsilon = prop_def(default_value=to_attribute(1e-5))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        require_same(self.operands)
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        check_inner(x, split_at_axis(x, self.axis), "scale", self.scale)
        return [x]

    def reference(self, x: Array, scale: Array) -> Array:
        wide = widened(x)
        axes = tuple(range(split_at_axis(x.shape, self.axis), x.ndim))
        epsilon = wide.dtype.type(number(self.epsilon))
        inverse = 1 / np.sqrt(np.square(wide).mean(axes, keepdims=True) + epsilon)
        return (wide * inverse * widened(scale)).astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        sizes = shape_of(self.x)
        start = split_at_axis(sizes, self.axis)
        n = k.nest(dimensions(sizes))
        x = n.read(self.x, n.indices)
        square = n.sum(x * x, over=list(dimensions(sizes))[start:])
        mean = square * (1 / prod(sizes[start:]))
        inverse = 1 / (mean + number(self.epsilon)).sqrt()
        scale = n.read_broadcast(self.scale, n.indices)
        n.write(x * inverse * scale, self.output, n.indices)

    def flops(self) -> int:
        return 4 * prod(shape_of(self.x))


OPS: tuple[type[NNOp], ...] = (
    LayerNormOp,
    RmsNormOp,
)
