"""Special functions that numpy lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..types import Array

Coefficients = Sequence[float]

# Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error
# function" (1969). Highest power first; the error is below 1e-16 of the value.
SMALL: tuple[Coefficients, Coefficients] = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e00,
        1.13864154151050156e02,
        3.77485237685302021e02,
        3.20937758913846947e03,
    ),
    (
        1.0,
        2.36012909523441209e01,
        2.44024637934444173e02,
        1.28261652607737228e03,
        2.84423683343917062e03,
    ),
)
"""`erf(x) / x` in `x**2`, for `|x| <= 0.46875`."""

MIDDLE: tuple[Coefficients, Coefficients] = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e01,
        2.98635138197400131e02,
        8.81952221241769090e02,
        1.71204761263407058e03,
        2.05107837782607147e03,
        1.23033935479799725e03,
    ),
    (
        1.0,
        1.57449261107098347e01,
        1.17693950891312499e02,
        5.37181101862009858e02,
        1.62138957456669019e03,
        3.29079923573345963e03,
        4.36261909014324716e03,
        3.43936767414372164e03,
        1.23033935480374942e03,
    ),
)
"""`(1 - erf(x)) * e**x**2` in `x`, for `0.46875 <= x <= 4`."""


def erf(values: Array) -> Array:
    """The error function, computed in float64, in the type of `values`."""
    x: Array = np.asarray(values, np.float64)
    y = np.minimum(np.abs(x), 6.0)  # 1 - erf(6) is below 1e-16
    small = y <= 0.46875
    near = x * _ratio(SMALL, np.where(small, x * x, 0.0))
    far = 1.0 - np.exp(-y * y) * _ratio(MIDDLE, np.where(small, 1.0, y))
    result: Array = np.where(small, near, np.copysign(far, x))
    result[np.isnan(x)] = np.nan
    return result.astype(values.dtype)


def _ratio(coefficients: tuple[Coefficients, Coefficients], x: Array) -> Array:
    above, below = coefficients
    return _polynomial(above, x) / _polynomial(below, x)


def _polynomial(coefficients: Coefficients, x: Array) -> Array:
    total = np.zeros_like(x)
    for coefficient in coefficients:
        total = total * x + coefficient
    return total
