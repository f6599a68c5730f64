"""What a schedule generator wants to know about a nest: its accesses and their strides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from xdsl.dialects import arith
from xdsl.ir import BlockArgument, Operation, SSAValue

from ...dialects.kernel.affine import (
    LANE,
    Linear,
    Quotient,
    flatten,
    linear,
    window_of,
)
from ...dialects.kernel.nest import IndexOp, NestOp, ReadOp, ReduceOp, WriteOp
from ...dialects.types import buffer_type, dtype_of

OUTER, TILE = "outer", "tile"


@dataclass(frozen=True)
class Access:
    """One read or write: its element offset in the nest's dimensions."""

    op: ReadOp | WriteOp
    flat: Linear
    dynamic: bool
    dims: frozenset[SSAValue]

    @property
    def is_write(self) -> bool:
        return isinstance(self.op, WriteOp)

    @property
    def width(self) -> int:
        """Bytes of an element."""
        return dtype_of(buffer_type(self.op.buffer).element_type).itemsize

    @property
    def bytes(self) -> int:
        """Bytes of the whole buffer."""
        return prod(buffer_type(self.op.buffer).get_shape()) * self.width


def dims_of_values(nest: NestOp) -> dict[SSAValue, frozenset[SSAValue]]:
    """The dimensions that each value of a nest's body depends on."""
    dims: dict[SSAValue, frozenset[SSAValue]] = {d: frozenset([d]) for d in nest.dims}
    dims |= {b: frozenset() for b in nest.buffers}
    for op in nest.body.block.ops:
        union = frozenset[SSAValue]().union(*(dims[o] for o in op.operands))
        gone = set(op.dims) if isinstance(op, ReduceOp) else set[SSAValue]()
        dims |= dict.fromkeys(op.results, union - gone)
    return dims


class NestInfo:
    """Facts about one nest."""

    def __init__(self, nest: NestOp) -> None:
        self.nest = nest
        self.sizes: dict[SSAValue, int] = dict(
            zip(nest.dims, nest.extents, strict=True)
        )
        self.body = list(nest.body.block.ops)
        self.dims = dims_of_values(nest)
        self.reduces = [op for op in self.body if isinstance(op, ReduceOp)]
        self.writes = [op for op in self.body if isinstance(op, WriteOp)]
        self.accesses = [
            self._access(op) for op in self.body if isinstance(op, ReadOp | WriteOp)
        ]

    def _access(self, op: ReadOp | WriteOp) -> Access:
        values = [self.index(i) for i in op.indices]
        place = [linear(e, values) for e in op.map.data.results]
        flat = flatten(place, buffer_type(op.buffer).get_shape())
        dynamic = any(not isinstance(i, BlockArgument) for i in op.indices)
        dims = frozenset[SSAValue]().union(*(self.dims[o] for o in op.operands))
        return Access(op, flat, dynamic, dims)

    def index(self, value: SSAValue) -> Linear:
        """An index value of the body as a counter."""
        return Linear.of(value, self.sizes.get(value, 1 << 62))

    @cached_property
    def reduced(self) -> frozenset[SSAValue]:
        """Dimensions that some reduction removes."""
        return frozenset(d for r in self.reduces for d in r.dims)

    @cached_property
    def shared(self) -> list[SSAValue]:
        """Dimensions that every reduction and write has, in order: they can be parallel."""
        used = [
            frozenset[SSAValue]().union(*(self.dims[o] for o in root.operands))
            for root in [*self.reduces, *self.writes]
        ]
        common = used[0].intersection(*used) - self.reduced
        return [d for d in self.nest.dims if d in common and d in self.free]

    @cached_property
    def free(self) -> frozenset[SSAValue]:
        """
        Dimensions that may run in any order.

        Where a write depends on data, two points may write the same place: only
        dimensions that surely move the write may be reordered.
        """
        free = frozenset(self.nest.dims)
        read = {op.buffer for op in self.body if isinstance(op, ReadOp)}
        for access in self.accesses:
            op = access.op
            if not isinstance(op, WriteOp):
                continue
            if not access.dynamic and op.buffer not in read:
                continue
            data = [i for i in op.indices if not isinstance(i, BlockArgument)]
            moved = {d for d in self.nest.dims if access.flat.coefficient(d)}
            for index in data:
                moved -= self.dims[index]
            free &= frozenset(moved)
        return free

    @cached_property
    def contraction(self) -> tuple[ReduceOp, Access | None, Access | None] | None:
        """The sum of products that dominates the nest, with its two reads."""
        for reduce in self.reduces:
            factors = reduce.value.owner
            if reduce.kind.data != "add" or not isinstance(factors, arith.MulfOp):
                continue
            return reduce, *(self._source(o) for o in factors.operands)  # pyright: ignore
        return None

    @property
    def factors(self) -> tuple[Access | None, ...]:
        """The reads behind the factors of the contraction, if there is one."""
        return () if self.contraction is None else self.contraction[1:]

    def _source(self, value: SSAValue) -> Access | None:
        """The read behind a factor, through casts."""
        op = value.owner
        while isinstance(op, Operation) and not isinstance(op, ReadOp):
            if len(op.operands) != 1:
                return None
            op = op.operands[0].owner
        found = [a for a in self.accesses if a.op is op]
        return found[0] if found else None

    def lane_stride(self, access: Access, dim: SSAValue, lanes: int) -> int | None:
        """Elements between neighbours along `dim`; None when that varies."""
        size = self.sizes[dim]
        blocks = Linear.of(OUTER, -(-size // lanes)) * lanes
        here = access.flat.substitute({dim: blocks + Linear.of(LANE, min(lanes, size))})
        if here.in_quotient(LANE) or any(
            dim in self.dims[i]
            for i in access.op.indices
            if not isinstance(i, BlockArgument)
        ):
            return None
        return here.coefficient(LANE)

    def picks(
        self, access: Access, dim: SSAValue, lanes: int
    ) -> frozenset[SSAValue] | None:
        """
        Whether the lanes of a read are known places of one aligned register.

        Returns:
            The reduced dimensions that move them inside of it, and which must stand
            still for that; None when the places vary otherwise or lie further apart.
        """
        op, size = access.op, self.sizes[dim]
        if isinstance(op, WriteOp) or op.guard is not None or access.dynamic:
            return None
        block = Linear.of(OUTER, -(-size // lanes)) * lanes
        places = [access.flat.substitute({dim: block + lane}) for lane in range(lanes)]
        found = window_of(places, self.reduced)
        elements = prod(buffer_type(op.buffer).get_shape())
        if found is None or elements % found[0]:
            return None
        return frozenset(d for d in self.reduced if d in found[1])

    def is_regular(self, dim: SSAValue, step: int, lanes: int) -> bool:
        """Whether registers of a tile `step` long along `dim` lie at fixed distances."""
        size = self.sizes[dim]
        tiles = min(step, size)
        place = (
            Linear.of(OUTER, -(-size // step)) * step
            + Linear.of(TILE, -(-tiles // lanes)) * lanes
            + Linear.of(LANE, min(lanes, tiles))
        )
        for access in self.accesses:
            here = access.flat.substitute({dim: place})
            if here.in_quotient(TILE) and here.in_quotient(OUTER):
                return False
        return True

    def block_of(self, dim: SSAValue) -> int:
        """The block size in which some buffer keeps `dim`; 1 when none does."""
        blocks = [
            term.divisor
            for access in self.accesses
            for term, _ in access.flat.terms
            if isinstance(term, Quotient)
            and term.remainder
            and term.value == self.index(dim)
        ]
        return min(blocks, default=1)

    def uses_position(self, dim: SSAValue) -> bool:
        """Whether the body computes with the position along `dim`, or guards it."""
        for op in self.body:
            if isinstance(op, IndexOp) and dim in op.indices:
                return True
            if isinstance(op, ReadOp) and op.guard is not None:
                used = {
                    op.indices[d] for e in op.guard.data.results for d in e.used_dims()
                }
                if dim in used:
                    return True
        return False


def lanes_for(size: int, most: int) -> int:
    """The smallest power of two that holds `size` elements, at most `most`."""
    lanes = 1
    while lanes < size and lanes < most:
        lanes *= 2
    return lanes


def names(dims: Sequence[SSAValue]) -> list[str]:
    """The names of dimensions."""
    return [d.name_hint or "" for d in dims]
