"""
Remove tensors without elements, which nothing can be computed on.

    %y = nn.relu(%x) : tensor<0x4xf32>    ==>   %y = const.constant [] : tensor<0x4xf32>
    nn.concat(%x, %empty)                 ==>   nn.concat(%x)
    %y, %empty = nn.split(%x)             ==>   %x

What still reads one then reads a constant, so `fold-constants` can evaluate it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.ir import Block, SSAValue

from ...dialects.const import ConstantOp
from ...dialects.nn import ConcatOp, SplitOp
from ...dialects.nn.base import NNOp, integer
from ...dialects.types import is_static, shape_of, value_dtype
from .rewrite import FunctionPass, replace


@dataclass(frozen=True)
class RemoveEmptyPass(FunctionPass):
    """Put constants in the place of tensors without elements."""

    name = "remove-empty"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if not isinstance(op, NNOp):
                continue
            for result in op.results:
                if is_empty(result) and result.first_use is not None:
                    empty = ConstantOp(np.zeros(shape_of(result), value_dtype(result)))
                    body.insert_op_after(empty, op)
                    result.replace_all_uses_with(empty.output)
                    count += 1
            if isinstance(op, ConcatOp):
                count += _drop_empty(op)
            elif isinstance(op, SplitOp):
                count += _drop_split(op)
        return count


def is_empty(value: SSAValue) -> bool:
    """Whether a tensor is known to have no elements."""
    return is_static(value.type) and 0 in shape_of(value)


def _drop_empty(op: ConcatOp) -> bool:
    kept = [operand for operand in op.operands if not is_empty(operand)]
    if not kept or len(kept) == len(op.operands):
        return False
    joined = ConcatOp.make(kept, axis=integer(op.axis))
    replace(op, [joined])
    return True


def _drop_split(op: SplitOp) -> bool:
    kept = [result for result in op.results if not is_empty(result)]
    if len(kept) != 1:
        return False
    for result in op.results:
        result.replace_all_uses_with(op.x)  # nobody uses the others any more
    body = op.parent
    assert body is not None
    body.erase_op(op)
    return True
