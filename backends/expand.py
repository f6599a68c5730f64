"""
Walk a kernel and write its tiles out register by register.

Printers derive from `Expander` and spell leaves: one register operation, one loop, one
address each. Everything that decides an order is here, so that all targets run the same
instructions: a tile that is used in its own block is written where it is used, element
by element; any other where it is defined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import singledispatchmethod
from itertools import product
from typing import Any, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    FloatAttr,
    IntegerAttr,
    IntegerType,
    i1,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue

from ..dialects.kernel.affine import Counter, Linear, Term, flatten, linear
from ..dialects.kernel.tiles import (
    ApplyOp,
    ContractOp,
    FillOp,
    FoldOp,
    FuncOp,
    LanesOp,
    LoadOp,
    LoopOp,
    PositionOp,
    StoreOp,
    TileType,
    YieldOp,
    buffer_type,
    tile_type,
)
from ..dialects.types import dtype_of
from .leaves import Access, Body, Index, Leaves, Lines, Place, Scope, Tile

LANE = "lane"

CACHE_LINE = 64
"""Bytes."""


class Expander(Leaves):
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

    def cell(self, tile: Tile, index: Index, width: int) -> str:
        """The register at `index`, broadcast to `width` lanes and over sizes of one."""
        own = tuple(
            0 if n == 1 else i for i, n in zip(index, tile.type.dims, strict=True)
        )
        cell = tile[own]
        if tile.type.width == width:
            return cell
        if (own, width) not in tile.wide:
            tile.wide[own, width] = self.splat(cell, tile.type.element, width)
        return tile.wide[own, width]

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
        self.values.update(zip(op.results, after, strict=True))

    # places

    def _access(self, op: LoadOp | StoreOp, tile: TileType) -> Access:
        """What loads and stores have in common."""
        type_ = buffer_type(op.buffer)
        place = self._linear(op, op.map.data.results, op.indices, tile)
        return Access(
            buffer=op.buffer,
            element=type_.element_type,
            type=tile,
            flat=flatten(place, type_.get_shape()),
            offset=op.offset,
            mask=op.mask,
            part=op.valid_part,
        )

    def _linear(
        self,
        op: Operation,
        results: Sequence[Any],
        indices: Sequence[SSAValue],
        tile: TileType,
    ) -> list[Linear]:
        dims = [Linear.of(value, _extent(value)) for value in indices]
        symbols = [Linear.of(("t", d), n) for d, n in enumerate(tile.dims)]
        symbols.append(Linear.of(LANE, tile.width))
        return [linear(result, dims, symbols) for result in results]

    def at(self, flat: Linear, index: Index, lane: int | None = None) -> Linear:
        """`flat` for one register, and for one lane of it if given."""
        known: dict[Any, Linear] = {
            ("t", d): Linear((), i) for d, i in enumerate(index)
        }
        if lane is not None:
            known[LANE] = Linear((), lane)
        return flat.substitute(known)

    def pointer(
        self, buffer: str, terms: Sequence[tuple[Term, int]], element: Attribute
    ) -> str:
        """`buffer` moved by loop counters: a step in each scope that has some."""
        pointer = buffer
        left = list(terms)
        for scope in self.scopes:
            mine = [t for t in left if self._known(t[0], scope)]
            if not mine:
                continue
            left = [t for t in left if t not in mine]
            key = (pointer, tuple(mine))
            if key not in scope.memo:
                saved, self.out = self.out, scope.head
                named = [(self._term(t, scope), c) for t, c in mine]
                scope.memo[key] = self.advance(pointer, named, element)
                self.out = saved
            pointer = scope.memo[key]
        return pointer

    def _known(self, term: Term, scope: Scope) -> bool:
        """Whether all counters of `term` are known in `scope`."""
        outer: set[Any] = set()
        for candidate in self.scopes:
            outer |= candidate.counters
            if candidate is scope:
                break
        keys = {term.key} if isinstance(term, Counter) else term.value.counters
        return set(keys) <= outer

    def _term(self, term: Term, scope: Scope) -> str:
        """The name of a counter, or of a quotient computed at the start of `scope`."""
        if isinstance(term, Counter):
            return self.names[cast("SSAValue", term.key)]
        if term not in scope.memo:
            below = min(0, term.value.interval[0] // term.divisor)
            inner = [(self._term(t, scope), c) for t, c in term.value.terms]
            value = self.integer(inner, term.value.constant - below * term.divisor)
            name = self.quotient(value, term.divisor, term.remainder)
            if below and not term.remainder:
                name = self.integer([(name, 1)], below)
            scope.memo[term] = name
        return scope.memo[term]

    def place(self, access: Access, index: Index) -> Place | list[Place]:
        """Where a register is; one place a lane when the lanes have no fixed distance."""
        element, buffer = access.element, self.names[access.buffer]
        here = self.at(access.flat, index)
        if not here.in_quotient(LANE):
            base = here.without(LANE)
            pointer = self.pointer(buffer, base.terms, element)
            return Place(pointer, base.constant, here.coefficient(LANE), buffer)
        places: list[Place] = []
        for lane in range(access.width):
            base = self.at(access.flat, index, lane)
            pointer = self.pointer(buffer, base.terms, element)
            places.append(Place(pointer, base.constant, 0, buffer))
        return places

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
        if any(isinstance(use.operation, StoreOp) for use in op.buffer.uses):
            self.values[op.result].force()

    def _transposed(self, access: Access, first: Index) -> list[str]:
        """The registers along `access.across`: each lane's elements are neighbours."""
        assert access.across is not None
        count, width = access.type.dims[access.across], access.width
        rows: list[str] = []
        for lane in range(width):
            if lane >= access.lanes_inside(first):
                assert access.fill is not None
                rows.append(self.constant(access.fill, width))
                continue
            here = self.at(access.flat, first, lane)
            buffer = self.names[access.buffer]
            pointer = self.pointer(buffer, here.terms, access.element)
            place = Place(pointer, here.constant, 1, buffer)
            rows.append(
                self.load(place, access.type, access.hint)
                if count == width
                else self.load_where(place, access.type, count, _zero(access.element))
            )
        half = width // 2
        for _ in range(half.bit_length()):
            rows = [
                self.interleave(rows[i], rows[i + half], access.type, last)
                for i in range(half)
                for last in (False, True)
            ]
        return rows[:count]

    def _load(self, access: Access, index: Index) -> str:
        type_, fill, width = access.type, access.fill, access.width
        inside = access.lanes_inside(index)
        if inside == 0:
            assert fill is not None
            return self.constant(fill, width)
        place = self.place(access, index)
        mask = self._mask_of(access, index, inside)
        if access.offset is not None:
            offset = self.values[access.offset]
            if isinstance(place, list):
                pointers = [self.shifted(p, access.element) for p in place]
                name = self.cell(offset, index, width)
                return self.gather(place[0], name, pointers, type_, mask, fill)
            if offset.type.width == 1 and place.stride in (0, 1):
                base = self._moved(place, self.cell(offset, index, 1), access)
                return self._plain_load(base, access, mask)
            name = self.cell(offset, index, width)
            return self.gather(place, name, None, type_, mask, fill)
        if isinstance(place, list):
            pointers = [self.shifted(p, access.element) for p in place]
            return self.gather(place[0], None, pointers, type_, mask, fill)
        return self._plain_load(place, access, mask)

    def _mask_of(self, access: Access, index: Index, inside: int) -> str | int | None:
        """The lanes that take part: a register, the first so many, or (None) all."""
        width = access.width
        if access.mask is None:
            return inside if inside < width else None
        mask = self.cell(self.values[access.mask], index, width)
        if inside == width:
            return mask
        lanes = [
            self.constant(IntegerAttr(int(n < inside), i1), 1) for n in range(width)
        ]
        return self.combine("and", mask, self.from_lanes(lanes, i1), i1, width)

    def _plain_load(self, place: Place, access: Access, mask: str | int | None) -> str:
        if mask is None:
            loaded = self.load(place, access.type, access.hint)
            if access.ahead:
                self._prefetch(place, access)
            return loaded
        return self.load_where(place, access.type, mask, access.fill)

    def _moved(self, place: Place, offset: str, access: Access) -> Place:
        pointer = self.advance(place.pointer, [(offset, 1)], access.element)
        return Place(pointer, place.constant, place.stride, place.base)

    def _prefetch(self, place: Place, access: Access) -> None:
        """Ask for what lies ahead of a register, once a cache line."""
        there = Place(
            place.pointer, place.constant + access.ahead, place.stride, place.base
        )
        bytes_ = place.constant * dtype_of(access.element).itemsize
        if bytes_ % CACHE_LINE == 0:
            self.prefetch(there, access.element)

    @emit.register
    def _(self, op: StoreOp) -> None:
        tile = self.values[op.value]
        access = self._access(op, tile.type)
        for index in tile.indices:
            self._store(access, tile, index)

    def _store(self, access: Access, tile: Tile, index: Index) -> None:
        width = access.width
        inside = access.lanes_inside(index)
        if inside == 0:
            return
        value = tile[index]
        place = self.place(access, index)
        mask = self._mask_of(access, index, inside)
        if access.offset is not None:
            offset = self.values[access.offset]
            if isinstance(place, list):
                pointers = [self.shifted(p, access.element) for p in place]
                name = self.cell(offset, index, width)
                self.scatter(value, place[0], name, pointers, tile.type, mask)
                return
            if offset.type.width > 1 or place.stride != 1:
                name = self.cell(offset, index, width)
                self.scatter(value, place, name, None, tile.type, mask)
                return
            place = self._moved(place, self.cell(offset, index, 1), access)
        if isinstance(place, list):
            pointers = [self.shifted(p, access.element) for p in place]
            self.scatter(value, place[0], None, pointers, tile.type, mask)
        elif mask is None:
            self.store(value, place, tile.type)
        else:
            self.store_where(value, place, tile.type, mask)

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

    def _integer(self, value: Linear) -> str:
        scope = self.scopes[-1]
        key = ("integer", value.terms)
        if key not in scope.memo:
            saved, self.out = self.out, scope.head
            terms = [(self._term(t, scope), c) for t, c in value.terms]
            scope.memo[key] = self.integer(terms, 0)
            self.out = saved
        return scope.memo[key]

    @emit.register
    def _(self, op: ContractOp) -> None:
        acc, lhs, rhs = (self.values[v] for v in op.operands)
        cells = dict(acc.force().cells)
        width, element = acc.type.width, acc.type.element
        sizes = [
            max(n)
            for n in zip(acc.type.dims, lhs.type.dims, rhs.type.dims, strict=True)
        ]
        for point in product(*map(range, sizes)):
            at = tuple(
                0 if n == 1 else i for i, n in zip(point, acc.type.dims, strict=True)
            )
            a, b = self.cell(lhs, point, width), self.cell(rhs, point, width)
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


def _extent(counter: SSAValue) -> int:
    """The extent of the loop that `counter` counts."""
    assert isinstance(counter, BlockArgument)
    loop = counter.owner.parent_op()
    assert isinstance(loop, LoopOp)
    return loop.nest[counter.index][1]


def _zero(element: Attribute) -> Attribute:
    number: type[Any] = IntegerAttr if isinstance(element, IntegerType) else FloatAttr
    return number(0, element)
