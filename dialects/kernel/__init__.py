"""The kernel dialect: nests with schedules, and register tiles."""

from __future__ import annotations

from xdsl.ir import Dialect

from . import access, chain, loops, nest, schedule, tiles

Kernel = Dialect(
    "kernel",
    [
        nest.NestOp,
        nest.ReadOp,
        nest.WriteOp,
        nest.ReduceOp,
        nest.IndexOp,
        chain.ChainOp,
        chain.StageOp,
        chain.LocalOp,
        loops.FuncOp,
        loops.LoopOp,
        access.LoadOp,
        access.StoreOp,
        tiles.FillOp,
        tiles.PositionOp,
        tiles.ApplyOp,
        tiles.ContractOp,
        tiles.FoldOp,
        tiles.LanesOp,
        loops.YieldOp,
    ],
    [schedule.LoopAttr, schedule.ScheduleAttr, tiles.TileType],
)

__all__ = ["Kernel"]
