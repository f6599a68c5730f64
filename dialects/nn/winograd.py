"""
A 3x3 convolution with stride 1 as Winograd's: three operations and one on its weights.

    conv(x, w, b)  =  output(product(input(x), weights(w)), b)

`input` takes every tile of `m + 2` by `m + 2` pixels, which overlap by two, to as many
*points*; `product` is one matrix product over the channels for each point; `output` takes
the points of a tile to `m` by `m` pixels. Tiles keep their image, row and column. A direct
convolution takes `9 m²` multiplications where this takes `(m + 2)²`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import Array, NNOp, element_type, integer, ints, shape_of, to_attribute
from .common import require_same
from .conv import check_bias
from .windows import Window
from .winograd_tiles import TAPS, TILES, Tile, both_sides, transformed

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
    `output[i * (m + 2) + j, o, c] = (G w[o, c] Gᵀ)[i, j]`, computed in double precision.

    | operand | shape               |
    | ------- | ------------------- |
    | w       | `[O, C, 3, 3]`      |
    | output  | `[(m + 2)², O, C]`  |

    In loops, in the precision of `w`.
    """

    name = "nn.winograd_weights"

    w = operand_def()

    tile = prop_def(default_value=to_attribute(4))
    """`m`: outputs of a tile in each dimension."""

    output = result_def()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        w = shape_of(self.w)
        if len(w) != 4 or w[2:] != (TAPS, TAPS):
            raise VerifyException(f"the weights {list(w)} are not [O, C, 3, 3]")
        return [(tile_of(self.tile).points, *w[:2])]

    def reference(self, w: Array) -> Array:
        tile = tile_of(self.tile)
        taps = w.astype(np.float64).reshape(-1, TAPS**2)
        weights = np.asarray(tile.weights, np.float64)
        result = np.kron(weights, weights) @ taps.T
        return result.reshape(tile.points, *w.shape[:2]).astype(w.dtype)

    def loops(self, k: Loops) -> None:
        tile = tile_of(self.tile)
        outputs, inputs = shape_of(self.w)[:2]
        n = k.nest(oc=outputs, ic=inputs)

        def tap(i: int, j: int) -> Scalar:
            return n.read(self.w, [n["oc"], n["ic"], i, j])

        def rule(n: Nest, taps: Sequence[Scalar]) -> list[Scalar]:
            return [
                n.fma(taps[2], row[2], n.fma(taps[1], row[1], taps[0] * row[0]))
                for row in tile.weights
            ]

        points = transformed(rule, n, TAPS, tap)
        for i, row in enumerate(points):
            for j, value in enumerate(row):
                place = [i * tile.inputs + j, n["oc"], n["ic"]]
                n.write(value, self.output, place)


@irdl_op_definition
class WinogradInputOp(NNOp):
    """
    `output[i * (m + 2) + j, c, n, th, tw] = (B d Bᵀ)[i, j]`, where `d` is tile `th, tw` of
    channel `c` of image `n`.

    | operand | shape                        |
    | ------- | ---------------------------- |
    | x       | `[N, C, H, W]`               |
    | output  | `[(m + 2)², C, N, TH, TW]`   |

    `TH` by `TW` tiles cover the outputs of a 3x3 convolution with these pads. Pixels
    outside the image are zero.
    """

    name = "nn.winograd_input"

    x = operand_def()

    tile = prop_def(default_value=to_attribute(4))
    """`m`: outputs of a tile in each dimension."""
    pads = prop_def(DenseArrayBase)
    """All begins, then all ends."""

    output = result_def()

    def windows(self, x: Sequence[int] | None = None) -> list[Window]:
        """A window a tile, per spatial dimension."""
        tile, pads = tile_of(self.tile), ints(self.pads)
        result: list[Window] = []
        for d, size in enumerate((x or shape_of(self.x))[2:]):
            outputs = size + pads[d] + pads[d + 2] - TAPS + 1
            if outputs < 1:
                raise VerifyException(f"a 3x3 window does not fit in {size} pixels")
            count = tile.count(outputs)
            reach = tile.inputs, tile.outputs, 1, pads[d], pads[d + 2]
            result.append(Window(size, count, *reach))
        return result

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        if len(x) != 4 or len(ints(self.pads)) != 4 or min(ints(self.pads)) < 0:
            raise VerifyException(
                f"{list(x)} is not an image with two pads a dimension"
            )
        tiles = (w.output for w in self.windows())
        return [(tile_of(self.tile).points, x[1], x[0], *tiles)]

    def reference(self, x: Array) -> Array:
        tile = tile_of(self.tile)
        rows, columns = self.windows(x.shape)
        room = [(0, 0), (0, 0), *((w.begin, w.reach) for w in (rows, columns))]
        sizes = (tile.inputs, tile.inputs)
        view = np.lib.stride_tricks.sliding_window_view(np.pad(x, room), sizes, (2, 3))
        tiles = view[:, :, :: tile.outputs, :: tile.outputs][
            :, :, : rows.output, : columns.output
        ]
        points = both_sides(tile.inward, tiles)  # [N, C, TH, TW, i, j]
        points = points.transpose(4, 5, 1, 0, 2, 3)
        return points.reshape(tile.points, *points.shape[2:])

    def loops(self, k: Loops) -> None:
        tile = tile_of(self.tile)
        rows, columns = self.windows()
        images, channels = shape_of(self.x)[:2]
        n = k.nest(n=images, c=channels, th=rows.output, tw=columns.output)
        top = n["th"] * tile.outputs - rows.begin
        left = n["tw"] * tile.outputs - columns.begin

        def pixel(i: int, j: int) -> Scalar:
            return n.read(self.x, [n["n"], n["c"], top + i, left + j], fill=0)

        points = transformed(tile.into, n, tile.inputs, pixel)
        place = [n[dim] for dim in ("c", "n", "th", "tw")]
        for i, row in enumerate(points):
            for j, value in enumerate(row):
                n.write(value, self.output, [i * tile.inputs + j, *place])

    def flops(self) -> int:
        return 4 * prod(shape_of(self.output))


@irdl_op_definition
class WinogradProductOp(NNOp):
    """
    `output[t, o, n, th, tw] = sum(u[t, o, c] * v[t, c, n, th, tw] over c)`

    | operand | shape                |
    | ------- | -------------------- |
    | v       | `[T, C, N, TH, TW]`  |
    | u       | `[T, O, C]`          |
    | output  | `[T, O, N, TH, TW]`  |
    """

    name = "nn.winograd_product"

    v = operand_def()
    u = operand_def()
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        return [element_type(self.v)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        v, u = shape_of(self.v), shape_of(self.u)
        if len(v) != 5 or len(u) != 3 or v[0] != u[0] or v[1] != u[2]:
            raise VerifyException(f"points {list(v)} do not fit weights {list(u)}")
        return [(v[0], u[1], *v[2:])]

    def reference(self, v: Array, u: Array) -> Array:
        result = u @ v.reshape(*v.shape[:2], -1)
        return result.reshape(*result.shape[:2], *v.shape[2:])

    def loops(self, k: Loops) -> None:
        points, outputs, images, rows, columns = shape_of(self.output)
        n = k.nest(
            t=points, oc=outputs, n=images, th=rows, tw=columns, ic=shape_of(self.v)[1]
        )
        place = [n[dim] for dim in ("n", "th", "tw")]
        v = n.read(self.v, [n["t"], n["ic"], *place])
        u = n.read(self.u, [n["t"], n["oc"], n["ic"]])
        total = n.sum(v * u, over=["ic"])
        n.write(total, self.output, [n["t"], n["oc"], *place])

    def flops(self) -> int:
        return 2 * prod(shape_of(self.output)) * shape_of(self.v)[1]


@irdl_op_definition
class WinogradOutputOp(NNOp):
    """
    `output[n, o, m * th + i, m * tw + j] = (A v Aᵀ)[i, j] + b[o]`, where
    `v[r, s] = x[r * (m + 2) + s, o, n, th, tw]`.

    | operand | shape                        |
    | ------- | ---------------------------- |
    | x       | `[(m + 2)², O, N, TH, TW]`   |
    | b       | `[O]`                        |
    | output  | `[N, O, OH, OW]`             |
    """

    name = "nn.winograd_output"

    x = operand_def()
    b = opt_operand_def()

    tile = prop_def(default_value=to_attribute(4))
    """`m`: outputs of a tile in each dimension."""
    sizes = prop_def(DenseArrayBase)
    """`[N, OH, OW]`."""

    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x, tile = shape_of(self.x), tile_of(self.tile)
        images, height, width = ints(self.sizes)
        tiles = images, tile.count(height), tile.count(width)
        if len(x) != 5 or x[0] != tile.points or x[2:] != tiles:
            raise VerifyException(
                f"points {list(x)} are not those of {images} images of {height}x{width}"
            )
        check_bias(None if self.b is None else shape_of(self.b), x[1])
        return [(images, x[1], height, width)]

    def reference(self, x: Array, b: Array | None = None) -> Array:
        tile = tile_of(self.tile)
        images, height, width = ints(self.sizes)
        rows, columns = tile.count(height), tile.count(width)
        split = x.reshape(tile.inputs, tile.inputs, -1, images, rows, columns)
        squares = both_sides(tile.outward, split.transpose(3, 2, 4, 5, 0, 1))
        whole = squares.transpose(0, 1, 2, 4, 3, 5).reshape(
            images, -1, rows * tile.outputs, columns * tile.outputs
        )
        result = whole[:, :, :height, :width]
        return result if b is None else result + b.reshape(-1, 1, 1)

    def loops(self, k: Loops) -> None:
        """One nest for whole tiles, and one for those that each border cuts."""
        tile = tile_of(self.tile)
        _, height, width = ints(self.sizes)
        for top, rows, high in _strips(height, tile.outputs):
            for left, columns, wide in _strips(width, tile.outputs):
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
        images = ints(self.sizes)[0]
        n = k.nest(n=images, oc=shape_of(self.x)[1], th=count[0], tw=count[1])
        row, column = n["th"] + start[0], n["tw"] + start[1]
        bias = None if self.b is None else n.read(self.b, [n["oc"]])

        def point(i: int, j: int) -> Scalar:
            at = [i * tile.inputs + j, n["oc"], n["n"], row, column]
            return n.read(self.x, at)

        pixels = transformed(tile.out_of, n, tile.inputs, point)
        for i, line in enumerate(pixels[: keep[0]]):
            for j, value in enumerate(line[: keep[1]]):
                at = [row * tile.outputs + i, column * tile.outputs + j]
                total = value if bias is None else value + bias
                n.write(total, self.output, [n["n"], n["oc"], *at])

    def flops(self) -> int:
        return 4 * prod(shape_of(self.x))


def _strips(size: int, step: int) -> Iterator[tuple[int, int, int]]:
    """(first tile, tiles, pixels a tile): the whole tiles, then the one that is cut."""
    whole, rest = divmod(size, step)
    if whole:
        yield 0, whole, step
    if rest:
        yield whole, 1, rest


OPS: tuple[type[NNOp], ...] = (
    WinogradInputOp,
    WinogradOutputOp,
    WinogradProductOp,
    WinogradWeightsOp,
)
