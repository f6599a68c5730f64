"""Transposes through squares of registers, on the CPU and with OpenCL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.dialects import nn
from ovc.runtime.session import load

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
