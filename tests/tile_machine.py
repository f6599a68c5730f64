"""
Runs kernels in their tile form with numpy, one operation at a time.

The third reading of a kernel: it shares no code with the printers, and it refuses to
touch an element outside of a buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from ovc.compiler.interpreter import main_function
from ovc.dialects.kernel import access, chain, loops, tiles
from ovc.dialects.kernel.evaluate import REDUCERS, compute
from ovc.dialects.kernel.loops import FuncOp
from ovc.dialects.plan import BufferOp, InputOp, LaunchOp, OutputOp, ViewOp, WeightOp
from ovc.dialects.types import Array, buffer_type, dtype_of
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineSymExpr,
)

OPERATIONS = {
    AffineBinaryOpKind.Add: np.add,
    AffineBinaryOpKind.Mul: np.multiply,
    AffineBinaryOpKind.FloorDiv: np.floor_divide,
    AffineBinaryOpKind.Mod: np.mod,
}


class TileMachine:
    """The state of one run: counters are numbers, tiles are arrays `[*shape, lanes]`."""

    def __init__(self, func: loops.FuncOp, arrays: Sequence[Array]) -> None:
        self.func = func
        self.arrays = dict(zip(func.body.block.args, arrays, strict=True))
        self.values: dict[SSAValue, Any] = {}

    def run(self) -> None:
        with np.errstate(all="ignore"):
            self.block(self.func.body.block)

    def block(self, block: Block) -> list[Any]:
        for op in block.ops:
            if isinstance(op, loops.YieldOp):
                return [self.values[v] for v in op.values]
            method = getattr(self, op.name.removeprefix("kernel."))
            result = method(op)
            if op.results and not isinstance(op, loops.LoopOp | chain.LocalOp):
                type_ = tiles.tile_type(op.results[0])
                assert result.shape == (*type_.dims, type_.width), f"{op}"
                assert result.dtype == dtype_of(type_.element), f"{op}"
                self.values[op.results[0]] = result
        return []

    def local(self, op: chain.LocalOp) -> None:
        """Memory of one thread: nothing that was not written is read from it."""
        type_ = op.result.type
        assert isinstance(type_, MemRefType)
        dtype = dtype_of(type_.element_type)
        self.arrays[op.result] = np.full(type_.get_shape(), 77, dtype)

    def loop(self, op: loops.LoopOp) -> None:
        carried = [self.values[v] for v in op.init]
        for point in product(*(range(extent) for _, extent, _ in op.nest)):
            for (counter, _, _), value in zip(op.nest, point, strict=True):
                self.values[counter] = value
            self.values.update(zip(op.carried, carried, strict=True))
            carried = self.block(op.body.block)
        self.values.update(zip(op.results, carried, strict=True))

    # places

    def axes(self, type_: tiles.TileType) -> list[Array]:
        """The tile's indices and the lane, as arrays that broadcast to it."""
        shape = [*type_.dims, type_.width]
        return [
            np.arange(n).reshape([-1 if a == axis else 1 for a in range(len(shape))])
            for axis, n in enumerate(shape)
        ]

    def expression(
        self, expression: AffineExpr, dims: Sequence[int], symbols: Sequence[Array]
    ) -> Any:
        match expression:
            case AffineDimExpr(position):
                return dims[position]
            case AffineSymExpr(position):
                return symbols[position]
            case AffineConstantExpr(value):
                return value
            case AffineBinaryOpExpr(kind, lhs, rhs):
                both = (self.expression(e, dims, symbols) for e in (lhs, rhs))
                return OPERATIONS[kind](*both)
            case _:
                raise NotImplementedError(expression)

    def indices(self, op: Any, type_: tiles.TileType) -> list[Array]:
        dims = [self.values[v] for v in op.indices]
        shape = (*type_.dims, type_.width)
        return [
            np.broadcast_to(self.expression(e, dims, self.axes(type_)), shape)
            for e in op.map.data.results
        ]

    def access(self, op: Any, type_: tiles.TileType) -> tuple[Array, Array]:
        """Flat places and which of them take part; those are inside the buffer."""
        shape = (*type_.dims, type_.width)
        part = np.ones(shape, bool)
        if op.valid_part is not None:
            dim, count = op.valid_part
            axes = self.axes(type_)
            along = axes[-1] if dim < 0 else axes[dim] * type_.width + axes[-1]
            part &= along < count
        if op.mask is not None:
            part &= self.values[op.mask]
        assert isinstance(op.buffer.type, MemRefType)
        bounds = op.buffer.type.get_shape()
        flat = np.zeros(shape, np.int64)
        for index, bound in zip(self.indices(op, type_), bounds, strict=True):
            if op.offset is None:
                assert ((index >= 0) & (index < bound))[part].all(), f"outside: {op}"
            flat = flat * bound + index
        if op.offset is not None:
            flat = flat + self.values[op.offset]
        size = self.arrays[op.buffer].size
        assert ((flat >= 0) & (flat < size))[part].all(), f"outside: {op}"
        return np.where(part, flat, 0), part

    def load(self, op: access.LoadOp) -> Array:
        type_ = tiles.tile_type(op.result)
        flat, part = self.access(op, type_)
        assert part.all() or op.fill is not None
        values = self.arrays[op.buffer].reshape(-1)[flat]
        values = values.view(dtype_of(type_.element))
        if op.fill is None:
            return values
        fill = np.asarray(op.fill.value.data).astype(values.dtype)
        return np.where(part, values, fill)

    def store(self, op: access.StoreOp) -> None:
        flat, part = self.access(op, tiles.tile_type(op.value))
        array = self.arrays[op.buffer].reshape(-1)
        array[flat[part]] = self.values[op.value][part].view(array.dtype)

    # tiles

    def fill(self, op: tiles.FillOp) -> Array:
        type_ = tiles.tile_type(op.result)
        value = np.asarray(op.value.value.data).astype(dtype_of(type_.element))
        return np.full((*type_.dims, type_.width), value)

    def position(self, op: tiles.PositionOp) -> Array:
        type_ = tiles.tile_type(op.result)
        (place,) = self.indices(op, type_)
        return place.astype(dtype_of(type_.element))

    def apply(self, op: tiles.ApplyOp) -> Array:
        type_ = tiles.tile_type(op.result)
        names: dict[SSAValue, Array] = {
            argument: self.values[value]
            for argument, value in zip(op.body.block.args, op.inputs, strict=True)
        }
        for inner in op.body.block.ops:
            if isinstance(inner, loops.YieldOp):
                result = names[inner.values[0]]
                return np.broadcast_to(result, (*type_.dims, type_.width)).copy()
            names[inner.results[0]] = scalar(inner, [names[v] for v in inner.operands])
        raise AssertionError("no yield")

    def contract(self, op: tiles.ContractOp) -> Array:
        acc, lhs, rhs = (self.values[v] for v in op.operands)
        return self.folded("add", acc, lhs * rhs)

    def fold(self, op: tiles.FoldOp) -> Array:
        return self.folded(op.kind.data, self.values[op.acc], self.values[op.value])

    def folded(self, kind: str, acc: Array, value: Array) -> Array:
        axes = tuple(
            a for a in range(acc.ndim - 1) if acc.shape[a] == 1 and value.shape[a] > 1
        )
        total = REDUCERS[kind].reduce(value, axis=axes, keepdims=True).astype(acc.dtype)
        return np.broadcast_to(REDUCERS[kind](acc, total), acc.shape).astype(acc.dtype)

    def lanes(self, op: tiles.LanesOp) -> Array:
        value = self.values[op.value]
        total = REDUCERS[op.kind.data].reduce(value, axis=-1, keepdims=True)
        return total.astype(value.dtype)


def scalar(op: Operation, operands: Sequence[Array]) -> Array:
    """One operation of a scalar body; its type is what it says."""
    return np.asarray(compute(op, operands)).astype(dtype_of(op.results[0].type))


def run_tiles(func: loops.FuncOp, arrays: Sequence[Array]) -> list[Array]:
    """What the buffers hold after `func` ran on copies of `arrays`."""
    copies = [a.copy() for a in arrays]
    TileMachine(func, copies).run()
    return copies


def run_launches(module: ModuleOp, inputs: list[Array]) -> list[Array]:
    """What the launches of a lowered module write, one operation at a time in numpy."""
    functions = {
        f.sym_name.data: f for f in module.body.block.ops if isinstance(f, FuncOp)
    }
    memory: dict[object, Array] = {}
    outputs: dict[int, Array] = {}
    for op in main_function(module).body.block.ops:
        match op:
            case InputOp():
                memory[op.result] = inputs[op.index.data].copy()
            case WeightOp():
                memory[op.result] = op.value.data.array.copy()
            case BufferOp() | OutputOp():
                type_ = buffer_type(op.result)
                array = np.full(type_.get_shape(), 55, dtype_of(type_.element_type))
                memory[op.result] = array
                if isinstance(op, OutputOp):
                    outputs[op.index.data] = array
            case ViewOp():
                shape = buffer_type(op.result).get_shape()
                flat = memory[op.source].reshape(-1)
                start = op.start // flat.itemsize
                memory[op.result] = flat[start : start + prod(shape)].reshape(shape)
            case LaunchOp():
                arrays = [memory[b] for b in op.buffers]
                TileMachine(functions[op.kernel_name], arrays).run()
            case _:
                pass
    return [outputs[index] for index in sorted(outputs)]
