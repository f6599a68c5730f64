from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, evaluate, names_in
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes.reasons import keep, recording
from ovc.compiler.passes.use_winograd import Layer, UseWinogradPass, sampled_error
from ovc.dialects import nn
from ovc.dialects.nn.winograd_tiles import TILES
from ovc.dialects.types import Array
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp

ERROR = 5e-6
"""Of the largest output, against double precision."""


def weights(outputs: int, inputs: int, kernel: Sequence[int] = (3, 3)) -> Array:
    shape = (outputs, inputs, *kernel)
    spread = np.sqrt(2 / (inputs * np.prod(kernel)))
    normal = np.random.default_rng(outputs).standard_normal(shape)
    return (normal * spread).astype(np.float32)


def network(
    size: Sequence[int] = (12, 13),
    inputs: int = 16,
    outputs: int = 16,
    images: int = 1,
    pads: Sequence[int] = (1, 1, 1, 1),
    kernel: Sequence[int] = (),
    **properties: Any,
) -> NetworkBuilder:
    """One layer; `kernel` is that of the dimensions before rows and columns."""
    net = NetworkBuilder([images, inputs, *size])
    w = net.constant(weights(outputs, inputs, (*kernel, 3, 3)))
    b = net.constant(weights(outputs, 1, (1, 1)).reshape(-1))
    net.add(nn.ConvOp, net.values[0], w, b, pads=list(pads), **properties)
    return net


def pixels(net: NetworkBuilder) -> dict[str, Array]:
    shape = net.block.args[0].type.get_shape()
    normal = np.random.default_rng(1).standard_normal(shape)
    return {"arg0": np.maximum(normal, 0).astype(np.float32)}


def check(module: ModuleOp, inputs: dict[str, Array], choose: str) -> None:
    """Results are kept to rounding, no convolution is left, and a second run is idle."""
    exact = evaluate(module, inputs, precision=np.float64)

    assert UseWinogradPass(choose=choose).count(module) == 1

    module.verify()
    assert "nn.conv" not in names_in(module)
    assert UseWinogradPass(choose=choose).count(module) == 0
    for ours, theirs in zip(evaluate(module, inputs), exact, strict=True):
        limit = ERROR * float(np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)


PADS = st.integers(0, 2)


@settings(max_examples=40)
@given(
    choose=st.sampled_from(["f2", "f4"]),
    size=st.tuples(st.integers(3, 14), st.integers(3, 14)),
    channels=st.tuples(st.integers(16, 40), st.integers(16, 40)),
    pads=st.tuples(PADS, PADS, PADS, PADS),
    images=st.integers(1, 2),
)
def test_results_are_kept(
    choose: str,
    size: tuple[int, int],
    channels: tuple[int, int],
    pads: tuple[int, int, int, int],
    images: int,
) -> None:
    net = network(size, *channels, images, pads)
    check(net.finish(), pixels(net), choose)


@settings(max_examples=40)
@given(
    choose=st.sampled_from(["f2", "f4"]),
    size=st.tuples(st.integers(1, 6), st.integers(3, 9), st.integers(3, 9)),
    pads=st.tuples(PADS, PADS, PADS, PADS, PADS, PADS),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
)
def test_results_are_kept_in_depth(
    choose: str,
    size: tuple[int, int, int],
    pads: tuple[int, ...],
    kernel: int,
    stride: int,
    dilation: int,
) -> None:
    if size[0] + pads[0] + pads[3] < (kernel - 1) * dilation + 1:
        return
    more = {"strides": [stride, 1, 1], "dilations": [dilation, 1, 1]}
    net = network(size, 16, 18, 1, pads, (kernel,), **more)
    check(net.finish(), pixels(net), choose)


TARGETS = [
    "cpu",
    "cpu:x86-64-v3",
    "cpu:x86-64-v4",
    "cpu:x86-64",
    pytest.param("gpu", marks=pytest.mark.device),
]


def close(module: ModuleOp, inputs: dict[str, Array], choose: str, target: str) -> None:
    """Compiled for `target` with Winograd, a network computes what it is."""
    (exact,) = evaluate(module, inputs, precision=np.float64)

    model = Model(module, Path("tiles.onnx"), "0" * 64)
    artifact = compile_module(model, target, CompileOptions(winograd=choose))
    (found,) = load(artifact, target.split(":")[0].upper())(inputs)

    assert any(k.name.startswith("winograd") for k in artifact.manifest.kernels)
    limit = ERROR * float(np.abs(exact).max())
    np.testing.assert_allclose(found, exact, rtol=0, atol=limit)


@pytest.mark.parametrize("target", [TARGETS[0], TARGETS[-1]])
@pytest.mark.parametrize("choose", ["f2", "f4"])
@pytest.mark.parametrize(
    ("size", "pads"),
    [((12, 12), [1, 1, 1, 1]), ((13, 7), [0, 1, 1, 0]), ((5, 3), [0, 0, 0, 0])],
)
def test_compiled(
    choose: str, size: tuple[int, int], pads: list[int], target: str
) -> None:
    """With a bias, a residual and a rectifier, between layers that keep channels blocked."""
    net = NetworkBuilder([2, 24, *size])
    (x,) = net.values
    before = net.add(nn.ConvOp, x, net.constant(weights(24, 24, (1, 1))))
    w, b = net.constant(weights(40, 24)), net.constant(np.ones(40, np.float32))
    conv = net.add(nn.ConvOp, before, w, b, pads=pads)
    skip_weights = net.constant(weights(40, 24, (3, 3)))
    strided = {"pads": pads, "strides": [1, 1], "group": 1}
    skip = net.add(nn.ConvOp, before, skip_weights, **strided)
    total = net.add(nn.ReluOp, net.add(nn.AddOp, conv, skip))
    last = net.constant(weights(16, 40, (1, 1)))
    net.add(nn.ConvOp, total, last)
    close(net.finish(), pixels(net), choose, target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("depth", "kernel", "properties"),
    [
        (5, 3, {"pads": [1] * 6}),
        (6, 2, {"pads": [0, 1, 1, 3, 1, 1], "strides": [2, 1, 1]}),
        (5, 3, {"pads": [5, 1, 1, 5, 1, 1], "dilations": [5, 1, 1]}),
    ],
)
def test_compiled_in_depth(
    depth: int, kernel: int, properties: dict[str, Any], target: str
) -> None:
    """With a bias and a rectifier, between layers that keep channels blocked."""
    net = NetworkBuilder([1, 24, depth, 9, 8])
    before = net.add(nn.ConvOp, net.values[0], net.constant(weights(24, 24, (1, 1, 1))))
    w = net.constant(weights(40, 24, (kernel, 3, 3)))
    b = net.constant(np.ones(40, np.float32))
    conv = net.add(nn.ConvOp, before, w, b, **properties)
    last = net.constant(weights(16, 40, (1, 1, 1)))
    net.add(nn.ConvOp, net.add(nn.ReluOp, conv), last)
    close(net.finish(), pixels(net), "f4", target)


DECLINED = [
    ({"strides": [2, 1]}, {}),
    ({"dilations": [1, 2]}, {}),
    ({"strides": [1, 1, 2]}, {"size": (4, 9, 9), "kernel": (3,), "pads": [1] * 6}),
    ({}, {"inputs": 8}),
    ({}, {"outputs": 8}),
]


@pytest.mark.parametrize(("properties", "shape"), DECLINED)
def test_other_layers_stay(properties: dict[str, Any], shape: dict[str, Any]) -> None:
    module = network(**shape, **properties).finish()
    assert UseWinogradPass(choose="f4").count(module) == 0


def test_weights_that_are_no_constants_stay() -> None:
    net = NetworkBuilder([1, 16, 8, 8], [16, 16, 3, 3])
    net.add(nn.ConvOp, *net.values)
    assert UseWinogradPass(choose="f4").count(net.finish()) == 0


def test_a_kept_layer_stays_and_tiny_images_say_why() -> None:
    module = network().finish()
    [conv] = [op for op in module.walk() if isinstance(op, nn.ConvOp)]
    keep(conv)
    assert UseWinogradPass().count(module) == 0

    with recording() as journal:
        assert UseWinogradPass().count(network((3, 3), 64, 64).finish()) == 0
    assert [d.reason for d in journal.declined] == ["it is as fast directly"]


def layer(size: Sequence[int], inputs: int, outputs: int, **shape: Any) -> Layer:
    module = network(size, inputs, outputs, **shape).finish()
    [conv] = [op for op in module.walk() if isinstance(op, nn.ConvOp)]
    found = Layer.of(conv)
    assert found is not None
    return found


def test_large_images_take_large_tiles_and_deep_layers_small_weights() -> None:
    large, deep = layer((56, 56), 64, 64), layer((7, 7), 256, 256)
    assert large.cost(TILES[4]) < large.cost(TILES[2]) < large.direct_cost()
    assert deep.cost(TILES[2]) < min(deep.direct_cost(), deep.cost(TILES[4]))


def test_depths_that_wait_for_weights_count_by_themselves() -> None:
    """Of two depths each sees two taps: every weight but the middle one comes once."""
    deep = layer((2, 8, 8), 64, 64, pads=[1] * 6, kernel=(3,))

    assert deep.cost(TILES[2]) < deep.cost(TILES[4]) < deep.direct_cost()


@pytest.mark.parametrize("m", TILES)
def test_the_error_of_random_weights_is_small(m: int) -> None:
    assert 1e-8 < sampled_error(weights(32, 64), TILES[m]) < ERROR
    assert 1e-8 < sampled_error(weights(32, 24, (3, 3, 3)), TILES[m]) < ERROR
    assert sampled_error(np.zeros((16, 16, 3, 3), np.float32), TILES[m]) == 0
