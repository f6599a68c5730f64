"""Cases of operations on each element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
from conformance.execute import Case, K, case
from ovc.dialects import nn
from ovc.dialects.nn.base import NNOp
from ovc.dialects.types import Array, element_of

FLOATS: tuple[Any, ...] = (np.float32, np.float64, np.float16, ml_dtypes.bfloat16)
SIGNED: tuple[Any, ...] = (np.int8, np.int16, np.int32, np.int64)
UNSIGNED: tuple[Any, ...] = (np.uint8, np.uint16, np.uint32, np.uint64)
INTEGERS = SIGNED + UNSIGNED

LINE = np.linspace(-4, 4, 53, dtype=np.float32)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1, -1, 0.5, 88, -104], np.float32)
UNIT = np.linspace(-1, 1, 41, dtype=np.float32)
POSITIVE = np.array([1e-38, 1e-6, 0.1, 0.99, 1, 1.5, 2, 10, 1e4, 3e38], np.float32)
HALVES = np.arange(-4.5, 5, 0.5, dtype=np.float32)
BOOLS = np.array([True, False, False, True, True])


def whole(dtype: Any, seed: int = 0, size: int = 37) -> Array:
    """Integers that reach both ends of their type."""
    limits = np.iinfo(dtype)
    some = np.random.default_rng(seed).integers(-9, 10, size)
    return (
        np.concatenate([[limits.min, limits.max], some]).clip(limits.min).astype(dtype)
    )


FUNCTIONS: dict[type[NNOp], tuple[Array, ...]] = {
    nn.TanhOp: (LINE, SPECIAL),
    nn.ExpOp: (LINE, SPECIAL),
    nn.LogOp: (POSITIVE, SPECIAL),
    nn.SqrtOp: (POSITIVE, SPECIAL),
    nn.FloorOp: (HALVES, SPECIAL),
    nn.CeilOp: (HALVES, SPECIAL),
    nn.RoundOp: (HALVES, SPECIAL),
    nn.SinOp: (LINE * 3, SPECIAL),
    nn.CosOp: (LINE * 3, SPECIAL),
    nn.TanOp: (UNIT, LINE),
    nn.AsinOp: (UNIT, SPECIAL),
    nn.AcosOp: (UNIT, SPECIAL),
    nn.AtanOp: (LINE, SPECIAL),
    nn.SinhOp: (LINE, SPECIAL),
    nn.CoshOp: (LINE, SPECIAL),
    nn.AsinhOp: (LINE, POSITIVE),
    nn.AcoshOp: (LINE[LINE >= 1], POSITIVE[POSITIVE >= 1]),
    nn.AtanhOp: (UNIT, SPECIAL),
    nn.ErfOp: (LINE, SPECIAL),
    nn.SigmoidOp: (LINE, LINE * 30),
    nn.ReciprocalOp: (POSITIVE, SPECIAL),
    nn.ReluOp: (LINE, SPECIAL),
    nn.AbsOp: (LINE, SPECIAL),
    nn.NegOp: (LINE, SPECIAL),
    nn.SignOp: (LINE, SPECIAL),
    nn.IdentityOp: (LINE, SPECIAL),
    nn.DropoutOp: (LINE,),
    nn.HardSwishOp: (LINE, SPECIAL),
    nn.SoftplusOp: (LINE, LINE * 30),
    nn.SoftsignOp: (LINE,),
    nn.MishOp: (LINE, LINE * 20),
}
"""Functions without properties, of floats."""


def functions() -> Iterator[Case]:
    for op, arrays in FUNCTIONS.items():
        for x in arrays:
            yield case(op, x)
        for dtype in (np.float64, np.float16, ml_dtypes.bfloat16):
            yield case(op, arrays[0].astype(dtype))
        yield case(op, np.resize(arrays[0], (3, 1, 5, 7)))


ACTIVATIONS: list[tuple[type[NNOp], dict[str, Any]]] = [
    (nn.LeakyReluOp, {"alpha": 0.1}),
    (nn.LeakyReluOp, {"alpha": -1.5}),
    (nn.EluOp, {"alpha": 1.5}),
    (nn.SeluOp, {}),
    (nn.SeluOp, {"alpha": 2.0, "gamma": 3.0}),
    (nn.CeluOp, {"alpha": 2.0}),
    (nn.ThresholdedReluOp, {"alpha": 1.5}),
    (nn.HardSigmoidOp, {"alpha": 0.3, "beta": 0.4}),
    (nn.GeluOp, {}),
    (nn.GeluOp, {"approximate": "tanh"}),
    (nn.SwishOp, {}),
    (nn.SwishOp, {"alpha": 1.702}),
    (nn.ShrinkOp, {"lambd": 1.5, "bias": 1.0}),
]


def activations() -> Iterator[Case]:
    for op, properties in ACTIVATIONS:
        for x in (LINE, LINE * 20, LINE.astype(np.float64), LINE.astype(np.float16)):
            yield Case(op, (x,), properties)
    for dtype in SIGNED:
        yield Case(nn.ShrinkOp, (np.arange(-4, 5).astype(dtype),), {"lambd": 1.0})


def unary_integers() -> Iterator[Case]:
    for dtype in INTEGERS:
        x = whole(dtype)
        for op in (nn.AbsOp, nn.SignOp, nn.BitwiseNotOp, nn.IdentityOp):
            yield case(op, x)
    for dtype in SIGNED:
        yield case(nn.NegOp, whole(dtype))
        yield case(nn.ReluOp, whole(dtype))
    yield case(nn.NotOp, BOOLS)
    yield case(nn.IdentityOp, BOOLS)
    yield case(nn.DropoutOp, BOOLS)
    for properties in ({}, {"detect_negative": 0}, {"detect_positive": 0}):
        yield Case(nn.IsInfOp, (SPECIAL,), properties)
        yield Case(nn.IsInfOp, (SPECIAL.astype(np.float64),), properties)
    for dtype in FLOATS:
        yield case(nn.IsNanOp, SPECIAL.astype(dtype))


CASTED = np.array([-129, -128, -1, -0.5, 0, 0.5, 1, 1.5, 127, 128, 255], np.float32)
TYPES = (*FLOATS, *INTEGERS, np.bool_)


def casts() -> Iterator[Case]:
    """Every type to every type, with numbers that both can hold."""
    for source in TYPES:
        for target in TYPES:
            if source == target:
                continue
            x = CASTED
            for dtype in (source, target):
                if np.dtype(dtype).kind in "iu":
                    x = x.clip(np.iinfo(dtype).min, min(np.iinfo(dtype).max, 255))
            x = np.unique(x).astype(source)
            yield case(nn.CastOp, x, to=element_of(target))
    wide = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 3.9, -3.9], np.float32)
    for target in INTEGERS:
        yield case(nn.CastOp, wide, to=element_of(target))
        yield case(nn.CastOp, whole(np.int64), to=element_of(target))
    for target in (np.float16, ml_dtypes.bfloat16):  # rounding once, not twice
        x = np.array([1 + 2**-11 + 2**-40, 1 + 2**-8 + 2**-40, 1e30, 6e-8, 65519.999])
        yield case(nn.CastOp, np.concatenate([x, -x]), to=element_of(target))


ROW = np.array([1, -2, 3, 0.5, -4], np.float32)
SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((2, 3, 5), (2, 3, 5)),
    ((2, 3, 5), (5,)),
    ((2, 3, 5), (3, 1)),
    ((3, 1), (2, 1, 5)),
    ((4, 17), ()),
    ((), (3, 33)),
)
ARITHMETIC = (nn.AddOp, nn.SubOp, nn.MulOp, nn.DivOp, nn.MaximumOp, nn.MinimumOp)
COMPARISONS = (
    nn.EqualOp,
    nn.LessOp,
    nn.LessOrEqualOp,
    nn.GreaterOp,
    nn.GreaterOrEqualOp,
)


def numbers(shape: tuple[int, ...], seed: int, dtype: Any = np.float32) -> Array:
    """Numbers around zero, none of them zero."""
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "u":
        return generator.integers(1, 9, shape).astype(dtype)
    if np.dtype(dtype).kind == "i":
        picked = generator.integers(1, 9, shape) * generator.choice([-1, 1], shape)
        return np.asarray(picked).astype(dtype)
    return np.asarray(generator.standard_normal(shape) + 0.01).astype(dtype)


def arithmetic() -> Iterator[Case]:
    for op in ARITHMETIC + COMPARISONS:
        for left, right in SHAPES:
            yield case(op, numbers(left, 1), numbers(right, 2))
        for dtype in (*FLOATS[1:], *INTEGERS):
            x, y = (numbers((7, 9), seed, dtype) for seed in (3, 4))
            yield case(op, x, y)
        pairs = np.meshgrid(SPECIAL, SPECIAL)
        yield case(op, *pairs)
        yield case(op, LINE, K(np.float32([3])))
    yield case(nn.EqualOp, BOOLS, BOOLS[::-1].copy())


def remainders() -> Iterator[Case]:
    for fmod in (0, 1):
        for dtype in (np.float32, np.float64, *INTEGERS):
            x, y = (numbers((50,), seed, dtype) * 3 for seed in (5, 6))
            yield case(nn.ModOp, x.astype(dtype), y.astype(dtype), fmod=fmod)
        x, y = (
            np.float32([1e6, -1e6, 5, np.inf, 1, 2, -1]),
            np.float32([0.7, 3, np.inf]),
        )
        yield case(nn.ModOp, x[:, None], y, fmod=fmod)


def powers() -> Iterator[Case]:
    base, exponent = np.abs(LINE) + 0.01, np.float32([-2, -1, -0.5, 0, 0.5, 1, 2, 3])
    yield case(nn.PowOp, base, exponent[:, None])
    yield case(nn.PowOp, LINE, np.float32([-1, 0, 1, 2, 3, 5])[:, None])
    for number in (0.5, 1, 2, 3, -1, -0.5):
        yield case(nn.PowOp, base, K(np.float32([number])))
    yield case(nn.PowOp, LINE, np.array([2, 3, 0], np.int64)[:, None])
    yield case(nn.PowOp, np.arange(-5, 6), np.array([[2], [3], [0]]))
    yield case(nn.PowOp, np.arange(9, dtype=np.int32), np.float32([2.0]))
    yield case(nn.PowOp, base.astype(np.float64), np.float64([0.3]))
    yield case(nn.PowOp, *np.meshgrid(SPECIAL[:7], SPECIAL[:7]))


def others() -> Iterator[Case]:
    for dtype in (np.float32, np.float64, np.float16, np.int32, np.uint8, np.bool_):
        x = (np.arange(12) % 5).astype(dtype).reshape(3, 4)
        condition = np.arange(4) % 2 == 0
        yield case(nn.WhereOp, condition, x, x[::-1].copy())
        yield case(nn.WhereOp, np.array([[True], [False], [True]]), x, x[0])
    x = numbers((2, 17, 3, 2), 7)
    yield case(nn.PreluOp, x, np.abs(numbers((17, 1, 1), 8)))
    yield case(nn.PreluOp, x, numbers((1,), 8))
    yield case(nn.PreluOp, x, numbers((2, 17, 3, 2), 9))
    for low, high in ((-1, 1), (None, 0.5), (0, None), (None, None), (2, -2)):
        bounds = [None if b is None else K(np.float32(b)) for b in (low, high)]
        yield case(nn.ClipOp, LINE, *bounds)
    yield case(nn.ClipOp, LINE, np.float32(-1), np.float32(2.5))
    yield case(nn.ClipOp, SPECIAL, K(np.float32(-1)), K(np.float32(1)))
    for dtype in (np.int8, np.int64, np.uint8, np.float16, np.float64):
        yield case(nn.ClipOp, np.arange(9).astype(dtype), K(dtype(2)), K(dtype(5)))
    for channels in (1, 3, 8, 17, 33):
        rows = numbers((channels,), 10), numbers((channels,), 11)
        yield case(nn.ScaleShiftOp, numbers((2, channels, 3, 5), 12), *map(K, rows))
        yield case(nn.ScaleShiftOp, numbers((2, channels), 12), *rows)


def logic() -> Iterator[Case]:
    x, y = np.meshgrid(BOOLS, [True, False])
    for op in (nn.AndOp, nn.OrOp, nn.XorOp):
        yield case(op, x, y)
        yield case(op, BOOLS[:, None], BOOLS)
    for dtype in INTEGERS:
        x, y = whole(dtype, 1), whole(dtype, 2)
        for op in (nn.BitwiseAndOp, nn.BitwiseOrOp, nn.BitwiseXorOp):
            yield case(op, x, y[:, None])
        by = np.arange(np.dtype(dtype).itemsize * 8).astype(dtype)
        for direction in ("LEFT", "RIGHT"):
            yield case(nn.BitShiftOp, x[:, None], by, direction=direction)
            yield case(nn.BitShiftOp, x, K(dtype([3])), direction=direction)


CASES = [
    each
    for family in (
        functions,
        activations,
        unary_integers,
        casts,
        arithmetic,
        remainders,
        powers,
        others,
        logic,
    )
    for each in family()
]
