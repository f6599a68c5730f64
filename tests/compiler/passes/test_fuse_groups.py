from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from networks import NetworkBuilder, argument_arrays, names_in
from ovc.compiler.passes.fuse_groups import FuseGroupsPass
from ovc.compiler.passes.reasons import keep, recording
from ovc.dialects import nn
from ovc.dialects.nn.base import integer
from patterns import GROUPED, check_exact, patterns
from strategies import Program
from xdsl.ir import SSAValue


@settings(max_examples=150)
@given(patterns(GROUPED, most=3))
def test_results_are_kept_to_the_bit(program: Program) -> None:
    check_exact(FuseGroupsPass(), program)


class Fan:
    """A split, convolutions and a concat, of which anything can be made wrong."""

    def __init__(self, parts: int = 2, spatial: int = 2, channels: int = 4) -> None:
        self.net = NetworkBuilder([1, channels * parts, *[6] * spatial])
        self.x = self.net.values[0]
        self.parts = parts
        self.spatial = spatial
        self.channels = channels

    def split(self, sizes: list[int] | None = None, axis: int = 1) -> list[SSAValue]:
        named = None if sizes is None else self.net.ints(*sizes)
        count = self.parts if sizes is None else len(sizes)
        op = nn.SplitOp.make(self.x, named, axis=axis, results=count)
        self.net.block.add_op(op)
        self.net.values += op.results
        return list(op.results)

    def conv(
        self,
        x: SSAValue,
        outputs: int = 4,
        kernel: int = 3,
        bias: bool = True,
        **properties: Any,
    ) -> SSAValue:
        from ovc.dialects.types import shape_of

        inner = shape_of(x)[1] // properties.get("group", 1)
        w = np.arange(outputs * inner * kernel**self.spatial) % 5 - 2.0
        shape = (outputs, inner, *[kernel] * self.spatial)
        weights = self.net.constant(w.astype(np.float32).reshape(shape))
        addend = np.arange(outputs).astype(np.float32)
        operand = self.net.constant(addend) if bias else None
        return self.net.add(nn.ConvOp, x, weights, operand, **properties)

    def check(self, *outputs: SSAValue) -> tuple[int, list[str], Any]:
        module = self.net.finish(*outputs)
        with recording() as journal:
            count = check_exact(
                FuseGroupsPass(), Program(module, argument_arrays(module))
            )
        return count, [d.reason for d in journal.declined], module


@pytest.mark.parametrize("parts", [2, 3, 4])
@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("group", [1, 2])
def test_legal(parts: int, spatial: int, bias: bool, group: int) -> None:
    fan = Fan(parts, spatial)
    ends = [
        fan.conv(part, bias=bias, group=group, strides=[2] * spatial)
        for part in fan.split()
    ]
    fan.net.add(nn.ConcatOp, ends, axis=1)

    count, _, module = fan.check()

    assert count == 1
    [conv] = [op for op in module.walk() if isinstance(op, nn.ConvOp)]
    assert integer(conv.group) == group * parts
    assert not {"nn.split"} & set(names_in(module))


def test_properties_are_compared_by_what_they_mean() -> None:
    fan = Fan(4)
    written: list[dict[str, Any]] = [
        {},
        {"strides": [1, 1]},
        {"pads": [0, 0, 0, 0], "dilations": [1, 1]},
        {"auto_pad": "VALID"},
    ]
    parts = fan.split([4, 4, 4, 4], axis=-3)
    ends = [fan.conv(part, **w) for part, w in zip(parts, written, strict=True)]
    fan.net.add(nn.ConcatOp, ends, axis=-3)

    assert fan.check()[0] == 1


def two(fan: Fan, **second: Any) -> list[SSAValue]:
    parts = fan.split()
    return [fan.conv(parts[0]), fan.conv(parts[1], **second)]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"outputs": 2}, "the convolutions have different numbers of outputs"),
        ({"bias": False}, "some convolutions have a bias and some have none"),
        ({"group": 2}, "the convolutions have different groups"),
        (
            {"kernel": 5, "pads": [1, 1, 1, 1]},
            "the convolutions have different kernels",
        ),
        (
            {"kernel": 3, "dilations": [2, 2], "pads": [1, 1, 1, 1]},
            "the convolutions have different dilations",
        ),
    ],
)
def test_unequal_convolutions(second: dict[str, Any], reason: str) -> None:
    fan = Fan()
    fan.net.add(nn.ConcatOp, two(fan, **second), axis=1)

    count, reasons, _ = fan.check()

    assert (count, reasons) == (0, [reason])


def test_unequal_padding_of_the_same_size() -> None:
    fan = Fan()
    a, b = fan.split()
    ends = [fan.conv(a, pads=[1, 0, 0, 0]), fan.conv(b, pads=[0, 0, 1, 0])]
    fan.net.add(nn.ConcatOp, ends, axis=1)

    assert fan.check()[:2] == (0, ["the convolutions have different padding"])


def test_unequal_strides_of_the_same_size() -> None:
    fan = Fan(spatial=1)
    a, b = fan.split()
    ends = [fan.conv(a, kernel=6, strides=[2]), fan.conv(b, kernel=6)]
    fan.net.add(nn.ConcatOp, ends, axis=1)

    assert fan.check()[:2] == (0, ["the convolutions have different strides"])


def test_swapped_branches() -> None:
    fan = Fan()
    fan.net.add(nn.ConcatOp, two(fan)[::-1], axis=1)

    reason = "the concat does not have the order of the split"
    assert fan.check()[:2] == (0, [reason])


def test_duplicated_branch() -> None:
    fan = Fan()
    ends = two(fan)
    fan.net.add(nn.ConcatOp, [ends[0], ends[0]], axis=1)

    assert fan.check()[0] == 0


def test_shared_part() -> None:
    fan = Fan()
    a, _ = fan.split()
    fan.net.add(nn.ConcatOp, [fan.conv(a), fan.conv(a)], axis=1)

    assert fan.check()[0] == 0


@pytest.mark.parametrize("extra", ["first", "last"])
def test_another_operand(extra: str) -> None:
    fan = Fan()
    ends = two(fan)
    more = fan.conv(fan.x)
    order = [more, *ends] if extra == "first" else [*ends, more]
    fan.net.add(nn.ConcatOp, order, axis=1)

    assert fan.check()[0] == 0


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize("which", ["part", "conv"])
def test_another_reader(output: bool, which: str) -> None:
    fan = Fan()
    parts = fan.split()
    ends = [fan.conv(part) for part in parts]
    joined = fan.net.add(nn.ConcatOp, ends, axis=1)
    value = (parts if which == "part" else ends)[1]

    count, reasons, _ = fan.check(
        joined, value if output else fan.net.add(nn.NegOp, value)
    )

    assert count == 0
    assert ("is a graph output" if output else "has another reader") in reasons[0]


@pytest.mark.parametrize("axis", [0, 2, 3])
def test_other_axes_of_the_concat(axis: int) -> None:
    fan = Fan()
    fan.net.add(nn.ConcatOp, two(fan), axis=axis)

    assert fan.check()[:2] == (0, ["the concat is not along the channels"])


@pytest.mark.parametrize("axis", [2, -1])
def test_other_axes_of_the_split(axis: int) -> None:
    fan = Fan()
    ends = [fan.conv(part, kernel=1) for part in fan.split(axis=axis)]
    fan.net.add(nn.ConcatOp, ends, axis=1)

    assert fan.check()[:2] == (0, ["the split is not along the channels"])


def test_uneven_parts() -> None:
    fan = Fan()
    fan.net.add(nn.ConcatOp, [fan.conv(p) for p in fan.split([3, 5])], axis=1)

    assert fan.check()[:2] == (0, ["the parts of the split are not equal"])


def test_a_part_that_is_left_out() -> None:
    fan = Fan(3)
    fan.net.add(nn.ConcatOp, [fan.conv(p) for p in fan.split()[:2]], axis=1)

    reason = "there is not one convolution for each part of the split"
    assert fan.check()[:2] == (0, [reason])


def test_something_in_between() -> None:
    fan = Fan()
    a, b = two(fan)
    fan.net.add(nn.ConcatOp, [a, fan.net.add(nn.ReluOp, b)], axis=1)

    assert fan.check()[:2] == (0, ["an operand of the concat is not a convolution"])


def test_computed_weights() -> None:
    net = NetworkBuilder([1, 4, 5], [2, 2, 1])
    split = nn.SplitOp.make(net.values[0], axis=1, results=2)
    net.block.add_op(split)
    ends = [net.add(nn.ConvOp, part, net.values[1]) for part in split.results]
    module = net.finish(net.add(nn.ConcatOp, ends, axis=1))

    with recording() as journal:
        assert FuseGroupsPass().count(module) == 0
    assert journal.declined[0].reason == "the weights are not constant"


def test_kept_layers_stay() -> None:
    fan = Fan()
    ends = two(fan)
    keep(ends[1].owner)  # type: ignore[arg-type]
    fan.net.add(nn.ConcatOp, ends, axis=1)

    assert fan.check()[0] == 0
