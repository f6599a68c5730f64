"""Conversion between real numbers and small integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.dialects.builtin import IntegerType, Signedness
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from ..types import dtype_of, value_dtype
from .base import (
    Array,
    NNOp,
    element_type,
    integer,
    normalized_axis,
    shape_of,
    to_attribute,
)
from .common import FLOATS, INTEGERS, grid, narrowed, require, require_same
from .numeric import widened

if TYPE_CHECKING:
    from ..kernel.build import Loops, Nest, Scalar

Shape = tuple[int, ...]
UINT8 = IntegerType(8, Signedness.UNSIGNED)
SMALL = tuple(e for e in INTEGERS if dtype_of(e).itemsize <= 2)


class Quantization(NNOp):
    """
    One scale and zero point for all of `x` (shape `[]` or `[1]`), or one per position
    along `axis` (shape `[size]`). The zero point is 0 by default.
    """

    x = operand_def()
    scale = operand_def()
    zero_point = opt_operand_def()
    axis = prop_def(default_value=to_attribute(1))
    output = result_def()

    def shapes(self) -> Sequence[Shape]:
        shape, scale = shape_of(self.x), shape_of(self.scale)
        if self.zero_point is not None and shape_of(self.zero_point) != scale:
            raise VerifyException(
                f"scale {list(scale)} and zero point {list(shape_of(self.zero_point))}"
                " have different shapes"
            )
        if scale not in ((), (1,)):
            axis = normalized_axis(integer(self.axis), len(shape))
            if scale != shape[axis : axis + 1]:
                raise VerifyException(
                    f"scale {list(scale)} does not match dimension {axis} of {list(shape)}"
                )
        return [shape]

    def spread(self, parameter: Array, x: Array) -> Array:
        """A scale or zero point in a shape that broadcasts with `x`."""
        if parameter.size == 1:
            return parameter.reshape(())
        line = [1] * x.ndim
        line[integer(self.axis)] = parameter.size
        return parameter.reshape(line)

    def read(self, n: Nest, parameter: Any) -> Scalar:
        """A scale or zero point, in a loop body."""
        match shape_of(parameter):
            case ():
                return n.read(parameter, [])
            case (1,):
                return n.read(parameter, [0])
            case _:
                axis = normalized_axis(integer(self.axis), len(n.indices))
                return n.read(parameter, [n.indices[axis]])


@irdl_op_definition
class QuantizeLinearOp(Quantization):
    """
    `output = saturate(round(x / scale) + zero_point)`, halves to even. ONNX QuantizeLinear.

    `output` has the type of `zero_point`; 8 bits unsigned without one.
    """

    name = "nn.quantize_linear"

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        require_same([self.x, self.scale])
        if self.zero_point is None:
            return [UINT8]
        require(self.zero_point, SMALL, "zero point")
        return [element_type(self.zero_point)]

    def reference(
        self, x: Array, scale: Array, zero_point: Array | None = None
    ) -> Array:
        limits = np.iinfo(value_dtype(self.output))
        with np.errstate(all="ignore"):
            steps = np.rint(widened(x) / self.spread(widened(scale), x))
            if zero_point is not None:
                steps = steps + self.spread(zero_point, x).astype(steps.dtype)
        return np.clip(np.nan_to_num(steps), limits.min, limits.max).astype(
            limits.dtype
        )

    def loops(self, k: Loops) -> None:
        limits = np.iinfo(value_dtype(self.output))
        n = grid(k, shape_of(self.x))
        steps = (n.read(self.x, n.indices) / self.read(n, self.scale)).round()
        if self.zero_point is not None:
            steps = steps + self.read(n, self.zero_point).cast(steps.dtype)
        kept = n.minimum(n.maximum(steps, float(limits.min)), float(limits.max))
        n.write(kept, self.output, n.indices)


@irdl_op_definition
class DequantizeLinearOp(Quantization):
    """
    `output = (x - zero_point) * scale`. ONNX DequantizeLinear.

    `output` has the element type of `scale`.
    """

    name = "nn.dequantize_linear"

    def elements(self) -> Sequence[Attribute]:
        require(self.x, INTEGERS, "x")
        require(self.scale, FLOATS, "scale")
        if self.zero_point is not None:
            require_same([self.x, self.zero_point])
        return [element_type(self.scale)]

    def reference(
        self, x: Array, scale: Array, zero_point: Array | None = None
    ) -> Array:
        steps = x.astype(np.int64)
        if zero_point is not None:
            steps = steps - self.spread(zero_point, x).astype(np.int64)
        wide = self.spread(widened(scale), x)
        return narrowed(steps.astype(wide.dtype) * wide, [scale])

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.x))
        scale = self.read(n, self.scale)
        steps = n.read(self.x, n.indices).cast(np.int32)
        if self.zero_point is not None:
            steps = steps - self.read(n, self.zero_point).cast(np.int32)
        n.write(steps.cast(scale.dtype) * scale, self.output, n.indices)


OPS: tuple[type[NNOp], ...] = (QuantizeLinearOp, DequantizeLinearOp)
