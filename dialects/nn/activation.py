"""Activations: functions of one element with parameters, or made of several others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from xdsl.irdl import irdl_op_definition, prop_def
from xdsl.utils.exceptions import VerifyException

from ..types import element_type
from .base import Array, NNOp, number, text, to_attribute
from .common import FLOATS, NUMBERS, Unary
from .special import erf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdsl.ir import Attribute

    from ..kernel.build import Nest, Scalar


class Activation(Unary):
    """A function of floats."""

    ACCEPTS: ClassVar[Sequence[Attribute]] = FLOATS


@irdl_op_definition
class LeakyReluOp(Activation):
    """`output = x if x >= 0 else alpha * x`. ONNX LeakyRelu."""

    name = "nn.leaky_relu"

    alpha = prop_def(default_value=to_attribute(0.01))

    def compute(self, x: Array) -> Any:
        return np.where(x < 0, number(self.alpha) * x, x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return n.where(x < 0, x * number(self.alpha), x)


@irdl_op_definition
class EluOp(Activation):
    """`output = x if x >= 0 else alpha * (e ** x - 1)`. ONNX Elu."""

    name = "nn.elu"

    alpha = prop_def(default_value=to_attribute(1.0))

    def compute(self, x: Array) -> Any:
        return np.where(x < 0, number(self.alpha) * np.expm1(x), x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return n.where(x < 0, (x.exp() - 1) * number(self.alpha), x)


@irdl_op_definition
class SeluOp(Activation):
    """`output = gamma * (x if x > 0 else alpha * (e ** x - 1))`. ONNX Selu."""

    name = "nn.selu"

    alpha = prop_def(default_value=to_attribute(1.6732632423543772))
    gamma = prop_def(default_value=to_attribute(1.0507009873554805))

    def compute(self, x: Array) -> Any:
        below = number(self.alpha) * np.expm1(x)
        return number(self.gamma) * np.where(x <= 0, below, x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        below = (x.exp() - 1) * number(self.alpha)
        return n.where(x <= 0, below, x) * number(self.gamma)


@irdl_op_definition
class CeluOp(Activation):
    """`output = x if x >= 0 else alpha * (e ** (x / alpha) - 1)`. ONNX Celu."""

    name = "nn.celu"

    alpha = prop_def(default_value=to_attribute(1.0))

    def compute(self, x: Array) -> Any:
        alpha = number(self.alpha)
        return np.where(x < 0, alpha * np.expm1(x / alpha), x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        alpha = number(self.alpha)
        return n.where(x < 0, ((x / alpha).exp() - 1) * alpha, x)


@irdl_op_definition
class ThresholdedReluOp(Activation):
    """`output = x if x > alpha else 0`. ONNX ThresholdedRelu."""

    name = "nn.thresholded_relu"

    alpha = prop_def(default_value=to_attribute(1.0))

    def compute(self, x: Array) -> Any:
        return np.where(x > number(self.alpha), x, np.zeros_like(x))

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return n.where(x > number(self.alpha), x, 0)


@irdl_op_definition
class HardSigmoidOp(Activation):
    """`output = max(0, min(1, alpha * x + beta))`. ONNX HardSigmoid."""

    name = "nn.hard_sigmoid"

    alpha = prop_def(default_value=to_attribute(0.2))
    beta = prop_def(default_value=to_attribute(0.5))

    def compute(self, x: Array) -> Any:
        line = number(self.alpha) * x + number(self.beta)
        return np.maximum(np.minimum(line, 1), 0)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        line = x * number(self.alpha) + number(self.beta)
        return n.maximum(n.minimum(line, 1), 0)


@irdl_op_definition
class HardSwishOp(Activation):
    """`output = x * max(0, min(1, x / 6 + 1 / 2))`. ONNX HardSwish."""

    name = "nn.hard_swish"

    def compute(self, x: Array) -> Any:
        return x * np.maximum(np.minimum(x * (1 / 6) + 0.5, 1), 0)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return x * n.maximum(n.minimum(x * (1 / 6) + 0.5, 1), 0)


@irdl_op_definition
class SoftplusOp(Activation):
    """`output = ln(1 + e ** x)`. ONNX Softplus."""

    name = "nn.softplus"

    def compute(self, x: Array) -> Any:
        return softplus(x)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return _softplus(n, x)


@irdl_op_definition
class SoftsignOp(Activation):
    """`output = x / (1 + |x|)`. ONNX Softsign."""

    name = "nn.softsign"

    def compute(self, x: Array) -> Any:
        return x / (1 + np.abs(x))

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return x / (x.abs() + 1)


@irdl_op_definition
class MishOp(Activation):
    """`output = x * tanh(ln(1 + e ** x))`. ONNX Mish."""

    name = "nn.mish"

    def compute(self, x: Array) -> Any:
        return x * np.tanh(softplus(x))

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return x * _softplus(n, x).tanh()


@irdl_op_definition
class GeluOp(Activation):
    """
    `output = x * (1 + erf(x / sqrt(2))) / 2`, or with `approximate` "tanh"
    `output = x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2`.

    ONNX Gelu.
    """

    name = "nn.gelu"

    approximate = prop_def(default_value=to_attribute("none"))

    def elements(self) -> Sequence[Attribute]:
        if text(self.approximate) not in ("none", "tanh"):
            raise VerifyException(
                f'approximate is "{text(self.approximate)}", expected "none" or "tanh"'
            )
        return super().elements()

    def compute(self, x: Array) -> Any:
        if text(self.approximate) == "none":
            return 0.5 * x * (1 + erf(x * 0.5**0.5))
        inner = (2 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1 + np.tanh(inner))

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        if text(self.approximate) == "none":
            return x * 0.5 * ((x * 0.5**0.5).erf() + 1)
        inner = (x + x * x * x * 0.044715) * (2 / np.pi) ** 0.5
        return x * 0.5 * (inner.tanh() + 1)


@irdl_op_definition
class SwishOp(Activation):
    """`output = x / (1 + e ** (-alpha * x))`. ONNX Swish; SiLU."""

    name = "nn.swish"

    alpha = prop_def(default_value=to_attribute(1.0))

    def compute(self, x: Array) -> Any:
        return x * (1 / (1 + np.exp(-number(self.alpha) * x)))

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        alpha = number(self.alpha)
        return x * (x if alpha == 1 else x * alpha).sigmoid()


@irdl_op_definition
class ShrinkOp(Activation):
    """
    `output = x + bias` below `-lambd`, `x - bias` above `lambd`, else 0.

    ONNX Shrink.
    """

    name = "nn.shrink"
    ACCEPTS: ClassVar[Sequence[Attribute]] = NUMBERS

    bias = prop_def(default_value=to_attribute(0.0))
    lambd = prop_def(default_value=to_attribute(0.5))

    def compute(self, x: Array) -> Any:
        bias, lambd = number(self.bias), number(self.lambd)
        below = np.where(x < -lambd, x + bias, 0)
        return np.where(x > lambd, x - bias, below).astype(x.dtype)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        bias, lambd = number(self.bias), number(self.lambd)
        wide = x.cast(np.float32) if element_type(self.x) not in FLOATS else x
        below = n.where(wide < -lambd, wide + bias, 0)
        return n.where(wide > lambd, wide - bias, below)


def softplus(x: Array) -> Any:
    """`ln(1 + e ** x)` without overflow."""
    return np.logaddexp(x, np.zeros_like(x))


def _softplus(n: Nest, x: Scalar) -> Scalar:
    return n.maximum(x, 0) + ((-x.abs()).exp() + 1).log()


OPS: tuple[type[NNOp], ...] = (
    LeakyReluOp,
    EluOp,
    SeluOp,
    CeluOp,
    ThresholdedReluOp,
    HardSigmoidOp,
    HardSwishOp,
    SoftplusOp,
    SoftsignOp,
    MishOp,
    GeluOp,
    SwishOp,
    ShrinkOp,
)
