"""Operations on constants become constants: what several passes share."""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation

from ...dialects.const import ConstantOp
from ...dialects.nn.base import NNOp
from ...dialects.types import dtype_of, is_static, shape_of, value_dtype
from ...runtime.errors import CompileError
from ..interpreter import SHAPE_ONLY, constant_results
from ..locations import describe
from .rewrite import replace

EVERY_SIZE = 2**62

STORED = "stored"
"""The attribute of conversions of constants that are stored in another type on purpose."""


def is_foldable(op: Operation) -> bool:
    """Whether the results are known while compiling, and their shapes already are."""
    if not isinstance(op, NNOp) or not all(is_static(r.type) for r in op.results):
        return False
    if STORED in op.attributes:
        return False
    if op.name in SHAPE_ONLY:
        return all(is_static(o.type) for o in op.operands)
    return all(isinstance(o.owner, ConstantOp) for o in op.operands)


def result_bytes(op: Operation) -> int:
    """The size of all results. Their types are static."""
    return sum(
        prod(shape_of(value)) * value_dtype(value).itemsize for value in op.results
    )


def operand_bytes(op: Operation) -> int:
    """The size of all operands that are constants, each counted once."""
    owners = {o.owner for o in op.operands}
    return sum(o.array.nbytes for o in owners if isinstance(o, ConstantOp))


def fold(op: Operation) -> None:
    """
    Put constants in the place of a foldable operation.

    Raises:
        CompileError: the operation refuses its operands' values.
    """
    try:
        arrays = constant_results(op, EVERY_SIZE)
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        problem = f"its constant operands have no result ({error})"
        raise CompileError(f"{describe(op)}: {problem}") from error
    assert arrays is not None, "the operation is not foldable"
    constants: list[ConstantOp] = []
    for result, array in zip(op.results, arrays, strict=True):
        assert isinstance(result.type, TensorType)
        dtype = dtype_of(result.type.element_type)  # pyright: ignore
        constant = ConstantOp(array.astype(dtype, copy=False), result.type)  # pyright: ignore
        constant.output.name_hint = result.name_hint
        constants.append(constant)
    replace(op, constants, [c.output for c in constants])
