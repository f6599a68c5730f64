from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from networks import (
    NetworkBuilder,
    argument_arrays,
    check_pass,
    names_in,
    whole_numbers,
)
from numpy.typing import DTypeLike
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


def normed(
    net: NetworkBuilder, x: SSAValue, channels: int, dtype: DTypeLike = np.float32
) -> SSAValue:
    numbers = np.arange(1, channels + 1).astype(dtype)
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


def test_weights_that_are_no_constants_forbid_it() -> None:
    net = NetworkBuilder([1, 2, 4, 4], [3, 2, 1, 1])
    conv = net.add(nn.ConvOp, *net.values)
    module = net.finish(normed(net, conv, 3))

    check_pass(FoldBatchNormPass(), module, argument_arrays(module), TOLERANCE)

    assert "nn.scale_shift" in names_in(module)


@pytest.mark.parametrize(
    ("data", "statistics"), [(np.float16, np.float16), (np.float32, np.float64)]
)
def test_other_element_types_are_left_alone(data: type, statistics: type) -> None:
    net = NetworkBuilder([1, 2, 4], dtype=data)
    module = net.finish(normed(net, net.values[0], 2, statistics))

    assert FoldBatchNormPass().count(module) == 0


@pytest.mark.parametrize("addend", [None, (), (1,), (3,), (1, 3), (2, 1), (2, 3)])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (2.0, 3.0)])
@pytest.mark.parametrize("turned", [0, 1])
def test_every_gemm(
    addend: tuple[int, ...] | None, alpha: float, beta: float, turned: int
) -> None:
    net = NetworkBuilder([2, 4])
    generator = np.random.default_rng(0)
    weights = whole_numbers(generator, (3, 4) if turned else (4, 3))
    third = None if addend is None else net.constant(whole_numbers(generator, addend))
    gemm = net.add(
        nn.GemmOp,
        net.values[0],
        net.constant(weights),
        third,
        alpha=alpha,
        beta=beta,
        transB=turned,
    )
    module = net.finish(normed(net, gemm, 3))

    check_pass(FoldBatchNormPass(), module, argument_arrays(module), TOLERANCE)

    assert "nn.scale_shift" not in names_in(module)
