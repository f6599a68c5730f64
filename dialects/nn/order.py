"""Operations on the order along one dimension: largest elements, running sums, one-hot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.dialects.builtin import BFloat16Type, Float16Type, f32
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

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
from .common import INT64, NUMBERS, as_ints, grid, positions, require
from .numeric import widened
from .running import Line, running_sums

if TYPE_CHECKING:
    from ..kernel.build import Loops, Nest, Scalar

Shape = tuple[int, ...]


@irdl_op_definition
class TopKOp(NNOp):
    """
    The `k` largest (or smallest) elements along `axis`, in order, and where they are.

    Of equal elements the one with the lower index comes first. ONNX TopK.
    """

    name = "nn.top_k"

    x = operand_def()
    k = operand_def()
    axis = prop_def(default_value=to_attribute(-1))
    largest = prop_def(default_value=to_attribute(1))
    sorted = prop_def(default_value=to_attribute(1))
    values = result_def()
    indices = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, NUMBERS, "x")
        return [element_type(self.x), INT64]

    def shapes(self) -> Sequence[Shape]:
        shape = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(shape))
        (count,) = constant_ints(self.k, "k") or [0]
        if not 0 <= count <= shape[axis]:
            raise VerifyException(f"k is {count}, expected 0 to {shape[axis]}")
        return [(*shape[:axis], count, *shape[axis + 1 :])] * 2

    def reference(self, x: Array, k: Array) -> tuple[Array, Array]:
        axis, (count,) = integer(self.axis), as_ints(k)
        rows = np.moveaxis(x, axis, -1)
        if integer(self.largest):
            backwards = np.argsort(rows[..., ::-1], axis=-1, kind="stable")
            order = rows.shape[-1] - 1 - backwards[..., ::-1]
        else:
            order = np.argsort(rows, axis=-1, kind="stable")
        taken = order[..., :count].astype(np.int64)
        values = np.take_along_axis(rows, taken, -1)
        return np.moveaxis(values, -1, axis), np.moveaxis(taken, -1, axis)

    def loops(self, k: Loops) -> None:
        shape = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(shape))
        ranks = k.temp(shape, INT64)
        self._count_nest(k, axis, ranks)
        n = grid(k, shape)
        count = shape_of(self.values)[axis]
        rank = n.read(ranks, n.indices)
        at: list[Any] = n.indices
        at[axis] = n.minimum(n.maximum(rank, 0), count - 1)
        taken = rank < count
        n.write(n.read(self.x, n.indices), self.values, at, where=taken)
        n.write(n.index(n.indices[axis]), self.indices, at, where=taken)

    def _count_nest(self, k: Loops, axis: int, ranks: Any) -> None:
        """`ranks[i]` is the number of elements that come before element `i`."""
        shape = shape_of(self.x)
        n = k.nest({**{f"d{i}": s for i, s in enumerate(shape)}, "other": shape[axis]})
        *own, other = n.indices
        there = [*own]
        there[axis] = other
        mine, theirs = n.read(self.x, own), n.read(self.x, there)
        better = theirs > mine if integer(self.largest) else theirs < mine
        earlier = n.index(other) < n.index(own[axis])
        before = better | (theirs.eq(mine) & earlier)
        n.write(n.sum(before.cast(np.int64), over=["other"]), ranks, own)

    def flops(self) -> int:
        return super().flops() * shape_of(self.x)[integer(self.axis)]


class Arg(NNOp):
    """The index of the extreme element along `axis`: the first one, or the last one."""

    x = operand_def()
    axis = prop_def(default_value=to_attribute(0))
    keepdims = prop_def(default_value=to_attribute(1))
    select_last_index = prop_def(default_value=to_attribute(0))
    output = result_def()

    def find(self, x: Array, axis: int) -> Array:
        """The index of the first extreme element, in numpy."""
        raise NotImplementedError(f"{self.name} has no reference")

    def extreme(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        """The extreme element, in a loop body."""
        raise NotImplementedError(f"{self.name} has no loops")

    def elements(self) -> Sequence[Attribute]:
        require(self.x, NUMBERS, "x")
        return [INT64]

    def shapes(self) -> Sequence[Shape]:
        shape = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(shape))
        kept = (1,) if integer(self.keepdims) else ()
        return [shape[:axis] + kept + shape[axis + 1 :]]

    def reference(self, x: Array) -> Array:
        axis = normalized_axis(integer(self.axis), x.ndim)
        if integer(self.select_last_index):
            found = x.shape[axis] - 1 - self.find(np.flip(widened(x), axis), axis)
        else:
            found = self.find(widened(x), axis)
        kept = np.expand_dims(found, axis) if integer(self.keepdims) else found
        return np.asarray(kept, np.int64)

    def loops(self, k: Loops) -> None:
        axis = normalized_axis(integer(self.axis), len(shape_of(self.x)))
        n = grid(k, shape_of(self.x))
        over = [f"d{axis}"]
        value, position = n.read(self.x, n.indices), n.index(n.indices[axis])
        hit = value.eq(self.extreme(n, value, over))
        if integer(self.select_last_index):
            found = n.max(n.where(hit, position, 0), over)
        else:
            last = shape_of(self.x)[axis] - 1
            found = n.min(n.where(hit, position, last), over)
        kept = [0] if integer(self.keepdims) else []
        at = [*n.indices[:axis], *kept, *n.indices[axis + 1 :]]
        n.write(found, self.output, at)


@irdl_op_definition
class ArgMaxOp(Arg):
    """`output` is the index of the largest element along `axis`. ONNX ArgMax."""

    name = "nn.arg_max"

    def find(self, x: Array, axis: int) -> Array:
        return np.argmax(x, axis)

    def extreme(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        return n.max(x, over)


@irdl_op_definition
class ArgMinOp(Arg):
    """`output` is the index of the smallest element along `axis`. ONNX ArgMin."""

    name = "nn.arg_min"

    def find(self, x: Array, axis: int) -> Array:
        return np.argmin(x, axis)

    def extreme(self, n: Nest, x: Scalar, over: Sequence[str]) -> Scalar:
        return n.min(x, over)


@irdl_op_definition
class CumsumOp(NNOp):
    """
    `output[i] = sum(x[j], j <= i)` along `axis`, an integer operand. ONNX CumSum.

    With `exclusive`, `j < i`; with `reverse`, sums run from the end.
    """

    name = "nn.cumsum"

    x = operand_def()
    axis = operand_def()
    exclusive = prop_def(default_value=to_attribute(0))
    reverse = prop_def(default_value=to_attribute(0))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, NUMBERS, "x")
        return [element_type(self.x)]

    def shapes(self) -> Sequence[Shape]:
        (axis,) = constant_ints(self.axis, "axis") or [0]
        normalized_axis(axis, len(shape_of(self.x)))
        return [shape_of(self.x)]

    def reference(self, x: Array, axis: Array) -> Array:
        (place,) = as_ints(axis)
        wide = widened(x)
        ordered = np.flip(wide, place) if integer(self.reverse) else wide
        total = np.cumsum(ordered, place, dtype=wide.dtype)
        if integer(self.exclusive):
            first = np.zeros_like(np.take(total, [0], place))
            rest = np.take(total, positions(total.shape[place] - 1), place)
            total = np.concatenate([first, rest], place)
        result = np.flip(total, place) if integer(self.reverse) else total
        return result.astype(x.dtype)

    def loops(self, k: Loops) -> None:
        shape = shape_of(self.x)
        (place,) = constant_ints(self.axis, "axis") or [0]
        axis = normalized_axis(place, len(shape))
        others = tuple(n for d, n in enumerate(shape) if d != axis)
        line = Line(axis, shape[axis], others, bool(integer(self.reverse)))
        element = element_type(self.x)
        sums = f32 if isinstance(element, Float16Type | BFloat16Type) else element
        inclusive = not integer(self.exclusive)
        running_sums(k, self.x, self.output, line, sums, inclusive)


@irdl_op_definition
class OneHotOp(NNOp):
    """
    `output[..., d, ...] = values[1] if indices[...] == d else values[0]`. ONNX OneHot.

    The new dimension `d` has size `depth` and stands at `axis`. Negative indices count
    from the end; one that is outside has no `values[1]`.
    """

    name = "nn.one_hot"

    indices = operand_def()
    depth = operand_def()
    values = operand_def()
    axis = prop_def(default_value=to_attribute(-1))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.indices, NUMBERS, "indices")
        return [element_type(self.values)]

    def shapes(self) -> Sequence[Shape]:
        shape = shape_of(self.indices)
        axis = normalized_axis(integer(self.axis), len(shape) + 1)
        (depth,) = constant_ints(self.depth, "depth") or [0]
        if shape_of(self.values) != (2,):
            raise VerifyException(
                f"values have shape {list(shape_of(self.values))}, expected [2]"
            )
        if depth < 1:
            raise VerifyException(f"depth {depth} is not positive")
        return [(*shape[:axis], depth, *shape[axis:])]

    def reference(self, indices: Array, depth: Array, values: Array) -> Array:
        axis, (size,) = integer(self.axis), as_ints(depth)
        whole = indices.astype(np.int64)
        wrapped: Array = np.expand_dims(np.where(whole < 0, whole + size, whole), axis)
        line = [1] * (indices.ndim + 1)
        line[axis] = size
        hit: Array = np.equal(wrapped, positions(size).reshape(line))
        return np.where(hit, values[1:], values[:1])

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        axis = normalized_axis(integer(self.axis), len(n.indices))
        size = shape_of(self.output)[axis]
        own = [*n.indices[:axis], *n.indices[axis + 1 :]]
        found = n.read(self.indices, own).cast(np.int64)
        wrapped = n.where(found < 0, found + size, found)
        hit = wrapped.eq(n.index(n.indices[axis]))
        value = n.where(hit, n.read(self.values, [1]), n.read(self.values, [0]))
        n.write(value, self.output, n.indices)


OPS: tuple[type[NNOp], ...] = (TopKOp, ArgMaxOp, ArgMinOp, CumsumOp, OneHotOp)
