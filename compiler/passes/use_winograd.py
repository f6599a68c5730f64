"""
Compute 3x3 convolutions with stride 1 as Winograd does, where that is faster.

    conv(x, w, b)  ==>  winograd_output(winograd_product(winograd_input(x), u), b)

`u` is `winograd_weights(w)`, computed here. The cost of each way is counted in
multiplications at the processor's peak:

    direct  9 K P O C             + STREAM bytes(w)
    F(m)    (m + 2)² K T O C / e  + STREAM bytes(u) + MOVE (bytes of x, points, products, y)

for `P` pixels, `T` tiles, `O` and `C` channels, and `K` taps in depth: an image may have
dimensions before rows and columns, in which the kernel and its stride are any. `e` is the
share of the peak that a product with so few rows reaches. The least cost wins, unless it
wins little or its rounding error, measured on random pixels with the layer's own weights,
is above the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Block

from ...dialects.const import ConstantOp
from ...dialects.nn import (
    ConvOp,
    WinogradInputOp,
    WinogradOutputOp,
    WinogradProductOp,
    WinogradWeightsOp,
)
from ...dialects.nn.base import integer
from ...dialects.nn.phases import ranges_of
from ...dialects.nn.windows import Window
from ...dialects.nn.winograd_tiles import TAPS, TILES, Tile, both_sides
from ...dialects.types import Array, element_type, shape_of
from ..targets import find_target
from .fold import fold
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, replace, require_choice

MOVE = 1.6
"""Multiplications in the time of a byte that a transform reads or writes."""

STREAM = 0.25
"""Multiplications in the time of a byte of weights. They come from far memory, but are
asked for ahead."""

GAIN = 0.95
"""Share of the direct cost that Winograd must stay under: it takes memory as well."""

FLIGHT = 16
"""Multiply-adds in flight that keep the units busy; with fewer, they wait."""

CHOICES = {"auto": (2, 4), "never": (), "f2": (2,), "f4": (4,)}
"""Tiles to choose from; a single one is taken wherever it is legal and accurate."""


@dataclass(frozen=True)
class UseWinogradPass(FunctionPass):
    """Replace 3x3 convolutions by Winograd's where that is faster and accurate."""

    name = "use-winograd"

    target: str = "cpu"
    choose: str = "auto"
    """auto, never, f2 or f4."""
    error: float = 5e-6
    """Largest error of a layer, of its largest output."""

    def rewrite(self, body: Block) -> int:
        require_choice(self.name, self.choose, CHOICES)
        target = find_target(self.target)
        tiles = [TILES[m] for m in CHOICES[self.choose]]
        if self.choose == "auto" and target.items > 1:
            tiles = []  # the costs above are those of processors
        count = 0
        for op in list(body.ops):
            if not isinstance(op, ConvOp) or not tiles or is_kept(op):
                continue
            layer = Layer.of(op)
            if layer is None:
                continue
            tile, reason = self._choice(layer, tiles, target.lanes)
            if tile is None:
                decline(op, self.name, reason, rewrite="Winograd")
                continue
            expand(op, layer, tile)
            count += 1
        return count

    def _choice(
        self, layer: Layer, tiles: list[Tile], lanes: int
    ) -> tuple[Tile | None, str]:
        """The tile to use, or none and why."""
        if min(layer.inputs, layer.outputs) < lanes:
            return None, f"it has fewer than {lanes} channels"
        limit = GAIN * layer.direct_cost() if self.choose == "auto" else float("inf")
        faster = [t for t in tiles if layer.cost(t) < limit]
        for tile in sorted(faster, key=layer.cost):
            if sampled_error(layer.weights, tile) <= self.error:
                return tile, ""
        return (
            None,
            "its error is above the bound" if faster else "it is as fast directly",
        )


@dataclass(frozen=True)
class Layer:
    """A convolution that could be computed in tiles."""

    weights: Array
    """`[O, C, depth taps..., 3, 3]`"""
    images: int
    windows: tuple[Window, ...]
    """Geometry of depth, rows and columns."""

    @staticmethod
    def of(op: ConvOp) -> Layer | None:
        """The layer, when it is a 3x3 convolution of constants with stride 1."""
        w = shape_of(op.w)
        if len(w) < 4 or w[-2:] != (TAPS, TAPS) or integer(op.group) != 1:
            return None
        if not isinstance(op.w.owner, ConstantOp) or not all(
            isinstance(element_type(v), Float32Type) for v in op.operands
        ):
            return None
        windows = op.windows()
        if any(g.stride != 1 or g.dilation != 1 for g in windows[-2:]):
            return None
        return Layer(op.w.owner.array, shape_of(op.x)[0], tuple(windows))

    @property
    def depth(self) -> tuple[Window, ...]:
        """The dimensions that keep their pixels: those before rows and columns."""
        return self.windows[:-2]

    @property
    def pads(self) -> list[int]:
        """Of rows and columns: all begins, then all ends."""
        return pads_of(self.windows[-2:])

    @property
    def source(self) -> tuple[int, ...]:
        """Spatial sizes of the input."""
        return tuple(w.input for w in self.windows)

    @property
    def size(self) -> tuple[int, ...]:
        """Spatial sizes of the output."""
        return tuple(w.output for w in self.windows)

    @property
    def outputs(self) -> int:
        return self.weights.shape[0]

    @property
    def inputs(self) -> int:
        return self.weights.shape[1]

    @property
    def images_of(self) -> list[tuple[int, float]]:
        """
        For each range of depths that see the same taps: how many images they are, and
        their share of all taps.
        """
        taps = prod(w.kernel for w in self.depth)
        return [
            (
                self.images * prod(r.outputs for r in part),
                prod(r.taps for r in part) / taps,
            )
            for part in product(*map(ranges_of, self.depth))
        ]

    def direct_cost(self) -> float:
        """Multiplications of the direct convolution, and its weights' way."""
        pixels = prod(w.output for w in self.windows[-2:])
        return sum(
            share * self.weights.size * (images * pixels + STREAM * 4)
            for images, share in self.images_of
        )

    def cost(self, tile: Tile) -> float:
        """The same in tiles."""
        pairs = self.weights.size // TAPS**2 * tile.points
        tiles = prod(tile.count(w.output) for w in self.windows[-2:])
        products = sum(
            share * pairs * (max(images * tiles, FLIGHT / 2) + STREAM * 4)
            for images, share in self.images_of
        )
        depths = [
            self.inputs * prod(w.input for w in self.depth),
            self.outputs * prod(w.output for w in self.depth),
        ]
        points = self.images * tiles * tile.points * sum(depths)
        pixels = self.images * (
            self.inputs * prod(self.source) + self.outputs * prod(self.size)
        )
        return products + MOVE * 4 * (2 * points + pixels)


def expand(op: ConvOp, layer: Layer, tile: Tile) -> None:
    """Put the three operations, and the weights they read, in the place of `op`."""
    m = tile.outputs
    weights = WinogradWeightsOp.make(op.w, tile=m)
    weights.output.name_hint = op.w.name_hint
    points = WinogradInputOp.make(op.x, tile=m, pads=layer.pads)
    geometry = depth_properties(layer.depth)
    products = WinogradProductOp.make(points.output, weights.output, **geometry)
    sizes = [layer.images, *layer.size]
    output = WinogradOutputOp.make(products.output, op.b, tile=m, sizes=sizes)
    applied("use-winograd", [op], output, f"F({m}x{m}, 3x3)")
    source = op.w.owner
    replace(op, [weights, points, products, output])
    fold(weights)
    if isinstance(source, ConstantOp) and source.output.first_use is None:
        source.detach()
        source.erase()


def pads_of(windows: Sequence[Window]) -> list[int]:
    """All begins, then all ends."""
    return [w.begin for w in windows] + [w.end for w in windows]


def depth_properties(depth: Sequence[Window]) -> dict[str, Any]:
    """What a product says of its depth dimensions; nothing when there are none."""
    if not depth:
        return {}
    strides, dilations = [w.stride for w in depth], [w.dilation for w in depth]
    return {"strides": strides, "pads": pads_of(depth), "dilations": dilations}


def sampled_error(
    weights: Array, tile: Tile, tiles: int = 4, outputs: int = 32
) -> float:
    """
    The largest rounding error in some tiles of random pixels, of their largest output.

    The pixels are positive, as after a rectifier: sums then grow, and so does the error.
    Taps in depth are more channels.
    """
    some = weights[:outputs].reshape(min(outputs, len(weights)), -1, TAPS, TAPS)
    channels = some.shape[1]
    size = (tiles, channels, tile.inputs, tile.inputs)
    normal = np.random.default_rng(0).standard_normal(size)
    x = np.maximum(normal, 0).astype(np.float32)
    taps = np.kron(tile.weights, tile.weights) @ some.reshape(-1, TAPS**2).T.astype(
        float
    )
    u = taps.astype(np.float32).reshape(tile.points, -1, channels)
    v = (
        both_sides(tile.inward, x)
        .transpose(2, 3, 1, 0)
        .reshape(tile.points, channels, -1)
    )
    squares = (u @ v).reshape(tile.inputs, tile.inputs, -1, tiles).transpose(3, 2, 0, 1)
    result = both_sides(tile.outward, squares)

    windows = np.lib.stride_tricks.sliding_window_view(x, (TAPS, TAPS), (2, 3))
    flat = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, channels * TAPS**2)
    exact = flat.astype(float) @ some.reshape(len(some), -1).T.astype(float)
    exact = exact.reshape(tiles, tile.outputs, tile.outputs, -1).transpose(0, 3, 1, 2)
    largest = float(np.abs(exact).max())
    return float(np.abs(result - exact).max()) / largest if largest else 0.0
