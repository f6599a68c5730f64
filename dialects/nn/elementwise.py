"""
Functions of one element: what has parameters is in `activation`, the rest is here.

Narrow floats are computed in float32. NaN goes in, NaN comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from xdsl.irdl import irdl_op_definition, prop_def

from ..types import element_type
from .base import Array, NNOp, integer, to_attribute
from .common import ANY, BOOL, FLOATS, INTEGERS, UNSIGNED_INTEGERS, Unary
from .special import erf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdsl.ir import Attribute

    from ..kernel.build import Nest, Scalar


class Function(Unary):
    """A function that numpy and loop bodies know by the name of the operation."""

    ACCEPTS: ClassVar[Sequence[Attribute]] = FLOATS

    def compute(self, x: Array) -> Any:
        return getattr(np, self.name.removeprefix("nn."))(x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return getattr(x, self.name.removeprefix("nn."))()


@irdl_op_definition
class TanhOp(Function):
    """`output = tanh(x)`. ONNX Tanh."""

    name = "nn.tanh"


@irdl_op_definition
class ExpOp(Function):
    """`output = e ** x`. ONNX Exp."""

    name = "nn.exp"


@irdl_op_definition
class LogOp(Function):
    """`output = ln(x)`. ONNX Log."""

    name = "nn.log"


@irdl_op_definition
class SqrtOp(Function):
    """`output = sqrt(x)`. ONNX Sqrt."""

    name = "nn.sqrt"


@irdl_op_definition
class FloorOp(Function):
    """`output` is the largest whole number <= `x`. ONNX Floor."""

    name = "nn.floor"


@irdl_op_definition
class CeilOp(Function):
    """`output` is the smallest whole number >= `x`. ONNX Ceil."""

    name = "nn.ceil"


@irdl_op_definition
class RoundOp(Function):
    """`output` is the nearest whole number, the even one of two. ONNX Round."""

    name = "nn.round"


@irdl_op_definition
class SinOp(Function):
    """`output = sin(x)`. ONNX Sin."""

    name = "nn.sin"


@irdl_op_definition
class CosOp(Function):
    """`output = cos(x)`. ONNX Cos."""

    name = "nn.cos"


@irdl_op_definition
class TanOp(Function):
    """`output = tan(x)`. ONNX Tan."""

    name = "nn.tan"


@irdl_op_definition
class AsinOp(Function):
    """`output = asin(x)`. ONNX Asin."""

    name = "nn.asin"


@irdl_op_definition
class AcosOp(Function):
    """`output = acos(x)`. ONNX Acos."""

    name = "nn.acos"


@irdl_op_definition
class AtanOp(Function):
    """`output = atan(x)`. ONNX Atan."""

    name = "nn.atan"


@irdl_op_definition
class SinhOp(Function):
    """`output = sinh(x)`. ONNX Sinh."""

    name = "nn.sinh"


@irdl_op_definition
class CoshOp(Function):
    """`output = cosh(x)`. ONNX Cosh."""

    name = "nn.cosh"


@irdl_op_definition
class AsinhOp(Function):
    """`output = asinh(x)`. ONNX Asinh."""

    name = "nn.asinh"


@irdl_op_definition
class AcoshOp(Function):
    """`output = acosh(x)`. ONNX Acosh."""

    name = "nn.acosh"


@irdl_op_definition
class AtanhOp(Function):
    """`output = atanh(x)`. ONNX Atanh."""

    name = "nn.atanh"


@irdl_op_definition
class ErfOp(Function):
    """`output = 2 / sqrt(pi) * integral(e ** -t**2, t = 0 .. x)`. ONNX Erf."""

    name = "nn.erf"

    def compute(self, x: Array) -> Any:
        return erf(x)


@irdl_op_definition
class SigmoidOp(Function):
    """`output = 1 / (1 + e ** -x)`. ONNX Sigmoid."""

    name = "nn.sigmoid"

    def compute(self, x: Array) -> Any:
        return 1 / (1 + np.exp(-x))


@irdl_op_definition
class ReciprocalOp(Function):
    """`output = 1 / x`. ONNX Reciprocal."""

    name = "nn.reciprocal"

    def compute(self, x: Array) -> Any:
        return 1 / x

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return 1 / x


@irdl_op_definition
class ReluOp(Unary):
    """`output = max(x, 0)`. ONNX Relu."""

    name = "nn.relu"

    def compute(self, x: Array) -> Any:
        return np.maximum(x, 0)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return n.maximum(x, 0)


@irdl_op_definition
class AbsOp(Unary):
    """`output = |x|`; the smallest integer stays as it is. ONNX Abs."""

    name = "nn.abs"

    def compute(self, x: Array) -> Any:
        return np.abs(x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return x.abs()


@irdl_op_definition
class NegOp(Unary):
    """`output = -x`. ONNX Neg."""

    name = "nn.neg"

    def compute(self, x: Array) -> Any:
        return -x

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return -x


@irdl_op_definition
class SignOp(Unary):
    """`output` is -1, 0 or 1, as `x` is negative, zero or positive. ONNX Sign."""

    name = "nn.sign"

    def compute(self, x: Array) -> Any:
        return np.sign(x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        if element_type(self.x) in UNSIGNED_INTEGERS:
            return n.minimum(x, 1)
        return n.where(x > 0, 1, n.where(x < 0, -1, x))


@irdl_op_definition
class NotOp(Unary):
    """`output = not x`, on booleans. ONNX Not."""

    name = "nn.not"
    ACCEPTS: ClassVar[Sequence[Attribute]] = (BOOL,)

    def compute(self, x: Array) -> Any:
        return ~x

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return ~x


@irdl_op_definition
class BitwiseNotOp(Unary):
    """`output` has every bit of `x` inverted. ONNX BitwiseNot."""

    name = "nn.bitwise_not"
    ACCEPTS: ClassVar[Sequence[Attribute]] = INTEGERS

    def compute(self, x: Array) -> Any:
        return ~x

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return ~x


@irdl_op_definition
class IsNanOp(Unary):
    """`output = (x is not a number)`, booleans. ONNX IsNaN."""

    name = "nn.is_nan"
    ACCEPTS: ClassVar[Sequence[Attribute]] = FLOATS

    def elements(self) -> Sequence[Attribute]:
        super().elements()
        return [BOOL]

    def compute(self, x: Array) -> Any:
        return np.isnan(x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return x.ne(x)


@irdl_op_definition
class IsInfOp(Unary):
    """`output = (x is an infinity of a detected sign)`, booleans. ONNX IsInf."""

    name = "nn.is_inf"
    ACCEPTS: ClassVar[Sequence[Attribute]] = FLOATS

    detect_negative = prop_def(default_value=to_attribute(1))
    detect_positive = prop_def(default_value=to_attribute(1))

    def elements(self) -> Sequence[Attribute]:
        super().elements()
        return [BOOL]

    @property
    def bounds(self) -> tuple[float, float]:
        """What counts as infinite: values <= the first or >= the second, NaN for none."""
        low = -np.inf if integer(self.detect_negative) else np.nan
        high = np.inf if integer(self.detect_positive) else np.nan
        return low, high

    def compute(self, x: Array) -> Any:
        low, high = self.bounds
        return (x == low) | (x == high)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        low, high = self.bounds
        if np.isnan(low) and np.isnan(high):
            return x.eq(np.inf) & x.ne(np.inf)
        found = [x.eq(bound) for bound in (low, high) if not np.isnan(bound)]
        return found[0] if len(found) == 1 else found[0] | found[1]


@irdl_op_definition
class IdentityOp(Unary):
    """`output = x`. ONNX Identity."""

    name = "nn.identity"
    ACCEPTS: ClassVar[Sequence[Attribute]] = ANY

    def compute(self, x: Array) -> Any:
        return x

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return x


OPS: tuple[type[NNOp], ...] = (
    TanhOp,
    ExpOp,
    LogOp,
    SqrtOp,
    FloorOp,
    CeilOp,
    RoundOp,
    SinOp,
    CosOp,
    TanOp,
    AsinOp,
    AcosOp,
    AtanOp,
    SinhOp,
    CoshOp,
    AsinhOp,
    AcoshOp,
    AtanhOp,
    ErfOp,
    SigmoidOp,
    ReciprocalOp,
    ReluOp,
    AbsOp,
    NegOp,
    SignOp,
    NotOp,
    BitwiseNotOp,
    IsNanOp,
    IsInfOp,
    IdentityOp,
)
