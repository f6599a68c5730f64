"""Transposes through squares of registers, on the CPU and with OpenCL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder
from ovc.compiler.driver import compile_module, pipeline_text
from ovc.compiler.frontends.base import Model
from ovc.compiler.interpreter import run_reference
from ovc.compiler.options import CompileOptions
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.dialects import nn
from ovc.dialects.kernel.nest import NestOp
from ovc.dialects.types import Array
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp

DTYPES = ("float32", "float16", "float64", "int32", "uint8", "int64", "bool")

SIZES = st.sampled_from([1, 3, 4, 7, 14, 15, 16, 17, 28, 33])


@st.composite
def transposes(draw: st.DrawFn) -> tuple[list[int], list[int], str]:
    rank = draw(st.integers(2, 4))
    shape = [draw(SIZES) for _ in range(rank)]
    return shape, draw(st.permutations(range(rank))), draw(st.sampled_from(DTYPES))


@pytest.mark.parametrize("device", ["CPU", "GPU"])
@settings(max_examples=25, deadline=None)
@given(transposes())
def test_elements_find_their_places(
    device: str, case: tuple[list[int], list[int], str]
) -> None:
    shape, perm, dtype = case
    build = NetworkBuilder(shape, dtype=np.dtype(dtype).type)
    result = build.add(nn.TransposeOp, build.values[0], perm=perm)
    model = Model(build.finish(result), Path("transpose.mlir"), "0")
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)

    session = load(compile_module(model, device.lower(), CompileOptions()), device)

    [y] = session([x])
    np.testing.assert_array_equal(y, x.transpose(perm))


def test_squares_of_registers_are_transposed() -> None:
    build = NetworkBuilder([40, 32])
    build.add(nn.TransposeOp, build.values[0], perm=[1, 0])
    model = Model(build.finish(), Path("transpose.mlir"), "0")

    artifact = compile_module(model, "cpu", CompileOptions(cpu="x86-64-v4"))

    assert "across t0" in artifact.ir


def flattened(channels: int) -> tuple[ModuleOp, Array]:
    """The pixels of a convolution's image as rows of a matrix."""
    build = NetworkBuilder([1, 8, 12, 10])
    weights = np.arange(channels * 8).reshape(channels, 8, 1, 1) % 7
    y = build.add(nn.ConvOp, build.values[0], build.constant(weights.astype("f4")))
    y = build.add(nn.ReshapeOp, y, build.ints(1, channels, 120))
    build.add(nn.TransposeOp, y, perm=[0, 2, 1])
    return build.finish(y), np.arange(960, dtype="f4").reshape(1, 8, 12, 10) % 11


@pytest.mark.parametrize("channels", [16, 24, 33])
def test_images_in_blocks_are_flattened(channels: int) -> None:
    module, x = flattened(channels)
    [expected] = run_reference(module, {"arg0": x})
    model = Model(module, Path("flattened.mlir"), "0")

    [y] = load(compile_module(model, "cpu", CompileOptions()), "CPU")([x])

    np.testing.assert_array_equal(y, expected)


def test_images_in_blocks_are_flattened_in_squares() -> None:
    module, _ = flattened(32)
    text = pipeline_text("cpu:x86-64-v4", "").lstrip(",").split(",drop-copies")[0]
    text += ',schedule-nests{target="cpu:x86-64-v4"}'

    parse_pipeline(text, PASSES).run(module, make_context())

    nests = [op for op in module.walk() if isinstance(op, NestOp)]
    [reshape] = [n for n in nests if n.sym_name.data.startswith("reshape")]
    assert "transpose" in str(reshape.schedule)
