"""
Bake preprocessing into a network, in front of its inputs.

    main(%x)  ==>  main(%raw) { %x = ((reverse(to_nchw(%raw)) + -mean) * (1 / scale)) }

Reverse comes first, then mean, then scale, as in the Model Optimizer. The new argument
has the type and layout in which the data arrives: `u8` and `nhwc` for camera frames.
What of it can go into the first layers is the business of `fold-preprocessing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.passes import ModulePass

from ...dialects import nn
from ...dialects.nn.program import Program
from ...dialects.types import (
    Array,
    dtype_of,
    element_of,
    element_type,
    is_static,
    shape_of,
    tensor,
)
from ...runtime.errors import CompileError
from ..conversion import Conversion, make_conversion
from ..interpreter import input_names, main_function
from ..locations import set_source
from .preparation import Preparation, preparations

ELEMENT_NAMES = {
    "u8": np.uint8,
    "i8": np.int8,
    "u16": np.uint16,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f16": np.float16,
    "f32": np.float32,
}


@dataclass(frozen=True)
class PreprocessPass(ModulePass):
    """Put mean, scale, channel order, layout and input type in front of the inputs."""

    name = "preprocess"

    mean_values: str = ""
    scale: float = 1.0
    scale_values: str = ""
    mean_file: str = ""
    reverse_input_channels: bool = False
    layout: str = ""
    input_type: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        texts = {
            name: getattr(self, name) or None
            for name in ("mean_values", "scale_values", "mean_file", "layout")
        }
        scale = None if self.scale == 1.0 else self.scale
        try:
            conversion = make_conversion(
                scale=scale,
                reverse_input_channels=self.reverse_input_channels,
                input_type=self.input_type or None,
                **texts,
            )
        except ValueError as problem:
            raise CompileError(str(problem)) from problem
        preprocess(op, conversion)


def preprocess(module: ModuleOp, conversion: Conversion) -> list[str]:
    """
    Change the inputs of `main`, whose shapes are static, in place.

    Returns:
        Sentences about what was asked for and could not apply.

    Raises:
        CompileError: an option does not fit an input. The message names both.
    """
    function = main_function(module)
    arguments = list(function.body.block.args)
    names = input_names(function)
    wanted, remarks = preparations(arguments, names, conversion)
    for argument, name in zip(arguments, names, strict=True):
        if (preparation := wanted.get(name)) is not None:
            _prepare(argument, name, preparation)
    function.update_function_type()
    return remarks


def _prepare(argument: BlockArgument, name: str, wanted: Preparation) -> None:
    """Retype one argument, and compute what it was from what it is."""
    first = argument.block.first_op
    assert first is not None
    model_type = argument.type
    assert is_static(model_type)
    element = element_type(argument)
    arriving = arriving_type(argument, wanted)
    uses = list(argument.uses)
    argument._type = arriving  # pyright: ignore[reportPrivateUsage]
    program = Program()
    value = _network_value(program, argument, element, wanted)
    for op in program.ops:
        set_source(op, name)
    argument.block.insert_ops_before(program.ops, first)
    for use in uses:
        use.operation.operands[use.index] = value


def arriving_type(argument: SSAValue, wanted: Preparation) -> TensorType[Attribute]:
    """The type of the data from outside."""
    shape: Sequence[int] = shape_of(argument)
    if wanted.permutation is not None:
        inverse = np.argsort(wanted.permutation)
        shape = [shape[int(i)] for i in inverse]
    if not wanted.element:
        return tensor(shape, element_type(argument))
    return tensor(shape, element_of(np.dtype(ELEMENT_NAMES[wanted.element])))


def _network_value(
    program: Program, raw: SSAValue, element: Attribute, wanted: Preparation
) -> SSAValue:
    """What the network sees for the data from outside."""
    value = raw
    if wanted.permutation is not None:
        value = program(nn.TransposeOp, value, perm=list(wanted.permutation))
    if element_type(value) != element:
        value = program(nn.CastOp, value, to=element)
    if wanted.reverse:
        value = reversed_along(program, value, wanted.axis)
    dtype = dtype_of(element)
    if wanted.mean is not None:
        mean = program.constant(-_along(wanted.mean, value, wanted.axis), dtype)
        value = program(nn.AddOp, value, mean)
    if wanted.scale is not None:
        factor = 1.0 / _along(wanted.scale, value, wanted.axis)
        value = program(nn.MulOp, value, program.constant(factor, dtype))
    return value


def reversed_along(program: Program, value: SSAValue, axis: int) -> SSAValue:
    """The same elements, in the opposite order along one axis."""
    size = shape_of(value)[axis]
    ends = [program.ints(n) for n in (-1, -size - 1, axis, -1)]
    return program(nn.SliceOp, value, *ends)


def _along(numbers: Array, value: SSAValue, axis: int) -> Array:
    """Numbers per channel in a shape that broadcasts along `axis`; others as they are."""
    if numbers.ndim > 1:
        return numbers
    shape = [1] * len(shape_of(value))
    shape[axis] = prod(numbers.shape)
    return numbers.reshape(shape)
