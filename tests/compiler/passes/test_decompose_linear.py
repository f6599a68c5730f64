from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from networks import NetworkBuilder, argument_arrays, check_pass, names_in
from ovc.compiler.locations import set_source, source_names
from ovc.compiler.passes.decompose_linear import DecomposeLinearPass
from ovc.compiler.passes.reasons import recording
from ovc.dialects import nn
from patterns import DECOMPOSED, check_exact, patterns
from strategies import NORMS, Program, networks


@given(patterns(DECOMPOSED))
def test_results_are_kept_to_the_bit_and_the_pattern_is_gone(program: Program) -> None:
    check_exact(DecomposeLinearPass(), program)

    assert not {"nn.batch_norm", "nn.scale_shift"} & set(names_in(program.module))


@given(networks(NORMS, most=4))
def test_any_batch_norm_agrees_to_rounding(program: Program) -> None:
    module, inputs = program

    check_pass(DecomposeLinearPass(), module, inputs, 1e-5)

    assert "nn.batch_norm" not in names_in(module)


def test_a_batch_norm_becomes_two_pairs_with_its_name() -> None:
    net = NetworkBuilder([1, 2, 3])
    ones = [net.constant(np.ones(2, np.float32)) for _ in range(4)]
    norm = net.add(nn.BatchNormOp, net.values[0], *ones)
    set_source(norm.owner, "bn1")  # type: ignore[arg-type]
    module = net.finish()

    DecomposeLinearPass().count(module)

    last = [op for op in module.walk() if op.operands][-5:-1]
    assert [op.name for op in last] == ["nn.mul", "nn.add", "nn.mul", "nn.add"]
    assert {source_names(op) for op in last} == {("bn1",)}


@pytest.mark.parametrize("divisor", [0.0, 1e-44, np.inf, np.nan])
def test_a_divisor_without_a_normal_inverse_stays(divisor: float) -> None:
    net = NetworkBuilder([2])
    net.add(nn.DivOp, net.values[0], net.constant(np.array([1, divisor], np.float32)))
    module = net.finish()

    with recording() as journal:
        assert DecomposeLinearPass().count(module) == 0
    assert "one over its divisor is no normal number" in journal.declined[0].reason


@pytest.mark.parametrize("dtype", [np.float16, np.int64])
def test_other_types_stay(dtype: type) -> None:
    net = NetworkBuilder([2], dtype=dtype)
    net.add(nn.SubOp, net.values[0], net.constant(np.ones(2, dtype)))
    module = net.finish()

    assert DecomposeLinearPass().count(module) == 0


def test_a_constant_on_the_left_stays() -> None:
    net = NetworkBuilder([2])
    net.add(nn.SubOp, net.constant(np.ones(2, np.float32)), net.values[0])
    net.add(nn.DivOp, net.constant(np.ones(2, np.float32)), net.values[-1])
    module = net.finish()

    assert DecomposeLinearPass().count(module) == 0


def test_a_division_agrees_to_rounding() -> None:
    net = NetworkBuilder([7])
    net.add(nn.DivOp, net.values[0], net.constant(np.array(255, np.float32)))
    module = net.finish()

    assert check_pass(DecomposeLinearPass(), module, argument_arrays(module), 1e-6)


def layer(net: NetworkBuilder) -> None:
    w = np.arange(8, dtype=np.float32).reshape(4, 2, 1)
    net.add(nn.ConvOp, net.values[-1], net.constant(w))


def minus(net: NetworkBuilder) -> None:
    net.add(nn.NegOp, net.values[-1])


def from_four(net: NetworkBuilder) -> None:
    net.add(nn.SubOp, net.constant(np.full((1,), 4, np.float32)), net.values[-1])


def half(net: NetworkBuilder) -> None:
    net.add(nn.MulOp, net.values[-1], net.constant(np.full((1,), 0.5, np.float32)))


def relu(net: NetworkBuilder) -> None:
    net.add(nn.ReluOp, net.values[-1])


def other(net: NetworkBuilder) -> None:
    net.add(nn.MulOp, net.values[-1], net.values[-1])


def fraction(net: NetworkBuilder) -> None:
    net.add(nn.DivOp, net.constant(np.full((1,), 4, np.float32)), net.values[-1])


@pytest.mark.parametrize("sign", [minus, from_four])
@pytest.mark.parametrize(
    ("before", "after", "legal"),
    [
        ([layer], [], True),
        ([], [layer], True),
        ([half], [relu], True),
        ([relu], [half], True),
        ([minus], [relu], True),
        ([layer, relu], [relu], False),
        ([relu], [other], False),
        ([relu], [fraction], False),
        ([], [], False),
    ],
)
def test_a_change_of_sign_is_written_beside_what_it_can_join(
    sign: Any, before: list[Any], after: list[Any], legal: bool
) -> None:
    net = NetworkBuilder([1, 2, 3])
    for step in (*before, sign, *after):
        step(net)
    module = net.finish()

    check_pass(DecomposeLinearPass(), module, argument_arrays(module))

    assert ({"nn.neg", "nn.sub"} & set(names_in(module)) == set()) == legal


def test_a_change_of_sign_behind_a_value_with_readers_stays() -> None:
    net = NetworkBuilder([1, 2, 3])
    layer(net)
    minus(net)
    module = net.finish(*net.values[1:])

    assert DecomposeLinearPass().count(module) == 0


def test_a_difference_that_broadcasts_stays() -> None:
    net = NetworkBuilder([1, 1, 3])
    net.add(nn.SubOp, net.constant(np.ones((2, 1), np.float32)), net.values[0])
    layer(net)
    module = net.finish()

    assert DecomposeLinearPass().count(module) == 0
