"""
Choose a schedule for a nest, from the strides of its accesses and a target's facts.

No operator is known here. A nest is a *contraction* when it sums products, a *fold* when
it reduces otherwise, and else a *map*. All three choose the vector dimension by the cost
of its accesses; a contraction then looks for the register tile that wastes least.
"""

from __future__ import annotations

from math import ceil, prod

from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import SSAValue

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp
from ...dialects.kernel.schedule import ScheduleAttr
from .analysis import Access, lanes_for
from .contraction import Contractions
from .join import settle
from .writer import Vector

GATHER = 1.5
"""Cost of one element that is loaded or stored by itself, against a full register's 1."""

TURN = 3
"""Cost of a register that is loaded across and transposed with others."""

PICK = 2
"""Cost of a register whose lanes are picked from another one."""

FEWEST = 4
"""Registers that are worth a transposition."""

ROWS = 8
"""Rows that a fold along lanes works on together: their chains overlap."""

FOLD = 4
"""Cost of adding up the lanes of a register, per output."""


class Generator(Contractions):
    """Writes the schedule of one nest."""

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
        """
        About how many instructions the domain takes, those on whole registers.

        Products on narrow ones, of which several run in that time, count in part.
        """
        size = self.sizes[dim] if dim else 1
        filled = size / (ceil(size / lanes) * lanes)
        products = self.info.contraction is not None and dim in self.info.shared
        if products and lanes <= self.target.narrow:
            filled *= self.target.lanes / self.target.narrow
        total = 0.0
        for access in self.info.accesses:
            weight = self._times(access, dim)
            if dim is None or dim not in access.dims:
                total += weight / (lanes * filled) if dim not in access.dims else weight
                continue
            stride = self.info.lane_stride(access, dim, lanes)
            each = 1 / (lanes * filled) if stride in (0, 1) else GATHER
            if stride not in (0, 1) and self._neighbours(access, dim):
                each = TURN / (lanes * filled)
            elif stride is None and self.info.picks(access, dim, lanes) is not None:
                each = PICK / (lanes * filled)
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

    def _times(self, access: Access, dim: SSAValue | None) -> int:
        """
        How often an access happens: once for each of its points, in a register tile.

        Lanes along a dimension of both factors have no tile: only sums in a row share.
        """
        dims = set(access.dims)
        _, *factors = self.info.contraction or (None,)
        both = all(a is not None and dim in a.dims for a in factors)
        if both and access in factors and dim not in self.info.reduced:
            kept = [d for d in self.info.shared if d is not dim and self.sizes[d] > 1]
            dims |= set(kept[:-1])
        return prod(self.sizes[d] for d in dims)

    # writing

    def schedule(self) -> ScheduleAttr:
        """The schedule chosen."""
        vector = self.vector()
        if self.info.contraction is not None and self._shares(vector):
            self._contraction(vector)
        elif self.info.reduces:
            self._fold(vector)
        else:
            self._map(vector)
        return ScheduleAttr(ArrayAttr(self.loops))

    # folds

    def _shares(self, vector: Vector) -> bool:
        """Whether a factor of the contraction serves several sums that lanes add up."""
        assert self.info.contraction is not None
        reduce, *factors = self.info.contraction
        if vector.dim not in reduce.dims:
            return True
        kept = {d for d in self.info.shared if self.sizes[d] > 1}
        return any(a is not None and kept - a.dims for a in factors)

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
        others = [d for d in kept if d is not vector.dim]
        rows = others[-1:] if vector.dim in info.reduced else []
        shares = self._grid([], [d for d in others if d not in rows])
        for row in rows:
            room = max(1, self.target.max_grid // shares)
            self.loop("parallel", row, ROWS * ceil(self.sizes[row] / ROWS / room))
        for dim in [*kept, *info.nest.dims]:
            if dim not in self.taken and dim is not vector.dim and self.sizes[dim] > 1:
                self.loop("serial", dim)
        for row in rows:
            self.loop("serial", row, ROWS)
            self.loop("unroll", row)
        self._vector_registers(vector, 1 if rows else 4)

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
        turned = None if wide else self._turned(vector, others)
        if turned is not None:
            self._transposed(vector, turned, [d for d in others if d is not turned])
            return
        if others and not wide and self._in_blocks(vector):
            self._rows_of_blocks(vector, others, registers)
            return
        self._grid([(vector.dim, vector.lanes)] if wide and vector.dim else [], others)
        for dim in info.nest.dims:
            if dim not in self.taken and dim is not vector.dim and self.sizes[dim] > 1:
                self.loop("serial", dim)
        if wide and vector.dim is not None:
            self.loop("vector", vector.dim, vector.lanes)
            return
        self._vector_registers(vector, registers)

    def _in_blocks(self, vector: Vector) -> bool:
        """Whether the next lanes of some tensor lie behind its other dimensions."""
        accesses = self.info.accesses
        return vector.dim is not None and any(
            access.flat.in_quotient(vector.dim) for access in accesses
        )

    def _rows_of_blocks(
        self, vector: Vector, others: list[SSAValue], registers: int
    ) -> None:
        """Blocks of lanes outside, so that registers are neighbours in memory."""
        assert vector.dim is not None
        *outer, row = others
        self._grid([(vector.dim, vector.lanes)], outer)
        for dim in self.info.nest.dims:
            open_ = dim not in (*self.taken, row)
            if open_ and self.sizes[dim] > 1:
                self.loop("serial", dim)
        step = min(registers, self.sizes[row])
        self.loop("serial", row, step)
        if step > 1:
            self.loop("unroll", row)
        self.loop("vector", vector.dim, vector.lanes)

    def _turned(self, vector: Vector, others: list[SSAValue]) -> SSAValue | None:
        """The dimension along which memory is read where lanes would gather."""
        if vector.dim is None:
            return None
        for access in self.info.accesses:
            stride = self.info.lane_stride(access, vector.dim, vector.lanes)
            dim = self._neighbours(access, vector.dim)
            if stride not in (0, 1) and dim in others:
                return dim
        return None

    def _neighbours(self, access: Access, vector: SSAValue) -> SSAValue | None:
        """The dimension, not `vector`, that a map reads its neighbours along."""
        if access.is_write or access.dynamic or self.info.reduces:
            return None
        if not self.target.transposes:
            return None
        for dim in reversed(self.info.shared):
            stride = self.info.lane_stride(access, dim, self.target.lanes)
            if dim is not vector and stride == 1:
                return dim if self.sizes[dim] >= FEWEST else None
        return None

    def _transposed(
        self, vector: Vector, turned: SSAValue, others: list[SSAValue]
    ) -> None:
        """Squares of registers: rows are loaded, columns are needed."""
        assert vector.dim is not None
        squares = ceil(self.sizes[turned] / vector.lanes)
        rows = ceil(self.sizes[turned] / squares)
        if any(access.flat.in_quotient(turned) for access in self.info.accesses):
            rows = min(vector.lanes, self.sizes[turned])  # whole blocks of memory
        self._grid([], others, squares)
        self.loop("parallel", turned, rows)
        for dim in self.info.nest.dims:
            if dim not in self.taken and dim is not vector.dim and self.sizes[dim] > 1:
                self.loop("serial", dim)
        self.loop("serial", vector.dim, vector.lanes)
        self.loop("unroll", turned)
        self.loop("transpose", turned)
        self.loop("vector", vector.dim, vector.lanes)

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


def schedule_nest(nest: NestOp, target: Target) -> None:
    """
    Collapse and join the dimensions of `nest` and give it a schedule, in place.

    Parallel loops that are there already are kept as blocks: what follows walks a block.
    """
    from .items import generator_for

    blocks = nest.schedule.loops.data
    info = settle(nest, target)
    for dim in nest.dims:
        for loop in blocks:
            if loop.dim.data == dim.name_hint:
                info.sizes[dim] = min(loop.step.data, info.sizes[dim])
    schedule = generator_for(info, target).schedule()
    if blocks:
        loops = [*blocks, *(loop.inside_a_block() for loop in schedule.loops)]
        schedule = ScheduleAttr(ArrayAttr(loops))
    nest.properties["schedule"] = schedule
