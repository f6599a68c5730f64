"""
Values of a nest as tiles, computed where they are needed and kept while they hold.

    kernel.read, arith and math   ==>   kernel.load, kernel.position, kernel.apply
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, i1, i64
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue

from ...dialects.kernel.access import LoadOp
from ...dialects.kernel.affine import LANE, Linear, flatten
from ...dialects.kernel.loops import YieldOp
from ...dialects.kernel.nest import IndexOp, ReadOp, ReduceOp, WriteOp
from ...dialects.kernel.tiles import ApplyOp, PositionOp, TileType, tile_type
from ...dialects.types import buffer_type, integers
from .places import NestPlaces, Piece
from .scalars import combine, identity


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


class NestValues(NestPlaces, ABC):
    """Writes the values of a nest into `scope`."""

    scope: Scope
    buffer: dict[SSAValue, SSAValue]
    """The function's memory for each buffer of the nest."""
    local: frozenset[SSAValue]
    """Buffers of the nest whose memory holds only what one point of the grid needs."""
    block: Piece
    """What one point of the grid works on."""

    @abstractmethod
    def _reduce(self, root: ReduceOp, piece: Piece) -> SSAValue:
        """The tile of a reduction, over all of its dimensions."""

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

    # reads

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
        shape = buffer_type(self.buffer[op.buffer]).get_shape()
        for dim, step in self.ahead.items():
            if dim in dims:
                there = piece.inside(dim, Linear((), step), piece.extent[dim])
                next_place = flatten(self._indices(op, there), shape)
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
        place: list[Linear] = self._indices(op, piece)
        dynamic = [i for i in op.indices if not isinstance(i, BlockArgument)]
        offset: SSAValue | None = None
        if dynamic:
            flat = flatten(place, buffer_type(self.buffer[op.buffer]).get_shape())
            for index in dynamic:
                assert not flat.in_quotient(index), "a data-dependent place in blocks"
                part = self.tile(index, piece)
                offset = self._scaled_sum(offset, part, flat.coefficient(index))
                place = [p.without(index) for p in place]
        return dims, place, offset

    def _indices(self, op: ReadOp | WriteOp, piece: Piece) -> list[Linear]:
        """The indices of an access; those of local memory count from the block on."""
        if op.buffer in self.local:
            piece = piece.seen_from(self.block)
        return self.at(op.map.data, op.indices, piece)

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

    # operations

    def _position(self, place: Linear, type_: TileType) -> SSAValue:
        indices, map_ = self.map_of([place])
        return self.add(PositionOp(indices, map_, type_))

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
