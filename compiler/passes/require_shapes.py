"""
Refuse shapes that follow from numbers known at run time only.

    %y = nn.range(%start, %limit, %delta) : … -> tensor<*xf32>   ==>   an error

Everything after this pass has static types. It runs when constants are folded: what is
still unknown then depends on the values of an input.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from ...dialects.nn.base import NNOp, UnknownValue
from ...dialects.types import is_static
from ...runtime.errors import CompileError
from ..interpreter import input_names
from ..locations import describe
from .rewrite import FunctionPass


@dataclass(frozen=True)
class RequireShapesPass(FunctionPass):
    """Require that every shape is known."""

    name = "require-shapes"

    def rewrite(self, body: Block) -> int:
        for op in body.ops:
            if isinstance(op, NNOp) and not all(is_static(r.type) for r in op.results):
                raise shape_error(op)
        return 0


def shape_error(op: NNOp) -> CompileError:
    """What to tell about the first operation whose result shapes are unknown."""
    try:
        op.shapes()
        reason = "its shape is unknown"
    except UnknownValue as error:
        reason = str(error)
    return value_error(op, f"the shape of its result is unknown: {reason}")


def value_error(op: NNOp, reason: str) -> CompileError:
    """The error for an operation that needs numbers while compiling."""
    names = ", ".join(f'"{name}"' for name in sources(op))
    behind = f", it follows from the values of input {names}" if names else ""
    return CompileError(
        f"{describe(op)}: {reason}{behind}. Make it a constant of the model"
    )


def sources(op: Operation) -> list[str]:
    """The names of the inputs whose values reach `op` other than as first operand."""
    function = op.parent_op()
    assert isinstance(function, FuncOp)
    names = input_names(function)
    seen: set[SSAValue] = set()
    pending: list[SSAValue] = [*(op.operands[1:] or op.operands)]
    found: set[int] = set()
    while pending:
        value: SSAValue = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if isinstance(value, BlockArgument):
            found.add(value.index)
        else:
            assert isinstance(value.owner, Operation)
            pending += list(value.owner.operands)
    return [names[index] for index in sorted(found)]
