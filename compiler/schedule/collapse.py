"""
collapse-dims: neighbouring dimensions that memory does not tell apart become one.

    x[(h * W + w) * 16 + c]  over (h = H, w = W)   ==>   x[p * 16 + c]  over (p = H * W)

Legal when every access moves along `h` exactly `W` times as far as along `w`, the body
does not compute with either position, and the same reductions remove both.
"""

from __future__ import annotations

from collections.abc import Hashable

from xdsl.dialects.builtin import AffineMapAttr
from xdsl.ir import BlockArgument, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from ...dialects.kernel.affine import Linear, linear
from ...dialects.kernel.nest import NestOp, ReadOp, ReduceOp, WriteOp
from ...dialects.types import integer_array
from .analysis import NestInfo
from .edit import reduce_over, set_indices


def collapse(nest: NestOp) -> NestInfo:
    """
    Collapse all pairs of dimensions that allow it, in place; facts of the result.

    Dimensions that the schedule names stay as they are.
    """
    info = NestInfo(nest)
    while pair := _collapsible(info):
        merge(nest, *pair)
        info = NestInfo(nest)
    return info


def _collapsible(info: NestInfo) -> tuple[BlockArgument, BlockArgument] | None:
    named = {loop.dim.data for loop in info.nest.schedule.loops}
    dims = [d for d in info.nest.dims if info.sizes[d] > 1 and d.name_hint not in named]
    for inner in reversed(dims):
        for outer in dims:
            if outer is not inner and _fits(info, outer, inner):
                return outer, inner
    return None


def _fits(info: NestInfo, outer: SSAValue, inner: SSAValue) -> bool:
    for access in info.accesses:
        flat = access.flat
        if flat.in_quotient(outer) or flat.in_quotient(inner):
            return False
        if flat.coefficient(outer) != flat.coefficient(inner) * info.sizes[inner]:
            return False
        if (outer in access.dims) != (inner in access.dims) and access.is_write:
            return False
        if access.dynamic:
            return False
    if info.uses_position(outer) or info.uses_position(inner):
        return False
    if any((outer in r.dims) != (inner in r.dims) for r in info.reduces):
        return False
    return outer in info.free and inner in info.free


def merge(nest: NestOp, outer: BlockArgument, inner: BlockArgument) -> None:
    """Make `inner` run over both: `outer` becomes its quotient, `inner` its remainder."""
    sizes = list(nest.extents)
    size = sizes[inner.index]
    sizes[inner.index] = size * sizes[outer.index]
    extents: dict[SSAValue, int] = dict(zip(nest.dims, sizes, strict=True))
    sizes.pop(outer.index)
    for op in nest.body.block.ops:
        if isinstance(op, ReadOp | WriteOp):
            _rewrite(op, outer, inner, size, extents)
        elif isinstance(op, ReduceOp) and outer in op.dims:
            reduce_over(op, [d for d in op.dims if d is not outer])
    nest.body.block.erase_arg(outer)
    nest.properties["sizes"] = integer_array(sizes)


def _rewrite(
    op: ReadOp | WriteOp,
    outer: BlockArgument,
    inner: BlockArgument,
    size: int,
    extents: dict[SSAValue, int],
) -> None:
    if outer not in op.indices and inner not in op.indices:
        return
    kept = [i for i in op.indices if i is not outer and i is not inner]
    indices: list[SSAValue] = [*kept, inner]
    joint = AffineExpr.dimension(len(kept))
    new: list[AffineExpr] = []
    for index in op.indices:
        if index is outer:
            new.append(joint // size)
        elif index is inner:
            new.append(joint % size)
        else:
            new.append(AffineExpr.dimension(kept.index(index)))
    values = [
        Linear.of(place, extents.get(index, 1 << 62))
        for place, index in enumerate(indices)
    ]
    for name in ("map", "guard"):
        old = op.properties.get(name)
        if isinstance(old, AffineMapAttr):
            results = tuple(
                linear(e.replace_dims_and_symbols(new, []), values)
                .joined()
                .expression(_dimension)
                for e in old.data.results
            )
            op.properties[name] = AffineMapAttr(AffineMap(len(indices), 0, results))
    set_indices(op, indices)


def _dimension(place: Hashable) -> AffineExpr:
    assert isinstance(place, int)
    return AffineExpr.dimension(place)
