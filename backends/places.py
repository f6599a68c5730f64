"""Where registers lie in memory: element offsets, and the pointers that reach them."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from math import prod
from typing import Any, cast

from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from ..dialects.kernel.access import LoadOp, StoreOp
from ..dialects.kernel.affine import (
    LANE,
    Counter,
    Linear,
    Term,
    flatten,
    linear,
    window_of,
)
from ..dialects.kernel.loops import LoopOp
from ..dialects.kernel.tiles import TileType
from ..dialects.types import buffer_type
from .leaves import Access, Index, Leaves, Place, Scope


class Places(Leaves, ABC):
    """
    Addresses of registers.

    What depends on loop counters is computed once, at the start of the innermost loop
    that it depends on.
    """

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

    def window(self, access: Access, index: Index) -> tuple[Place, list[int]] | None:
        """
        The aligned register in memory that holds all lanes of another, and their places
        in it; None when they lie further apart, or vary.
        """
        lanes = [self.at(access.flat, index, lane) for lane in range(access.width)]
        found = window_of(lanes)
        if found is None or prod(buffer_type(access.buffer).get_shape()) % found[0]:
            return None
        length, buffer = found[0], self.names[access.buffer]
        start = lanes[0].constant // length * length
        pointer = self.pointer(buffer, lanes[0].terms, access.element)
        return Place(pointer, start, length, buffer), [
            p.constant - start for p in lanes
        ]

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

    def _integer(self, value: Linear) -> str:
        scope = self.scopes[-1]
        key = ("integer", value.terms)
        if key not in scope.memo:
            saved, self.out = self.out, scope.head
            terms = [(self._term(t, scope), c) for t, c in value.terms]
            scope.memo[key] = self.integer(terms, 0)
            self.out = saved
        return scope.memo[key]


def _extent(counter: SSAValue) -> int:
    """The extent of the loop that `counter` counts."""
    assert isinstance(counter, BlockArgument)
    loop = counter.owner.parent_op()
    assert isinstance(loop, LoopOp)
    return loop.nest[counter.index][1]
