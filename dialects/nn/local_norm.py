"""Normalization by neighbours, by a norm, or over any dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerAttr,
)
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import (
    Array,
    NNOp,
    element_type,
    integer,
    ints,
    normalized_axis,
    number,
    shape_of,
    to_attribute,
)
from .common import FLOATS, require
from .numeric import widened
from .pool import norm_of
from .windows import named

if TYPE_CHECKING:
    from ..kernel.build import Loops

from .statistics import check_channels, dimensions


@irdl_op_definition
class LrnOp(NNOp):
    """
    `output[n, c] = x[n, c] / (bias + alpha / size * sum(x[n, i] ** 2)) ** beta`, the sum
    over the `size` channels around `c`. Source: ONNX LRN.
    """

    name = "nn.lrn"

    x = operand_def()
    size = prop_def(IntegerAttr)
    alpha = prop_def(default_value=to_attribute(1e-4))
    beta = prop_def(default_value=to_attribute(0.75))
    bias = prop_def(default_value=to_attribute(1.0))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        check_channels(x)
        if integer(self.size) < 1:
            raise VerifyException(f"size {integer(self.size)} must be at least 1")
        return [x]

    def numbers(self) -> tuple[int, float, float, float]:
        """`size, alpha / size, beta, bias`."""
        size = integer(self.size)
        alpha = number(self.alpha)
        return size, alpha / size, number(self.beta), number(self.bias)

    def reference(self, x: Array) -> Array:
        size, alpha, beta, bias = self.numbers()
        wide = widened(x)
        before = (size - 1) // 2
        widths = [(0, 0), (before, size - 1 - before), *((0, 0),) * (x.ndim - 2)]
        padded = np.pad(np.square(wide), widths)
        total = sum(padded[:, i : i + x.shape[1]] for i in range(size))
        return (wide / (bias + alpha * total) ** beta).astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        size, alpha, beta, bias = self.numbers()
        sizes = shape_of(self.x)
        spatial = named("", sizes[2:])
        n = k.nest({"n": sizes[0], "c": sizes[1], **spatial, "t": size})
        inner = [n[name] for name in spatial]
        near = n["c"] + n["t"] - (size - 1) // 2
        neighbour = n.read(self.x, [n["n"], near, *inner], fill=0)
        total = n.sum(neighbour * neighbour, over=["t"])
        place = [n["n"], n["c"], *inner]
        divisor = n.pow(total * alpha + bias, beta)
        n.write(n.read(self.x, place) / divisor, self.output, place)

    def flops(self) -> int:
        return (2 * integer(self.size) + 10) * prod(shape_of(self.x))


@irdl_op_definition
class LpNormOp(NNOp):
    """
    `output = x / norm(x)`, the norm `sum(|x| ** p) ** (1 / p)` along `axis`; zero where
    the norm is zero. Source: ONNX LpNormalization.
    """

    name = "nn.lp_norm"

    x = operand_def()
    axis = prop_def(default_value=to_attribute(-1))
    p = prop_def(default_value=to_attribute(2))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        normalized_axis(integer(self.axis), len(x))
        if integer(self.p) not in (1, 2):
            raise VerifyException(f"p {integer(self.p)} is neither 1 nor 2")
        return [x]

    def reference(self, x: Array) -> Array:
        axis, p, wide = integer(self.axis), integer(self.p), widened(x)
        norm: Array = (np.abs(wide) ** p).sum(axis, keepdims=True) ** (1 / p)
        norm[norm == 0] = 1
        return (wide / norm).astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        sizes = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(sizes))
        n = k.nest(dimensions(sizes))
        x = n.read(self.x, n.indices)
        norm = norm_of(n, x, [f"d{axis}"], integer(self.p))
        safe = n.where(norm.eq(0), 1, norm)
        n.write(x / safe, self.output, n.indices)

    def flops(self) -> int:
        return 3 * prod(shape_of(self.x))


@irdl_op_definition
class MeanVarianceNormOp(NNOp):
    """
    `output = (x - mean) / (sqrt(variance) + 1e-9)`, with the statistics over `axes`.
    Source: ONNX MeanVarianceNormalization.
    """

    name = "nn.mean_variance_norm"

    x = operand_def()
    axes = opt_prop_def(DenseArrayBase)
    output = result_def()

    def reduced(self, rank: int) -> tuple[int, ...]:
        """The axes, counted from the front."""
        axes = ints(self.axes) if self.axes is not None else (0, 2, 3)
        return tuple(normalized_axis(axis, rank) for axis in axes)

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        self.reduced(len(x))
        return [x]

    def reference(self, x: Array) -> Array:
        axes, wide = self.reduced(x.ndim), widened(x)
        centered = wide - wide.mean(axes, keepdims=True)
        variance = np.square(centered).mean(axes, keepdims=True)
        deviation = np.sqrt(variance) + wide.dtype.type(1e-9)
        return (centered / deviation).astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        sizes = shape_of(self.x)
        axes = self.reduced(len(sizes))
        over = [f"d{axis}" for axis in axes]
        share = 1 / prod(sizes[axis] for axis in axes)
        n = k.nest(dimensions(sizes))
        x = n.read(self.x, n.indices)
        centered = x - n.sum(x, over=over) * share
        variance = n.sum(centered * centered, over=over) * share
        n.write(centered / (variance.sqrt() + 1e-9), self.output, n.indices)

    def flops(self) -> int:
        return 5 * prod(shape_of(self.x))


OPS: tuple[type[NNOp], ...] = (
    LrnOp,
    LpNormOp,
    MeanVarianceNormOp,
)
