"""What several families of operations share: element-wise operations, grids, checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import Float16Type, Float32Type, IntegerType
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from ..types import DTYPES
from .base import Array, NNOp, broadcast_shapes, element_type, shape_of
from .numeric import NARROW, widened

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops, Nest, Scalar

BOOL = IntegerType(1)
INT64 = IntegerType(64)
FLOATS = tuple(e for e, d in DTYPES.items() if d.kind == "f" or d == ml_dtypes.bfloat16)
INTEGERS = tuple(e for e, d in DTYPES.items() if d.kind in "iu")
UNSIGNED_INTEGERS = tuple(e for e, d in DTYPES.items() if d.kind == "u")
NUMBERS = FLOATS + INTEGERS
ANY = (*NUMBERS, BOOL)
INDICES = (IntegerType(32), INT64)


def require(value: SSAValue, allowed: Sequence[Attribute], what: str) -> None:
    """Raise `VerifyException` when the element type of `value` is not an allowed one."""
    element = element_type(value)
    if element not in allowed:
        names = ", ".join(map(str, allowed))
        raise VerifyException(
            f"{what} has element type {element}, expected one of {names}"
        )


def require_same(values: Sequence[SSAValue]) -> None:
    """Raise `VerifyException` when the element types of `values` differ."""
    elements = list(dict.fromkeys(map(element_type, values)))
    if len(elements) > 1:
        names = " and ".join(map(str, elements))
        raise VerifyException(f"operands have element types {names}, expected the same")


def require_product(values: Sequence[SSAValue]) -> None:
    """
    Like `require_same`; but the second operand, the weights, may be stored as half where
    the first is in single precision.
    """
    left, right, *rest = values
    if (element_type(left), element_type(right)) == (Float32Type(), Float16Type()):
        require_same([left, *rest])
    else:
        require_same(values)


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether it is a floating-point type; numpy itself does not know bfloat16 as one."""
    return dtype.kind == "f" or dtype in NARROW


def as_ints(array: Array) -> list[int]:
    """The numbers of an integer array, in order."""
    return [int(v) for v in array.reshape(-1)]


def positions(count: int) -> Array:
    """`0, 1, ...` up to and without `count`."""
    return np.arange(count, dtype=np.int64)


def narrowed(result: Any, inputs: Sequence[Array | None]) -> Array:
    """A float32 result in the narrow type of the inputs, when one of them is narrow."""
    array = np.asarray(result)
    narrow = [i.dtype for i in inputs if i is not None and i.dtype in NARROW]
    return array.astype(narrow[0]) if narrow and array.dtype == np.float32 else array


def grid(k: Loops, shape: Sequence[int]) -> Nest:
    """A nest over all points of a tensor."""
    return k.nest({f"d{position}": size for position, size in enumerate(shape)})


def linear_index(indices: Sequence[Index], shape: Sequence[int]) -> Index:
    """The row-major position of `indices` in `shape`; `shape` has a dimension at least."""
    total = indices[0]
    for index, size in zip(indices[1:], shape[1:], strict=True):
        total = total * size + index
    return total


class Elementwise(NNOp):
    """`output[i] = f(operands[i broadcast])`."""

    ELEMENTWISE: ClassVar[bool] = True

    ACCEPTS: ClassVar[Sequence[Attribute]] = NUMBERS
    """Element types of operands."""

    output = result_def()

    def compute(self, *inputs: Any, **_: Any) -> Any:
        """The formula on whole arrays, in numpy. Narrow floats come as float32."""
        raise NotImplementedError(f"{self.name} has no reference")

    def scalar(self, n: Nest, *inputs: Any, **_: Any) -> Scalar:
        """The formula at one point, in a loop body."""
        raise NotImplementedError(f"{self.name} has no loops")

    def shapes(self) -> Sequence[tuple[int, ...]]:
        return [broadcast_shapes(*map(shape_of, self.operands))]

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        require(self.operands[0], self.ACCEPTS, "operand")
        return [element_type(self.operands[0])]

    def reference(self, *inputs: Any, **_: Any) -> Array:
        with np.errstate(all="ignore"):
            result = self.compute(*[i if i is None else widened(i) for i in inputs])
        return narrowed(result, inputs)

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        values = [n.read_broadcast(operand, n.indices) for operand in self.operands]
        n.write(self.scalar(n, *values), self.output, n.indices)


class Unary(Elementwise):
    """`output[i] = f(x[i])`."""

    x = operand_def()

    def compute(self, x: Array) -> Any:
        raise NotImplementedError(f"{self.name} has no reference")

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        raise NotImplementedError(f"{self.name} has no loops")


class Binary(Elementwise):
    """`output[i] = f(lhs[i], rhs[i])`, with numpy's broadcasting."""

    lhs = operand_def()
    rhs = operand_def()

    def compute(self, x: Array, y: Array) -> Any:
        raise NotImplementedError(f"{self.name} has no reference")

    def scalar(self, n: Nest, x: Scalar, y: Scalar) -> Scalar:
        raise NotImplementedError(f"{self.name} has no loops")
