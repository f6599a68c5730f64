"""Divisions go behind products, and results stay what they were to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, evaluate, names_in
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes.defer_division import DeferDivisionPass
from ovc.compiler.passes.reasons import recording
from ovc.dialects import nn
from ovc.dialects.nn.base import Array
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp


def shares_of_values(
    batch: list[int], outer: list[int], queries: int, keys: int, columns: int
) -> ModuleOp:
    """softmax(x) @ v; `outer` are the leading dimensions of v."""
    net = NetworkBuilder([*batch, queries, keys], [*outer, keys, columns])
    x, v = net.block.args
    return net.finish(net.add(nn.MatmulOp, net.add(nn.SoftmaxOp, x), v))


@st.composite
def products(draw: st.DrawFn) -> ModuleOp:
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    outer = [draw(st.sampled_from([n, 1])) for n in batch]
    if batch and draw(st.booleans()):
        batch[0], outer = 1, [draw(st.integers(1, 3)), *outer[1:]]
    queries, keys = draw(st.integers(1, 20)), draw(st.integers(1, 40))
    return shares_of_values(batch, outer, queries, keys, draw(st.integers(1, keys)))


def arrays_for(module: ModuleOp, seed: int) -> dict[str, Array]:
    """Normally distributed numbers for every input."""
    random = np.random.default_rng(seed)
    return {
        name: (9 * random.standard_normal(array.shape)).astype(np.float32)
        for name, array in argument_arrays(module).items()
    }


@settings(max_examples=60)
@given(products(), st.integers(0, 9))
def test_results_are_kept_to_rounding(module: ModuleOp, seed: int) -> None:
    arrays = arrays_for(module, seed)
    (expected,) = evaluate(module, arrays, precision=np.float64)

    assert DeferDivisionPass().count(module) == 1

    module.verify()
    (found,) = evaluate(module, arrays, precision=np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert "nn.softmax" not in names_in(module)
    assert DeferDivisionPass().count(module) == 0


@pytest.mark.parametrize("cpu", [None, "x86-64-v3", "x86-64"])
@settings(max_examples=4)
@given(products(), st.integers(0, 9))
def test_compiled(cpu: str | None, module: ModuleOp, seed: int) -> None:
    arrays = arrays_for(module, seed)
    (expected,) = evaluate(module.clone(), arrays, precision=np.float64)

    model = Model(module, Path("shares.onnx"), "0" * 64)
    session = load(compile_module(model, "cpu", CompileOptions(cpu=cpu)))
    (found,) = session(list(arrays.values()))
    session.close()

    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=3e-5)


def test_why_not() -> None:
    module = shares_of_values([2], [2], 3, 4, 5)

    with recording() as journal:
        assert DeferDivisionPass().count(module) == 0

    assert [d.reason for d in journal.declined] == ["5 columns are more than 4 keys"]
