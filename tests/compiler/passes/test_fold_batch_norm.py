from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from networks import NetworkBuilder, argument_arrays, check_pass, names_in
from ovc.compiler.locations import set_source, source_names
from ovc.compiler.passes.fold_batch_norm import FoldBatchNormPass
from ovc.compiler.passes.fold_constants import FoldConstantsPass
from ovc.dialects import nn
from strategies import NORMS, Program, networks
from xdsl.ir import SSAValue

TOLERANCE = 1e-5
"""Factors are computed in float32 before the results are compared in float64."""


@settings(max_examples=200)
@given(networks(NORMS, most=5))
def test_results_are_kept_and_no_norm_is_left(program: Program) -> None:
    module, inputs = program

    check_pass(FoldBatchNormPass(), module, inputs, TOLERANCE)
    check_pass(FoldConstantsPass(), module, inputs, TOLERANCE)

    assert "nn.batch_norm" not in names_in(module)


def normed(net: NetworkBuilder, x: SSAValue, channels: int) -> SSAValue:
    numbers = np.arange(1, channels + 1, dtype=np.float32)
    values = [net.constant(numbers + i) for i in range(4)]
    return net.add(nn.BatchNormOp, x, *values, epsilon=1e-3)


def test_the_convolution_has_both_names() -> None:
    net = NetworkBuilder([1, 2, 4, 4])
    weights = net.constant(np.ones((3, 2, 1, 1), np.float32))
    conv = net.add(nn.ConvOp, net.values[0], weights)
    norm = normed(net, conv, 3)
    set_source(conv.owner, "conv")  # type: ignore[arg-type]
    set_source(norm.owner, "bn")  # type: ignore[arg-type]
    module = net.finish(norm)

    assert FoldBatchNormPass().count(module) == 1
    [folded] = [op for op in module.walk() if op.name == "nn.conv"]
    assert source_names(folded) == ("conv", "bn")


def test_a_shared_convolution_is_left_alone() -> None:
    net = NetworkBuilder([1, 2, 4, 4])
    weights = net.constant(np.ones((3, 2, 1, 1), np.float32))
    conv = net.add(nn.ConvOp, net.values[0], weights)
    module = net.finish(normed(net, conv, 3), conv)

    check_pass(FoldBatchNormPass(), module, argument_arrays(module), TOLERANCE)

    assert names_in(module).count("nn.conv") == 1
    assert "nn.scale_shift" in names_in(module)


@pytest.mark.parametrize("parameter", range(4))
def test_parameters_that_are_no_constants_forbid_it(parameter: int) -> None:
    net = NetworkBuilder([1, 2, 4], [2])
    values = [net.constant(np.ones(2, np.float32)) for _ in range(4)]
    values[parameter] = net.values[1]
    net.add(nn.BatchNormOp, net.values[0], *values)
    module = net.finish()

    assert FoldBatchNormPass().count(module) == 0
