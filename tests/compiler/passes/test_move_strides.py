from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from networks import NetworkBuilder, argument_arrays, names_in
from ovc.compiler.passes.move_strides import MoveStridesPass
from ovc.compiler.passes.reasons import keep, recording
from ovc.dialects import nn
from ovc.dialects.nn.base import ints
from ovc.dialects.types import shape_of
from patterns import STRIDED, check_exact, patterns
from strategies import Program
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue


@settings(max_examples=150)
@given(patterns(STRIDED, most=5))
def test_results_are_kept_to_the_bit_and_the_pattern_is_gone(program: Program) -> None:
    check_exact(MoveStridesPass(), program)

    assert not movable(program.module)


def movable(module: ModuleOp) -> list[nn.ConvOp]:
    """Strided 1x1 convolutions that alone read another convolution."""
    return [
        op
        for op in module.walk()
        if isinstance(op, nn.ConvOp)
        and all(w.kernel == 1 and not w.padded for w in op.windows())
        and any(w.stride > 1 and w.input > 1 for w in op.windows())
        and isinstance(op.x.owner, nn.ConvOp)
        and op.x.has_one_use()
    ]


def weights(net: NetworkBuilder, *shape: int) -> SSAValue:
    generator = np.random.default_rng(1)
    return net.constant(generator.integers(-3, 4, shape).astype(np.float32))


def conv(
    net: NetworkBuilder, x: SSAValue, outputs: int, kernel: int, **properties: Any
) -> SSAValue:
    spatial = len(shape_of(x)) - 2
    groups = properties.get("group", 1)
    shape = [outputs, shape_of(x)[1] // groups, *[kernel] * spatial]
    if kernel == 3:
        properties = {"pads": [1] * (2 * spatial)} | properties
    return net.add(nn.ConvOp, x, weights(net, *shape), **properties)


def moved(net: NetworkBuilder, *outputs: SSAValue) -> tuple[int, list[str], ModuleOp]:
    """Move. How many convolutions lost their stride, and why others did not."""
    module = net.finish(*outputs)
    program = Program(module, argument_arrays(module))
    with recording() as journal:
        count = check_exact(MoveStridesPass(), program)
    return count, [d.reason for d in journal.declined], module


def strides_in(module: ModuleOp) -> list[tuple[int, ...]]:
    return [ints(op.strides) for op in module.walk() if isinstance(op, nn.ConvOp)]


@pytest.mark.parametrize("sizes", [[8], [7], [8, 7], [5, 6, 7], [1, 5], [2, 2]])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [2, 3])
def test_chains_of_every_rank_and_size(
    sizes: list[int], kernel: int, stride: int
) -> None:
    net = NetworkBuilder([1, 2, *sizes])
    x = net.add(nn.ReluOp, conv(net, net.values[0], 2, kernel))
    conv(net, x, 3, 1, strides=[stride] * len(sizes))

    count, _, module = moved(net)

    assert count == 1
    first, second = strides_in(module)
    assert first == tuple(1 if n == 1 else stride for n in sizes)
    assert set(second) == {1}


def stage(net: NetworkBuilder, x: SSAValue, version: float, channels: int) -> SSAValue:
    """A ResNet stage's first block, with its stride in the 1x1 or in the 3x3."""
    two = {"strides": [2, 2]}
    early, late = (two, {}) if version == 1 else ({}, two)
    y = net.add(nn.ReluOp, conv(net, x, channels, 1, **early))
    y = net.add(nn.ReluOp, conv(net, y, channels, 3, **late))
    y = conv(net, y, 4 * channels, 1)
    shortcut = conv(net, x, 4 * channels, 1, **two)
    return net.add(nn.ReluOp, net.add(nn.AddOp, y, shortcut))


def middle(net: NetworkBuilder, x: SSAValue, channels: int) -> SSAValue:
    """A block without strides."""
    y = net.add(nn.ReluOp, conv(net, x, channels, 1))
    y = net.add(nn.ReluOp, conv(net, y, channels, 3))
    return net.add(nn.ReluOp, net.add(nn.AddOp, conv(net, y, 4 * channels, 1), x))


@pytest.mark.parametrize("size", [16, 17])
def test_resnet(size: int) -> None:
    net = NetworkBuilder([1, 4, size, size])
    x = middle(net, net.values[0], 1)
    for channels in (2, 2, 2):
        x = middle(net, stage(net, middle(net, x, shape_of(x)[1] // 4), 1, channels), 2)

    count, _, module = moved(net, x)

    assert count == 9
    strided = [op for op in module.walk() if isinstance(op, nn.ConvOp)]
    taken = [op for op in strided if 2 in ints(op.strides)]
    assert [shape_of(op.w)[2:] for op in taken] == [(3, 3)] * 3
    assert names_in(module).count("nn.max_pool") == 3


def test_resnet_v15_is_unchanged() -> None:
    net = NetworkBuilder([1, 4, 16, 16])
    x = stage(net, middle(net, net.values[0], 1), 1.5, 2)

    count, reasons, _ = moved(net, x)

    assert count == 0
    assert reasons == ["another reader of its input needs other elements"]


@pytest.mark.parametrize(
    ("properties", "legal"),
    [
        ({"pads": [0, 0, 0, 0]}, True),
        ({"pads": [1, 0, 0, 0]}, False),
        ({"pads": [0, 0, 0, 1]}, True),
        ({"pads": [0, 0, 2, 0]}, False),
        ({"auto_pad": "SAME_UPPER"}, True),
        ({"auto_pad": "SAME_LOWER"}, True),
        ({"auto_pad": "VALID"}, True),
        ({"auto_pad": "VALID", "pads": [1, 1, 1, 1]}, True),
        ({"dilations": [2, 2]}, True),
        ({"group": 2}, True),
    ],
)
def test_padding_of_the_1x1(properties: dict[str, Any], legal: bool) -> None:
    net = NetworkBuilder([1, 2, 7, 7])
    x = conv(net, net.values[0], 2, 3)
    conv(net, x, 2, 1, strides=[2, 2], **properties)

    count, reasons, _ = moved(net)

    assert count == legal
    assert legal or reasons == ["it has padding"]


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize(
    "properties",
    [
        {"pads": [2, 0, 0, 1]},
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER"},
        {"auto_pad": "SAME_LOWER", "strides": [2, 1]},
        {"auto_pad": "VALID"},
        {"strides": [2, 3], "dilations": [2, 1]},
        {"group": 2, "pads": [1, 1, 1, 1]},
    ],
)
def test_padding_of_the_convolution_that_takes_it(
    size: int, properties: dict[str, Any]
) -> None:
    net = NetworkBuilder([1, 2, size, size])
    x = conv(net, net.values[0], 4, 3, **properties)
    conv(net, x, 2, 1, strides=[2, 2])

    assert moved(net)[0] == 1


@pytest.mark.parametrize(
    ("shape", "op"),
    [
        ((1, 2, 7, 6), "nn.slice"),
        ((7, 6), "nn.slice"),
        ((7, 1), "nn.slice"),
        ((2, 1, 1), None),
        ((), None),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_constants_are_sliced_where_they_vary(
    shape: tuple[int, ...], op: str | None, swapped: bool
) -> None:
    net = NetworkBuilder([1, 2, 7, 6])
    x, other = conv(net, net.values[0], 2, 3), weights(net, *shape)
    y = net.add(nn.AddOp, *((other, x) if swapped else (x, other)))
    conv(net, y, 2, 1, strides=[2, 2])

    count, _, module = moved(net)

    assert count == 1
    assert ("nn.slice" in names_in(module)) == (op == "nn.slice")
    assert "nn.max_pool" not in names_in(module)


@pytest.mark.parametrize("shape", [(1, 2, 7, 6), (1, 1, 7, 6), (1, 2, 7, 1)])
def test_values_are_pooled(shape: tuple[int, ...]) -> None:
    net = NetworkBuilder([1, 2, 7, 6], shape)
    y = net.add(nn.AddOp, conv(net, net.values[0], 2, 3), net.values[1])
    conv(net, y, 2, 1, strides=[2, 2])

    count, _, module = moved(net)

    assert count == 1
    assert names_in(module).count("nn.max_pool") == 1


def test_vectors_of_channels_are_not_sliced() -> None:
    net = NetworkBuilder([1, 7, 7, 7])
    x = conv(net, net.values[0], 7, 3)
    scale, shift = weights(net, 7), weights(net, 7)
    conv(net, net.add(nn.ScaleShiftOp, x, scale, shift), 2, 1, strides=[2, 2])

    assert moved(net)[0] == 1


def test_all_readers_must_agree() -> None:
    net = NetworkBuilder([1, 2, 7, 6])
    x = conv(net, net.values[0], 2, 3)
    a = conv(net, x, 2, 1, strides=[2, 2])
    b = conv(net, x, 2, 1, strides=[2, 3])

    count, reasons, _ = moved(net, a, b)

    assert count == 0
    assert reasons == ["another reader of its input needs other elements"] * 2


def test_readers_that_agree_move_together() -> None:
    net = NetworkBuilder([1, 2, 7, 6])
    x = conv(net, net.values[0], 2, 3)
    ends = [conv(net, x, 2, 1, strides=[2, 2]) for _ in range(3)]

    assert moved(net, *ends)[0] == 3


def test_a_graph_output_keeps_its_elements() -> None:
    net = NetworkBuilder([1, 2, 7, 6])
    x = conv(net, net.values[0], 2, 3)

    count, reasons, _ = moved(net, conv(net, x, 2, 1, strides=[2, 2]), x)

    assert count == 0
    assert reasons == ["its input is a graph output"]


@pytest.mark.parametrize("op", [nn.MaxPoolOp, nn.ReluOp])
def test_without_a_convolution_nothing_moves(op: Any) -> None:
    net = NetworkBuilder([1, 2, 7, 6])
    kernel = {"kernel_shape": [2, 2]} if op is nn.MaxPoolOp else {}
    conv(net, net.add(op, net.values[0], **kernel), 2, 1, strides=[2, 2])

    count, reasons, _ = moved(net)

    assert count == 0
    assert len(reasons) == 1


def test_strides_multiply_along_a_chain() -> None:
    net = NetworkBuilder([1, 2, 13, 12])
    x = conv(net, net.values[0], 2, 3, strides=[1, 2])
    x = conv(net, net.add(nn.ReluOp, x), 2, 1, strides=[2, 1])
    conv(net, net.add(nn.ReluOp, x), 2, 1, strides=[3, 2])

    count, _, module = moved(net)

    assert count == 2
    assert strides_in(module) == [(6, 4), (1, 1), (1, 1)]


def test_what_costs_more_is_not_done() -> None:
    """Two large values would be pooled to save work of one small convolution."""
    net = NetworkBuilder([1, 1, 64], [1, 32, 64], [1, 32, 64])
    small = conv(net, net.values[0], 1, 3)
    y = net.add(nn.WhereOp, condition(net, small), net.values[1], net.values[2])
    conv(net, y, 1, 1, strides=[2])
    module = net.finish()
    with recording() as journal:
        count = MoveStridesPass().count(module)

    assert count == 0
    assert "it would cost more: cost" in journal.declined[0].reason


def condition(net: NetworkBuilder, x: SSAValue) -> SSAValue:
    positive = nn.GreaterOp.make(x, weights(net, 1))
    net.block.add_op(positive)
    return positive.results[0]


@pytest.mark.parametrize("which", range(3))
def test_kept_layers_stay(which: int) -> None:
    net = NetworkBuilder([1, 2, 7, 6])
    x = conv(net, net.values[0], 2, 3)
    y = net.add(nn.ReluOp, x)
    z = conv(net, y, 2, 1, strides=[2, 2])
    keep((x, y, z)[which].owner)  # type: ignore[arg-type]

    assert moved(net)[0] == 0


def test_costs_are_told() -> None:
    net = NetworkBuilder([1, 2, 7, 6])
    conv(net, conv(net, net.values[0], 2, 3), 2, 1, strides=[2, 2])
    module = net.finish()
    with recording() as journal:
        MoveStridesPass().count(module)

    assert "before" in journal.applied[0].note
    assert "after" in journal.applied[0].note
