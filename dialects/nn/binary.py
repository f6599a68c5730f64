"""Functions of two or three elements, with numpy's broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import (
    Array,
    NNOp,
    broadcast_shapes,
    element_type,
    integer,
    shape_of,
    to_attribute,
)
from .common import (
    ANY,
    BOOL,
    FLOATS,
    NUMBERS,
    Binary,
    Elementwise,
    grid,
    is_float,
    require,
    require_same,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdsl.ir import Attribute

    from ..kernel.build import Loops, Nest, Scalar


@irdl_op_definition
class AddOp(Binary):
    """`output = lhs + rhs`. ONNX Add."""

    name = "nn.add"

    def compute(self, x: Array, y: Array) -> Any:
        return x + y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x + y


@irdl_op_definition
class SubOp(Binary):
    """`output = lhs - rhs`. ONNX Sub."""

    name = "nn.sub"

    def compute(self, x: Array, y: Array) -> Any:
        return x - y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x - y


@irdl_op_definition
class MulOp(Binary):
    """`output = lhs * rhs`. ONNX Mul."""

    name = "nn.mul"

    def compute(self, x: Array, y: Array) -> Any:
        return x * y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x * y


@irdl_op_definition
class DivOp(Binary):
    """`output = lhs / rhs`; integers are cut towards zero. ONNX Div."""

    name = "nn.div"

    def compute(self, x: Array, y: Array) -> Any:
        if is_float(x.dtype):
            return x / y
        quotient = x // y
        inexact = quotient * y != x
        return quotient + (inexact & ((x < 0) != (y < 0))).astype(x.dtype)

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x / y


@irdl_op_definition
class ModOp(Binary):
    """
    The remainder of `lhs / rhs`: with the sign of `rhs`, or of `lhs` when `fmod` is set.

    ONNX Mod. Of floats it is exact while the quotient has no more digits than they have.
    """

    name = "nn.mod"

    fmod = prop_def(default_value=to_attribute(0))

    def compute(self, x: Array, y: Array) -> Any:
        return np.fmod(x, y) if integer(self.fmod) else np.mod(x, y)

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        fmod = integer(self.fmod)
        if not is_float(x.dtype):
            return x.rem(y) if fmod else x % y
        rest = _remainder(n, x, y)
        if fmod:
            return rest
        return n.where(rest.ne(0) & ((rest < 0) ^ (y < 0)), rest + y, rest)


def _remainder(n: Nest, x: Scalar, y: Scalar) -> Scalar:
    """What is left of floats after the whole quotient, with the sign of `x`."""
    quotient = (x / y).trunc()
    rest = n.fma(-quotient, y, x)
    # The division may have rounded up to the next whole number.
    beyond = rest.ne(0) & ((rest < 0) ^ (x < 0))
    rest = n.where(beyond, rest + n.where(x < 0, -y.abs(), y.abs()), rest)
    return n.where((y.abs().eq(np.inf)) & (x.abs() < np.inf), x, rest)


@irdl_op_definition
class PowOp(Binary):
    """
    `output = lhs ** rhs`, in the type of `lhs`; the operands' types may differ. ONNX Pow.

    Integers are raised in float64 and cut towards zero.
    """

    name = "nn.pow"

    def elements(self) -> Sequence[Attribute]:
        require(self.lhs, NUMBERS, "base")
        require(self.rhs, NUMBERS, "exponent")
        return [element_type(self.lhs)]

    def compute(self, x: Array, y: Array) -> Any:
        if is_float(x.dtype):
            return np.power(x, y.astype(np.promote_types(x.dtype, np.float32)))
        return np.power(x.astype(np.float64), y.astype(np.float64)).astype(x.dtype)

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        if is_float(x.dtype):
            return n.pow(x, y.cast(x.dtype))
        return n.pow(x.cast(np.float64), y.cast(np.float64)).cast(x.dtype)


@irdl_op_definition
class MaximumOp(Binary):
    """`output = max(lhs, rhs)`; NaN if either is NaN. ONNX Max, two operands at a time."""

    name = "nn.maximum"

    def compute(self, x: Array, y: Array) -> Any:
        return np.maximum(x, y)

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return n.maximum(x, y)


@irdl_op_definition
class MinimumOp(Binary):
    """`output = min(lhs, rhs)`; NaN if either is NaN. ONNX Min, two operands at a time."""

    name = "nn.minimum"

    def compute(self, x: Array, y: Array) -> Any:
        return np.minimum(x, y)

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return n.minimum(x, y)


@irdl_op_definition
class PreluOp(Elementwise):
    """
    `output = x if x >= 0 else slope * x`. ONNX PRelu.

    `slope` broadcasts to the shape of `x`, which is the shape of `output`.
    """

    name = "nn.prelu"

    x = operand_def()
    slope = operand_def()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        shape, slope = shape_of(self.x), shape_of(self.slope)
        if broadcast_shapes(shape, slope) != shape:
            raise VerifyException(
                f"slope {list(slope)} does not broadcast to x {list(shape)}"
            )
        return [shape]

    def compute(self, x: Array, slope: Array) -> Any:
        return np.where(x < 0, x * slope, x)

    def scalar(self, n: Nest, x: Scalar, slope: Scalar) -> Scalar:
        return n.where(x < 0, x * slope, x)


@irdl_op_definition
class WhereOp(Elementwise):
    """`output = x if condition else y`. ONNX Where."""

    name = "nn.where"
    ACCEPTS: ClassVar[Sequence[Attribute]] = ANY

    condition = operand_def()
    x = operand_def()
    y = operand_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.condition, (BOOL,), "condition")
        require(self.x, ANY, "x")
        require_same([self.x, self.y])
        return [element_type(self.x)]

    def compute(self, condition: Array, x: Array, y: Array) -> Any:
        return np.where(condition, x, y)

    def scalar(self, n: Nest, condition: Scalar, x: Scalar, y: Scalar) -> Scalar:
        return n.where(condition, x, y)


@irdl_op_definition
class ClipOp(Elementwise):
    """
    `output = min(max(x, min), max)`. ONNX Clip.

    `min` and `max` are scalars; an absent one does not limit.
    """

    name = "nn.clip"

    x = operand_def()
    min = opt_operand_def()
    max = opt_operand_def()

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def shapes(self) -> Sequence[tuple[int, ...]]:
        for limit in self.operands[1:]:
            if shape_of(limit) not in ((), (1,)):
                raise VerifyException(
                    f"a limit has shape {list(shape_of(limit))}, expected a scalar"
                )
        return [shape_of(self.x)]

    def compute(
        self, x: Array, low: Array | None = None, high: Array | None = None
    ) -> Any:
        above = x if low is None else np.maximum(x, low.reshape(()))
        return above if high is None else np.minimum(above, high.reshape(()))

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        value = n.read(self.x, n.indices)
        # a NaN stays: these are one instruction each, a maximum of two values is three
        if self.min is not None:
            low = n.read(self.min, [0] * len(shape_of(self.min)))
            value = n.where(value < low, low, value)
        if self.max is not None:
            high = n.read(self.max, [0] * len(shape_of(self.max)))
            value = n.where(value > high, high, value)
        n.write(value, self.output, n.indices)


@irdl_op_definition
class ScaleShiftOp(Elementwise):
    """
    `output[n, c, ...] = x[n, c, ...] * scale[c] + shift[c]`

    | operand      | shape         |
    | ------------ | ------------- |
    | input        | `[N, C, ...]` |
    | scale, shift | `[C]`         |

    `output` has the type of `x`. Source: Caffe's Scale layer; folded batch norms.
    """

    name = "nn.scale_shift"
    ACCEPTS: ClassVar[Sequence[Attribute]] = FLOATS

    x = operand_def()
    scale = operand_def()
    shift = operand_def()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        shape = shape_of(self.x)
        for name, value in (("scale", self.scale), ("shift", self.shift)):
            if len(shape) < 2 or shape_of(value) != shape[1:2]:
                raise VerifyException(
                    f"{name} {list(shape_of(value))} does not match the channels of"
                    f" {list(shape)}"
                )
        return [shape]

    def compute(self, x: Array, scale: Array, shift: Array) -> Any:
        channels = (-1,) + (1,) * (x.ndim - 2)
        return x * scale.reshape(channels) + shift.reshape(channels)

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        channel = n.indices[1]
        value = n.read(self.x, n.indices) * n.read(self.scale, [channel])
        n.write(value + n.read(self.shift, [channel]), self.output, n.indices)

    def flops(self) -> int:
        return 2 * super().flops()


OPS: tuple[type[NNOp], ...] = (
    AddOp,
    SubOp,
    MulOp,
    DivOp,
    ModOp,
    PowOp,
    MaximumOp,
    MinimumOp,
    PreluOp,
    WhereOp,
    ClipOp,
    ScaleShiftOp,
)
