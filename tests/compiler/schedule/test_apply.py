"""Lowered kernels compute what their nests say, whatever the schedule."""

from __future__ import annotations

import pytest
from executors import lowered
from hypothesis import given, settings
from kernels import Kernel, chained, matmul, scheduled_kernels, softmax
from ovc.dialects.kernel.access import LoadOp
from ovc.dialects.kernel.loops import LoopOp
from tile_machine import run_tiles


@settings(max_examples=100)
@given(scheduled_kernels(items=True))
def test_results_are_kept(kernel: Kernel) -> None:
    kernel.check(run_tiles(lowered(kernel), kernel.arrays))


@pytest.mark.parametrize(
    ("schedule", "loads"),
    [
        ("parallel r, unroll c by 16, vector c by 16", 1),
        ("parallel r, serial c by 16, vector c by 16", 3),
    ],
)
def test_the_schedule_decides_between_keeping_and_reading_again(
    schedule: str, loads: int
) -> None:
    """A row in registers is read once; a row that a loop walks, by every pass over it."""
    func = lowered(softmax(4, 64).scheduled(schedule))
    assert sum(isinstance(op, LoadOp) for op in func.walk()) == loads


def test_the_grid_is_the_parallel_loops() -> None:
    func = lowered(matmul(7, 40, 3).scheduled("parallel m by 4, parallel n by 16"))
    grids = [
        [extent for _, extent, mapping in op.nest if mapping == "grid"]
        for op in func.body.block.ops
        if isinstance(op, LoopOp)
    ]
    assert grids == [[1, 2], [1, 1], [1, 2], [1, 1]]
    assert func.grid == 6


def test_items_in_each_other_are_multiplied() -> None:
    func = lowered(matmul(8, 8, 3).scheduled("parallel m by 4, item m, item n by 2"))
    assert (func.grid, func.items) == (2, 16)


def test_a_reduced_dimension_is_never_parallel() -> None:
    func = lowered(matmul(4, 4, 8).scheduled("parallel k, parallel m"))
    assert func.grid == 4


@pytest.mark.parametrize("rows", [3, 8])
@pytest.mark.parametrize(
    "schedule",
    [
        "serial j by 4, unroll j",
        "serial j by 8, serial j by 4, unroll j",
        "serial j by 5, unroll j",
        "serial j by 4, unroll j by 2",
        "serial j by 4, unroll j, vector i by 4",
        "serial j by 8, unroll j by 4, vector j by 4",
    ],
)
def test_sums_side_by_side_that_start_from_another(rows: int, schedule: str) -> None:
    kernel = chained(rows, 16).scheduled(schedule)

    kernel.check(run_tiles(lowered(kernel), kernel.arrays))
