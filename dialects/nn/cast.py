"""The conversion between element types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from xdsl.irdl import irdl_op_definition, prop_def

from ..types import dtype_of, element_type
from .base import Array, NNOp
from .common import ANY, Unary, is_float

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdsl.ir import Attribute

    from ..kernel.build import Nest, Scalar


@irdl_op_definition
class CastOp(Unary):
    """
    `output = x` as another element type. ONNX Cast.

    Floats are cut towards zero and limited to the range of an integer type; NaN becomes
    0. Integers wrap around. Booleans are `x != 0`.
    """

    name = "nn.cast"
    ACCEPTS: ClassVar[Sequence[Attribute]] = ANY

    to = prop_def()

    def elements(self) -> Sequence[Attribute]:
        super().elements()
        return [self.to]

    def reference(self, x: Array) -> Array:
        declared, to = dtype_of(element_type(self.x)), dtype_of(self.to)
        if x.dtype != declared and is_float(x.dtype) and is_float(to):
            return x  # a network evaluated in more precision than it was declared in
        if is_float(x.dtype) and to.kind in "iu":
            return saturated(x, to)
        return x.astype(to)

    def scalar(self, n: Nest, x: Scalar) -> Scalar:
        return x.cast(dtype_of(self.to))


def saturated(values: Array, to: np.dtype[Any]) -> Array:
    """Floats as integers: cut towards zero, limited to the range of `to`, NaN as 0."""
    limits = np.iinfo(to)
    wide: Array = np.nan_to_num(np.trunc(values.astype(np.float64)), nan=0.0)
    inside = (wide > float(limits.min)) & (wide < float(limits.max))
    result: Array = np.where(inside, wide, 0.0).astype(to)
    result[wide >= float(limits.max)] = limits.max
    result[wide <= float(limits.min)] = limits.min
    return result


OPS: tuple[type[NNOp], ...] = (CastOp,)
