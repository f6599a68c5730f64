"""Functions of two elements that give booleans or work on bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from xdsl.irdl import irdl_op_definition, prop_def
from xdsl.utils.exceptions import VerifyException

from ..types import dtype_of
from .base import Array, NNOp, element_type, text
from .common import ANY, BOOL, INTEGERS, Binary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdsl.ir import Attribute

    from ..kernel.build import Nest, Scalar


class Logical(Binary):
    """A function of two booleans."""

    ACCEPTS: ClassVar[Sequence[Attribute]] = (BOOL,)


class Bitwise(Binary):
    """A function of the bits of two integers."""

    ACCEPTS: ClassVar[Sequence[Attribute]] = INTEGERS


class Comparison(Binary):
    """Two numbers, one boolean."""

    def elements(self) -> Sequence[Attribute]:
        super().elements()
        return [BOOL]


@irdl_op_definition
class AndOp(Logical):
    """`output = lhs and rhs`. ONNX And."""

    name = "nn.and"

    def compute(self, x: Array, y: Array) -> Any:
        return x & y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x & y


@irdl_op_definition
class OrOp(Logical):
    """`output = lhs or rhs`. ONNX Or."""

    name = "nn.or"

    def compute(self, x: Array, y: Array) -> Any:
        return x | y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x | y


@irdl_op_definition
class XorOp(Logical):
    """`output = (lhs is not rhs)`. ONNX Xor."""

    name = "nn.xor"

    def compute(self, x: Array, y: Array) -> Any:
        return x ^ y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x ^ y


@irdl_op_definition
class BitwiseAndOp(Bitwise):
    """`output = lhs & rhs`. ONNX BitwiseAnd."""

    name = "nn.bitwise_and"

    def compute(self, x: Array, y: Array) -> Any:
        return x & y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x & y


@irdl_op_definition
class BitwiseOrOp(Bitwise):
    """`output = lhs | rhs`. ONNX BitwiseOr."""

    name = "nn.bitwise_or"

    def compute(self, x: Array, y: Array) -> Any:
        return x | y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x | y


@irdl_op_definition
class BitwiseXorOp(Bitwise):
    """`output = lhs ^ rhs`. ONNX BitwiseXor."""

    name = "nn.bitwise_xor"

    def compute(self, x: Array, y: Array) -> Any:
        return x ^ y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x ^ y


@irdl_op_definition
class BitShiftOp(Bitwise):
    """
    `output = lhs << rhs` or, with `direction` "RIGHT", `lhs >> rhs`. ONNX BitShift.

    Shifting all bits out gives 0, or -1 when a negative number is shifted right.
    """

    name = "nn.bit_shift"
    ACCEPTS: ClassVar[Sequence[Attribute]] = INTEGERS

    direction = prop_def()

    def elements(self) -> Sequence[Attribute]:
        if text(self.direction) not in ("LEFT", "RIGHT"):
            raise VerifyException(
                f'direction is "{text(self.direction)}", expected "LEFT" or "RIGHT"'
            )
        return super().elements()

    def compute(self, x: Array, y: Array) -> Any:
        return x << y if text(self.direction) == "LEFT" else x >> y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        bits = dtype_of(element_type(self.lhs)).itemsize * 8
        by = n.minimum(y, bits - 1)
        if text(self.direction) == "LEFT":
            return n.where(y < bits, x << by, 0)
        return n.where(y < bits, x >> by, 0) if x.dtype.kind == "u" else x >> by


@irdl_op_definition
class EqualOp(Comparison):
    """`output = (lhs == rhs)`, booleans. ONNX Equal."""

    name = "nn.equal"
    ACCEPTS: ClassVar[Sequence[Attribute]] = ANY

    def compute(self, x: Array, y: Array) -> Any:
        return x == y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x.eq(y)


@irdl_op_definition
class LessOp(Comparison):
    """`output = (lhs < rhs)`, booleans. ONNX Less."""

    name = "nn.less"

    def compute(self, x: Array, y: Array) -> Any:
        return x < y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x < y


@irdl_op_definition
class LessOrEqualOp(Comparison):
    """`output = (lhs <= rhs)`, booleans. ONNX LessOrEqual."""

    name = "nn.less_or_equal"

    def compute(self, x: Array, y: Array) -> Any:
        return x <= y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x <= y


@irdl_op_definition
class GreaterOp(Comparison):
    """`output = (lhs > rhs)`, booleans. ONNX Greater."""

    name = "nn.greater"

    def compute(self, x: Array, y: Array) -> Any:
        return x > y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x > y


@irdl_op_definition
class GreaterOrEqualOp(Comparison):
    """`output = (lhs >= rhs)`, booleans. ONNX GreaterOrEqual."""

    name = "nn.greater_or_equal"

    def compute(self, x: Array, y: Array) -> Any:
        return x >= y

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        return x >= y


OPS: tuple[type[NNOp], ...] = (
    AndOp,
    OrOp,
    XorOp,
    BitwiseAndOp,
    BitwiseOrOp,
    BitwiseXorOp,
    BitShiftOp,
    EqualOp,
    LessOp,
    LessOrEqualOp,
    GreaterOp,
    GreaterOrEqualOp,
)
