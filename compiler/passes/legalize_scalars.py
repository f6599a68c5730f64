"""
Scalar operations that processors do in one instruction, or would stop at.

    maximumf(x, c)  ==>  select(x < c, c, x)        c a constant, not NaN; x NaN: NaN
    minimumf(x, c)  ==>  select(x > c, c, x)
    a / b           ==>  0 where b is 0; -a where b is -1        signed
    a % b           ==>  0 where b is 0 or -1
    a / b, a % b    ==>  0 where b is 0                          unsigned
    truncf(f64)     ==>  truncf(odd(f32))                        to f16 and bf16

The first two become one instruction each; of zeros of different sign they give `x`.
Divisors that are other constants stay: they cannot stop a processor. `odd` rounds toward
zero and sets the last bit of what is not exact; then the second rounding is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from xdsl.dialects import arith
from xdsl.dialects.builtin import BFloat16Type, Float16Type, Float64Type
from xdsl.ir import Block, Operation, SSAValue

from ...dialects.kernel.scalar import Scalar
from ...dialects.types import dtype_of
from .formula import F32, F64, Formula, NestPass, constant_of, scalar


@dataclass(frozen=True)
class LegalizeScalarsPass(NestPass):
    """Bound scalars with one instruction; make division total; narrow in steps."""

    name = "legalize-scalars"

    def rewrite(self, body: Block) -> int:
        return Formula(body).rewrite(legal)


def legal(f: Formula, op: Operation) -> Scalar | None:
    """What takes the place of `op`, or None to leave it."""
    match op:
        case arith.MaximumfOp() | arith.MinimumfOp():
            return _bounded(f, op)
        case arith.DivSIOp() | arith.RemSIOp() if _may_stop(op.rhs, (0, -1)):
            return _signed(f, op)
        case arith.DivUIOp() | arith.RemUIOp() if _may_stop(op.rhs, (0,)):
            return _unsigned(f, op)
        case arith.TruncFOp(input=wide) if isinstance(wide.type, Float64Type):
            narrow = op.results[0].type
            is_narrow = isinstance(narrow, BFloat16Type | Float16Type)
            return (
                _rounded_to_odd(f, wide).cast(dtype_of(narrow)) if is_narrow else None
            )
        case _:
            return None


def _rounded_to_odd(f: Formula, value: SSAValue) -> Scalar:
    wide = scalar(f, value)
    near = wide.cast(F32)
    back, bits = near.cast(F64), f.bits(near)
    toward_zero = f.where(back.abs() > wide.abs(), bits - 1, bits)
    return f.bits(f.where(back.ne(wide), toward_zero | 1, bits))


def _bounded(f: Formula, op: arith.MaximumfOp | arith.MinimumfOp) -> Scalar | None:
    for value, bound in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
        number = constant_of(bound)
        if number is not None and not isnan(number):
            limit = f.at_least if isinstance(op, arith.MaximumfOp) else f.at_most
            return limit(scalar(f, value), scalar(f, bound))
    return None


def _may_stop(divisor: SSAValue, stops: tuple[int, ...]) -> bool:
    """Whether `divisor` may be one of `stops`: a constant or a guarded value is not."""
    number = constant_of(divisor)
    if number is not None:
        return number in stops
    op = divisor.owner
    if not isinstance(op, arith.SelectOp):
        return True
    return constant_of(op.lhs) in (None, *stops) or not (
        _tested(op.cond, op.rhs).issuperset(stops)
    )


def _tested(condition: SSAValue, value: SSAValue) -> set[float | None]:
    """The constants that `value` certainly differs from where `condition` is false."""
    match condition.owner:
        case arith.OrIOp(lhs=lhs, rhs=rhs):
            return _tested(lhs, value) | _tested(rhs, value)
        case arith.CmpiOp(lhs=lhs, rhs=rhs) as test if lhs is value:
            equal = test.predicate.value.data == 0
            return {constant_of(rhs)} if equal else set()
        case _:
            return set()


def _signed(f: Formula, op: arith.DivSIOp | arith.RemSIOp) -> Scalar:
    a, b = scalar(f, op.lhs), scalar(f, op.rhs)
    none, negated = b.eq(0), b.eq(-1)
    safe = f.where(none | negated, 1, b)
    if isinstance(op, arith.RemSIOp):
        return a.binary("rem", safe)
    return f.where(none, 0, f.where(negated, -a, a / safe))


def _unsigned(f: Formula, op: arith.DivUIOp | arith.RemUIOp) -> Scalar:
    a, b = scalar(f, op.lhs, unsigned=True), scalar(f, op.rhs, unsigned=True)
    none = b.eq(0)
    safe = f.where(none, 1, b)
    if isinstance(op, arith.RemUIOp):
        return a.binary("rem", safe)
    return f.where(none, 0, a / safe)
