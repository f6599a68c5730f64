"""
Functions as arithmetic, for targets without vector functions.

    math.exp %x : f32  ==>  2 exp(r) * 2**(n-1), n = round(x / ln 2), r = x - n ln 2

Each formula stands with its error in `exponentials` and `angles`. Double precision stays
with the C library: it is correct there, and rare.

    math.powf %x, 2.0  ==>  arith.mulf %x, %x

A few constant exponents become products, quotients and roots for every target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from xdsl.dialects import math
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Block, Operation

from ...dialects.kernel.scalar import Scalar
from ...runtime.errors import CompileError
from ..targets import find_target
from . import angles, exponentials
from .formula import LIBRARY, Formula, NestPass, constant_of, scalar

Expansion: TypeAlias = Callable[..., Scalar]
"""The formula of a function: from a `Formula` and the function's arguments."""

EXPANSIONS: dict[str, tuple[type[Operation], Expansion]] = {
    "exp": (math.ExpOp, exponentials.exp),
    "log": (math.LogOp, exponentials.log),
    "pow": (math.PowFOp, exponentials.pow),
    "tanh": (math.TanhOp, exponentials.tanh),
    "erf": (math.ErfOp, exponentials.erf),
    "sinh": (math.SinhOp, exponentials.sinh),
    "cosh": (math.CoshOp, exponentials.cosh),
    "asinh": (math.AsinhOp, exponentials.asinh),
    "acosh": (math.AcoshOp, exponentials.acosh),
    "atanh": (math.AtanhOp, exponentials.atanh),
    "sin": (math.SinOp, angles.sin),
    "cos": (math.CosOp, angles.cos),
    "tan": (math.TanOp, angles.tan),
    "asin": (math.AsinOp, angles.asin),
    "acos": (math.AcosOp, angles.acos),
    "atan": (math.AtanOp, angles.atan),
}
"""
Those of pow, sin, cos and tan use double precision inside. Of large arguments the last three
leave the function itself, marked, for the C library.
"""


@dataclass(frozen=True)
class ExpandMathPass(NestPass):
    """Write functions of single-precision scalars as arithmetic."""

    name = "expand-math"

    functions: tuple[str, ...] = tuple(EXPANSIONS)
    """Which functions to write as arithmetic."""

    target: str = ""
    """A target by name: of the functions, those that it computes well itself stay."""

    def rewrite(self, body: Block) -> int:
        formulas = self._formulas()

        def choose(f: Formula, op: Operation) -> Scalar | None:
            if isinstance(op, math.PowFOp):
                power = _constant_power(f, op)
                if power is not None:
                    return power
            expansion = formulas.get(type(op))
            if expansion is None or LIBRARY in op.attributes:
                return None
            if not isinstance(op.results[0].type, Float32Type):
                return None
            return expansion(f, *(scalar(f, operand) for operand in op.operands))

        return Formula(body).rewrite(choose)

    def _formulas(self) -> dict[type[Operation], Expansion]:
        unknown = [name for name in self.functions if name not in EXPANSIONS]
        if unknown:
            known = ", ".join(EXPANSIONS)
            raise CompileError(
                f"expand-math: no formula for {unknown[0]}; known: {known}"
            )
        kept = find_target(self.target).functions if self.target else ()
        return dict(EXPANSIONS[name] for name in self.functions if name not in kept)


def _constant_power(f: Formula, op: math.PowFOp) -> Scalar | None:
    exponent = constant_of(op.rhs)
    if exponent is None:
        return None
    return exponentials.constant_power(f, scalar(f, op.lhs), exponent)
