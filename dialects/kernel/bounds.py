"""
Bounds: every access of a kernel stays inside its buffer.

The intervals of an access's indices follow from the ranges of loops, tile dimensions and
lanes. Two kinds of accesses answer for themselves: a guarded or masked one is not done
outside, and a data-dependent one was clamped by its body.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.utils.exceptions import VerifyException

from .affine import LANE, Linear, linear

if TYPE_CHECKING:
    from .access import LoadOp, StoreOp
    from .loops import FuncOp
    from .nest import NestOp


def buffer_shape(type_: Attribute) -> tuple[int, ...]:
    """The extents of a buffer."""
    assert isinstance(type_, MemRefType)
    return type_.get_shape()


def check_nest(nest: NestOp) -> None:
    """Raise `VerifyException` when an access of `nest` may leave its buffer."""
    from .nest import ReadOp, WriteOp

    sizes = dict(zip(nest.dims, nest.extents, strict=True))
    for op in nest.body.block.ops:
        if not isinstance(op, ReadOp | WriteOp):
            continue
        if isinstance(op, ReadOp) and op.guard is not None:
            continue
        if isinstance(op, WriteOp) and op.condition is not None:
            continue
        dims = [
            Linear.of(i, sizes[i]) if isinstance(i, BlockArgument) else None
            for i in op.indices
        ]
        for result, size in zip(
            op.map.data.results, buffer_shape(op.buffer.type), strict=True
        ):
            used = [dims[position] for position in sorted(result.used_dims())]
            if any(d is None for d in used):
                continue
            place = linear(result, [d or Linear() for d in dims])
            _check(place.interval, size, op.buffer)


def check_func(func: FuncOp) -> None:
    """Raise `VerifyException` when an access of `func` may leave its buffer."""
    from .access import LoadOp, StoreOp
    from .loops import LoopOp

    extents: dict[SSAValue, int] = {}
    for op in func.walk():
        if isinstance(op, LoopOp):
            extents |= {counter: extent for counter, extent, _ in op.nest}
        elif isinstance(op, LoadOp | StoreOp) and op.mask is None and op.offset is None:
            _check_access(op, extents)


def _check_access(op: LoadOp | StoreOp, extents: dict[SSAValue, int]) -> None:
    from .access import LoadOp
    from .tiles import tile_type

    tile = tile_type(op.result if isinstance(op, LoadOp) else op.value)
    dims = [Linear.of(i, extents[i]) for i in op.indices]
    shape = buffer_shape(op.buffer.type)
    for symbols in _boxes(tile.dims, tile.width, op.valid_part):
        for result, size in zip(op.map.data.results, shape, strict=True):
            _check(linear(result, dims, symbols).interval, size, op.buffer)


def _boxes(
    registers: tuple[int, ...], width: int, valid: tuple[int, int] | None
) -> Iterator[list[Linear]]:
    """Tile dimensions and the lane: of all registers, or of whole ones and the last."""
    counters = [Linear.of(("t", dim), n) for dim, n in enumerate(registers)]
    dim, count = valid or (-1, width)
    if dim < 0:
        yield [*counters, Linear.of(LANE, min(count, width))]
        return
    whole, rest = divmod(count, width)
    before, after = counters[:dim], counters[dim + 1 :]
    if whole:
        yield [*before, Linear.of(("t", dim), whole), *after, Linear.of(LANE, width)]
    if rest:
        yield [*before, Linear((), whole), *after, Linear.of(LANE, rest)]


def _check(interval: tuple[int, int], size: int, buffer: SSAValue) -> None:
    low, high = interval
    if low < 0 or high >= size:
        name = buffer.name_hint or "a buffer"
        raise VerifyException(
            f"an index of %{name} reaches from {low} to {high}, outside [0, {size})"
        )
