"""How operations, types and numbers are spelled in LLVM IR."""

from __future__ import annotations

import struct
from typing import TypeAlias, cast

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    AnyFloat,
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute, Operation

from ..functions import FUNCTIONS

BINARY: dict[type[Operation], str] = {
    arith.AddfOp: "fadd",
    arith.SubfOp: "fsub",
    arith.MulfOp: "fmul",
    arith.DivfOp: "fdiv",
    arith.AddiOp: "add",
    arith.SubiOp: "sub",
    arith.MuliOp: "mul",
    arith.DivSIOp: "sdiv",
    arith.DivUIOp: "udiv",
    arith.RemSIOp: "srem",
    arith.RemUIOp: "urem",
    arith.ShLIOp: "shl",
    arith.ShRSIOp: "ashr",
    arith.ShRUIOp: "lshr",
    arith.AndIOp: "and",
    arith.OrIOp: "or",
    arith.XOrIOp: "xor",
}

INTRINSICS: dict[type[Operation], str] = {
    arith.MaxSIOp: "smax",
    arith.MinSIOp: "smin",
    arith.MaxUIOp: "umax",
    arith.MinUIOp: "umin",
    math.RoundEvenOp: "roundeven",
    **FUNCTIONS,
}
"""Functions that LLVM knows; those without instructions become calls to libm."""

EXTREMES: dict[type[Operation], str] = {
    arith.MaximumfOp: "ogt",
    arith.MinimumfOp: "olt",
}
"""The larger and the smaller of two numbers, and the test for the first of them."""

CASTS: dict[type[Operation], str] = {
    arith.SIToFPOp: "sitofp",
    arith.UIToFPOp: "uitofp",
    arith.ExtFOp: "fpext",
    arith.TruncFOp: "fptrunc",
    arith.ExtSIOp: "sext",
    arith.ExtUIOp: "zext",
    arith.TruncIOp: "trunc",
    arith.BitcastOp: "bitcast",
}

FLOAT_PREDICATES = [
    "false",
    "oeq",
    "ogt",
    "oge",
    "olt",
    "ole",
    "one",
    "ord",
    "ueq",
    "ugt",
    "uge",
    "ult",
    "ule",
    "une",
    "uno",
    "true",
]
INTEGER_PREDICATES = [
    "eq",
    "ne",
    "slt",
    "sle",
    "sgt",
    "sge",
    "ult",
    "ule",
    "ugt",
    "uge",
]

REDUCE = {
    "add": ("fadd", "add"),
    "mul": ("fmul", "mul"),
    "and": ("", "and"),
    "or": ("", "or"),
}
FLOATS: dict[type[Attribute], str] = {
    Float16Type: "half",
    BFloat16Type: "bfloat",
    Float32Type: "float",
    Float64Type: "double",
}
"""LLVM's names of the floating-point types."""


def element_name(element: Attribute) -> str:
    """LLVM's name of an element type."""
    name = FLOATS.get(type(element))
    if name is not None:
        return name
    if isinstance(element, IntegerType):
        return f"i{cast('IntegerType', element).width.data}"
    raise NotImplementedError(f"no LLVM type for {element}")


def memory_name(element: Attribute) -> str:
    """How an element lies in memory: `i1` as a byte."""
    name = element_name(element)
    return "i8" if name == "i1" else name


def suffix(element: Attribute, width: int) -> str:
    """The overload suffix of an intrinsic."""
    short = {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64"}
    name = element_name(element)
    return (f"v{width}" if width > 1 else "") + short.get(name, name)


def spelled(name: str, width: int) -> str:
    """A register type."""
    return f"<{width} x {name}>" if width > 1 else name


Number: TypeAlias = FloatAttr[AnyFloat] | IntegerAttr[IntegerType]


def literal(value: Number) -> str:
    """A number as LLVM reads it, exactly."""
    if isinstance(value, IntegerAttr):
        whole = value.value.data
        if value.type == IntegerType(1):
            return "true" if whole else "false"
        return str(whole)
    number = value.value.data
    if isinstance(value.type, Float32Type):
        number = struct.unpack("<f", struct.pack("<f", number))[0]
    (bits,) = struct.unpack("<Q", struct.pack("<d", number))
    return f"0x{bits:016X}"


def instruction(op: Operation, width: int) -> str:
    """
    An operation of one instruction, with a gap for each operand; empty for others.

    Gaps are those of `str.format`.
    """
    kind = type(op)
    type_ = spelled(element_name(op.operands[-1].type), width)
    if kind in BINARY:
        return f"{BINARY[kind]} {type_} {{}}, {{}}"
    match op:
        case arith.NegfOp():
            return f"fneg {type_} {{}}"
        case arith.CmpfOp():
            predicate = FLOAT_PREDICATES[op.predicate.value.data]
            return f"fcmp {predicate} {type_} {{}}, {{}}"
        case arith.CmpiOp():
            predicate = INTEGER_PREDICATES[op.predicate.value.data]
            return f"icmp {predicate} {type_} {{}}, {{}}"
        case arith.SelectOp():
            return f"select {spelled('i1', width)} {{}}, {type_} {{}}, {type_} {{}}"
        case _:
            return ""


def narrow_literal(value: FloatAttr) -> str:
    """A half or bfloat constant, as LLVM writes them: 0xH and 0xR."""
    number = value.value.data
    if isinstance(value.type, Float16Type):
        (bits,) = struct.unpack("<H", struct.pack("<e", number))
        return f"0xH{bits:04X}"
    (wide,) = struct.unpack("<I", struct.pack("<f", number))
    return f"0xR{wide >> 16:04X}"
