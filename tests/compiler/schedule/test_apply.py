"""Lowered kernels compute what their nests say, whatever the schedule."""

from __future__ import annotations

from hypothesis import given, settings
from kernels import (
    Kernel,
    scheduled_kernels,
)
from ovc.compiler.schedule.apply import Lowering
from ovc.dialects.kernel.tiles import FuncOp
from tile_machine import run_tiles


def lowered(kernel: Kernel) -> FuncOp:
    """The verified tile form of a kernel; its nest stays as it is."""
    func = Lowering(kernel.nest).function()
    func.verify()
    return func


def check(kernel: Kernel) -> FuncOp:
    func = lowered(kernel)
    kernel.check(run_tiles(func, kernel.arrays))
    return func


@settings(max_examples=150)
@given(scheduled_kernels(items=True))
def test_results_are_kept(kernel: Kernel) -> None:
    check(kernel)
