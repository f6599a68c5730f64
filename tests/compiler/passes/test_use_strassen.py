from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, evaluate, names_in, whole_numbers
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes.reasons import keep, recording
from ovc.compiler.passes.use_strassen import Layer, UseStrassenPass, sampled_error
from ovc.compiler.targets import find_target
from ovc.dialects import nn
from ovc.dialects.types import Array
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp

ERROR = 2e-6
"""Of the largest output, against double precision."""

TARGETS = ["cpu", pytest.param("gpu", marks=pytest.mark.device)]


def numbers(*shape: int, seed: int = 0) -> Array:
    return whole_numbers(np.random.default_rng(seed), shape)


def test_samples_of_a_batch_never_meet() -> None:
    """Rows are tokens where a network takes one sample, else they may be samples."""
    for input_shape, rows, legal in [
        ([1, 128], [4, 32], True),
        ([4, 32], None, False),
        ([2, 4, 32], None, True),
        ([4, 4, 32], None, False),
        ([2, 4, 32], [8, 32], False),
    ]:
        net = NetworkBuilder(input_shape)
        x = net.values[0]
        if rows is not None:
            x = net.add(nn.ReshapeOp, x, net.ints(*rows))
        net.add(nn.MatmulOp, x, net.constant(numbers(32, 32)))
        count = UseStrassenPass(choose="always").count(net.finish())
        assert count == int(legal), (input_shape, rows)


def product(
    rows: Sequence[int] = (20,),
    inner: int = 64,
    columns: int = 96,
) -> NetworkBuilder:
    net = NetworkBuilder([1, *rows, inner])
    w = net.constant(numbers(inner, columns))
    net.add(nn.MatmulOp, net.values[0], w)
    return net


def pixels(
    size: Sequence[int] = (6, 5), inner: int = 64, columns: int = 96, **properties: Any
) -> NetworkBuilder:
    net = NetworkBuilder([2, inner, *size])
    w, b = numbers(columns, inner, *(1 for _ in size)), numbers(columns, seed=1)
    net.add(nn.ConvOp, net.values[0], net.constant(w), net.constant(b), **properties)
    return net


def check(module: ModuleOp) -> None:
    """Whole numbers stay as they are, and a second run is idle."""
    inputs = argument_arrays(module)
    exact = evaluate(module, inputs)

    assert UseStrassenPass(choose="always", error=1).count(module) == 1

    module.verify()
    assert "nn.strassen_output" in names_in(module)
    assert UseStrassenPass(choose="always", error=1).count(module) == 0
    for ours, theirs in zip(evaluate(module, inputs), exact, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=30)
@given(
    rows=st.sampled_from([(2,), (7,), (1, 5), (3, 4), (2, 1, 3)]),
    inner=st.sampled_from([32, 34, 50]),
    columns=st.sampled_from([32, 64, 96]),
)
def test_products_are_kept(rows: tuple[int, ...], inner: int, columns: int) -> None:
    check(product(rows, inner, columns).finish())


@settings(max_examples=30)
@given(
    size=st.sampled_from([(2,), (3, 5), (5, 4), (1, 2), (2, 3, 2)]),
    inner=st.sampled_from([32, 64]),
    columns=st.sampled_from([32, 96]),
)
def test_convolutions_are_kept(size: tuple[int, ...], inner: int, columns: int) -> None:
    check(pixels(size, inner, columns).finish())


@pytest.mark.parametrize("shape", [(96,), (1, 96), (20, 1), (20, 96), (1,)])
def test_gemms_are_kept(shape: tuple[int, ...]) -> None:
    net = NetworkBuilder([1, 20 * 64])
    x = net.add(nn.ReshapeOp, net.values[0], net.ints(20, 64))
    w, c = net.constant(numbers(96, 64)), net.constant(numbers(*shape, seed=2))
    net.add(nn.GemmOp, x, w, c, transB=1)
    check(net.finish())


def test_the_longer_cut_has_the_even_side() -> None:
    module = pixels((5, 6)).finish()
    UseStrassenPass(choose="always").count(module)
    [left] = [op for op in module.walk() if isinstance(op, nn.StrassenLeftOp)]
    assert left.axes() == (3, 1)


DECLINED = [
    pixels(strides=[2, 2]),
    pixels(pads=[1, 0, 0, 0]),
    pixels((1, 1)),
    pixels(inner=48),
    pixels(columns=16),
    product((1,)),
    product(inner=33),
    product(columns=40),
    product(inner=16),
]


@pytest.mark.parametrize("net", DECLINED)
def test_other_layers_stay(net: NetworkBuilder) -> None:
    assert UseStrassenPass(choose="always").count(net.finish()) == 0


@pytest.mark.parametrize(
    "properties", [{"alpha": 2.0}, {"beta": 0.5}, {"transA": 1}], ids=str
)
def test_scaled_and_turned_products_stay(properties: dict[str, Any]) -> None:
    net = NetworkBuilder([64, 64])
    w, c = net.constant(numbers(64, 64)), net.constant(numbers(64))
    net.add(nn.GemmOp, net.values[0], w, c, **properties)
    assert UseStrassenPass(choose="always").count(net.finish()) == 0


def test_weights_that_are_no_constants_stay() -> None:
    net = NetworkBuilder([64, 64], [64, 64])
    net.add(nn.MatmulOp, *net.values)
    assert UseStrassenPass(choose="always").count(net.finish()) == 0


def test_reasons() -> None:
    module = product((20,)).finish()
    [matmul] = [op for op in module.walk() if isinstance(op, nn.MatmulOp)]
    with recording() as journal:
        assert UseStrassenPass().count(module) == 0
        assert [d.reason for d in journal.declined] == ["it is as fast directly"]
        assert UseStrassenPass(choose="always", error=0).count(module) == 0
    assert [d.reason for d in journal.declined] == ["its error is above the bound"]
    keep(matmul)
    assert UseStrassenPass(choose="always").count(module) == 0


def layer(rows: int, inner: int, columns: int) -> Layer:
    net = NetworkBuilder([rows, inner])
    w = net.constant(np.zeros((inner, columns), np.float32))
    net.add(nn.MatmulOp, net.values[0], w)
    [op] = [op for op in net.finish().walk() if isinstance(op, nn.MatmulOp)]
    found = Layer.of(op)
    assert found is not None
    return found


def test_many_rows_and_wide_layers_win() -> None:
    cache = find_target("cpu").cache
    for wins, sizes in [
        (True, (128, 768, 768)),
        (True, (1024, 512, 512)),
        (False, (8, 768, 768)),
        (False, (128, 32, 64)),
    ]:
        each = layer(*sizes)
        assert (each.cost(cache) < each.direct_cost()) == wins, sizes


def test_layers_of_the_same_weights_share_their_parts() -> None:
    net = NetworkBuilder([1, 4, 64], [1, 6, 64])
    w = net.constant(numbers(64, 64))
    outputs = [net.add(nn.MatmulOp, x, w) for x in net.values[:2]]
    module = net.finish(*outputs)
    assert UseStrassenPass(choose="always").count(module) == 2
    products = [op for op in module.walk() if isinstance(op, nn.MatmulOp)]
    assert products[0].b is products[1].b


def test_the_error_of_random_weights_is_small() -> None:
    normal = np.random.default_rng(0).standard_normal((768, 256)).astype(np.float32)
    assert 1e-8 < sampled_error(normal) < ERROR
    assert sampled_error(np.zeros((32, 32), np.float32)) == 0


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_compiled_convolutions(size: tuple[int, int], target: str) -> None:
    """With a bias, a residual and a rectifier, between layers that keep channels blocked."""
    net = NetworkBuilder([2, 32, *size])
    before = net.add(nn.ConvOp, net.values[0], net.constant(numbers(64, 32, 1, 1)))
    w, b = net.constant(numbers(96, 64, 1, 1, seed=1)), net.constant(numbers(96))
    conv = net.add(nn.ConvOp, before, w, b)
    skip = net.add(nn.ConvOp, before, net.constant(numbers(96, 64, 3, 3)), pads=[1] * 4)
    total = net.add(nn.ReluOp, net.add(nn.AddOp, conv, skip))
    net.add(nn.ConvOp, total, net.constant(numbers(32, 96, 1, 1, seed=3)))
    compiled(net.finish(), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rows", [(1, 24), (3, 7)])
def test_compiled_products(rows: tuple[int, ...], target: str) -> None:
    """A normalization before, an activation between, a residual behind."""
    net = NetworkBuilder([*rows, 128])
    scale, shift = net.constant(numbers(128)), net.constant(numbers(128, seed=1))
    x = net.add(nn.LayerNormOp, net.values[0], scale, shift)
    y = net.add(nn.MatmulOp, x, net.constant(numbers(128, 256)))
    y = net.add(nn.GeluOp, net.add(nn.AddOp, y, net.constant(numbers(256))))
    y = net.add(nn.MatmulOp, y, net.constant(numbers(256, 128)))
    y = net.add(nn.AddOp, y, net.values[0])
    compiled(net.finish(y), target)


def compiled(module: ModuleOp, target: str) -> None:
    """Run with all layers taken apart, and compare with double precision."""
    inputs = argument_arrays(module)
    exact = evaluate(module, inputs, precision=np.float64)
    model = Model(module, Path("halves.onnx"), "0" * 64)
    options = CompileOptions(strassen="always", winograd="never")
    artifact = compile_module(model, target, options)

    found = load(artifact, target.upper())(inputs)

    parts = {n for one in artifact.manifest.launches for n in one.operations}
    assert {"strassen_left", "strassen_output"} <= parts
    for ours, theirs in zip(found, exact, strict=True):
        limit = ERROR * float(np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)
