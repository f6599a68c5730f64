"""
Common subexpressions: the same computation is made once.

    %a = nn.relu(%x); %b = nn.relu(%x)  ==>  %a = nn.relu(%x), and %a for %b

Two operations are the same when their name, operands, properties, attributes and result
types are. One walk from the start: operands are already merged when an operation is
looked at. Constants are compared by content; their hash is computed only for constants
of equal type with equal first and last bytes, so that most weights are never read.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from xdsl.ir import Block, Operation

from ...dialects.const import ConstantOp
from .reasons import is_kept
from .rewrite import FunctionPass, is_pure, replace

PROBE = 64
"""Elements at each end of a constant that are compared before its hash is."""


@dataclass(frozen=True)
class CommonSubexpressionPass(FunctionPass):
    """Merge operations that compute the same."""

    name = "cse"

    def rewrite(self, body: Block) -> int:
        known: dict[Hashable, Operation] = {}
        constants = ConstantTable()
        count = 0
        for op in list(body.ops):
            if isinstance(op, ConstantOp):
                first = constants.first_equal(op)
            elif is_pure(op) and not is_kept(op):
                first = known.setdefault(_key(op), op)
            else:
                continue
            if first is not op:
                replace(op, [], first.results)
                count += 1
        return count


class ConstantTable:
    """The different constants seen so far."""

    def __init__(self) -> None:
        self._by_ends: dict[Hashable, ConstantOp] = {}
        self._by_hash: dict[Hashable, ConstantOp] = {}

    def first_equal(self, op: ConstantOp) -> ConstantOp:
        """The first constant that was asked for with the value and type of `op`."""
        flat = op.array.reshape(-1)
        type_ = op.output.type
        ends = (type_, flat[:PROBE].tobytes(), flat[-PROBE:].tobytes())
        first = self._by_ends.setdefault(ends, op)
        if first is op:
            return op
        self._by_hash.setdefault((type_, first.value.data.hash), first)
        return self._by_hash.setdefault((type_, op.value.data.hash), op)


def _key(op: Operation) -> Hashable:
    return (
        op.name,
        tuple(op.operands),
        frozenset(op.properties.items()),
        frozenset(op.attributes.items()),
        tuple(op.result_types),
    )
