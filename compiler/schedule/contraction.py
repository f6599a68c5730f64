"""
Schedules of contractions: sums of products.

One factor has columns, which fill the lanes, the other one rows. A register tile of rows
by columns is the innermost part; the grid walks tiles so that what is read again is near.
"""

from __future__ import annotations

from math import ceil, prod

from xdsl.ir import SSAValue

from .analysis import Access
from .writer import UNROLL_TAPS, Vector, Writer, even_step, square_cost, tile_cost

HALVES = 6
"""Registers of half the lanes that may be side by side in a tile."""

AT_ONCE = 4
"""
Rows that meet columns as fast as memory gives those. The processor itself fetches ahead
of such a stream, and asking for each line only takes its time.
"""


class Contractions(Writer):
    """Writes the schedules of sums of products."""

    def _contraction(self, vector: Vector) -> None:
        info = self.info
        assert info.contraction is not None
        reduce, left, right = info.contraction
        vector = self._halved(vector)
        kept = [d for d in info.shared if d not in reduce.dims and self.sizes[d] > 1]
        steady = [a for a in (left, right) if a is not None and vector.dim in a.dims]
        across = vector.dim in reduce.dims
        rows = [
            d
            for d in kept
            if d is not vector.dim and (across or all(d not in a.dims for a in steady))
        ]
        if not rows and (across or len(steady) != 1):
            self._window(vector, kept, list(reduce.dims))
            return
        registers = self._registers(vector, rows)
        tile: dict[SSAValue, int] = {}
        if rows:
            tile = self._square(rows) if across else self._rows(rows, registers)
        width = registers * vector.lanes
        columns = vector.dim is not None and not across
        self._tiles(vector, width if columns else 0, kept, rows, tile, steady)
        if across and vector.dim is not None:
            self.loop("serial", vector.dim, vector.lanes)
        taps = [d for d in reduce.dims if d is not vector.dim]
        short = self._short_tap(vector, taps, registers, prod(tile.values()))
        self.reduction([d for d in taps if d is not short])
        for dim in tile:
            self.loop("unroll", dim)
        if short is not None:
            self.loop("unroll", short)
        if vector.dim is not None:
            if not across:
                self.loop("unroll", vector.dim, vector.lanes)
            self.loop("vector", vector.dim, vector.lanes)
        met = prod(self.sizes[d] for d in rows)
        if columns and met > AT_ONCE and self._streams(steady):
            self.loop("prefetch", vector.dim, width)  # type: ignore[arg-type]

    def _tiles(
        self,
        vector: Vector,
        width: int,
        kept: list[SSAValue],
        rows: list[SSAValue],
        tile: dict[SSAValue, int],
        steady: list[Access],
    ) -> None:
        """
        The loops around a register tile.

        Args:
            width: columns of a tile; 0 when lanes walk what is reduced.
        """
        assert self.info.contraction is not None
        _, left, right = self.info.contraction
        others = [d for d in kept if d is not vector.dim and d not in tile]
        batch = [
            d
            for d in others
            if left is not None and right is not None and d in left.dims & right.dims
        ]
        # matrices of a batch one by one: both sides of one fit in a cache
        first = [(d, even_step(self.sizes[d], self.target.max_grid)) for d in batch]
        blocks = ceil(self.sizes[vector.dim] / width) if width else 1  # type: ignore[index]
        used = prod(ceil(self.sizes[d] / s) for d, s in first) * blocks
        strips = self._strips(rows, tile, steady, batch) if width else {}
        outer = [d for d in others if d not in batch]
        if strips:
            cut = [(d, s) for d, s in strips.items() if s < self.sizes[d]]
            across = [d for d in outer if d in steady[0].dims]
            self._grid([*first, *cut], across, used)
        else:
            self._grid(first, outer, used)
        for dim in others:
            if dim not in self.taken:
                self.loop("serial", dim)
        used = prod(self.sizes[d] for d in others)
        for dim, step in tile.items():
            few = used < 16 and self.sizes[dim] > step and dim not in strips
            self.loop("parallel" if few else "serial", dim, step)
        if width:
            self.loop("parallel", vector.dim, width)  # type: ignore[arg-type]
        self.loops.sort(key=lambda loop: loop.mapping.data != "parallel")

    def _halved(self, vector: Vector) -> Vector:
        """Half the lanes, where the last register would be half empty and few fill a row."""
        half = vector.lanes // 2
        if not self.target.halves or vector.dim is None or half < 2:
            return vector
        size, most = self.sizes[vector.dim], HALVES * half
        odd = ceil(size / half) % 2 and vector.lanes < size <= most
        if not odd or vector.dim in self.info.reduced:
            return vector
        if not self.info.is_regular(vector.dim, most, half):
            return vector
        return Vector(vector.dim, half, halved=True)

    def _short_tap(
        self, vector: Vector, taps: list[SSAValue], registers: int, rows: int
    ) -> SSAValue | None:
        """
        The innermost tap, when its loop is better unrolled.

        Narrow registers are done before the loop's own instructions are: one iteration
        takes all taps then, if their columns find registers beside the sums.
        """
        if vector.lanes >= self.target.lanes or len(taps) < 2:
            return None
        *_, last = taps
        size = self.sizes[last]
        room = self.target.registers - 1 - registers * rows
        fits = 1 < size <= UNROLL_TAPS and size * registers <= room
        return last if fits and self.info.block_of(last) == 1 else None

    def _streams(self, steady: list[Access]) -> bool:
        """Whether columns come in blocks from beyond the first cache."""
        return (
            self.target.prefetches
            and len(steady) == 1
            and prod(self.sizes[d] for d in steady[0].dims) * steady[0].width
            > self.target.near
        )

    def _strips(
        self,
        rows: list[SSAValue],
        tile: dict[SSAValue, int],
        steady: list[Access],
        batch: list[SSAValue],
    ) -> dict[SSAValue, int]:
        """
        Rows that meet every column before the next ones come, by dimension.

        Columns that a cache holds are read again for each row tile. Larger ones are read
        again for each strip only: as many rows as a cache holds.
        """
        assert self.info.contraction is not None
        _, *factors = self.info.contraction
        moving = [a for a in factors if a is not None and a not in steady]
        if len(steady) != 1 or len(moving) != 1:
            return {}
        fixed = [d for d in steady[0].dims if d not in batch]
        if prod(self.sizes[d] for d in fixed) * steady[0].width <= self.target.cache:
            return {}
        bytes_ = moving[0].bytes / prod(self.sizes[d] for d in batch)
        strips: dict[SSAValue, int] = {}
        for dim in rows:
            each = bytes_ / self.sizes[dim]
            if each <= self.target.cache:
                unit = tile.get(dim, 1)
                fits = max(1, int(self.target.cache / each) // unit)
                units = ceil(self.sizes[dim] / unit)
                strips[dim] = unit * even_step(units, ceil(units / fits))
                break
            strips[dim] = tile.get(dim, 1)
            bytes_ = each
        return strips

    def _registers(self, vector: Vector, rows: list[SSAValue]) -> int:
        """Vector registers along the vector dimension."""
        info = self.info
        if vector.dim is None or vector.dim in info.reduced:
            return 1
        factors = info.contraction[1:] if info.contraction else ()
        steady = [a for a in factors if a is not None and vector.dim in a.dims]
        strides = {info.lane_stride(a, vector.dim, vector.lanes) for a in steady}
        if not strides <= {0, 1}:
            return 1  # as many rows as there are registers share what is gathered
        if vector.halved:
            return ceil(self.sizes[vector.dim] / vector.lanes)
        points = prod(self.sizes[d] for d in rows)
        most = ceil(self.sizes[vector.dim] / vector.lanes)
        wished = 2 if points >= 4 else 8 if points == 1 else 4
        while wished > 1 and (
            wished > most
            or not info.is_regular(vector.dim, wished * vector.lanes, vector.lanes)
        ):
            wished //= 2
        return wished

    def _square(self, rows: list[SSAValue]) -> dict[SSAValue, int]:
        """
        The tile of sums whose lanes are added up: rows of one factor by rows of the other.

        A register of each row, of both factors, stands beside the sums: those of a row
        share one, those of a column the other.
        """
        assert self.info.contraction is not None
        *_, inner = rows
        factors = [a.dims for a in self.info.contraction[1:] if a is not None]
        here = [dims for dims in factors if inner in dims]
        there = [dims for dims in factors if inner not in dims]
        others = [d for d in rows if len(here) == 1 == len(there) and d in there[0]]
        others = [d for d in others if d not in here[0]]
        if not others:
            return self._rows(rows, 1)
        outer = others[-1]
        sizes = (self.sizes[outer], self.sizes[inner])
        high, wide = min(
            (
                (high, wide)
                for high in range(1, min(self.target.accumulators, sizes[0]) + 1)
                for wide in range(1, min(self.target.accumulators, sizes[1]) + 1)
                if high == 1 or high * wide + high + wide < self.target.registers
            ),
            key=lambda tile: (square_cost(sizes, tile), tile[0], -tile[1]),
        )
        return {outer: high, inner: wide} if high > 1 else {inner: wide}

    def _rows(self, rows: list[SSAValue], registers: int) -> dict[SSAValue, int]:
        """Tile sizes of one or two row dimensions, the innermost first in choice."""
        budget = max(1, self.target.accumulators // registers)
        inner = rows[-1]
        best = min(
            range(1, min(budget, self.sizes[inner]) + 1),
            key=lambda r: (tile_cost(self.sizes[inner], r, registers), -r),
        )
        tile = {inner: best}
        if best == self.sizes[inner] and len(rows) > 1 and 2 * best <= budget:
            outer = rows[-2]
            more = min(
                range(1, min(budget // best, self.sizes[outer]) + 1),
                key=lambda r: (tile_cost(self.sizes[outer], r, registers * best), -r),
            )
            if more > 1:
                tile = {outer: more, inner: best}
        return tile
