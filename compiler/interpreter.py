"""
The meaning of a network, computed with numpy: every operation's `reference` in order.

This is the oracle that passes, lowerings and targets are tested against, and what
constant folding computes with. It is slow and never part of a compiled network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue

from ..dialects.const import ConstantOp
from ..dialects.nn.base import NNOp
from ..dialects.types import Array, is_static, shape_of, value_dtype
from ..runtime.errors import CompileError, InputError, UnsupportedOperation
from .locations import describe

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


def run_reference(
    module: ModuleOp,
    inputs: Mapping[str, Array],
    precision: DTypeLike | None = None,
) -> list[Array]:
    """
    The outputs of `main`, in order.

    Args:
        inputs: arrays by input name.
        precision: the float type everything is computed in, instead of each value's
            own: `np.float64` gives an oracle for float32 networks.
    """
    function = main_function(module)
    lift = _lifter(precision)
    values: dict[SSAValue, Array] = {}
    for argument, name in zip(
        function.body.block.args, input_names(function), strict=True
    ):
        if name not in inputs:
            raise InputError(f'input "{name}": no array is given')
        values[argument] = lift(np.asarray(inputs[name], value_dtype(argument)))
    return _run_block(function, values, lift)


def evaluate(op: Operation, operands: Sequence[Array | None]) -> tuple[Array, ...]:
    """
    The results of one operation for the arrays of its flat operand list.

    Arrays have the element types of `op`'s results, or a wider float type when the
    operands have one.

    Raises:
        UnsupportedOperation: `op` has no reference.
    """
    if isinstance(op, ConstantOp):
        return (op.array,)
    if not isinstance(op, NNOp):
        raise UnsupportedOperation(f"{describe(op)} cannot be evaluated")
    results = op.reference(*_grouped(op, operands))
    if not isinstance(results, tuple):
        results = (results,)
    return tuple(map(np.asarray, results))


def constant_results(op: Operation, limit: int) -> tuple[Array, ...] | None:
    """
    The results of `op` when they are known while compiling and have at most `limit`
    elements each; None otherwise. Operands are constants, or only their shapes count.
    """
    if not isinstance(op, NNOp) or not _is_small(op, limit):
        return None
    operands: list[Array] = []
    for operand in op.operands:
        if isinstance(operand.owner, ConstantOp):
            operands.append(operand.owner.array)
        elif op.name in SHAPE_ONLY and is_static(operand.type):
            hollow = np.zeros((), value_dtype(operand))
            operands.append(np.broadcast_to(hollow, shape_of(operand)))
        else:
            return None
    return evaluate(op, operands)


SHAPE_ONLY = frozenset({"nn.shape", "nn.size", "nn.eye_like"})
"""Operations that read their operand's shape and none of its elements."""


def main_function(module: ModuleOp) -> FuncOp:
    """The function `main`. Raises `CompileError` when the module has none."""
    for op in module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == "main":
            return op
    raise CompileError("the module has no function @main")


def input_names(function: FuncOp) -> tuple[str, ...]:
    """The user's names of the arguments; `arg0`, `arg1`, ... when none are recorded."""
    return _names(function, "input_names", "arg", len(function.function_type.inputs))


def output_names(function: FuncOp) -> tuple[str, ...]:
    """The user's names of the results; `out0`, `out1`, ... when none are recorded."""
    return _names(function, "output_names", "out", len(function.function_type.outputs))


def port_names(function: FuncOp) -> dict[str, Attribute]:
    """The names of arguments and results as attributes, those made up too."""
    names = {"input_names": input_names, "output_names": output_names}
    return {k: ArrayAttr(map(StringAttr, get(function))) for k, get in names.items()}


def _names(function: FuncOp, attribute: str, stem: str, count: int) -> tuple[str, ...]:
    recorded = function.attributes.get(attribute)
    if not isinstance(recorded, ArrayAttr):
        return tuple(f"{stem}{i}" for i in range(count))
    entries: list[Attribute] = list(recorded)  # pyright: ignore[reportUnknownArgumentType]
    return tuple(n.data for n in entries if isinstance(n, StringAttr))


def _run_block(
    function: FuncOp, values: dict[SSAValue, Array], lift: Any
) -> list[Array]:
    """Run to the return, forgetting every array after its last use."""
    block = function.body.block
    pending = Counter(o for op in block.ops for o in op.operands)
    for op in block.ops:
        operands = [values[o] for o in op.operands]
        if isinstance(op, ReturnOp):
            return operands
        results = evaluate(op, operands)
        for result, array in zip(op.results, results, strict=True):
            _check(op, result, array)
            if pending[result]:
                values[result] = lift(array)
        for operand in op.operands:
            pending[operand] -= 1
            if not pending[operand]:
                values.pop(operand, None)
    raise CompileError("function @main does not return")


def _lifter(precision: DTypeLike | None) -> Any:
    if precision is None:
        return lambda array: array  # pyright: ignore
    wide = np.dtype(precision)
    return lambda array: (  # pyright: ignore
        array.astype(wide) if array.dtype.name in FLOATS else array  # pyright: ignore
    )


def _grouped(op: NNOp, operands: Sequence[Array | None]) -> list[Any]:
    """The flat operand list by field: an array, None, or a list of arrays."""
    rest = iter(operands)
    groups: list[Any] = []
    for name, _ in op.get_irdl_definition().operands:
        match getattr(op, name):
            case None:
                groups.append(None)
            case SSAValue():
                groups.append(next(rest))
            case several:
                groups.append([next(rest) for _ in several])
    return groups


def _is_small(op: Operation, limit: int) -> bool:
    for result in op.results:
        if not is_static(result.type):
            return False
        if np.prod(shape_of(result), dtype=object) > limit:
            return False
    return True


def _check(op: Operation, result: SSAValue, array: Array) -> None:
    """The reference must keep what the types promise: a wrong oracle hides mistakes."""
    if is_static(result.type) and array.shape != shape_of(result):
        raise CompileError(
            f"{describe(op)}: the reference gives shape {list(array.shape)}, the type "
            f"says {list(shape_of(result))}"
        )
    expected = value_dtype(result)
    both_float = {array.dtype.name, expected.name} <= FLOATS
    if array.dtype != expected and not both_float:
        raise CompileError(
            f"{describe(op)}: the reference gives {array.dtype}, the type says {expected}"
        )
