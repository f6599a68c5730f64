"""Reductions over dimensions, and the functions of a whole row: softmax and its kin."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)

from ..types import value_dtype
from .base import (
    Array,
    NNOp,
    constant_ints,
    element_type,
    integer,
    normalized_axis,
    shape_of,
    to_attribute,
)
from .common import ANY, FLOATS, NUMBERS, as_ints, grid, is_float, narrowed, require
from .numeric import widened

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops, Nest, Scalar

Shape = tuple[int, ...]
Axes = tuple[int, ...]


class Reduction(NNOp):
    """
    `output[rest] = f(x[rest, :])` over all points of the dimensions `axes`.

    Without `axes` all dimensions are reduced, or none with `noop_with_empty_axes`.
    Reduced dimensions have size 1 in `output`, or with `keepdims` 0 they are gone.
    """

    ACCEPTS: ClassVar[Sequence[Attribute]] = NUMBERS

    x = operand_def()
    axes = opt_operand_def()
    keepdims = prop_def(default_value=to_attribute(1))
    noop_with_empty_axes = prop_def(default_value=to_attribute(0))
    output = result_def()

    def compute(self, x: Array, axes: Axes) -> Any:
        """The reduction in numpy, with all dimensions kept."""
        raise NotImplementedError(f"{self.name} has no reference")

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        """The reduction in a loop body, of `count` points."""
        raise NotImplementedError(f"{self.name} has no loops")

    def elements(self) -> Sequence[Attribute]:
        require(self.x, self.ACCEPTS, "x")
        return [element_type(self.x)]

    def reduced(self, rank: int, axes: Sequence[int] | None) -> Axes:
        """The dimensions that are reduced, in order."""
        if axes:
            return tuple(sorted({normalized_axis(axis, rank) for axis in axes}))
        return () if integer(self.noop_with_empty_axes) else tuple(range(rank))

    def rest(self, shape: Shape, axes: Axes) -> Shape:
        """The shape of the result."""
        if integer(self.keepdims):
            return tuple(1 if i in axes else size for i, size in enumerate(shape))
        return tuple(size for i, size in enumerate(shape) if i not in axes)

    def shapes(self) -> Sequence[Shape]:
        shape = shape_of(self.x)
        axes = self.reduced(len(shape), constant_ints(self.axes, "axes"))
        return [self.rest(shape, axes)]

    def reference(self, x: Array, axes: Array | None = None) -> Array:
        over = self.reduced(x.ndim, None if axes is None else as_ints(axes))
        with np.errstate(all="ignore"):
            result = np.asarray(self.compute(widened(x), over))
        kind = x.dtype if not is_float(x.dtype) else result.dtype
        shape = self.rest(x.shape, over)
        return narrowed(result.astype(kind, copy=False).reshape(shape), [x])

    def loops(self, k: Loops) -> None:
        shape = shape_of(self.x)
        axes = self.reduced(len(shape), constant_ints(self.axes, "axes"))
        n = grid(k, shape)
        count = prod(shape[axis] for axis in axes)
        over = [f"d{axis}" for axis in axes]
        value = self.scalar(n, n.read(self.x, n.indices), over, count)
        at: list[Index | int] = []
        for axis, index in enumerate(n.indices):
            if axis not in axes:
                at.append(index)
            elif integer(self.keepdims):
                at.append(0)
        n.write(value, self.output, at)

    def flops(self) -> int:
        return prod(shape_of(self.x))


@irdl_op_definition
class ReduceSumOp(Reduction):
    """`output = sum(x)`. ONNX ReduceSum."""

    name = "nn.reduce_sum"

    def compute(self, x: Array, axes: Axes) -> Any:
        return np.sum(x, axes, keepdims=True)

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        return _sum(n, x, over)


@irdl_op_definition
class ReduceMeanOp(Reduction):
    """`output = sum(x) / count`; of integers, cut towards zero. ONNX ReduceMean."""

    name = "nn.reduce_mean"

    def compute(self, x: Array, axes: Axes) -> Any:
        if is_float(x.dtype):
            return np.mean(x, axes, keepdims=True)
        total = np.sum(x, axes, keepdims=True)
        count = prod(x.shape[axis] for axis in axes)
        return np.sign(total) * (np.abs(total) // count)

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        total = _sum(n, x, over)
        return total * (1 / count) if is_float(x.dtype) else total / count


@irdl_op_definition
class ReduceMaxOp(Reduction):
    """`output = max(x)`; NaN if one is. ONNX ReduceMax."""

    name = "nn.reduce_max"
    ACCEPTS: ClassVar[Sequence[Attribute]] = ANY

    def compute(self, x: Array, axes: Axes) -> Any:
        return np.max(x, axes, keepdims=True, initial=_limit(x, -1))

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        if x.dtype.kind == "b":
            return n.any(x, over) if over else x
        return n.max(x, over) if over else x


@irdl_op_definition
class ReduceMinOp(Reduction):
    """`output = min(x)`; NaN if one is. ONNX ReduceMin."""

    name = "nn.reduce_min"
    ACCEPTS: ClassVar[Sequence[Attribute]] = ANY

    def compute(self, x: Array, axes: Axes) -> Any:
        return np.min(x, axes, keepdims=True, initial=_limit(x, 1))

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        if x.dtype.kind == "b":
            return n.all(x, over) if over else x
        return n.min(x, over) if over else x


@irdl_op_definition
class ReduceProdOp(Reduction):
    """`output = prod(x)`. ONNX ReduceProd."""

    name = "nn.reduce_prod"

    def compute(self, x: Array, axes: Axes) -> Any:
        return np.prod(x, axes, keepdims=True)

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        return n.prod(x, over) if over else x


@irdl_op_definition
class ReduceL1Op(Reduction):
    """`output = sum(|x|)`. ONNX ReduceL1."""

    name = "nn.reduce_l1"

    def compute(self, x: Array, axes: Axes) -> Any:
        return np.sum(np.abs(x), axes, keepdims=True)

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        return _sum(n, x.abs(), over)


@irdl_op_definition
class ReduceSumSquareOp(Reduction):
    """`output = sum(x**2)`. ONNX ReduceSumSquare."""

    name = "nn.reduce_sum_square"

    def compute(self, x: Array, axes: Axes) -> Any:
        return np.sum(x * x, axes, keepdims=True)

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        return _sum(n, x * x, over)


@irdl_op_definition
class ReduceL2Op(Reduction):
    """`output = sqrt(sum(x**2))`. ONNX ReduceL2."""

    name = "nn.reduce_l2"
    ACCEPTS: ClassVar[Sequence[Attribute]] = FLOATS

    def compute(self, x: Array, axes: Axes) -> Any:
        return np.sqrt(np.sum(x * x, axes, keepdims=True))

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        return _sum(n, x * x, over).sqrt()


@irdl_op_definition
class ReduceLogSumOp(Reduction):
    """`output = ln(sum(x))`. ONNX ReduceLogSum."""

    name = "nn.reduce_log_sum"
    ACCEPTS: ClassVar[Sequence[Attribute]] = FLOATS

    def compute(self, x: Array, axes: Axes) -> Any:
        return np.log(np.sum(x, axes, keepdims=True))

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        return _sum(n, x, over).log()


@irdl_op_definition
class ReduceLogSumExpOp(Reduction):
    """`output = ln(sum(e**x))`, without overflow. ONNX ReduceLogSumExp."""

    name = "nn.reduce_log_sum_exp"
    ACCEPTS: ClassVar[Sequence[Attribute]] = FLOATS

    def compute(self, x: Array, axes: Axes) -> Any:
        largest: Array = np.max(x, axes, keepdims=True, initial=-np.inf)
        largest = np.where(np.isfinite(largest), largest, 0.0).astype(x.dtype)
        return largest + np.log(np.sum(np.exp(x - largest), axes, keepdims=True))

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str], count: int) -> Scalar:
        if not over:
            return x
        largest = n.max(x, over)
        largest = n.where(largest.abs() < np.inf, largest, 0)
        return largest + n.sum((x - largest).exp(), over).log()


def _limit(x: Array, sign: int) -> float:
    """The smallest or the largest value: what no elements have in common."""
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        return int(limits.max if sign > 0 else limits.min)
    return sign > 0 if x.dtype.kind == "b" else sign * np.inf


def _sum(n: Nest, value: Scalar, over: Sequence[str]) -> Scalar:
    return n.sum(value, over) if over else value


class Row(NNOp):
    """A function of all elements along `axis`; `output` has the type of `x`."""

    x = operand_def()
    axis = prop_def(default_value=to_attribute(-1))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def shapes(self) -> Sequence[Shape]:
        shape = shape_of(self.x)
        normalized_axis(integer(self.axis), len(shape))
        return [shape]

    def compute(self, x: Array, axis: int) -> Any:
        """The function in numpy."""
        raise NotImplementedError(f"{self.name} has no reference")

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        """The function in a loop body; `over` is the dimension of the axis."""
        raise NotImplementedError(f"{self.name} has no loops")

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return narrowed(self.compute(widened(x), integer(self.axis)), [x])

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.x))
        over = [f"d{normalized_axis(integer(self.axis), len(n.indices))}"]
        value = self.scalar(n, n.read(self.x, n.indices), over)
        n.write(value, self.output, n.indices)

    def flops(self) -> int:
        return 4 * super().flops()


@irdl_op_definition
class SoftmaxOp(Row):
    """`output = e**x / sum(e**x)`, without overflow. ONNX Softmax (13 and newer)."""

    name = "nn.softmax"

    def compute(self, x: Array, axis: int) -> Any:
        powers = np.exp(x - x.max(axis, keepdims=True))
        return powers / powers.sum(axis, keepdims=True)

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        powers = (x - n.max(x, over)).exp()
        if value_dtype(self.output).itemsize < x.dtype.itemsize:
            return powers / n.sum(powers, over)
        # powers are dear: they are computed once and wait where the result will be
        n.write(powers, self.output, n.indices)
        kept = n.read(self.output, n.indices)
        return kept * (1 / n.sum(kept, over))


@irdl_op_definition
class LogSoftmaxOp(Row):
    """`output = x - ln(sum(e**x))`, without overflow. ONNX LogSoftmax (13 and newer)."""

    name = "nn.log_softmax"

    def compute(self, x: Array, axis: int) -> Any:
        shifted = x - x.max(axis, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        shifted = x - n.max(x, over)
        return shifted - n.sum(shifted.exp(), over).log()


@irdl_op_definition
class HardmaxOp(Row):
    """`output` is 1 at the first largest element, else 0. ONNX Hardmax (13 and newer)."""

    name = "nn.hardmax"

    def compute(self, x: Array, axis: int) -> Any:
        first = np.expand_dims(np.argmax(x, axis), axis)
        result = np.zeros_like(x)
        np.put_along_axis(result, first, np.ones((), x.dtype), axis)
        return result

    def scalar(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        (dim,) = over
        position = n.index(n[dim])
        candidate = n.where(x.eq(n.max(x, over)), position, n.sizes[dim])
        return position.eq(n.min(candidate, over)).cast(x.dtype)


OPS: tuple[type[NNOp], ...] = (
    ReduceSumOp,
    ReduceMeanOp,
    ReduceMaxOp,
    ReduceMinOp,
    ReduceProdOp,
    ReduceL1Op,
    ReduceSumSquareOp,
    ReduceL2Op,
    ReduceLogSumOp,
    ReduceLogSumExpOp,
    SoftmaxOp,
    LogSoftmaxOp,
    HardmaxOp,
)
