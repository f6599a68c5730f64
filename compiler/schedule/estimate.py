"""What a nest costs by the schedule that it would get: to compare nests that do the same."""

from __future__ import annotations

from math import prod

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp
from ...dialects.kernel.schedule import ScheduleAttr
from .generate import GATHER, Generator
from .items import ItemGenerator
from .join import settle
from .writer import Vector, tile_cost


def scattered(nest: NestOp, target: Target) -> int:
    """
    How many accesses of a nest that reduces have lanes that are no neighbours. Where
    nothing is reduced, squares may be transposed.
    """
    info = settle(nest.clone(), target)
    vector = Generator(info, target).vector()
    if vector.dim is None or not info.reduces:
        return 0
    return sum(
        info.lane_stride(access, vector.dim, vector.lanes) not in (0, 1)
        for access in info.accesses
        if vector.dim in access.dims
    )


def keeps_streams(nest: NestOp, target: Target) -> bool:
    """
    Whether the loops of a sum of products walk what no cache holds as it lies in memory.
    """
    info = settle(nest.clone(), target)
    if info.contraction is None:
        return True
    loops = Generator(info, target).schedule().loops
    reduced = {d.name_hint: d for d in info.reduced}
    walked = [
        (reduced[loop.dim.data], loop.step.data)
        for loop in loops
        if loop.mapping.data == "serial" and loop.dim.data in reduced
    ]
    for factor in info.contraction[1:]:
        if factor is None or factor.bytes <= target.cache:
            continue
        dims = [(dim, s) for dim, s in walked if not factor.flat.in_quotient(dim)]
        strides = [factor.flat.coefficient(dim) * step for dim, step in dims]
        if strides != sorted(strides, reverse=True):
            return False
    return True


def estimate(nest: NestOp, target: Target) -> float:
    """
    About how many instructions `nest` takes.

    A sum of products runs in register tiles: tiles that are partly empty take as long as
    full ones, and what lanes have to gather is gathered again for each row of tiles.
    """
    info = settle(nest.clone(), target)
    generator = (ItemGenerator if target.items > 1 else Generator)(info, target)
    vector = generator.vector()
    lanes = vector.lanes
    if target.items > 1 and vector.dim is not None:
        lanes = min(target.items, info.sizes[vector.dim])
    cost = generator.access_cost(vector.dim, lanes)
    if info.contraction is None:
        return cost
    sizes = {d.name_hint or "": info.sizes[d] for d in info.nest.dims}
    rows, registers = _tile(generator.schedule(), vector, sizes)
    points = prod(sizes.values())
    for factor in info.contraction[1:]:
        if factor is not None and vector.dim in factor.dims:
            assert vector.dim is not None
            if info.lane_stride(factor, vector.dim, lanes) not in (0, 1):
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
