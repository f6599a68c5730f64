"""
Walk a kernel and write its tiles out register by register.

Printers derive from `Expander` and spell leaves: one register operation, one loop, one
address each. Everything that decides an order is here, so that all targets run the same
instructions: a tile that is used in its own block is written where it is used, element
by element; any other where it is defined.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod
from itertools import product
from typing import Any, TypeAlias, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, i1
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

LANE = "lane"
Index: TypeAlias = tuple[int, ...]
Lines: TypeAlias = "list[str | Lines]"


@dataclass
class Tile:
    """The registers of a tile value, made when they are first asked for."""

    type: TileType
    make: Callable[[Index], str] | None = None
    cells: dict[Index, str] = field(default_factory=dict[Index, str])
    wide: dict[tuple[Index, int], str] = field(
        default_factory=dict[tuple[Index, int], str]
    )
    last_use: bool = False
    """Whether a loop that carries it on is all that still reads it."""

    @property
    def indices(self) -> Iterator[Index]:
        return product(*map(range, self.type.dims))

    def __getitem__(self, index: Index) -> str:
        if index not in self.cells:
            assert self.make is not None
            self.cells[index] = self.make(index)
        return self.cells[index]

    def force(self) -> Tile:
        for index in self.indices:
            self[index]
        return self


@dataclass
class Scope:
    """The body of a loop: its counters, and lines that are computed once at its start."""

    counters: set[SSAValue]
    head: Lines
    memo: dict[Any, str] = field(default_factory=dict[Any, str])


@dataclass(frozen=True)
class Place:
    """
    A register's place: a pointer, a constant offset, the distance between lanes.

    `base` is the start of the buffer: a place that may always be read.
    """

    pointer: str
    constant: int
    stride: int
    base: str


def flat_lines(lines: Lines) -> Iterator[str]:
    """The text of nested lines, in order."""
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield from flat_lines(line)


class Expander(ABC):
    """Writes one kernel. Subclasses spell the leaves."""

    def __init__(self) -> None:
        self.values: dict[SSAValue, Tile] = {}
        self.names: dict[SSAValue, str] = {}
        self.scopes: list[Scope] = []
        self.count = 0
        self.lines: Lines = []
        self.out = self.lines
        self.hint: str | None = None
        self.last_use = False

    # text

    def fresh(self, hint: str | None) -> str:
        """A new name; without a hint, after the tile that is being written."""
        self.count += 1
        return f"{hint or self.hint or 'v'}_{self.count}"

    def line(self, text: str) -> None:
        self.out.append(text)

    # leaves: structure and addresses

    @abstractmethod
    def counted(
        self,
        counter: str,
        extent: int,
        mapping: str,
        carried: list[Tile],
        body: Callable[[list[Tile], Lines], list[Tile]],
    ) -> list[Tile]:
        """A loop around `body(carried, head)`, which returns the next carried tiles."""

    @abstractmethod
    def grid(
        self,
        counters: Sequence[tuple[str, int]],
        base: int,
        body: Callable[[Lines], None],
    ) -> None:
        """The flat grid points from `base` on, as counters, around `body(head)`."""

    @abstractmethod
    def advance(
        self, pointer: str, terms: Sequence[tuple[str, int]], element: Attribute
    ) -> str:
        """`pointer` moved by a sum of multiples of integers, in elements."""

    @abstractmethod
    def integer(self, terms: Sequence[tuple[str, int]], constant: int) -> str:
        """A sum of multiples of integers."""

    @abstractmethod
    def quotient(self, value: str, divisor: int, remainder: bool) -> str:
        """A non-negative integer divided by a constant."""

    # leaves: registers

    @abstractmethod
    def load(self, place: Place, type_: TileType, hint: str | None) -> str:
        """A register from lanes `stride` apart (0: one element for all lanes)."""

    @abstractmethod
    def load_where(
        self, place: Place, type_: TileType, mask: str | int, fill: Attribute | None
    ) -> str:
        """Like `load`; `fill` in lanes that `mask` (or the first so many) leaves out."""

    @abstractmethod
    def gather(
        self,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
        fill: Attribute | None,
    ) -> str:
        """A register from single places: `lanes` or `place`, moved by `offset`'s lanes."""

    @abstractmethod
    def store(self, value: str, place: Place, type_: TileType) -> None:
        """A register to lanes `stride` apart."""

    @abstractmethod
    def store_where(
        self, value: str, place: Place, type_: TileType, mask: str | int
    ) -> None:
        """Like `store`, for the lanes of `mask` (or the first so many)."""

    @abstractmethod
    def scatter(
        self,
        value: str,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
    ) -> None:
        """A register to single places, as in `gather`."""

    @abstractmethod
    def constant(self, value: Attribute, width: int) -> str:
        """A number in all lanes."""

    @abstractmethod
    def positions(
        self, base: str | None, constant: int, stride: int, width: int
    ) -> str:
        """`base + constant + stride * lane` as 64-bit integers."""

    @abstractmethod
    def splat(self, value: str, element: Attribute, width: int) -> str:
        """A scalar in all lanes."""

    @abstractmethod
    def from_lanes(self, values: Sequence[str], element: Attribute) -> str:
        """A register from scalars."""

    @abstractmethod
    def fma(self, a: str, b: str, c: str, element: Attribute, width: int) -> str:
        """`a * b + c`; of integers, product and sum."""

    @abstractmethod
    def scalar(self, op: Operation, operands: Sequence[str], width: int) -> str:
        """One operation of a scalar body on registers."""

    @abstractmethod
    def combine(self, kind: str, a: str, b: str, element: Attribute, width: int) -> str:
        """`a kind b`, one of the reductions."""

    @abstractmethod
    def halves(self, value: str, element: Attribute, width: int) -> tuple[str, str]:
        """The lower and the upper half of a register."""

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

    def _flat(self, op: LoadOp | StoreOp, tile: TileType) -> Linear:
        """The element offset, in loop counters, tile dimensions and the lane."""
        results = self._linear(op, op.map.data.results, op.indices, tile)
        return flatten(results, buffer_type(op.buffer).get_shape())

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

    def place(
        self, op: LoadOp | StoreOp, flat: Linear, index: Index
    ) -> Place | list[Place]:
        """Where a register is; one place a lane when the lanes have no fixed distance."""
        element = buffer_type(op.buffer).element_type
        buffer = self.names[op.buffer]
        here = self.at(flat, index)
        width = tile_type(op.result if isinstance(op, LoadOp) else op.value).width
        if not here.in_quotient(LANE):
            base = here.without(LANE)
            pointer = self.pointer(buffer, base.terms, element)
            return Place(pointer, base.constant, here.coefficient(LANE), buffer)
        places: list[Place] = []
        for lane in range(width):
            base = self.at(flat, index, lane)
            pointer = self.pointer(buffer, base.terms, element)
            places.append(Place(pointer, base.constant, 0, buffer))
        return places

    def lanes_inside(self, op: LoadOp | StoreOp, index: Index, width: int) -> int:
        """How many lanes of this register exist."""
        if op.valid_part is None:
            return width
        dim, count = op.valid_part
        before = index[dim] * width if dim >= 0 else 0
        return min(max(count - before, 0), width)

    # tiles

    @emit.register
    def _(self, op: LoadOp) -> None:
        type_ = tile_type(op.result)
        flat = self._flat(op, type_)
        seen: dict[Any, str] = {}

        def make(index: Index) -> str:
            key = (self.at(flat, index), self.lanes_inside(op, index, type_.width))
            if op.mask is not None or op.offset is not None:
                return self._load(op, flat, index)
            if key not in seen:
                seen[key] = self._load(op, flat, index)
            return seen[key]

        self.define(op, make)
        if any(isinstance(use.operation, StoreOp) for use in op.buffer.uses):
            self.values[op.result].force()

    def _load(self, op: LoadOp, flat: Linear, index: Index) -> str:
        type_ = tile_type(op.result)
        width, hint = type_.width, op.result.name_hint
        inside = self.lanes_inside(op, index, width)
        if inside == 0:
            assert op.fill is not None
            return self.constant(op.fill, width)
        place = self.place(op, flat, index)
        mask = self._mask_of(op, index, inside, width)
        if op.offset is not None:
            offset = self.values[op.offset]
            if isinstance(place, list):
                pointers = [self.element_at(p, op) for p in place]
                name = self.cell(offset, index, width)
                return self.gather(place[0], name, pointers, type_, mask, op.fill)
            if offset.type.width == 1 and place.stride in (0, 1):
                base = self._moved(place, self.cell(offset, index, 1), op)
                return self._plain_load(base, type_, mask, op.fill, hint)
            name = self.cell(offset, index, width)
            return self.gather(place, name, None, type_, mask, op.fill)
        if isinstance(place, list):
            pointers = [self.element_at(p, op) for p in place]
            return self.gather(place[0], None, pointers, type_, mask, op.fill)
        return self._plain_load(place, type_, mask, op.fill, hint)

    def _mask_of(
        self, op: LoadOp | StoreOp, index: Index, inside: int, width: int
    ) -> str | int | None:
        """The lanes that take part: a register, the first so many, or (None) all."""
        if op.mask is None:
            return inside if inside < width else None
        mask = self.cell(self.values[op.mask], index, width)
        if inside == width:
            return mask
        lanes = [
            self.constant(IntegerAttr(int(n < inside), i1), 1) for n in range(width)
        ]
        return self.combine("and", mask, self.from_lanes(lanes, i1), i1, width)

    def _plain_load(
        self,
        place: Place,
        type_: TileType,
        mask: str | int | None,
        fill: Attribute | None,
        hint: str | None,
    ) -> str:
        if mask is None:
            return self.load(place, type_, hint)
        return self.load_where(place, type_, mask, fill)

    def _moved(self, place: Place, offset: str, op: LoadOp | StoreOp) -> Place:
        element = buffer_type(op.buffer).element_type
        pointer = self.advance(place.pointer, [(offset, 1)], element)
        return Place(pointer, place.constant, place.stride, place.base)

    def element_at(self, place: Place, op: LoadOp | StoreOp) -> str:
        """The pointer to one element."""
        return self.shifted(place, buffer_type(op.buffer).element_type)

    @abstractmethod
    def shifted(self, place: Place, element: Attribute) -> str:
        """The pointer of a place with its constant offset added."""

    @emit.register
    def _(self, op: StoreOp) -> None:
        tile = self.values[op.value]
        flat = self._flat(op, tile.type)
        for index in tile.indices:
            self._store(op, tile, flat, index)

    def _store(self, op: StoreOp, tile: Tile, flat: Linear, index: Index) -> None:
        width = tile.type.width
        inside = self.lanes_inside(op, index, width)
        if inside == 0:
            return
        value = tile[index]
        place = self.place(op, flat, index)
        mask = self._mask_of(op, index, inside, width)
        if op.offset is not None:
            offset = self.values[op.offset]
            if isinstance(place, list):
                pointers = [self.element_at(p, op) for p in place]
                name = self.cell(offset, index, width)
                self.scatter(value, place[0], name, pointers, tile.type, mask)
                return
            if offset.type.width > 1 or place.stride != 1:
                name = self.cell(offset, index, width)
                self.scatter(value, place, name, None, tile.type, mask)
                return
            place = self._moved(place, self.cell(offset, index, 1), op)
        if isinstance(place, list):
            pointers = [self.element_at(p, op) for p in place]
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

        def make(index: Index) -> str:
            return self._body(op, [self.cell(t, index, width) for t in inputs], width)

        self.define(op, make)

    def _body(self, op: ApplyOp, operands: Sequence[str], width: int) -> str:
        """One element of an apply: its scalar body on registers."""
        names: dict[SSAValue, str] = dict(
            zip(op.body.block.args, operands, strict=True)
        )
        for inner in op.body.block.ops:
            if isinstance(inner, YieldOp):
                return names[inner.values[0]]
            if isinstance(inner, arith.ConstantOp):
                assert isinstance(inner.value, FloatAttr | IntegerAttr)
                names[inner.result] = self.constant(inner.value, width)
            else:
                values = [names[v] for v in inner.operands]
                names[inner.results[0]] = self.scalar(inner, values, width)
        raise AssertionError("an apply ends with a yield")


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
