"""
Let elementwise operations run where the values they read are written.

    t = anchor(x); y = f(t, r)             ==>   y = fused(x, r) { f(anchor(x), r) }
    t = anchor(x); s = g(r); y = f(t, s)   ==>   y = fused(x, r) { f(anchor(x), g(r)) }

Legal when `f` is elementwise with the shape of `t`, and everything else it reads is known
before the anchor runs, or elementwise with that shape itself, read by `f` alone, and of
what is known before. `t` itself is still written when somebody else reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xdsl.ir import Block, Operation, SSAValue

from ...dialects.const import ConstantOp
from ...dialects.kernel.build import Tensor
from ...dialects.kernel.fuse import NotFusible, fused_nests
from ...dialects.kernel.nest import ReadOp, WriteOp
from ...dialects.nn.base import NNOp
from ...dialects.nn.fused import fuse
from ...dialects.nn.reshape import Reshaping
from ...dialects.types import shape_of
from ..locations import merge_sources
from .lower_kernels import structure
from .place_parts import placed_parts
from .rewrite import FunctionPass

LONGEST = 24
"""Operations of one kernel: longer chains are cut, so that code stays small."""


@dataclass(frozen=True)
class FuseEpiloguesPass(FunctionPass):
    """Fuse elementwise operations into the operation before them."""

    name = "fuse-epilogues"

    def rewrite(self, body: Block) -> int:
        order = {op: position for position, op in enumerate(body.ops)}
        taken: set[Operation] = set()
        groups: list[list[NNOp]] = []
        known: dict[Any, bool] = {}
        for op in list(body.ops):
            if isinstance(op, NNOp) and op not in taken and _can_anchor(op):
                group = _grow(op, order, taken)
                taken.update(group)
                if len(group) == 1:
                    continue
                key = structure(op, group), _escaping_places(group)
                if key not in known:
                    known[key] = _builds(group)
                if known[key]:
                    groups.append(group)
        for group in groups:
            fused = fuse(group, _escaping(group))
            merge_sources(fused, group)
        return len(groups)


def _can_anchor(op: NNOp) -> bool:
    return (
        len(op.results) == 1 and not isinstance(op, Reshaping) and not placed_parts(op)
    )


def _grow(
    anchor: NNOp, order: dict[Operation, int], taken: set[Operation]
) -> list[NNOp]:
    """The anchor and the elementwise operations that can follow it, in order."""
    group, shape = [anchor], shape_of(anchor.results[0])
    limit = order[anchor]
    inside = set(anchor.results)

    def known(value: SSAValue) -> bool:
        return value in inside or _known_before(value, limit, order)

    candidates = sorted(_readers(anchor), key=order.__getitem__)
    while candidates and len(group) < LONGEST:
        op = candidates.pop(0)
        if not isinstance(op, NNOp) or not op.ELEMENTWISE or op in taken or op in group:
            continue
        if len(op.results) != 1 or shape_of(op.results[0]) != shape:
            continue
        found = _beside(op, known, taken, LONGEST - len(group))
        if found is None:
            continue
        group += found
        inside.update(member.results[0] for member in found)
        candidates = sorted({*candidates, *_readers(op)}, key=order.__getitem__)
    return group


def _beside(
    op: NNOp,
    known: Callable[[SSAValue], bool],
    taken: set[Operation],
    room: int,
) -> list[NNOp] | None:
    """
    `op` behind the elementwise operations that only it reads and that can run beside it,
    in order; None: it reads what the anchor cannot know, or they are more than `room`.
    """
    if room < 1:
        return None
    found: list[NNOp] = []
    for value in dict.fromkeys(op.operands):
        if known(value):
            continue
        owner = value.owner
        if not isinstance(owner, NNOp) or not owner.ELEMENTWISE or owner in taken:
            return None
        if len(owner.results) != 1 or len(_readers(owner)) != 1:
            return None
        if shape_of(value) != shape_of(op.results[0]):
            return None
        before = _beside(owner, known, taken, room - len(found) - 1)
        if before is None:
            return None
        found += before
    return [*found, op] if len(found) < room else None


def _readers(op: Operation) -> list[Operation]:
    return list(dict.fromkeys(use.operation for r in op.results for use in r.uses))


def _known_before(value: SSAValue, limit: int, order: dict[Operation, int]) -> bool:
    owner = value.owner
    if not isinstance(owner, Operation) or isinstance(owner, ConstantOp):
        return True
    return order[owner] < limit


def _escaping(group: list[NNOp]) -> list[SSAValue]:
    members: set[Operation] = set(group)
    return [
        r
        for op in group
        for r in op.results
        if any(use.operation not in members for use in r.uses)
    ]


def _escaping_places(group: list[NNOp]) -> tuple[int, ...]:
    """Which members' results others read; members have one result each."""
    escaping = _escaping(group)
    return tuple(i for i, op in enumerate(group) if op.results[0] in escaping)


def _builds(group: list[NNOp]) -> bool:
    """Whether the group's loops can be written, and need no result as the anchor left it."""
    results = {r for op in group for r in op.results}
    try:
        built = fused_nests(group, _escaping(group), "probe")
    except NotFusible:
        return False
    for nest in built:
        ops = list(nest.op.body.block.ops)
        read = {op.buffer for op in ops if isinstance(op, ReadOp)}
        written = {op.buffer for op in ops if isinstance(op, WriteOp)}
        tensors: dict[SSAValue, Tensor] = dict(
            zip(nest.op.buffers, nest.tensors, strict=True)
        )
        if read & written or any(tensors[buffer] in results for buffer in read):
            return False
    return True
