"""Functions as arithmetic: close to numpy's in double precision, by both executors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ovc.compiler.passes.expand_math import EXPANSIONS, ExpandMathPass
from ovc.dialects.kernel.scalar import Scalar
from ovc.dialects.types import Array
from ovc.runtime.errors import CompileError
from scalar_kernels import ScalarKernel, scalar_kernel

RANDOM = np.random.default_rng(11)
COUNT = 1 << 15

INFINITY, NAN = math.inf, math.nan
SMALLEST = float(np.finfo(np.float32).smallest_normal)


def uniform(low: float, high: float) -> Array:
    """Random numbers and, between them, evenly spaced ones."""
    even = np.linspace(low, high, COUNT)
    return np.concatenate([even, RANDOM.uniform(low, high, COUNT)])


def sizes(low: float, high: float) -> Array:
    """Numbers of both signs, of sizes from `2**low` to `2**high`."""
    return 2.0 ** uniform(low, high) * RANDOM.choice([-1, 1], 2 * COUNT)


def erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x])


FUNCTIONS: dict[str, tuple[Callable[..., Any], float, float, tuple[Array, ...]]] = {
    "exp": (np.exp, 1.1, 1.4, (uniform(-86.9, 89.0), uniform(-1, 1))),
    "log": (np.log, 0.9, 0.9, (2.0 ** uniform(-149, 127.9), uniform(0.3, 3))),
    "tanh": (np.tanh, 3.2, 3.2, (uniform(-10, 10), sizes(-126, 4))),
    "erf": (erf, 5.9, 6.3, (uniform(-5, 5), sizes(-125, 4))),
    "sinh": (np.sinh, 1.6, 1.8, (uniform(-89.5, 89.5), sizes(-126, 4))),
    "cosh": (np.cosh, 1.5, 1.7, (uniform(-89.5, 89.5), uniform(-2, 2))),
    "asinh": (np.arcsinh, 2.0, 2.0, (uniform(-10, 10), sizes(-126, 127))),
    "acosh": (np.arccosh, 2.6, 2.6, (1 + 2.0 ** uniform(-23, 127), uniform(1, 3))),
    "atanh": (np.arctanh, 2.4, 2.4, (uniform(-1, 1), sizes(-126, 0))),
    "sin": (
        np.sin,
        2.0,
        2.2,
        (uniform(-10, 10), uniform(-1e5, 1e5), sizes(-125, 127.99)),
    ),
    "cos": (
        np.cos,
        2.0,
        2.2,
        (uniform(-10, 10), uniform(-1e5, 1e5), sizes(-125, 127.99)),
    ),
    "tan": (
        np.tan,
        2.7,
        2.8,
        (uniform(-10, 10), uniform(-1e5, 1e5), sizes(-125, 127.99)),
    ),
    "asin": (np.arcsin, 2.3, 2.3, (uniform(-1, 1), sizes(-125, 0))),
    "acos": (np.arccos, 1.2, 1.2, (uniform(-1, 1), 1 - 2.0 ** uniform(-24, 1))),
    "atan": (np.arctan, 1.6, 1.6, (uniform(-5, 5), sizes(-125, 126))),
}
"""In double precision; the largest error compiled and by the oracle; arguments."""

SPECIAL = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 1.0000001, 0.99999994),
    *(88.7, 88.73, -104.0, 1e-30, -1e-30, 1e12, INFINITY, -INFINITY, NAN, 1e-40),
    *(3e38, -3e38, SMALLEST, -SMALLEST),
)


def expanded(formula: Callable[..., Scalar], *inputs: Array) -> ScalarKernel:
    """A kernel of single-precision scalars, after the pass."""
    kernel = scalar_kernel(formula, *(a.astype(np.float32) for a in inputs))
    ExpandMathPass().count(kernel.module)
    kernel.module.verify()
    return kernel


def call(name: str) -> Callable[..., Scalar]:
    return lambda nest, x: x.function(name)


def errors(result: Array, exact: Array) -> Array:
    """Distances in units of the last place; denormals may be zero."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        place = np.spacing(np.maximum(np.abs(rounded), np.float32(SMALLEST)))
        distance = np.abs(result.astype(np.float64) - exact) / place
    same = (result == rounded) | (np.isnan(result) & np.isnan(rounded))
    return np.where(same, 0, np.where(np.isnan(distance), INFINITY, distance))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_are_as_stated(name: str) -> None:
    reference, compiled_limit, oracle_limit, samples = FUNCTIONS[name]
    x = np.concatenate(samples).astype(np.float32)
    kernel = expanded(call(name), x)
    with np.errstate(all="ignore"):
        exact = reference(x.astype(np.float64))

    assert errors(kernel.compiled(), exact).max() <= compiled_limit
    assert errors(kernel.oracle(), exact).max() <= oracle_limit


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name: str) -> None:
    reference, limit, *_ = FUNCTIONS[name]
    x = np.array(SPECIAL, np.float32)
    kernel = expanded(call(name), x)
    with np.errstate(all="ignore"):
        exact = reference(x.astype(np.float64))

    compiled = kernel.compiled()
    assert errors(compiled, exact).max() <= limit
    assert errors(kernel.oracle(), exact).max() <= limit + 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_of_the_function_is_left(name: str) -> None:
    kernel = expanded(call(name), np.ones(64))
    operation = EXPANSIONS[name][0].name

    left = [op for op in kernel.nest.body.block.ops if op.name == operation]
    assert all("library" in op.attributes for op in left)
    assert len(left) == (name in ("sin", "cos", "tan"))
    assert ExpandMathPass().count(kernel.module) == 0


@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "cos"])
def test_results_stay_within_one(name: str) -> None:
    turn = np.arange(1.4, np.pi / 2 + 1e-6, 1e-7) if name in ("sin", "cos") else []
    x = np.concatenate([uniform(-12, 12), sizes(-4, 20), turn])
    kernel = expanded(call(name), x)

    assert np.abs(kernel.compiled()).max() <= 1
    assert np.abs(kernel.oracle()).max() <= 1


def test_small_results_of_exp_are_zero() -> None:
    x = np.concatenate([uniform(-1000, -87.34), [-1e30, -INFINITY]])
    kernel = expanded(call("exp"), x)

    assert not kernel.compiled().any()
    assert not kernel.oracle().any()


def test_sigmoid() -> None:
    x = uniform(-87, 87).astype(np.float32)
    kernel = expanded(lambda nest, x: x.sigmoid(), x)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))

    assert len(kernel.names) <= 21
    assert errors(kernel.compiled(), exact).max() < 2.5


@pytest.mark.parametrize(
    ("name", "most"), [("exp", 16), ("tanh", 19), ("erf", 19), ("sin", 21), ("log", 30)]
)
def test_formulas_are_short(name: str, most: int) -> None:
    kernel = expanded(call(name), np.ones(64))
    around = ("kernel.read", "kernel.write")

    assert len([n for n in kernel.names if n not in around]) <= most


# powers


def pow_errors(result: Array, x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
        rounded = exact.astype(np.float32)
        distance = np.abs(result.astype(np.float64) - exact) / np.spacing(abs(rounded))
    same = (result == rounded) | (np.isnan(result) & np.isnan(rounded))
    signs = np.signbit(result) == np.signbit(rounded)
    distance = np.where(same, 0, np.where(np.isnan(distance), INFINITY, distance))
    return np.where(signs | np.isnan(rounded), distance, INFINITY)


def powers(x: Array, y: Array) -> list[float]:
    """The largest errors of `x ** y`, compiled and by the oracle. A sign is infinite."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    kernel = expanded(lambda nest, x, y: x**y, x, y)
    results = kernel.compiled(), kernel.oracle()
    return [float(pow_errors(r, x, y).max()) for r in results]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (2.0 ** uniform(-126, 126), uniform(-5, 5)),
        (uniform(0, 3), uniform(-90, 90)[::-1]),
        (1 + uniform(-1e-3, 1e-3), 10 ** uniform(0, 5.2)),
        (uniform(-5, 5), np.round(uniform(-40, 40))[::-1]),
    ],
)
def test_powers(x: Array, y: Array) -> None:
    assert max(powers(x, y)) < 0.55


def test_special_powers() -> None:
    odd = float(2**24 - 1)
    values = (
        *SPECIAL,
        3.0,
        -3.0,
        1.5,
        -1.5,
        1e-40,
        -1e-40,
        odd,
        -odd,
        odd + 1,
        2.0**60,
    )
    x, y = np.meshgrid(values, values)

    assert max(powers(x.ravel(), y.ravel())) < 0.55


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "exponent", [0.0, 1.0, 2.0, 3.0, 4.0, -1.0, -2.0, 0.5, -0.5, 0.25, 0.75, 1.5]
)
def test_constant_exponents_are_products_and_roots(exponent: float, dtype: Any) -> None:
    x = np.array([0.0, -0.0, 1.5, -1.5, 3.25, INFINITY, -INFINITY, NAN, 100.0], dtype)
    kernel = scalar_kernel(lambda nest, x: nest.pow(x, exponent), x)

    assert ExpandMathPass(functions=()).count(kernel.module) == 1

    wanted = [_c_pow(float(v), exponent) for v in x]
    assert "math.powf" not in kernel.names
    np.testing.assert_allclose(kernel.compiled(), wanted, 3e-7)
    np.testing.assert_allclose(kernel.oracle(), wanted, 3e-7)


def _c_pow(base: float, exponent: float) -> float:
    if base == 0 and exponent < 0:
        return math.copysign(INFINITY, base) if exponent == -1 else INFINITY
    try:
        return math.pow(base, exponent)
    except ValueError:
        return NAN


# what is left alone


def test_double_precision_stays() -> None:
    kernel = scalar_kernel(call("exp"), np.ones(64))

    assert ExpandMathPass().count(kernel.module) == 0
    assert "math.exp" in kernel.names


def test_only_the_named_functions_are_expanded() -> None:
    kernel = scalar_kernel(lambda nest, x: x.exp() + x.tanh(), np.ones(64, np.float32))

    assert ExpandMathPass(functions=("exp",)).count(kernel.module) == 1
    assert "math.exp" not in kernel.names
    assert "math.tanh" in kernel.names


def test_a_target_keeps_the_functions_it_computes_well() -> None:
    kernel = scalar_kernel(call("exp"), np.ones(64, np.float32))

    assert ExpandMathPass(target="gpu").count(kernel.module) == 0
    assert ExpandMathPass(target="cpu").count(kernel.module) == 1


def test_constants_are_shared() -> None:
    kernel = expanded(lambda nest, x: x.exp() + (x * 2.0).exp(), np.ones(64))
    constants = [
        op.properties["value"]
        for op in kernel.nest.body.block.ops
        if op.name == "arith.constant"
    ]

    assert len(constants) <= len(set(constants)) + 1


def test_an_unknown_function_is_an_error() -> None:
    kernel = scalar_kernel(call("exp"), np.ones(64, np.float32))

    with pytest.raises(CompileError, match="no formula for sqrt; known: exp, log"):
        ExpandMathPass(functions=("sqrt",)).count(kernel.module)


def test_reductions_of_expanded_values() -> None:
    x = uniform(-4, 4).astype(np.float32)[:192]

    def normalized(nest: Any, x: Scalar) -> Scalar:
        power = (x - nest.max(x, ["i"])).exp()
        return power / nest.sum(power, ["i"])

    kernel = expanded(normalized, x)
    exact = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(kernel.compiled(), exact / exact.sum(), 1e-6)

    total = expanded(lambda nest, x: nest.sum(x.exp(), ["i"]) + x * 0.0, x)
    np.testing.assert_allclose(total.compiled(), exact.sum(), 1e-6)
