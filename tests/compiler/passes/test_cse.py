from __future__ import annotations

import numpy as np
from hypothesis import given
from networks import NetworkBuilder, check_pass, names_in
from ovc.compiler.passes.cse import PROBE, CommonSubexpressionPass
from ovc.dialects import nn
from strategies import Program, networks


@given(networks())
def test_results_are_kept_and_nothing_is_computed_twice(program: Program) -> None:
    module, inputs = program

    check_pass(CommonSubexpressionPass(), module, inputs)

    seen = [
        (op.name, tuple(op.operands), str(op.properties), str(op.attributes))
        for op in module.walk()
        if op.operands and op.results
    ]
    assert len(seen) == len(set(seen))


def test_constants_that_differ_in_the_middle_stay_apart() -> None:
    net = NetworkBuilder([1])
    middle = np.zeros(4 * PROBE, np.float32)
    middle[2 * PROBE] = 1
    zeros = np.zeros(4 * PROBE, np.float32)
    for array in (zeros, middle, zeros.copy(), middle.copy()):
        net.add(nn.AddOp, net.values[-1], net.constant(array))
    module = net.finish()

    CommonSubexpressionPass().count(module)

    assert names_in(module).count("const.constant") == 2


def test_constants_of_different_types_stay_apart() -> None:
    net = NetworkBuilder([2])
    net.add(nn.ReshapeOp, net.values[-1], net.ints(2))
    net.add(nn.AddOp, net.values[-1], net.constant(np.zeros(2, np.float32)))
    net.add(nn.AddOp, net.values[-1], net.constant(np.zeros((1, 2), np.float32)))
    module = net.finish()

    assert CommonSubexpressionPass().count(module) == 0
