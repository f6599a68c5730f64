from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from networks import NetworkBuilder, argument_arrays, names_in
from ovc.compiler.passes.cancel_transposes import CancelTransposesPass
from ovc.compiler.passes.reasons import keep, recording
from ovc.dialects import nn
from ovc.dialects.nn.reshape import Reshaping
from patterns import TURNED, check_exact, patterns
from strategies import Program
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue


@settings(max_examples=150)
@given(patterns(TURNED))
def test_results_are_kept_to_the_bit_and_the_pattern_is_gone(program: Program) -> None:
    check_exact(CancelTransposesPass(), program)

    for op in program.module.walk():
        if isinstance(op, nn.TransposeOp):
            assert not isinstance(op.x.owner, nn.TransposeOp)
        if isinstance(op, Reshaping):
            assert not isinstance(op.operands[0].owner, Reshaping)
            assert op.operands[0].type != op.results[0].type
        if isinstance(op, nn.ReluOp) and op.x.has_one_use():
            assert not isinstance(op.x.owner, nn.TransposeOp | Reshaping)


def run(net: NetworkBuilder, *outputs: SSAValue) -> tuple[list[str], ModuleOp]:
    module = net.finish(*outputs)
    check_exact(CancelTransposesPass(), Program(module, argument_arrays(module)))
    names = [n for n in names_in(module) if n.startswith("nn.")]
    return names, module


def test_two_that_cancel_around_arithmetic_vanish() -> None:
    net = NetworkBuilder([2, 3, 4, 5])
    x = net.add(nn.TransposeOp, net.values[0], perm=[0, 2, 3, 1])
    x = net.add(nn.ReluOp, x)
    x = net.add(nn.AddOp, net.constant(np.arange(3, dtype=np.float32)), x)
    net.add(nn.TransposeOp, x, perm=[0, 3, 1, 2])

    names, _ = run(net)

    constant = ["nn.reshape", "nn.transpose"]
    assert names == ["nn.relu", *constant, "nn.add"]


def test_both_operands_alike() -> None:
    net = NetworkBuilder([2, 3], [2, 3])
    a, b = (net.add(nn.TransposeOp, v, perm=[1, 0]) for v in net.values[:2])
    net.add(nn.MulOp, a, b)

    assert run(net)[0] == ["nn.mul", "nn.transpose"]


def test_one_value_twice() -> None:
    net = NetworkBuilder([2, 3])
    a = net.add(nn.TransposeOp, net.values[0], perm=[1, 0])
    net.add(nn.MulOp, a, a)

    assert run(net)[0] == ["nn.mul", "nn.transpose"]


@pytest.mark.parametrize("why", ["order", "plain", "reader", "rank", "kept"])
def test_what_does_not_sink(why: str) -> None:
    net = NetworkBuilder([3, 3, 3], [3, 3, 3])
    x, y = net.values[:2]
    a = net.add(nn.TransposeOp, x, perm=[1, 0, 2])
    b = net.add(nn.TransposeOp, y, perm=[2, 1, 0] if why == "order" else [1, 0, 2])
    if why == "plain":
        b = y
    if why == "rank":
        b = net.add(nn.TransposeOp, net.constant(np.ones((3, 3, 3, 2), "f4")))
    total = net.add(nn.AddOp, a, b)
    if why == "kept":
        keep(total.owner)  # type: ignore[arg-type]
    outputs = [total, net.add(nn.NegOp, a)] if why == "reader" else [total]
    module = net.finish(*outputs)

    with recording() as journal:
        count = CancelTransposesPass().count(module)

    assert count == 0
    assert journal.declined or why == "kept"


def test_composed() -> None:
    net = NetworkBuilder([2, 3, 4])
    x = net.add(nn.TransposeOp, net.values[0], perm=[1, 2, 0])
    net.add(nn.TransposeOp, x, perm=[1, 2, 0])

    names, module = run(net)

    assert names == ["nn.transpose"]
    [op] = [op for op in module.walk() if isinstance(op, nn.TransposeOp)]
    assert op.permutation(3) == (2, 0, 1)


def test_of_ones_is_a_reshape() -> None:
    net = NetworkBuilder([2, 1, 3])
    net.add(nn.TransposeOp, net.values[0], perm=[1, 0, 2])

    assert run(net)[0] == ["nn.reshape"]


def test_reshapes_of_every_kind() -> None:
    net = NetworkBuilder([2, 3, 4])
    x = net.add(nn.FlattenOp, net.values[0], axis=1)
    x = net.add(nn.UnsqueezeOp, x, net.ints(0))
    x = net.add(nn.ReluOp, x)
    x = net.add(nn.SqueezeOp, x, net.ints(0))
    net.add(nn.ReshapeOp, x, net.ints(4, -1))

    assert run(net)[0] == ["nn.relu", "nn.reshape"]


def test_reshapes_that_cancel() -> None:
    net = NetworkBuilder([2, 3, 4])
    x = net.add(nn.FlattenOp, net.values[0], axis=1)
    x = net.add(nn.ReluOp, x)
    net.add(nn.ReshapeOp, x, net.ints(2, 3, 4))

    assert run(net)[0] == ["nn.relu"]
