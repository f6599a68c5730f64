"""What the operations of a kernel have in common: they are made quickly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from xdsl.dialects.builtin import DenseArrayBase, i32
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.irdl import IRDLOperation


class KernelOp(IRDLOperation):
    """
    An operation whose constructor knows the order of its operands.

    IRDL's constructor sorts operands and properties by their definitions, and takes twice
    as long for that; a network's kernels are made of tens of thousands of operations.
    """

    def make(
        self,
        operands: Sequence[SSAValue],
        results: Sequence[Attribute] = (),
        properties: Mapping[str, Attribute | None] | None = None,
        regions: Sequence[Region] = (),
    ) -> None:
        """Set all that an operation has; properties that are None are absent."""
        given = (properties or {}).items()
        Operation.__init__(
            self,
            operands=operands,
            result_types=results,
            properties={name: value for name, value in given if value is not None},
            regions=regions,
        )


@cache
def segments(*sizes: int) -> DenseArrayBase:
    """How many operands belong to each definition: `operandSegmentSizes`."""
    return DenseArrayBase.from_list(i32, sizes)
