"""Names of functions that the languages of all targets have in common."""

from __future__ import annotations

from xdsl.dialects import math
from xdsl.ir import Operation

FUNCTIONS: dict[type[Operation], str] = {
    math.FloorOp: "floor",
    math.CeilOp: "ceil",
    math.TruncOp: "trunc",
    math.SqrtOp: "sqrt",
    math.AbsFOp: "fabs",
    math.CopySignOp: "copysign",
    math.ExpOp: "exp",
    math.LogOp: "log",
    math.PowFOp: "pow",
    math.SinOp: "sin",
    math.CosOp: "cos",
    math.TanOp: "tan",
    math.AsinOp: "asin",
    math.AcosOp: "acos",
    math.AtanOp: "atan",
    math.SinhOp: "sinh",
    math.CoshOp: "cosh",
    math.TanhOp: "tanh",
}
"""Functions of C that LLVM has intrinsics for."""

LIBRARY: dict[type[Operation], str] = {
    math.ErfOp: "erf",
    math.AsinhOp: "asinh",
    math.AcoshOp: "acosh",
    math.AtanhOp: "atanh",
}
"""Functions of C that LLVM has no intrinsics for."""
