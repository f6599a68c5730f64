"""Chains compute what their launches computed, and hold what they hand on themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays
from ovc.compiler import driver
from ovc.compiler.frontends.base import Model
from ovc.compiler.interpreter import main_function, run_reference
from ovc.compiler.options import CompileOptions
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.dialects import nn
from ovc.dialects.kernel.chain import ChainOp
from ovc.dialects.kernel.nest import NestOp
from ovc.dialects.plan import BufferOp, LaunchOp
from ovc.dialects.types import buffer_type, integers, shape_of
from ovc.runtime.session import load
from tile_machine import run_launches
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

CPUS = ("x86-64-v4", "x86-64-v3", "x86-64")


def pipeline(target: str, above: int, scratch: int) -> str:
    """The lowering, with chains for much smaller tensors than a cache is large."""
    text = driver.pipeline_text(target, "")
    name = f'chain-nests{{target="{target}"'
    assert name in text
    return text.replace(name, f"{name} above={above} scratch={scratch}").lstrip(",")


def lowered(
    module: ModuleOp,
    until: str,
    cpu: str = "cpu",
    above: int = 0,
    scratch: int = 1 << 13,
) -> ModuleOp:
    """The module after the passes up to `until`."""
    steps = pipeline(cpu, above, scratch).split(",")
    last = next(n for n, step in enumerate(steps) if step.startswith(until))
    parse_pipeline(",".join(steps[: last + 1]), PASSES).run(module, make_context())
    module.verify()
    return module


def chains(module: ModuleOp) -> list[ChainOp]:
    return [op for op in module.body.block.ops if isinstance(op, ChainOp)]


def stages(module: ModuleOp) -> list[list[str]]:
    """The operations of every launch that is a chain."""
    return [
        [name.data for name in op.operations or ()]
        for op in main_function(module).walk()
        if isinstance(op, LaunchOp) and op.kernel_name.startswith("chain")
    ]


def attention(heads: int, rows: int, columns: int, depth: int) -> ModuleOp:
    """softmax(Q K) V, one matrix a head."""
    build = NetworkBuilder(
        [1, heads, rows, depth], [1, heads, depth, columns], [1, heads, columns, depth]
    )
    q, k, v = build.block.args
    scores = build.add(nn.MatmulOp, q, k)
    shares = build.add(nn.SoftmaxOp, scores, axis=-1)
    build.add(nn.MatmulOp, shares, v)
    return build.finish()


@st.composite
def attentions(draw: st.DrawFn) -> ModuleOp:
    heads, depth = draw(st.integers(1, 5)), draw(st.integers(1, 20))
    rows, columns = draw(st.integers(8, 70)), draw(st.integers(2, 40))
    return attention(heads, rows, columns, depth)


@st.composite
def separable(draw: st.DrawFn) -> ModuleOp:
    """A depthwise convolution, a pointwise one, and what may follow."""
    channels, size = draw(st.integers(1, 20)), draw(st.integers(8, 20))
    stride = draw(st.integers(1, 2))
    build = NetworkBuilder([1, channels, size, size + 3])
    random = np.random.default_rng(0)

    def weights(*shape: int) -> SSAValue:
        return build.constant(random.integers(-3, 4, shape).astype(np.float32))

    y = build.add(
        nn.ConvOp,
        build.values[0],
        weights(channels, 1, 3, 3),
        pads=[1] * 4,
        strides=[stride] * 2,
        group=channels,
    )
    y = build.add(nn.ReluOp, y)
    y = build.add(nn.ConvOp, y, weights(draw(st.integers(1, 40)), channels, 1, 1))
    if draw(st.booleans()):
        y = build.add(nn.ConvOp, y, weights(7, shape_of(y)[1], 1, 1))
    if draw(st.booleans()):
        y = build.add(nn.SoftmaxOp, y, axis=1)
    return build.finish(y)


@st.composite
def moved(draw: st.DrawFn) -> ModuleOp:
    """Transposes around a product of matrices."""
    heads, rows, depth = (draw(st.integers(2, 24)) for _ in range(3))
    build = NetworkBuilder([1, rows, heads, depth])
    x = build.add(nn.TransposeOp, build.values[0], perm=[0, 2, 1, 3])
    w = build.constant(np.ones((depth, draw(st.integers(1, 24))), np.float32))
    y = build.add(nn.MatmulOp, x, w)
    y = build.add(nn.SoftmaxOp, y, axis=draw(st.sampled_from([2, 3])))
    return build.finish(build.add(nn.TransposeOp, y, perm=[0, 2, 1, 3]))


def winograd(size: list[int]) -> ModuleOp:
    """A 3x3 convolution of an image, of three dimensions perhaps, and what may follow."""
    build = NetworkBuilder([1, 16, *size])
    w = np.random.default_rng(0).standard_normal((16, 16, *[3] * len(size)), np.float32)
    y = build.add(
        nn.ConvOp, build.values[0], build.constant(w), pads=[1] * 2 * len(size)
    )
    return build.finish(build.add(nn.ReluOp, build.add(nn.AddOp, y, build.values[0])))


@pytest.mark.parametrize(
    ("cpu", "size", "scratch"),
    [
        ("cpu:x86-64-v4", [33, 38], 1 << 17),
        ("cpu:x86-64-v3", [38, 33], 1 << 16),
        ("cpu:x86-64-v4", [41, 70], 1 << 16),
        ("cpu:x86-64", [37, 40], 1 << 16),
        ("cpu:x86-64-v3", [5, 30, 33], 1 << 17),
        ("cpu", [9, 32, 32], 1 << 17),
    ],
)
def test_the_parts_of_an_operation_are_one_stage(
    cpu: str, size: list[int], scratch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = winograd(size)
    arrays = {
        name: np.random.default_rng(1).standard_normal(a.shape).astype(np.float32)
        for name, a in argument_arrays(module).items()
    }
    (expected,) = run_reference(module, arrays, np.float64)
    text = driver.LOWERING.replace(
        "chain-nests{{", f"chain-nests{{{{above=0 scratch={scratch} "
    )
    monkeypatch.setattr(driver, "LOWERING", text)
    model = Model(module, driver.Path("tiles.onnx"), "0" * 64)
    artifact = driver.compile_module(model, cpu, CompileOptions())

    names = [k.name for k in artifact.manifest.kernels]
    assert "chain_0" in names
    assert not any("winograd" in name for name in names)
    (got,) = load(artifact, "CPU")(arrays)
    np.testing.assert_allclose(got, expected, atol=5e-6 * float(abs(expected).max()))


@pytest.mark.parametrize(("size", "depths"), [([50, 70], 1), ([9, 50, 70], 3)])
def test_cut_tiles_and_depths_are_stages(size: list[int], depths: int) -> None:
    """Whole tiles, those that an end of a row cuts, of a column, of both; three depths."""
    scratch = 1 << (16 if depths == 1 else 17)
    module = lowered(winograd(size), "chain-nests", "cpu:x86-64-v4", scratch=scratch)

    (names,) = stages(module)
    assert names.count("winograd_output") == 4
    assert names.count("winograd_product") == depths
    (chain,) = chains(module)
    last = [
        integers(stage.starts) for stage in chain.stages if stage.starts is not None
    ]
    assert last == [(0, 17), (12, 0), (12, 17)]


@pytest.mark.parametrize("cpu", CPUS)
@settings(max_examples=12)
@given(
    st.one_of(attentions(), separable(), moved()), st.sampled_from([2048, 9000, 40000])
)
def test_chains_compute_what_their_launches_did(
    cpu: str, module: ModuleOp, scratch: int
) -> None:
    arrays = argument_arrays(module)
    expected = run_reference(module, arrays)
    tiles = lowered(module, "apply-schedule", f"cpu:{cpu}", scratch=scratch)

    for got, want in zip(
        run_launches(tiles, list(arrays.values())), expected, strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_attention_is_one_chain() -> None:
    module = lowered(attention(8, 64, 64, 8), "chain-nests", scratch=1 << 14)

    assert stages(module) == [["matmul", "powers", "matmul", "mul"]]
    (chain,) = chains(module)
    shapes = [buffer_type(op.result).get_shape() for op in chain.locals]
    assert shapes == [(1, 1, 8, 64), (1, 1, 8, 64), (1, 1, 8, 1)]
    names = [stage.kernel_name for stage in chain.stages]
    nests = [o.sym_name.data for o in module.body.block.ops if isinstance(o, NestOp)]
    assert nests == names  # the nests that were not cut are gone


def test_a_chain_needs_no_memory_for_its_links() -> None:
    buffers = [
        sum(
            buffer_type(op.result).get_shape() == (1, 4, 64, 64)
            for op in main_function(
                lowered(attention(4, 64, 64, 8), stop, scratch=1 << 14)
            ).walk()
            if isinstance(op, BufferOp)
        )
        for stop in ("expand-math", "chain-nests")
    ]

    assert buffers == [2, 0]


def test_small_tensors_stay_between_launches() -> None:
    module = lowered(attention(4, 64, 64, 8), "chain-nests", above=4 * 64 * 64 * 4)

    assert not chains(module)


def test_targets_without_memory_of_their_own_have_no_chains() -> None:
    steps = driver.pipeline_text("gpu", "").lstrip(",")
    module = attention(4, 512, 512, 8)
    parse_pipeline(steps, PASSES).run(module, make_context())

    assert not stages(module)


def two_readers(build: NetworkBuilder) -> ModuleOp:
    x, w = build.block.args
    y = build.add(nn.MatmulOp, x, w)
    turned = build.add(nn.TransposeOp, y, perm=[1, 0])
    return build.finish(build.add(nn.AddOp, build.add(nn.SoftmaxOp, y), turned))


def an_output(build: NetworkBuilder) -> ModuleOp:
    x, w = build.block.args
    y = build.add(nn.MatmulOp, x, w)
    return build.finish(y, build.add(nn.SoftmaxOp, y))


def across(build: NetworkBuilder) -> ModuleOp:
    """The reader needs all rows for each of its own."""
    x, w = build.block.args
    y = build.add(nn.MatmulOp, x, w)
    turned = build.add(nn.TransposeOp, y, perm=[1, 0])
    return build.finish(build.add(nn.MatmulOp, turned, y))


@pytest.mark.parametrize("write", [two_readers, an_output, across])
def test_what_cannot_be_cut_is_not(write: Callable[[NetworkBuilder], ModuleOp]) -> None:
    module = lowered(write(NetworkBuilder([64, 64], [64, 64])), "chain-nests")

    assert not any("matmul" in names[0] for names in stages(module))


def test_equal_chains_are_one_kernel() -> None:
    build = NetworkBuilder(*[[1, 4, 64, 8]] * 3, [1, 4, 8, 64], [1, 4, 64, 8])
    *queries, k, v = build.block.args
    outputs = [
        build.add(nn.MatmulOp, build.add(nn.SoftmaxOp, build.add(nn.MatmulOp, q, k)), v)
        for q in queries
    ]
    module = lowered(build.finish(*outputs), "chain-nests")

    assert len(stages(module)) == 3
    assert len(chains(module)) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_the_processor_agrees(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = attention(3, 200, 200, 16)
    random = np.random.default_rng(0)
    arrays = {
        name: random.standard_normal(a.shape).astype(np.float32)
        for name, a in argument_arrays(module).items()
    }
    (expected,) = run_reference(module, arrays, np.float64)
    text = driver.LOWERING.replace(
        "chain-nests{{", "chain-nests{{above=0 scratch=30000 "
    )
    monkeypatch.setattr(driver, "LOWERING", text)
    model = Model(module, driver.Path("attention.onnx"), "0" * 64)
    artifact = driver.compile_module(model, "cpu", CompileOptions())

    assert [k.name for k in artifact.manifest.kernels] == ["chain_0"]
    (got,) = load(artifact, "CPU", {"INFERENCE_NUM_THREADS": threads})(arrays)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
