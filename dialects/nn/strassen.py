"""
A product of matrices in Strassen's way, one level deep, in Winograd's form: seven products
of half matrices in the place of eight.

    A B  =  output(left(A)[t] right(B)[t] for t in range(7))

Both matrices are cut into quadrants. `left` and `right` add up quadrants, four additions
each; `output` adds up products, seven additions. Constant `B` is taken apart while
compiling. Rows of odd number count as one more row of zeros.

Source: Winograd, "On multiplication of 2 x 2 matrices", 1971.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from ..types import Array
from .base import NNOp, element_type, integer, shape_of, to_attribute
from .common import require_same
from .conv import check_bias

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops
    from ..kernel.scalar import Scalar

PRODUCTS = 7
"""How many products of half matrices one product takes."""


def left(a: Sequence[Any]) -> tuple[Any, ...]:
    """
    The left factors of the seven products.

    Quadrants, arrays or scalars, come as upper left, upper right, lower left, lower right.
    """
    a11, a12, a21, a22 = a
    s1 = a21 + a22
    s2 = s1 - a11
    return a11, a12, a12 - s2, a22, s1, s2, a11 - a21


def right(b: Sequence[Any]) -> tuple[Any, ...]:
    """The right factors of the seven products."""
    b11, b12, b21, b22 = b
    t1 = b12 - b11
    t2 = b22 - t1
    return b11, b21, b22, t2 - b21, t1, t2, b22 - b12


def outward(p: Sequence[Any]) -> tuple[Any, ...]:
    """The quadrants of the product."""
    p1, p2, p3, p4, p5, p6, p7 = p
    u2 = p1 + p6
    u3, u4 = u2 + p7, u2 + p5
    return p1 + p2, u4 + p3, u3 - p4, u3 + p5


def half(rows: int) -> int:
    """How many rows the upper half has; the lower one has as many or one less."""
    return -(-rows // 2)


def row_ranges(rows: int) -> Iterator[tuple[int, int, bool]]:
    """(first row, count, whether the lower half has them too), in the upper half."""
    pairs, rest = divmod(rows, 2)
    if pairs:
        yield 0, pairs, True
    if rest:
        yield pairs, rest, False


class StrassenOp(NNOp):
    """What the operations share: which dimensions are cut, and where the seven lie."""

    rows = prop_def(default_value=to_attribute(0))
    """The dimension of the matrix's rows."""
    columns = prop_def(default_value=to_attribute(1))
    """The dimension of the matrix's columns."""
    merged = prop_def(default_value=to_attribute(0))
    """Whether the seven lie side by side in `columns`, not in a dimension of their own."""

    def axes(self) -> tuple[int, int]:
        """The dimensions of rows and columns."""
        return integer(self.rows), integer(self.columns)

    def checked_axes(self, sizes: Sequence[int]) -> tuple[int, int]:
        """The same, if a tensor of these sizes has them."""
        rows, columns = self.axes()
        if rows == columns or not all(0 <= d < len(sizes) for d in (rows, columns)):
            raise VerifyException(
                f"rows {rows} and columns {columns} are not two dimensions of {sizes}"
            )
        return rows, columns


class StrassenFactor(StrassenOp):
    """
    `output[t, ...] = sum of the quadrants of x that the seven products take`

    | operand | shape                                                            |
    | ------- | ---------------------------------------------------------------- |
    | x       | any, `2 C` elements in dimension `columns`                       |
    | output  | `[7, ...]`, `x`'s shape with half the rows and columns           |

    When `merged`, the seven lie side by side in the dimension `columns`, `[..., 7 C, ...]`,
    as the groups of a convolution do, instead of in a dimension of their own.
    """

    x = operand_def()
    output = result_def()

    @abstractmethod
    def parts(self, quadrants: Sequence[Any]) -> tuple[Any, ...]:
        """The factor of each product."""

    def shapes(self) -> Sequence[tuple[int, ...]]:
        sizes = list(shape_of(self.x))
        rows, columns = self.checked_axes(sizes)
        if sizes[columns] % 2:
            raise VerifyException(f"{sizes[columns]} columns have no two halves")
        sizes[rows], sizes[columns] = half(sizes[rows]), sizes[columns] // 2
        return [stacked(sizes, columns, bool(integer(self.merged)))]

    def reference(self, x: Array) -> Array:
        rows, columns = self.axes()
        if x.shape[rows] % 2:
            around = [(0, int(d == rows)) for d in range(x.ndim)]
            x = np.pad(x, around)
        wide = x.astype(np.float64) if x.dtype.kind == "f" else x
        upper, lower = np.split(wide, 2, rows)
        quadrants = *np.split(upper, 2, columns), *np.split(lower, 2, columns)
        parts = [p.astype(x.dtype) for p in self.parts(quadrants)]
        merged = integer(self.merged)
        return np.concatenate(parts, columns) if merged else np.stack(parts)

    def loops(self, k: Loops) -> None:
        """One nest for the rows that come in pairs, one for an odd row."""
        for first, count, paired in row_ranges(shape_of(self.x)[self.axes()[0]]):
            self._nest(k, first, count, paired)

    def _nest(self, k: Loops, first: int, count: int, paired: bool) -> None:
        """`count` rows of the output; what they read of the lower half is zero if alone."""
        sizes = list(shape_of(self.x))
        rows, columns = self.axes()
        step = {rows: half(sizes[rows]), columns: sizes[columns] // 2}
        sizes[rows], sizes[columns] = count, step[columns]
        n = k.nest({f"d{d}": size for d, size in enumerate(sizes)})
        at = n.indices
        at[rows] = at[rows] + first

        def quadrant(i: int, j: int) -> Scalar:
            place = list(at)
            place[rows] = place[rows] + i * step[rows]
            place[columns] = place[columns] + j * step[columns]
            return n.read(self.x, place)

        upper = quadrant(0, 0), quadrant(0, 1)
        zero = n.const(0, upper[0].dtype)
        lower = (quadrant(1, 0), quadrant(1, 1)) if paired else (zero, zero)
        for t, value in enumerate(self.parts((*upper, *lower))):
            n.write(value, self.output, self._placed(t, at))

    def _placed(self, t: int, at: Sequence[Index]) -> list[Index | int]:
        columns = self.axes()[1]
        width = shape_of(self.x)[columns] // 2
        return placed(t, at, columns, width, bool(integer(self.merged)))

    def flops(self) -> int:
        return 4 * prod(shape_of(self.output)) // PRODUCTS


def stacked(sizes: Sequence[int], columns: int, merged: bool) -> tuple[int, ...]:
    """The shape of seven tensors of these sizes."""
    if not merged:
        return (PRODUCTS, *sizes)
    return tuple(PRODUCTS * n if d == columns else n for d, n in enumerate(sizes))


def placed(
    t: int, at: Sequence[Index], columns: int, width: int, merged: bool
) -> list[Index | int]:
    """Where the element `at` of tensor `t` of the seven lies."""
    if not merged:
        return [t, *at]
    return [i + t * width if d == columns else i for d, i in enumerate(at)]


@irdl_op_definition
class StrassenLeftOp(StrassenFactor):
    """The left factors of the seven products; `x` is the left matrix."""

    name = "nn.strassen_left"

    def parts(self, quadrants: Sequence[Any]) -> tuple[Any, ...]:
        return left(quadrants)


@irdl_op_definition
class StrassenRightOp(StrassenFactor):
    """
    The right factors of the seven products; `x` is the right matrix. Sums are computed in
    double precision while compiling, in the precision of `x` in loops.
    """

    name = "nn.strassen_right"

    def parts(self, quadrants: Sequence[Any]) -> tuple[Any, ...]:
        return right(quadrants)


@irdl_op_definition
class StrassenOutputOp(StrassenOp):
    """
    The product of two matrices from the seven products of their parts, plus `b`.

    | operand | shape                                                             |
    | ------- | ----------------------------------------------------------------- |
    | x       | `[7, ...]`, or `[..., 7 C, ...]` when `merged`                    |
    | b       | one number a column, `[2 C]`                                      |
    | output  | `[...]`, `size` rows and `2 C` columns                            |
    """

    name = "nn.strassen_output"

    x = operand_def()
    b = opt_operand_def()

    size = prop_def(default_value=to_attribute(2))
    """How many rows the output has."""

    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x, merged = shape_of(self.x), integer(self.merged)
        sizes = list(x if merged else x[1:])
        rows, columns = self.checked_axes(sizes)
        if (sizes[columns] if merged else x[0]) % PRODUCTS:
            raise VerifyException(f"{list(x)} does not hold seven products")
        size = integer(self.size)
        if half(size) != sizes[rows]:
            raise VerifyException(f"{sizes[rows]} rows are not half of {size}")
        sizes[rows] = size
        sizes[columns] = 2 * (sizes[columns] // (PRODUCTS if merged else 1))
        check_bias(None if self.b is None else shape_of(self.b), sizes[columns])
        return [tuple(sizes)]

    def reference(self, x: Array, b: Array | None = None) -> Array:
        rows, columns = self.axes()
        parts = np.split(x, PRODUCTS, columns) if integer(self.merged) else tuple(x)
        quadrants = outward(tuple(parts))
        halves = [np.concatenate(quadrants[i : i + 2], columns) for i in (0, 2)]
        whole = np.concatenate(halves, rows)
        result = np.take(whole, range(integer(self.size)), rows)
        if b is None:
            return result
        return result + b.reshape(
            [-1 if d == columns else 1 for d in range(whole.ndim)]
        )

    def loops(self, k: Loops) -> None:
        """One nest for the rows that come in pairs, one for an odd row."""
        for first, count, paired in row_ranges(integer(self.size)):
            self._nest(k, first, count, paired)

    def _nest(self, k: Loops, first: int, count: int, paired: bool) -> None:
        """`count` rows of the upper half, and those as far down in the lower one."""
        sizes = list(shape_of(self.output))
        rows, columns = self.axes()
        step = {rows: half(sizes[rows]), columns: sizes[columns] // 2}
        merged = bool(integer(self.merged))
        sizes[rows], sizes[columns] = count, step[columns]
        n = k.nest({f"d{d}": size for d, size in enumerate(sizes)})
        at = n.indices
        at[rows] = at[rows] + first
        parts = tuple(
            n.read(self.x, placed(t, at, columns, step[columns], merged))
            for t in range(PRODUCTS)
        )
        values = outward(parts)
        for q in range(4 if paired else 2):
            place = list(at)
            place[rows] = place[rows] + (q // 2) * step[rows]
            place[columns] = place[columns] + (q % 2) * step[columns]
            value = values[q]
            if self.b is not None:
                value = value + n.read(self.b, [place[columns]])
            n.write(value, self.output, place)

    def flops(self) -> int:
        return prod(shape_of(self.x))


OPS: tuple[type[NNOp], ...] = (StrassenLeftOp, StrassenOutputOp, StrassenRightOp)
