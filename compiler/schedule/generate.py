"""
Choose a schedule for a nest, from the strides of its accesses and a target's facts.

No operator is known here. A nest is a *contraction* when it sums products, a *fold* when
it reduces otherwise, and else a *map*. All three choose the vector dimension by the cost
of its accesses; a contraction then looks for the register tile that wastes least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import SSAValue

from ...backends.target import Target
from ...dialects.kernel.nest import LoopAttr, NestOp, ScheduleAttr
from .analysis import Access, NestInfo, lanes_for
from .collapse import collapse

GATHER = 1.5
"""Cost of one element that is loaded or stored by itself, against a full register's 1."""

HALVES = 6
"""Registers of half the lanes that may be side by side in a tile."""

FOLD = 4
"""Cost of adding up the lanes of a register, per output."""

LATENCY = 8
"""Multiply-adds that must be in flight to keep the units busy."""

UNROLL_TAPS = 7
"""Reduced dimensions up to this size are unrolled in a window."""


@dataclass(frozen=True)
class Vector:
    """The vector dimension and its lanes; no dimension means scalar code."""

    dim: SSAValue | None
    lanes: int


class Generator:
    """Writes the schedule of one nest."""

    def __init__(self, info: NestInfo, target: Target) -> None:
        self.info, self.target = info, target
        self.sizes = self.info.sizes
        self.loops: list[LoopAttr] = []
        self.taken: set[SSAValue] = set()

    # choosing

    def vector(self) -> Vector:
        """The dimension whose lanes cost least."""
        best, least = Vector(None, 1), self.access_cost(None, 1)
        candidates = [*self.info.shared, *self.info.reduced]
        for dim in candidates:
            if self.sizes[dim] < 2 or dim not in self.info.free:
                continue
            lanes = lanes_for(self.sizes[dim], self.target.lanes)
            cost = self.access_cost(dim, lanes)
            if cost < least:
                best, least = Vector(dim, lanes), cost
        return best

    def access_cost(self, dim: SSAValue | None, lanes: int) -> float:
        """About how many instructions a point of the domain takes."""
        size = self.sizes[dim] if dim else 1
        filled = size / (ceil(size / lanes) * lanes)
        total = 0.0
        for access in self.info.accesses:
            weight = prod(self.sizes[d] for d in access.dims) if access.dims else 1
            if dim is None or dim not in access.dims:
                total += weight / (lanes * filled) if dim not in access.dims else weight
                continue
            stride = self.info.lane_stride(access, dim, lanes)
            each = 1 / (lanes * filled) if stride in (0, 1) else GATHER
            known = not access.is_write and not access.dynamic
            total += weight * (each if stride is not None or known else 2 * GATHER)
        points = prod(self.sizes.values())
        work = len(self.info.body) - len(self.info.accesses)
        total += work * points / (lanes * filled)
        if dim in self.info.reduced:
            kept = prod(s for d, s in self.sizes.items() if d not in self.info.reduced)
            total += FOLD * kept * len(self.info.reduces)
            if self.info.contraction is not None:
                total += points / (lanes * filled)  # no operand is broadcast
        return total

    # writing

    def loop(self, mapping: str, dim: SSAValue, step: int = 1) -> None:
        self.loops.append(LoopAttr.of(mapping, dim.name_hint or "", step))
        self.taken.add(dim)

    def schedule(self) -> ScheduleAttr:
        """The schedule chosen."""
        vector = self.vector()
        if self.info.contraction is not None:
            self._contraction(vector)
        elif self.info.reduces:
            self._fold(vector)
        else:
            self._map(vector)
        return ScheduleAttr(ArrayAttr(self.loops))

    def _grid(
        self,
        first: list[tuple[SSAValue, int]],
        rest: list[SSAValue],
        count: int | None = None,
    ) -> None:
        """Parallel loops: `first` as given, then of `rest` what the grid still takes."""
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
            step = _even_step(size, room)
            self.loop("parallel", dim, step)
            count *= ceil(size / step)

    # contractions

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
        tile = self._rows(rows, registers) if rows else {}
        width = registers * vector.lanes
        others = [d for d in kept if d is not vector.dim and d not in tile]
        batch = [
            d
            for d in others
            if left is not None and right is not None and d in left.dims & right.dims
        ]
        # matrices of a batch one by one: both sides of one fit in a cache
        first = [(d, _even_step(self.sizes[d], self.target.max_grid)) for d in batch]
        columns = vector.dim is not None and not across
        blocks = ceil(self.sizes[vector.dim] / width) if columns else 1  # type: ignore[index]
        used = prod(ceil(self.sizes[d] / s) for d, s in first) * blocks
        strips = self._strips(rows, tile, steady, batch) if columns else {}
        outer = [d for d in others if d not in batch]
        if strips:
            cut = [(d, s) for d, s in strips.items() if s < self.sizes[d]]
            self._grid([*first, *cut], [])
        else:
            self._grid(first, outer, used)
        for dim in others:
            if dim not in self.taken:
                self.loop("serial", dim)
        used = prod(self.sizes[d] for d in others)
        for dim, step in tile.items():
            few = used < 16 and self.sizes[dim] > step and dim not in strips
            self.loop("parallel" if few else "serial", dim, step)
        if columns and vector.dim is not None:
            self.loop("parallel", vector.dim, width)
        self.loops.sort(key=lambda loop: loop.mapping.data != "parallel")
        if across and vector.dim is not None:
            self.loop("serial", vector.dim, vector.lanes)
        self.reduction([d for d in reduce.dims if d is not vector.dim])
        for dim in tile:
            self.loop("unroll", dim)
        if vector.dim is not None:
            if not across:
                self.loop("unroll", vector.dim, vector.lanes)
            self.loop("vector", vector.dim, vector.lanes)
        if columns and self._streams(steady):
            self.loop("prefetch", vector.dim, width)  # type: ignore[arg-type]

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
        return Vector(vector.dim, half)

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
                strips[dim] = unit * _even_step(units, ceil(units / fits))
                break
            strips[dim] = tile.get(dim, 1)
            bytes_ = each
        return strips

    def _registers(self, vector: Vector, rows: list[SSAValue]) -> int:
        """Vector registers along the vector dimension."""
        info = self.info
        if vector.dim is None or vector.dim in info.reduced:
            return 1
        _, *factors = info.contraction or ()
        steady = [a for a in factors if a is not None and vector.dim in a.dims]
        strides = {info.lane_stride(a, vector.dim, vector.lanes) for a in steady}
        if not strides <= {0, 1}:
            return 1  # as many rows as there are registers share what is gathered
        if vector.lanes < self.target.lanes and vector.lanes < self.sizes[vector.dim]:
            return ceil(self.sizes[vector.dim] / vector.lanes)  # they were halved
        points = prod(self.sizes[d] for d in rows)
        most = ceil(self.sizes[vector.dim] / vector.lanes)
        wished = 2 if points >= 4 else 8 if points == 1 else 4
        while wished > 1 and (
            wished > most
            or not info.is_regular(vector.dim, wished * vector.lanes, vector.lanes)
        ):
            wished //= 2
        return wished

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

    # windows and folds

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
        if row is not None:
            self.loop("serial", row, self._row_step(row))
        unrolled: SSAValue | None = None
        for dim in taps:
            if dim is vector.dim:
                self.loop("serial", dim, vector.lanes)
            elif dim is taps[-1] and self.sizes[dim] <= UNROLL_TAPS and len(taps) > 1:
                unrolled = dim
            else:
                self.loop("serial", dim)
        if row is not None:
            self.loop("unroll", row)
        if unrolled is not None:
            self.loop("unroll", unrolled)
        if vector.dim is not None:
            self.loop("vector", vector.dim, vector.lanes)

    def _row_step(self, row: SSAValue) -> int:
        """Sums of a window along `row` that are in registers together."""
        most = min(8, max(1, self.target.accumulators // 3))
        return min(
            range(1, min(most, self.sizes[row]) + 1),
            key=lambda r: (tile_cost(self.sizes[row], r, 1), -r),
        )

    def _fold(self, vector: Vector) -> None:
        info = self.info
        kept = [d for d in info.shared if self.sizes[d] > 1]
        if (
            vector.dim is not None
            and vector.dim not in info.reduced
            and all(
                len(r.dims) and vector.dim in info.dims[r.result] for r in info.reduces
            )
        ):
            taps = list(dict.fromkeys(d for r in info.reduces for d in r.dims))
            self._window(vector, kept, [d for d in taps if self.sizes[d] > 1])
            return
        self._grid([], [d for d in kept if d is not vector.dim])
        for dim in kept:
            if dim not in self.taken and dim is not vector.dim:
                self.loop("serial", dim)
        for dim in info.nest.dims:
            if dim not in self.taken and dim is not vector.dim and self.sizes[dim] > 1:
                self.loop("serial", dim)
        self._vector_registers(vector, 4)

    # maps

    def _map(self, vector: Vector) -> None:
        info = self.info
        others = [d for d in info.shared if d is not vector.dim and self.sizes[d] > 1]
        registers = 4
        reads = sum(not a.is_write for a in info.accesses)
        while registers > 1 and registers * reads > self.target.registers:
            registers //= 2
        if vector.dim is not None and not others:
            shares = min(self.target.max_grid, ceil(self.sizes[vector.dim] / 1024))
            step = vector.lanes * ceil(self.sizes[vector.dim] / (shares * vector.lanes))
            if shares > 1:
                self.loop("parallel", vector.dim, step)
        wide = vector.dim is not None and reads > self.target.registers // 2
        # a body with so many streams runs along memory: blocks of lanes outside
        self._grid([(vector.dim, vector.lanes)] if wide and vector.dim else [], others)
        for dim in info.nest.dims:
            if dim not in self.taken and dim is not vector.dim and self.sizes[dim] > 1:
                self.loop("serial", dim)
        if wide and vector.dim is not None:
            self.loop("vector", vector.dim, vector.lanes)
            return
        self._vector_registers(vector, registers)

    def _vector_registers(self, vector: Vector, most: int) -> None:
        """The vector dimension, several registers at a time."""
        if vector.dim is None:
            return
        size, lanes = self.sizes[vector.dim], vector.lanes
        registers = min(most, max(1, size // lanes))
        while registers > 1 and not self.info.is_regular(
            vector.dim, registers * lanes, lanes
        ):
            registers //= 2
        self.loop("serial", vector.dim, registers * lanes)
        if registers > 1:
            self.loop("unroll", vector.dim, lanes)
        self.loop("vector", vector.dim, lanes)


def tile_cost(size: int, tile: int, registers: int) -> float:
    """About how many cycles `size` rows take in tiles of `tile`, per reduced element."""
    whole, rest = divmod(size, tile)
    cost = whole * (max(tile * registers, LATENCY) + 1)
    return cost + (max(rest * registers, LATENCY) + 1 if rest else 0)


def _even_step(size: int, room: int) -> int:
    """The smallest step that makes at most `room` shares of `size`, even if possible."""
    least = ceil(size / room)
    for step in range(least, min(2 * least, size) + 1):
        if size % step == 0:
            return step
    return least


def schedule_nest(nest: NestOp, target: Target) -> None:
    """Collapse the dimensions of `nest` and give it a schedule, in place."""
    from .items import ItemGenerator

    info = collapse(nest)
    generator = ItemGenerator if target.items > 1 else Generator
    nest.properties["schedule"] = generator(info, target).schedule()
