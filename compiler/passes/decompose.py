"""
Replace operations that have no loops of their own by simpler ones.

    gemm(a, b, c)  ==>  add(matmul(a, b), c)        and so on, as each class says

The equation of each decomposition stands in the operation's `decompose_results`.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Block, Operation, SSAValue

from ...dialects.nn.base import NNOp, UnknownValue
from .require_shapes import value_error
from .rewrite import FunctionPass, replace


@dataclass(frozen=True)
class DecomposePass(FunctionPass):
    """Rewrite until every operation has loops."""

    name = "decompose"

    def rewrite(self, body: Block) -> int:
        count = 0
        pending = list(body.ops)
        while pending:
            op = pending.pop()
            if not isinstance(op, NNOp):
                continue
            parts = _parts(op)
            if parts is None:
                continue
            new, values = parts
            for old, value in zip(op.results, values, strict=True):
                value.name_hint = value.name_hint or old.name_hint
            replace(op, new, values)
            pending += new
            count += 1
        return count


def _parts(op: NNOp) -> tuple[list[Operation], list[SSAValue]] | None:
    try:
        return op.decompose_results()
    except UnknownValue as error:
        raise value_error(op, str(error)) from error
