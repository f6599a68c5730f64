"""What a nest costs by the schedule that it would get: to compare nests that do the same."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp
from ...dialects.kernel.schedule import ScheduleAttr
from .analysis import Access, NestInfo
from .generate import GATHER
from .items import generator_for
from .join import settle
from .writer import Vector, tile_cost


@dataclass(frozen=True)
class Estimate:
    """What a nest would be like with the schedule that it would get."""

    cost: float
    """About how many instructions it takes."""
    scattered: int
    """
    Accesses whose lanes are no neighbours, when it reduces; where nothing is reduced,
    squares may be transposed.
    """
    streams: bool
    """Whether a sum of products walks what no cache holds as it lies in memory."""


def estimate(nest: NestOp, target: Target) -> Estimate:
    """The facts about a nest that decide between nests that do the same."""
    info = settle(nest.clone(), target)
    generator = generator_for(info, target)
    vector = generator.vector()
    if target.items > 1 and vector.dim is not None:
        vector = Vector(vector.dim, min(target.items, info.sizes[vector.dim]))
    cost = generator.access_cost(vector.dim, vector.lanes)
    if info.contraction is None:
        return Estimate(cost, _scattered(info, vector), streams=True)
    schedule = generator.schedule()
    return Estimate(
        _tiled(info, vector, schedule, cost),
        _scattered(info, vector),
        all(a is None or _in_order(info, a, schedule, target) for a in info.factors),
    )


def _scattered(info: NestInfo, vector: Vector) -> int:
    if vector.dim is None or not info.reduces:
        return 0
    return sum(
        info.lane_stride(access, vector.dim, vector.lanes) not in (0, 1)
        for access in info.accesses
        if vector.dim in access.dims
    )


def _in_order(
    info: NestInfo, factor: Access, schedule: ScheduleAttr, target: Target
) -> bool:
    """Whether the loops over a sum walk a factor as it lies, if no cache holds it."""
    if factor.bytes <= target.cache:
        return True
    reduced = {d.name_hint: d for d in info.reduced}
    strides = [
        factor.flat.coefficient(dim) * loop.step.data
        for loop in schedule.loops
        if loop.mapping.data == "serial"
        and (dim := reduced.get(loop.dim.data)) is not None
        and not factor.flat.in_quotient(dim)
    ]
    return strides == sorted(strides, reverse=True)


def _tiled(
    info: NestInfo, vector: Vector, schedule: ScheduleAttr, cost: float
) -> float:
    """
    The cost of a sum of products in register tiles.

    Tiles that are partly empty take as long as full ones, and what lanes have to gather is
    gathered again for each row of tiles.
    """
    sizes = {d.name_hint or "": info.sizes[d] for d in info.nest.dims}
    rows, registers = _tile(schedule, vector, sizes)
    points = prod(sizes.values())
    for factor in info.factors:
        if factor is not None and vector.dim in factor.dims:
            assert vector.dim is not None
            if info.lane_stride(factor, vector.dim, vector.lanes) not in (0, 1):
                cost += GATHER * points / prod(step for _, step in rows)
    return cost * _waste(rows, registers)


def _tile(
    schedule: ScheduleAttr, vector: Vector, sizes: dict[str, int]
) -> tuple[list[tuple[int, int]], int]:
    """The row dimensions of a register tile as (size, step), and registers of a row."""
    lanes_of = None if vector.dim is None else vector.dim.name_hint
    steps: dict[str, int] = {}
    unrolled: list[str] = []
    for loop in schedule.loops:
        if loop.mapping.data == "unroll":
            unrolled.append(loop.dim.data)
        elif loop.mapping.data in ("serial", "parallel") and loop.step.data > 1:
            steps[loop.dim.data] = loop.step.data
    registers = max(1, steps.get(lanes_of or "", 1) // vector.lanes)
    rows = [(sizes[d], steps.get(d, sizes[d])) for d in unrolled if d != lanes_of]
    return rows, registers


def _waste(rows: list[tuple[int, int]], registers: int) -> float:
    """Cycles that a row of tiles takes, against the products in it."""
    *outer, (size, step) = rows or [(1, 1)]
    cycles = sum(
        tile_cost(size, step, registers * count) * times
        for count, times in _tiles(outer)
    )
    return cycles / (prod(size for size, _ in rows) * registers)


def _tiles(rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(rows of a tile, how often) for the outer row dimension, if there is one."""
    if not rows:
        return [(1, 1)]
    size, step = rows[-1]
    whole, rest = divmod(size, step)
    times = prod(s for s, _ in rows[:-1])
    tiles = [(step, whole * times)]
    return [*tiles, (rest, times)] if rest else tiles
