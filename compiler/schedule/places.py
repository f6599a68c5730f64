"""Where a lowering stands in its nest, and what places and tiles that gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects.builtin import IndexType, i64
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from ...dialects.kernel.affine import LANE, Counter, Linear, linear
from ...dialects.kernel.tiles import TileType
from .facts import NestFacts


@dataclass(frozen=True)
class Piece:
    """Where the loops opened so far have led: an origin and an extent a dimension."""

    origin: dict[SSAValue, Linear]
    extent: dict[SSAValue, int]

    @staticmethod
    def whole(sizes: dict[SSAValue, int]) -> Piece:
        """All points."""
        return Piece({dim: Linear() for dim in sizes}, sizes)

    def inside(self, dim: SSAValue, offset: Linear, extent: int) -> Piece:
        """The piece at `offset` in this one, `extent` long."""
        origin = self.origin | {dim: self.origin[dim] + offset}
        return Piece(origin, self.extent | {dim: extent})

    def of_extent(self, steps: dict[SSAValue, int]) -> Piece:
        """A piece with the same origin and other extents."""
        return Piece(self.origin, self.extent | steps)

    def seen_from(self, other: Piece) -> Piece:
        """This piece, with the origin of `other` as zero."""
        origin = {dim: at - other.origin[dim] for dim, at in self.origin.items()}
        return Piece(origin, self.extent)


class NestPlaces(NestFacts):
    """Facts about a nest at one piece of it. Nothing here writes operations."""

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

    def footprint(self, value: SSAValue, piece: Piece) -> tuple[tuple[int, ...], int]:
        """The registers a value takes: its tile's shape and lanes."""
        return self.shape(self.dims[value], piece)

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
