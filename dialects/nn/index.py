"""Operations that read or write where other operands say: gather and scatter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from ..const import constant_array
from .base import (
    Array,
    NNOp,
    element_type,
    integer,
    normalized_axis,
    shape_of,
    text,
    to_attribute,
)
from .common import INDICES, NUMBERS, grid, positions, require, require_same

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops, Nest, Scalar

Shape = tuple[int, ...]

REDUCTIONS: dict[str, Any] = {
    "none": None,
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}


class Gather(NNOp):
    """Takes elements of `x` from positions in `indices`; negative ones count from the end."""

    x = operand_def()
    indices = operand_def()
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.indices, INDICES, "indices")
        return [element_type(self.x)]

    def flops(self) -> int:
        return 0


@irdl_op_definition
class GatherOp(Gather):
    """
    `output[a, i, b] = x[a, indices[i], b]`, `i` along `axis`. ONNX Gather.

    `i` stands for as many dimensions as `indices` has.
    """

    name = "nn.gather"

    axis = prop_def(default_value=to_attribute(0))

    def shapes(self) -> Sequence[Shape]:
        shape = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(shape))
        return [shape[:axis] + shape_of(self.indices) + shape[axis + 1 :]]

    def reference(self, x: Array, indices: Array) -> Array:
        return np.take(x, indices, axis=integer(self.axis))

    def loops(self, k: Loops) -> None:
        shape = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(shape))
        stop = axis + len(shape_of(self.indices))
        n = grid(k, shape_of(self.output))
        own = n.indices[axis:stop]
        place = _even_place(constant_array(self.indices), own, shape[axis])
        if place is None:
            place = n.clamp_index(n.read(self.indices, own), shape[axis])
        at = [*n.indices[:axis], place, *n.indices[stop:]]
        n.write(n.read(self.x, at), self.output, n.indices)


def _even_place(
    positions: Array | None, at: Sequence[Index], size: int
) -> Index | int | None:
    """
    Constant `positions` in a dimension of `size` as `first + sum(step * at)`; None when
    they are not spaced evenly.
    """
    if positions is None:
        return None
    wrapped = np.where(positions < 0, positions + size, positions)
    found: Array = np.clip(wrapped, 0, size - 1)
    first = int(found.flat[0])
    place: Index | int = first
    spaced: Array = np.full(found.shape, first)
    for axis, (index, count) in enumerate(zip(at, found.shape, strict=True)):
        if count > 1:
            step = int(found.take(1, axis).flat[0]) - first
            place = index * step + place
            spaced = spaced + np.indices(found.shape)[axis] * step
    return place if np.array_equal(spaced, found) else None


@irdl_op_definition
class GatherElementsOp(Gather):
    """`output[a, i, b] = x[a, indices[a, i, b], b]`, `i` along `axis`. ONNX GatherElements."""

    name = "nn.gather_elements"

    axis = prop_def(default_value=to_attribute(0))

    def shapes(self) -> Sequence[Shape]:
        check_elements(shape_of(self.x), shape_of(self.indices), integer(self.axis))
        return [shape_of(self.indices)]

    def reference(self, x: Array, indices: Array) -> Array:
        return x[
            _element_places(x, indices, normalized_axis(integer(self.axis), x.ndim))
        ]

    def loops(self, k: Loops) -> None:
        shape = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(shape))
        n = grid(k, shape_of(self.output))
        at: list[Any] = n.indices
        at[axis] = n.clamp_index(n.read(self.indices, n.indices), shape[axis])
        n.write(n.read(self.x, at), self.output, n.indices)


@irdl_op_definition
class GatherNdOp(Gather):
    """
    `output[a, i, b] = x[a, indices[a, i, :], b]`. ONNX GatherND.

    `a` are the first `batch_dims` dimensions; a row of `indices` is a position in the
    next dimensions of `x`.
    """

    name = "nn.gather_nd"

    batch_dims = prop_def(default_value=to_attribute(0))

    def shapes(self) -> Sequence[Shape]:
        shape, indices = shape_of(self.x), shape_of(self.indices)
        batch = integer(self.batch_dims)
        if not indices or shape[:batch] != indices[:batch] or batch >= len(indices):
            raise VerifyException(
                f"the first {batch} dimensions of {list(shape)} and indices"
                f" {list(indices)} are not the same"
            )
        if batch + indices[-1] > len(shape):
            raise VerifyException(
                f"indices of {indices[-1]} numbers are too long for {list(shape)}"
            )
        return [indices[:-1] + shape[batch + indices[-1] :]]

    def reference(self, x: Array, indices: Array) -> Array:
        batch = integer(self.batch_dims)
        rows = [
            positions(size).reshape((-1,) + (1,) * (indices.ndim - 2 - axis))
            for axis, size in enumerate(indices.shape[:batch])
        ]
        return x[(*rows, *np.moveaxis(indices, -1, 0))]

    def loops(self, k: Loops) -> None:
        shape, batch = shape_of(self.x), integer(self.batch_dims)
        rows = len(shape_of(self.indices)) - 1
        n = grid(k, shape_of(self.output))
        found = _row(n, self.indices, n.indices[:rows], shape[batch:])
        at = [*n.indices[:batch], *found, *n.indices[rows:]]
        n.write(n.read(self.x, at), self.output, n.indices)


class Scatter(NNOp):
    """`x` with `updates` written over it, or combined with it by `reduction`."""

    x = operand_def()
    indices = operand_def()
    updates = operand_def()
    reduction = prop_def(default_value=to_attribute("none"))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.indices, INDICES, "indices")
        require_same([self.x, self.updates])
        kind = text(self.reduction)
        if kind not in REDUCTIONS:
            raise VerifyException(
                f'reduction is "{kind}", expected one of {[*REDUCTIONS]}'
            )
        if kind != "none":
            require(self.x, NUMBERS, "x")
        return [element_type(self.x)]

    def scatter(self, x: Array, places: tuple[Array, ...], updates: Array) -> Array:
        """A copy of `x` with the updates, in order, at `places`."""
        result = x.copy()
        combine = REDUCTIONS[text(self.reduction)]
        if combine is None:
            result[places] = updates
        else:
            combine.at(result, places, updates)
        return result

    def copy_nest(self, k: Loops) -> None:
        """The first nest: everything as it is in `x`."""
        n = grid(k, shape_of(self.x))
        n.write(n.read(self.x, n.indices), self.output, n.indices)

    def update(self, n: Nest, at: Sequence[Any]) -> None:
        """Write one update at the position `at`."""
        new = n.read(self.updates, n.indices)
        match text(self.reduction):
            case "add":
                new = n.read(self.output, at) + new
            case "mul":
                new = n.read(self.output, at) * new
            case "max":
                new = n.maximum(n.read(self.output, at), new)
            case "min":
                new = n.minimum(n.read(self.output, at), new)
            case _:
                pass
        n.write(new, self.output, at)


@irdl_op_definition
class ScatterElementsOp(Scatter):
    """`output = x`, but `output[a, indices[a, i, b], b] = updates[a, i, b]`. ONNX ScatterElements."""

    name = "nn.scatter_elements"

    axis = prop_def(default_value=to_attribute(0))

    def shapes(self) -> Sequence[Shape]:
        shape, indices = shape_of(self.x), shape_of(self.indices)
        check_elements(shape, indices, integer(self.axis))
        if indices != shape_of(self.updates):
            raise VerifyException(
                f"indices {list(indices)} and updates {list(shape_of(self.updates))} differ"
            )
        return [shape]

    def reference(self, x: Array, indices: Array, updates: Array) -> Array:
        axis = normalized_axis(integer(self.axis), x.ndim)
        return self.scatter(x, _element_places(x, indices, axis), updates)

    def loops(self, k: Loops) -> None:
        shape = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(shape))
        self.copy_nest(k)
        n = grid(k, shape_of(self.updates))
        at: list[Any] = n.indices
        at[axis] = n.clamp_index(n.read(self.indices, n.indices), shape[axis])
        self.update(n, at)


@irdl_op_definition
class ScatterNdOp(Scatter):
    """`output = x`, but `output[indices[i, :], b] = updates[i, b]`. ONNX ScatterND."""

    name = "nn.scatter_nd"

    def shapes(self) -> Sequence[Shape]:
        shape, indices = shape_of(self.x), shape_of(self.indices)
        if not indices or indices[-1] > len(shape):
            raise VerifyException(
                f"indices {list(indices)} are no positions in {list(shape)}"
            )
        expected = indices[:-1] + shape[indices[-1] :]
        if shape_of(self.updates) != expected:
            raise VerifyException(
                f"updates have shape {list(shape_of(self.updates))}, expected {list(expected)}"
            )
        return [shape]

    def reference(self, x: Array, indices: Array, updates: Array) -> Array:
        return self.scatter(x, tuple(np.moveaxis(indices, -1, 0)), updates)

    def loops(self, k: Loops) -> None:
        self.copy_nest(k)
        rows = len(shape_of(self.indices)) - 1
        n = grid(k, shape_of(self.updates))
        found = _row(n, self.indices, n.indices[:rows], shape_of(self.x))
        self.update(n, [*found, *n.indices[rows:]])


def check_elements(shape: Shape, indices: Shape, axis: int) -> None:
    """Raise `VerifyException` when element-wise `indices` do not fit a tensor of `shape`."""
    place = normalized_axis(axis, len(shape))
    if len(shape) != len(indices) or any(
        i > s for d, (s, i) in enumerate(zip(shape, indices, strict=True)) if d != place
    ):
        raise VerifyException(f"indices {list(indices)} do not fit into {list(shape)}")


def _element_places(x: Array, indices: Array, axis: int) -> tuple[Array, ...]:
    """Index arrays that read `x` at `indices` along `axis`, and in place elsewhere."""
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = np.where(indices < 0, indices + x.shape[axis], indices)
    return tuple(places)


def _row(n: Nest, indices: Any, rows: Sequence[Any], sizes: Shape) -> list[Scalar]:
    """One row of `indices`, as a position in dimensions of `sizes`."""
    length = shape_of(indices)[-1]
    return [
        n.clamp_index(n.read(indices, [*rows, column]), sizes[column])
        for column in range(length)
    ]


OPS: tuple[type[NNOp], ...] = (
    GatherOp,
    GatherElementsOp,
    GatherNdOp,
    ScatterElementsOp,
    ScatterNdOp,
)
