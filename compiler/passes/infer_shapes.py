"""
Infer shapes: every result type follows from the operands, in program order.

    %n = nn.shape(%x)                    ==>  %n = const.constant [1, 3, 8, 8]
    %y = nn.reshape(%x, %n) : tensor<*>  ==>  ... : tensor<1x3x8x8>

Shape arithmetic is evaluated on the way: an operation on constants whose results are
small is replaced by them before the operations that need them are looked at. So one walk
is enough, however often shapes become numbers and numbers become shapes.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from ...dialects.nn.base import NNOp
from ...dialects.types import element_type, is_static, shape_of, tensor
from ...runtime.errors import CompileError
from ..locations import describe
from .fold import fold, is_foldable, result_bytes
from .rewrite import FunctionPass, erase_if_dead

SMALL = 65536
"""Bytes of results that are evaluated on the way; larger ones are not shapes."""


@dataclass(frozen=True)
class InferShapesPass(FunctionPass):
    """Infer result types and evaluate the arithmetic that they depend on."""

    name = "infer-shapes"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if not isinstance(op, NNOp):
                continue
            count += infer_types(op)
            if is_foldable(op) and result_bytes(op) <= SMALL:
                operands = dict.fromkeys(op.operands)
                fold(op)
                owners = (o.owner for o in operands)
                erase_if_dead(*(o for o in owners if isinstance(o, Operation)))
                count += 1
        function = body.parent_op()
        if isinstance(function, FuncOp):
            function.update_function_type()
        return count


def infer_types(op: NNOp) -> bool:
    """
    Give the results of `op` the types that its operands imply. Encodings stay.

    Returns:
        Whether a type changed.

    Raises:
        CompileError: the operands do not fit. The message names the layer.
    """
    try:
        inferred = op.infer()
    except VerifyException as error:
        raise CompileError(f"{describe(op)}: {error}") from error
    kept = [
        result.type if _same(result, type_) else type_
        for result, type_ in zip(op.results, inferred, strict=True)
    ]
    changed = kept != list(op.result_types)
    if changed:
        op.set_result_types(kept)
    return changed


def _same(result: SSAValue, inferred: Attribute) -> bool:
    """Whether a value has the inferred type, perhaps with an encoding."""
    if not is_static(result.type):
        return result.type == inferred
    return tensor(shape_of(result), element_type(result)) == inferred
