"""
exp, log and their kin as arithmetic in single precision.

Errors are the largest found, rounded up: with fused multiply-add on every 61st float, with
separate product and sum on an eighth of those, for pow on two million pairs. One ulp is
the distance between neighbouring floats.
Denormal results may be zero. NaN gives NaN, outside a domain the result is NaN, and
infinities are as in C.
"""

from __future__ import annotations

import numpy as np

from ...dialects.kernel.scalar import Scalar
from .formula import F32, F64, INFINITY, NAN, Formula

INVERSE_LN2 = 1.4426950408889634
LN2 = 0.6931471805599453
LN2_HIGH = 0.693359375
"""Nine bits: its product with an exponent is exact."""
LN2_LOW = -2.12194440e-4

ROUND = 1.5 * 2.0**23
"""A float of this size holds whole numbers only, in its lowest bits."""
ROUND_DOUBLE = 1.5 * 2.0**52

EXP = (
    0.3333331346511841,
    0.08333143591880798,
    0.016706962138414383,
    0.0027913565281778574,
)
"""`2 exp(r) = 2 + 2r + r**2 + r**3 (...)`, `|r| <= ln 2 / 2`."""


def exp(f: Formula, x: Scalar) -> Scalar:
    """
    `exp(x) = 2 exp(r) * 2**(n-1)`, `n = round(x / ln 2)`, `r = x - n ln 2`.

    Error: 1.1 ulp fused, 1.4 ulp separate. Below -86.99 the result is 0.
    """
    mantissa, scale = _exp_parts(f, f.at_least(x, -87.3), 1)
    return mantissa * scale


def _exp_parts(f: Formula, x: Scalar, less: int) -> tuple[Scalar, Scalar]:
    """`2 exp(r)` and `2**(n - less)`, for `x >= -87.3`; large for large `x`."""
    shift = ROUND + 127 - less
    x = f.at_most(x, (127.25 + less) * LN2)
    shifted = f.fma(x, INVERSE_LN2, shift)
    n = shifted - shift
    r = f.fma(n, -LN2_LOW, f.fma(n, -LN2_HIGH, x))
    return f.polynomial(r, (2.0, 2.0, 1.0, *EXP)), f.bits(f.bits(shifted) << 23)


TANH = (
    2.0,
    2.0,
    1.3333312273025513,
    0.6666502356529236,
    0.2673112750053406,
    0.08932343125343323,
)
"""`exp(2r) - 1 = r (...)`, `|r| <= ln 2 / 4`."""


def tanh(f: Formula, x: Scalar) -> Scalar:
    """
    `tanh(x) = e / (e + 2)`, `e = exp(2x) - 1 = (exp(2r) - 1) 2**n + (2**n - 1)`.

    Error: 3.2 ulp. Never beyond -1 or 1; zero loses its sign.
    """
    shift = ROUND + 127
    x = f.at_most(f.at_least(x, -9.02), 9.02)
    shifted = f.fma(x, 2 * INVERSE_LN2, shift)
    n = shifted - shift
    r = f.fma(n, -LN2_LOW / 2, f.fma(n, -LN2_HIGH / 2, x))
    scale = f.bits(f.bits(shifted) << 23)
    e = f.fma(f.polynomial(r, TANH) * r, scale, scale - 1.0)
    return e / (e + 2.0)


SINH = (0.1666671484708786, 0.008330287411808968, 0.0002037336234934628)


def sinh(f: Formula, x: Scalar) -> Scalar:
    """
    `sinh(x) = h - 1 / 4h`, `h = exp(|x|) / 2`; an odd polynomial for `|x| < 1`.

    Error: 1.6 ulp fused, 1.8 ulp separate.
    """
    size, square = x.abs(), x * x
    half = _half_exp(f, size)
    large = f.with_sign(half - 0.25 / half, x)
    small = f.fma(f.polynomial(square, SINH) * square, x, x)
    return f.where(size < 1.0, small, large)


def cosh(f: Formula, x: Scalar) -> Scalar:
    """
    `cosh(x) = h + 1 / 4h`, `h = exp(|x|) / 2`.

    Error: 1.5 ulp fused, 1.7 ulp separate.
    """
    half = _half_exp(f, x.abs())
    return half + 0.25 / half


def _half_exp(f: Formula, x: Scalar) -> Scalar:
    """`exp(x) / 2` for positive `x`: it overflows where `sinh` does."""
    mantissa, scale = _exp_parts(f, x, 2)
    return mantissa * scale


LOG = (
    *(-0.5, 0.33333203196525574, -0.24999752640724182, 0.200104758143425),
    *(-0.1668119728565216, 0.14004409313201904, -0.12170494347810745),
    *(0.14004485309123993, -0.12996715307235718),
)
"""`log(1 + r) = r + r**2 (...)`, `-1/3 <= r <= 1/3`."""

TWO_THIRDS = int(np.float32(2 / 3).view(np.uint32))


def log(f: Formula, x: Scalar) -> Scalar:
    """
    `log(x) = e ln 2 + log(m)`, `x = 2**e m`, `2/3 <= m < 4/3`; denormals are scaled.

    Error: 0.9 ulp.
    """
    denormal = x < 2.0**-126
    scaled = f.where(denormal, x * 2.0**23, x)
    result = _log_normal(f, scaled, f.where(denormal, -23.0, f.const(0.0)))
    result = f.where(x.eq(0.0), -INFINITY, result)
    return f.where(x < 0.0, NAN, result)


def _log_normal(f: Formula, x: Scalar, exponent: Scalar | None = None) -> Scalar:
    """`log(x) + exponent ln 2` for normal positive `x`, infinity and NaN."""
    bits = f.bits(x)
    shifted = Scalar(f, (bits - TWO_THIRDS).value, np.dtype(np.int32)) >> 23
    e = shifted.cast(F32)
    whole = Scalar(f, (shifted << 23).value, bits.dtype)
    r = f.bits(bits - whole) - 1.0
    if exponent is not None:
        e = e + exponent
    low = f.fma(r * r, f.polynomial(r, LOG), e * LN2_LOW)
    return f.where(x < INFINITY, f.fma(e, LN2_HIGH, r + low), x)


def _log1p(f: Formula, x: Scalar, large: Scalar, from_: float) -> Scalar:
    """
    `log(1 + x)`, corrected by what the sum lost: `log(w) + (x - (w - 1)) / w`.

    For `large >= from_` it is `log(2 large)`.
    """
    is_large = large > from_
    w = f.where(is_large, large, x + 1.0)
    lost = f.where(is_large, LN2, (x - (w - 1.0)) / w)
    return _log_normal(f, w) + lost


def asinh(f: Formula, x: Scalar) -> Scalar:
    """
    `asinh(x) = log1p(|x| + x**2 / (1 + sqrt(x**2 + 1)))`; `log(2|x|)` from 4096.

    Error: 2 ulp.
    """
    size, square = x.abs(), x * x
    argument = size + square / ((square + 1.0).sqrt() + 1.0)
    return f.with_sign(_log1p(f, argument, size, 4096.0), x)


def acosh(f: Formula, x: Scalar) -> Scalar:
    """
    `acosh(x) = log1p(t + sqrt(t (t + 2)))`, `t = x - 1`; `log(2x)` from 4096.

    Error: 2.6 ulp.
    """
    t = x - 1.0
    result = _log1p(f, t + (t * (t + 2.0)).sqrt(), x, 4096.0)
    return f.where(x < 1.0, NAN, result)


def atanh(f: Formula, x: Scalar) -> Scalar:
    """
    `atanh(x) = log1p(2|x| / (1 - |x|)) / 2`.

    Error: 2.4 ulp.
    """
    size = x.abs()
    w_less = (size + size) / (1.0 - size)
    w = w_less + 1.0
    lost = f.where(size < 1.0, (w_less - (w - 1.0)) / w, 0.0)
    result = f.with_sign((_log_normal(f, w) + lost) * 0.5, x)
    return f.where(size > 1.0, NAN, result)


ERF = (
    *(1.128379225730896, 0.19059260189533234, 0.052769120782613754),
    *(0.0037724922876805067, 0.0002848404401447624, 2.046014969891985e-06),
)
ERF_DIVISOR = (
    *(1.0, 0.5022408962249756, 0.1141822561621666, 0.01498308777809143),
    *(0.0011638399446383119, 3.8047481211833656e-05),
)


def erf(f: Formula, x: Scalar) -> Scalar:
    """
    `erf(x) = x P(z) / Q(z)`, `z = min(x**2, 15.4)`, cut to `[-1, 1]`.

    Error: 5.9 ulp fused, 6.3 ulp separate (4e-7 of the result). Never beyond -1 or 1.
    """
    z = f.at_most(x * x, 15.4)
    ratio = x * f.polynomial(z, ERF) / f.polynomial(z, ERF_DIVISOR)
    return f.at_most(f.at_least(ratio, -1.0), 1.0)


LOG2 = (
    *(2.8853900818364333, 0.9617966212970191, 0.577092417980921),
    *(0.41120270358624345, 0.3484467349622047),
)
"""`log2((1 + s) / (1 - s)) = s (...)` in `s**2`, `|s| <= 1/5`: error 2e-11."""

EXP2 = (
    *(1.000000000554182, 0.6931472057368355, 0.24022646890410426, 0.055503287774638366),
    *(0.009618488999007614, 0.001339993113255621, 0.00015345799016518383),
)
"""`2**r`, `|r| <= 1/2`: error 2e-9."""

SIGN = 1 << 31
FRACTION = (1 << 52) - 1
TWO_THIRDS_DOUBLE = int(np.float64(2 / 3).view(np.uint64))
BIAS_DOUBLE = 1023 << 52
WHOLE = 0x433 << 52
"""The bits of `2.0**52`: with a small whole number in the fraction, their sum."""


def pow(f: Formula, x: Scalar, y: Scalar) -> Scalar:
    """
    `pow(x, y) = +-2**(y log2 |x|)`, in double precision between.

    Error: 0.55 ulp, of denormal results too. Zeros, infinities, NaN and negative
    bases are as in C.
    """
    size = x.abs()
    log2 = _log2_double(f, size)
    log2 = f.where(size > 0.0, log2, -INFINITY)
    log2 = f.where(size < INFINITY, log2, size.cast(F64))
    power = _exp2_double(f, y.cast(F64) * log2).cast(F32)
    power = f.where(y.eq(0.0) | size.eq(1.0), 1.0, power)

    whole = y.trunc().eq(y)
    half = y * 0.5
    odd = whole & half.trunc().ne(half)
    sign = f.where(odd, f.bits(x) & SIGN, 0)
    signed = f.bits(f.bits(power) ^ sign)
    return f.where((x < 0.0) & (x > -INFINITY) & ~whole, NAN, signed)


def _log2_double(f: Formula, x: Scalar) -> Scalar:
    """`log2(x)` in double precision; any number for zero, infinity and NaN."""
    shifted = f.bits(x.cast(F64)) + (BIAS_DOUBLE - TWO_THIRDS_DOUBLE)
    e = f.bits((shifted >> 52) | WHOLE) - (2.0**52 + 1023)
    m = f.bits((shifted & FRACTION) + TWO_THIRDS_DOUBLE)
    s = (m - 1.0) / (m + 1.0)
    return f.fma(s, f.polynomial(s * s, LOG2), e)


def _exp2_double(f: Formula, x: Scalar) -> Scalar:
    """`2**x` in double precision, cut where single precision ends."""
    shift = ROUND_DOUBLE + 1023
    x = f.at_most(f.at_least(x, -151.0), 129.0)
    shifted = x + shift
    r = x - (shifted - shift)
    return f.polynomial(r, EXP2) * f.bits(f.bits(shifted) << 52)


def constant_power(f: Formula, x: Scalar, exponent: float) -> Scalar | None:
    """
    `pow(x, exponent)` for a few exponents, as products, quotients and square roots.

    Error: 0.5 ulp a step, and there are at most three. Other exponents decline.
    """
    if exponent in (0.0, 1.0, 2.0, 3.0, 4.0, -1.0, -2.0):
        return _whole_power(f, x, int(exponent))
    root = x.sqrt() if exponent in (0.25, 0.5, 0.75, 1.5, -0.5) else None
    if root is None:
        return None
    if exponent == -0.5:
        return f.where(x.eq(-INFINITY), 0.0, 1.0 / root.abs())
    result = {0.5: root.abs, 1.5: lambda: x * root}.get(exponent)
    if result is None:
        fourth = root.sqrt()
        power = fourth.abs() if exponent == 0.25 else root * fourth
    else:
        power = result()
    return f.where(x.eq(-INFINITY), INFINITY, power)


def _whole_power(f: Formula, x: Scalar, exponent: int) -> Scalar:
    if exponent == 0:
        return f.const(1.0, x.dtype)
    square = x * x if abs(exponent) > 1 else x
    power = {1: lambda: x, 2: lambda: square, 3: lambda: square * x}.get(
        abs(exponent), lambda: square * square
    )()
    return 1.0 / power if exponent < 0 else power
