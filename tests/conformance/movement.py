"""Cases of operations that place, pick, order, reduce and quantize elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
from conformance.elementwise import BOOLS, INTEGERS, SPECIAL, numbers, whole
from conformance.execute import Case, K, case, ints
from ovc.dialects import nn
from ovc.dialects.nn.base import NNOp
from ovc.dialects.types import Array, element_of
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, f32, i32

TYPES: tuple[Any, ...] = (
    np.float64,
    np.float16,
    ml_dtypes.bfloat16,
    np.int8,
    np.int32,
    np.int64,
    np.uint8,
    np.bool_,
)


def some(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Different numbers, as far as the type has them."""
    return (np.arange(np.prod(shape)) % 101).reshape(shape).astype(dtype)


X = some((2, 3, 4, 5))
BLOCKED = some((1, 40, 3, 4))


def shapes() -> Iterator[Case]:
    for x in (X, *(some((3, 4), dtype) for dtype in TYPES)):
        yield case(nn.ReshapeOp, x, ints(-1))
        yield case(nn.FlattenOp, x, axis=1)
        yield case(nn.UnsqueezeOp, x, ints(0, -1))
        yield case(nn.TransposeOp, x)
        yield case(nn.ConcatOp, [x, x[:1]], axis=0)
        yield case(nn.TileOp, x, ints(*(2,) * x.ndim))
        yield case(nn.SliceOp, x, ints(1), ints(9), ints(-1), ints(2))
        yield case(nn.PadOp, x, ints(*(1,) * (2 * x.ndim)))
        yield case(nn.ExpandOp, x[:, :1], ints(*x.shape))
        yield case(nn.SplitOp, x, ints(1, x.shape[-1] - 1), axis=-1, results=2)
    yield case(nn.ReshapeOp, X, ints(0, 12, -1))
    yield case(nn.ReshapeOp, X, ints(2, 60), allowzero=1)
    yield case(nn.ReshapeOp, X[:1, :1, :1, :1], ints())
    for axis in (0, 2, -1, 4):
        yield case(nn.FlattenOp, X, axis=axis)
    yield case(nn.SqueezeOp, X[:1, :, :1])
    yield case(nn.SqueezeOp, X[:1, :, :1], ints(-2))
    yield case(nn.UnsqueezeOp, np.float32(3), ints(0, 1))
    for op, operands in ((nn.ReshapeOp, (ints(1, 4, 10, 12),)),):
        yield Case(op, (BLOCKED, *operands), between=True)


def shuffles() -> Iterator[Case]:
    for mode in ("DCR", "CRD"):
        yield case(nn.DepthToSpaceOp, some((2, 12, 3, 2)), blocksize=2, mode=mode)
    yield Case(
        nn.DepthToSpaceOp, (some((1, 72, 3, 2)),), {"blocksize": 3}, between=True
    )
    for group, shape in ((3, (2, 12, 3, 2)), (2, (1, 10)), (4, (2, 8, 5))):
        yield case(nn.ChannelShuffleOp, some(shape), group=group)
    yield case(nn.ChannelShuffleOp, some((1, 6, 2, 3, 4)), group=2)
    for shape in ((1, 72, 3, 2), (1, 96, 5, 7)):
        yield Case(nn.ChannelShuffleOp, (some(shape),), {"group": 3}, between=True)
    yield case(nn.SpaceToDepthOp, some((2, 3, 6, 4)), blocksize=2)


def moves() -> Iterator[Case]:
    for perm in ([0, 2, 3, 1], [3, 2, 1, 0], [0, 1, 3, 2], [1, 0, 2, 3]):
        yield case(nn.TransposeOp, X, perm=perm)
    for perm in ([0, 2, 3, 1], [0, 1, 3, 2], [0, 3, 1, 2]):
        yield Case(nn.TransposeOp, (BLOCKED,), {"perm": perm}, between=True)
    yield case(nn.TransposeOp, some((70, 90)))
    for axis in (1, 2, -1):
        parts = [np.take(X, range(n), axis) for n in (2, 1, 3)]
        yield case(nn.ConcatOp, parts, axis=axis)
    for widths in ((16, 24), (17, 3), (40, 1, 8)):
        parts = [some((1, w, 3, 4)) for w in widths]
        yield Case(nn.ConcatOp, (parts,), {"axis": 1})
    yield case(nn.ConcatOp, [K(some((2, 3))), some((2, 2)), K(some((2, 1)))], axis=1)
    for properties in ({"axis": 1}, {"axis": -1, "num_outputs": 2}):
        yield case(
            nn.SplitOp, X, results=properties.get("num_outputs", 3), **properties
        )
    yield case(nn.SplitOp, X, ints(1, 0, 2), axis=1, results=3)
    for shape in ((3, 1), (2, 1, 5), (1,)):
        yield case(nn.ExpandOp, some((3, 1)), ints(*shape))
    yield case(nn.TileOp, X, ints(1, 2, 1, 3))
    for starts, ends, axes, steps in (
        ([0, 1], [2, 4], [1, 3], [1, 2]),
        ([-1], [-100], [2], [-1]),
        ([3], [0], [-1], [-2]),
        ([1], [2**62], [0], [1]),
        ([-(2**63)], [2**63 - 1], [3], [3]),
    ):
        yield case(nn.SliceOp, X, *(ints(*v) for v in (starts, ends, axes, steps)))
    yield case(nn.SliceOp, X, ints(1, 0), ints(2, 2))
    yield case(nn.SliceOp, X, ints(2), ints(2))  # no elements
    yield case(nn.SplitOp, X, ints(0, 2, 1, 0), axis=1, results=4)
    yield case(nn.SplitOp, X, ints(0, 3), axis=1, results=2)
    yield case(nn.ConcatOp, [X, K(X[:0]), X], axis=0)
    bounds = [ints(v) for v in (3, 30, 1)]
    yield Case(nn.SliceOp, (BLOCKED, *bounds), between=True)
    yield case(nn.PadOp, X, ints(0, 1, 2, 0, 0, 0, 1, 3), K(np.float32(7)))
    yield case(nn.PadOp, X, ints(0, -1, 2, 0, 0, 0, -1, -3))
    yield case(nn.PadOp, X, ints(1, 2), None, ints(-1))
    for mode in ("reflect", "edge", "wrap"):
        yield case(nn.PadOp, X, ints(0, 1, 2, 0, 1, 2, 3, 4), mode=mode)
        yield Case(nn.PadOp, (BLOCKED, ints(0, 0, 1, 2, 0, 0, 2, 1)), {"mode": mode}, between=True)  # fmt: skip
    for k in (0, 1, -2, 5, -7):
        for upper in (0, 1):
            yield case(nn.TriluOp, X, K(np.array(k)), upper=upper)
    yield case(nn.TriluOp, some((3, 3), np.int64))


def generated() -> Iterator[Case]:
    """What is known while compiling, as an output all the same."""
    yield case(nn.ShapeOp, X)
    yield case(nn.ShapeOp, X, start=1, end=-1)
    yield case(nn.SizeOp, X)
    for value in (FloatAttr(2.5, f32), IntegerAttr(-3, i32)):
        yield case(nn.FillOp, ints(2, 3), value=value)
    for numbers_ in (np.float32([1, 9, 2.5]), np.array([9, -3, -4])):
        yield case(nn.RangeOp, *map(K, numbers_))
    yield case(nn.EyeLikeOp, some((3, 5)), k=1)
    yield case(nn.EyeLikeOp, some((3, 5)), k=-1, dtype=element_of(np.int32))


WILD = np.array([[0, -1, 2], [-3, 1, 1]])


def picks() -> Iterator[Case]:
    for dtype in (np.float32, *TYPES):
        x = some((3, 4, 5), dtype)
        yield case(nn.GatherOp, x, WILD, axis=0)
    for axis in (1, -1):
        yield case(nn.GatherOp, X, WILD.astype(np.int32), axis=axis)
        yield case(nn.GatherOp, X, K(WILD), axis=axis)
    yield case(nn.GatherOp, X, np.array(-2), axis=2)
    yield case(nn.GatherOp, some((1000, 33)), np.arange(0, 1000, 7))
    for axis in (0, 1, -1):
        yield case(nn.GatherElementsOp, some((3, 3)), WILD, axis=axis)
    yield case(nn.GatherNdOp, X, np.array([[0, 1], [-1, -2]]))
    yield case(nn.GatherNdOp, X, np.array([[[1, 0, -1, 4]]]))
    yield case(nn.GatherNdOp, X, np.array([[[1]], [[-1]]]), batch_dims=1)
    for reduction in ("none", "add", "mul", "max", "min"):
        x, updates = numbers((3, 5), 1), numbers((2, 3), 2)
        places = np.array([[0, -1, 2], [1, 1, 3]]) if reduction != "none" else WILD
        for axis in (0, 1):
            at = places.clip(-3, 2) if axis == 0 else places
            if reduction == "none" and axis == 1:
                at = np.array([[0, -1, 2], [1, 2, 3]])
            yield case(
                nn.ScatterElementsOp, x, at, updates, axis=axis, reduction=reduction
            )
        rows = np.array([[1], [-1]]) if reduction == "none" else np.array([[1], [1]])
        yield case(nn.ScatterNdOp, x, rows, numbers((2, 5), 3), reduction=reduction)
        yield case(nn.ScatterNdOp, some((3, 5), np.int32), rows, some((2, 5), np.int32), reduction=reduction)  # fmt: skip
    yield case(nn.ScatterNdOp, X, np.array([[0, 1, -1], [1, 2, 0]]), some((2, 5)))
    for axis in (-1, 0, 1):
        yield case(nn.OneHotOp, WILD, K(np.array(4)), np.float32([0, 5]), axis=axis)
    yield case(nn.OneHotOp, np.array([9, -9, 1]), K(np.array(4)), np.array([2, 3]))


def orders() -> Iterator[Case]:
    ties = np.array([[3, 1, 3, -2, 0], [1, 1, 1, 1, 1], [5, 4, 3, 2, 1]])
    for dtype in (np.float32, np.float64, np.float16, np.int32, np.int64, np.uint8):
        x = (ties + 2).astype(dtype)
        for largest in (0, 1):
            yield case(nn.TopKOp, x, ints(3), largest=largest)
        for op in (nn.ArgMaxOp, nn.ArgMinOp):
            for last in (0, 1):
                yield case(op, x, axis=1, select_last_index=last)
    for dtype in INTEGERS:
        yield case(nn.TopKOp, whole(dtype, 3), ints(4))
    yield case(nn.TopKOp, numbers((4, 3, 2), 1), ints(2), axis=1)
    yield case(nn.TopKOp, numbers((2, 1000), 1), ints(5))
    for op in (nn.ArgMaxOp, nn.ArgMinOp):
        yield case(op, X % 7, axis=2, keepdims=0)
        yield Case(op, (numbers((1, 1000), 1),))
        for dtype in INTEGERS:
            yield case(op, whole(dtype, 3)[None], axis=1)
        yield case(op, numbers((2, 33, 3, 4), 1), axis=1)
    for dtype in (np.float32, np.float64, np.int32, np.int64):
        for properties in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):  # fmt: skip
            x = some((3, 4), dtype)
            yield case(nn.CumsumOp, x, K(np.array(1)), **properties)
            yield case(nn.CumsumOp, x, K(np.array(-2)), **properties)


REDUCTIONS = (
    nn.ReduceSumOp,
    nn.ReduceMeanOp,
    nn.ReduceMaxOp,
    nn.ReduceMinOp,
    nn.ReduceProdOp,
    nn.ReduceL1Op,
    nn.ReduceL2Op,
    nn.ReduceLogSumOp,
    nn.ReduceLogSumExpOp,
    nn.ReduceSumSquareOp,
)
AXES = (None, (0,), (-1,), (1, 2), (0, 3), (-1, -3), ())


def reductions() -> Iterator[Case]:
    for op in REDUCTIONS:
        x = np.abs(numbers((2, 3, 4, 5), 1)) if "log_sum" in op.name else numbers((2, 3, 4, 5), 1)  # fmt: skip
        for axes in AXES:
            for keep in (0, 1):
                over = None if axes is None else ints(*axes)
                yield case(op, x, over, keepdims=keep)
        yield case(op, x, ints(), noop_with_empty_axes=1)
        yield Case(op, (np.abs(numbers((1, 40, 5, 6), 2)), ints(2, 3)), between=True)
        yield Case(op, (np.abs(numbers((1, 40, 5, 6), 2)), ints(1)), between=True)
        for shape, over in (((1, 20_000), (1,)), ((300, 7), (0,)), ((33, 1), (1,))):
            big = np.abs(numbers(shape, 3)) / shape[0] if op is not nn.ReduceProdOp else 1 + numbers(shape, 3) / 1e4  # fmt: skip
            yield Case(op, (big.astype(np.float32), ints(*over)), {}, tolerance=5e-4)
        yield case(op, x.astype(np.float64), ints(1))
        yield case(op, np.abs(x).astype(np.float16), ints(1))
    for op in REDUCTIONS[:6]:
        for dtype in (np.int32, np.int64, np.uint32, np.uint64):
            yield case(op, numbers((3, 4), 4, dtype), ints(1))
    for op in (nn.ReduceMaxOp, nn.ReduceMinOp):
        for dtype in INTEGERS:
            yield case(op, whole(dtype, 3)[None], ints(1))
            yield case(op, np.stack([whole(dtype, s) for s in range(4)]), ints(0))
        yield case(op, SPECIAL.reshape(2, 5), ints(1))
        yield case(op, BOOLS, ints(0))


def rows() -> Iterator[Case]:
    for shape in ((2, 17, 4), (1, 1000), (9, 49), (6,)):
        yield case(nn.PowersOp, numbers(shape, 1) * 9)
    yield case(nn.PowersOp, numbers((3, 7), 1).astype(np.float64) * 300)
    yield case(nn.PowersOp, numbers((3, 7), 1).astype(np.float16))
    yield case(nn.PowersOp, np.array([[-np.inf, 0, 1], [0, 0, 0]], np.float32))
    for op in (nn.SoftmaxOp, nn.LogSoftmaxOp, nn.HardmaxOp):
        for axis in (-1, 0, 1):
            yield case(op, numbers((2, 17, 4, 5), 1), axis=axis)
        yield case(op, numbers((1, 1000), 1) * 50)
        yield case(op, numbers((3, 7), 1).astype(np.float64) * 300)
        yield case(op, numbers((3, 7), 1).astype(np.float16))
        yield case(op, np.array([[-np.inf, 0, 1], [0, 0, 0]], np.float32))
        yield Case(op, (numbers((1, 40, 3, 4), 1),), {"axis": 1}, between=True)


def quantized() -> Iterator[Case]:
    x = np.concatenate([numbers((3, 40), 1) * 40, np.full((3, 1), 0.75, np.float32)], 1)
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        zero = dtype(7)
        yield case(nn.QuantizeLinearOp, x, K(np.float32(0.5)), K(zero))
        some_ = np.arange(60).reshape(3, 20).astype(dtype)
        yield case(nn.DequantizeLinearOp, some_, K(np.float32(0.5)), K(zero))
        scale, zeros = np.float32([0.5, 1, 2]), np.array([1, 2, 3], dtype)
        yield case(nn.QuantizeLinearOp, x, scale, zeros, axis=0)
        yield case(nn.DequantizeLinearOp, some_, K(scale), K(zeros), axis=0)
    yield case(nn.QuantizeLinearOp, x, np.float32(0.5))
    yield case(nn.DequantizeLinearOp, np.arange(9, dtype=np.int32), np.float32(0.5))


def mixed() -> Iterator[Case]:
    """Elementwise operations on blocks of channels."""
    unary: tuple[type[NNOp], ...] = (nn.ReluOp, nn.SigmoidOp, nn.HardSwishOp)
    for channels in (17, 24, 33):
        x = numbers((1, channels, 3, 5), 1)
        for op in unary:
            yield Case(op, (x,), between=True)
        for shape in ((channels, 1, 1), (1, channels, 3, 5), (3, 5), ()):
            yield Case(nn.AddOp, (x, numbers(shape, 2)), between=True)
            yield Case(nn.MulOp, (x, K(numbers(shape, 2))), between=True)


CASES = [
    each
    for family in (
        shapes,
        shuffles,
        moves,
        generated,
        picks,
        orders,
        reductions,
        rows,
        quantized,
        mixed,
    )
    for each in family()
]
