"""
Functions of angles and their inverses as arithmetic in single precision.

Errors are the largest found, rounded up: with fused multiply-add on every 61st float (of
sin, cos and tan, to a million), with separate product and sum on an eighth of those.
NaN gives NaN, and so does what is outside a domain.

From `FARTHEST` on, where a product with pi needs more digits than double precision has, sin,
cos and tan are left to the C library. Its argument is zero elsewhere, so that targets can pass
over the calls.
"""

from __future__ import annotations

import numpy as np

from ...dialects.kernel.scalar import Scalar
from .exponentials import ROUND_DOUBLE
from .formula import F32, F64, Formula

INVERSE_PI = 0.3183098861837907
PI = (3.1415926534682512, 1.2154201013012384e-10)
"""33 bits, and the rest: products of the former with whole numbers are exact."""
ROUNDED_PI = (3.1415927410125732, -8.742278000372485e-08)
"""In single precision, and what that leaves out."""

FARTHEST = 2.0**20
"""Whole half turns below it, times the first part of pi, are exact."""

SIN = (
    *(-0.16666659712791443, 0.008333067409694195),
    *(-0.0001980974047910422, 2.6060963591589825e-06),
)
"""`sin(r) = r + r**3 (...)` in `r**2`, `|r| <= pi / 2`; rounded it never exceeds 1."""


def sin(f: Formula, x: Scalar) -> Scalar:
    """
    `sin(x) = (-1)**n sin(r)`, `n = round(x / pi)`, `r = x - n pi` in double precision.

    Error: 2 ulp fused, 2.2 ulp separate.
    """
    wide = x.cast(F64)
    shifted = f.fma(wide, INVERSE_PI, ROUND_DOUBLE)
    near = _alternating_sine(f, x, shifted, shifted - ROUND_DOUBLE)
    return _or_far(f, x, near, "sin")


def cos(f: Formula, x: Scalar) -> Scalar:
    """
    `cos(x) = (-1)**n sin(r)`, `n = round(x / pi + 1/2)`, `r = x - (n - 1/2) pi`.

    Error: 2 ulp fused, 2.2 ulp separate.
    """
    wide = x.cast(F64)
    shifted = f.fma(wide, INVERSE_PI, 0.5) + ROUND_DOUBLE
    near = _alternating_sine(f, x, shifted, shifted - ROUND_DOUBLE - 0.5)
    return _or_far(f, x, near, "cos")


def _alternating_sine(f: Formula, x: Scalar, shifted: Scalar, n: Scalar) -> Scalar:
    """`sin(x - n pi)`, negative where `shifted` is odd."""
    r = _remainder(f, x, n, 1.0)
    square = r * r
    result = f.fma(f.polynomial(square, SIN) * square, r, r)
    odd = f.bits(shifted).cast(np.uint32) << 31
    return f.bits(f.bits(result) ^ odd)


def _remainder(f: Formula, x: Scalar, n: Scalar, part: float) -> Scalar:
    """`x - n pi part` in single precision, below `FARTHEST`."""
    high, low = PI
    near = f.fma(n, -high * part, x.cast(F64))
    return f.fma(n, -low * part, near).cast(F32)


def _or_far(f: Formula, x: Scalar, near: Scalar, function: str) -> Scalar:
    """`near`, or what the C library says of an `x` from `FARTHEST` on or NaN."""
    is_near = x.abs() < FARTHEST
    far = f.left_to_library(f.where(is_near, 0.0, x).function(function))
    return f.where(is_near, near, far)


TAN = (
    *(0.33333155512809753, 0.13338835537433624, 0.053408198058605194),
    *(0.02444138377904892, 0.0031015046406537294, 0.00939649622887373),
)
"""`tan(r) = r + r**3 (...)` in `r**2`, `|r| <= pi / 4`."""


def tan(f: Formula, x: Scalar) -> Scalar:
    """
    `tan(x) = tan(r)`, or `-1 / tan(r)` for odd `n`; `n = round(2x / pi)`, `r = x - n pi/2`.

    Error: 2.7 ulp fused, 2.8 ulp separate.
    """
    shifted = f.fma(x.cast(F64), 2 * INVERSE_PI, ROUND_DOUBLE)
    r = _remainder(f, x, shifted - ROUND_DOUBLE, 0.5)
    square = r * r
    result = f.fma(f.polynomial(square, TAN) * square, r, r)
    odd = (f.bits(shifted).cast(np.uint32) & 1).ne(0)
    return _or_far(f, x, f.where(odd, -1.0 / result, result), "tan")


ASIN = (
    *(0.16666753590106964, 0.07495249807834625, 0.04547666758298874),
    *(0.024148182943463326, 0.042219653725624084),
)
"""`asin(r) = r + r**3 (...)` in `r**2`, `|r| <= 1/2`."""


def asin(f: Formula, x: Scalar) -> Scalar:
    """
    `asin(x) = pi/2 - 2 asin(sqrt((1 - |x|) / 2))` for `|x| > 1/2`; else a polynomial.

    Error: 2.3 ulp.
    """
    near_one, part = _asin_part(f, x)
    large = _from_pi(part + part, 0.5)
    return f.with_sign(f.where(near_one, large, part), x)


def acos(f: Formula, x: Scalar) -> Scalar:
    """
    `acos(x) = pi/2 - asin(x)`, or `2 asin(sqrt((1 - |x|) / 2))` from 0 or pi.

    Error: 1.2 ulp.
    """
    near_one, part = _asin_part(f, x)
    twice = part + part
    large = f.where(x < 0.0, _from_pi(twice, 1.0), twice)
    return f.where(near_one, large, _from_pi(f.with_sign(part, x), 0.5))


def _asin_part(f: Formula, x: Scalar) -> tuple[Scalar, Scalar]:
    """Whether `|x| > 1/2`, and the arc sine of `|x|` or of `sqrt((1 - |x|) / 2)`."""
    size = x.abs()
    near_one = size > 0.5
    square = f.where(near_one, f.fma(size, -0.5, 0.5), size * size)
    argument = f.where(near_one, square.sqrt(), size)
    return near_one, f.fma(f.polynomial(square, ASIN) * square, argument, argument)


def _from_pi(x: Scalar, part: float) -> Scalar:
    """`pi part - x`."""
    high, low = ROUNDED_PI
    return high * part - (x - low * part)


ATAN = (
    *(-0.33333152532577515, 0.19993767142295837, -0.14211007952690125),
    *(0.10665839910507202, -0.07551942765712738, 0.0432097390294075),
    *(-0.01636730134487152, 0.002920702565461397),
)
"""`atan(r) = r + r**3 (...)` in `r**2`, `|r| <= 1`."""


def atan(f: Formula, x: Scalar) -> Scalar:
    """
    `atan(x) = pi/2 - atan(1 / |x|)` for `|x| > 1`; else a polynomial.

    Error: 1.6 ulp.
    """
    size = x.abs()
    steep = size > 1.0
    r = f.where(steep, 1.0 / size, size)
    square = r * r
    result = f.fma(f.polynomial(square, ATAN) * square, r, r)
    return f.with_sign(f.where(steep, _from_pi(result, 0.5), result), x)
