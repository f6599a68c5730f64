"""Schedules that the generator chooses compute what their nests say, on every target."""

from __future__ import annotations

from dataclasses import replace

import pytest
from executors import lowered
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import KERNELS, Kernel, Maker, matmul, reduction, transposed_matmul
from ovc.backends.cpu.target import cpu_target
from ovc.backends.ocl.target import opencl_target
from ovc.backends.target import Target
from ovc.compiler.schedule.generate import schedule_nest
from ovc.dialects.kernel.access import LoadOp
from ovc.dialects.kernel.build import Nest
from ovc.dialects.kernel.loops import LoopOp
from ovc.dialects.kernel.tiles import tile_type
from tile_machine import run_tiles
from xdsl.ir import Operation

TRIPLE = "x86_64-unknown-linux-gnu"

SMALL = replace(
    cpu_target(TRIPLE, "x86-64-v3", "+avx2"), cache=1 << 10, near=1 << 6, accumulators=4
)
"""Its caches are so small that strips and prefetches appear in small kernels."""

TARGETS = {
    "small": SMALL,
    "avx512": cpu_target(TRIPLE, "x86-64-v4", "+avx2,+avx512f"),
    "avx2": cpu_target(TRIPLE, "x86-64-v3", "+avx2"),
    "sse": cpu_target(TRIPLE, "x86-64", ""),
    "opencl-cpu": opencl_target(),
    "opencl-gpu": opencl_target("gpu"),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=30)
@given(st.sampled_from(sorted(KERNELS)).flatmap(KERNELS.__getitem__))
def test_results_are_kept(target: Target, kernel: Kernel) -> None:
    schedule_nest(kernel.nest, target)
    kernel.nest.verify()

    kernel.check(run_tiles(lowered(kernel), kernel.arrays))


def schedule_of(kernel: Kernel, target: Target) -> str:
    schedule_nest(kernel.nest, target)
    return str(kernel.nest.schedule)


def test_columns_that_no_cache_holds_meet_strips_of_rows() -> None:
    text = schedule_of(matmul(40, 64, 32), SMALL)

    assert text == (
        "parallel m by 8, parallel n by 16, serial m by 2, serial k, "
        "unroll m, unroll n by 8, vector n by 8, prefetch n by 16"
    )


def test_columns_that_a_cache_holds_stay_there() -> None:
    text = schedule_of(matmul(40, 64, 32), TARGETS["avx2"])

    assert text.startswith("parallel m by ")
    assert "prefetch" not in text


@pytest.mark.parametrize(
    ("m", "n", "tile"), [(60, 3, (7, 3)), (60, 2, (9, 2)), (1, 9, (1, 9))]
)
def test_sums_of_lanes_share_what_both_factors_read(
    m: int, n: int, tile: tuple[int, int]
) -> None:
    text = schedule_of(transposed_matmul(m, n, 64), TARGETS["avx512"])

    for dim, size in zip("mn", tile, strict=True):
        assert size == 1 or f" {dim} by {size}, " in text
        assert size == 1 or f"unroll {dim}" in text
    assert text.endswith("vector k by 16")


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(9, 40))
def test_sums_of_lanes_are_kept(m: int, n: int, k: int) -> None:
    kernel = transposed_matmul(m, n, k)
    schedule_nest(kernel.nest, TARGETS["avx2"])

    kernel.check(run_tiles(lowered(kernel), kernel.arrays))


@pytest.mark.parametrize("rows", [1, 2, 4, 5, 12])
def test_few_rows_ask_for_nothing_ahead(rows: int) -> None:
    text = schedule_of(matmul(rows, 512, 256), TARGETS["avx512"])

    assert ("prefetch" in text) == (rows > 4)


def test_what_is_asked_for_ahead_is_the_next_columns() -> None:
    kernel = matmul(4, 64, 8).scheduled(
        "parallel n by 16, serial k, unroll m, unroll n by 8, vector n by 8, prefetch n by 16"
    )
    loads = [op for op in lowered(kernel).walk() if isinstance(op, LoadOp)]

    assert [op.ahead and op.ahead.value.data for op in loads] == [None, 16]


def doubled(channels: int, height: int, width: int, block: int, halo: int) -> Kernel:
    """`output = 2 * input`, channels in blocks, with room around the output."""
    make = Maker()
    blocks = -(-channels // block)
    x = make.normal(blocks, height, width, block)
    y = make.whole(blocks, height + 2 * halo, width + 2 * halo, block)

    def body(nest: Nest) -> None:
        c, h, w = nest.indices
        value = nest.read(x, [c // block, h, w, c % block])
        nest.write(value + value, y, [c // block, h + halo, w + halo, c % block])

    return make.kernel({"c": channels, "h": height, "w": width}, body)


def test_registers_of_a_map_are_neighbours_in_memory() -> None:
    text = schedule_of(doubled(40, 5, 6, 8, 1), SMALL)

    assert text == (
        "parallel c by 8, parallel h, serial w by 4, unroll w, vector c by 8"
    )


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=10)
@given(
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(1, 9),
    st.sampled_from([4, 8, 16]),
    st.integers(0, 1),
)
def test_results_of_blocked_maps(
    target: Target, channels: int, height: int, width: int, block: int, halo: int
) -> None:
    kernel = doubled(channels, height, width, block, halo)
    schedule_nest(kernel.nest, target)
    kernel.nest.verify()

    kernel.check(run_tiles(lowered(kernel), kernel.arrays))


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(TARGETS)),
    st.sampled_from([8, 9, 16, 24, 30, 35, 48, 128]),
    st.sampled_from([3, 16, 20]),
    st.sampled_from(["add", "max"]),
)
def test_long_sums_of_lanes_are_side_by_side(
    target: str, size: int, lanes: int, kind: str
) -> None:
    kernel = reduction([size, lanes], [0], kind)
    text = schedule_of(kernel, TARGETS[target])

    kernel.check(run_tiles(lowered(kernel), kernel.arrays))
    if target.startswith("avx") and lanes == 16:
        step = max(s for s in range(1, 9) if size % s == 0)
        assert f"serial d0 by {step}, unroll d0" in text
        for loop in filter(carries, lowered(kernel).walk()):  # none for a single step
            [carried] = loop.results
            assert max(tile_type(carried).dims) == step


def carries(op: Operation) -> bool:
    return isinstance(op, LoopOp) and bool(op.results)


def test_sums_of_rows_are_side_by_side_as_they_are() -> None:
    text = schedule_of(reduction([64, 9, 16], [1], "add"), TARGETS["avx512"])

    assert "unroll d0" in text
    assert "unroll d1" not in text
