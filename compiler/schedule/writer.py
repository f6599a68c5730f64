"""
The words of a schedule, and the loops that all kinds of nests have: a grid, the blocks of
a reduction, and windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from xdsl.ir import SSAValue

from ...backends.target import Target
from ...dialects.kernel.schedule import LoopAttr
from .analysis import NestInfo
from .join import picked_dims

LATENCY = 8
"""Multiply-adds that must be in flight to keep the units busy."""

UNROLL_TAPS = 7
"""Reduced dimensions up to this size are unrolled in a window."""


@dataclass(frozen=True)
class Vector:
    """The vector dimension and its lanes; no dimension means scalar code."""

    dim: SSAValue | None
    lanes: int
    halved: bool = False
    """Whether registers of half the width fill the dimension, all side by side."""


class Writer:
    """Collects the loops of one nest's schedule."""

    def __init__(self, info: NestInfo, target: Target) -> None:
        self.info, self.target = info, target
        self.sizes = self.info.sizes
        self.loops: list[LoopAttr] = []
        self.taken: set[SSAValue] = set()

    def loop(self, mapping: str, dim: SSAValue, step: int = 1) -> None:
        self.loops.append(LoopAttr.of(mapping, dim.name_hint or "", step))
        self.taken.add(dim)

    def _grid(
        self,
        first: list[tuple[SSAValue, int]],
        rest: list[SSAValue],
        count: int | None = None,
    ) -> int:
        """
        Parallel loops: `first` as given, then of `rest` what the grid still takes.
        Returns the shares that it has then.
        """
        for dim, step in first:
            self.loop("parallel", dim, step)
        if count is None:
            count = prod(ceil(self.sizes[d] / step) for d, step in first)
        for dim in rest:
            size, room = self.sizes[dim], max(1, self.target.max_grid // count)
            if size == 1:
                continue
            if room == 1:
                break
            step = even_step(size, room)
            self.loop("parallel", dim, step)
            count *= ceil(size / step)
        return count

    def reduction(self, dims: Sequence[SSAValue]) -> None:
        """Serial loops over reduced dimensions, in the blocks that memory has."""
        blocks = {d: self.info.block_of(d) for d in dims if self.sizes[d] > 1}
        for dim, block in blocks.items():
            if 1 < block < self.sizes[dim]:
                self.loop("serial", dim, block)
        for dim, block in blocks.items():
            if block == 1:
                self.loop("serial", dim)
        for dim, block in blocks.items():
            if block > 1:
                self.loop("serial", dim)

    def _window(
        self, vector: Vector, kept: list[SSAValue], taps: list[SSAValue]
    ) -> None:
        """Each lane has sums of its own: hide latency behind several of them."""
        others = [d for d in kept if d is not vector.dim]
        row = others[-1] if others and vector.dim is not None else None
        first: list[tuple[SSAValue, int]] = []
        if vector.dim is not None and vector.dim not in taps:
            first = [(vector.dim, vector.lanes)]
        blocks = prod(ceil(self.sizes[d] / s) for d, s in first)
        self._grid([], [d for d in others if d is not row], blocks)
        for dim, lanes in first:
            self.loop("parallel", dim, lanes)
        for dim in others:
            if dim is not row and dim not in self.taken:
                self.loop("serial", dim)
        picked = picked_dims(self.info, vector.dim, vector.lanes)
        tile = 1
        if row is not None:
            tile = self._row_step(row, picked is not None)
            self.loop("serial", row, tile)
        unrolled = self._taps(vector, taps, tile, picked or frozenset())
        if row is not None:
            self.loop("unroll", row)
        if unrolled is not None:
            self.loop("unroll", unrolled)
        if vector.dim is not None:
            self.loop("vector", vector.dim, vector.lanes)

    def _taps(
        self,
        vector: Vector,
        taps: list[SSAValue],
        rows: int,
        still: frozenset[SSAValue],
    ) -> SSAValue | None:
        """
        Loops over the taps around a row of so many sums.

        Those that must stand `still` are unrolled outside of the row. Returns the one to
        unroll inside of it, where neighbours share what they read.
        """
        inside: SSAValue | None = None
        for dim in taps:
            if dim in still:
                continue
            step = vector.lanes if dim is vector.dim else 1
            if dim is taps[-1] and dim is not vector.dim:
                if self.sizes[dim] <= UNROLL_TAPS and len(taps) > 1:
                    inside = dim
                    continue
                step = self._tap_step(dim, rows)
                inside = dim if step > 1 else None
            self.loop("serial", dim, step)
        for dim in taps:
            if dim in still:
                self.loop("unroll", dim)
        return inside

    def _tap_step(self, dim: SSAValue, rows: int) -> int:
        """Sums side by side along a long reduced dimension, where rows are too few."""
        size = self.sizes[dim]
        if size <= UNROLL_TAPS or rows >= LATENCY // 2:
            return 1
        return max(s for s in range(1, LATENCY // rows + 1) if size % s == 0)

    def _row_step(self, row: SSAValue, picked: bool) -> int:
        """
        Sums of a window along `row` that are in registers together.

        Where lanes are `picked`, every tap of a sum takes work of its own beside it:
        only as many sums as hide the latency find all of that in registers.
        """
        most = LATENCY if picked else min(8, max(1, self.target.accumulators // 3))
        return min(
            range(1, min(most, self.sizes[row]) + 1),
            key=lambda r: (tile_cost(self.sizes[row], r, 1), -r),
        )


def tile_cost(size: int, tile: int, registers: int) -> float:
    """About how many cycles `size` rows take in tiles of `tile`, per reduced element."""
    whole, rest = divmod(size, tile)
    cost = whole * (max(tile * registers, LATENCY) + 1)
    return cost + (max(rest * registers, LATENCY) + 1 if rest else 0)


def square_cost(sizes: tuple[int, int], tile: tuple[int, int]) -> int:
    """
    About how many cycles the sums of two dimensions take in tiles, per reduced register:
    those of the products, and those of what they read.
    """
    return sum(
        many * few * (max(high * wide, LATENCY) + high + wide)
        for many, high in _parts(sizes[0], tile[0])
        for few, wide in _parts(sizes[1], tile[1])
    )


def _parts(size: int, step: int) -> list[tuple[int, int]]:
    """How many steps of which size."""
    whole, rest = divmod(size, step)
    return [(whole, step), (1, rest)] if rest else [(whole, step)]


def even_step(size: int, room: int) -> int:
    """The smallest step that makes at most `room` shares of `size`, even if possible."""
    least = ceil(size / room)
    for step in range(least, min(2 * least, size) + 1):
        if size % step == 0:
            return step
    return least
