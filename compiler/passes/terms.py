"""
Arithmetic seen as sums and products, however it was written.

`0.5 * x * y`, `(x / 2) * y` and `x * (y * 0.5)` are one product: 0.5 times x times y.
What patterns of primitive operations are recognized with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isclose

import numpy as np
from xdsl.ir import Operation, SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from .reasons import is_kept

DEEPEST = 6
"""How far a sum or product is followed, so that recognition takes linear time."""


@dataclass
class Product:
    """`number` times all `factors`."""

    number: float = 1.0
    factors: list[SSAValue] = field(default_factory=list[SSAValue])
    ops: list[Operation] = field(default_factory=list[Operation])
    """The operations it was written with, outermost first."""
    half: bool = True
    """Whether all numbers it was written with are exact in float16."""


@dataclass
class Sum:
    """`number` plus the sum of all `terms`, each with its factor."""

    number: float = 0.0
    terms: list[tuple[float, SSAValue]] = field(
        default_factory=list[tuple[float, SSAValue]]
    )
    ops: list[Operation] = field(default_factory=list[Operation])
    half: bool = True
    """Whether all numbers it was written with are exact in float16."""


def one_number(value: SSAValue) -> float | None:
    """The number that every element of a constant is."""
    array = constant_array(value)
    if array is None or not array.size or array.dtype.kind != "f":
        return None
    first = array.reshape(-1)[0]
    return float(first) if array.size == 1 or (array == first).all() else None


def is_half(number: float) -> bool:
    """Whether a number is exact in float16."""
    with np.errstate(over="ignore"):
        return float(np.float16(number)) == number


def product_of(value: SSAValue, root: bool = True, depth: int = 0) -> Product:
    """A value as a product. Values inside that others read are factors as they are."""
    product = Product()
    number = one_number(value)
    op = value.owner
    if number is not None:
        product.number, product.half = number, is_half(number)
    elif depth > DEEPEST or is_kept(op) or not (root or value.has_one_use()):
        product.factors.append(value)
    elif isinstance(op, nn.MulOp):
        product.ops.append(op)
        for operand in op.operands:
            _multiply(product, product_of(operand, False, depth + 1))
    elif isinstance(op, nn.DivOp) and (divisor := one_number(op.rhs)):
        product.ops.append(op)
        _multiply(product, product_of(op.lhs, False, depth + 1))
        product.number /= divisor
        product.half = product.half and is_half(divisor)
    elif isinstance(op, nn.NegOp):
        product.ops.append(op)
        _multiply(product, product_of(op.x, False, depth + 1))
        product.number = -product.number
    else:
        product.factors.append(value)
    return product


def _multiply(product: Product, other: Product) -> None:
    product.number *= other.number
    product.factors += other.factors
    product.ops += other.ops
    product.half = product.half and other.half


def sum_of(value: SSAValue, root: bool = True, depth: int = 0) -> Sum:
    """A value as a sum. Values inside that others read are terms as they are."""
    total = Sum()
    number = one_number(value)
    op = value.owner
    if number is not None:
        total.number, total.half = number, is_half(number)
    elif depth > DEEPEST or is_kept(op) or not (root or value.has_one_use()):
        total.terms.append((1.0, value))
    elif isinstance(op, nn.AddOp | nn.SubOp):
        total.ops.append(op)
        signs = (1, -1 if op.name == "nn.sub" else 1)
        for operand, sign in zip(op.operands, signs, strict=True):
            inner = sum_of(operand, False, depth + 1)
            total.number += sign * inner.number
            total.terms += [(sign * factor, term) for factor, term in inner.terms]
            total.ops += inner.ops
            total.half = total.half and inner.half
    else:
        product = product_of(value, root, depth)
        if len(product.factors) == 1 and product.ops:
            total.ops += product.ops
            inner = sum_of(product.factors[0], False, depth + 1)
            total.number = product.number * inner.number
            total.terms = [(product.number * f, term) for f, term in inner.terms]
            total.ops += inner.ops
            total.half = product.half and inner.half
        else:
            total.terms.append((1.0, value))
    return total


def power_of(value: SSAValue, x: SSAValue) -> int | None:
    """The exponent when a value is a whole power of `x`, up to 3."""
    if value is x:
        return 1
    op = value.owner
    if isinstance(op, nn.PowOp) and op.lhs is x and not is_kept(op):
        exponent = one_number(op.rhs)
        return int(exponent) if exponent in (2.0, 3.0) else None
    product = product_of(value)
    powers = [
        1 if f is x else power_of(f, x) if isinstance(f.owner, nn.PowOp) else None
        for f in product.factors
    ]
    if product.number != 1 or not powers or None in powers:
        return None
    return sum(p for p in powers if p is not None)


def near(number: float, wanted: float, half: bool = False) -> bool:
    """
    Whether a number in a model is one that the mathematics says.

    Args:
        half: it is made of numbers that were rounded to half precision.
    """
    return isclose(number, wanted, rel_tol=1e-3 if half else 1e-6)
