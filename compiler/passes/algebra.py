"""
Algebra on constants: what passes write instead of computing with weights.

The operations become numbers when `fold-constants` runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.const import ConstantOp
from ...dialects.nn.base import NNOp
from ...dialects.types import shape_of, value_dtype


class Constants(set[SSAValue]):
    """Values that are constants or follow from constants alone."""

    @classmethod
    def of(cls, body: Block) -> Constants:
        """Those of a function."""
        constants = cls()
        constants.follow(body.ops)
        return constants

    def follow(self, ops: Iterable[Operation]) -> None:
        """Add the results of those operations that only read constants."""
        for op in ops:
            if isinstance(op, ConstantOp) or (
                isinstance(op, NNOp) and op.operands and self.issuperset(op.operands)
            ):
                self.update(op.results)


@dataclass
class Algebra:
    """Writes operations on constants, in order."""

    ops: list[Operation] = field(default_factory=list[Operation])

    def add(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs + rhs`, with broadcasting."""
        return self.write(nn.AddOp.make(lhs, rhs))

    def sub(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs - rhs`, with broadcasting."""
        return self.write(nn.SubOp.make(lhs, rhs))

    def mul(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs * rhs`, with broadcasting."""
        return self.write(nn.MulOp.make(lhs, rhs))

    def div(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs / rhs`, with broadcasting."""
        return self.write(nn.DivOp.make(lhs, rhs))

    def neg(self, value: SSAValue) -> SSAValue:
        """`-value`."""
        return self.write(nn.NegOp.make(value))

    def sqrt(self, value: SSAValue) -> SSAValue:
        """The square root of every element."""
        return self.write(nn.SqrtOp.make(value))

    def matmul(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """The product of matrices."""
        return self.write(nn.MatmulOp.make(lhs, rhs))

    def sum(self, value: SSAValue, axes: Sequence[int]) -> SSAValue:
        """The sum over some axes, which vanish."""
        over = self.ints(axes)
        return self.write(nn.ReduceSumOp.make(value, over, keepdims=0))

    def concat(self, values: Sequence[SSAValue], axis: int) -> SSAValue:
        """The values one behind the other."""
        return self.write(nn.ConcatOp.make(values, axis=axis))

    def slice(self, value: SSAValue, start: int, stop: int, axis: int = 0) -> SSAValue:
        """The part from `start` to `stop` along an axis."""
        bounds = [self.ints([number]) for number in (start, stop, axis)]
        return self.write(nn.SliceOp.make(value, *bounds))

    def reshape(self, value: SSAValue, shape: Sequence[int]) -> SSAValue:
        """The same elements in another shape."""
        if shape_of(value) == tuple(shape):
            return value
        return self.write(nn.ReshapeOp.make(value, self.ints(shape)))

    def transpose(self, value: SSAValue, perm: Sequence[int]) -> SSAValue:
        """The dimensions in another order."""
        return self.write(nn.TransposeOp.make(value, perm=perm))

    def expand(self, value: SSAValue, shape: Sequence[int]) -> SSAValue:
        """The value broadcast to a shape."""
        if shape_of(value) == tuple(shape):
            return value
        return self.write(nn.ExpandOp.make(value, self.ints(shape)))

    def number(self, value: float, like: SSAValue) -> SSAValue:
        """A scalar of the element type of `like`."""
        return self.write(ConstantOp(np.array(value, value_dtype(like))))

    def ints(self, numbers: Sequence[int]) -> SSAValue:
        """A list of whole numbers, such as a shape."""
        return self.write(ConstantOp(np.array(numbers, np.int64)))

    def write(self, op: Operation) -> SSAValue:
        """Add an operation; its first result."""
        self.ops.append(op)
        return op.results[0]


def hoist(block: Block, value: SSAValue) -> None:
    """Move the operations that a constant follows from to the start of their block."""
    ordered: dict[Operation, None] = {}
    _collect(value, ordered)
    for op in ordered:
        block.detach_op(op)
    first = block.first_op
    assert first is not None, "a block ends with a return"
    block.insert_ops_before(list(ordered), first)


def _collect(value: SSAValue, ordered: dict[Operation, None]) -> None:
    owner = value.owner
    if not isinstance(owner, Operation) or owner in ordered:
        return
    for operand in owner.operands:
        _collect(operand, ordered)
    ordered[owner] = None
