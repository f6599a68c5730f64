"""Loads and stores of single registers: whole, in part, moved by data, or transposed."""

from __future__ import annotations

from abc import ABC
from collections import Counter
from dataclasses import replace
from typing import Any

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType, i1
from xdsl.ir import Attribute

from ..dialects.kernel.tiles import TileType
from ..dialects.types import dtype_of
from .leaves import CACHE_LINE, Access, Index, Place, Tile
from .places import Places


class Accesses(Places, ABC):
    """Chooses the leaf that a register's access needs."""

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

    def _factor(
        self, tile: Tile, index: Index, width: int, seen: Counter[Index] | None
    ) -> str:
        """
        `cell` for a product.

        From the second product with an element on it is loaded again, where that costs
        less than the register in which all of them would find it.

        Args:
            seen: how often each element was a factor; None: more loads would be in the
                way of others, which wait for memory.
        """
        narrow = tile.type.width == 1 and width == self.reloads
        if seen is None or not narrow or tile.again is None:
            return self.cell(tile, index, width)
        own = tuple(
            0 if n == 1 else i for i, n in zip(index, tile.type.dims, strict=True)
        )
        seen[own] += 1
        if seen[own] == 1:
            return self.cell(tile, index, width)
        return tile.again(own, seen[own], width)

    # loads

    def _load_again(self, access: Access, index: Index, number: int, width: int) -> str:
        """An element for all lanes, by a pointer of its own: nobody merges the loads."""
        place = self.place(access, index)
        assert isinstance(place, Place)
        memo, key = self.scopes[-1].memo, ("again", place.pointer, number)
        if key not in memo:
            saved, self.out = self.out, self.scopes[-1].head
            memo[key] = self.alias(place.pointer)
            self.out = saved
        there = replace(place, pointer=memo[key])
        loaded = self.load(there, access.type, access.hint)
        return self.splat(loaded, access.element, width)

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
            if mask is None and (picked := self._picked(access, index)) is not None:
                return picked
            pointers = [self.shifted(p, access.element) for p in place]
            return self.gather(place[0], None, pointers, type_, mask, fill)
        return self._plain_load(place, access, mask)

    def _picked(self, access: Access, index: Index) -> str | None:
        """Lanes of one register in memory; None when they come from further apart."""
        window = self.window(access, index)
        if window is None:
            return None
        place, lanes = window
        whole = TileType.of(access.type.dims, access.element, place.stride)
        loaded = self.load(replace(place, stride=1), whole, access.hint)
        return self.pick(loaded, lanes, whole)

    def _plain_load(self, place: Place, access: Access, mask: str | int | None) -> str:
        if mask is None:
            loaded = self.load(place, access.type, access.hint)
            if access.ahead:
                self._prefetch(place, access)
            return loaded
        return self.load_where(place, access.type, mask, access.fill)

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

    def _prefetch(self, place: Place, access: Access) -> None:
        """Ask for what lies ahead of a register, once a cache line."""
        there = Place(
            place.pointer, place.constant + access.ahead, place.stride, place.base
        )
        bytes_ = place.constant * dtype_of(access.element).itemsize
        if bytes_ % CACHE_LINE == 0:
            self.prefetch(there, access.element)

    # stores

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

    # both

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

    def _moved(self, place: Place, offset: str, access: Access) -> Place:
        pointer = self.advance(place.pointer, [(offset, 1)], access.element)
        return Place(pointer, place.constant, place.stride, place.base)


def _zero(element: Attribute) -> Attribute:
    number: type[Any] = IntegerAttr if isinstance(element, IntegerType) else FloatAttr
    return number(0, element)
