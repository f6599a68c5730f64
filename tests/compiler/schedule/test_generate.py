"""Schedules that the generator chooses compute what their nests say, on every target."""

from __future__ import annotations

import pytest
from executors import lowered
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import KERNELS, Kernel
from ovc.backends.cpu.target import cpu_target
from ovc.backends.ocl.target import opencl_target
from ovc.backends.target import Target
from ovc.compiler.schedule.generate import schedule_nest
from tile_machine import run_tiles

TRIPLE = "x86_64-unknown-linux-gnu"

TARGETS = {
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
