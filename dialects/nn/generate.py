"""Operations whose elements come from positions and sizes, not from other elements."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from ..const import ConstantOp, WeightAttr
from ..types import dtype_of, element_of, value_dtype
from .base import (
    Array,
    NNOp,
    constant,
    constant_ints,
    element_type,
    integer,
    shape_of,
    to_attribute,
)
from .common import INT64, NUMBERS, as_ints, grid, positions, require, require_same

if TYPE_CHECKING:
    from ..kernel.build import Loops

Shape = tuple[int, ...]


class Known(NNOp):
    """An operation on the shape of `x` alone: a constant as soon as that is known."""

    x = operand_def()
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        return [INT64]

    def of_shape(self, shape: Shape) -> Array:
        """The result, from the shape of `x`."""
        raise NotImplementedError(self.name)

    def shapes(self) -> Sequence[Shape]:
        return [self.of_shape(shape_of(self.x)).shape]

    def reference(self, x: Array) -> Array:
        return self.of_shape(x.shape)

    def decompose_results(self) -> tuple[list[Operation], list[SSAValue]]:
        known = ConstantOp(self.of_shape(shape_of(self.x)))
        return [known], [known.output]

    def flops(self) -> int:
        return 0


@irdl_op_definition
class ShapeOp(Known):
    """The sizes of dimensions `start` to `end` of `x`, 64-bit integers. ONNX Shape."""

    name = "nn.shape"

    start = prop_def(default_value=to_attribute(0))
    end = opt_prop_def()

    def of_shape(self, shape: Shape) -> Array:
        end = integer(self.end, len(shape))
        return np.array(shape[integer(self.start) : end], np.int64)


@irdl_op_definition
class SizeOp(Known):
    """The number of elements of `x`, a 64-bit integer. ONNX Size."""

    name = "nn.size"

    def of_shape(self, shape: Shape) -> Array:
        return np.array(np.prod(shape, dtype=np.int64), np.int64)


@irdl_op_definition
class FillOp(NNOp):
    """
    `output` has the given `shape`, all elements are `value`. ONNX ConstantOfShape.

    `value` is a number like `2.0 : f32`, or a weight of one element.
    """

    name = "nn.fill"

    shape = operand_def()
    value = opt_prop_def(WeightAttr | FloatAttr | IntegerAttr)
    output = result_def()

    @property
    def array(self) -> Array:
        """The value; a float32 zero by default."""
        match self.value:
            case None:
                return np.zeros((), np.float32)
            case WeightAttr():
                return self.value.data.array.reshape(())
            case FloatAttr() | IntegerAttr():
                return np.array(self.value.value.data, dtype_of(self.value.type))

    def elements(self) -> Sequence[Attribute]:
        return [element_of(self.array.dtype)]

    def shapes(self) -> Sequence[Shape]:
        sizes = constant_ints(self.shape, "shape") or []
        if min(sizes, default=0) < 0:
            raise VerifyException(f"shape {sizes} has a negative size")
        return [tuple(sizes)]

    def reference(self, shape: Array) -> Array:
        return np.full(as_ints(shape), self.array, self.array.dtype)

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        kind = value_dtype(self.output)
        wide = np.dtype(np.float32) if kind.itemsize < 4 and kind.kind in "fV" else kind
        n.write(n.const(self.array.item(), wide), self.output, n.indices)


@irdl_op_definition
class RangeOp(NNOp):
    """`output[i] = start + i * delta`, up to and without `limit`. ONNX Range."""

    name = "nn.range"

    start = operand_def()
    limit = operand_def()
    delta = operand_def()
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        require(self.start, NUMBERS, "start")
        return [element_type(self.start)]

    def shapes(self) -> Sequence[Shape]:
        names = ("start", "limit", "delta")
        ends = [constant(o, n) for o, n in zip(self.operands, names, strict=True)]
        return [(_count(*(e for e in ends if e is not None)),)]

    def reference(self, start: Array, limit: Array, delta: Array) -> Array:
        steps = np.arange(_count(start, limit, delta)).astype(start.dtype)
        return (start.reshape(()) + steps * delta.reshape(())).astype(start.dtype)

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        start, delta = (
            n.read(value, [0] * len(shape_of(value)))
            for value in (self.start, self.delta)
        )
        step = n.index(n.indices[0]).cast(start.dtype)
        n.write(start + step * delta, self.output, n.indices)


def _count(start: Array, limit: Array, delta: Array) -> int:
    first, last, step = (v.reshape(-1)[0].item() for v in (start, limit, delta))
    if step == 0:
        raise VerifyException("delta is 0")
    return max(0, ceil((last - first) / step))


@irdl_op_definition
class EyeLikeOp(NNOp):
    """`output[i, j] = 1 if j - i == k else 0`, a matrix shaped like `x`. ONNX EyeLike."""

    name = "nn.eye_like"

    x = operand_def()
    k = prop_def(default_value=to_attribute(0))
    dtype = opt_prop_def()
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        return [element_type(self.x) if self.dtype is None else self.dtype]

    def shapes(self) -> Sequence[Shape]:
        if len(shape_of(self.x)) != 2:
            raise VerifyException(
                f"x has shape {list(shape_of(self.x))}, expected a matrix"
            )
        return [shape_of(self.x)]

    def reference(self, x: Array) -> Array:
        dtype = x.dtype if self.dtype is None else dtype_of(self.dtype)
        return np.eye(*x.shape, k=integer(self.k), dtype=dtype)

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        row, column = n.indices
        hit = n.index(column - row).eq(integer(self.k))
        n.write(hit.cast(np.int32), self.output, n.indices)


@irdl_op_definition
class TriluOp(NNOp):
    """
    The upper triangle of matrices, `x[..., i, j]` where `j - i >= k`, else 0; with
    `upper` 0 the lower one, where `j - i <= k`. ONNX Trilu.
    """

    name = "nn.trilu"

    x = operand_def()
    k = opt_operand_def()
    upper = prop_def(default_value=to_attribute(1))
    output = result_def()

    def shapes(self) -> Sequence[Shape]:
        if len(shape_of(self.x)) < 2:
            raise VerifyException(
                f"x has shape {list(shape_of(self.x))}, expected matrices"
            )
        return [shape_of(self.x)]

    def reference(self, x: Array, k: Array | None = None) -> Array:
        diagonal = 0 if k is None else as_ints(k)[0]
        rows, columns = x.shape[-2:]
        distance: Array = positions(columns) - positions(rows)[:, None]
        keep: Array = (
            distance >= diagonal if integer(self.upper) else distance <= diagonal
        )
        return np.where(keep, x, np.zeros((), x.dtype))

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        *_, row, column = n.indices
        distance = n.index(column - row)
        diagonal = n.const(0, np.int64)
        if self.k is not None:
            diagonal = n.read(self.k, [0] * len(shape_of(self.k)))
        keep = distance >= diagonal if integer(self.upper) else distance <= diagonal
        n.write(n.where(keep, n.read(self.x, n.indices), 0), self.output, n.indices)


OPS: tuple[type[NNOp], ...] = (ShapeOp, SizeOp, FillOp, RangeOp, EyeLikeOp, TriluOp)
