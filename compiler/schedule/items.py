"""
Schedules for devices whose lanes are work-items.

    parallel oc by 64, parallel oh, serial ow by 7, item oc, serial ic, unroll ow

Neighbouring work-items take neighbouring elements of the dimension that a vector would
have taken, so that their accesses fall together. Everything that is independent becomes a
work-group: such devices want many. Each work-item keeps a row of sums in registers.
"""

from __future__ import annotations

from math import ceil, prod

from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import SSAValue

from ...backends.target import Target
from ...dialects.kernel.schedule import ScheduleAttr
from .analysis import NestInfo
from .generate import Generator
from .writer import Vector, tile_cost

ROW = 8
"""Sums that a work-item keeps in registers."""


class ItemGenerator(Generator):
    """Writes the schedule of one nest for work-items."""

    def vector(self) -> Vector:
        """The dimension that work-items share: never one that is reduced."""
        best, least = Vector(None, 1), self.access_cost(None, 1)
        for dim in self.info.shared:
            if self.sizes[dim] < 2 or dim not in self.info.free:
                continue
            cost = self.access_cost(dim, min(32, self.sizes[dim]))
            if cost < least:
                best, least = Vector(dim, 1), cost
        return best

    def schedule(self) -> ScheduleAttr:
        shared = self.vector().dim
        kept = [d for d in self.info.shared if self.sizes[d] > 1 and d is not shared]
        row = self._row(kept, shared)
        if shared is not None:
            self.loop("parallel", shared, min(self.sizes[shared], self.target.items))
        for dim in kept:
            if dim is not row:
                self.loop("parallel", dim)
        step = 1
        if row is not None:
            most = min(ROW, self.sizes[row])
            step = min(
                range(1, most + 1),
                key=lambda r: (tile_cost(self.sizes[row], r, 1), -r),
            )
            groups = prod(self.sizes[d] for d in kept if d is not row)
            wide = groups * ceil(self.sizes[row] / step) <= self.target.max_grid
            self.loop("parallel" if wide else "serial", row, step)
        if shared is not None:
            self.loop("item", shared)
        reduces = self.info.reduces
        dims = list(dict.fromkeys(d for r in reduces for d in r.dims))
        self.reduction(dims)
        for dim in self.info.nest.dims:
            if dim not in self.taken and self.sizes[dim] > 1:
                self.loop("serial", dim)
        if row is not None:
            self.loop("unroll", row)
        return ScheduleAttr(ArrayAttr(self.loops))

    def _row(self, kept: list[SSAValue], shared: SSAValue | None) -> SSAValue | None:
        """The innermost kept dimension of a contraction that reuses a read."""
        if self.info.contraction is None or shared is None:
            return None
        _, left, right = self.info.contraction
        steady = [a for a in (left, right) if a is not None and shared in a.dims]
        rows = [d for d in kept if all(d not in a.dims for a in steady)]
        return rows[-1] if rows else None


def generator_for(info: NestInfo, target: Target) -> Generator:
    """The generator that writes schedules for a target's lanes."""
    return (ItemGenerator if target.items > 1 else Generator)(info, target)
