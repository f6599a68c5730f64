"""
Multiply the other way round where less is transposed.

    matmul(a, transpose(b))  ==>  transpose(matmul(b, transpose(a)))

`A B^T = (B A^T)^T`. Attention over the pixels of an image is often written as values by
transposed shares: there is one share for every pair of pixels, and only a few values for
each pixel. Legal when the transpose swaps the last two dimensions and nobody else reads
it. Applied where `b` has more elements than `a` and the result together. Results are kept
to the bit: every element is the same sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.ir import Block

from ...dialects import nn
from ...dialects.types import is_static, shape_of
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, replace


@dataclass(frozen=True)
class TurnProductsPass(FunctionPass):
    """Transpose one factor and the result of a product in the place of a larger factor."""

    name = "turn-products"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if not isinstance(op, nn.MatmulOp) or is_kept(op):
                continue
            turned = op.b.owner
            if not isinstance(turned, nn.TransposeOp) or is_kept(turned):
                continue
            if not gains(op, turned):
                continue
            if not turned.output.has_one_use():
                reason = "the transpose has another reader"
                decline(op, self.name, reason, rewrite="product turned round")
                continue
            turn(op, turned)
            count += 1
        return count


def gains(op: nn.MatmulOp, turned: nn.TransposeOp) -> bool:
    """Whether matrices are transposed that are larger than the others together."""
    if not all(is_static(v.type) for v in (op.a, op.b, op.output)):
        return False
    a, b, result = (shape_of(v) for v in (op.a, op.b, op.output))
    if min(len(a), len(b)) < 2:
        return False
    if turned.permutation(len(b)) != last_two_swapped(len(b)):
        return False
    return prod(b) > prod(a) + prod(result)


def last_two_swapped(rank: int) -> tuple[int, ...]:
    """The permutation of a transposed matrix, or of many."""
    return (*range(rank - 2), rank - 1, rank - 2)


def turn(op: nn.MatmulOp, turned: nn.TransposeOp) -> None:
    """Put transpose, product and transpose in the place of transpose and product."""
    rank = len(shape_of(op.a))
    factor = nn.TransposeOp.make(op.a, perm=list(last_two_swapped(rank)))
    product = nn.MatmulOp.make(turned.x, factor.output)
    rank = len(shape_of(op.output))
    result = nn.TransposeOp.make(product.output, perm=list(last_two_swapped(rank)))
    applied("turn-products", [turned, op], result)
    replace(op, [factor, product, result])
    block = turned.parent
    assert block is not None
    block.erase_op(turned)
