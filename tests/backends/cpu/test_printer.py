"""LLVM code of kernels computes what their nests say."""

from __future__ import annotations

import pytest
from executors import legalized, llvm_text, lowered, run_llvm
from hypothesis import given, settings
from kernels import Kernel, matmul, scheduled_kernels
from scalar_table import SCHEDULES, TYPES, cases


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", TYPES)
def test_scalar_operations(name: str, schedule: str) -> None:
    wrong: dict[str, str] = {}
    for case, kernel in cases(name).items():
        legalized(kernel.scheduled(schedule))
        try:
            kernel.check(run_llvm(kernel))
        except AssertionError as error:
            wrong[case] = f"{error}\n{llvm_text(lowered(kernel))}"
    assert not wrong, "\n".join([*wrong, *list(wrong.values())[:1]])


@settings(max_examples=60)
@given(scheduled_kernels())
def test_results_are_kept(kernel: Kernel) -> None:
    kernel.check(run_llvm(kernel))


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_each_product_loads_its_factor(lanes: int) -> None:
    schedule = (
        f"parallel m by 3, parallel n by {3 * lanes}, serial k, "
        f"unroll m, unroll n by {lanes}, vector n by {lanes}"
    )
    kernel = matmul(7, 5 * lanes + 1, 9).scheduled(schedule)

    text = llvm_text(lowered(kernel))
    assert text.count('call ptr asm "", "=r,0"') >= 2  # one for each further register
    kernel.check(run_llvm(kernel))
