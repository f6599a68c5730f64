"""Operations that change the shape and keep the row-major order of the elements."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from .base import (
    Array,
    NNOp,
    constant_ints,
    integer,
    normalized_axis,
    shape_of,
    to_attribute,
)
from .common import as_ints, grid, linear_index
from .movement import Movement, Shape

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops


class Reshaping(Movement):
    """Keeps the row-major order of the elements; only the shape changes."""

    def loops(self, k: Loops) -> None:
        source, target = self.operands[0], shape_of(self.output)
        shape = shape_of(source)
        sizes = refined(shape, target) or target
        n = grid(k, sizes)
        value = n.read(source, regrouped(n.indices, sizes, shape))
        n.write(value, self.output, regrouped(n.indices, sizes, target))


def refined(shape: Shape, other: Shape) -> Shape | None:
    """
    The fewest dimensions from which both shapes join theirs: `[2, 3, 2]` for `[6, 2]` and
    `[2, 6]`. None where a dimension of one ends inside one of the other: `[4, 6]`, `[6, 4]`.
    """
    steps = sorted(_strides(shape) | _strides(other))
    if any(after % before for before, after in pairwise(steps)):
        return None
    return tuple(after // before for before, after in reversed(list(pairwise(steps))))


def _strides(shape: Shape) -> set[int]:
    """The strides of a row-major array, and its number of elements."""
    return {prod(shape[dim:]) for dim in range(len(shape) + 1)}


def regrouped(
    indices: Sequence[Index], shape: Shape, other: Shape
) -> list[Index | int]:
    """
    The position in `other` of the element at `indices` of `shape`.

    Both have as many elements. Dimensions are matched in groups of equal size, so that
    only what is really split or joined is divided.
    """
    result: list[Index | int] = []
    start = 0
    taken = 0
    while taken < len(other):
        stop, size = start, 1
        group = [other[taken]]
        while size != prod(group):
            if size < prod(group):
                size *= shape[stop]
                stop += 1
            else:
                taken += 1
                group.append(other[taken])
        result += _split(indices[start:stop], shape[start:stop], group)
        start, taken = stop, taken + 1
    return result


def _split(indices: Sequence[Index], shape: Shape, group: Sequence[int]) -> list[Any]:
    """Indices of one group of dimensions of the other shape."""
    if not indices:
        return [0] * len(group)
    position = linear_index(indices, shape)
    return [
        (position // prod(group[place + 1 :])) % size
        for place, size in enumerate(group)
    ]


@irdl_op_definition
class ReshapeOp(Reshaping):
    """
    `output` has the elements of `x` in row-major order. ONNX Reshape.

    In `shape`, 0 keeps the size of `x` (unless `allowzero`), one -1 takes what is left.
    """

    name = "nn.reshape"

    x = operand_def()
    shape = operand_def()
    allowzero = prop_def(default_value=to_attribute(0))

    def target(self, shape: Shape, wanted: Sequence[int]) -> Shape:
        """The new shape of an array of `shape`."""
        named = f"cannot reshape {list(shape)} to {list(wanted)}"
        sizes = list(wanted)
        if not integer(self.allowzero):
            if any(s == 0 and i >= len(shape) for i, s in enumerate(sizes)):
                raise VerifyException(f"{named}: a 0 stands behind the last dimension")
            sizes = [shape[i] if s == 0 else s for i, s in enumerate(sizes)]
        if sizes.count(-1) > 1 or min(sizes, default=0) < -1:
            raise VerifyException(f"{named}: sizes are positive, 0, or one -1")
        if -1 in sizes:
            known = -prod(sizes)
            rest = prod(shape) // known if known else 0
            sizes[sizes.index(-1)] = rest
        if prod(sizes) != prod(shape):
            raise VerifyException(f"{named}: the number of elements differs")
        return tuple(sizes)

    def shapes(self) -> Sequence[Shape]:
        wanted = constant_ints(self.shape, "shape") or []
        return [self.target(shape_of(self.x), wanted)]

    def reference(self, x: Array, shape: Array) -> Array:
        return x.reshape(self.target(x.shape, as_ints(shape)))


@irdl_op_definition
class FlattenOp(Reshaping):
    """`output` is a matrix: dimensions before `axis` are rows, the rest columns. ONNX Flatten."""

    name = "nn.flatten"

    x = operand_def()
    axis = prop_def(default_value=to_attribute(1))

    def target(self, shape: Shape) -> Shape:
        """The matrix shape of an array of `shape`."""
        axis, rank = integer(self.axis), len(shape)
        if not -rank <= axis <= rank:
            raise VerifyException(f"axis {axis} is outside [{-rank}, {rank}]")
        axis += rank if axis < 0 else 0
        return prod(shape[:axis]), prod(shape[axis:])

    def shapes(self) -> Sequence[Shape]:
        return [self.target(shape_of(self.x))]

    def reference(self, x: Array) -> Array:
        return x.reshape(self.target(x.shape))


@irdl_op_definition
class SqueezeOp(Reshaping):
    """`output` is `x` without the dimensions `axes`, or all of size 1. ONNX Squeeze."""

    name = "nn.squeeze"

    x = operand_def()
    axes = opt_operand_def()

    def target(self, shape: Shape, axes: Sequence[int] | None) -> Shape:
        """The shape that is left of `shape`."""
        if axes is None:
            return tuple(size for size in shape if size != 1)
        gone = {normalized_axis(axis, len(shape)) for axis in axes}
        for axis in sorted(gone):
            if shape[axis] != 1:
                raise VerifyException(f"axis {axis} of {list(shape)} is not of size 1")
        return tuple(size for axis, size in enumerate(shape) if axis not in gone)

    def shapes(self) -> Sequence[Shape]:
        return [self.target(shape_of(self.x), constant_ints(self.axes, "axes"))]

    def reference(self, x: Array, axes: Array | None = None) -> Array:
        return x.reshape(self.target(x.shape, None if axes is None else as_ints(axes)))


@irdl_op_definition
class UnsqueezeOp(Reshaping):
    """`output` has dimensions of size 1 put in at its positions `axes`. ONNX Unsqueeze."""

    name = "nn.unsqueeze"

    x = operand_def()
    axes = operand_def()

    def target(self, shape: Shape, axes: Sequence[int]) -> Shape:
        """The wider shape."""
        rank = len(shape) + len(axes)
        new = {normalized_axis(axis, rank) for axis in axes}
        if len(new) != len(axes):
            raise VerifyException(f"axes {list(axes)} name one position twice")
        sizes = iter(shape)
        return tuple(1 if axis in new else next(sizes) for axis in range(rank))

    def shapes(self) -> Sequence[Shape]:
        return [self.target(shape_of(self.x), constant_ints(self.axes, "axes") or [])]

    def reference(self, x: Array, axes: Array) -> Array:
        return x.reshape(self.target(x.shape, as_ints(axes)))


@irdl_op_definition
class DropoutOp(Reshaping):
    """`output = x`: dropout does nothing in inference. ONNX Dropout."""

    name = "nn.dropout"

    x = operand_def()

    def shapes(self) -> Sequence[Shape]:
        return [shape_of(self.x)]

    def reference(self, x: Array) -> Array:
        return x


OPS: tuple[type[NNOp], ...] = (
    ReshapeOp,
    FlattenOp,
    SqueezeOp,
    UnsqueezeOp,
    DropoutOp,
)
