"""
Schedules that a tuner may try for a nest.

A candidate is what the generator writes when one of its choices is made otherwise: the
registers along the vector dimension, the rows of a register tile, the order of the grid,
or the place of the blocks of a reduction. All of them mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import SSAValue

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp
from ...dialects.kernel.schedule import LoopAttr, ScheduleAttr
from .analysis import NestInfo
from .generate import Generator
from .writer import Vector, tile_cost

REGISTERS = (1, 2, 3, 4, 6, 8)
"""Vector registers that are tried along the vector dimension."""

BEST_ROWS = 3
"""Row tiles that are tried for each number of registers, cheapest first."""


@dataclass(frozen=True)
class Choices:
    """What to do otherwise; None leaves the choice to the generator."""

    registers: int | None = None
    rows: int = 0
    """The place of a row tile among those that waste least."""


class Variant(Generator):
    """Writes the schedule of one nest as the choices say, where they are possible."""

    def __init__(self, info: NestInfo, target: Target, choices: Choices) -> None:
        super().__init__(info, target)
        self.choices = choices

    def _registers(self, vector: Vector, rows: list[SSAValue]) -> int:
        wished = self.choices.registers
        if wished is None or vector.dim is None or vector.dim in self.info.reduced:
            return super()._registers(vector, rows)
        step = wished * vector.lanes
        if step > self.sizes[vector.dim] + vector.lanes - 1:
            return super()._registers(vector, rows)
        regular = self.info.is_regular(vector.dim, step, vector.lanes)
        return wished if regular else super()._registers(vector, rows)

    def _rows(self, rows: list[SSAValue], registers: int) -> dict[SSAValue, int]:
        if not self.choices.rows:
            return super()._rows(rows, registers)
        budget = max(1, self.target.accumulators // registers)
        return {rows[-1]: self._ranked(rows[-1], budget, registers)}

    def _row_step(self, row: SSAValue, picked: bool) -> int:
        if not self.choices.rows:
            return super()._row_step(row, picked)
        return self._ranked(row, self.target.accumulators // 2, 1)

    def _ranked(self, dim: SSAValue, most: int, registers: int) -> int:
        """The tile size at the wished place, the one that wastes least first."""
        sizes = sorted(
            range(1, min(most, self.sizes[dim]) + 1),
            key=lambda r: (tile_cost(self.sizes[dim], r, registers), -r),
        )
        return sizes[min(self.choices.rows, len(sizes)) - 1]

    def _vector_registers(self, vector: Vector, most: int) -> None:
        super()._vector_registers(vector, self.choices.registers or most)


def candidates(nest: NestOp, target: Target) -> list[ScheduleAttr]:
    """
    Schedules for a nest whose dimensions are collapsed, the generator's own first.

    Each of them differs from the others, and is one that the nest verifies with.
    """
    info = NestInfo(nest)
    found: dict[str, ScheduleAttr] = {}
    places = range(BEST_ROWS + 1)
    for registers, rows in product((None, *REGISTERS), places):
        schedule = Variant(info, target, Choices(registers, rows)).schedule()
        if registers is None or _fits(schedule, target):
            found.setdefault(str(schedule), schedule)
    for schedule in list(found.values()):
        for loops in _orders(schedule.loops.data, info):
            other = ScheduleAttr(ArrayAttr(loops))
            found.setdefault(str(other), other)
    return list(found.values())


def _fits(schedule: ScheduleAttr, target: Target) -> bool:
    """Whether the registers of a tile are there."""
    steps = {loop.dim.data: loop.step.data for loop in schedule.loops if _walks(loop)}
    count = 1
    for loop in schedule.loops:
        if loop.mapping.data == "unroll":
            count *= -(-steps.get(loop.dim.data, 1) // loop.step.data)
    return count <= target.accumulators


def _walks(loop: LoopAttr) -> bool:
    return loop.mapping.data in ("parallel", "serial")


def _orders(loops: Sequence[LoopAttr], info: NestInfo) -> Iterator[list[LoopAttr]]:
    """The same loops with the grid turned around, or a reduction's blocks inside."""
    grid = [loop for loop in loops if loop.mapping.data == "parallel"]
    rest = [loop for loop in loops if loop.mapping.data != "parallel"]
    if len(grid) > 1:
        yield [*grid[1:], grid[0], *rest]
    reduced = {dim.name_hint for dim in info.reduced}
    blocks = [
        loop
        for loop in rest
        if loop.mapping.data == "serial"
        and loop.step.data > 1
        and loop.dim.data in reduced
    ]
    if blocks:
        block = blocks[0]
        others = [loop for loop in rest if loop is not block]
        inner = next(
            (
                place
                for place, loop in enumerate(others)
                if loop.mapping.data == "serial" and loop.dim == block.dim
            ),
            len(others),
        )
        yield [*grid, *others[:inner], block, *others[inner:]]
