"""Elementwise operations run where the values they read are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, evaluate
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes.fuse_epilogues import LONGEST, FuseEpiloguesPass
from ovc.dialects import nn
from ovc.dialects.nn.fused import FusedOp
from ovc.runtime.config import Config
from ovc.runtime.drivers.cpu import CpuDriver
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

UNARY = [nn.ReluOp, nn.NegOp, nn.AbsOp]
BINARY = [nn.AddOp, nn.SubOp, nn.MaximumOp]
"""Exact on whole numbers, in any order."""

SQUARE = np.arange(64, dtype=np.float32).reshape(8, 8) % 5 - 2


def kernels(module: ModuleOp) -> list[list[str]]:
    """The operations of each kernel, after the pass."""
    FuseEpiloguesPass().apply(Context(), module)
    module.verify()
    return [
        [member.name[3:] for member in op.members]
        for op in module.walk()
        if isinstance(op, FusedOp)
    ]


def compiled(module: ModuleOp, *inputs: np.ndarray) -> list[np.ndarray]:
    """What the compiled network gives."""
    model = Model(module, Path("fused.mlir"), "0" * 64)
    artifact = compile_module(model, "cpu", CompileOptions())
    return CpuDriver(artifact, Config(threads=1)).infer(list(inputs))


@st.composite
def networks(draw: st.DrawFn) -> ModuleOp:
    """Sums, products and maxima of halves of the inputs; some are used again."""
    net = NetworkBuilder([2, 8], [4, 16])
    first, second = net.values
    net.values = [first]
    halves = nn.SplitOp.make(second, net.ints(8, 8), axis=1, results=2)
    rows = nn.SliceOp.make(
        halves.results[draw(st.integers(0, 1))], net.ints(1), net.ints(3), net.ints(0)
    )
    net.block.add_ops([halves, rows])
    net.values += rows.results
    for _ in range(draw(st.integers(1, 12))):
        pick = st.sampled_from(net.values)
        kind = draw(st.integers(0, 7))
        if kind == 0:
            net.add(nn.MatmulOp, draw(pick), net.constant(SQUARE))
        elif kind < 3:
            net.add(draw(st.sampled_from(UNARY)), draw(pick))
        else:
            net.add(draw(st.sampled_from(BINARY)), draw(pick), draw(pick))
    used = {o for op in net.block.ops for o in op.operands}
    ends = [v for v in net.values[2:] if v not in used]
    return net.finish(
        *ends, *draw(st.lists(st.sampled_from(net.values[2:]), max_size=1))
    )


@settings(max_examples=40, deadline=None)
@given(networks())
def test_results_are_kept(module: ModuleOp) -> None:
    inputs = argument_arrays(module)
    wanted = evaluate(module, inputs)

    for result, expected in zip(
        compiled(module.clone(), *inputs.values()), wanted, strict=True
    ):
        np.testing.assert_array_equal(result, expected)
    kernels(module)


def cell(net: NetworkBuilder, steps: int) -> SSAValue:
    """A recurrent cell with four gates."""
    c, h, x = net.values
    weights = net.constant(np.ones((8, 32), np.float32))
    for _ in range(steps):
        sums = net.add(nn.AddOp, net.add(nn.MatmulOp, h, weights), x)
        gates = nn.SplitOp.make(sums, net.ints(8, 8, 8, 8), axis=1, results=4)
        net.block.add_op(gates)
        i, o, f, g = gates.results
        new = net.add(nn.MulOp, net.add(nn.SigmoidOp, i), net.add(nn.TanhOp, g))
        kept = net.add(nn.MulOp, net.add(nn.SigmoidOp, f), c)
        c = net.add(nn.AddOp, kept, new)
        h = net.add(nn.MulOp, net.add(nn.SigmoidOp, o), net.add(nn.TanhOp, c))
    return h


def test_a_recurrent_cell_is_two_kernels() -> None:
    net = NetworkBuilder([1, 8], [1, 8], [1, 32])

    found = kernels(net.finish(cell(net, 3)))

    assert [len(names) for names in found] == [2, 9] * 3
    assert all(names.count("sigmoid") == 3 for names in found[1::2])


def beside(
    *, shape: list[int] | None = None, late: bool = False, twice: bool = False
) -> Any:
    """`abs(relu(x)) + neg(y)`, the second of which comes later."""
    net = NetworkBuilder([2, 8], shape or [2, 8])
    x, y = net.values
    one = net.add(nn.AbsOp, net.add(nn.ReluOp, x))
    other = net.add(nn.MatmulOp, y, net.constant(SQUARE)) if late else y
    two = net.add(nn.NegOp, other)
    total = net.add(nn.AddOp, one, two)
    return kernels(net.finish(*([total, two] if twice else [total])))


def test_what_is_computed_beside() -> None:
    assert beside() == [["relu", "abs", "neg", "add"]]


def test_what_is_not_computed_beside() -> None:
    assert beside(shape=[1, 8]) == [["relu", "abs"]], "another shape"
    assert beside(twice=True) == [["relu", "abs"], ["neg", "add"]], "others read it"


def test_what_another_kernel_computes() -> None:
    net = NetworkBuilder([2, 8], [2, 8])
    one, two = (net.add(nn.MatmulOp, v, net.constant(SQUARE)) for v in net.values[:2])
    total = net.add(nn.AddOp, two, net.add(nn.NegOp, one))

    assert kernels(net.finish(total)) == [["matmul", "neg"]]


def test_what_comes_too_late() -> None:
    assert beside(late=True) == [["relu", "abs"], ["matmul", "neg", "add"]]


@pytest.mark.parametrize("length", [LONGEST - 3, LONGEST - 2, 3000])
def test_long_chains_end(length: int) -> None:
    net = NetworkBuilder([2, 8], [2, 8])
    x, y = net.values
    one = net.add(nn.ReluOp, x)
    for _ in range(length):
        y = net.add(nn.AddOp, y, y)

    found = kernels(net.finish(net.add(nn.AddOp, one, y)))

    assert all(len(names) <= LONGEST for names in found)
    assert (found[0][0] == "relu" and len(found[0]) == length + 2) == (
        length <= LONGEST - 2
    )
