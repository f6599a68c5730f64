from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from networks import NetworkBuilder, argument_arrays, names_in
from ovc.compiler.passes.fold_constants import FoldConstantsPass
from ovc.compiler.passes.reasons import keep, recording
from ovc.compiler.passes.trim_kernels import TrimKernelsPass, trimmed
from ovc.dialects import nn
from ovc.dialects.nn.base import ints
from ovc.dialects.nn.pool import Pool
from ovc.dialects.types import shape_of
from patterns import check_exact, patterns, recent
from strategies import Growth, Program, size_of
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import VerifyException

POOLS = (nn.MaxPoolOp, nn.AveragePoolOp, nn.LpPoolOp, nn.MaxPoolIndicesOp)


def geometry(g: Growth, spatial: int) -> dict[str, Any]:
    """Windows that often see padding."""
    properties: dict[str, Any] = {
        "strides": [g.number(1, 3) for _ in range(spatial)],
        "dilations": [g.number(1, 4) for _ in range(spatial)],
    }
    automatic = g.pick(("", "", "", "SAME_UPPER", "SAME_LOWER", "VALID"))
    if automatic:
        return properties | {"auto_pad": automatic}
    return properties | {"pads": [g.number(0, 6) for _ in range(2 * spatial)]}


def source(g: Growth) -> tuple[SSAValue, list[int], dict[str, Any]] | None:
    x = recent(g, 3)
    if x is None or size_of(x) > 500:
        return None
    spatial = len(shape_of(x)) - 2
    return x, [g.number(1, 4) for _ in range(spatial)], geometry(g, spatial)


def tried(g: Growth, *args: Any, **properties: Any) -> object:
    """The operation, if such windows fit."""
    try:
        return g.net.add(*args, **properties)
    except VerifyException:
        return None


def wide_conv(g: Growth) -> object:
    found = source(g)
    if found is None:
        return None
    x, kernel, properties = found
    channels = shape_of(x)[1]
    groups = g.pick([d for d in range(1, channels + 1) if channels % d == 0])
    w = g.weights(groups, channels // groups, *kernel)
    bias = g.weights(groups) if g.number(0, 1) else None
    return tried(g, nn.ConvOp, x, w, bias, group=groups, **properties)


def wide_conv_transpose(g: Growth) -> object:
    found = source(g)
    if found is None:
        return None
    x, kernel, properties = found
    channels = shape_of(x)[1]
    groups = g.pick([d for d in range(1, channels + 1) if channels % d == 0])
    w = g.weights(channels, 1, *kernel)
    match g.number(0, 2):
        case 0:
            extra = [g.number(0, s - 1) for s in properties["strides"]]
            properties["output_padding"] = extra
        case 1:
            properties["output_shape"] = [g.number(1, 16) for _ in kernel]
        case _:
            pass
    return tried(g, nn.ConvTransposeOp, x, w, group=groups, **properties)


def wide_pool(g: Growth) -> object:
    found = source(g)
    if found is None:
        return None
    x, kernel, properties = found
    op = g.pick(POOLS[:3])
    if op is nn.AveragePoolOp:
        properties["count_include_pad"] = g.number(0, 1)
    properties["ceil_mode"] = g.number(0, 1)
    return tried(g, op, x, kernel_shape=kernel, **properties)


@settings(max_examples=200)
@given(patterns((wide_conv, wide_conv_transpose, wide_pool), most=3))
def test_results_are_kept_to_the_bit_and_dead_taps_are_gone(program: Program) -> None:
    with recording() as journal:
        check_exact(TrimKernelsPass(), program)

    left = [op for op in program.module.walk() if has_dead_taps(op)]
    assert bool(left) == bool(journal.declined)
    assert {d.reason for d in journal.declined} <= {"its mean counts the padding"}
    assert all(isinstance(op, nn.AveragePoolOp) for op in left)


def has_dead_taps(op: object) -> bool:
    return isinstance(op, nn.ConvOp | nn.ConvTransposeOp | Pool) and any(
        trimmed(window).shorter for window in op.windows()
    )


def conv(
    sizes: Sequence[int],
    kernel: Sequence[int],
    op: Any = nn.ConvOp,
    weights: float = 1,
    **properties: Any,
) -> NetworkBuilder:
    net = NetworkBuilder([1, 2, *sizes])
    w = net.constant(np.full((2, 2, *kernel), weights, np.float32))
    net.add(op, net.values[0], w, **properties)
    return net


def trim(net: NetworkBuilder) -> tuple[Any, list[str]]:
    """The operation after trimming, and why nothing was trimmed."""
    module = net.finish()
    with recording() as journal:
        check_exact(TrimKernelsPass(), Program(module, argument_arrays(module)))
    FoldConstantsPass().count(module)
    [op] = [o for o in module.walk() if isinstance(o, nn.ConvOp | nn.ConvTransposeOp)]
    return op, [d.reason for d in journal.declined]


@pytest.mark.parametrize("dilation", [20, 24, 36])
def test_a_dilation_as_large_as_the_image_leaves_the_middle(dilation: int) -> None:
    same: dict[str, Any] = {"dilations": [dilation] * 2, "pads": [dilation] * 4}

    op, _ = trim(conv([20, 20], [3, 3], **same))

    assert shape_of(op.w)[2:] == (1, 1)
    assert ints(op.pads) == (0,) * 4
    assert ints(op.dilations) == (1, 1)


def test_a_dilation_below_the_image_leaves_all() -> None:
    op, _ = trim(conv([20], [3], dilations=[19], pads=[19, 19]))

    assert shape_of(op.w)[2:] == (3,)


def test_frames_that_are_not_there() -> None:
    op, _ = trim(conv([1, 5, 5], [3, 3, 3], pads=[1] * 6))

    assert shape_of(op.w)[2:] == (1, 3, 3)
    assert ints(op.pads) == (0, 1, 1, 0, 1, 1)


def test_one_side_only() -> None:
    """The last window sees elements -1 to 2 of 2, the first one -4 to -1."""
    op, _ = trim(conv([2], [4], pads=[2, 1]))

    assert shape_of(op.w)[2:] == (3,)
    assert ints(op.pads) == (1, 1)


def test_padding_does_not_fall_below_zero() -> None:
    """Tap 0 is dead, but tap 1 begins behind the first element."""
    op, _ = trim(conv([9], [2], dilations=[7], pads=[5, 0]))

    assert shape_of(op.w)[2:] == (2,)


def test_outputs_that_the_padding_cuts_off() -> None:
    """Of outputs 0 to 7 the last three stay; taps 0 and 1 end at 3 and 4."""
    op, _ = trim(conv([4], [5], nn.ConvTransposeOp, pads=[5, 0]))

    assert shape_of(op.w)[2:] == (3,)
    assert ints(op.pads) == (3, 0)


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_weights_that_are_no_numbers_stay(number: float) -> None:
    """Zero times infinity is no zero."""
    module = conv([1], [3], weights=number, pads=[1, 1]).finish()
    with recording() as journal:
        assert TrimKernelsPass().count(module) == 0

    [declined] = journal.declined
    assert "infinite or not a number" in declined.reason


def test_the_middle_may_be_infinite() -> None:
    net = NetworkBuilder([1, 1, 1])
    w = net.constant(np.array([[[1, np.inf, 1]]], np.float32))
    net.add(nn.ConvOp, net.values[0], w, pads=[1, 1])

    assert TrimKernelsPass().count(net.finish()) == 1


def test_weights_that_are_computed_stay() -> None:
    net = NetworkBuilder([1, 2, 1], [2, 2, 3])
    net.add(nn.ConvOp, *net.values, pads=[1, 1])

    op, reasons = trim(net)

    assert shape_of(op.w) == (2, 2, 3)
    assert reasons == ["its weights are not constant"]


def test_a_kept_layer_stays() -> None:
    net = conv([1], [3], pads=[1, 1])
    keep(net.values[-1].owner)  # type: ignore[arg-type]

    assert TrimKernelsPass().count(net.finish()) == 0


def test_a_kernel_that_sees_nothing_stays() -> None:
    module = conv([1], [1], pads=[2, 0], strides=[3]).finish()
    assert TrimKernelsPass().count(module) == 0


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize("op", POOLS)
def test_pools(op: Any, include: int) -> None:
    net = NetworkBuilder([1, 2, 1, 4])
    own = {"count_include_pad": include} if op is nn.AveragePoolOp else {}
    net.add(op, net.values[0], kernel_shape=[3, 3], pads=[1] * 4, **own)
    module = net.finish()
    program = Program(module, argument_arrays(module))

    count = check_exact(TrimKernelsPass(), program)

    assert count == (not (op is nn.AveragePoolOp and include))
    assert kernels(module) == [[1, 3] if count else [3, 3]]


def kernels(module: ModuleOp) -> list[list[int]]:
    return [list(ints(o.kernel_shape)) for o in module.walk() if isinstance(o, Pool)]


def test_the_weights_become_smaller() -> None:
    module = conv([1], [3], pads=[1, 1]).finish()
    with recording() as journal:
        TrimKernelsPass().count(module)
    assert "nn.slice" in names_in(module)
    assert journal.applied[0].note == "1 of 3 taps"

    FoldConstantsPass().count(module)

    assert "nn.slice" not in names_in(module)
