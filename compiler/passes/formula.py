"""Formulas: scalar arithmetic written in the place of an operation of a loop body."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, ModuleOp, UnitAttr
from xdsl.ir import Block, Operation, SSAValue

from ...dialects.kernel.build import Nest
from ...dialects.kernel.nest import NestOp
from ...dialects.kernel.scalar import Scalar, scalar_type
from ...dialects.types import dtype_of
from .rewrite import FunctionPass

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)
BITS = {
    F32: np.dtype(np.uint32),
    F64: np.dtype(np.uint64),
    np.dtype(np.uint32): F32,
    np.dtype(np.uint64): F64,
}
"""The integers that hold the bits of floating-point numbers, and back."""

INFINITY = float("inf")
NAN = float("nan")

LIBRARY = "library"
"""Marks functions that formulas leave to the C library."""

Choice: TypeAlias = Callable[["Formula", Operation], Scalar | None]
"""Writes what takes the place of an operation, or declines."""


class NestPass(FunctionPass):
    """A pass over the bodies of `kernel.nest` operations."""

    def count(self, module: ModuleOp) -> int:
        """Apply the pass. Returns the number of rewrites."""
        nests = [op for op in module.walk() if isinstance(op, NestOp)]
        return sum(self.rewrite(nest.body.block) for nest in nests)

    @abstractmethod
    def rewrite(self, body: Block) -> int:
        """Rewrite the body of one nest. Returns the number of rewrites."""


class Formula(Nest):
    """
    Writes scalar arithmetic into the body of a nest.

    Constants stand at the start of the body, each once; everything else before the
    operation that it replaces.
    """

    def __init__(self, body: Block) -> None:
        super().__init__({})
        self.body = body
        self.pending: list[Operation] = []
        self.numbers: list[Operation] = []

    def emit(self, op: Operation) -> SSAValue:
        """Keep an operation for the next `replace`; its first result."""
        constant = isinstance(op, arith.ConstantOp)
        (self.numbers if constant else self.pending).append(op)
        return op.results[0]

    def rewrite(self, choose: Choice) -> int:
        """Replace the operations that `choose` writes anew. Returns how many."""
        count = 0
        for op in list(self.body.ops):
            result = choose(self, op)
            if result is not None:
                self._replace(op, result.value)
                count += 1
        if self.numbers and self.body.first_op is not None:
            self.body.insert_ops_before(self.numbers, self.body.first_op)
        return count

    def _replace(self, op: Operation, result: SSAValue) -> None:
        for new in self.pending:
            new.location = op.location
        self.body.insert_ops_before(self.pending, op)
        self.pending = []
        result.name_hint = result.name_hint or op.results[0].name_hint
        op.results[0].replace_all_uses_with(result)
        self.body.erase_op(op)

    # arithmetic that Scalar has no sign for

    def fma(self, a: Scalar, b: Scalar | float, c: Scalar | float) -> Scalar:
        """`a * b + c`, rounded once where the target can."""
        b, c = (v if isinstance(v, Scalar) else self.const(v, a.dtype) for v in (b, c))
        return Scalar(self, self.emit(math.FmaOp(a.value, b.value, c.value)), a.dtype)

    def polynomial(self, x: Scalar, coefficients: Sequence[float]) -> Scalar:
        """`c0 + c1 x + c2 x**2 + ...`, by Horner's rule."""
        *rest, last = coefficients
        total = self.fma(x, last, rest.pop())
        for coefficient in reversed(rest):
            total = self.fma(total, x, coefficient)
        return total

    def at_least(self, x: Scalar, bound: Scalar | float) -> Scalar:
        """`max(x, bound)` in one instruction; `x` if it is NaN. `bound` is no NaN."""
        return self.where(x < bound, bound, x)

    def at_most(self, x: Scalar, bound: Scalar | float) -> Scalar:
        """`min(x, bound)` in one instruction; `x` if it is NaN. `bound` is no NaN."""
        return self.where(x > bound, bound, x)

    def with_sign(self, magnitude: Scalar, sign: Scalar) -> Scalar:
        """The magnitude of one and the sign of the other."""
        op = math.CopySignOp(magnitude.value, sign.value)
        return Scalar(self, self.emit(op), magnitude.dtype)

    def left_to_library(self, x: Scalar) -> Scalar:
        """`x`, which a function of the C library computes: no formula takes its place."""
        op = x.value.owner
        assert isinstance(op, Operation)
        op.attributes[LIBRARY] = UnitAttr()
        return x

    def bits(self, x: Scalar) -> Scalar:
        """The bits of a floating-point number as an unsigned integer, or back."""
        target = BITS[x.dtype]
        op = arith.BitcastOp(x.value, scalar_type(target))
        return Scalar(self, self.emit(op), target)


def scalar(f: Formula, value: SSAValue, *, unsigned: bool = False) -> Scalar:
    """A value of the body as an operand of formulas."""
    dtype = dtype_of(value.type)
    return Scalar(f, value, np.dtype(f"u{dtype.itemsize}") if unsigned else dtype)


def constant_of(value: SSAValue) -> float | int | None:
    """The number behind a constant."""
    op = value.owner
    if not isinstance(op, arith.ConstantOp):
        return None
    return (
        op.value.value.data if isinstance(op.value, FloatAttr | IntegerAttr) else None
    )
