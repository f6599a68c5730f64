"""Writing small networks: what strategies and tests build modules with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ovc.compiler.interpreter import run_reference
from ovc.compiler.passes.rewrite import FunctionPass
from ovc.dialects.const import ConstantOp
from ovc.dialects.nn.base import NNOp
from ovc.dialects.types import Array, element_of, shape_of, tensor, value_dtype
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue


class NetworkBuilder:
    """Writes the function `main`, one operation after the other."""

    def __init__(self, *shapes: Sequence[int], dtype: type = np.float32) -> None:
        self.block = Block(arg_types=[tensor(s, element_of(dtype)) for s in shapes])
        self.values: list[SSAValue] = list(self.block.args)
        """Everything that depends on an input, in program order."""

    def constant(self, array: Array) -> SSAValue:
        """A constant."""
        op = ConstantOp(array)
        self.block.add_op(op)
        return op.output

    def ints(self, *numbers: int) -> SSAValue:
        """A constant list of integers."""
        return self.constant(np.array(numbers, np.int64))

    def add(self, class_: type[NNOp], *operands: Any, **properties: Any) -> SSAValue:
        """An operation. Returns its first result; floats are remembered as values."""
        op = class_.make(*operands, **properties)
        self.block.add_op(op)
        if value_dtype(op.results[0]).kind == "f":
            self.values += op.results
        return op.results[0]

    def finish(self, *outputs: SSAValue) -> ModuleOp:
        """The module; the last value is the output when none are given."""
        returned = list(outputs) or [self.values[-1]]
        self.block.add_op(ReturnOp(*returned))
        types = ([a.type for a in self.block.args], [v.type for v in returned])
        return ModuleOp([FuncOp("main", types, Region(self.block))])


def argument_arrays(module: ModuleOp, seed: int = 0) -> dict[str, Array]:
    """Small whole numbers for every input of `main`."""
    generator = np.random.default_rng(seed)
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    return {
        f"arg{i}": whole_numbers(generator, shape_of(argument))
        for i, argument in enumerate(function.args)
    }


def whole_numbers(
    generator: np.random.Generator, shape: Sequence[int], low: int = -4, high: int = 4
) -> Array:
    """
    Whole numbers as float32: sums and products of a few of them are exact, so rewrites
    that only reorder arithmetic can be compared with `==`.
    """
    return generator.integers(low, high + 1, tuple(shape)).astype(np.float32)


def evaluate(module: ModuleOp, inputs: dict[str, Array], **options: Any) -> list[Array]:
    """The outputs of `main`."""
    with np.errstate(all="ignore"):
        return run_reference(module, inputs, **options)


def check_pass(
    pass_: FunctionPass,
    module: ModuleOp,
    inputs: dict[str, Array],
    tolerance: float | None = None,
) -> int:
    """
    Apply a pass: it keeps the results, and a second run changes nothing.

    Args:
        tolerance: compare in float64, relative to the largest element. None compares
            bit for bit.

    Returns:
        How often the pass rewrote.
    """
    precision = None if tolerance is None else np.float64
    expected = evaluate(module, inputs, precision=precision)
    count = pass_.count(module)
    module.verify()
    results = evaluate(module, inputs, precision=precision)
    for result, array in zip(results, expected, strict=True):
        if tolerance is None:
            np.testing.assert_array_equal(result, array)
        else:
            bound = tolerance * max(1.0, float(np.abs(array).max(initial=0)))
            np.testing.assert_allclose(result, array, rtol=0, atol=bound)
    once = str(module)
    assert pass_.count(module) == 0
    assert str(module) == once
    return count


def names_in(module: ModuleOp) -> list[str]:
    """The names of all operations of the module, in order."""
    return [op.name for op in module.walk()]
