"""
Give a network another batch size.

    main(%x: tensor<1x3x8x8>)         ==>  main(%x: tensor<4x3x8x8>)
    reshape(%y: tensor<1x8>, [1, -1]) ==>  reshape(%y, [0, -1])

Exporters write the batch size into the targets of reshapes. Where a reshape keeps the
first size of its input, and that is the old batch size, the 0 keeps it whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import SSAValue

from ..dialects.const import ConstantOp, constant_array
from ..dialects.nn import ReshapeOp
from ..dialects.nn.base import NNOp, integer
from ..dialects.nn.symbols import dims_of, tensor_with_symbols
from ..dialects.types import element_type, is_static, shape_of
from ..runtime.errors import CompileError
from .interpreter import input_names, main_function, output_names
from .passes.infer_shapes import infer_types


def set_batch(module: ModuleOp, batch: int, fixed: Mapping[str, Sequence[int]]) -> None:
    """
    Make `batch` the first size of every input of `main` that has one, in place.

    Args:
        fixed: shapes that the user gave; they must agree.

    Raises:
        CompileError: they do not, or the network has its old batch size built in.
    """
    function = main_function(module)
    for name, shape in fixed.items():
        if shape and shape[0] != batch:
            raise CompileError(
                f"--batch {batch}: the shape given for input '{name}' begins with "
                f"{shape[0]}"
            )
    before = _batch_sizes(function)
    old = before.pop() if len(before) == 1 else None
    if old is not None and old != batch:
        _free_reshapes(function, old)
    outputs = _first_sizes(function)
    _retype(function, batch)
    if old is not None and old != batch:
        _check(function, outputs, old, batch)


def _batch_sizes(function: FuncOp) -> set[int]:
    """The static first sizes of all inputs."""
    types = [a.type for a in function.body.block.args]
    return {t.get_shape()[0] for t in types if is_static(t) and t.get_shape()}  # pyright: ignore


def _retype(function: FuncOp, batch: int) -> None:
    for argument, name in zip(
        function.body.block.args, input_names(function), strict=True
    ):
        type_ = argument.type
        if not isinstance(type_, TensorType):
            raise CompileError(
                f"--batch: the rank of input '{name}' is unknown; give its --input-shape"
            )
        dims = dims_of(type_)  # pyright: ignore
        if dims:
            new = tensor_with_symbols([batch, *dims[1:]], element_type(argument))
            argument._type = new  # pyright: ignore[reportPrivateUsage]
    function.update_function_type()


def _inferred(function: FuncOp) -> FuncOp:
    """A copy with inferred types; its operations are those of the original, in order."""
    copy = function.clone()
    for op in copy.body.block.ops:
        if isinstance(op, NNOp):
            infer_types(op)
    return copy


def _free_reshapes(function: FuncOp, old: int) -> None:
    """Let reshapes keep their first size where they name the old batch size."""
    ops, copies = list(function.body.block.ops), _inferred(function).body.block.ops
    for op, copy in zip(ops, copies, strict=True):
        if not isinstance(op, ReshapeOp) or integer(op.allowzero):
            continue
        target = constant_array(op.shape)
        x = copy.operands[0]
        if target is None or not target.size or constant_array(op.x) is not None:
            continue
        known = is_static(x.type) and shape_of(x)[:1] == (old,)
        if known and int(target[0]) == old:
            freed = ConstantOp(np.array([0, *target[1:]], np.int64))
            function.body.block.insert_op_before(freed, op)
            op.operands[1] = freed.output


def _returned(function: FuncOp) -> Sequence[SSAValue]:
    last = function.body.block.last_op
    assert isinstance(last, ReturnOp)
    return last.operands


def _first_sizes(function: FuncOp) -> list[int | None]:
    """The first size of every output, where it is known."""
    values = _returned(_inferred(function))
    return [
        shape_of(v)[0] if is_static(v.type) and shape_of(v) else None for v in values
    ]


def _check(
    function: FuncOp, before: Sequence[int | None], old: int, batch: int
) -> None:
    """Every output that had the old batch size must have the new one."""
    for name, first, now in zip(
        output_names(function), before, _first_sizes(function), strict=True
    ):
        if first == old and now is not None and now != batch:
            raise CompileError(
                f"--batch {batch}: the output '{name}' keeps the batch size {now}, which "
                f"the network has built in; export it for a batch of {batch}"
            )
