"""The kernel dialect: nests with schedules, and register tiles."""

from __future__ import annotations

from xdsl.ir import Dialect

from . import nest, schedule, tiles

Kernel = Dialect(
    "kernel",
    [
        nest.NestOp,
        nest.ReadOp,
        nest.WriteOp,
        nest.ReduceOp,
        nest.IndexOp,
        tiles.FuncOp,
        tiles.LoopOp,
        tiles.LoadOp,
        tiles.StoreOp,
        tiles.FillOp,
        tiles.PositionOp,
        tiles.ApplyOp,
        tiles.ContractOp,
        tiles.FoldOp,
        tiles.LanesOp,
        tiles.YieldOp,
    ],
    [schedule.LoopAttr, schedule.ScheduleAttr, tiles.TileType],
)

__all__ = ["Kernel"]
