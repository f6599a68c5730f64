"""
The algebra of Winograd's minimal filtering: `m` outputs of a filter of three taps from
`m + 2` products.

    y = A ((G g) * (B d))          in two dimensions  Y = A ((G g Gᵀ) * (B d Bᵀ)) Aᵀ

`d` holds `m + 2` neighbours, `g` the taps. The filter is a product of polynomials, found
from its values at `m + 1` points and at infinity. F(2) takes the points 0, 1, -1. F(4)
takes 0, ±√½, ±√2: their squares are short numbers, and the error is a third of that
of the customary 0, ±1, ±2 (1.1e-6 against 3.5e-6 of the largest output, direct 0.7e-6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..types import Array

if TYPE_CHECKING:
    from ..kernel.build import Nest
    from ..kernel.scalar import Scalar

    Rule: TypeAlias = Callable[[Nest, Sequence[Scalar]], list[Scalar]]

ROOT = sqrt(0.5)
TAPS = 3


@dataclass(frozen=True)
class Tile:
    """The matrices of F(m, 3), and the input and output ones as scalar programs."""

    outputs: int
    """`m`: how many outputs a tile has in each dimension."""
    inward: tuple[tuple[float, ...], ...]
    """`B`, `[m + 2, m + 2]`."""
    weights: tuple[tuple[float, ...], ...]
    """`G`, `[m + 2, 3]`."""
    outward: tuple[tuple[float, ...], ...]
    """`A`, `[m, m + 2]`."""
    into: Rule
    """`B d` with shared sums."""
    out_of: Rule
    """`A v` with shared sums."""

    @property
    def inputs(self) -> int:
        """How many neighbours a tile reads in each dimension."""
        return self.outputs + TAPS - 1

    @property
    def points(self) -> int:
        """How many products a tile takes for each pair of channels."""
        return self.inputs**2

    def count(self, size: int) -> int:
        """How many tiles cover `size` outputs."""
        return -(-size // self.outputs)


def _into_2(n: Nest, d: Sequence[Scalar]) -> list[Scalar]:
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _out_of_2(n: Nest, v: Sequence[Scalar]) -> list[Scalar]:
    return [v[0] + v[1] + v[2], v[1] - v[2] - v[3]]


def _into_4(n: Nest, d: Sequence[Scalar]) -> list[Scalar]:
    near = n.fma(d[2], -2.0, d[4]), n.fma(d[1], -2.0, d[3])
    far = n.fma(d[2], -0.5, d[4]), n.fma(d[1], -0.5, d[3])
    return [
        n.fma(d[2], -2.5, d[0] + d[4]),
        n.fma(near[1], ROOT, near[0]),
        n.fma(near[1], -ROOT, near[0]),
        n.fma(far[1], 2 * ROOT, far[0]),
        n.fma(far[1], -2 * ROOT, far[0]),
        n.fma(d[3], -2.5, d[1] + d[5]),
    ]


def _out_of_4(n: Nest, v: Sequence[Scalar]) -> list[Scalar]:
    near, near_odd = v[1] + v[2], v[1] - v[2]
    far, far_odd = v[3] + v[4], v[3] - v[4]
    return [
        v[0] + near + far,
        n.fma(far_odd, 2.0, near_odd) * ROOT,
        n.fma(far, 2.0, near * 0.5),
        n.fma(n.fma(far_odd, 8.0, near_odd), ROOT / 2, v[5]),
    ]


def _cook_toom(a: float, b: float) -> tuple[tuple[float, ...], ...]:
    """`G` for the points 0, ±a, ±b and infinity: the taps' values, divided through."""
    points = (0.0, a, -a, b, -b)
    rows: list[tuple[float, ...]] = []
    for p in points:
        scale = 1.0
        for q in points:
            scale *= p - q if q != p else 1.0
        rows.append((1 / scale, p / scale, p * p / scale))
    return (*rows, (0.0, 0.0, 1.0))


TILES: dict[int, Tile] = {
    2: Tile(
        2,
        inward=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        weights=((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
        outward=((1, 1, 1, 0), (0, 1, -1, -1)),
        into=_into_2,
        out_of=_out_of_2,
    ),
    4: Tile(
        4,
        inward=(
            (1, 0, -2.5, 0, 1, 0),
            (0, -2 * ROOT, -2, ROOT, 1, 0),
            (0, 2 * ROOT, -2, -ROOT, 1, 0),
            (0, -ROOT, -0.5, 2 * ROOT, 1, 0),
            (0, ROOT, -0.5, -2 * ROOT, 1, 0),
            (0, 1, 0, -2.5, 0, 1),
        ),
        weights=_cook_toom(ROOT, 2 * ROOT),
        outward=(
            (1, 1, 1, 1, 1, 0),
            (0, ROOT, -ROOT, 2 * ROOT, -2 * ROOT, 0),
            (0, 0.5, 0.5, 2, 2, 0),
            (0, ROOT / 2, -ROOT / 2, 4 * ROOT, -4 * ROOT, 1),
        ),
        into=_into_4,
        out_of=_out_of_4,
    ),
}
"""The tiles there are, by their number of outputs."""


def both_sides(matrix: Sequence[Sequence[float]], x: Array) -> Array:
    """`M x Mᵀ` over the last two dimensions, in the precision of `x`."""
    m = np.asarray(matrix, x.dtype)
    return np.asarray(m @ x @ m.T)


def transformed(
    rule: Rule, n: Nest, size: int, read: Callable[[int, int], Scalar]
) -> list[list[Scalar]]:
    """
    `rule` along the columns of a square of `size`, then along the rows.

    A column's values are read right before it is transformed, so that few are at hand
    at a time.
    """
    columns = [rule(n, [read(i, j) for i in range(size)]) for j in range(size)]
    return [rule(n, row) for row in zip(*columns, strict=True)]


def strips(size: int, step: int) -> Iterator[tuple[int, int, int]]:
    """(first tile, tiles, pixels a tile): the whole tiles, then the one that is cut."""
    whole, rest = divmod(size, step)
    if whole:
        yield 0, whole, step
    if rest:
        yield whole, 1, rest
