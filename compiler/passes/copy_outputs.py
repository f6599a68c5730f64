"""
Give every output of a network a buffer of its own.

    return %x, %a, %a  ==>  return identity(%x), %a, identity(%a)

A result that is an input, a constant or another result as well has no operation that
could write it; a copy does. `remove-identity` would undo this: it comes last.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, BlockArgument, SSAValue

from ...dialects.const import ConstantOp
from ...dialects.nn import IdentityOp
from .rewrite import FunctionPass


@dataclass(frozen=True)
class CopyOutputsPass(FunctionPass):
    """Copy results that are inputs, constants or returned twice."""

    name = "copy-outputs"

    def rewrite(self, body: Block) -> int:
        returned = body.last_op
        if not isinstance(returned, ReturnOp):
            return 0
        seen: set[SSAValue] = set()
        count = 0
        for index, value in enumerate(tuple(returned.operands)):
            if value in seen or _is_no_result(value):
                copy = IdentityOp.make(value)
                copy.output.name_hint = value.name_hint
                body.insert_op_before(copy, returned)
                returned.operands[index] = copy.output
                count += 1
            seen.add(value)
        return count


def _is_no_result(value: SSAValue) -> bool:
    return isinstance(value, BlockArgument) or isinstance(value.owner, ConstantOp)
