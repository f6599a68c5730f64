"""Sharing kernels changes no result, and leaves one kernel for parts of one kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays
from ovc.compiler import driver
from ovc.compiler.frontends.base import Model
from ovc.compiler.interpreter import main_function, run_reference
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes.plan_memory import place_of
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.dialects import nn
from ovc.dialects.kernel.nest import NestOp
from ovc.dialects.plan import LaunchOp, ViewOp
from ovc.dialects.types import buffer_bytes
from ovc.runtime.session import load
from tile_machine import run_launches
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

TARGETS = ("cpu:x86-64-v4", "cpu:x86-64", "gpu")


def lowered(module: ModuleOp, target: str, until: str = "apply-schedule") -> ModuleOp:
    """The module after the passes up to `until`."""
    steps = driver.pipeline_text(target, "", winograd="f2").lstrip(",").split(",")
    last = next(n for n, step in enumerate(steps) if step.startswith(until))
    parse_pipeline(",".join(steps[: last + 1]), PASSES).run(module, make_context())
    module.verify()
    return module


def dense_block(
    channels: int, growth: list[int], size: int, taps: int, images: int = 1
) -> ModuleOp:
    """Convolutions, each of its own input, whose results are put side by side."""
    build = NetworkBuilder(*[[images, channels, size, size + 1]] * len(growth))
    random = np.random.default_rng(0)

    def conv(x: SSAValue, outputs: int) -> SSAValue:
        weights = random.integers(-2, 3, (outputs, channels, taps, taps))
        w = build.constant(weights.astype(np.float32))
        return build.add(nn.ConvOp, x, w, pads=[taps // 2] * 4)

    parts = [conv(x, n) for x, n in zip(build.block.args, growth, strict=True)]
    whole = build.add(nn.ConcatOp, *parts, axis=1)
    return build.finish(build.add(nn.ReluOp, build.add(nn.NegOp, whole)))


@st.composite
def blocks(draw: st.DrawFn) -> ModuleOp:
    growth = draw(st.lists(st.sampled_from([8, 16, 32]), min_size=2, max_size=5))
    return dense_block(
        draw(st.sampled_from([3, 16])),
        growth,
        draw(st.integers(3, 9)),
        draw(st.sampled_from([1, 3])),
        draw(st.integers(1, 2)),
    )


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=8)
@given(blocks())
def test_kernels_compute_what_they_did(target: str, module: ModuleOp) -> None:
    arrays = argument_arrays(module)
    expected = run_reference(module, arrays)
    tiles = lowered(module, target)

    for got, want in zip(
        run_launches(tiles, list(arrays.values())), expected, strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("target", TARGETS)
def test_parts_of_one_kind_have_one_kernel(target: str) -> None:
    module = dense_block(16, [16, 16, 32, 16], 8, 1)
    before = lowered(module.clone(), target, "chain-nests")
    after = lowered(module, target, "share-kernels")
    counts = [
        sum(isinstance(op, NestOp) for op in m.body.block.ops) for m in (before, after)
    ]

    assert counts[0] - counts[1] == 2  # those of 16 channels but the first


def test_views_lie_inside_of_what_they_view() -> None:
    module = lowered(dense_block(16, [32] * 4, 8, 3), "cpu:x86-64-v4")
    ops = list(main_function(module).body.block.ops)
    starts = {place_of(op.result) for op in ops if isinstance(op, ViewOp)}
    launched = [b for op in ops if isinstance(op, LaunchOp) for b in op.buffers]

    assert len({start for _, start in starts}) >= 4
    for buffer in launched:
        root, start = place_of(buffer)
        assert start % 64 == 0
        assert start + buffer_bytes(buffer) <= buffer_bytes(root)


def test_the_processor_agrees() -> None:
    module = dense_block(16, [32, 16, 32, 32], 12, 3)
    arrays = argument_arrays(module)
    (expected,) = run_reference(module, arrays, np.float64)
    model = Model(module, driver.Path("dense.onnx"), "0" * 64)
    artifact = driver.compile_module(model, "cpu", CompileOptions())

    (got,) = load(artifact, "CPU")(arrays)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)
