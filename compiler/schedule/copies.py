"""
Nests that only copy, and nests that reach beyond one by an index.

A copy `y[g(i)] = x[f(i)]` whose places `g(i)` are all of `y`, each once, has an inverse: the
place `p` of `y` holds `x[f(g⁻¹(p))]`. It is found by counting. Row-major, `g(i)` is a number
whose digits are the `i`; a dimension that memory keeps in blocks is two digits. So every
`i` is `p // stride % size`, and the index algebra simplifies what comes of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

from xdsl.dialects.builtin import (
    AffineMapAttr,
    IndexType,
    MemRefType,
)
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineExpr, AffineMap

from ...dialects.kernel.affine import Counter, Linear, Quotient, flatten, linear
from ...dialects.kernel.nest import IndexOp, NestOp, ReadOp, ReduceOp, WriteOp
from ...dialects.types import buffer_type, integer_array
from .edit import reduce_over, set_indices

Access = ReadOp | WriteOp


@dataclass(frozen=True)
class Digit:
    """A counter that moves a row-major place by `stride`."""

    counter: Counter
    stride: int


@dataclass(frozen=True)
class Copy:
    """A nest that writes what it reads, element by element."""

    nest: NestOp
    read: ReadOp
    write: WriteOp

    @staticmethod
    def of(nest: NestOp) -> Copy | None:
        """The copy that `nest` is, if it is one."""
        read, *rest = nest.body.block.ops
        if not isinstance(read, ReadOp) or len(rest) != 1 or read.guard is not None:
            return None
        (write,) = rest
        if not isinstance(write, WriteOp) or write.condition is not None:
            return None
        if write.value is not read.result or read.buffer is write.buffer:
            return None
        if not all(
            isinstance(i, BlockArgument) for i in (*read.indices, *write.indices)
        ):
            return None
        elements = {buffer_type(op.buffer).element_type for op in (read, write)}
        return Copy(nest, read, write) if len(elements) == 1 else None

    def inverse(self, whole: Access) -> Inverse | None:
        """
        Where the other side of this copy lies, by the place on the side `whole`; None when
        that side is not all of its buffer, each element once.
        """
        other = self.write if whole is self.read else self.read
        sizes = sizes_of(self.nest)
        shape = buffer_type(whole.buffer).get_shape()
        flat = flatten(place_of(whole, sizes), shape)
        place: list[Linear] = place_of(other, sizes)
        while (block := _first_block(flat)) is not None:
            key, divisor = block
            apart = _in_two(key, divisor)
            flat = flat.substitute(apart)
            place = [index.substitute(apart) for index in place]
        digits = _digits(flat)
        if digits is None or prod(d.counter.size for d in digits) != prod(shape):
            return None
        known = {d.counter.key for d in digits}
        if not all(index.counters <= known for index in place):
            return None  # it copies what lies elsewhere as well
        return Inverse(digits, place)


@dataclass(frozen=True)
class Inverse:
    """The place on one side of a copy, by the digits of the row-major place on the other."""

    digits: Sequence[Digit]
    place: Sequence[Linear]

    def at(self, flat: Linear) -> list[Linear]:
        """The place that belongs to the row-major place `flat`."""
        values = {d.counter.key: flat // d.stride % d.counter.size for d in self.digits}
        return [index.substitute(values).joined() for index in self.place]


def sizes_of(nest: NestOp) -> dict[SSAValue, int]:
    """The size of each dimension."""
    return dict(zip(nest.dims, nest.extents, strict=True))


def place_of(op: Access, sizes: Mapping[SSAValue, int]) -> list[Linear]:
    """The indices of an access in its nest's dimensions."""
    dims = [Linear.of(i, sizes[i]) for i in op.indices]
    return [linear(e, dims) for e in op.map.data.results]


def _first_block(flat: Linear) -> tuple[Counter, int] | None:
    """A counter in `flat` that is divided, and the smallest number that divides it."""
    found = [block for term, _ in flat.terms for block in _blocks(term)]
    return min(found, key=lambda block: block[1], default=None)


def _blocks(term: Counter | Quotient) -> list[tuple[Counter, int]]:
    """The counters that `term` divides exactly, with the divisors."""
    if isinstance(term, Counter):
        return []
    inner = [block for t, _ in term.value.terms for block in _blocks(t)]
    if len(term.value.terms) == 1 and not term.value.constant:
        ((counter, factor),) = term.value.terms
        whole = isinstance(counter, Counter) and counter.size % term.divisor == 0
        if whole and factor == 1:
            assert isinstance(counter, Counter)
            inner.append((counter, term.divisor))
    return inner


def _in_two(counter: Counter, divisor: int) -> dict[Hashable, Linear]:
    """A counter as one of blocks and one inside a block."""
    outer = Linear.of((counter.key, "outer"), counter.size // divisor)
    return {counter.key: outer * divisor + Linear.of((counter.key, "inner"), divisor)}


def _digits(flat: Linear) -> list[Digit] | None:
    """The digits of a place that counts from 0 without gaps."""
    digits: list[Digit] = []
    stride = 1
    for term, factor in sorted(flat.terms, key=lambda pair: pair[1]):
        if not isinstance(term, Counter) or factor != stride:
            return None
        digits.append(Digit(term, stride))
        stride *= term.size
    return None if flat.constant else digits


# nests with other places


def reach(
    nest: NestOp, position: int, inverse: Inverse, type_: MemRefType[Attribute]
) -> NestOp | None:
    """
    `nest` with the buffer behind a copy in the place of its buffer at `position`.

    Dimensions that the new places divide are split, but for blocks whose elements are
    neighbours in memory: registers and reductions walk these. None when the body uses a
    dimension, or the buffer, in another way.

    Args:
        type_: of the buffer behind the copy.
    """
    nest = nest.clone()
    buffer = nest.buffers[position]
    shape, sizes = buffer_type(buffer).get_shape(), sizes_of(nest)
    buffer._type = type_  # pyright: ignore[reportPrivateUsage]
    for op in accesses_of(nest, buffer):
        if not _is_movable(op):
            return None
        _put(op, inverse.at(flatten(place_of(op, sizes), shape)))
    while (block := _divided(nest, buffer)) is not None:
        if not split(nest, *block):
            return None
    return nest


def accesses_of(nest: NestOp, buffer: SSAValue) -> list[Access]:
    """The accesses of one buffer."""
    ops = nest.body.block.ops
    return [o for o in ops if isinstance(o, ReadOp | WriteOp) and o.buffer is buffer]


def _is_movable(op: Access) -> bool:
    guarded = isinstance(op, ReadOp) and op.guard is not None
    return not guarded and all(isinstance(i, BlockArgument) for i in op.indices)


def _divided(
    nest: NestOp, buffer: SSAValue
) -> tuple[BlockArgument[Attribute], int] | None:
    """A dimension to split for the accesses of `buffer`, and by what."""
    sizes = sizes_of(nest)
    for op in accesses_of(nest, buffer):
        flat = flatten(place_of(op, sizes), buffer_type(buffer).get_shape())
        parts = [(t, c) for t, c in flat.terms if isinstance(t, Quotient)]
        blocks = {t.value for t, c in parts if t.remainder and c == 1}
        others = tuple((t, c) for t, c in parts if t.value not in blocks)
        block = _first_block(Linear(others))
        if block is not None:
            counter, divisor = block
            return cast("BlockArgument[Attribute]", counter.key), divisor
    return None


def split(nest: NestOp, dim: BlockArgument, divisor: int) -> bool:
    """
    Make two dimensions of one, in place: blocks, and what is inside of a block.

    Returns:
        False if the body uses the dimension in a way that allows no other.
    """
    users = [use.operation for use in dim.uses]
    if not all(isinstance(u, ReadOp | WriteOp | IndexOp | ReduceOp) for u in users):
        return False
    sizes, at = list(nest.extents), dim.index
    names = {d.name_hint for d in nest.dims}
    outer, inner = (
        nest.body.block.insert_arg(IndexType(), at + 1 + n) for n in range(2)
    )
    outer.name_hint = _free(names, f"{dim.name_hint}_o")
    inner.name_hint = _free(names, f"{dim.name_hint}_i")
    counts = sizes[at] // divisor, divisor
    for op in list(dict.fromkeys(users)):
        if isinstance(op, ReduceOp):
            parts = [(outer, inner) if d is dim else (d,) for d in op.dims]
            reduce_over(op, [part for pair in parts for part in pair])
            continue
        assert isinstance(op, ReadOp | WriteOp | IndexOp)
        _respell(op, dim, outer, inner, divisor)
    nest.body.block.erase_arg(dim)
    sizes[at : at + 1] = counts
    nest.properties["sizes"] = integer_array(sizes)
    for op in nest.body.block.ops:
        if isinstance(op, ReadOp | WriteOp) and _is_movable(op):
            _put(op, place_of(op, sizes_of(nest)))
    return True


def _free(names: set[str | None], name: str) -> str:
    while name in names:
        name += "_"
    return name


def _respell(
    op: Access | IndexOp,
    dim: SSAValue,
    outer: SSAValue,
    inner: SSAValue,
    divisor: int,
) -> None:
    """`dim` in the maps of `op` becomes `outer * divisor + inner`."""
    indices = [i for i in op.indices if i is not dim] + [outer, inner]
    last = len(indices) - 1
    joined = AffineDimExpr(last - 1) * divisor + AffineDimExpr(last)
    new: list[AffineExpr] = [
        joined if i is dim else AffineDimExpr(indices.index(i)) for i in op.indices
    ]
    for name in ("map", "guard"):
        old = op.properties.get(name)
        if isinstance(old, AffineMapAttr):
            results = tuple(
                e.replace_dims_and_symbols(new, []) for e in old.data.results
            )
            op.properties[name] = AffineMapAttr(AffineMap(len(indices), 0, results))
    set_indices(op, indices)


def _put(op: Access, place: Sequence[Linear]) -> None:
    """Give an access without a guard another place."""
    used: dict[Hashable, int] = {}

    def spell(key: Hashable) -> AffineExpr:
        return AffineExpr.dimension(used.setdefault(key, len(used)))

    results = tuple(index.expression(spell) for index in place)
    op.properties["map"] = AffineMapAttr(AffineMap(len(used), 0, results))
    set_indices(op, [cast("SSAValue", key) for key in used])
