from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given
from networks import NetworkBuilder, argument_arrays, names_in
from ovc.compiler.passes.algebra import Constants
from ovc.compiler.passes.linear import linear_of
from ovc.compiler.passes.merge_linear import MergeLinearPass
from ovc.compiler.passes.reasons import recording
from ovc.dialects import nn
from ovc.dialects.types import shape_of
from patterns import MERGED, check_exact, patterns
from strategies import Program
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue


@given(patterns(MERGED))
def test_results_are_kept_to_the_bit_and_chains_are_merged(program: Program) -> None:
    check_exact(MergeLinearPass(), program)

    for kinds, sizes in chained(program.module):
        assert kinds == (True, False) or max(sizes[:2]) < sizes[2]


@given(patterns(MERGED))
def test_pairs_become_one_operation(program: Program) -> None:
    check_exact(MergeLinearPass(pairs=True), program)


def chained(module: ModuleOp) -> list[tuple[tuple[bool, bool], tuple[int, int, int]]]:
    """Neighbours of a chain: which are Mul, and the sizes of both constants and merged."""
    [main] = module.body.block.ops
    constants = Constants.of(main.regions[0].block)
    found = []
    for op in main.regions[0].block.ops:
        outer = linear_of(op, constants)
        inner = None if outer is None else linear_of(outer.x.owner, constants)
        if outer is None or inner is None or not inner.result.has_one_use():
            continue
        if outer.result.type != inner.x.type:
            continue
        shapes = shape_of(inner.constant), shape_of(outer.constant)
        merged = prod(np.broadcast_shapes(*shapes))
        found.append(
            ((inner.is_mul, outer.is_mul), (prod(shapes[0]), prod(shapes[1]), merged))
        )
    return found


def chain(net: NetworkBuilder, *links: tuple[type, tuple[int, ...]]) -> SSAValue:
    """Mul and Add with constants of these shapes, one after the other."""
    value = net.values[-1]
    for number, (op, shape) in enumerate(links, 2):
        value = net.add(op, value, net.constant(np.full(shape, number, np.float32)))
    return value


MUL, ADD = nn.MulOp, nn.AddOp


@pytest.mark.parametrize(
    ("links", "left"),
    [
        ([(MUL, ()), (MUL, (2, 1)), (MUL, ())], ["nn.mul"]),
        ([(ADD, ()), (ADD, (1,)), (ADD, (3,))], ["nn.add"]),
        ([(MUL, (2, 1)), (ADD, (2, 1)), (MUL, ()), (ADD, ())], ["nn.mul", "nn.add"]),
        ([(ADD, ()), (MUL, ())], ["nn.mul", "nn.add"]),
        ([(ADD, ()), (MUL, ()), (ADD, ())] * 5, ["nn.mul", "nn.add"]),
        ([(MUL, (2, 1)), (MUL, (3,))], ["nn.mul", "nn.mul"]),
        ([(MUL, (2, 1)), (MUL, (3,)), (MUL, (1, 2, 3))], ["nn.mul"]),
    ],
)
def test_chains(links: list[tuple[type, tuple[int, ...]]], left: list[str]) -> None:
    net = NetworkBuilder([1, 2, 3])
    module = net.finish(chain(net, *links))
    MergeLinearPass().count(module)
    from ovc.compiler.passes.fold_constants import FoldConstantsPass

    FoldConstantsPass().count(module)

    assert [n for n in names_in(module) if n in ("nn.mul", "nn.add")] == left


def test_identities_vanish() -> None:
    net = NetworkBuilder([1, 2, 3])
    one, zero = (net.constant(np.full((2, 1), v, np.float32)) for v in (1, 0))
    net.add(MUL, one, net.values[0])
    net.add(ADD, net.values[-1], zero)
    module = net.finish()

    assert MergeLinearPass().count(module) == 2
    assert not {"nn.mul", "nn.add"} & set(names_in(module))


def test_an_identity_that_broadcasts_stays() -> None:
    net = NetworkBuilder([1, 2, 1])
    net.add(MUL, net.values[0], net.constant(np.ones((1, 2, 3), np.float32)))
    module = net.finish()

    assert MergeLinearPass().count(module) == 0


def test_a_value_that_is_read_twice_is_left_alone() -> None:
    net = NetworkBuilder([1, 2, 3])
    middle = chain(net, (MUL, ()))
    end = chain(net, (MUL, ()))
    module = net.finish(net.add(nn.NegOp, middle), end)

    with recording() as journal:
        assert MergeLinearPass().count(module) == 0
    assert "has another reader" in journal.declined[0].reason


def test_a_graph_output_is_left_alone() -> None:
    net = NetworkBuilder([1, 2, 3])
    module = net.finish(chain(net, (MUL, ())), chain(net, (MUL, ())))

    with recording() as journal:
        assert MergeLinearPass().count(module) == 0
    assert "is a graph output" in journal.declined[0].reason


@pytest.mark.parametrize(
    ("links", "paired"),
    [
        ([(MUL, (2, 1)), (ADD, (2, 1))], True),
        ([(MUL, ()), (ADD, (1, 2, 1))], True),
        ([(MUL, ()), (ADD, ())], True),
        ([(MUL, (3,)), (ADD, ())], False),
        ([(MUL, (2, 1)), (ADD, (2, 3))], False),
        ([(MUL, (2, 1))], False),
    ],
)
def test_pairs(links: list[tuple[type, tuple[int, ...]]], paired: bool) -> None:
    net = NetworkBuilder([1, 2, 3])
    module = net.finish(chain(net, *links))

    check_exact(MergeLinearPass(pairs=True), Program(module, argument_arrays(module)))

    assert ("nn.scale_shift" in names_in(module)) == paired


@pytest.mark.parametrize(("width", "left"), [(64, 1), (128, 1), (8192, 2)])
def test_at_the_end_constants_may_grow_while_they_are_small(
    width: int, left: int
) -> None:
    net = NetworkBuilder([1, 128, width])
    module = net.finish(chain(net, (MUL, (128, 1)), (MUL, (width,))))

    assert MergeLinearPass().count(module) == 0
    MergeLinearPass(pairs=True).count(module)

    [main] = module.body.block.ops
    constants = Constants.of(main.regions[0].block)
    found = [linear_of(op, constants) for op in main.regions[0].block.ops]
    assert sum(linear is not None for linear in found) == left
