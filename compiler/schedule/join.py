"""
join-lanes: a dimension that fills few lanes becomes one with the dimension around it.

    y[4 * g + o] = sum(x[4 * g + i] * w[4 * g + o, i])        over (g = 32, o = 4, i = 4)
        ==>  y[c] = sum(x[4 * (c floordiv 4) + i] * w[c, i])  over (c = 128, i = 4)

The lanes of `x` repeat then, but all lie in one register's memory: it is loaded whole, and
its lanes are picked. Legal where dimensions may collapse, except that reads may tell them
apart. Worth it when the short dimension fills less than a narrow register, and

- every write, and one factor of the sum, has neighbours in its lanes,
- the lanes of the other one are known places of one aligned register, for each position of
  the few reduced dimensions that lead along it (`i`): those are unrolled.
"""

from __future__ import annotations

from math import prod

from xdsl.ir import BlockArgument, SSAValue

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp
from .analysis import NestInfo
from .collapse import collapse, merge

STILL = 8
"""Positions of reduced dimensions that may be unrolled for the sake of picked lanes."""


def settle(nest: NestOp, target: Target) -> NestInfo:
    """Collapse and join the dimensions of `nest`, in place; facts of the result."""
    info = collapse(nest)
    if target.items > 1 or info.contraction is None:
        return info
    pair = _joinable(info, target)
    if pair is None:
        return info
    merge(nest, *pair)
    return NestInfo(nest)


def _joinable(
    info: NestInfo, target: Target
) -> tuple[BlockArgument, BlockArgument] | None:
    """The outer and the inner dimension to join."""
    named = {loop.dim.data for loop in info.nest.schedule.loops}
    dims = [
        d
        for d in info.nest.dims
        if d in info.shared and info.sizes[d] > 1 and d.name_hint not in named
    ]
    for inner in dims:
        size = info.sizes[inner]
        if size >= target.narrow or target.lanes % size:
            continue
        for outer in dims:
            if outer is inner or info.sizes[outer] * size < target.lanes:
                continue
            if info.uses_position(outer) or info.uses_position(inner):
                continue
            if _fits(info.nest, outer.index, inner.index, target.lanes):
                return outer, inner
    return None


def _fits(nest: NestOp, outer: int, inner: int, lanes: int) -> bool:
    """Whether the joint dimension has neighbours in its lanes, and picks one factor's."""
    copy = nest.clone()
    merge(copy, copy.dims[outer], copy.dims[inner])
    info, joint = NestInfo(copy), copy.dims[inner - (outer < inner)]
    assert info.contraction is not None
    factors = info.contraction[1:]
    odd = [a for a in info.accesses if info.lane_stride(a, joint, lanes) not in (0, 1)]
    if len(odd) != 1 or odd[0] not in factors or odd[0].is_write:
        return False
    still = info.picks(odd[0], joint, lanes)
    return still is not None and prod(info.sizes[d] for d in still) <= STILL


def picked_dims(
    info: NestInfo, dim: SSAValue | None, lanes: int
) -> frozenset[SSAValue] | None:
    """
    Reduced dimensions to unroll, so that registers along `dim` can be picked; None when
    there are none of that kind.
    """
    if dim is None:
        return None
    found = [
        still
        for access in info.accesses
        if info.lane_stride(access, dim, lanes) is None
        and (still := info.picks(access, dim, lanes)) is not None
    ]
    return frozenset[SSAValue]().union(*found) if found else None
