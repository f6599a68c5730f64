"""Operations alone, through the real pipeline, against their references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.interpreter import run_reference
from ovc.compiler.options import CompileOptions
from ovc.dialects import nn
from ovc.dialects.const import ConstantOp
from ovc.dialects.nn.base import NNOp
from ovc.dialects.types import Array, element_of, shape_of, tensor
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

Operand = Any
"""An array, None for an absent one, `K(array)`, or a list for a variadic one."""


@dataclass(frozen=True)
class K:
    """An operand that is a constant of the network, not an input."""

    array: Array


def ints(*numbers: int) -> K:
    """A constant list of integers, as shapes, axes and sizes are given."""
    return K(np.array(numbers, np.int64))


@dataclass(frozen=True)
class Case:
    """One operation with operands and properties."""

    op: type[NNOp]
    operands: tuple[Operand, ...]
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    tolerance: float = 1e-5
    """Relative to each number, and to the largest of the result."""
    between: bool = False
    """Whether convolutions stand before and after, so that channels lie in blocks."""

    def __str__(self) -> str:
        operands = ", ".join(map(_describe, self.operands))
        return f"{self.op.name}({operands}) {self.properties}"


def _describe(operand: Operand) -> str:
    match operand:
        case None:
            return "-"
        case K(array):
            return f"constant {_describe(array)}"
        case list():
            return f"[{', '.join(map(_describe, operand))}]"
        case _:
            return f"{operand.dtype}{list(operand.shape)}"


def case(op: type[NNOp], *operands: Operand, **properties: Any) -> Case:
    """A case; the words after the operands are properties."""
    return Case(op, operands, properties)


class Cases:
    """Writes a module with an output for every result of every case."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases
        self.block = Block()
        self.inputs: dict[str, Array] = {}
        self.owners: list[Case] = []
        """The case of every output."""
        outputs: list[SSAValue] = []
        for each in cases:
            results = self._write(each)
            outputs += results
            self.owners += [each] * len(results)
        self.block.add_op(ReturnOp(*outputs))
        types = [a.type for a in self.block.args], [v.type for v in outputs]
        self.module = ModuleOp([FuncOp("main", types, Region(self.block))])

    def _write(self, each: Case) -> list[SSAValue]:
        operands = [self._operand(o) for o in each.operands]
        if each.between:
            operands[0] = self._through(operands[0])
        op = each.op.make(*operands, **each.properties)
        self.block.add_op(op)
        results = list(op.results)
        return [self._through(r) for r in results] if each.between else results

    def _operand(self, operand: Operand) -> Any:
        match operand:
            case None:
                return None
            case K(array):
                constant = ConstantOp(np.asarray(array))
                self.block.add_op(constant)
                return constant.output
            case list():
                return [self._operand(o) for o in operand]
            case _:
                self.inputs[f"arg{len(self.block.args)}"] = operand
                type_ = tensor(operand.shape, element_of(operand.dtype))
                return self.block.insert_arg(type_, len(self.block.args))

    def _through(self, value: SSAValue) -> SSAValue:
        """A convolution that changes nothing."""
        channels, rank = shape_of(value)[1], len(shape_of(value))
        weights = np.eye(channels, dtype=np.float32).reshape(channels, channels, 1)
        shape = (channels, channels, *(1,) * (rank - 2))
        op = nn.ConvOp.make(value, self._operand(K(weights.reshape(shape))))
        self.block.add_op(op)
        return op.results[0]


def run(cases: Sequence[Case], target: str, **config: Any) -> list[Array]:
    """The outputs of a module of `cases` on a target."""
    program = Cases(cases)
    model = Model(program.module, Path("cases.onnx"), "0" * 64)
    artifact = compile_module(model, target, CompileOptions(check_every_pass=True))
    session = load(artifact, target.upper(), config)
    try:
        return session(program.inputs)
    finally:
        session.close()


def check(cases: Sequence[Case], target: str) -> None:
    """Compile `cases` as one network and compare every output with its reference."""
    program = Cases(cases)
    with np.errstate(all="ignore"):
        expected = run_reference(program.module, program.inputs)
    actual = run(cases, target)
    problems = [
        f"{each}: {problem}"
        for each, ours, theirs in zip(program.owners, actual, expected, strict=True)
        if (problem := difference(ours, theirs, each.tolerance))
    ]
    assert not problems, "\n".join(problems)


NARROW = {"float16": 2e-3, "bfloat16": 1.6e-2}
"""Two units in the last place of narrow floats."""


def difference(ours: Array, theirs: Array, tolerance: float) -> str:
    """What is wrong with an array; empty when nothing is."""
    if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return f"{_describe(ours)}, expected {_describe(theirs)}"
    if ours.dtype.kind in "iub":
        wrong = ours != theirs
    else:
        tolerance = max(tolerance, NARROW.get(ours.dtype.name, 0))
        ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
        finite = np.abs(theirs[np.isfinite(theirs)])
        slack = tolerance * min(float(finite.max(initial=0)), 1e30)
        close = np.isclose(ours, theirs, tolerance, slack, equal_nan=True)
        wrong = ~close
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{wrong.sum()} of {wrong.size} differ, at {list(at)} {ours[at]} for {theirs[at]}"
