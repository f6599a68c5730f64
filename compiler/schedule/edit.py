"""Changes to the operations of a nest, in place: other indices, other reduced dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects.kernel.nest import IndexOp, ReadOp, ReduceOp, WriteOp
from ...dialects.kernel.operation import segments


def set_indices(op: ReadOp | WriteOp | IndexOp, indices: Sequence[SSAValue]) -> None:
    """Give an operation other index values; its maps are the caller's to change."""
    start = {ReadOp: 1, WriteOp: 2, IndexOp: 0}[type(op)]
    rest = op.operands[start + len(op.indices) :]
    op.operands = [*op.operands[:start], *indices, *rest]
    if isinstance(op, WriteOp):
        sizes = segments(1, 1, len(indices), len(rest))
        op.properties["operandSegmentSizes"] = sizes


def reduce_over(op: ReduceOp, dims: Sequence[SSAValue]) -> None:
    """Put a reduction over other dimensions in the place of `op`."""
    new = ReduceOp(op.kind.data, op.value, dims, op.init)
    new.result.name_hint = op.result.name_hint
    block = op.parent
    assert block is not None
    block.insert_op_before(new, op)
    op.result.replace_all_uses_with(new.result)
    block.erase_op(op)
