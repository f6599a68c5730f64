"""
How OpenCL C spells element types and numbers.

| element       | in a register            | in memory |
| ------------- | ------------------------ | --------- |
| `f32`, `f64`  | `float`, `double`        | the same  |
| `f16`, `bf16` | their bits, in `ushort`  | the same  |
| `i8` … `i64`  | `char` … `long`          | the same  |
| `i1`          | `int`: 1 true, 0 false   | a byte    |

Registers of several lanes are vectors of that; true is -1 there, as comparisons give it.
"""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute

NARROW_FLOATS = (Float16Type, BFloat16Type)
FLOATS = (Float16Type, BFloat16Type, Float32Type, Float64Type)
INTEGERS = {8: "char", 16: "short", 32: "int", 64: "long"}
BOOL = IntegerType(1)


def many(width: int) -> str:
    """The suffix of a vector type."""
    return str(width) if width > 1 else ""


def register_name(element: Attribute, width: int = 1) -> str:
    """The type of a register."""
    match element:
        case Float16Type() | BFloat16Type():
            name = "ushort"
        case Float32Type():
            name = "float"
        case Float64Type():
            name = "double"
        case IntegerType() if element == BOOL:
            name = "int"
        case IntegerType():
            name = INTEGERS[element.width.data]
        case _:
            raise NotImplementedError(f"no OpenCL type for {element}")
    return name + many(width)


def memory_name(element: Attribute, width: int = 1) -> str:
    """The type of elements in memory."""
    if element == BOOL:
        return "uchar" + many(width)
    return register_name(element, width)


def literal(value: FloatAttr | IntegerAttr, width: int = 1) -> str:
    """A number in all lanes, exactly."""
    if width > 1:
        one = "-1" if value.type == BOOL and value.value.data else literal(value)
        return f"({register_name(value.type, width)})({one})"
    if isinstance(value, FloatAttr):
        return _float_literal(value)
    number, type_ = value.value.data, value.type
    assert isinstance(type_, IntegerType)
    bits = type_.width.data
    if bits == 1:
        return str(int(bool(number)))
    end = "L" if bits == 64 else ""
    text = f"{number}{end}"
    if bits >= 32 and number == -(1 << (bits - 1)):
        text = f"({number + 1}{end} - 1)"
    elif number < 0:
        text = f"({text})"
    return f"({INTEGERS[bits]}){text}" if bits < 32 else text


def _float_literal(value: FloatAttr) -> str:
    number = value.value.data
    match value.type:
        case Float16Type():
            return f"(ushort)0x{np.float16(number).view(np.uint16):04x}"
        case BFloat16Type():
            bits = np.asarray(number, ml_dtypes.bfloat16).view(np.uint16)
            return f"(ushort)0x{int(bits):04x}"
        case Float32Type():
            text = str(np.float32(number)) + "f"
            special = "INFINITY", "NAN"
        case _:
            text = repr(float(number))
            special = "(double)INFINITY", "(double)NAN"
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.float32(number) if text.endswith("f") else number)
    if not finite:
        text = special[1] if number != number else special[0]
        return f"(-{text})" if number < 0 else text
    return f"({text})" if math.copysign(1.0, number) < 0 else text


def unsigned(element: Attribute, width: int, value: str) -> str:
    """An integer register read as unsigned."""
    name = register_name(element)
    if width > 1:
        return f"as_u{name}{width}({value})"
    return f"(u{name}){value}"


def condition(value: str, element: Attribute, width: int) -> str:
    """An `i1` register to choose between registers of `element` with."""
    bits = bits_of(element)
    if width == 1 or bits == 32:
        return value
    return f"convert_{INTEGERS[bits]}{width}({value})"


def bits_of(element: Attribute) -> int:
    """How many bits a lane has."""
    match element:
        case IntegerType(width):
            return 32 if element == BOOL else width.data
        case Float32Type():
            return 32
        case Float64Type():
            return 64
        case _:
            return 16
