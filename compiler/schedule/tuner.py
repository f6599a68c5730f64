"""
Try schedules on this machine and keep the fastest of each nest.

Every candidate is compiled and timed by itself, on one thread, with cold weights. The
slowest are dropped after a first look; the others are timed again in turns, so that a slow
moment of the machine touches all of them alike. The generator's own schedule stays unless
another one is clearly faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from xdsl.dialects.builtin import ModuleOp

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp, ScheduleAttr
from ...dialects.kernel.tiles import FuncOp
from ...dialects.plan import LaunchOp, WeightOp
from ...dialects.types import buffer_type
from ..interpreter import main_function
from .apply import Lowering
from .candidates import candidates
from .collapse import collapse
from .table import Entry, Table

KEPT, ROUNDS = 4, 12
"""Candidates that are timed again, and how often."""

FIRST_LOOKS = 2

GAIN = 0.97
"""A schedule replaces the generator's when it takes at most this share of its time."""

FLOPS_PER_SECOND, BYTES_PER_SECOND = 50e9, 10e9
"""About what a thread does: the heaviest nests come first."""


@dataclass(frozen=True)
class Job:
    """A nest to tune."""

    nest: NestOp
    cold: tuple[int, ...]
    """Positions of buffers that hold weights."""
    seconds: float
    """About how long the network spends in it."""


def tune(
    module: ModuleOp,
    target: Target,
    table: Table,
    budget: float,
    tell: Callable[[str], None],
) -> None:
    """
    Put the best schedules of the module's nests into `table`, for `budget` seconds.

    Nests that the table knows are left alone. `tell` hears how it went.
    """
    deadline = time.monotonic() + budget
    jobs = [job for job in _jobs(module) if not _is_known(job.nest, target, table)]
    better = done = 0
    for job in jobs:
        if time.monotonic() > deadline:
            break
        entry = best_schedule(job, target, table.version, deadline)
        table.entries[table.key(job.nest, target)] = entry
        better += entry.schedule != entry.untuned
        done += 1
    table.write()
    tell(
        f"{done} of {len(jobs)} kernels tuned, {better} of them faster than before"
        + (": the budget is spent" if done < len(jobs) else "")
    )


def _is_known(nest: NestOp, target: Target, table: Table) -> bool:
    return table.key(nest, target) in table.entries


def _jobs(module: ModuleOp) -> list[Job]:
    """The nests without a schedule, heaviest first."""
    launches: dict[str, list[LaunchOp]] = {}
    for op in main_function(module).body.block.ops:
        if isinstance(op, LaunchOp):
            launches.setdefault(op.kernel_name, []).append(op)
    jobs: list[Job] = []
    for nest in module.body.block.ops:
        if not isinstance(nest, NestOp) or nest.schedule.loops.data:
            continue
        own = launches.get(nest.sym_name.data, [])
        if not own:
            continue
        collapse(nest)
        cold = tuple(
            position
            for position, value in enumerate(own[0].buffers)
            if isinstance(value.owner, WeightOp)
        )
        jobs.append(Job(nest, cold, sum(map(_work, own))))
    return sorted(jobs, key=lambda job: -job.seconds)


def _work(launch: LaunchOp) -> float:
    """About the seconds that a launch takes."""
    flops = launch.flops.value.data
    moved = sum(4 * prod(buffer_type(b).get_shape()) for b in launch.buffers)
    return max(flops / FLOPS_PER_SECOND, moved / BYTES_PER_SECOND)


def best_schedule(job: Job, target: Target, version: str, deadline: float) -> Entry:
    """Time the candidates of one nest."""
    from ...backends.cpu.measure import Measured, memory_for

    schedules = candidates(job.nest, target)
    funcs = [_lowered(job.nest, schedule) for schedule in schedules]
    memory = memory_for(funcs[0], job.cold)
    times: dict[int, Measured] = {}
    for number, func in enumerate(funcs):
        if times and time.monotonic() > deadline:
            break
        times[number] = Measured(func, target, memory)
        for _ in range(FIRST_LOOKS):
            times[number].measure()
    ranked = sorted(times, key=lambda number: times[number].least)
    finalists = dict.fromkeys([0, *ranked[:KEPT]])
    for _ in range(ROUNDS):
        for number in finalists:
            times[number].measure()
    best = min(finalists, key=lambda number: times[number].least)
    if times[best].least > GAIN * times[0].least:
        best = 0
    return Entry(
        kernel=_described(job.nest),
        cpu=str(target.details.get("cpu", target.name)),
        ovc=version,
        schedule=str(schedules[best]),
        microseconds=round(times[best].least * 1e6, 3),
        untuned=str(schedules[0]),
        untuned_microseconds=round(times[0].least * 1e6, 3),
    )


def _lowered(nest: NestOp, schedule: ScheduleAttr) -> FuncOp:
    copy = nest.clone()
    copy.properties["schedule"] = schedule
    return Lowering(copy).function()


def _described(nest: NestOp) -> str:
    """A nest for people: its name and its dimensions."""
    sizes: Sequence[str] = [
        f"{dim.name_hint} = {size}"
        for dim, size in zip(nest.dims, nest.extents, strict=True)
        if size > 1
    ]
    return f"{nest.sym_name.data} over {', '.join(sizes)}"
