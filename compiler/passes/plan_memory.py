"""
Give every buffer of the arena a place.

    plan.buffer : memref<…>   ==>   plan.buffer at 4096 : memref<…>

A buffer lives from the first launch that names it to the last. Buffers that live at the
same time never overlap; the largest are placed first, each at its lowest free place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects.plan import BufferOp, LaunchOp, ViewOp
from ...dialects.types import buffer_bytes
from ..interpreter import main_function

ALIGNMENT = 64


@dataclass(frozen=True)
class Lifetime:
    """A buffer of `size` bytes, used at the steps `[first, last]`."""

    size: int
    first: int
    last: int


@dataclass(frozen=True)
class PlanMemoryPass(ModulePass):
    """Place the arena's buffers."""

    name = "plan-memory"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        body = main_function(op).body.block
        uses: dict[SSAValue, list[int]] = {}
        for step, launch in enumerate(body.ops):
            if isinstance(launch, LaunchOp):
                for buffer in launch.buffers:
                    uses.setdefault(root_of(buffer), []).append(step)
        buffers = [b for b in body.ops if isinstance(b, BufferOp) and b.result in uses]
        lifetimes = [
            Lifetime(buffer_bytes(b.result), min(uses[b.result]), max(uses[b.result]))
            for b in buffers
        ]
        offsets, _ = plan_arena(lifetimes, ALIGNMENT)
        for buffer, offset in zip(buffers, offsets, strict=True):
            buffer.properties["offset"] = IntegerAttr(offset, i64)


def root_of(buffer: SSAValue) -> SSAValue:
    """The buffer behind views."""
    return place_of(buffer)[0]


def place_of(buffer: SSAValue) -> tuple[SSAValue, int]:
    """The buffer behind views, and how many bytes behind its start they begin."""
    offset = 0
    while isinstance(buffer.owner, ViewOp):
        offset += buffer.owner.start
        buffer = buffer.owner.source
    return buffer, offset


def plan_arena(
    buffers: Sequence[Lifetime], alignment: int = ALIGNMENT
) -> tuple[list[int], int]:
    """
    Offsets for `buffers` in one arena, and the size of that arena.

    Args:
        buffers: sizes in bytes, steps in program order.
        alignment: bytes; every offset is a multiple of it.

    Returns:
        One offset in bytes per buffer, in the order given, and the arena size in bytes.
    """
    offsets = [0] * len(buffers)
    placed: list[int] = []
    total = 0
    for index in sorted(range(len(buffers)), key=lambda i: -buffers[i].size):
        own = buffers[index]
        meeting = [
            (offsets[other], offsets[other] + buffers[other].size)
            for other in placed
            if buffers[other].first <= own.last and own.first <= buffers[other].last
        ]
        offset = 0
        for start, end in sorted(meeting):
            if offset + own.size <= start:
                break
            offset = max(offset, -(-end // alignment) * alignment)
        offsets[index] = offset
        placed.append(index)
        total = max(total, offset + own.size)
    return offsets, -(-total // alignment) * alignment
