"""Every schedule that the tuner may try computes what the nest says."""

from __future__ import annotations

import pytest
from executors import run_llvm
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import (
    KERNELS,
    Draw,
    Kernel,
    Maker,
    conv,
    matmul,
    reduction,
    several,
    softmax,
)
from ovc.backends.cpu.target import cpu_target, host_target
from ovc.compiler.schedule.candidates import candidates
from ovc.compiler.schedule.collapse import collapse
from ovc.compiler.schedule.generate import schedule_nest
from ovc.dialects.kernel.build import Nest

AVX512 = cpu_target("x86_64-unknown-linux-gnu", "x86-64-v4", "+avx2,+avx512f")

FAMILIES = ("matmul", "conv", "depthwise", "reduction", "softmax", "several", "padded")


def depthwise(
    channels: int, height: int, width: int, stride: int, block: int
) -> Kernel:
    """A 3x3 window for each channel, channels in blocks."""
    make = Maker()
    oh, ow = ((s - 1) // stride + 1 for s in (height, width))
    x = make.whole(channels // block, height, width, block)
    w = make.whole(channels // block, 3, 3, block)
    y = make.whole(channels // block, oh, ow, block)

    def body(nest: Nest) -> None:
        c, h, v, r, k, i = nest.indices
        place = [c, h * stride + r - 1, v * stride + k - 1, i]
        product = nest.read(x, place, fill=0.0) * nest.read(w, [c, r, k, i])
        nest.write(nest.sum(product, ["kh", "kw"]), y, [c, h, v, i])

    sizes = {"c": channels // block, "oh": oh, "ow": ow, "kh": 3, "kw": 3, "ci": block}
    return make.kernel(sizes, body)


STRATEGIES = KERNELS | {
    "depthwise": st.builds(
        lambda blocks, h, w, stride, block: depthwise(
            blocks * block, h, w, stride, block
        ),
        st.integers(1, 3),
        st.integers(1, 9),
        st.integers(1, 20),
        st.integers(1, 2),
        st.sampled_from([1, 4, 16]),
    )
}

LARGER = {
    "conv": lambda: conv((32, 64), (7, 9), (3, 3), block=16),
    "pointwise": lambda: conv((32, 64), (5, 7), (1, 1), pad=0, block=16),
    "matmul": lambda: matmul(13, 96, 40),
    "one row": lambda: matmul(1, 200, 64),
    "depthwise": lambda: depthwise(32, 9, 30, 1, 16),
    "sum": lambda: reduction([3, 40, 50], [1], "add"),
    "softmax": lambda: softmax(5, 70),
    "map": lambda: several(12, 100),
}
"""Kernels with room for many tiles."""


@st.composite
def tried(draw: Draw, family: str) -> Kernel:
    """A kernel with one of its candidates."""
    kernel = draw(STRATEGIES[family])
    collapse(kernel.nest)
    found = candidates(kernel.nest, host_target())
    return kernel.scheduled(str(draw(st.sampled_from(found))))


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15)
@given(st.data())
def test_random_kernels(family: str, data: st.DataObject) -> None:
    kernel = data.draw(tried(family))

    kernel.check(run_llvm(kernel, shares=3))


@pytest.mark.parametrize("name", LARGER)
def test_all_candidates_of_larger_kernels(name: str) -> None:
    kernel = LARGER[name]()
    collapse(kernel.nest)
    found = candidates(kernel.nest, host_target())

    for schedule in found:
        kernel.scheduled(str(schedule))
        kernel.check(run_llvm(kernel, shares=3))


@pytest.mark.parametrize("name", LARGER)
def test_the_first_candidate_is_the_generators(name: str) -> None:
    kernel, same = LARGER[name](), LARGER[name]()
    collapse(kernel.nest)
    schedule_nest(same.nest, AVX512)

    found = [str(s) for s in candidates(kernel.nest, AVX512)]

    assert found[0] == str(same.nest.schedule)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", ["conv", "pointwise", "matmul", "depthwise"])
def test_tiles_and_orders_are_tried(name: str) -> None:
    kernel = LARGER[name]()
    collapse(kernel.nest)

    found = [str(s) for s in candidates(kernel.nest, AVX512)]

    assert len({s for s in found if "unroll" in s}) > 3
    assert len({s.split(",")[0] for s in found}) > 1
