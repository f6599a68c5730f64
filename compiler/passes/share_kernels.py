"""
Kernels that differ only in which part of a buffer they walk become one.

    plan.launch @f(%x, %t)   // writes %t[c]            plan.launch @f(%x, %a)
    plan.launch @g(%z, %t)   // writes %t[c + 8]  ==>   plan.launch @f(%z, %b)

where `%a` and `%b` are views of parts of `%t`: `%b = plan.view %t at …`. Where parts of a
concatenation are written in place, each would be a kernel of its own.

A buffer is *narrowed* along its outermost dimension to what its accesses reach there: one
piece of memory. Legal for weights and for buffers of the arena whose indices there are
known, when the piece begins where memory is aligned. Nests without an equal are left as
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias, TypeVar, cast

from xdsl.context import Context
from xdsl.dialects.builtin import AffineMapAttr, MemRefType, ModuleOp, SymbolRefAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.passes import ModulePass

from ...dialects.kernel.affine import Linear, linear
from ...dialects.kernel.nest import NestOp, ReadOp, WriteOp
from ...dialects.plan import BufferOp, LaunchOp, ViewOp, WeightOp
from ...dialects.types import buffer_type, dtype_of
from ..interpreter import main_function
from .plan_memory import ALIGNMENT, root_of

Item = TypeVar("Item")
Access: TypeAlias = ReadOp | WriteOp
Views: TypeAlias = "dict[tuple[SSAValue, int, Attribute], SSAValue]"


@dataclass(frozen=True)
class ShareKernelsPass(ModulePass):
    """Launch one kernel on views in the place of several on parts."""

    name = "share-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        launches: dict[str, list[LaunchOp]] = {}
        for launch in main_function(op).body.block.ops:
            if isinstance(launch, LaunchOp):
                launches.setdefault(launch.kernel_name, []).append(launch)
        nests = [
            Launched(o, launches[o.sym_name.data])
            for o in op.body.block.ops
            if isinstance(o, NestOp) and o.sym_name.data in launches
        ]
        views: Views = {}
        for alike in _groups(nests, lambda n: n.outline):
            narrowed = [Narrowed.of(nest) for nest in alike]
            for same in _groups(narrowed, lambda n: n.meaning):
                _share(same, views)


def _groups(items: Sequence[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    """Items of equal key, where there are several."""
    found: dict[Hashable, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return [group for group in found.values() if len(group) > 1]


@dataclass(frozen=True)
class Launched:
    """A nest and its launches."""

    nest: NestOp
    launches: Sequence[LaunchOp]

    @property
    def outline(self) -> Hashable:
        """Equal for nests that may be equal; little work."""
        kinds = tuple(map(type, self.nest.body.block.ops))
        return self.nest.extents, len(self.nest.buffers), kinds


@dataclass(frozen=True)
class Piece:
    """What a nest reaches of a buffer: `shape` from `first` on along `axis`."""

    axis: int
    first: int
    shape: tuple[int, ...]

    def moved(self, place: Sequence[Linear]) -> list[Linear]:
        """A place in the buffer as one in the piece."""
        return [i - self.first if n == self.axis else i for n, i in enumerate(place)]


@dataclass(frozen=True)
class Narrowed:
    """A nest whose buffers are pieces, one for each, and what it then computes."""

    source: Launched
    pieces: tuple[Piece, ...]
    meaning: Hashable
    """Equal for nests that are the same, on pieces."""

    @staticmethod
    def of(source: Launched) -> Narrowed:
        nest = source.nest
        numbers: dict[SSAValue, int] = {}
        for value in nest.body.block.args:
            numbers[value] = len(numbers)
        places: dict[Access, Sequence[Linear]] = {}
        rows: list[Any] = []
        for op in nest.body.block.ops:
            if isinstance(op, Access):
                indices = tuple(numbers[i] for i in op.indices)
                places[op] = _place(op.map.data, indices, nest.extents)
            operands = tuple(numbers[o] for o in op.operands)
            for result in op.results:
                numbers[result] = len(numbers)
            rows.append((operands, tuple(r.type for r in op.results), _facts(op)))
        pieces = tuple(_piece(source, n, places) for n in range(len(nest.buffers)))
        by_buffer: dict[SSAValue, Piece] = dict(zip(nest.buffers, pieces, strict=True))
        moved = tuple(tuple(by_buffer[o.buffer].moved(p)) for o, p in places.items())
        types = tuple(buffer_type(b).element_type for b in nest.buffers)
        shapes = tuple(piece.shape for piece in pieces)
        names = tuple(d.name_hint for d in nest.dims)
        more = names, nest.schedule, tuple(sorted(nest.attributes.items()))
        return Narrowed(source, pieces, (tuple(rows), moved, types, shapes, more))


@lru_cache(8192)
def _place(
    map_: AffineMap, indices: tuple[int, ...], extents: tuple[int, ...]
) -> tuple[Linear, ...]:
    """A place in numbered values; the first of them are dimensions of these extents."""
    sizes = dict(enumerate(extents))
    counters = [Linear.of(i, sizes.get(i, 1 << 62)) for i in indices]
    return tuple(linear(e, counters) for e in map_.results)


def _facts(op: Operation) -> Hashable:
    """What an operation is beside its operands, and the place it accesses."""
    known = sorted(op.properties.items(), key=lambda item: item[0])
    access = isinstance(op, Access)
    return type(op), *(item for item in known if not (access and item[0] == "map"))


def _piece(
    source: Launched, position: int, places: Mapping[Access, Sequence[Linear]]
) -> Piece:
    """What a nest reaches of a buffer, or all of it."""
    buffer = source.nest.buffers[position]
    type_ = buffer_type(buffer)
    shape = type_.get_shape()
    axis = next((n for n, size in enumerate(shape) if size > 1), 0)
    whole = Piece(axis, 0, shape)
    if not shape:
        return whole
    ends = [place[axis].interval for op, place in places.items() if op.buffer is buffer]
    roots = {type(root_of(op.buffers[position]).owner) for op in source.launches}
    if not ends or not roots <= {BufferOp, WeightOp}:
        return whole
    first, last = min(low for low, _ in ends), max(high for _, high in ends)
    step = prod(shape[axis + 1 :]) * dtype_of(type_.element_type).itemsize
    if first < 0 or last >= shape[axis] or first * step % ALIGNMENT:
        return whole
    return Piece(axis, first, (*shape[:axis], last - first + 1, *shape[axis + 1 :]))


def _share(same: Sequence[Narrowed], views: Views) -> None:
    """Launch the first of some nests in the place of all."""
    first, *others = same
    name = first.source.nest.sym_name.data
    types = [
        MemRefType(buffer_type(buffer).element_type, piece.shape)
        for buffer, piece in zip(first.source.nest.buffers, first.pieces, strict=True)
    ]
    for narrowed in same:
        for launch in narrowed.source.launches:
            launch.properties["kernel"] = SymbolRefAttr(name)
            launch.operands = [
                _view(views, buffer, piece, type_)
                for buffer, piece, type_ in zip(
                    launch.buffers, narrowed.pieces, types, strict=True
                )
            ]
    _narrow(first)
    for narrowed in others:
        narrowed.source.nest.detach()
        narrowed.source.nest.erase()


def _view(views: Views, buffer: SSAValue, piece: Piece, type_: Attribute) -> SSAValue:
    """The memory of a piece of `buffer`."""
    if buffer.type == type_:
        return buffer
    whole = buffer_type(buffer)
    step = prod(piece.shape[piece.axis + 1 :]) * dtype_of(whole.element_type).itemsize
    key = buffer, piece.first * step, type_
    if key not in views:
        view = ViewOp(buffer, type_, piece.first * step)
        view.result.name_hint = buffer.name_hint
        owner = buffer.owner
        assert isinstance(owner, Operation)
        assert owner.parent is not None
        owner.parent.insert_op_after(view, owner)
        views[key] = view.result
    return views[key]


def _narrow(narrowed: Narrowed) -> None:
    """Give a nest pieces for buffers, in place."""
    nest = narrowed.source.nest
    extents: dict[SSAValue, int] = dict(zip(nest.dims, nest.extents, strict=True))
    pieces: dict[SSAValue, Piece] = dict(
        zip(nest.buffers, narrowed.pieces, strict=True)
    )
    for op in nest.body.block.ops:
        if not isinstance(op, Access) or not pieces[op.buffer].first:
            continue
        piece, results = pieces[op.buffer], list(op.map.data.results)
        sizes = tuple(extents.get(index, 1 << 62) for index in op.indices)
        place = piece.moved(_place(op.map.data, tuple(range(len(sizes))), sizes))
        results[piece.axis] = place[piece.axis].expression(_dimension)
        op.properties["map"] = AffineMapAttr(AffineMap(len(sizes), 0, tuple(results)))
    for buffer, piece in zip(nest.buffers, narrowed.pieces, strict=True):
        element = buffer_type(buffer).element_type
        buffer._type = MemRefType(element, piece.shape)  # pyright: ignore[reportPrivateUsage]


def _dimension(place: Hashable) -> AffineExpr:
    return AffineExpr.dimension(cast("int", place))
