"""Sampling at coordinates that are data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from .base import Array, NNOp, integer, shape_of, text, to_attribute
from .common import FLOATS, require
from .numeric import widened
from .windows import named

if TYPE_CHECKING:
    from ..kernel.build import Loops, Nest, Scalar

MODES = {
    "nearest": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "cubic": "cubic",
    "bicubic": "cubic",
}
PADDINGS = ("zeros", "border", "reflection")
CUBIC = -0.75


@irdl_op_definition
class GridSampleOp(NNOp):
    """
    `output[n, c, o] = x(n, c, at)`, interpolated at `at = grid[n, o]`.

    | value  | shape                                              |
    | ------ | -------------------------------------------------- |
    | x      | `[N, C, spatial...]`                               |
    | grid   | `[N, output..., rank]`, the last dimension first   |
    | output | `[N, C, output...]`                                |

    A coordinate of -1 is the first element and 1 the last one: their centres with
    `align_corners`, else their outer edges. Elements outside of `x` are zero, the nearest
    one inside, or mirrored. Source: ONNX GridSample.
    """

    name = "nn.grid_sample"

    x = operand_def()
    grid = operand_def()
    mode = prop_def(default_value=to_attribute("linear"))
    padding_mode = prop_def(default_value=to_attribute("zeros"))
    align_corners = prop_def(default_value=to_attribute(0))
    output = result_def()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x, grid = shape_of(self.x), shape_of(self.grid)
        require(self.x, FLOATS, "x")
        require(self.grid, FLOATS, "grid")
        if text(self.mode) not in MODES:
            raise VerifyException(f"mode {text(self.mode)} is not one of {[*MODES]}")
        if text(self.padding_mode) not in PADDINGS:
            raise VerifyException(
                f"padding_mode {text(self.padding_mode)} is not one of {[*PADDINGS]}"
            )
        rank = len(x) - 2
        if rank < 1 or len(grid) != rank + 2 or grid[-1] != rank or grid[0] != x[0]:
            raise VerifyException(
                f"the grid {list(grid)} does not hold coordinates in the input {list(x)}"
            )
        return [(*x[:2], *grid[1:-1])]

    def reference(self, x: Array, grid: Array) -> Array:
        wide, places, sizes = widened(x), widened(grid), x.shape[2:]
        last = np.moveaxis(wide, 1, -1)
        batch = np.arange(len(x)).reshape(-1, *(1,) * len(sizes))
        total: Any = 0
        for taps in self._taps(places[..., ::-1], sizes):
            weight, indices, inside = places.dtype.type(1), [batch], np.True_
            for (tap, share), size in zip(taps, sizes, strict=True):
                weight = weight if share is None else weight * share
                indices.append(self._inside(tap.astype(np.int64), size))
                inside = inside & (tap >= 0) & (tap < size)
            if text(self.padding_mode) == "zeros":
                weight = np.where(inside, weight, 0)
            total = total + last[*indices] * np.asarray(weight)[..., None]
        return np.moveaxis(total, -1, 1).astype(x.dtype)

    def _taps(
        self, places: Array, sizes: Sequence[int]
    ) -> Iterator[tuple[tuple[Array, Array | None], ...]]:
        """Per neighbour, its place along each dimension and its weight there."""
        mode = MODES[text(self.mode)]
        axes: list[list[tuple[Array, Array | None]]] = []
        for i, size in enumerate(sizes):
            at = self._in_elements(places[..., i], size)
            low = np.rint(at) if mode == "nearest" else np.floor(at)
            axes.append([(low + t, w) for t, w in weights(at - low, mode)])
        return product(*axes)

    def _in_elements(self, place: Any, size: int) -> Any:
        """A coordinate between -1 and 1, counted in elements of a dimension."""
        if integer(self.align_corners):
            return (place + 1) * (0.5 * (size - 1))
        return (place + 1) * (0.5 * size) - 0.5

    def _inside(self, at: Array, size: int) -> Array:
        """An index inside the dimension: the mirrored one, or the nearest."""
        if text(self.padding_mode) == "reflection":
            period, end = self._period(size)
            at = at % period
            at = np.minimum(at, end - at)
        return np.clip(at, 0, size - 1)

    def _period(self, size: int) -> tuple[int, int]:
        """After how many elements mirror images repeat; what mirrored indices add up to."""
        if integer(self.align_corners):
            return max(1, 2 * size - 2), 2 * size - 2
        return 2 * size, 2 * size - 1

    def loops(self, k: Loops) -> None:
        batch, channels, *sizes = shape_of(self.x)
        outputs = named("o", shape_of(self.output)[2:])
        n = k.nest({"n": batch, "c": channels, **outputs})
        mode = MODES[text(self.mode)]
        axes: list[list[tuple[Scalar, Scalar | None, Any]]] = []
        for i, size in enumerate(sizes):
            coordinate = [n["n"], *(n[o] for o in outputs), len(sizes) - 1 - i]
            at = self._in_elements(n.read(self.grid, coordinate), size)
            low = at.round() if mode == "nearest" else at.floor()
            axes.append(
                [
                    (*self._place(n, low + tap, size), share)
                    for tap, share in weights(at - low, mode)
                ]
            )
        total: Scalar | None = None
        for taps in product(*axes):
            x = n.read(self.x, [n["n"], n["c"], *(index for index, _, _ in taps)])
            for _, inside, share in taps:
                factor: Scalar | None = share
                x = x if factor is None else x * factor.cast(x.dtype)
                x = x if inside is None else n.where(inside, x, 0)
            total = x if total is None else total + x
        assert total is not None
        n.write(total, self.output, n.indices)

    def _place(self, n: Nest, tap: Scalar, size: int) -> tuple[Scalar, Scalar | None]:
        """The index of a neighbour, and whether it counts."""
        inside = None
        if text(self.padding_mode) == "zeros":
            inside = (tap >= 0) & (tap <= size - 1)
        at = tap.cast(np.int64)
        if text(self.padding_mode) == "reflection":
            period, end = self._period(size)
            at = at % period
            at = n.minimum(at, end - at)
        return n.minimum(n.maximum(at, 0), size - 1), inside

    def flops(self) -> int:
        taps = {"nearest": 1, "linear": 2, "cubic": 4}[MODES[text(self.mode)]]
        return 2 * prod(shape_of(self.output)) * taps ** (len(shape_of(self.x)) - 2)


def weights(fraction: Any, mode: str) -> list[tuple[int, Any]]:
    """
    Neighbours of a coordinate, counted from the one below it, and their weights; None is
    one.

    Args:
        fraction: how far the coordinate lies above that one; an array or a scalar.
    """
    if mode == "nearest":
        return [(0, None)]
    if mode == "linear":
        return [(0, 1 - fraction), (1, fraction)]

    def near(x: Any) -> Any:
        return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC

    return [
        (-1, far(fraction + 1)),
        (0, near(fraction)),
        (1, near(1 - fraction)),
        (2, far(2 - fraction)),
    ]


OPS: tuple[type[NNOp], ...] = (GridSampleOp,)
