"""OpenCL programs compute what their nests say."""

from __future__ import annotations

import pytest
from executors import lowered, run_opencl
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import Kernel, scheduled_kernels
from ovc.backends.ocl.codegen import program
from scalar_table import SCHEDULES, TYPES, cases


def failures(kernels: dict[str, Kernel]) -> dict[str, str]:
    """What is wrong with the results of a program, by kernel."""
    wrong: dict[str, str] = {}
    for (name, kernel), arrays in zip(
        kernels.items(), run_opencl(list(kernels.values())), strict=True
    ):
        try:
            kernel.check(arrays)
        except AssertionError as error:
            wrong[name] = f"{error}\n{program([lowered(kernel)])}"
    return wrong


@pytest.mark.device
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", TYPES)
def test_scalar_operations(name: str, schedule: str) -> None:
    kernels = {n: kernel.scheduled(schedule) for n, kernel in cases(name).items()}
    wrong = failures(kernels)
    assert not wrong, "\n".join([*wrong, *list(wrong.values())[:1]])


@pytest.mark.device
@settings(max_examples=20)
@given(st.lists(scheduled_kernels(items=True), min_size=1, max_size=6))
def test_results_are_kept(kernels: list[Kernel]) -> None:
    for kernel, results in zip(kernels, run_opencl(kernels), strict=True):
        kernel.check(results)
