from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import NetworkBuilder, argument_arrays, check_pass, names_in
from ovc.compiler.passes.reasons import keep, recording
from ovc.compiler.passes.recognize_layer_norm import RecognizeLayerNormPass
from ovc.dialects import nn
from xdsl.ir import SSAValue

TOLERANCE = 1e-5


def number(net: NetworkBuilder, value: float) -> SSAValue:
    return net.constant(np.array(value, np.float32))


def normalized(
    net: NetworkBuilder,
    form: str = "div",
    square: str = "pow",
    axes: tuple[int, ...] = (-1,),
    other: tuple[int, ...] | None = None,
    keepdims: int = 1,
) -> SSAValue:
    """A layer normalization in primitive operations."""
    x = net.values[0]
    mean = net.add(nn.ReduceMeanOp, x, net.ints(*axes), keepdims=keepdims)
    d = net.add(nn.SubOp, x, mean)
    squares = (
        net.add(nn.PowOp, d, number(net, 2))
        if square == "pow"
        else net.add(nn.MulOp, d, d)
    )
    over = net.ints(*(other or axes))
    variance = net.add(nn.ReduceMeanOp, squares, over, keepdims=keepdims)
    moved = net.add(nn.AddOp, variance, number(net, 1e-3))
    if form == "pow":
        return net.add(nn.MulOp, d, net.add(nn.PowOp, moved, number(net, -0.5)))
    root = net.add(nn.SqrtOp, moved)
    if form == "div":
        return net.add(nn.DivOp, d, root)
    if form == "reciprocal":
        return net.add(nn.MulOp, net.add(nn.ReciprocalOp, root), d)
    return net.add(nn.MulOp, d, net.add(nn.DivOp, number(net, 1), root))


def check(net: NetworkBuilder, *outputs: SSAValue) -> tuple[int, list[str], Any]:
    module = net.finish(*outputs)
    with recording() as journal:
        count = check_pass(
            RecognizeLayerNormPass(), module, argument_arrays(module), TOLERANCE
        )
    return count, [d.reason for d in journal.declined], module


@pytest.mark.parametrize("form", ["div", "pow", "reciprocal", "inverse"])
@pytest.mark.parametrize("square", ["pow", "mul"])
@pytest.mark.parametrize("axes", [(-1,), (2,), (1, 2), (-1, -2), (0, 1, 2)])
@pytest.mark.parametrize("affine", ["", "scale", "bias", "both"])
def test_every_form(form: str, square: str, axes: tuple[int, ...], affine: str) -> None:
    net = NetworkBuilder([2, 3, 4])
    y = normalized(net, form, square, axes)
    vector = net.constant(np.arange(1, 5).astype(np.float32))
    if affine in ("scale", "both"):
        y = net.add(nn.MulOp, y, vector)
    if affine in ("bias", "both"):
        net.add(nn.AddOp, vector, y)

    count, _, module = check(net)

    assert count == 1
    assert [n for n in names_in(module) if n.startswith("nn.")][-1] == "nn.layer_norm"
    assert "nn.sqrt" not in names_in(module)
    assert "nn.add" not in names_in(module)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"axes": (1,)}, "a mean is over dimensions that are not the last"),
        ({"axes": (0, 2)}, "a mean is over dimensions that are not the last"),
        ({"other": (1, 2)}, "the means are over different dimensions"),
        ({"axes": (0, 1, 2), "keepdims": 0}, "a mean does not keep its dimensions"),
    ],
)
def test_other_means_stay(options: dict[str, Any], reason: str) -> None:
    net = NetworkBuilder([2, 3, 4])
    normalized(net, **options)

    assert check(net)[:2] == (0, [reason])


@pytest.mark.parametrize("index", [1, 2, 3, 4, 5, 6])
def test_a_value_inside_with_another_reader(index: int) -> None:
    net = NetworkBuilder([2, 3, 4])
    y = normalized(net)

    assert check(net, y, net.values[index])[0] == 0


@pytest.mark.parametrize("shape", [(3, 1), (2, 1, 1), (3, 4)])
def test_a_scale_of_other_dimensions_stays_outside(shape: tuple[int, ...]) -> None:
    net = NetworkBuilder([2, 3, 4])
    scale = np.arange(np.prod(shape)).astype(np.float32).reshape(shape)
    net.add(nn.MulOp, normalized(net), net.constant(scale))

    count, _, module = check(net)

    assert count == 1
    assert "nn.mul" in names_in(module)


def test_a_scale_of_which_the_bias_is_read_elsewhere() -> None:
    net = NetworkBuilder([2, 3, 4])
    y = normalized(net)
    vector = net.constant(np.arange(1, 5).astype(np.float32))
    scaled = net.add(nn.MulOp, y, vector)

    count, _, module = check(net, net.add(nn.AddOp, scaled, vector), scaled)

    assert count == 1
    assert "nn.add" in names_in(module)


def test_kept_layers_stay() -> None:
    net = NetworkBuilder([2, 3, 4])
    normalized(net)
    keep(net.values[2].owner)  # type: ignore[arg-type]

    assert check(net)[0] == 0
