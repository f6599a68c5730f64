from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from executors import device
from hypothesis import given
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, evaluate
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes import skip_padding
from ovc.compiler.passes.reasons import keep, recording
from ovc.compiler.passes.skip_padding import SkipPaddingPass, dead_share, worthwhile
from ovc.dialects import nn
from ovc.dialects.kernel.evaluate import evaluate_op
from ovc.dialects.nn.base import ints
from ovc.dialects.nn.windows import Window, windows
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

MANY = 10**6
"""Pairs of channels that pay for any number of launches."""


def network(
    sizes: Sequence[int], kernel: Sequence[int], channels: int = 16, **properties: Any
) -> NetworkBuilder:
    """A convolution between two others, with what is fused to it."""
    random = np.random.default_rng(0)
    groups = properties.get("group", 1)

    def weights(*shape: int) -> Any:
        return net.constant(random.integers(-2, 3, shape).astype(np.float32))

    net = NetworkBuilder([1, channels, *sizes])
    one = [1] * len(sizes)
    first = net.add(nn.ConvOp, net.values[0], weights(channels, channels, *one))
    w = weights(channels, channels // groups, *kernel)
    conv = net.add(nn.ConvOp, first, w, weights(channels), **properties)
    same = net.add(nn.ReluOp, conv)
    net.add(nn.ConvOp, same, weights(channels, channels, *one))
    return net


def same(*dilations: int) -> dict[str, Any]:
    """Kernels of three that keep the size."""
    return {"dilations": list(dilations), "pads": list(dilations) * 2}


def splits(module: ModuleOp) -> list[tuple[int, ...]]:
    return [
        ints(op.split)
        for op in module.walk()
        if isinstance(op, nn.ConvOp) and op.split is not None
    ]


LAYERS: list[tuple[list[int], list[int], dict[str, Any], list[tuple[int, ...]]]] = [
    ([20, 20], [3, 3], same(12, 12), [(0, 1)]),
    ([20, 20], [3, 3], same(12, 12) | {"group": 16}, [(0, 1)]),
    ([20, 20], [3, 3], same(12, 12) | {"group": 2}, [(0, 1)]),
    ([20, 24], [3, 3], same(12, 1), [(0,)]),
    ([2, 6, 7], [3, 3, 3], same(1, 1, 1), [(0,)]),
    ([56], [3], same(36), [(0,)]),
    ([40, 20], [3, 3], same(30, 12) | {"strides": [2, 1]}, [(0, 1)]),
]


def check(net: NetworkBuilder, target: str, options: CompileOptions) -> int:
    """Compile; results are exact. How many kernels there are for convolutions."""
    module = net.finish()
    inputs = argument_arrays(module)
    expected = evaluate(module.clone(), inputs, precision=np.float64)
    artifact = compile_module(
        Model(module, Path("split.onnx"), "0" * 64), target, options
    )
    session = load(artifact)
    results = session(inputs)
    session.close()
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)
    return sum("conv" in kernel.name for kernel in artifact.manifest.kernels)


@pytest.mark.parametrize("cpu", [None, "x86-64-v3"])
@pytest.mark.parametrize(("sizes", "kernel", "properties", "split"), LAYERS)
def test_compiled(
    sizes: list[int],
    kernel: list[int],
    properties: dict[str, Any],
    split: list[tuple[int, ...]],
    cpu: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(skip_padding, "LAUNCH", 0)
    found = network(sizes, kernel, **properties).finish()
    SkipPaddingPass().count(found)
    assert splits(found) == split

    net = network(sizes, kernel, **properties)

    assert check(net, "cpu", CompileOptions(cpu=cpu)) >= 2


def stem(channels: int, twice: bool = False) -> NetworkBuilder:
    """A convolution with padding that reads an input, and who else reads it."""
    random = np.random.default_rng(0)
    net = NetworkBuilder([1, channels, 32, 34])
    w = net.constant(random.integers(-2, 3, (16, channels, 3, 3)).astype(np.float32))
    y = net.add(nn.ConvOp, net.values[0], w, strides=[2, 2], pads=[1] * 4)
    net.add(nn.ReluOp, y)
    if twice:
        net.add(nn.ReluOp, net.values[0])
    return net


@pytest.mark.parametrize(
    ("channels", "twice", "found"),
    [(3, False, [(0, 1)]), (3, True, []), (4, False, [])],
)
def test_an_image_is_not_copied_for_its_padding(
    channels: int, twice: bool, found: list[tuple[int, ...]]
) -> None:
    module = stem(channels, twice).finish()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skip_padding, "LAUNCH", 0)
        SkipPaddingPass().count(module)
        kernels = check(stem(channels, twice), "cpu", CompileOptions())

    assert splits(module) == found
    assert (kernels == 4) == bool(found)


def test_a_copy_costs_less_than_many_products() -> None:
    window = Window(32, 16, 3, stride=2, begin=1)

    assert worthwhile([window, window], 48, copied=3 * 32 * 32) == []
    assert worthwhile([window, window], 48, copied=300 * 32 * 32) == [0, 1]


@pytest.mark.device
def test_compiled_for_opencl(monkeypatch: pytest.MonkeyPatch) -> None:
    device()
    monkeypatch.setattr(skip_padding, "LAUNCH", 0)
    net = network([20, 20], [3, 3], **same(12, 12))

    assert check(net, "gpu", CompileOptions()) >= 9


SMALL = st.integers(1, 4)


@given(st.data(), st.integers(1, 2), st.booleans())
def test_any_split_keeps_the_results(data: Any, rank: int, bias: bool) -> None:
    def each(numbers: st.SearchStrategy[int], count: int = rank) -> list[int]:
        return [data.draw(numbers) for _ in range(count)]

    properties: dict[str, Any] = {
        "strides": each(SMALL),
        "dilations": each(SMALL),
        "pads": each(st.integers(0, 5), 2 * rank),
        "split": data.draw(st.sets(st.integers(0, rank - 1)).map(sorted)),
    }
    random = np.random.default_rng(0)
    shapes = ([2, 2, *each(st.integers(1, 6))], [2, 2, *each(SMALL)], [2])
    arrays = [random.integers(-3, 4, s).astype(np.float32) for s in shapes]
    net = NetworkBuilder(*shapes)
    values = net.values if bias else net.values[:2]
    try:
        op = nn.ConvOp.make(*values, **properties)
    except VerifyException:
        return

    (result,) = evaluate_op(op, *arrays[: len(values)])

    np.testing.assert_array_equal(result, op.reference(*arrays[: len(values)]))


@pytest.mark.parametrize("number", [None, np.inf, np.nan, 1])
def test_weights_that_are_no_finite_constants_stay(
    number: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skip_padding, "LAUNCH", 0)
    net = NetworkBuilder([1, 1, 40, 40], [1, 1, 3, 3])
    w = net.values[1]
    if number is not None:
        w = net.constant(np.full((1, 1, 3, 3), number, np.float32))
    net.add(nn.ConvOp, net.values[0], w, **same(30, 30))
    with recording() as journal:
        count = SkipPaddingPass().count(net.finish())

    assert count == (number == 1)
    assert [d.reason for d in journal.declined] == [
        "its weights are not finite constants"
    ] * (1 - count)


@pytest.mark.parametrize("kept", [False, True])
def test_a_kept_layer_stays(kept: bool) -> None:
    net = network([20, 20], [3, 3], 64, **same(12, 12))
    for value in net.values[1:] if kept else ():
        keep(value.owner)  # type: ignore[arg-type]

    assert SkipPaddingPass().count(net.finish()) == 1 - kept


def test_a_second_run_changes_nothing_and_the_share_is_told() -> None:
    module = network([20, 20], [3, 3], 64, **same(12, 12)).finish()
    with recording() as journal:
        assert SkipPaddingPass().count(module) == 1
    assert journal.applied[0].note == "36% of the products are left"

    assert SkipPaddingPass().count(module) == 0


def same_window(size: int, kernel: int = 3, dilation: int = 1) -> Window:
    pad = kernel // 2 * dilation
    return windows([size], [kernel], dilations=[dilation], pads=[pad, pad])[0]


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 9), st.integers(0, 20))
def test_the_share_counts_pairs(size: int, kernel: int, step: int, pad: int) -> None:
    outputs = size + 2 * pad - (kernel - 1) * step
    if outputs < 1:
        return
    window = Window(size, outputs, kernel, 1, step, pad, pad)
    seen = [o + t * step - pad for o in range(outputs) for t in range(kernel)]

    dead = sum(not 0 <= at < size for at in seen) / len(seen)

    assert dead_share(window) == pytest.approx(dead)


def test_what_is_split() -> None:
    wide, frames, plane = same_window(20, dilation=12), same_window(2), same_window(8)
    assert worthwhile([wide, wide], MANY) == [0, 1]
    assert worthwhile([frames, plane, plane], MANY) == [0]
    # Many frames lose little, but all of it.
    assert worthwhile([plane, same_window(32), same_window(32)], MANY) == [0]
    # A row of eight outputs does not pay for the weights it loads.
    assert worthwhile([plane, plane], MANY) == []
    assert worthwhile([frames, frames], MANY) == []
    # Launches cost more than is saved.
    assert worthwhile([wide, wide], 100) == []
    # Each row of the border would be a nest of its own.
    assert worthwhile([same_window(17, 7), same_window(17, 1)], MANY) == []
    assert worthwhile([same_window(17, 7, 4), same_window(17, 1)], MANY) == [0]
