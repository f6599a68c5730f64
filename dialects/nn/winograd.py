"""
A 3x3 convolution with stride 1 as Winograd's: three operations and one on its weights.

    conv(x, w, b)  =  output(product(input(x), weights(w)), b)

`input` takes every tile of `m + 2` by `m + 2` pixels, which overlap by two, to as many
*points*; `product` is one matrix product over the channels for each point; `output` takes
the points of a tile to `m` by `m` pixels. Tiles keep their image, row and column. A direct
convolution takes `9 m²` multiplications where this takes `(m + 2)²`.

Images may have more dimensions before rows and columns: *depth*. There the product is a
convolution, with any kernel, stride and dilation: a sum over channels and depth taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import Array, NNOp, element_type, integer, ints, shape_of, to_attribute
from .common import require_same
from .conv import check_bias
from .phases import Range, ranges_of
from .windows import Window, deep, taps, windows
from .winograd_tiles import TAPS, TILES, Tile, both_sides, strips, transformed

if TYPE_CHECKING:
    from ..kernel.build import Loops, Nest
    from ..kernel.scalar import Scalar


def tile_of(attribute: Attribute) -> Tile:
    """The tile a `tile` property names."""
    tile = TILES.get(integer(attribute))
    if tile is None:
        raise VerifyException(f"tile {integer(attribute)} is not one of {list(TILES)}")
    return tile


@irdl_op_definition
class WinogradWeightsOp(NNOp):
    """
    `output[i * (m + 2) + j, o, c, k] = (G w[o, c, k] Gᵀ)[i, j]`, computed in double
    precision.

    | operand | shape                            |
    | ------- | -------------------------------- |
    | w       | `[O, C, depth taps..., 3, 3]`    |
    | output  | `[(m + 2)², O, C, depth taps...]` |

    In loops, in the precision of `w`.
    """

    name = "nn.winograd_weights"

    w = operand_def()

    tile = prop_def(default_value=to_attribute(4))
    """`m`: outputs of a tile in each dimension."""

    output = result_def()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        w = shape_of(self.w)
        if len(w) < 4 or w[-2:] != (TAPS, TAPS):
            raise VerifyException(f"the weights {list(w)} are not [O, C, ..., 3, 3]")
        return [(tile_of(self.tile).points, *w[:-2])]

    def reference(self, w: Array) -> Array:
        tile = tile_of(self.tile)
        flat = w.astype(np.float64).reshape(-1, TAPS**2)
        weights = np.asarray(tile.weights, np.float64)
        result = np.kron(weights, weights) @ flat.T
        return result.reshape(tile.points, *w.shape[:-2]).astype(w.dtype)

    def loops(self, k: Loops) -> None:
        tile = tile_of(self.tile)
        outputs, inputs, *depth = shape_of(self.w)[:-2]
        n = k.nest({"oc": outputs, "ic": inputs, **deep("k", depth)})

        def tap(i: int, j: int) -> Scalar:
            return n.read(self.w, [*n.indices, i, j])

        def rule(n: Nest, taps: Sequence[Scalar]) -> list[Scalar]:
            return [
                n.fma(taps[2], row[2], n.fma(taps[1], row[1], taps[0] * row[0]))
                for row in tile.weights
            ]

        points = transformed(rule, n, TAPS, tap)
        for i, row in enumerate(points):
            for j, value in enumerate(row):
                n.write(value, self.output, [i * tile.inputs + j, *n.indices])


@irdl_op_definition
class WinogradInputOp(NNOp):
    """
    `output[i * (m + 2) + j, c, n, d, th, tw] = (B p Bᵀ)[i, j]`, where `p` is tile `th, tw`
    of channel `c` of image `n` at depth `d`.

    | operand | shape                                  |
    | ------- | -------------------------------------- |
    | x       | `[N, C, depth..., H, W]`               |
    | output  | `[(m + 2)², C, N, depth..., TH, TW]`   |

    `TH` by `TW` tiles cover the outputs of a 3x3 convolution with these pads. Pixels
    outside the image are zero.
    """

    name = "nn.winograd_input"

    x = operand_def()

    tile = prop_def(default_value=to_attribute(4))
    """`m`: outputs of a tile in each dimension."""
    pads = prop_def(DenseArrayBase)
    """Those of rows and columns: all begins, then all ends."""

    output = result_def()

    def windows(self, x: Sequence[int] | None = None) -> list[Window]:
        """A window a tile, for rows and for columns."""
        tile, pads = tile_of(self.tile), ints(self.pads)
        result: list[Window] = []
        for d, size in enumerate((x or shape_of(self.x))[-2:]):
            outputs = size + pads[d] + pads[d + 2] - TAPS + 1
            if outputs < 1:
                raise VerifyException(f"a 3x3 window does not fit in {size} pixels")
            count = tile.count(outputs)
            reach = tile.inputs, tile.outputs, 1, pads[d], pads[d + 2]
            result.append(Window(size, count, *reach))
        return result

    def halo(self) -> list[tuple[int, int]]:
        """How much padding is read before and after each spatial dimension."""
        depth = [(0, 0)] * (len(shape_of(self.x)) - 4)
        return depth + [(window.begin, window.reach) for window in self.windows()]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        if len(x) < 4 or len(ints(self.pads)) != 4 or min(ints(self.pads)) < 0:
            raise VerifyException(
                f"{list(x)} is not an image with two pads for rows and for columns"
            )
        tiles = (w.output for w in self.windows())
        return [(tile_of(self.tile).points, x[1], x[0], *x[2:-2], *tiles)]

    def reference(self, x: Array) -> Array:
        tile = tile_of(self.tile)
        rows, columns = self.windows(x.shape)
        room = [(0, 0)] * (x.ndim - 2) + [(w.begin, w.reach) for w in (rows, columns)]
        sizes = (tile.inputs, tile.inputs)
        view = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, room), sizes, (-2, -1)
        )
        tiles = view[..., :: tile.outputs, :: tile.outputs, :, :][
            ..., : rows.output, : columns.output, :, :
        ]
        points = both_sides(tile.inward, tiles)  # [N, C, depth..., TH, TW, i, j]
        points = np.moveaxis(points, (-2, -1, 1, 0), (0, 1, 2, 3))
        return points.reshape(tile.points, *points.shape[2:])

    def loops(self, k: Loops) -> None:
        tile = tile_of(self.tile)
        rows, columns = self.windows()
        images, channels, *depth = shape_of(self.x)[:-2]
        tiles = {"th": rows.output, "tw": columns.output}
        n = k.nest({"n": images, "c": channels, **deep("", depth), **tiles})
        image, channel, *inside = n.indices
        top = n["th"] * tile.outputs - rows.begin
        left = n["tw"] * tile.outputs - columns.begin

        def pixel(i: int, j: int) -> Scalar:
            place = [image, channel, *inside[:-2], top + i, left + j]
            return n.read(self.x, place, fill=0)

        points = transformed(tile.into, n, tile.inputs, pixel)
        place = [channel, image, *inside]
        for i, row in enumerate(points):
            for j, value in enumerate(row):
                n.write(value, self.output, [i * tile.inputs + j, *place])

    def flops(self) -> int:
        return 4 * prod(shape_of(self.output))


@irdl_op_definition
class WinogradProductOp(NNOp):
    """
    `output[t, o, n, d, th, tw] = sum(u[t, o, c, k]
    * v[t, c, n, d * stride - pad + k * dilation, th, tw] over c, k)`

    | operand | shape                                |
    | ------- | ------------------------------------ |
    | v       | `[T, C, N, depth..., TH, TW]`        |
    | u       | `[T, O, C, depth taps...]`           |
    | output  | `[T, O, N, windows..., TH, TW]`      |

    Depths that see the same taps have a nest of their own, which reads no padding.
    """

    name = "nn.winograd_product"

    v = operand_def()
    u = operand_def()

    strides = opt_prop_def(DenseArrayBase)
    """Of the depth dimensions, as are pads and dilations."""
    pads = opt_prop_def(DenseArrayBase)
    """All begins, then all ends."""
    dilations = opt_prop_def(DenseArrayBase)

    output = result_def()

    def windows(
        self, v: Sequence[int] | None = None, u: Sequence[int] | None = None
    ) -> list[Window]:
        """Geometry per depth dimension, for these shapes or the operands' own."""
        return windows(
            (v or shape_of(self.v))[3:-2],
            (u or shape_of(self.u))[3:],
            ints(self.strides),
            ints(self.dilations),
            ints(self.pads),
        )

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        return [element_type(self.v)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        v, u = shape_of(self.v), shape_of(self.u)
        rank = len(v)
        if rank < 5 or len(u) != rank - 2 or v[0] != u[0] or v[1] != u[2]:
            raise VerifyException(f"points {list(v)} do not fit weights {list(u)}")
        return [(v[0], u[1], v[2], *(w.output for w in self.windows()), *v[-2:])]

    def reference(self, v: Array, u: Array) -> Array:
        geometry, tiles = self.windows(v.shape, u.shape), prod(v.shape[-2:])
        depth = [w.output for w in geometry]
        flat = v.reshape(1, -1, *v.shape[3:-2], tiles)
        result = np.zeros((*u.shape[:2], v.shape[2] * prod(depth) * tiles), v.dtype)
        for tap, seen in taps(flat, [*geometry, Window(tiles, tiles, 1)]):
            result += u[..., *tap[:-1]] @ seen.reshape(*v.shape[:2], -1)
        return result.reshape(*u.shape[:2], v.shape[2], *depth, *v.shape[-2:])

    def ranges(self) -> list[tuple[Range, ...]]:
        """The depths of each nest."""
        return list(product(*map(ranges_of, self.windows())))

    def loops(self, k: Loops) -> None:
        for ranges in self.ranges():
            self._range(k, ranges)

    def _range(self, k: Loops, ranges: Sequence[Range]) -> None:
        """The nest for these depths."""
        points, outputs, images, *_, rows, columns = shape_of(self.output)
        depth = deep("o", [r.outputs for r in ranges])
        kernel = deep("k", [r.taps for r in ranges])
        summed = {"ic": shape_of(self.v)[1], **kernel}
        sizes = {"t": points, "oc": outputs, "n": images, **depth}
        sizes |= {"th": rows, "tw": columns}
        empty = any(r.taps == 0 for r in ranges)
        n = k.nest(sizes if empty else sizes | summed)
        place = [n[d] + r.start for d, r in zip(depth, ranges, strict=True)]
        if empty:
            total = n.const(0.0, np.float32)
        else:
            tap = [n[d] + r.first for d, r in zip(kernel, ranges, strict=True)]
            geometry = zip(self.windows(), place, tap, strict=True)
            seen = [w.at(o, t) for w, o, t in geometry]
            v = n.read(self.v, [n["t"], n["ic"], n["n"], *seen, n["th"], n["tw"]])
            u = n.read(self.u, [n["t"], n["oc"], n["ic"], *tap])
            total = n.sum(v * u, over=list(summed))
        target = [n["t"], n["oc"], n["n"], *place, n["th"], n["tw"]]
        n.write(total, self.output, target)

    def flops(self) -> int:
        v, output = shape_of(self.v), shape_of(self.output)
        depth = sum(prod(r.outputs * r.taps for r in part) for part in self.ranges())
        return 2 * prod(output[:3]) * prod(output[-2:]) * v[1] * depth


@irdl_op_definition
class WinogradOutputOp(NNOp):
    """
    `output[n, o, d, m * th + i, m * tw + j] = (A v Aᵀ)[i, j] + b[o]`, where
    `v[r, s] = x[r * (m + 2) + s, o, n, d, th, tw]`.

    | operand | shape                                  |
    | ------- | -------------------------------------- |
    | x       | `[(m + 2)², O, N, depth..., TH, TW]`   |
    | b       | `[O]`                                  |
    | output  | `[N, O, depth..., OH, OW]`             |
    """

    name = "nn.winograd_output"

    x = operand_def()
    b = opt_operand_def()

    tile = prop_def(default_value=to_attribute(4))
    """`m`: outputs of a tile in each dimension."""
    sizes = prop_def(DenseArrayBase)
    """`[N, depth..., OH, OW]`."""

    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x, tile = shape_of(self.x), tile_of(self.tile)
        images, *sizes = ints(self.sizes)
        tiles = images, *sizes[:-2], *map(tile.count, sizes[-2:])
        if len(x) < 5 or x[0] != tile.points or x[2:] != tiles:
            wanted = f"{images} images of {'x'.join(map(str, sizes))}"
            raise VerifyException(f"points {list(x)} are not those of {wanted}")
        check_bias(None if self.b is None else shape_of(self.b), x[1])
        return [(images, x[1], *sizes)]

    def reference(self, x: Array, b: Array | None = None) -> Array:
        tile = tile_of(self.tile)
        *_, height, width = ints(self.sizes)
        rows, columns = tile.count(height), tile.count(width)
        split = x.reshape(tile.inputs, tile.inputs, *x.shape[1:])
        points = np.moveaxis(split, (3, 2, 0, 1), (0, 1, -2, -1))
        squares = both_sides(tile.outward, points)  # [N, O, depth..., TH, TW, i, j]
        whole = np.swapaxes(squares, -3, -2).reshape(
            *squares.shape[:-4], rows * tile.outputs, columns * tile.outputs
        )
        result = whole[..., :height, :width]
        return result if b is None else result + b.reshape(-1, *(1,) * (x.ndim - 3))

    def loops(self, k: Loops) -> None:
        """One nest for whole tiles, and one for those that each border cuts."""
        tile = tile_of(self.tile)
        *_, height, width = ints(self.sizes)
        for top, rows, high in strips(height, tile.outputs):
            for left, columns, wide in strips(width, tile.outputs):
                self._nest(k, (top, left), (rows, columns), (high, wide))

    def _nest(
        self,
        k: Loops,
        start: tuple[int, int],
        count: tuple[int, int],
        keep: tuple[int, int],
    ) -> None:
        """Write `keep` pixels of each of `count` tiles from `start` on."""
        tile = tile_of(self.tile)
        images, *depth = ints(self.sizes)[:-2]
        outer = {"n": images, "oc": shape_of(self.x)[1], **deep("", depth)}
        n = k.nest({**outer, "th": count[0], "tw": count[1]})
        image, channel, *inside = n.indices[:-2]
        row, column = n["th"] + start[0], n["tw"] + start[1]
        bias = None if self.b is None else n.read(self.b, [channel])

        def point(i: int, j: int) -> Scalar:
            at = [i * tile.inputs + j, channel, image, *inside, row, column]
            return n.read(self.x, at)

        pixels = transformed(tile.out_of, n, tile.inputs, point)
        for i, line in enumerate(pixels[: keep[0]]):
            for j, value in enumerate(line[: keep[1]]):
                at = [row * tile.outputs + i, column * tile.outputs + j]
                total = value if bias is None else value + bias
                n.write(total, self.output, [image, channel, *inside, *at])

    def flops(self) -> int:
        return 4 * prod(shape_of(self.x))


OPS: tuple[type[NNOp], ...] = (
    WinogradInputOp,
    WinogradOutputOp,
    WinogradProductOp,
    WinogradWeightsOp,
)
