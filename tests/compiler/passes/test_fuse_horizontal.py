from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from networks import NetworkBuilder, argument_arrays, names_in
from ovc.compiler.passes.fuse_horizontal import FuseHorizontalPass
from ovc.compiler.passes.reasons import keep, recording
from ovc.dialects import nn
from ovc.dialects.types import shape_of
from patterns import SEVERAL, check_exact, patterns
from strategies import Program
from xdsl.ir import SSAValue


@given(patterns(SEVERAL, most=4))
def test_results_are_kept_to_the_bit(program: Program) -> None:
    check_exact(FuseHorizontalPass(), program)


def weights(net: NetworkBuilder, *shape: int) -> SSAValue:
    generator = np.random.default_rng(1)
    return net.constant(generator.integers(-3, 4, shape).astype(np.float32))


def conv(
    net: NetworkBuilder,
    x: SSAValue,
    outputs: int,
    bias: bool = False,
    **properties: Any,
) -> SSAValue:
    kernel = properties.pop("kernel", 1)
    inner = shape_of(x)[1] // properties.get("group", 1)
    w = weights(net, outputs, inner, kernel, kernel)
    addend = weights(net, outputs) if bias else None
    return net.add(nn.ConvOp, x, w, addend, **properties)


def fused(net: NetworkBuilder, *outputs: SSAValue) -> tuple[int, list[str], list[str]]:
    """Fuse. How often, the reasons for the rest, and what is there afterwards."""
    module = net.finish(*outputs)
    with recording() as journal:
        program = Program(module, argument_arrays(module))
        count = check_exact(FuseHorizontalPass(), program)
    return count, [d.reason for d in journal.declined], names_in(module)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kernel", [1, 3])
def test_convolutions(bias: bool, kernel: int) -> None:
    net = NetworkBuilder([1, 32, 8, 8])
    ends = [
        net.add(nn.ReluOp, conv(net, net.values[0], n, bias, kernel=kernel))
        for n in (16, 32, 5)
    ]

    count, _, names = fused(net, *[net.add(nn.NegOp, e) for e in ends])

    assert count == 1
    assert names.count("nn.conv") == names.count("nn.relu") == 1
    assert names.count("nn.split") == 1


def test_queries_keys_and_values() -> None:
    net = NetworkBuilder([2, 8, 16])
    ends = []
    for _ in range(3):
        y = net.add(nn.MatmulOp, net.values[0], weights(net, 16, 16))
        ends.append(net.add(nn.NegOp, net.add(nn.AddOp, weights(net, 16), y)))

    count, _, names = fused(net, *ends)

    assert count == 1
    assert names.count("nn.matmul") == 1


@pytest.mark.parametrize(("second", "alike"), [(0, True), (1, False)])
def test_gemms(second: int, alike: bool) -> None:
    net = NetworkBuilder([2, 16])
    for turned in (0, second):
        w = weights(net, 16, 16)
        y = net.add(nn.GemmOp, net.values[0], w, weights(net, 16), transB=turned)
        net.add(nn.NegOp, y)

    assert fused(net, net.values[2], net.values[4])[0] == alike


@pytest.mark.parametrize(
    "properties",
    [
        {"strides": [2, 2]},
        {"pads": [1, 1, 1, 1]},
        {"kernel": 3},
        {"bias": True},
        {"group": 2},
    ],
)
def test_unlike_convolutions_stay(properties: dict[str, Any]) -> None:
    net = NetworkBuilder([1, 4, 8, 8])
    ends = [conv(net, net.values[0], 16), conv(net, net.values[0], 16, **properties)]

    assert fused(net, *[net.add(nn.NegOp, e) for e in ends])[0] == 0


def test_copies_cost_more() -> None:
    """Graph outputs are copied; reading a small input once saves less than that."""
    net = NetworkBuilder([1, 1, 64, 64])
    ends = [conv(net, net.values[0], 16) for _ in range(2)]

    count, reasons, _ = fused(net, *ends)

    assert count == 0
    assert all(reason.startswith("it would not pay: cost") for reason in reasons)


def test_kept_layers_stay() -> None:
    net = NetworkBuilder([1, 4, 8, 8])
    ends = [conv(net, net.values[0], 16) for _ in range(2)]
    keep(ends[0].owner)  # type: ignore[arg-type]

    assert fused(net, *[net.add(nn.NegOp, e) for e in ends])[0] == 0


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_parts_that_a_concat_joins_need_no_split(
    relu: bool, order: tuple[int, ...]
) -> None:
    net = NetworkBuilder([1, 8, 6, 6])
    ends = [conv(net, net.values[0], n, kernel=3) for n in (3, 16, 5)]
    if relu:
        ends = [net.add(nn.ReluOp, end) for end in ends]
    joined = net.add(nn.ConcatOp, [ends[i] for i in order], axis=-3)

    count, _, names = fused(net, net.add(nn.NegOp, joined))

    assert count == 1
    assert names.count("nn.conv") == 1
    assert not {"nn.split", "nn.concat"} & set(main_names(names))


def main_names(names: list[str]) -> list[str]:
    """Names of operations behind the first layer: those before it are constants'."""
    return names[names.index("nn.conv") :]


@pytest.mark.parametrize("kind", ["axis", "another", "twice", "reader"])
def test_a_concat_of_something_else_stays(kind: str) -> None:
    net = NetworkBuilder([1, 8, 6, 6], [1, 2, 4, 4])
    ends = [conv(net, net.values[0], 5, kernel=3) for _ in "ab"]
    others = {"another": [net.block.args[1]], "twice": [ends[0]]}
    axis = 2 if kind == "axis" else 1
    parts = ends if kind == "axis" else [*ends, *others.get(kind, [])]
    joined = net.add(nn.ConcatOp, parts, axis=axis)
    outputs = [net.add(nn.NegOp, joined)]
    if kind == "reader":
        outputs.append(net.add(nn.NegOp, ends[1]))

    _, _, names = fused(net, *outputs)

    assert "nn.concat" in main_names(names)
