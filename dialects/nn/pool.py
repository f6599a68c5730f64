"""Pooling: a window slides over the spatial dimensions, or covers them whole."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerType,
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

from ..types import value_dtype
from .base import Array, NNOp, element_type, integer, ints, shape_of, text, to_attribute
from .common import FLOATS, require
from .numeric import lowest, widened
from .windows import Window, named, taps, windows

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops, Nest, Scalar


class Pool(NNOp):
    """
    Base of operations that reduce the elements a window sees.

    `x` is `[N, C, spatial...]`, `output` is `[N, C, windows...]`. With `ceil_mode` the
    number of windows is rounded up; the last one still starts inside the input or its
    leading padding.
    """

    x = operand_def()

    kernel_shape = prop_def(DenseArrayBase)
    strides = opt_prop_def(DenseArrayBase)
    pads = opt_prop_def(DenseArrayBase)
    """All begins, then all ends."""
    dilations = opt_prop_def(DenseArrayBase)
    ceil_mode = prop_def(default_value=to_attribute(0))
    auto_pad = prop_def(default_value=to_attribute("NOTSET"))

    output = result_def()

    def windows(self, x: Sequence[int] | None = None) -> list[Window]:
        """Geometry per spatial dimension, for this shape or the operand's own."""
        return windows(
            (x or shape_of(self.x))[2:],
            ints(self.kernel_shape),
            ints(self.strides),
            ints(self.dilations),
            ints(self.pads),
            text(self.auto_pad),
            integer(self.ceil_mode) != 0,
        )

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        check_spatial(x)
        return [(*x[:2], *(g.output for g in self.windows()))]

    def nest(self, k: Loops) -> tuple[Nest, list[Index], list[Index], list[str]]:
        """The nest, its indices in the output and in the input, the dimensions to reduce."""
        geometry = self.windows()
        batch, channels = shape_of(self.x)[:2]
        outputs = named("o", [g.output for g in geometry])
        kernel = named("k", [g.kernel for g in geometry])
        n = k.nest({"n": batch, "c": channels, **outputs, **kernel})
        seen = [
            g.at(n[o], n[t]) for g, o, t in zip(geometry, outputs, kernel, strict=True)
        ]
        first = [n["n"], n["c"]]
        return n, first + [n[o] for o in outputs], first + seen, list(kernel)

    def flops(self) -> int:
        return prod(shape_of(self.output)) * prod(ints(self.kernel_shape))


def check_spatial(x: Sequence[int]) -> None:
    """Whether there is a spatial dimension."""
    if len(x) < 3:
        raise VerifyException(
            f"the input {list(x)} has rank {len(x)}, expected [N, C, spatial...]"
        )


@irdl_op_definition
class MaxPoolOp(Pool):
    """
    `output[n, c, o] = max(x[n, c, o * stride - pad + k * dilation] over k)`; padding
    never wins. Source: ONNX MaxPool.
    """

    name = "nn.max_pool"

    def reference(self, x: Array) -> Array:
        parts = (s for _, s in taps(x, self.windows(x.shape), lowest(x.dtype)))
        return reduce(np.maximum, parts).copy()

    def loops(self, k: Loops) -> None:
        n, outputs, inputs, kernel = self.nest(k)
        x = n.read(self.x, inputs, fill=lowest(value_dtype(self.x)))
        n.write(n.max(x, over=kernel), self.output, outputs)


@irdl_op_definition
class MaxPoolIndicesOp(Pool):
    """
    Where the maximum of each window is: its flat index in `x`; the first one of equals.

    `storage_order` 1 counts the spatial dimensions column-major. Source: the second
    result of ONNX MaxPool.
    """

    name = "nn.max_pool_indices"

    storage_order = prop_def(default_value=to_attribute(0))

    def elements(self) -> Sequence[Attribute]:
        return [IntegerType(64)]

    def spatial_strides(self, sizes: Sequence[int]) -> list[int]:
        """How far neighbours of each spatial dimension are apart in the flat index."""
        if integer(self.storage_order):
            return [prod(sizes[:i]) for i in range(len(sizes))]
        return [prod(sizes[i + 1 :]) for i in range(len(sizes))]

    def reference(self, x: Array) -> Array:
        geometry = self.windows(x.shape)
        plane = prod(x.shape[2:])
        best = np.full((*x.shape[:2], *(g.output for g in geometry)), -1, np.int64)
        top = np.full(best.shape, lowest(x.dtype), x.dtype)
        strides = self.spatial_strides(x.shape[2:])
        for tap, seen in taps(x, geometry, lowest(x.dtype)):
            place = np.zeros(best.shape[2:], np.int64)
            inside = np.ones(best.shape[2:], bool)
            for g, t, stride, at in zip(
                geometry, tap, strides, np.indices(place.shape), strict=True
            ):
                at = at * g.stride - g.begin + t * g.dilation
                place += at * stride
                inside &= (at >= 0) & (at < g.input)
            better = inside & ((seen > top) | (best < 0))
            top = np.where(better, seen, top)
            best = np.where(better, place, best)
        planes = np.arange(prod(x.shape[:2])) * plane
        return best + planes.reshape(*x.shape[:2], *(1,) * len(geometry))

    def loops(self, k: Loops) -> None:
        sizes = shape_of(self.x)
        n, outputs, inputs, kernel = self.nest(k)
        x = n.read(self.x, inputs, fill=lowest(value_dtype(self.x)))
        place = (inputs[0] * sizes[1] + inputs[1]) * prod(sizes[2:])
        for at, stride in zip(inputs[2:], self.spatial_strides(sizes[2:]), strict=True):
            place = place + at * stride
        first = x.eq(n.max(x, over=kernel))
        for at, g in zip(inputs[2:], self.windows(), strict=True):
            if g.padded:
                seen = n.index(at)
                first = first & (seen >= 0) & (seen < g.input)
        # Taps in the order of the kernel, so that the first of equals is the smallest.
        order = n.index(
            row_major([n[name] for name in kernel], ints(self.kernel_shape))
        )
        none = prod(ints(self.kernel_shape))
        winner = n.min(n.where(first, order, n.const(none, np.int64)), over=kernel)
        at_winner = n.where(order.eq(winner), n.index(place), n.const(0, np.int64))
        n.write(n.sum(at_winner, over=kernel), self.output, outputs)


def row_major(indices: Sequence[Index], sizes: Sequence[int]) -> Index:
    """The flat index of a point in an array of these sizes."""
    flat = indices[0]
    for index, size in zip(indices[1:], sizes[1:], strict=True):
        flat = flat * size + index
    return flat


@irdl_op_definition
class AveragePoolOp(Pool):
    """
    `output[n, c, o] = mean(x[n, c, o * stride - pad + k * dilation] over k)`.

    The mean is over the elements inside the input; with `count_include_pad` over those
    inside the input or its declared padding. Source: ONNX AveragePool.
    """

    name = "nn.average_pool"

    count_include_pad = prop_def(default_value=to_attribute(0))

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def counts(self, geometry: Sequence[Window]) -> list[Array]:
        """Per spatial dimension, the number of elements each window averages."""
        include = integer(self.count_include_pad) != 0
        return [g.counts(include) for g in geometry]

    def reference(self, x: Array) -> Array:
        geometry = self.windows(x.shape)
        total = sum(seen for _, seen in taps(widened(x), geometry))
        count = reduce(np.multiply.outer, self.counts(geometry))
        return (total / count.astype(widened(x).dtype)).astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        n, outputs, inputs, kernel = self.nest(k)
        total = n.sum(n.read(self.x, inputs, fill=0), over=kernel)
        fixed, varying = 1, None
        geometry = self.windows()
        for g, o, counts in zip(
            geometry, outputs[2:], self.counts(geometry), strict=True
        ):
            if (counts == counts[0]).all():
                fixed *= int(counts[0])
            else:
                count = self._count(n, g, o)
                varying = count if varying is None else varying * count
        if varying is None:
            mean = total * (1 / fixed)
        else:
            mean = total / (varying * fixed).cast(total.dtype)
        n.write(mean, self.output, outputs)

    def _count(self, n: Nest, g: Window, output: Index) -> Scalar:
        """`Window.counts`, as an expression."""
        include = integer(self.count_include_pad) != 0
        before = output * -g.stride + (g.begin + g.dilation - 1)
        end = g.input + (g.end if include else 0)
        stop = n.index((before + end) // g.dilation)
        stop = n.minimum(stop, n.const(g.kernel, np.int64))
        if not include:
            start = n.index(before // g.dilation)
            stop = stop - n.maximum(start, n.const(0, np.int64))
        return n.maximum(stop, n.const(1, np.int64))


@irdl_op_definition
class LpPoolOp(Pool):
    """
    `output[n, c, o] = sum(|x[n, c, o * stride - pad + k * dilation]| ** p over k) **
    (1 / p)`. Source: ONNX LpPool.
    """

    name = "nn.lp_pool"

    p = prop_def(default_value=to_attribute(2))

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def reference(self, x: Array) -> Array:
        p = integer(self.p)
        powers = np.abs(widened(x)) ** p
        total = sum(seen for _, seen in taps(powers, self.windows(x.shape)))
        return np.asarray(total ** (1 / p)).astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        n, outputs, inputs, kernel = self.nest(k)
        x = n.read(self.x, inputs, fill=0)
        norm = norm_of(n, x, kernel, integer(self.p))
        n.write(norm, self.output, outputs)


def norm_of(n: Nest, x: Scalar, over: Sequence[str], p: int) -> Scalar:
    """`sum(|x| ** p) ** (1 / p)`."""
    if p == 1:
        return n.sum(x.abs(), over=over)
    if p == 2:
        return n.sum(x * x, over=over).sqrt()
    return n.pow(n.sum(n.pow(x.abs(), p), over=over), 1 / p)


class GlobalPool(NNOp):
    """
    Base of operations that reduce all spatial dimensions.

    `x` is `[N, C, spatial...]`, `output` is `[N, C, 1...]`.
    """

    x = operand_def()
    output = result_def()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        check_spatial(x)
        return [(*x[:2], *(1 for _ in x[2:]))]

    def loops(self, k: Loops) -> None:
        sizes = shape_of(self.x)
        spatial = named("", sizes[2:])
        n = k.nest({"n": sizes[0], "c": sizes[1], **spatial})
        reduced = self.reduced(n, n.read(self.x, n.indices), list(spatial))
        n.write(reduced, self.output, [n["n"], n["c"], *(0 for _ in spatial)])

    def reduced(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        """`x` without the spatial dimensions."""
        raise NotImplementedError(f"{self.name} has no reduction")

    def flops(self) -> int:
        return prod(shape_of(self.x))


def spatial_axes(x: Array) -> tuple[int, ...]:
    """All axes but the first two."""
    return tuple(range(2, x.ndim))


@irdl_op_definition
class GlobalAveragePoolOp(GlobalPool):
    """`output[n, c] = mean(x[n, c, ...])`. Source: ONNX GlobalAveragePool."""

    name = "nn.global_average_pool"

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def reference(self, x: Array) -> Array:
        mean = widened(x).mean(spatial_axes(x), keepdims=True)
        return mean.astype(x.dtype, copy=False)

    def reduced(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        return n.sum(x, over=over) * (1 / prod(shape_of(self.x)[2:]))


@irdl_op_definition
class GlobalMaxPoolOp(GlobalPool):
    """`output[n, c] = max(x[n, c, ...])`. Source: ONNX GlobalMaxPool."""

    name = "nn.global_max_pool"

    def reference(self, x: Array) -> Array:
        return x.max(spatial_axes(x), keepdims=True)

    def reduced(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        return n.max(x, over=over)


@irdl_op_definition
class GlobalLpPoolOp(GlobalPool):
    """
    `output[n, c] = sum(|x[n, c, ...]| ** p) ** (1 / p)`. Source: ONNX GlobalLpPool.
    """

    name = "nn.global_lp_pool"

    p = prop_def(default_value=to_attribute(2))

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def reference(self, x: Array) -> Array:
        p = integer(self.p)
        total = (np.abs(widened(x)) ** p).sum(spatial_axes(x), keepdims=True)
        return (total ** (1 / p)).astype(x.dtype, copy=False)

    def reduced(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        return norm_of(n, x, over, integer(self.p))


OPS: tuple[type[NNOp], ...] = (
    MaxPoolOp,
    MaxPoolIndicesOp,
    AveragePoolOp,
    LpPoolOp,
    GlobalAveragePoolOp,
    GlobalMaxPoolOp,
    GlobalLpPoolOp,
)
