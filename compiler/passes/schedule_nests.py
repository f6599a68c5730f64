"""
Give every nest a schedule.

    kernel.nest … schedule <>   ==>   kernel.nest … schedule <parallel oc by 32, …>

The choice is made by `compiler/schedule/generate.py` from strides and the target's facts.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects.kernel.nest import NestOp
from ..schedule.generate import schedule_nest
from ..schedule.join import settle
from ..schedule.table import Table
from ..schedule.tuner import Budget, tune
from ..targets import find_target


@dataclass(frozen=True)
class ScheduleNestsPass(ModulePass):
    """Schedule the nests that have no schedule yet, or only the blocks of one."""

    name = "schedule-nests"

    target: str = "cpu"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = find_target(self.target)
        for nest in op.body.block.ops:
            if isinstance(nest, NestOp) and nest.schedule.is_open:
                schedule_nest(nest, target)


@dataclass(frozen=True)
class TunedNests(ModulePass):
    """`schedule-nests` after a look at what was tuned; the driver puts it in its place."""

    name = "schedule-nests"

    table: Table
    target: str
    budget: Budget | None
    """For tuning before; None: the table stays as it is."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = find_target(self.target)
        if self.budget is not None:
            tune(op, target, self.table, self.budget)
        for nest in op.body.block.ops:
            if isinstance(nest, NestOp) and not nest.schedule.loops.data:
                settle(nest, target)
                found = self.table.schedule(nest, target)
                if found is not None:
                    nest.properties["schedule"] = found
        ScheduleNestsPass(self.target).apply(ctx, op)
