"""Bounds become one instruction, and integer division cannot stop the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ovc.compiler.passes.legalize_scalars import LegalizeScalarsPass
from ovc.dialects.kernel.scalar import Scalar
from ovc.dialects.types import Array
from scalar_kernels import ScalarKernel, scalar_kernel

INTEGERS = (np.int32, np.int64, np.int8, np.uint32, np.uint64, np.uint8)


def legal(formula: Callable[..., Scalar], *inputs: Array) -> ScalarKernel:
    """A kernel after the pass, which a second run leaves as it is."""
    kernel = scalar_kernel(formula, *inputs)
    LegalizeScalarsPass().count(kernel.module)
    kernel.module.verify()
    assert LegalizeScalarsPass().count(kernel.module) == 0
    return kernel


def check(kernel: ScalarKernel, wanted: Array) -> None:
    np.testing.assert_array_equal(kernel.compiled(), wanted)
    np.testing.assert_array_equal(kernel.oracle(), wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bound", [0.0, -1.5, 6.0, np.inf, -np.inf])
def test_bounds_keep_nan(dtype: Any, bound: float) -> None:
    x = np.array([-2, 0, 1, 7, np.inf, -np.inf, np.nan], dtype)
    largest = legal(lambda nest, x: nest.maximum(x, bound), x)
    smallest = legal(lambda nest, x: nest.minimum(nest.const(bound, dtype), x), x)

    assert largest.names == [
        "kernel.read",
        "arith.cmpf",
        "arith.select",
        "kernel.write",
    ]
    check(largest, np.maximum(x, dtype(bound)))
    check(smallest, np.minimum(x, dtype(bound)))


def test_other_bounds_stay() -> None:
    x = np.ones(8, np.float32)
    both = legal(lambda nest, x, y: nest.maximum(x, y), x, x)
    nan = legal(lambda nest, x: nest.minimum(x, np.nan), x)

    assert "arith.maximumf" in both.names
    assert "arith.minimumf" in nan.names


def quotient(a: Array, b: Array) -> Array:
    """Rounded towards zero; 0 where `b` is 0; what does not fit wraps around."""
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    exact = [
        (abs(x) // abs(y)) * (-1 if (x < 0) != (y < 0) else 1) if y else 0
        for x, y in pairs
    ]
    bits = a.dtype.itemsize * 8
    unsigned = np.array([v % 2**bits for v in exact], f"u{a.dtype.itemsize}")
    return unsigned.view(a.dtype)


def remainder(a: Array, b: Array) -> Array:
    """With the sign of `a`; 0 where `b` is 0."""
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    exact = [abs(x) % abs(y) * (-1 if x < 0 else 1) if y else 0 for x, y in pairs]
    return np.array(exact, a.dtype)


def corners(dtype: Any) -> Array:
    limits = np.iinfo(dtype)
    numbers = {limits.min, limits.max, limits.max - 1, 0, 1, 2, 7, 100}
    numbers |= {-1, -2, -7} if limits.min < 0 else set()
    return np.array(sorted(numbers), dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_division_never_stops(dtype: Any) -> None:
    a, b = (v.ravel() for v in np.meshgrid(corners(dtype), corners(dtype)))
    divided = legal(lambda nest, x, y: x / y, a, b)
    rest = legal(lambda nest, x, y: x.rem(y), a, b)

    np.testing.assert_array_equal(divided.compiled(), quotient(a, b))
    np.testing.assert_array_equal(rest.compiled(), remainder(a, b))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_oracle_divides_alike(dtype: Any) -> None:
    numbers = corners(dtype)[1:]
    a, b = (v.ravel() for v in np.meshgrid(numbers, numbers))

    check(legal(lambda nest, x, y: x / y, a, b), quotient(a, b))
    check(legal(lambda nest, x, y: x.rem(y), a, b), remainder(a, b))


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
@pytest.mark.parametrize("divisor", [0, -1, 1, 8, 7])
def test_constant_divisors(dtype: Any, divisor: int) -> None:
    if divisor < 0 and np.dtype(dtype).kind == "u":
        pytest.skip("unsigned")
    a = corners(dtype)
    b = np.full_like(a, divisor)
    divided = legal(lambda nest, x: x / divisor, a)
    rest = legal(lambda nest, x: x.rem(divisor), a)

    np.testing.assert_array_equal(divided.compiled(), quotient(a, b))
    np.testing.assert_array_equal(rest.compiled(), remainder(a, b))
    if divisor > 0:
        assert len(divided.names) == 3, "nothing is guarded"


def test_a_select_that_guards_something_else_is_no_guard() -> None:
    a = np.array([5, 6, 7, 8], np.int32)
    b = np.array([0, 1, 0, -1], np.int32)
    kernel = legal(lambda nest, x, y: x / nest.where(x.eq(6), 1, y), a, b)

    check(kernel, np.array([0, 6, 0, -8], np.int32))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_guarded_division_means_the_same(dtype: Any) -> None:
    a = np.random.default_rng(3).integers(0, 120, 200).astype(dtype)
    b = np.random.default_rng(4).integers(1, 9, 200).astype(dtype)
    before = scalar_kernel(lambda nest, x, y: x / y, a, b).oracle()

    check(legal(lambda nest, x, y: x / y, a, b), before)
