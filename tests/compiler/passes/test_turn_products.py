"""Products are turned round where less is transposed, and stay what they were."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, evaluate
from ovc.compiler.passes.reasons import recording
from ovc.compiler.passes.turn_products import TurnProductsPass
from ovc.dialects import nn
from ovc.dialects.types import shape_of
from xdsl.dialects.builtin import ModuleOp


def by_a_transpose(
    outer: list[int], batch: list[int], rows: int, summed: int, columns: int
) -> ModuleOp:
    """a @ transpose(b); the leading dimensions of `a` are `outer`, of `b` are `batch`."""
    net = NetworkBuilder([*outer, rows, summed], [*batch, columns, summed])
    a, b = net.block.args
    rank = len(batch) + 2
    perm = [*range(rank - 2), rank - 1, rank - 2]
    return net.finish(net.add(nn.MatmulOp, a, net.add(nn.TransposeOp, b, perm=perm)))


@st.composite
def products(draw: st.DrawFn) -> ModuleOp:
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    outer = [draw(st.sampled_from([n, 1])) for n in batch]
    if draw(st.booleans()):
        outer = outer[1:]
    sizes = (draw(st.integers(1, most)) for most in (4, 12, 12))
    return by_a_transpose(outer, batch, *sizes)


@settings(max_examples=150)
@given(products())
def test_results_are_kept_to_the_bit(module: ModuleOp) -> None:
    arrays = argument_arrays(module)
    (expected,) = evaluate(module, arrays)
    before = transposed(module)

    count = TurnProductsPass().count(module)

    module.verify()
    np.testing.assert_array_equal(evaluate(module, arrays)[0], expected)
    assert transposed(module) < before if count else transposed(module) == before
    assert TurnProductsPass().count(module) == 0


def transposed(module: ModuleOp) -> int:
    """How many elements transposes move."""
    ops = [op for op in module.walk() if isinstance(op, nn.TransposeOp)]
    return sum(prod(shape_of(op.output)) for op in ops)


def test_why_not() -> None:
    net = NetworkBuilder([3, 16], [16, 16])
    v, p = net.block.args
    turned = net.add(nn.TransposeOp, p)
    module = net.finish(net.add(nn.MatmulOp, v, turned), net.add(nn.ReluOp, turned))

    with recording() as journal:
        assert TurnProductsPass().count(module) == 0

    assert [d.reason for d in journal.declined] == ["the transpose has another reader"]
