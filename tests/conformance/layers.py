"""Cases of convolutions, pooling, products, normalizations and recurrences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from conformance.elementwise import numbers
from conformance.execute import Case, K, case, ints
from ovc.dialects import nn
from ovc.dialects.nn.base import NNOp
from ovc.dialects.nn.winograd_tiles import TILES

CHANNELS = (1, 3, 8, 17, 24, 33)
"""Fewer than lanes, exactly lanes, and some left over."""

Window = tuple[Sequence[int], Sequence[int], dict[str, Any]]

CONVOLUTIONS: list[Window] = [
    ([2, 3, 9], [4, 3, 3], {}),
    ([1, 17, 40], [24, 17, 5], {"pads": [4, 0], "dilations": [2]}),
    ([1, 16, 11], [32, 16, 4], {"strides": [3], "pads": [1, 2]}),
    ([1, 3, 18, 19], [24, 3, 7, 7], {"pads": [3, 3, 3, 3], "strides": [2, 2]}),
    ([2, 3, 8, 7], [4, 3, 3, 3], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ([1, 3, 8, 7], [4, 3, 3, 2], {"pads": [0, 1, 2, 0], "dilations": [2, 1]}),
    ([1, 32, 9, 9], [17, 32, 3, 3], {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    ([2, 4, 6, 6], [6, 2, 3, 3], {"group": 2, "pads": [1, 1, 1, 1]}),
    ([1, 32, 6, 7], [64, 16, 3, 3], {"group": 2, "pads": [1, 1, 1, 1]}),
    ([1, 33, 6, 6], [33, 1, 3, 3], {"group": 33, "strides": [2, 1]}),
    ([1, 24, 9, 8], [24, 1, 5, 3], {"group": 24, "pads": [2, 1, 2, 1]}),
    ([1, 24, 5, 5], [48, 1, 3, 3], {"group": 24, "pads": [1, 1, 1, 1]}),
    ([1, 64, 4, 4], [40, 64, 1, 1], {}),
    ([3, 16, 5, 6], [16, 16, 1, 1], {"strides": [2, 2]}),
    ([1, 1, 6, 6], [2, 1, 1, 1], {"pads": [1, 0, 0, 1]}),
    ([1, 8, 1, 1], [1000, 8, 1, 1], {}),
    ([1, 2, 4, 5, 6], [3, 2, 2, 3, 1], {"pads": [1, 0, 0, 0, 1, 2]}),
    ([1, 16, 4, 5, 6], [24, 16, 3, 3, 3], {"pads": [1] * 6, "strides": [2, 1, 2]}),
    ([1, 2, 3, 4, 3, 4], [5, 2, 2, 2, 2, 2], {}),
    ([1, 2, 7, 8], [3, 2, 3, 4], {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    ([1, 2, 7, 8], [3, 2, 3, 4], {"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    ([1, 2, 7, 8], [3, 2, 3, 4], {"auto_pad": "VALID", "strides": [1, 2]}),
    ([1, 512, 3, 3], [16, 512, 3, 3], {"pads": [1, 1, 1, 1]}),
]
TRANSPOSED: list[Window] = [
    ([2, 3, 5], [3, 4, 3], {"strides": [2]}),
    ([1, 3, 4, 5], [3, 2, 3, 3], {}),
    ([1, 16, 4, 5], [16, 24, 4, 4], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    (
        [1, 3, 4, 5],
        [3, 17, 3, 3],
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    ),
    ([1, 4, 4, 4], [4, 3, 2, 2], {"group": 2, "strides": [2, 2]}),
    ([1, 24, 4, 4], [24, 1, 4, 4], {"group": 24, "strides": [2, 2], "pads": [1] * 4}),
    ([1, 2, 4, 4], [2, 2, 3, 3], {"dilations": [2, 3], "strides": [3, 2]}),
    ([1, 2, 4, 4], [2, 2, 2, 1], {"strides": [3, 4]}),
    ([1, 2, 4, 4], [2, 2, 3, 3], {"strides": [3, 2], "output_shape": [10, 8]}),
    ([1, 2, 4, 4], [2, 2, 3, 3], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ([1, 2, 3, 3], [2, 2, 3, 3], {"strides": [3, 3], "pads": [0, 1, 2, 1]}),
    ([1, 2, 2, 3, 2], [2, 2, 2, 2, 3], {"strides": [2, 1, 2]}),
]


def windows(op: type[NNOp], table: Sequence[Window]) -> Iterator[Case]:
    """Weights as constants, as inputs, with and without a bias, in every float type."""
    for x, w, properties in table:
        outputs = w[0]
        if op is nn.ConvTransposeOp:
            outputs = w[1] * properties.get("group", 1)
        a, b = numbers(tuple(x), 1), numbers(tuple(w), 2)
        bias = numbers((outputs,), 3)
        yield Case(op, (a, K(b), K(bias)), properties)
        yield Case(op, (a, b), properties)
    for dtype in (np.float64, np.float16):
        x, w, properties = table[4]
        a, b = numbers(tuple(x), 1, dtype), numbers(tuple(w), 2, dtype)
        if dtype == np.float16:
            a, b = np.rint(a), np.rint(b)
        yield Case(op, (a, K(b)), properties)


def ragged_convolutions() -> Iterator[Case]:
    for inputs in CHANNELS:
        for outputs in CHANNELS:
            x, w = numbers((1, inputs, 4, 5), 1), numbers((outputs, inputs, 1, 1), 2)
            yield case(nn.ConvOp, x, K(w))
            if inputs in (3, 24) or outputs in (1, 17):
                w = numbers((outputs, inputs, 3, 3), 2)
                properties = {"pads": [1, 1, 1, 1]}
                yield Case(nn.ConvOp, (x, K(w)), properties, between=True)


POOLS: list[tuple[Sequence[int], dict[str, Any]]] = [
    ([2, 3, 9], {"kernel_shape": [2]}),
    ([1, 3, 8, 7], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ([1, 17, 8, 7], {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}),
    (
        [1, 24, 7, 7],
        {
            "kernel_shape": [3, 3],
            "strides": [2, 2],
            "pads": [0, 0, 1, 1],
            "ceil_mode": 1,
        },
    ),
    ([1, 8, 6, 6], {"kernel_shape": [2, 2], "dilations": [2, 3], "strides": [1, 2]}),
    ([1, 33, 7, 8], {"kernel_shape": [3, 4], "auto_pad": "SAME_UPPER"}),
    (
        [1, 2, 7, 8],
        {"kernel_shape": [3, 3], "auto_pad": "SAME_LOWER", "strides": [2, 3]},
    ),
    ([1, 2, 5, 6, 7], {"kernel_shape": [2, 3, 2], "strides": [2, 1, 2]}),
    ([1, 4, 16, 16], {"kernel_shape": [16, 16]}),
]
POOL_OPS: list[tuple[type[NNOp], dict[str, Any]]] = [
    (nn.MaxPoolOp, {}),
    (nn.AveragePoolOp, {}),
    (nn.AveragePoolOp, {"count_include_pad": 1}),
    (nn.LpPoolOp, {}),
    (nn.LpPoolOp, {"p": 3}),
    (nn.MaxPoolIndicesOp, {}),
]


def pools() -> Iterator[Case]:
    for op, extra in POOL_OPS:
        for shape, properties in POOLS:
            x = numbers(tuple(shape), 4)
            yield Case(op, (x,), properties | extra)
            if op is not nn.MaxPoolIndicesOp and len(shape) == 4:
                yield Case(op, (x,), properties | extra, between=True)
        for dtype in (np.float64, np.float16):
            yield Case(op, (numbers((1, 3, 8, 7), 4, dtype),), POOLS[1][1] | extra)
    for dtype in (np.int8, np.uint8):
        x = np.random.default_rng(1).integers(0, 256, (1, 3, 8, 7)).astype(dtype)
        yield Case(nn.MaxPoolOp, (x,), POOLS[1][1])
    yield Case(nn.MaxPoolIndicesOp, (numbers((2, 3, 6, 7), 4),), {"storage_order": 1, "kernel_shape": [2, 2]})  # fmt: skip
    for op in (nn.GlobalAveragePoolOp, nn.GlobalMaxPoolOp, nn.GlobalLpPoolOp):
        for channels in CHANNELS:
            yield case(op, numbers((2, channels, 5, 3), 5))
        yield Case(op, (numbers((1, 24, 7, 7), 5),), between=True)
        for shape in ((1, 3, 50), (1, 2, 3, 4, 5), (1, 3, 120, 130)):
            yield case(op, numbers(shape, 5))
    yield case(nn.GlobalLpPoolOp, numbers((2, 3, 4, 5), 5), p=3)


PRODUCTS = [
    ([3, 4], [4, 5]),
    ([1, 33], [33, 100]),
    ([7, 64], [64, 17]),
    ([33, 24], [24, 40]),
    ([128, 65], [65, 130]),
    ([1, 3000], [3000, 3]),
    ([5], [5, 3]),
    ([3, 5], [5]),
    ([9], [9]),
    ([2, 3, 4], [4, 5]),
    ([2, 1, 3, 4], [5, 4, 6]),
    ([4, 3, 17], [4, 17, 24]),
    ([3, 17], [2, 17, 24]),
]


def products() -> Iterator[Case]:
    for left, right in PRODUCTS:
        a, b = numbers(tuple(left), 6), numbers(tuple(right), 7)
        yield case(nn.MatmulOp, a, b)
        yield case(nn.MatmulOp, a, K(b))
        yield case(nn.MatmulOp, K(a), b)
    for dtype in (np.float64, np.int32, np.int64, np.uint32):
        a, b = numbers((5, 9), 6, dtype), numbers((9, 20), 7, dtype)
        yield case(nn.MatmulOp, a, b)
    half = np.rint(numbers((5, 9), 6)).astype(np.float16)
    yield case(nn.MatmulOp, half, half.T.copy())
    for flags in ({}, {"transA": 1}, {"transB": 1}, {"transA": 1, "transB": 1}):
        a = numbers((17, 5) if "transA" in flags else (5, 17), 6)
        b = numbers((24, 17) if "transB" in flags else (17, 24), 7)
        for shape in ((), (1,), (24,), (1, 24), (5, 1), (5, 24)):
            c = numbers(shape, 8)
            yield case(nn.GemmOp, a, K(b), K(c), alpha=0.5, beta=2.0, **flags)
        yield case(nn.GemmOp, a, b, numbers((24,), 8), **flags)
        yield case(nn.GemmOp, a, b, **flags)
    for equation, *shapes in (
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("bij,bjk->bik", (2, 3, 17), (2, 17, 5)),
        ("bhwc,hkc->bhwk", (2, 3, 4, 5), (3, 6, 5)),
        ("ij->ji", (3, 4)),
        ("ii->i", (4, 4)),
        ("ij->", (3, 4)),
        ("i,j->ij", (3,), (4,)),
        ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
        ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ):
        arrays = [numbers(shape, i) for i, shape in enumerate(shapes)]
        yield case(nn.EinsumOp, arrays, equation=equation)


def attentions() -> Iterator[Case]:
    q, k, v = (numbers(s, i) for i, s in enumerate(((2, 3, 17, 8), (2, 3, 33, 8), (2, 3, 33, 5))))  # fmt: skip
    bias, seen = numbers((17, 33), 4), np.tri(17, 33, 9, dtype=bool)
    yield case(nn.AttentionOp, q, k, v)
    for scale in (1.0, 0.35):
        yield case(nn.AttentionOp, q, k, v, bias, scale=scale)
        yield case(nn.AttentionOp, q, k, v, K(bias[None, None]), scale=scale)
        yield case(nn.AttentionOp, q, k, v, K(seen), scale=scale)
        yield case(nn.AttentionOp, q[0], k[0], v[0], seen, scale=scale, masked=-1e4)
    rows = np.ascontiguousarray(k.swapaxes(-1, -2))
    yield case(nn.AttentionOp, q, rows, v, bias[:1], transposed_keys=1)
    yield case(nn.AttentionOp, q, k[:, :1], v[:1])
    queries, keys, values = (numbers((1, 2, n, 64), n) for n in (16, 100, 100))
    yield case(nn.AttentionOp, queries, keys, values, scale=0.1)
    yield case(nn.AttentionOp, *(a.astype(np.float64) for a in (q, k, v)), scale=0.1)
    half = [a.astype(np.float16) / np.float16(4) for a in (q, k, v)]
    yield Case(nn.AttentionOp, tuple(half), {"scale": 0.5}, 4e-3)


def norms() -> Iterator[Case]:
    for channels in CHANNELS:
        row = [numbers((channels,), seed) for seed in (1, 2, 3)]
        variance = np.abs(numbers((channels,), 4)) + 0.1
        x = numbers((2, channels, 5, 3), 5)
        yield case(nn.BatchNormOp, x, *map(K, row), K(variance), epsilon=1e-3)
        yield case(nn.BatchNormOp, x, *row, variance)
        yield case(nn.InstanceNormOp, x, K(row[0]), K(row[1]))
        yield Case(nn.InstanceNormOp, (x, K(row[0]), K(row[1])), between=True)
        yield case(nn.LayerNormOp, x[:, :, 0, 0], K(row[0]), K(row[1]))
        yield case(nn.RmsNormOp, x[:, :, 0, 0], row[0])
        yield case(nn.LrnOp, x, size=3, alpha=0.02, beta=0.6, bias=1.5)
    x = numbers((2, 12, 4, 5), 5)
    for groups in (1, 3, 12):
        scale, bias = numbers((12,), 1), numbers((12,), 2)
        yield case(nn.GroupNormOp, x, scale, bias, num_groups=groups)
    for channels, groups in ((24, 3), (34, 2), (40, 40), (33, 1)):
        # groups that end inside of blocks of channels
        y = numbers((2, channels, 4, 5), 5)
        row = [numbers((channels,), seed) for seed in (1, 2)]
        few = [numbers((groups,), seed) for seed in (1, 2)]
        yield case(nn.GroupNormOp, y, *row, num_groups=groups)
        for pair in (row, few):
            operands, options = (y, *map(K, pair)), {"num_groups": groups}
            yield Case(nn.GroupNormOp, operands, options, between=True)
    yield case(
        nn.GroupNormOp, x[:, :, 0, 0], x[0, :, 0, 0], x[1, :, 0, 0], num_groups=4
    )
    for dtype in (np.float64, np.float16):
        y, row = x.astype(dtype), [numbers((12,), seed, dtype) for seed in (1, 2)]
        yield case(nn.GroupNormOp, y, *row, num_groups=3)
        row = [numbers((12,), seed, dtype) for seed in (1, 2, 3)]
        y = x.astype(dtype)
        yield case(nn.BatchNormOp, y, *row, np.abs(row[0]) + dtype(1))
        yield case(nn.InstanceNormOp, y, row[0], row[1])
        yield case(nn.LayerNormOp, y[0, 0], row[0][:5], axis=-1)
    for axis in (-1, 1, 2):
        rest = x.shape[axis:]
        yield case(nn.LayerNormOp, x, numbers(rest, 1), None, axis=axis)
        yield case(nn.RmsNormOp, x, numbers(rest, 1), axis=axis, epsilon=1e-2)
    yield case(nn.LayerNormOp, numbers((3, 768), 5), K(numbers((768,), 1)))
    yield case(
        nn.BatchNormOp, x[:, :, 0, 0], *(np.abs(numbers((12,), s)) for s in range(4))
    )
    yield case(
        nn.InstanceNormOp, numbers((1, 3, 90, 80), 5), *np.ones((2, 3), np.float32)
    )
    yield case(nn.LrnOp, x, size=5)
    for axis in (-1, 0, 1):
        for p in (1, 2):
            yield case(nn.LpNormOp, x, axis=axis, p=p)
    yield case(nn.MeanVarianceNormOp, x)
    yield case(nn.MeanVarianceNormOp, x, axes=[1, -1])


RECURRENT = ((nn.RnnOp, 1), (nn.GruOp, 3), (nn.LstmOp, 4))


def recurrences() -> Iterator[Case]:
    for op, gates in RECURRENT:
        for direction in ("forward", "reverse", "bidirectional"):
            yield recurrence(op, gates, 4, direction)
        yield recurrence(op, gates, 3, "forward", bias=False)
        yield recurrence(op, gates, 17, "bidirectional", start=True)
        yield recurrence(op, gates, 5, "bidirectional", lengths=True, start=True)
        yield recurrence(op, gates, 5, "reverse", lengths=True, layout=1)
        yield recurrence(op, gates, 3, "forward", clip=0.5)
    yield recurrence(nn.GruOp, 3, 5, "forward", linear_before_reset=1)
    yield recurrence(nn.LstmOp, 4, 5, "forward", input_forget=1, start=True)
    yield recurrence(nn.LstmOp, 4, 5, "bidirectional", start=True, peepholes=True)
    names = ["Sigmoid", "Tanh", "Relu"]
    yield recurrence(nn.LstmOp, 4, 5, "forward", activations=names)
    yield recurrence(nn.RnnOp, 1, 5, "forward", activations=["Relu"])


def recurrence(
    op: type[NNOp],
    gates: int,
    size: int,
    direction: str,
    *,
    bias: bool = True,
    start: bool = False,
    lengths: bool = False,
    peepholes: bool = False,
    **properties: Any,
) -> Case:
    """A recurrence of five steps, two sequences and three features."""
    ways = 2 if direction == "bidirectional" else 1
    batch_first = properties.get("layout", 0)
    x = numbers((2, 5, 3) if batch_first else (5, 2, 3), 1)
    w = numbers((ways, gates * size, 3), 2) / 2
    r = numbers((ways, gates * size, size), 3) / 3
    b = numbers((ways, 2 * gates * size), 4) / 4
    state = (2, ways, size) if batch_first else (ways, 2, size)
    operands: list[Any] = [x, K(w), K(r), K(b) if bias else None]
    operands.append(np.array([5, 3], np.int32) if lengths else None)
    operands.append(numbers(state, 5) if start else None)
    if op is nn.LstmOp:
        operands.append(numbers(state, 6) if start else None)
        operands.append(K(numbers((ways, 3 * size), 7) / 2) if peepholes else None)
    properties |= {"hidden_size": size, "direction": direction}
    return Case(op, tuple(operands), properties)


def resizes() -> Iterator[Case]:
    x = numbers((1, 3, 5, 6), 1)
    for mode in ("nearest", "linear", "cubic"):
        for way in (
            "half_pixel",
            "asymmetric",
            "align_corners",
            "pytorch_half_pixel",
            "half_pixel_symmetric",
        ):
            how = {"mode": mode, "coordinate_transformation_mode": way}
            yield case(nn.ResizeOp, x, None, K(np.float32([1, 1, 2, 1.5])), None, **how)
            yield case(nn.ResizeOp, x, None, None, ints(1, 3, 3, 13), **how)
    for rounding in ("floor", "ceil", "round_prefer_ceil"):
        scales = K(np.float32([1, 1, 0.6, 2.5]))
        yield case(nn.ResizeOp, x, None, scales, None, nearest_mode=rounding)
    for mode in ("linear", "cubic"):
        scales = K(np.float32([1, 1, 0.6, 0.4]))
        yield case(nn.ResizeOp, x, None, scales, None, mode=mode, antialias=1)
        yield case(nn.ResizeOp, x, None, scales, None, mode=mode, exclude_outside=1 if mode == "cubic" else 0)  # fmt: skip
    y = numbers((1, 24, 5, 6), 1)
    for mode in ("nearest", "linear"):
        operands = (y, None, K(np.float32([1, 1, 2, 2])))
        yield Case(nn.ResizeOp, operands, {"mode": mode}, between=True)
    yield case(nn.ResizeOp, numbers((2, 3, 9), 1), None, K(np.float32([1, 1, 3])), None)
    yield case(nn.ResizeOp, np.arange(36, dtype=np.uint8).reshape(1, 1, 6, 6), None, None, ints(1, 1, 9, 4))  # fmt: skip
    volume = numbers((1, 2, 3, 4, 3), 1)
    yield case(nn.ResizeOp, volume, None, None, ints(1, 2, 5, 6, 7), mode="linear")
    indices, weights = np.array([[0, 1], [2, 2], [4, 0]]), np.float32([[0.5, 0.5], [1, 0], [2, -1]])  # fmt: skip
    yield case(nn.InterpolateOp, x, K(indices), K(weights), axis=2)
    yield Case(nn.InterpolateOp, (y, K(indices), K(weights)), {"axis": 2}, between=True)
    grid = np.random.default_rng(3).uniform(-1.4, 1.4, (1, 4, 7, 2)).astype(np.float32)
    for mode in ("linear", "nearest", "cubic"):
        for padding in ("zeros", "border", "reflection"):
            for align in (0, 1):
                yield case(nn.GridSampleOp, x, grid, mode=mode, padding_mode=padding, align_corners=align)  # fmt: skip
    far = np.float32([np.nan, np.inf, -np.inf, 1e30]).reshape(1, 1, 2, 2)
    yield case(nn.GridSampleOp, x[:, :, :3, :3], far, padding_mode="border")
    grid = (
        np.random.default_rng(3).uniform(-1.2, 1.2, (1, 2, 3, 4, 3)).astype(np.float32)
    )
    yield case(nn.GridSampleOp, volume, grid)


def winograd() -> Iterator[Case]:
    for tile in TILES:
        for size, channels in (((8, 8), 3), ((3, 10), 17)):
            x, w = numbers((2, channels, *size), 1), numbers((5, channels, 3, 3), 2)
            yield case(nn.WinogradWeightsOp, K(w), tile=tile)
            pads = {"tile": tile, "pads": [1, 0, 1, 2]}
            yield Case(nn.WinogradInputOp, (x,), pads, 1e-4)
            outputs = [2, size[0], size[1]]
            tiles = 2, -(-size[0] // tile), -(-size[1] // tile)
            points = (tile + 2) ** 2
            u, v = (
                numbers((points, 5, channels), 3),
                numbers((points, channels, *tiles), 4),
            )
            yield case(nn.WinogradProductOp, v, u)
            sizes = {"tile": tile, "sizes": outputs}
            yield Case(nn.WinogradOutputOp, (v, numbers((channels,), 5)), sizes, 1e-4)
            yield Case(nn.WinogradOutputOp, (v,), sizes, 1e-4)
    yield from winograd_in_depth()


def winograd_in_depth() -> Iterator[Case]:
    """Tiles of images with a third dimension, whose borders see fewer taps."""
    x, w = numbers((2, 17, 5, 6, 9), 1), numbers((18, 17, 3, 3, 3), 2)
    yield case(nn.WinogradWeightsOp, K(w))
    yield Case(nn.WinogradInputOp, (x,), {"pads": [1, 0, 1, 2]}, 1e-4)
    v, u = numbers((36, 17, 2, 5, 2, 3), 3), numbers((36, 18, 17, 3), 4)
    yield case(nn.WinogradProductOp, v, u, pads=[1, 1])
    yield case(nn.WinogradProductOp, v, u, pads=[0, 2], strides=[2])
    yield case(nn.WinogradProductOp, v, u, pads=[4, 4], dilations=[4])
    yield Case(nn.WinogradOutputOp, (v,), {"sizes": [2, 5, 6, 9]}, 1e-4)


def strassen() -> Iterator[Case]:
    """Even and odd rows, as matrices and as pixels of blocked channels."""
    for rows in (1, 2, 7, 16):
        a, b = numbers((rows, 34), 1), numbers((34, 18), 2)
        yield case(nn.StrassenLeftOp, a)
        yield case(nn.StrassenRightOp, K(b))
        products, bias = numbers((7, -(-rows // 2), 9), 3), numbers((18,), 4)
        yield case(nn.StrassenOutputOp, products, size=rows)
        yield case(nn.StrassenOutputOp, products, bias, size=rows)
        image, across = numbers((2, 64, rows, 5), 5), {"merged": 1, "columns": 1}
        yield Case(nn.StrassenLeftOp, (image,), {**across, "rows": 2}, between=True)
        points = numbers((2, 7 * 32, -(-rows // 2), 5), 6)
        sizes = {**across, "rows": 2, "size": rows}
        yield Case(nn.StrassenOutputOp, (points,), sizes, between=True)
    weights = numbers((64, 96, 1, 1), 7)
    yield case(nn.StrassenRightOp, K(weights), rows=1, columns=0, merged=1)


CASES = [
    *strassen(),
    *winograd(),
    *windows(nn.ConvOp, CONVOLUTIONS),
    *windows(nn.ConvTransposeOp, TRANSPOSED),
    *ragged_convolutions(),
    *pools(),
    *products(),
    *attentions(),
    *norms(),
    *recurrences(),
    *resizes(),
]
