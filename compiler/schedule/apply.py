"""
apply-schedule: nests to mapped loops over register tiles.

    kernel.nest over (dims) schedule <loops>   ==>   kernel.func { kernel.loop … tiles … }

There is no code here for any one operator. A *root* is a reduce or a write. Loops over
dimensions that every root has are shared; each root opens its other loops itself, in
program order. Values are computed where they are needed, as tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import cast

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    i1,
    i64,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.passes import ModulePass

from ...dialects.kernel.affine import Counter, Linear, flatten, linear
from ...dialects.kernel.nest import IndexOp, NestOp, ReadOp, ReduceOp, WriteOp
from ...dialects.kernel.tiles import (
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
    tile_type,
)
from ...dialects.types import buffer_type, integers
from .facts import WALKED, Loop, NestFacts, Root
from .scalars import combine, identity

LANE = "lane"


@dataclass(frozen=True)
class Piece:
    """Where the loops opened so far have led: an origin and an extent a dimension."""

    origin: dict[SSAValue, Linear]
    extent: dict[SSAValue, int]

    def inside(self, dim: SSAValue, offset: Linear, extent: int) -> Piece:
        """The piece at `offset` in this one, `extent` long."""
        origin = self.origin | {dim: self.origin[dim] + offset}
        return Piece(origin, self.extent | {dim: extent})


def segments(extent: int, step: int) -> list[tuple[int, int, int]]:
    """(start, count, size): whole steps, then what remains."""
    count, rest = divmod(extent, step)
    whole = [(0, count, step)] if count else []
    return whole + ([(count * step, 1, rest)] if rest else [])


@dataclass
class Scope:
    """
    A block and the tiles known in it and around it.

    Around a reduction that is computed on the spot, tiles over dimensions that loops have
    opened (`hidden`) are of one point, and not of all that it reduces.
    """

    block: Block
    parent: Scope | None = None
    hidden: frozenset[SSAValue] = frozenset()
    tiles: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def find(self, value: SSAValue, dims: frozenset[SSAValue]) -> SSAValue | None:
        """The tile of `value`, which depends on `dims`."""
        scope: Scope | None = self
        while scope is not None:
            if value in scope.tiles:
                return scope.tiles[value]
            if scope.hidden & dims:
                return None
            scope = scope.parent
        return None


class Lowering(NestFacts):
    """Lowers one nest."""

    # structure

    def function(self) -> FuncOp:
        """The nest as a kernel function."""
        entry = Block(arg_types=[b.type for b in self.nest.buffers])
        self.buffer: dict[SSAValue, BlockArgument] = dict(
            zip(self.nest.buffers, entry.args, strict=True)
        )
        for old, new in self.buffer.items():
            new.name_hint = old.name_hint
        self.scope: Scope = Scope(entry)
        whole = Piece(
            {d: Linear() for d in self.nest.dims},
            dict(zip(self.nest.dims, self.nest.extents, strict=True)),
        )
        loops = [
            loop for loop in self.loops if loop[1] in self.shared and loop[0] in WALKED
        ]
        grid = [loop for loop in loops if loop[0] == "parallel"]
        self._grid(grid, [loop for loop in loops if loop[0] != "parallel"], whole)
        self.add(YieldOp())
        return FuncOp(self.nest.sym_name.data, Region([entry]))

    def _grid(self, grid: list[Loop], inner: list[Loop], whole: Piece) -> None:
        """Grid loops for the parallel loops: one for each combination of segments."""
        choices = [segments(whole.extent[dim], step) for _, dim, step in grid]
        for choice in product(*choices):
            block = Block(arg_types=[IndexType()] * len(grid))
            piece = whole
            for (_, dim, _), (start, count, size), counter in zip(
                grid, choice, block.args, strict=True
            ):
                counter.name_hint = dim.name_hint
                offset = Linear.of(counter, count) * size + start
                piece = piece.inside(dim, offset, size)
            outer, self.scope = self.scope, Scope(block, self.scope)
            self._open(inner, piece, self._run_roots)
            self.add(YieldOp())
            self.scope = outer
            extents = [count for _, count, _ in choice] or [1]
            if not grid:
                counter = block.insert_arg(IndexType(), 0)
                counter.name_hint = "once"
            self.add(LoopOp(extents, ["grid"] * len(extents), [], Region([block])))

    def _open(
        self,
        loops: list[Loop],
        piece: Piece,
        body: Callable[[Piece, Sequence[SSAValue]], Sequence[SSAValue]],
        carried: Sequence[SSAValue] = (),
        root: Root | None = None,
    ) -> Sequence[SSAValue]:
        """
        Loops around `body(piece, carried)`, which returns the next carried tiles.

        What `root` needs and the loops do not change is computed before them.
        """
        if not loops:
            return body(piece, carried)
        if root is not None:
            self._hoist(root, {dim for _, dim, _ in loops}, piece)
        (kind, dim, step), *rest = loops
        parts = segments(piece.extent[dim], step)
        for start, count, size in parts:
            if count == 1:
                outer = self.scope
                if len(parts) > 1:
                    self.scope = Scope(outer.block, outer)
                inner = piece.inside(dim, Linear((), start), size)
                carried = self._open(rest, inner, body, carried, root)
                self.scope = outer
            else:
                carried = self._loop(
                    (kind, dim, size), rest, (start, count), piece, body, carried, root
                )
        return carried

    def _loop(
        self,
        loop: Loop,
        rest: list[Loop],
        walk: tuple[int, int],
        piece: Piece,
        body: Callable[[Piece, Sequence[SSAValue]], Sequence[SSAValue]],
        carried: Sequence[SSAValue],
        root: Root | None,
    ) -> Sequence[SSAValue]:
        kind, dim, size = loop
        start, count = walk
        block = Block(arg_types=[IndexType(), *(c.type for c in carried)])
        counter, *inside = block.args
        counter.name_hint = dim.name_hint
        for argument, value in zip(inside, carried, strict=True):
            argument.name_hint = value.name_hint
        outer, self.scope = self.scope, Scope(block, self.scope)
        offset = Linear.of(counter, count) * size + start
        at = piece.inside(dim, offset, size)
        yielded = self._open(rest, at, body, inside, root)
        self.add(YieldOp(yielded))
        self.scope = outer
        mapping = "item" if kind == "item" else "serial"
        op = LoopOp([count], [mapping], carried, Region([block]))
        self.scope.block.add_op(op)
        for result, value in zip(op.results, carried, strict=True):
            result.name_hint = value.name_hint
        return list(op.results)

    def _run_roots(self, piece: Piece, _: Sequence[SSAValue]) -> Sequence[SSAValue]:
        for value in self.joint:
            self.tile(value, piece)
        for root in self.roots:
            if root in self.late:
                continue
            if isinstance(root, ReduceOp):
                self._reduce(root, piece)
                continue
            mine = self.root_dims(root) - self.shared
            loops = [
                loop for loop in self.loops if loop[1] in mine and loop[0] in WALKED
            ]
            self._open(loops, piece, partial(self._write, root), (), root)
        return []

    def _hoist(self, root: Root, inside: set[BlockArgument], piece: Piece) -> None:
        """Compute before the loops over `inside` what they do not change."""
        needed: set[Operation] = set()
        pending = [o.owner for o in root.operands]
        while pending:
            op = pending.pop()
            if not isinstance(op, Operation) or op in needed:
                continue
            value = op.results[0]
            if isinstance(op, arith.ConstantOp) or value.type == IndexType():
                continue
            if not (self.dims[value] & inside or value in self.volatile):
                self.tile(value, piece)
                continue
            needed.add(op)
            if not isinstance(op, ReduceOp):
                pending += [o.owner for o in op.operands]

    # roots

    def _reduce(self, root: ReduceOp, piece: Piece) -> SSAValue:
        """The tile of a reduction, over all of its dimensions."""
        outer = self.scope
        if root in self.late:
            sizes = dict(zip(self.nest.dims, self.nest.extents, strict=True))
            opened = {d for d in root.dims if piece.extent[d] != sizes[d]}  # pyright: ignore
            self.scope = Scope(outer.block, outer, frozenset(opened))
            origin = piece.origin | {dim: Linear() for dim in root.dims}
            extent = piece.extent | {dim: sizes[dim] for dim in root.dims}  # pyright: ignore
            piece = Piece(origin, extent)
        total = self._reduced(root, piece)
        self.scope = outer
        outer.tiles[root.result] = total
        return total

    def _reduced(self, root: ReduceOp, piece: Piece) -> SSAValue:
        loops = [
            ("serial", dim, step)
            for kind, dim, step in self.loops
            if dim in root.dims and kind in WALKED
        ]
        kept = self.root_dims(root) - set(root.dims)
        across = self.vector in root.dims
        element = root.result.type
        shape, width = self.shape(kept, piece)
        acc_type = TileType.of(shape, element, self.lanes if across else width)
        kind = root.kind.data
        if root.init is not None and not across:
            start = self.broadcast(self.tile(root.init, piece), acc_type)
        else:
            start = self.add(FillOp(identity(kind, element), acc_type))
        start.name_hint = start.name_hint or "acc"

        def step(at: Piece, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            return [self._accumulate(root, carried[0], at)]

        (total,) = self._open(loops, piece, step, [start], root)
        if across:
            total = self.add(LanesOp(kind, total))
            if root.init is not None:
                init = self.broadcast(self.tile(root.init, piece), tile_type(total))
                total = self.combined(kind, total, init)
        total.name_hint = root.result.name_hint or "acc"
        return total

    def _accumulate(self, root: ReduceOp, acc: SSAValue, piece: Piece) -> SSAValue:
        factors = root.value.owner
        whole = self.root_dims(root)
        partly = self.valid(whole, piece) if self.vector in root.dims else None
        fused = (
            root.kind.data == "add"
            and isinstance(factors, arith.MulfOp)
            and root.value.has_one_use()
            and partly is None
            and self.dims[root.value] >= {d for d in root.dims if self.size(d) > 1}
        )
        if fused:
            assert isinstance(factors, arith.MulfOp)
            lhs, rhs = (self.tile(o, piece) for o in factors.operands)
            if tile_type(lhs).width > tile_type(rhs).width:
                lhs, rhs = rhs, lhs
            result = self.add(ContractOp(acc, lhs, rhs))
        else:
            type_ = self.tile_type(whole, root.result.type, piece)
            value = self.broadcast(self.tile(root.value, piece), type_)
            if partly is not None:
                value = self._only_valid(root.kind.data, value, partly)
            result = self.add(FoldOp(root.kind.data, acc, value))
        result.name_hint = acc.name_hint
        return result

    def _only_valid(
        self, kind: str, value: SSAValue, valid: tuple[int, int]
    ) -> SSAValue:
        """`value` with the identity of `kind` where lanes are outside."""
        type_ = tile_type(value)
        dim, count = valid
        place = Linear.of(LANE, self.lanes)
        if dim >= 0:
            place = place + Linear.of(("t", dim), type_.dims[dim]) * self.lanes
        shape = [n if d == dim else 1 for d, n in enumerate(type_.dims)]
        position = self._position(place, TileType.of(shape, i64, self.lanes))

        def body(block: Block) -> SSAValue:
            at, element = block.args
            limit = arith.ConstantOp(IntegerAttr(count, i64))
            inside = arith.CmpiOp(at, limit.result, "slt")
            neutral = arith.ConstantOp(identity(kind, element.type))  # pyright: ignore
            chosen = arith.SelectOp(inside.result, element, neutral.result)
            block.add_ops([limit, inside, neutral, chosen])
            return chosen.result

        return self.apply([position, value], type_, body)

    def _write(
        self, root: WriteOp, piece: Piece, _carried: Sequence[SSAValue]
    ) -> Sequence[SSAValue]:
        whole = self.root_dims(root)
        type_ = self.tile_type(whole, root.value.type, piece)
        value = self.broadcast(self.tile(root.value, piece), type_)
        mask = None
        if root.condition is not None:
            mask = self.tile(root.condition, piece)
        _unused, place, offset = self._place(root, piece)
        indices, map_ = self.map_of(place)
        valid = self.valid(whole, piece)
        buffer = self.buffer[root.buffer]
        self.add(StoreOp(value, buffer, indices, map_, offset, mask, valid))
        return []

    # values

    def tile(self, value: SSAValue, piece: Piece) -> SSAValue:
        """The tile of `value` here, computed unless it is at hand."""
        if (known := self.scope.find(value, self.dims[value])) is not None:
            return known
        op = value.owner
        assert isinstance(op, Operation)
        match op:
            case ReduceOp():
                assert op in self.late, f"{op} is needed before it is computed"
                return self._reduce(op, piece)
            case ReadOp():
                result = self._read(op, piece)
            case IndexOp():
                place = self.at(op.map.data, op.indices, piece)[0]
                type_ = self.tile_type(self.dims[value], value.type, piece)
                result = self._position(place, type_)
            case arith.IndexCastOp():
                return self.tile(op.input, piece)
            case _:
                result = self._computed(value, piece)
        result.name_hint = value.name_hint
        if value not in self.volatile:
            self.scope.tiles[value] = result
        return result

    def _computed(self, value: SSAValue, piece: Piece) -> SSAValue:
        """An apply of all scalar operations up to what is known or loaded."""
        shape = self.footprint(value, piece)
        inputs: dict[SSAValue, SSAValue] = {}
        order: list[Operation] = []
        seen: set[SSAValue] = set()

        def visit(part: SSAValue) -> None:
            if part in seen:
                return
            seen.add(part)
            op = part.owner
            assert isinstance(op, Operation)
            if isinstance(op, arith.ConstantOp):
                order.append(op)
                return
            own = part is value or (
                not isinstance(op, ReadOp | ReduceOp | IndexOp | arith.IndexCastOp)
                and part not in self.joint
                and self.scope.find(part, self.dims[part]) is None
                and self.footprint(part, piece) == shape
            )
            if not own:
                inputs[part] = self.tile(part, piece)
                return
            for operand in op.operands:
                visit(operand)
            order.append(op)

        visit(value)
        type_ = self.tile_type(self.dims[value], value.type, piece)

        def body(block: Block) -> SSAValue:
            names: dict[SSAValue, SSAValue] = dict(zip(inputs, block.args, strict=True))
            for op in order:
                copy = op.clone_without_regions(names)
                block.add_op(copy)
            return names[value]

        return self.apply(list(inputs.values()), type_, body)

    def footprint(self, value: SSAValue, piece: Piece) -> tuple[tuple[int, ...], int]:
        """The registers a value takes: its tile's shape and lanes."""
        return self.shape(self.dims[value], piece)

    def _read(self, op: ReadOp, piece: Piece) -> SSAValue:
        dims, place, offset = self._place(op, piece)
        indices, map_ = self.map_of(place)
        type_ = self.tile_type(dims, op.result.type, piece)
        mask, fill = None, op.fill
        if op.guard is not None and op.bounds is not None:
            guards = self.at(op.guard.data, op.indices, piece)
            bounds = integers(op.bounds)
            mask = self._inside(guards, bounds)
        valid = self.valid(dims, piece)
        if mask is None and valid is None:
            fill = None
        elif fill is None:
            fill = identity("or", op.result.type)
        buffer = self.buffer[op.buffer]
        plain = mask is None and valid is None and offset is None
        ahead = self._ahead(op, place, piece) if plain else None
        across = None
        if mask is None and offset is None:
            across = self._across(
                flatten(place, buffer_type(buffer).get_shape()), type_
            )
        return self.add(
            LoadOp(
                buffer, indices, map_, type_, offset, mask, valid, fill, ahead, across
            )
        )

    def _across(self, flat: Linear, type_: TileType) -> int | None:
        """The tile dimension along which elements are neighbours, where lanes are not."""
        if type_.width == 1 or flat.stride(LANE) in (0, 1):
            return None
        for position, (dim, _) in enumerate(self.copies):
            fits = dim in self.turned and 1 < type_.dims[position] <= type_.width
            if fits and flat.stride(("t", position)) == 1:
                return position
        return None

    def _ahead(self, op: ReadOp, place: Sequence[Linear], piece: Piece) -> int | None:
        """How far on the elements are that the schedule wants to be asked for."""
        dims = self.dims[op.result]
        if not dims & self.reduced:
            return None
        shape = buffer_type(op.buffer).get_shape()
        for dim, step in self.ahead.items():
            if dim in dims:
                there = piece.inside(dim, Linear((), step), piece.extent[dim])
                next_place = flatten(self.at(op.map.data, op.indices, there), shape)
                way = next_place - flatten(place, shape)
                return way.constant if not way.terms else None
        return None

    def _inside(
        self, guards: Sequence[Linear], bounds: Sequence[int]
    ) -> SSAValue | None:
        """A mask of `0 <= guard < bound` for all, or None when that always holds."""
        doubtful = [
            (guard, bound)
            for guard, bound in zip(guards, bounds, strict=True)
            if guard.interval[0] < 0 or guard.interval[1] >= bound
        ]
        if not doubtful:
            return None
        tiles = [
            self._position(guard, self._position_type(guard)) for guard, _ in doubtful
        ]

        def body(block: Block) -> SSAValue:
            total: SSAValue | None = None
            for argument, (guard, bound) in zip(block.args, doubtful, strict=True):
                for test in _range_tests(argument, guard, bound):
                    block.add_ops(test)
                    holds = test[-1].results[0]
                    if total is None:
                        total = holds
                    else:
                        both = arith.AndIOp(total, holds)
                        block.add_op(both)
                        total = both.result
            assert total is not None
            return total

        shapes = [tile_type(t).dims for t in tiles]
        shape = [max(sizes) for sizes in zip(*shapes, strict=True)]
        width = max(tile_type(t).width for t in tiles)
        return self.apply(tiles, TileType.of(shape, i1, width), body)

    def _place(
        self, op: ReadOp | WriteOp, piece: Piece
    ) -> tuple[frozenset[SSAValue], list[Linear], SSAValue | None]:
        """Dimensions, place, and the data-dependent part of the place in elements."""
        dims = self.dims[op.result] if isinstance(op, ReadOp) else self.root_dims(op)
        place: list[Linear] = self.at(op.map.data, op.indices, piece)
        dynamic = [i for i in op.indices if not isinstance(i, BlockArgument)]
        offset: SSAValue | None = None
        if dynamic:
            flat = flatten(place, buffer_type(op.buffer).get_shape())
            for index in dynamic:
                assert not flat.in_quotient(index), "a data-dependent place in blocks"
                part = self.tile(index, piece)
                offset = self._scaled_sum(offset, part, flat.coefficient(index))
                place = [p.without(index) for p in place]
        return dims, place, offset

    def _scaled_sum(
        self, total: SSAValue | None, part: SSAValue, factor: int
    ) -> SSAValue:
        """`total + factor * part` on integer tiles."""
        inputs = [part] if total is None else [part, total]
        shapes = [tile_type(t).dims for t in inputs]
        shape = [max(sizes) for sizes in zip(*shapes, strict=True)]
        width = max(tile_type(t).width for t in inputs)

        def body(block: Block) -> SSAValue:
            number = arith.ConstantOp(IntegerAttr(factor, i64))
            scaled = arith.MuliOp(block.args[0], number.result)
            block.add_ops([number, scaled])
            if len(block.args) == 1:
                return scaled.result
            both = arith.AddiOp(block.args[1], scaled.result)
            block.add_op(both)
            return both.result

        return self.apply(inputs, TileType.of(shape, i64, width), body)

    # places

    def at(
        self, map_: AffineMap, indices: Sequence[SSAValue], piece: Piece
    ) -> list[Linear]:
        """The map's results in loop counters, tile dimensions, the lane, and data."""
        values: list[Linear] = []
        for index in indices:
            if not isinstance(index, BlockArgument):
                values.append(Linear.of(index, 1 << 62))
                continue
            here = piece.origin[index]
            for position, (dim, step) in enumerate(self.copies):
                if dim is index:
                    count = -(-piece.extent[dim] // step)
                    here = here + Linear.of(("t", position), count) * step
            if index is self.vector:
                here = here + Linear.of(LANE, min(self.lanes, piece.extent[index]))
            values.append(here)
        return [linear(result, values) for result in map_.results]

    def map_of(self, place: Sequence[Linear]) -> tuple[list[SSAValue], AffineMap]:
        """Loop counters, and the map over them and the tile's symbols."""
        counters: dict[SSAValue, int] = {}
        rank = len(self.copies)

        def spell(key: object) -> AffineExpr:
            if key == LANE:
                return AffineExpr.symbol(rank)
            if isinstance(key, tuple):
                return AffineExpr.symbol(key[1])  # pyright: ignore
            counter = cast("SSAValue", key)
            return AffineExpr.dimension(counters.setdefault(counter, len(counters)))

        results = tuple(p.expression(spell) for p in place)
        return list(counters), AffineMap(len(counters), rank + 1, results)

    def _position(self, place: Linear, type_: TileType) -> SSAValue:
        indices, map_ = self.map_of([place])
        return self.add(PositionOp(indices, map_, type_))

    def _position_type(self, place: Linear) -> TileType:
        """The tile that a place needs: of size one where it does not vary."""
        sizes = [1] * len(self.copies)
        width = 1

        def visit(value: Linear) -> None:
            nonlocal width
            for term, _ in value.terms:
                if not isinstance(term, Counter):
                    visit(term.value)
                elif term.key == LANE:
                    width = self.lanes
                elif isinstance(term.key, tuple):
                    sizes[term.key[1]] = term.size  # pyright: ignore

        visit(place)
        return TileType.of(sizes, i64, width)

    def valid(self, dims: frozenset[SSAValue], piece: Piece) -> tuple[int, int] | None:
        """Which elements exist, when the vector dimension ends inside a register."""
        if self.vector is None or self.vector not in dims:
            return None
        extent = piece.extent[self.vector]
        if extent % self.lanes == 0:
            return None
        positions = [p for p, (dim, _) in enumerate(self.copies) if dim is self.vector]
        return (positions[0] if positions else -1), extent

    # small things

    def shape(
        self, dims: frozenset[SSAValue] | set[SSAValue], piece: Piece
    ) -> tuple[tuple[int, ...], int]:
        """Registers along each unrolled loop, and lanes, of a value over `dims`."""
        shape = tuple(
            -(-piece.extent[dim] // step) if dim in dims else 1
            for dim, step in self.copies
        )
        return shape, self.lanes if self.vector in dims else 1

    def tile_type(
        self,
        dims: frozenset[SSAValue] | set[SSAValue],
        element: Attribute,
        piece: Piece,
    ) -> TileType:
        shape, width = self.shape(dims, piece)
        return TileType.of(shape, i64 if element == IndexType() else element, width)

    def apply(
        self,
        inputs: Sequence[SSAValue],
        type_: TileType,
        body: Callable[[Block], SSAValue],
    ) -> SSAValue:
        """An apply whose body is written by `body`."""
        block = Block(arg_types=[tile_type(v).element for v in inputs])
        for argument, value in zip(block.args, inputs, strict=True):
            argument.name_hint = value.name_hint
        block.add_op(YieldOp([body(block)]))
        return self.add(ApplyOp(inputs, type_, Region([block])))

    def broadcast(self, value: SSAValue, type_: TileType) -> SSAValue:
        """`value` as a tile of `type_`."""
        if value.type == type_:
            return value
        result = self.apply([value], type_, lambda block: block.args[0])
        result.name_hint = value.name_hint
        return result

    def combined(self, kind: str, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs kind rhs` of two tiles of one type."""

        def body(block: Block) -> SSAValue:
            op = combine(kind, *block.args)
            block.add_op(op)
            return op.results[0]

        return self.apply([lhs, rhs], tile_type(lhs), body)

    def add(self, op: Operation) -> SSAValue:
        self.scope.block.add_op(op)
        return op.results[0] if op.results else None  # pyright: ignore


def _range_tests(value: SSAValue, guard: Linear, bound: int) -> list[list[Operation]]:
    """Operations that test `0 <= value` and `value < bound`, where that is in doubt."""
    tests: list[list[Operation]] = []
    low, high = guard.interval
    for doubtful, limit, predicate in (
        (low < 0, 0, "sge"),
        (high >= bound, bound, "slt"),
    ):
        if doubtful:
            number = arith.ConstantOp(IntegerAttr(limit, i64))
            tests.append([number, arith.CmpiOp(value, number.result, predicate)])
    return tests


class ApplySchedulePass(ModulePass):
    """Lower every `kernel.nest` to a `kernel.func`, as its schedule says."""

    name = "apply-schedule"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for nest in list(op.body.block.ops):
            if isinstance(nest, NestOp):
                function = Lowering(nest).function()
                function.properties["schedule"] = StringAttr(str(nest.schedule))
                op.body.block.insert_op_before(function, nest)
                nest.detach()
                nest.erase()
