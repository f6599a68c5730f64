"""
Try schedules on this machine and keep the fastest of each nest.

Every candidate is compiled and timed by itself, on one thread, with cold weights. The
slowest are dropped after a first look; the others are timed again in turns, so that a slow
moment of the machine touches all of them alike. The generator's own schedule stays unless
another one is clearly faster. What was found is written after each nest, so that nothing
is lost when somebody does not want to wait.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from xdsl.dialects.builtin import ModuleOp

from ...backends.target import Target
from ...dialects.kernel.loops import FuncOp
from ...dialects.kernel.nest import NestOp
from ...dialects.kernel.schedule import ScheduleAttr
from ...dialects.plan import LaunchOp, WeightOp
from ...dialects.types import buffer_type
from ..interpreter import main_function
from ..options import Observer
from .apply import Lowering
from .candidates import candidates
from .join import settle
from .table import Entry, Table

KEPT, ROUNDS = 4, 12
"""Candidates that are timed again, and how often."""

FIRST_LOOKS = 2

GAIN = 0.97
"""A schedule replaces the generator's when it takes at most this share of its time."""

GAIN_ELSEWHERE = 0.9
"""The same when threads would get other parts: what one wrote, another would read."""

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


@dataclass(frozen=True)
class Budget:
    """How long tuning may go on, and who watches it."""

    deadline: float
    observer: Observer

    @staticmethod
    def of(seconds: float, observer: Observer) -> Budget:
        """From now on."""
        return Budget(time.monotonic() + seconds, observer)

    def half(self) -> Budget:
        """What comes first may take half of what is left."""
        now = time.monotonic()
        return replace(self, deadline=now + (self.deadline - now) / 2)

    @property
    def is_spent(self) -> bool:
        return time.monotonic() >= self.deadline


def tune(module: ModuleOp, target: Target, table: Table, budget: Budget) -> None:
    """
    Put the best schedules of the module's nests into `table`, and the table on disk.

    Nests that the table knows are left alone.
    """
    jobs: dict[str, Job] = {}  # several nests may be the same but for the name
    for job in _jobs(module, target):
        key = table.key(job.nest, target)
        if key not in table.entries:
            jobs.setdefault(key, job)
    better = done = 0
    for key, job in jobs.items():
        if budget.is_spent:
            break
        budget.observer.started(f"tune {job.nest.sym_name.data}", done, len(jobs))
        entry = best_schedule(job, target, table.version, budget.deadline)
        table.entries[key] = entry
        better += entry.schedule != entry.untuned
        table.write()
        done += 1
    if jobs:
        budget.observer.told(
            f"{done} of {len(jobs)} kernels tuned, {better} of them faster than before"
            + (": the budget is spent" if done < len(jobs) else "")
        )


def _jobs(module: ModuleOp, target: Target) -> list[Job]:
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
        settle(nest, target)
        jobs.append(Job(nest, cold_buffers(own[0]), sum(map(_work, own))))
    return sorted(jobs, key=lambda job: -job.seconds)


def cold_buffers(launch: LaunchOp) -> tuple[int, ...]:
    """Positions of the buffers of a launch that hold weights."""
    return tuple(
        position
        for position, value in enumerate(launch.buffers)
        if isinstance(value.owner, WeightOp)
    )


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
        if times and time.monotonic() >= deadline:
            break
        times[number] = Measured(func, target, memory)
        for _ in range(FIRST_LOOKS):
            times[number].measure()
    ranked = sorted(times, key=lambda number: times[number].least)
    finalists = dict.fromkeys([0, *ranked[:KEPT]])
    for _ in range(ROUNDS):
        for number in finalists:
            times[number].measure()
    best = 0
    for number in sorted(finalists, key=lambda number: times[number].least):
        elsewhere = _shared_by(schedules[number]) != _shared_by(schedules[0])
        gain = GAIN_ELSEWHERE if elsewhere else GAIN
        if times[number].least <= gain * times[0].least:
            best = number
            break
    return Entry(
        kernel=_described(job.nest),
        cpu=str(target.details.get("cpu", target.name)),
        ovc=version,
        schedule=str(schedules[best]),
        microseconds=round(times[best].least * 1e6, 3),
        untuned=str(schedules[0]),
        untuned_microseconds=round(times[0].least * 1e6, 3),
    )


def _shared_by(schedule: ScheduleAttr) -> str | None:
    """The dimension whose parts go to different threads."""
    parallel = (loop for loop in schedule.loops if loop.mapping.data == "parallel")
    return next((loop.dim.data for loop in parallel), None)


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
