"""
Divide by the sum of a softmax behind the product that reads it.

    matmul(softmax(x), v)  ==>  mul(matmul(powers, v), factors)
                                with powers, factors = powers(x)

A softmax divides every share, of which there are as many as keys. The product behind it
has a column for every value of a head only, so that fewer numbers are multiplied, and
the shares are walked once less. Legal when

- the softmax is over its last dimension, which the product sums,
- nobody else reads the softmax, and it is no graph output,
- everything is of single precision: powers are at most 1, so that the product stays in
  range unless values are as large as the largest float is for so many keys.

Applied where the product has no more columns than there are keys. Results are kept to
rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Block

from ...dialects import nn
from ...dialects.nn.base import integer, normalized_axis
from ...dialects.types import element_type, is_static, shape_of
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, replace


@dataclass(frozen=True)
class DeferDivisionPass(FunctionPass):
    """Move the division of a softmax behind the product that reads it."""

    name = "defer-division"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if not isinstance(op, nn.MatmulOp):
                continue
            softmax = op.a.owner
            if not isinstance(softmax, nn.SoftmaxOp) or is_kept(op) or is_kept(softmax):
                continue
            if (reason := obstacle(op, softmax)) is not None:
                decline(op, self.name, reason, rewrite="division behind the product")
                continue
            defer(op, softmax)
            count += 1
        return count


def obstacle(op: nn.MatmulOp, softmax: nn.SoftmaxOp) -> str | None:
    """Why the division stays where it is."""
    if not all(is_static(v.type) for v in (op.a, op.b, op.output)):
        return "shapes are not known"
    if not softmax.output.has_one_use():
        return "the softmax has another reader"
    if not isinstance(element_type(op.output), Float32Type):
        return "it is not of single precision"
    shape, values = shape_of(softmax.output), shape_of(op.b)
    if len(shape) < 2 or len(values) < 2:
        return "an operand is a vector"
    axis = normalized_axis(integer(softmax.axis), len(shape))
    if axis != len(shape) - 1:
        return f"the softmax is over dimension {axis}, not over what the product sums"
    if values[-1] > shape[-1]:
        return f"{values[-1]} columns are more than {shape[-1]} keys"
    return None


def defer(op: nn.MatmulOp, softmax: nn.SoftmaxOp) -> None:
    """Put powers, product and multiplication in the place of softmax and product."""
    powers = nn.PowersOp.make(softmax.x)
    powers.location = softmax.location
    product = nn.MatmulOp.make(powers.powers, op.b)
    result = nn.MulOp.make(product.output, powers.factors)
    applied("defer-division", [softmax, op], result)
    replace(op, [powers, product, result])
    block = softmax.parent
    assert block is not None
    block.erase_op(softmax)
