from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, check_pass, names_in
from ovc.compiler.passes.reasons import keep, recording
from ovc.compiler.passes.recognize_group_norm import RecognizeGroupNormPass
from ovc.dialects import nn
from ovc.dialects.types import Array
from xdsl.ir import SSAValue

TOLERANCE = 1e-5


def counted(size: int, start: int = 1) -> Array:
    return np.arange(start, start + size).astype(np.float32)


def grouped(
    net: NetworkBuilder,
    groups: int,
    back: list[int],
    scale: Array | None = None,
    bias: Array | None = None,
) -> SSAValue:
    """Reshape, instance normalization, reshape: as torch writes a group norm."""
    scale = np.ones(groups, np.float32) if scale is None else scale
    bias = np.zeros(groups, np.float32) if bias is None else bias
    x = net.add(nn.ReshapeOp, net.values[-1], net.ints(0, groups, -1))
    operands = net.constant(scale), net.constant(bias)
    y = net.add(nn.InstanceNormOp, x, *operands, epsilon=1e-3)
    return net.add(nn.ReshapeOp, y, net.ints(*back))


def check(net: NetworkBuilder, *outputs: SSAValue) -> tuple[int, list[str], Any]:
    module = net.finish(*outputs)
    with recording() as journal:
        count = check_pass(
            RecognizeGroupNormPass(), module, argument_arrays(module), TOLERANCE
        )
    return count, [d.reason for d in journal.declined], module


def the(module: Any, kind: type[Any]) -> Any:
    [op] = [op for op in module.walk() if isinstance(op, kind)]
    return op


def after_norm(module: Any) -> list[Any]:
    """The operations behind the normalization."""
    ops = list(module.walk())
    norms = (nn.GroupNormOp, nn.InstanceNormOp)
    return ops[next(i for i, op in enumerate(ops) if isinstance(op, norms)) :]


@settings(max_examples=60)
@given(st.data())
def test_every_form(data: st.DataObject) -> None:
    draw = data.draw
    groups, share = draw(st.sampled_from([(1, 6), (2, 3), (3, 2), (6, 1), (2, 1)]))
    channels = groups * share
    shape = [draw(st.integers(1, 2)), channels, *draw(st.sampled_from([[4], [2, 3]]))]
    net = NetworkBuilder(shape)
    scale = draw(st.sampled_from([None, counted(groups), counted(groups, -2)]))
    bias = draw(st.sampled_from([None, counted(groups)]))
    y = grouped(net, groups, shape, scale, bias)
    tail = [1] * (len(shape) - 2)
    shapes = [[channels, *tail], [1, channels, *tail], [1, *tail], []]
    follow = draw(st.lists(st.sampled_from(["mul", "add"]), max_size=3))
    for number, kind in enumerate(follow):
        constant_shape = draw(st.sampled_from(shapes))
        array = counted(prod(constant_shape), number - 3).reshape(constant_shape)
        sides = [y, net.constant(array)]
        if draw(st.booleans()):
            sides.reverse()
        y = net.add(nn.MulOp if kind == "mul" else nn.AddOp, *sides)

    count, _, module = check(net)

    assert count == 1
    names = names_in(module)
    assert ("nn.group_norm" in names) == (share > 1)
    assert ("nn.instance_norm" in names) == (share == 1)
    assert not {"nn.mul", "nn.add"} & {o.name for o in after_norm(module)}
    new = the(module, nn.GroupNormOp if share > 1 else nn.InstanceNormOp)
    assert shape == list(new.output.type.get_shape())


@pytest.mark.parametrize(
    ("shape", "axis"), [([2, 3, 8], 2), ([2, 3, 2, 4], 2), ([6, 8], 1), ([6, 2, 4], -2)]
)
def test_a_layer_norm_inside(shape: list[int], axis: int) -> None:
    net = NetworkBuilder([2, 6, 4])
    x = net.add(nn.ReshapeOp, net.values[0], net.ints(*shape))
    two = net.constant(np.full(shape[-1:], 2, np.float32))
    y = net.add(nn.LayerNormOp, x, two, two, axis=axis)
    y = net.add(nn.ReshapeOp, y, net.ints(2, 6, 4))

    count, _, module = check(net, y)

    assert count == 1
    assert the(module, nn.GroupNormOp).num_groups.value.data == 3


@pytest.mark.parametrize("result", range(1, 3))
def test_statistics_that_are_read(result: int) -> None:
    net = NetworkBuilder([2, 6, 4])
    x = net.add(nn.ReshapeOp, net.values[0], net.ints(2, 3, 8))
    y = net.add(nn.LayerNormOp, x, net.constant(np.ones(8, np.float32)), None, axis=2)
    back = net.add(nn.ReshapeOp, y, net.ints(2, 6, 4))

    norm = y.owner
    assert isinstance(norm, nn.LayerNormOp)
    assert check(net, back, norm.results[result])[:2] == (
        0,
        ["its statistics are read"],
    )


def test_an_instance_norm_takes_what_follows() -> None:
    net = NetworkBuilder([2, 3, 4])
    operands = net.constant(counted(3)), net.constant(counted(3))
    y = net.add(nn.InstanceNormOp, net.values[0], *operands)
    y = net.add(nn.MulOp, y, net.constant(counted(3).reshape(3, 1)))

    count, _, module = check(net)

    assert count == 1
    assert [n for n in names_in(module) if n.startswith("nn.")][
        -1
    ] == "nn.instance_norm"


def test_an_instance_norm_alone_stays() -> None:
    net = NetworkBuilder([2, 3, 4])
    operands = net.constant(counted(3)), net.constant(counted(3))
    net.add(nn.InstanceNormOp, net.values[0], *operands)

    assert check(net)[:2] == (0, [])


def test_reshapes_that_others_were_merged_with() -> None:
    """`x` comes from another shape, and is reshaped once."""
    net = NetworkBuilder([2, 24])
    grouped(net, 3, [2, 6, 4])

    count, _, module = check(net)

    assert count == 1
    assert names_in(module).count("nn.reshape") == 1


@pytest.mark.parametrize(
    "back", [[6, 2, 4], [2, 4, 6], [1, 12, 4], [4, 12], [2, 24], [48]]
)
def test_groups_are_of_whole_channels(back: list[int]) -> None:
    """Of `[2, 3, 8]`: legal where two times three rows are whole channels."""
    legal = back[0] <= 6 and 6 % back[0] == 0 and len(back) > 1
    legal = legal and back[1] % (6 // back[0]) == 0
    net = NetworkBuilder([2, 6, 4])
    grouped(net, 3, back)

    assert check(net)[0] == legal


@pytest.mark.parametrize("index", [1, 2, 3])
def test_a_value_inside_with_another_reader(index: int) -> None:
    net = NetworkBuilder([2, 6, 4])
    y = grouped(net, 3, [2, 6, 4])
    scaled = net.add(nn.MulOp, y, net.constant(counted(6).reshape(6, 1)))

    count, _, module = check(net, scaled, net.values[index])

    assert count == (index == 3)
    assert "nn.mul" in names_in(module)


@pytest.mark.parametrize("shape", [(4,), (6, 4), (2, 1, 1), (2, 6, 1)])
def test_a_scale_that_is_not_per_channel_stays_outside(shape: tuple[int, ...]) -> None:
    net = NetworkBuilder([2, 6, 4])
    scale = counted(prod(shape)).reshape(shape)
    net.add(nn.MulOp, grouped(net, 3, [2, 6, 4]), net.constant(scale))

    count, _, module = check(net)

    assert count == 1
    assert "nn.mul" in names_in(module)


def test_scales_that_are_computed_stay() -> None:
    net = NetworkBuilder([3], [2, 6, 4])
    zero = net.constant(np.zeros(3, np.float32))
    x = net.add(nn.ReshapeOp, net.values[1], net.ints(2, 3, 8))
    y = net.add(nn.InstanceNormOp, x, net.values[0], zero)
    net.add(nn.ReshapeOp, y, net.ints(2, 6, 4))

    reason = "its scale or bias is not a constant per group"
    assert check(net)[:2] == (0, [reason])


def test_scales_of_other_rows_than_groups() -> None:
    """`[1, 6, 8]` is two times three groups, with a scale for each of the six."""
    net = NetworkBuilder([2, 6, 4])
    x = net.add(nn.ReshapeOp, net.values[0], net.ints(1, 6, 8))
    operands = net.constant(counted(6)), net.constant(np.zeros(6, np.float32))
    y = net.add(nn.InstanceNormOp, x, *operands)
    net.add(nn.ReshapeOp, y, net.ints(2, 6, 4))

    assert check(net)[0] == 0


@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_kept_layers_stay(index: int) -> None:
    net = NetworkBuilder([2, 6, 4])
    y = grouped(net, 3, [2, 6, 4])
    net.add(nn.MulOp, y, net.constant(counted(6).reshape(6, 1)))
    keep(net.values[index].owner)  # type: ignore[arg-type]

    count, _, module = check(net)

    assert count == (index == 4)
    assert "nn.mul" in names_in(module)


@pytest.mark.parametrize("shape", [(3, 1), (1, 1, 1, 1)])
def test_a_scale_that_gives_another_shape_stays_outside(shape: tuple[int, ...]) -> None:
    net = NetworkBuilder([2, 1, 4])
    scale = counted(prod(shape)).reshape(shape)
    net.add(nn.MulOp, grouped(net, 1, [2, 1, 4]), net.constant(scale))

    count, _, module = check(net)

    assert count == 1
    assert "nn.mul" in names_in(module)


def test_layer_norms_of_tokens_stay() -> None:
    """`[2, 6, 4]` as twelve rows: each has the scale of its elements."""
    net = NetworkBuilder([2, 6, 4])
    x = net.add(nn.ReshapeOp, net.values[0], net.ints(12, 4))
    y = net.add(nn.LayerNormOp, x, net.constant(counted(4)), None, axis=1)
    y = net.add(nn.ReshapeOp, y, net.ints(2, 6, 4))

    assert check(net, y)[:2] == (0, [])
