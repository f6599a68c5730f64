"""What the linear passes share: Mul and Add with a constant, seen alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import Float32Type, Float64Type
from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from ...dialects.nn.base import NNOp
from ...dialects.nn.common import FLOATS
from ...dialects.types import element_type, is_static, shape_of
from .algebra import Constants
from .reasons import KEPT, is_kept

LINEAR = (nn.MulOp, nn.AddOp)
HALF = "half floats would be rounded in other places"


class Obstacle(Exception):
    """The first condition that a rewrite fails, in words."""


@dataclass(frozen=True)
class Linear:
    """`op = x * constant` or `op = x + constant`."""

    op: NNOp
    side: int
    """Which operand is the constant."""

    @property
    def x(self) -> SSAValue:
        """The operand that is no constant, as it is now."""
        return self.op.operands[1 - self.side]

    @property
    def constant(self) -> SSAValue:
        """The constant operand."""
        return self.op.operands[self.side]

    @property
    def is_mul(self) -> bool:
        """Whether it multiplies; it adds otherwise."""
        return isinstance(self.op, nn.MulOp)

    @property
    def result(self) -> SSAValue:
        """The value it defines."""
        return self.op.results[0]

    @property
    def is_identity(self) -> bool:
        """Whether the numbers are known to change nothing (but the sign of a zero)."""
        array = constant_array(self.constant)
        return array is not None and bool((array == (1 if self.is_mul else 0)).all())

    @property
    def word(self) -> str:
        """For messages."""
        return "Mul" if self.is_mul else "Add"


def linear_of(op: object, constants: Constants) -> Linear | None:
    """The operation as one with a constant; None when it is something else."""
    if not isinstance(op, LINEAR):
        return None
    lhs, rhs = op.operands
    if (lhs in constants) == (rhs in constants):
        return None
    return Linear(op, 0 if lhs in constants else 1)


def check_linear(linear: Linear) -> None:
    """
    What every linear rewrite asks of Mul or Add.

    Raises:
        Obstacle: a condition does not hold.
    """
    check_plain(linear.op)
    if not is_static(linear.x.type) or not is_static(linear.constant.type):
        raise Obstacle("its shape is not known")
    if linear.result.type != linear.x.type:
        raise Obstacle("its constant broadcasts the value to another shape")


def check_plain(op: NNOp) -> None:
    """
    Whether an operation is float32 or float64 and may be touched.

    Raises:
        Obstacle: it is not.
    """
    if is_kept(op):
        raise Obstacle(KEPT)
    element = element_type(op.results[0])
    if not isinstance(element, Float32Type | Float64Type):
        raise Obstacle(HALF if element in FLOATS else f"its elements are {element}")


def channel_axis(linear: Linear) -> int | None:
    """
    The dimension of `x` along which the constant varies; None when it is one number.

    Raises:
        Obstacle: it varies along several.
    """
    shape, constant = shape_of(linear.x), shape_of(linear.constant)
    first = len(shape) - len(constant)
    axes = [first + i for i, size in enumerate(constant) if size != 1]
    if len(axes) > 1:
        raise Obstacle(
            "its constant is not per channel: it varies along dimensions "
            + ", ".join(map(str, axes))
        )
    return axes[0] if axes else None


def check_one_reader(value: SSAValue, what: str = "the value") -> None:
    """
    Whether a value is read once, and not by the user.

    Raises:
        Obstacle: it is a graph output or has another reader.
    """
    if any(isinstance(use.operation, ReturnOp) for use in value.uses):
        raise Obstacle(f"{what} is a graph output")
    if not value.has_one_use():
        raise Obstacle(f"{what} has another reader")


def is_positive(value: SSAValue) -> bool:
    """Whether a constant's numbers are known, and all are greater than zero."""
    array = constant_array(value)
    return array is not None and bool((array > 0).all() and np.isfinite(array).all())
