"""
Time the ways to compute a 3x3 convolution on this machine, and take the fastest.

`use-winograd` counts multiplications; a tuned compilation knows better. A layer is compiled
by itself in every way, with random weights of its shape, and the kernels that do its work
are timed with cold weights: on one thread alone, and on one thread of as many as there are
processors, which share the way to memory. The way with the least product of both is
taken, if the layer's own weights are accurate in it: that is decided by the pass, so the
table keeps times only.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from math import isfinite, prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp as MainOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, Region

from ...backends.target import Target
from ...dialects.const import ConstantOp
from ...dialects.kernel.loops import FuncOp
from ...dialects.nn import ConvOp
from ...dialects.nn.winograd_tiles import TILES, Tile
from ...dialects.plan import LaunchOp
from ...dialects.types import element_of, tensor
from ..interpreter import main_function
from ..passes.use_winograd import Layer, UseWinogradPass, pads_of, sampled_error
from ..targets import find_target
from .table import LayerTimes, Table
from .tuner import GAIN, ROUNDS, Budget, cold_buffers

if TYPE_CHECKING:
    from ...backends.cpu.measure import Measured, Memory

Lower = Callable[[ModuleOp, str], None]
"""Lowers a module to launches; the second argument is a choice of `use-winograd`."""

DIRECT = "direct"
WORK = (DIRECT, *(f"F({m}x{m})" for m in TILES))
CHOICE = {DIRECT: "never", **{f"F({m}x{m})": f"f{m}" for m in TILES}}


def way_of(tile: Tile | None) -> str:
    """What the table calls a way to compute a layer."""
    return DIRECT if tile is None else f"F({tile.outputs}x{tile.outputs})"


@dataclass(frozen=True, kw_only=True)
class TunedWinograd(UseWinogradPass):
    """`use-winograd` by measured times; the driver puts it in its place."""

    name = "use-winograd"

    table: Table
    budget: Budget | None
    """For measuring before; None: the table stays as it is."""
    lower: Lower

    def rewrite(self, body: Block) -> int:
        if self.budget is not None:
            self._measure(body, self.budget.half())
        return super().rewrite(body)

    def _measure(self, body: Block, budget: Budget) -> None:
        """Time the layers that the table does not know, heaviest first."""
        target = find_target(self.target)
        layers: dict[str, Layer] = {}
        for op in body.ops:
            layer = Layer.of(op) if isinstance(op, ConvOp) else None
            if layer is None or min(layer.inputs, layer.outputs) < target.lanes:
                continue
            key = layer_key(layer, target, self.table)
            if key not in self.table.layers:
                layers[key] = layer
        ordered = sorted(layers.items(), key=lambda item: -item[1].direct_cost())
        done = 0
        for key, layer in ordered:
            if budget.is_spent:
                break
            budget.observer.started("tune convolutions", done, len(ordered))
            alone, busy = layer_times(layer, target, self.lower)
            self.table.layers[key] = LayerTimes(
                described(layer),
                str(target.details.get("cpu", target.name)),
                self.table.version,
                alone,
                busy,
            )
            self.table.write()
            done += 1
        if ordered:
            budget.observer.told(
                f"{done} of {len(ordered)} 3x3 convolutions timed in "
                f"{len(WORK)} ways each"
                + (": the budget is spent" if done < len(ordered) else "")
            )

    def _choice(
        self, layer: Layer, tiles: list[Tile], lanes: int
    ) -> tuple[Tile | None, str]:
        """The fastest accurate way, if it is clearly faster than the estimate's."""
        usual, reason = super()._choice(layer, tiles, lanes)
        key = layer_key(layer, find_target(self.target), self.table)
        found = self.table.layers.get(key)
        if found is None or way_of(usual) not in found.costs:
            return usual, reason
        times = found.costs
        limit = GAIN**2 * times[way_of(usual)]
        self.table.layers_used += 1
        if times.get(DIRECT, limit) < limit:
            limit, usual, reason = times[DIRECT], None, "it is faster directly"
        for tile in sorted(tiles, key=lambda t: times.get(way_of(t), limit)):
            if times.get(way_of(tile), limit) >= limit:
                break
            if sampled_error(layer.weights, tile) <= self.error:
                return tile, ""
        return usual, reason


def layer_key(layer: Layer, target: Target, table: Table) -> str:
    """What the times of a layer depend on."""
    facts = [layer.weights.shape, layer.images, *map(astuple, layer.windows)]
    return table.digest(json.dumps(["conv", *facts]), target)


def described(layer: Layer) -> str:
    """A layer for people."""
    kernel = "x".join(map(str, layer.weights.shape[2:]))
    return (
        f"{kernel} convolution of {layer.inputs} channels to {layer.outputs}, "
        f"{' by '.join(map(str, layer.size))} pixels"
        + f" of {layer.images} images"
        * (layer.images > 1)
    )


@dataclass
class Way:
    """The kernels of one way to compute a layer, each with how often it runs."""

    kernels: list[tuple[int, Measured]]
    others: list[list[Memory]]
    """Memory for other threads, for each kernel."""

    def measure(self) -> None:
        """Time every kernel once more."""
        for (_, kernel), memories in zip(self.kernels, self.others, strict=True):
            kernel.measure()
            if memories:
                kernel.measure_busy(memories)

    def microseconds(self) -> float:
        return round(1e6 * sum(n * k.least for n, k in self.kernels), 3)

    def busy_microseconds(self) -> float:
        """While all processors are at work."""
        seconds = (
            n * (k.busy if isfinite(k.busy) else k.least) for n, k in self.kernels
        )
        return round(1e6 * sum(seconds), 3)


def layer_times(
    layer: Layer, target: Target, lower: Lower
) -> tuple[dict[str, float], dict[str, float]]:
    """Microseconds of a layer in each way that is possible: alone, and when all work."""
    ways: dict[str, Way] = {}
    for name in WORK:
        module = layer_module(layer)
        lower(module, CHOICE[name])
        launches = work_of(module, name)
        if launches:
            funcs = {f.sym_name.data: f for f in module.ops if isinstance(f, FuncOp)}
            ways[name] = compiled(launches, funcs, target)
    for _ in range(ROUNDS):
        for way in ways.values():
            way.measure()
    alone = {name: way.microseconds() for name, way in ways.items()}
    return alone, {name: way.busy_microseconds() for name, way in ways.items()}


def compiled(
    launches: Sequence[LaunchOp], funcs: Mapping[str, FuncOp], target: Target
) -> Way:
    """The kernels of some launches, ready to be timed."""
    from ...backends.cpu.measure import Measured, memory_for

    helpers = (
        len(os.sched_getaffinity(0)) - 1 if hasattr(os, "sched_getaffinity") else 0
    )
    counts = Counter(launch.kernel_name for launch in launches)
    way = Way([], [])
    for launch in {op.kernel_name: op for op in launches}.values():
        func, cold = funcs[launch.kernel_name], cold_buffers(launch)
        kernel = Measured(func, target, memory_for(func, cold))
        way.kernels.append((counts[launch.kernel_name], kernel))
        way.others.append([memory_for(func, cold) for _ in range(helpers)])
    return way


def layer_module(layer: Layer) -> ModuleOp:
    """A network that is this layer, with random weights and a bias."""
    inputs = (layer.images, layer.inputs, *layer.source)
    block = Block(arg_types=[tensor(inputs, element_of(np.float32))])
    shape = layer.weights.shape
    spread = (2 / prod(shape[1:])) ** 0.5
    normal = np.random.default_rng(0).standard_normal(shape, np.float32) * spread
    weights = ConstantOp(normal.astype(np.float32))
    bias = ConstantOp(np.zeros(layer.outputs, np.float32))
    conv = ConvOp.make(
        block.args[0],
        weights.output,
        bias.output,
        strides=[w.stride for w in layer.windows],
        pads=pads_of(layer.windows),
        dilations=[w.dilation for w in layer.windows],
    )
    block.add_ops([weights, bias, conv, ReturnOp(*conv.results)])
    types = [a.type for a in block.args], [r.type for r in conv.results]
    return ModuleOp([MainOp("main", types, Region(block))])


def work_of(module: ModuleOp, way: str) -> list[LaunchOp]:
    """The launches that compute the layer; the copies around it are those of others."""
    own = "conv" if way == DIRECT else "winograd"
    return [
        op
        for op in main_function(module).body.block.ops
        if isinstance(op, LaunchOp)
        and any(name.data.startswith(own) for name in op.operations or ())
    ]
