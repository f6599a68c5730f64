"""
Walk a kernel and write its tiles out register by register.

Printers derive from `Expander` and spell leaves: one register operation, one loop, one
address each. Everything that decides an order is here, in `accesses.py` and in
`places.py`, so that all targets run the same instructions: a tile that is used in its own
block is written where it is used, element by element; any other where it is defined.
"""

from __future__ import annotations

from abc import ABC
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial, singledispatchmethod
from itertools import product
from math import prod
from typing import Any

from xdsl.dialects import arith
from xdsl.ir import Block, Operation, SSAValue

from ..dialects.kernel.access import LoadOp, StoreOp
from ..dialects.kernel.affine import LANE
from ..dialects.kernel.chain import LocalOp
from ..dialects.kernel.loops import FuncOp, LoopOp, YieldOp
from ..dialects.kernel.tiles import (
    ApplyOp,
    ContractOp,
    FillOp,
    FoldOp,
    LanesOp,
    PositionOp,
    TileType,
    tile_type,
)
from ..dialects.types import buffer_type
from .accesses import Accesses
from .leaves import Body, Index, Lines, Scope, Tile


class Expander(Accesses, ABC):
    """Writes one kernel. Subclasses spell the leaves."""

    # walking

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.emit(op)

    def define(self, op: Operation, make: Callable[[Index], str]) -> None:
        """Bind the result; written now if another block uses it."""
        result = op.results[0]

        def named(index: Index) -> str:
            outer, self.hint = self.hint, result.name_hint
            register = make(index)
            self.hint = outer
            return register

        tile = self.values[result] = Tile(tile_type(result), named)
        if any(use.operation.parent is not op.parent for use in result.uses):
            tile.force()

    @singledispatchmethod
    def emit(self, op: Operation) -> None:
        raise NotImplementedError(op.name)

    @emit.register
    def _(self, op: YieldOp) -> None:
        return

    def kernel(self, func: FuncOp) -> None:
        """Write the body of a kernel; its grid loops follow one another."""
        base = 0
        for op in func.body.block.ops:
            if not isinstance(op, LoopOp):
                self.emit(op)
                continue
            self._grid_loop(op, base)
            size = 1
            for _, extent, _ in op.nest:
                size *= extent
            base += size

    def _grid_loop(self, op: LoopOp, base: int) -> None:
        counters: list[tuple[str, int]] = []
        for counter, extent, mapping in op.nest:
            assert mapping == "grid", "a kernel's outer loops are its grid"
            self.names[counter] = self.fresh(counter.name_hint)
            counters.append((self.names[counter], extent))

        def body(head: Lines) -> None:
            self.scopes.append(Scope({c for c, _, _ in op.nest}, head))
            self.block(op.body.block)
            self.scopes.pop()

        self.grid(counters, base, body)

    @emit.register
    def _(self, op: LocalOp) -> None:
        type_ = buffer_type(op.result)
        size = prod(type_.get_shape())
        hint = op.result.name_hint
        self.names[op.result] = self.local(type_.element_type, size, hint)

    @emit.register
    def _(self, op: LoopOp) -> None:
        ((counter, extent, mapping),) = op.nest
        self.names[counter] = self.fresh(counter.name_hint)

        def body(carried: list[Tile], head: Lines) -> list[Tile]:
            self.scopes.append(Scope({counter}, head))
            self.values.update(zip(op.carried, carried, strict=True))
            self.block(op.body.block)
            last = op.body.block.last_op
            assert isinstance(last, YieldOp)
            after = [self.values[v].force() for v in last.values]
            self.scopes.pop()
            return after

        start = [self.values[v].force() for v in op.init]
        carried = [
            Tile(tile.type, None, dict(tile.cells), last_use=is_last_use(value))
            for tile, value in zip(start, op.init, strict=True)
        ]
        after = self.counted(self.names[counter], extent, mapping, carried, body)
        for result, tile in zip(op.results, after, strict=True):
            self.values[result] = self._in_order(result, tile)

    def _in_order(self, result: SSAValue, tile: Tile) -> Tile:
        """
        What a loop leaves, register by register: the formula and the store of one stand
        before those of the next, and run beside the last steps of the loop.
        """
        own, type_ = result.owner, tile.type
        assert isinstance(own, Operation)
        users = [use.operation for use in result.uses]
        if any(u.parent is not own.parent or isinstance(u, YieldOp) for u in users):
            return tile
        return Tile(
            type_, lambda index: self.ordered(tile[index], type_.element, type_.width)
        )

    # tiles

    @emit.register
    def _(self, op: LoadOp) -> None:
        access = replace(
            self._access(op, tile_type(op.result)),
            fill=op.fill,
            hint=op.result.name_hint,
            ahead=0 if op.ahead is None else op.ahead.value.data,
            across=None if op.across is None else op.across.value.data,
        )
        always = access.mask is None and access.offset is None
        seen: dict[Any, str] = {}
        turned: dict[Index, list[str]] = {}

        def make(index: Index) -> str:
            if access.across is not None:
                first = (*index[: access.across], 0, *index[access.across + 1 :])
                if first not in turned:
                    turned[first] = self._transposed(access, first)
                return turned[first][index[access.across]]
            if not always:
                return self._load(access, index)
            key = (self.at(access.flat, index), access.lanes_inside(index))
            if key not in seen:
                seen[key] = self._load(access, index)
            return seen[key]

        self.define(op, make)
        if _is_overtaken(op):
            self.values[op.result].force()
        elif always and all(
            use.operation.parent is op.parent for use in op.result.uses
        ):
            self.values[op.result].again = partial(self._load_again, access)

    @emit.register
    def _(self, op: StoreOp) -> None:
        tile = self.values[op.value]
        access = self._access(op, tile.type)
        for index in tile.indices:
            self._store(access, tile, index)

    @emit.register
    def _(self, op: FillOp) -> None:
        type_ = tile_type(op.result)
        value = self.constant(op.value, type_.width)
        self.values[op.result] = Tile(type_, lambda _: value)

    @emit.register
    def _(self, op: PositionOp) -> None:
        type_ = tile_type(op.result)
        (flat,) = self._linear(op, op.map.data.results, op.indices, type_)

        def make(index: Index) -> str:
            here = self.at(flat, index)
            if not here.in_quotient(LANE):
                base = here.without(LANE)
                name = self._integer(base) if base.terms else None
                stride = here.coefficient(LANE)
                return self.positions(name, base.constant, stride, type_.width)
            places = [self.at(flat, index, lane) for lane in range(type_.width)]
            names = [self._integer(p) if p.terms else None for p in places]
            lanes = [
                self.positions(name, p.constant, 0, 1)
                for name, p in zip(names, places, strict=True)
            ]
            return self.from_lanes(lanes, type_.element)

        self.define(op, make)

    @emit.register
    def _(self, op: ContractOp) -> None:
        acc, lhs, rhs = (self.values[v] for v in op.operands)
        cells = dict(acc.force().cells)
        width, element = acc.type.width, acc.type.element
        seen = None if _is_streamed(op) else Counter[Index]()
        sizes = [
            max(n)
            for n in zip(acc.type.dims, lhs.type.dims, rhs.type.dims, strict=True)
        ]
        for point in product(*map(range, sizes)):
            at = tuple(
                0 if n == 1 else i for i, n in zip(point, acc.type.dims, strict=True)
            )
            a, b = self._factor(lhs, point, width, seen), self.cell(rhs, point, width)
            self.hint, self.last_use = op.result.name_hint, is_last_use(op.acc)
            cells[at] = self.fma(a, b, cells[at], element, width)
            self.hint, self.last_use = None, False
        self.values[op.result] = Tile(acc.type, None, cells)

    @emit.register
    def _(self, op: FoldOp) -> None:
        acc, value = self.values[op.acc], self.values[op.value]
        kind, type_ = op.kind.data, acc.type
        cells: dict[Index, str] = {}
        for index in acc.indices:
            ranges = [
                range(m) if n == 1 else (i,)
                for i, n, m in zip(index, type_.dims, value.type.dims, strict=True)
            ]
            parts = [self.cell(value, p, type_.width) for p in product(*ranges)]
            total = self._tree(kind, parts, type_)
            self.hint, self.last_use = op.result.name_hint, is_last_use(op.acc)
            cells[index] = self.combine(
                kind, acc[index], total, type_.element, type_.width
            )
            self.hint, self.last_use = None, False
        self.values[op.result] = Tile(type_, None, cells)

    def _tree(self, kind: str, parts: list[str], type_: TileType) -> str:
        while len(parts) > 1:
            half = (len(parts) + 1) // 2
            parts = [
                self.combine(
                    kind, parts[i], parts[i + half], type_.element, type_.width
                )
                if i + half < len(parts)
                else parts[i]
                for i in range(half)
            ]
        return parts[0]

    @emit.register
    def _(self, op: LanesOp) -> None:
        tile, kind = self.values[op.value], op.kind.data

        def make(index: Index) -> str:
            value, width = tile[index], tile.type.width
            while width > 1:
                low, high = self.halves(value, tile.type.element, width)
                width //= 2
                value = self.combine(kind, low, high, tile.type.element, width)
            return value

        self.define(op, make)

    @emit.register
    def _(self, op: ApplyOp) -> None:
        inputs = [self.values[v] for v in op.inputs]
        width = tile_type(op.result).width
        body = Body.of(op)

        def make(index: Index) -> str:
            cells = [self.cell(t, index, width) for t in inputs]
            return self._run(body, cells, width)

        self.define(op, make)

    def _run(self, body: Body, registers: list[str], width: int) -> str:
        """One element of an apply: its scalar body on registers."""
        for op, operands in body.steps:
            if isinstance(op, arith.ConstantOp):
                registers.append(self.constant(op.value, width))
            else:
                values = [registers[place] for place in operands]
                registers.append(self.scalar(op, values, width))
        return registers[body.result]


def is_last_use(value: SSAValue) -> bool:
    """Whether `value`, which a loop changes or made, has no reader but one."""
    made = isinstance(value.owner, Block | LoopOp | ContractOp | FoldOp)
    return made and value.has_one_use()


def _is_streamed(op: ContractOp) -> bool:
    """Whether a factor comes from so far that it is asked for ahead."""
    loads = [o.owner for o in op.operands if isinstance(o.owner, LoadOp)]
    return any(load.ahead is not None for load in loads)


def _is_overtaken(op: LoadOp) -> bool:
    """Whether a store that follows in its block may change what is loaded."""
    block = op.parent
    assert block is not None
    return any(
        isinstance(use.operation, StoreOp)
        and block.find_ancestor_op_in_block(use.operation) is not None
        for use in op.buffer.uses
    )
