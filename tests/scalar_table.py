"""
Every scalar operation of loop bodies on every element type, as one-dimensional kernels.

Inputs hold zeros of both signs, infinities and NaN where the operation defines them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from kernels import Kernel, elementwise
from ovc.dialects.kernel.scalar import BINARY, COMPARISONS, FUNCTIONS, Scalar
from ovc.dialects.types import Array

COUNT = 45
"""Elements: no multiple of any number of lanes."""

SCHEDULES = ("", "parallel i by 20, vector i by 16", "unroll i by 4, vector i by 4")

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
TYPES = (*FLOATS, *INTEGERS, "bool")

DOMAINS = {
    "log": (0.01, 9.0),
    "sqrt": (0.0, 9.0),
    "asin": (-0.99, 0.99),
    "acos": (-0.99, 0.99),
    "atanh": (-0.99, 0.99),
    "acosh": (1.01, 9.0),
    "pow": (0.1, 4.0),
    "tan": (-1.2, 1.2),
}
"""Where functions are defined; elsewhere between -4 and 4."""

EXACT = (
    "add",
    "sub",
    "mul",
    "div",
    "max",
    "min",
    "floor",
    "ceil",
    "round",
    "trunc",
    "sqrt",
)
SPECIAL = ("add", "sub", "mul", "max", "min", "floor", "ceil", "round", "trunc", "exp")

Body = Callable[[Sequence[Scalar]], Scalar]


def dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def floats(name: str, operation: str, special: bool, seed: int) -> Array:
    """Numbers in the domain of an operation, the special ones first."""
    low, high = DOMAINS.get(operation, (-4.0, 4.0))
    values = np.random.default_rng(seed).uniform(low, high, COUNT)
    values[8:16] = np.round(values[8:16] * 2) / 2  # ties between whole numbers
    if operation in DOMAINS:
        values = np.clip(values, low, high)
    if special:
        signs = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, np.nan, -2.5]
        values[:8] = np.roll(signs, seed)
    return values.astype(dtype(name))


def integers(name: str, operation: str, seed: int, second: bool) -> Array:
    """Numbers of a type, the extreme ones first; shifts and divisors that are defined."""
    kind = dtype(name)
    if name == "bool":
        return np.random.default_rng(seed).integers(0, 2, COUNT).astype(bool)
    limits = np.iinfo(kind)
    if second and operation in ("shl", "shr"):
        return np.random.default_rng(seed).integers(0, limits.bits, COUNT).astype(kind)
    values = np.random.default_rng(seed).integers(max(limits.min, -99), 100, COUNT)
    values = values.astype(kind)
    if operation not in ("div", "rem", "floordiv", "mod"):
        values[:4] = limits.min, limits.max, limits.max, limits.min
    elif second:
        values[values == 0] = 3
    return values


def float_cases(name: str) -> Iterator[tuple[str, Kernel]]:
    """Functions, arithmetic and comparisons of a floating-point type."""
    result = np.zeros(COUNT, dtype(name))
    for function in [*FUNCTIONS, "abs", "neg"]:
        special = function in SPECIAL or function in ("abs", "neg")
        x = floats(name, function, special, 1)
        exact = function in EXACT
        yield function, elementwise([x], result, _function(function), exact)
    for kind, ops in BINARY.items():
        if ops[2] is None:
            continue
        x, y = (floats(name, kind, kind in SPECIAL, seed) for seed in (1, 2))
        yield kind, elementwise([x, y], result, _binary(kind), kind in EXACT)
        if kind in ("max", "min"):
            yield f"{kind}_constant", elementwise([x], result, _with_constant(kind))
    x, y = floats(name, "pow", False, 1), floats(name, "", False, 2)
    yield "pow", elementwise([x, y], result, lambda s: s[0] ** s[1], False)
    yield from comparisons(floats(name, "", True, 1), floats(name, "", True, 2))


def integer_cases(name: str) -> Iterator[tuple[str, Kernel]]:
    """Arithmetic and comparisons of integers."""
    result = np.zeros(COUNT, dtype(name))
    for kind in [*BINARY, "floordiv", "mod"]:
        x = integers(name, kind, 1, second=False)
        y = integers(name, kind, 2, second=True)
        yield kind, elementwise([x, y], result, _binary(kind))
    x, y = integers(name, "", 1, second=False), integers(name, "", 2, second=True)
    yield "not", elementwise([x], result, lambda s: ~s[0])
    yield "neg", elementwise([x], result, lambda s: -s[0])
    yield "abs", elementwise([x], result, lambda s: s[0].abs())
    yield from comparisons(x, np.where(np.arange(COUNT) % 3 == 0, x, y))


def bool_cases() -> Iterator[tuple[str, Kernel]]:
    """Logic."""
    x, y = (integers("bool", "", seed, second=False) for seed in (1, 2))
    result = np.zeros(COUNT, bool)
    for kind in ("and", "or", "xor", "max", "min"):
        yield kind, elementwise([x, y], result, _binary(kind))
    yield "not", elementwise([x], result, lambda s: ~s[0])
    yield from comparisons(x, y)


def comparisons(x: Array, y: Array) -> Iterator[tuple[str, Kernel]]:
    """Comparisons, and a choice by each."""
    for kind in COMPARISONS:
        truth = np.zeros(COUNT, bool)
        yield f"cmp_{kind}", elementwise([x, y], truth, _compared(kind))
        yield f"select_{kind}", elementwise([x, y], np.zeros_like(x), _chosen(kind))


def cast_cases(name: str) -> Iterator[tuple[str, Kernel]]:
    """Casts to every other type, of numbers that it has."""
    for target in TYPES:
        values = np.random.default_rng(1).uniform(-99, 99, COUNT)
        if np.dtype(np.float32 if target in FLOATS else target).kind in "ub":
            values = np.abs(values)
        if name == "bool":
            values = np.arange(COUNT) % 2
        x = (
            np.abs(values).astype(dtype(name))
            if "u" in name
            else values.astype(dtype(name))
        )
        result = np.zeros(COUNT, dtype(target))
        yield f"{name}_to_{target}", elementwise([x], result, lambda s: s[0])


def cases(name: str) -> dict[str, Kernel]:
    """All kernels for an element type, by name."""
    found = dict(cast_cases(name))
    if name in FLOATS:
        found |= dict(float_cases(name))
    elif name == "bool":
        found |= dict(bool_cases())
    else:
        found |= dict(integer_cases(name))
    return found


def _function(name: str) -> Body:
    if name == "neg":
        return lambda s: -s[0]
    return lambda s: getattr(s[0], name)()


def _binary(kind: str) -> Body:
    match kind:
        case "floordiv":
            return lambda s: s[0] // s[1]
        case "mod":
            return lambda s: s[0] % s[1]
        case _:
            return lambda s: s[0].binary(kind, s[1])


def _with_constant(kind: str) -> Body:
    return lambda s: s[0].binary(kind, 0.5)


def _compared(kind: str) -> Body:
    return lambda s: s[0].compare(kind, s[1])


def _chosen(kind: str) -> Body:
    return lambda s: s[0].nest.where(s[0].compare(kind, s[1]), s[1], s[0])
