"""Scalars of a loop body: SSA values that read like arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute, Operation, SSAValue

from ..types import element_of

if TYPE_CHECKING:
    from .build import Nest

COMPARISONS = {
    "lt": ("slt", "ult", "olt"),
    "le": ("sle", "ule", "ole"),
    "gt": ("sgt", "ugt", "ogt"),
    "ge": ("sge", "uge", "oge"),
    "eq": ("eq", "eq", "oeq"),
    "ne": ("ne", "ne", "une"),
}
"""Predicates for signed, unsigned and floating-point operands; NaN is unequal to all."""

OpClass: TypeAlias = type[Operation]

BINARY: dict[str, tuple[OpClass, OpClass, OpClass | None]] = {
    "add": (arith.AddiOp, arith.AddiOp, arith.AddfOp),
    "sub": (arith.SubiOp, arith.SubiOp, arith.SubfOp),
    "mul": (arith.MuliOp, arith.MuliOp, arith.MulfOp),
    "div": (arith.DivSIOp, arith.DivUIOp, arith.DivfOp),
    "max": (arith.MaxSIOp, arith.MaxUIOp, arith.MaximumfOp),
    "min": (arith.MinSIOp, arith.MinUIOp, arith.MinimumfOp),
    "and": (arith.AndIOp, arith.AndIOp, None),
    "or": (arith.OrIOp, arith.OrIOp, None),
    "xor": (arith.XOrIOp, arith.XOrIOp, None),
    "shl": (arith.ShLIOp, arith.ShLIOp, None),
    "shr": (arith.ShRSIOp, arith.ShRUIOp, None),
    "rem": (arith.RemSIOp, arith.RemUIOp, None),
}
"""Operations on signed, unsigned and floating-point scalars."""

FUNCTIONS: dict[str, OpClass] = {
    "exp": math.ExpOp,
    "log": math.LogOp,
    "sqrt": math.SqrtOp,
    "floor": math.FloorOp,
    "ceil": math.CeilOp,
    "round": math.RoundEvenOp,
    "trunc": math.TruncOp,
    "tanh": math.TanhOp,
    "erf": math.ErfOp,
    "sin": math.SinOp,
    "cos": math.CosOp,
    "tan": math.TanOp,
    "asin": math.AsinOp,
    "acos": math.AcosOp,
    "atan": math.AtanOp,
    "sinh": math.SinhOp,
    "cosh": math.CoshOp,
    "asinh": math.AsinhOp,
    "acosh": math.AcoshOp,
    "atanh": math.AtanhOp,
}
"""Functions of one floating-point scalar."""


def scalar_type(dtype: np.dtype[Any]) -> Attribute:
    """The type a scalar of `dtype` has in a body: integers are signless there."""
    if dtype.kind in "iu":
        return IntegerType(dtype.itemsize * 8)
    return element_of(dtype)


DEFAULTS: dict[type[Operation], dict[str, Attribute]] = {}
"""The properties that operations of a class are made with."""


def same_type_op(class_: type[Operation], *operands: SSAValue) -> Operation:
    """
    `class_(*operands)`, for operations whose result has the type of their operands.

    A constructor of xDSL takes three times as long: bodies are made of thousands of these.
    """
    properties = DEFAULTS.get(class_)
    if properties is None:
        properties = DEFAULTS[class_] = class_(*operands).properties  # pyright: ignore
    return class_.create(
        operands=operands, result_types=[operands[0].type], properties=properties
    )


class Scalar:
    """A value of a loop body. Its dtype says how integers are read: signed or not."""

    __array_priority__ = 100

    def __init__(self, nest: Nest, value: SSAValue, dtype: np.dtype[Any]) -> None:
        self.nest, self.value, self.dtype = nest, value, dtype

    # arithmetic

    def _other(self, other: Scalar | float) -> Scalar:
        if not isinstance(other, Scalar):
            return self.nest.const(other, self.dtype)
        if other.dtype != self.dtype:
            raise TypeError(f"a {self.dtype} with a {other.dtype}: cast one of them")
        return other

    def binary(self, kind: str, other: Scalar | float) -> Scalar:
        """`self kind other`, one of `BINARY`."""
        rhs = self._other(other)
        signed, unsigned, floating = BINARY[kind]
        op = {"f": floating, "u": unsigned, "b": unsigned}.get(self.dtype.kind, signed)
        if op is None:
            raise TypeError(f"{kind} of {self.dtype}")
        new = same_type_op(op, self.value, rhs.value)
        return Scalar(self.nest, self.nest.emit(new), self.dtype)

    def compare(self, kind: str, other: Scalar | float) -> Scalar:
        """`self kind other`, one of `COMPARISONS`."""
        rhs = self._other(other)
        signed, unsigned, floating = COMPARISONS[kind]
        match self.dtype.kind:
            case "f":
                op = arith.CmpfOp(self.value, rhs.value, floating)
            case "i":
                op = arith.CmpiOp(self.value, rhs.value, signed)
            case _:
                op = arith.CmpiOp(self.value, rhs.value, unsigned)
        return Scalar(self.nest, self.nest.emit(op), np.dtype(np.bool_))

    def function(self, name: str) -> Scalar:
        """One of `FUNCTIONS`, in floating point."""
        if self.dtype.kind != "f":
            raise TypeError(f"{name} of {self.dtype}")
        value = self.nest.emit(same_type_op(FUNCTIONS[name], self.value))
        return Scalar(self.nest, value, self.dtype)

    def __add__(self, other: Scalar | float) -> Scalar:
        return self.binary("add", other)

    def __radd__(self, other: float) -> Scalar:
        return self._other(other).binary("add", self)

    def __sub__(self, other: Scalar | float) -> Scalar:
        return self.binary("sub", other)

    def __rsub__(self, other: float) -> Scalar:
        return self._other(other).binary("sub", self)

    def __mul__(self, other: Scalar | float) -> Scalar:
        return self.binary("mul", other)

    def __rmul__(self, other: float) -> Scalar:
        return self._other(other).binary("mul", self)

    def __truediv__(self, other: Scalar | float) -> Scalar:
        """Division; of integers, rounding toward zero."""
        return self.binary("div", other)

    def __rtruediv__(self, other: float) -> Scalar:
        return self._other(other).binary("div", self)

    def __floordiv__(self, other: Scalar | float) -> Scalar:
        """Division rounding down, as in Python."""
        rhs = self._other(other)
        if self.dtype.kind == "f":
            return (self / rhs).floor()
        quotient = self / rhs
        if self.dtype.kind == "u":
            return quotient
        rest = self - quotient * rhs
        down = rest.ne(0) & ((rest < 0) ^ (rhs < 0))
        return self.nest.where(down, quotient - 1, quotient)

    def __mod__(self, other: Scalar | float) -> Scalar:
        """The remainder with the sign of `other`, as in Python."""
        rhs = self._other(other)
        return self - (self // rhs) * rhs

    def rem(self, other: Scalar | float) -> Scalar:
        """The remainder with the sign of `self`, as in C."""
        rhs = self._other(other)
        if self.dtype.kind == "f":
            return self - (self / rhs).trunc() * rhs
        return self.binary("rem", rhs)

    def __neg__(self) -> Scalar:
        if self.dtype.kind == "f":
            return Scalar(
                self.nest, self.nest.emit(arith.NegfOp(self.value)), self.dtype
            )
        return 0 - self

    def __lt__(self, other: Scalar | float) -> Scalar:
        return self.compare("lt", other)

    def __le__(self, other: Scalar | float) -> Scalar:
        return self.compare("le", other)

    def __gt__(self, other: Scalar | float) -> Scalar:
        return self.compare("gt", other)

    def __ge__(self, other: Scalar | float) -> Scalar:
        return self.compare("ge", other)

    def eq(self, other: Scalar | float) -> Scalar:
        return self.compare("eq", other)

    def ne(self, other: Scalar | float) -> Scalar:
        return self.compare("ne", other)

    def __and__(self, other: Scalar | float) -> Scalar:
        return self.binary("and", other)

    def __or__(self, other: Scalar | float) -> Scalar:
        return self.binary("or", other)

    def __xor__(self, other: Scalar | float) -> Scalar:
        return self.binary("xor", other)

    def __lshift__(self, other: Scalar | float) -> Scalar:
        return self.binary("shl", other)

    def __rshift__(self, other: Scalar | float) -> Scalar:
        return self.binary("shr", other)

    def __invert__(self) -> Scalar:
        return self ^ (True if self.dtype.kind == "b" else -1)

    def __pow__(self, other: Scalar | float) -> Scalar:
        return self.nest.pow(self, self._other(other))

    # functions

    def abs(self) -> Scalar:
        match self.dtype.kind:
            case "f":
                value = self.nest.emit(math.AbsFOp(self.value))
                return Scalar(self.nest, value, self.dtype)
            case "i":
                return self.nest.where(self < 0, -self, self)
            case _:
                return self

    def exp(self) -> Scalar:
        return self.function("exp")

    def log(self) -> Scalar:
        return self.function("log")

    def sqrt(self) -> Scalar:
        return self.function("sqrt")

    def floor(self) -> Scalar:
        return self.function("floor")

    def ceil(self) -> Scalar:
        return self.function("ceil")

    def round(self) -> Scalar:
        """To the nearest whole number, halves to even."""
        return self.function("round")

    def trunc(self) -> Scalar:
        return self.function("trunc")

    def tanh(self) -> Scalar:
        return self.function("tanh")

    def erf(self) -> Scalar:
        return self.function("erf")

    def sin(self) -> Scalar:
        return self.function("sin")

    def cos(self) -> Scalar:
        return self.function("cos")

    def tan(self) -> Scalar:
        return self.function("tan")

    def asin(self) -> Scalar:
        return self.function("asin")

    def acos(self) -> Scalar:
        return self.function("acos")

    def atan(self) -> Scalar:
        return self.function("atan")

    def sinh(self) -> Scalar:
        return self.function("sinh")

    def cosh(self) -> Scalar:
        return self.function("cosh")

    def asinh(self) -> Scalar:
        return self.function("asinh")

    def acosh(self) -> Scalar:
        return self.function("acosh")

    def atanh(self) -> Scalar:
        return self.function("atanh")

    def sigmoid(self) -> Scalar:
        """`1 / (1 + exp(-x))`."""
        return 1.0 / (1.0 + (-self).exp())

    # conversion

    def cast(self, dtype: DTypeLike) -> Scalar:
        """The value as another type; floating point to integer rounds toward zero."""
        target = np.dtype(dtype)
        if target == self.dtype:
            return self
        return Scalar(self.nest, self._converted(target), target)

    def _converted(self, target: np.dtype[Any]) -> SSAValue:
        emit, value, type_ = self.nest.emit, self.value, scalar_type(target)
        if target.kind == "b":
            return self.ne(0).value
        here = self.dtype.kind
        if is_float(target):
            if is_float(self.dtype):
                wider = float_rank(target) > float_rank(self.dtype)
                return emit((arith.ExtFOp if wider else arith.TruncFOp)(value, type_))  # pyright: ignore
            to_float = arith.SIToFPOp if here == "i" else arith.UIToFPOp
            return emit(to_float(value, type_))  # pyright: ignore
        if is_float(self.dtype):
            op = arith.FPToSIOp if target.kind == "i" else arith.FPToUIOp
            return emit(op(value, type_))  # pyright: ignore
        here_bits = 1 if here == "b" else self.dtype.itemsize * 8
        bits = target.itemsize * 8
        if bits == here_bits:
            return value
        if bits < here_bits:
            return emit(arith.TruncIOp(value, type_))  # pyright: ignore
        extend = arith.ExtSIOp if here == "i" else arith.ExtUIOp
        return emit(extend(value, type_))  # pyright: ignore


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether `dtype` is a floating-point type, bfloat16 included."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def float_rank(dtype: np.dtype[Any]) -> int:
    """Narrow types first."""
    return dtype.itemsize


def constant_op(number: float, dtype: np.dtype[Any]) -> arith.ConstantOp:
    """A constant of a body; integers wrap to their width."""
    type_ = scalar_type(dtype)
    if isinstance(type_, IntegerType):
        bits = dtype.itemsize * 8 if dtype.kind in "iu" else 1
        whole = int(number) & ((1 << bits) - 1)
        if bits > 1 and whole >> (bits - 1):
            whole -= 1 << bits
        return arith.ConstantOp(IntegerAttr(whole, IntegerType(bits)))
    assert isinstance(type_, BFloat16Type | Float16Type | Float32Type | Float64Type)
    return arith.ConstantOp(FloatAttr(float(number), type_))
