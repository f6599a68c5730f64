from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from networks import NetworkBuilder, check_pass, names_in
from ovc.compiler.passes.fold import is_foldable
from ovc.compiler.passes.fold_constants import FoldConstantsPass
from ovc.dialects import nn
from ovc.runtime.errors import CompileError
from strategies import Program, networks


@given(networks())
def test_results_are_kept_and_nothing_foldable_is_left(program: Program) -> None:
    module, inputs = program

    check_pass(FoldConstantsPass(), module, inputs)

    assert not any(is_foldable(op) for op in module.walk())


@pytest.mark.parametrize(("limit", "folded"), [(399, False), (400, True)])
def test_results_larger_than_the_limit_stay(limit: int, folded: bool) -> None:
    net = NetworkBuilder([1])
    one = net.constant(np.ones(1, np.float32))
    large = net.add(nn.ExpandOp, one, net.ints(100))
    module = net.finish(net.add(nn.AddOp, net.values[0], large))

    FoldConstantsPass(limit=limit).count(module)

    assert ("nn.expand" in names_in(module)) is not folded


def test_a_result_no_larger_than_its_operands_is_folded() -> None:
    net = NetworkBuilder([1])
    large = net.constant(np.ones(100, np.float32))
    net.add(nn.AddOp, net.values[0], net.add(nn.NegOp, large))
    module = net.finish()

    FoldConstantsPass(limit=1).count(module)

    assert "nn.neg" not in names_in(module)


def test_constants_without_a_result_name_the_layer() -> None:
    net = NetworkBuilder([1])
    table = net.constant(np.ones(3, np.float32))
    row = net.add(nn.GatherOp, table, net.ints(7))
    module = net.finish(net.add(nn.AddOp, net.values[0], row))

    with pytest.raises(CompileError, match=r"^nn\.gather: "):
        FoldConstantsPass().count(module)
