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
from xdsl.dialects.builtin import IntegerAttr, i1
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

LANE = "lane"

CACHE_LINE = 64
"""Bytes."""
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


@dataclass(frozen=True)
class Access:
    """A load or store, read once: an operation takes long to say its parts."""

    buffer: SSAValue
    element: Attribute
    type: TileType
    flat: Linear
    """The element offset, in loop counters, tile dimensions and the lane."""
    offset: SSAValue | None
    mask: SSAValue | None
    part: tuple[int, int] | None
    fill: Attribute | None = None
    hint: str | None = None
    ahead: int = 0

    @property
    def width(self) -> int:
        return self.type.width

    def lanes_inside(self, index: Index) -> int:
        """How many lanes of this register exist."""
        if self.part is None:
            return self.width
        dim, count = self.part
        before = index[dim] * self.width if dim >= 0 else 0
        return min(max(count - before, 0), self.width)


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
        type_ = tile_type(op.result)
        access = Access(
            op.buffer,
            buffer_type(op.buffer).element_type,
            type_,
            self._flat(op, type_),
            op.offset,
            op.mask,
            op.valid_part,
            op.fill,
            op.result.name_hint,
            0 if op.ahead is None else op.ahead.value.data,
        )
        always = access.mask is None and access.offset is None
        seen: dict[Any, str] = {}

        def make(index: Index) -> str:
            if not always:
                return self._load(access, index)
            key = (self.at(access.flat, index), access.lanes_inside(index))
            if key not in seen:
                seen[key] = self._load(access, index)
            return seen[key]

        self.define(op, make)
        if any(isinstance(use.operation, StoreOp) for use in op.buffer.uses):
            self.values[op.result].force()

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

    @abstractmethod
    def prefetch(self, place: Place, element: Attribute) -> None:
        """Ask for the cache line of an element."""

    @abstractmethod
    def shifted(self, place: Place, element: Attribute) -> str:
        """The pointer of a place with its constant offset added."""

    @emit.register
    def _(self, op: StoreOp) -> None:
        tile = self.values[op.value]
        access = Access(
            op.buffer,
            buffer_type(op.buffer).element_type,
            tile.type,
            self._flat(op, tile.type),
            op.offset,
            op.mask,
            op.valid_part,
        )
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


@dataclass(frozen=True)
class Body:
    """The scalar body of an apply: operations, with the places of their operands."""

    steps: list[tuple[Operation, list[int]]]
    result: int

    @staticmethod
    def of(op: ApplyOp) -> Body:
        """Values are numbered: the arguments, then the results, in order."""
        block = op.body.block
        places: dict[SSAValue, int] = {v: i for i, v in enumerate(block.args)}
        steps: list[tuple[Operation, list[int]]] = []
        for inner in block.ops:
            operands = [places[v] for v in inner.operands]
            if isinstance(inner, YieldOp):
                return Body(steps, operands[0])
            places[inner.results[0]] = len(places)
            steps.append((inner, operands))
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
