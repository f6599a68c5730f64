"""Attention: values averaged with weights that queries and keys make."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from ..const import ConstantOp
from ..types import value_dtype
from .base import (
    Array,
    NNOp,
    broadcast_shapes,
    element_type,
    integer,
    number,
    shape_of,
    to_attribute,
)
from .binary import AddOp, MulOp, WhereOp
from .common import BOOL, FLOATS, grid, require, require_same
from .linear import MatmulOp
from .movement import TransposeOp
from .numeric import widened
from .reduce import SoftmaxOp

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.build import Loops

MASKED = float("-inf")
"""The score of a key that a query must not see, unless the operation says another."""


@irdl_op_definition
class AttentionOp(NNOp):
    """
    `output = softmax(scale * (q @ transpose(k)) + mask) @ v`, the softmax over the keys.

    | value  | shape                                                     |
    | ------ | --------------------------------------------------------- |
    | q      | `[B, H, Q, D]` or `[B, Q, D]`                             |
    | k      | `[B, H, S, D]`, or `[B, H, D, S]` with `transposed_keys`  |
    | v      | `[B, H, S, E]`                                            |
    | mask   | broadcasts to the scores `[B, H, Q, S]`                   |
    | output | `[B, H, Q, E]`                                            |

    Leading dimensions broadcast as in a product of matrices. A mask of floats is added to
    the scores; where one of booleans is false, the score becomes `masked`.

    Source: ONNX Attention without caches; written as primitives by most exporters.
    """

    name = "nn.attention"

    q = operand_def()
    k = operand_def()
    v = operand_def()
    mask = opt_operand_def()

    scale = prop_def(default_value=to_attribute(1.0))
    masked = opt_prop_def()
    transposed_keys = prop_def(default_value=to_attribute(0))

    output = result_def()

    @property
    def key_shape(self) -> tuple[int, ...]:
        """The shape of the keys with the keys in rows."""
        *outer, rows, columns = shape_of(self.k)
        if integer(self.transposed_keys):
            rows, columns = columns, rows
        return (*outer, rows, columns)

    @property
    def score_shape(self) -> tuple[int, ...]:
        """A score for every query and key."""
        q, k = shape_of(self.q), self.key_shape
        return (*broadcast_shapes(q[:-2], k[:-2]), q[-2], k[-2])

    def elements(self) -> Sequence[Attribute]:
        require(self.q, FLOATS, "q")
        require_same([self.q, self.k, self.v])
        if self.mask is not None:
            require(self.mask, (element_type(self.q), BOOL), "mask")
        return [element_type(self.q)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        q, k, v = map(shape_of, (self.q, self.k, self.v))
        if len(q) not in (3, 4) or len(k) != len(q) or len(v) != len(q):
            raise VerifyException(
                f"q, k and v are {list(q)}, {list(k)} and {list(v)}, expected the same "
                "rank, 3 or 4"
            )
        keys = self.key_shape
        if q[-1] != keys[-1]:
            raise VerifyException(f"queries of depth {q[-1]} meet keys of {keys[-1]}")
        if keys[-2] != v[-2]:
            raise VerifyException(f"{keys[-2]} keys stand for {v[-2]} values")
        scores = self.score_shape
        if self.mask is not None:
            mask = shape_of(self.mask)
            if broadcast_shapes(mask, scores) != scores:
                raise VerifyException(
                    f"the mask {list(mask)} is larger than the scores {list(scores)}"
                )
        return [(*broadcast_shapes(scores[:-2], v[:-2]), q[-2], v[-1])]

    def reference(
        self, q: Array, k: Array, v: Array, mask: Array | None = None
    ) -> Array:
        wide = widened(q)
        keys = widened(k)
        if not integer(self.transposed_keys):
            keys = keys.swapaxes(-1, -2)
        scores: Array = (wide @ keys) * wide.dtype.type(number(self.scale))
        if mask is not None and mask.dtype == bool:
            scores = np.where(
                mask, scores, scores.dtype.type(number(self.masked, MASKED))
            )
        elif mask is not None:
            scores = scores + widened(mask)
        with np.errstate(invalid="ignore"):
            powers = np.exp(scores - scores.max(-1, keepdims=True))
        weights = powers / powers.sum(-1, keepdims=True)
        return (weights @ widened(v)).astype(q.dtype, copy=False)

    def decompose_results(self) -> tuple[list[Operation], list[SSAValue]]:
        """
        `matmul(softmax(matmul(q, transpose(k)) * scale + mask), v)`, or
        `where(mask, scores, masked)`; what changes nothing is left out. A scale of the
        scores is computed where they are, one of the queries would be a copy of them.
        """
        ops: list[Operation] = []

        def write(op: Operation) -> SSAValue:
            ops.append(op)
            return op.results[0]

        k = self.k
        if not integer(self.transposed_keys):
            rank = len(shape_of(k))
            perm = [*range(rank - 2), rank - 1, rank - 2]
            k = write(TransposeOp.make(k, perm=perm))
        scores = write(MatmulOp.make(self.q, k))
        if number(self.scale) != 1:
            factor = self._number(write, number(self.scale))
            scores = write(MulOp.make(scores, factor))
        if self.mask is not None:
            if element_type(self.mask) == BOOL:
                low = self._number(write, number(self.masked, MASKED))
                scores = write(WhereOp.make(self.mask, scores, low))
            else:
                scores = write(AddOp.make(scores, self.mask))
        weights = write(SoftmaxOp.make(scores, axis=-1))
        return ops, [write(MatmulOp.make(weights, self.v))]

    def _number(self, write: Callable[[Operation], SSAValue], value: float) -> SSAValue:
        """A scalar of the operands' element type."""
        return write(ConstantOp(np.array(value, value_dtype(self.q))))

    def flops(self) -> int:
        """Those of its parts."""
        scores, keys = prod(self.score_shape), self.key_shape
        extra = 4 + (self.mask is not None) + (number(self.scale) != 1)
        product = 2 * prod(shape_of(self.output)) * keys[-2]
        return scores * (2 * keys[-1] + extra) + product


@irdl_op_definition
class PowersOp(NNOp):
    """
    `powers = e**(x - max(x))` and `factors = 1 / sum(powers)`, along the last dimension.

    | value      | shape      |
    | ---------- | ---------- |
    | x, powers  | `[..., S]` |
    | factors    | `[..., 1]` |

    `softmax(x) = powers * factors`. Source: `defer-division`.
    """

    name = "nn.powers"

    x = operand_def()
    powers = result_def()
    factors = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)] * 2

    def shapes(self) -> Sequence[tuple[int, ...]]:
        shape = shape_of(self.x)
        if not shape:
            raise VerifyException("x is a scalar, expected a last dimension")
        return [shape, (*shape[:-1], 1)]

    def reference(self, x: Array) -> tuple[Array, Array]:
        wide = widened(x)
        with np.errstate(invalid="ignore"):
            powers = np.exp(wide - wide.max(-1, keepdims=True))
        factors = 1 / powers.sum(-1, keepdims=True)
        return powers.astype(x.dtype, copy=False), factors.astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.x))
        *outer, _ = n.indices
        over = [f"d{len(outer)}"]
        value = n.read(self.x, n.indices)
        n.write((value - n.max(value, over)).exp(), self.powers, n.indices)
        total = n.sum(n.read(self.powers, n.indices), over)
        n.write(1 / total, self.factors, [*outer, 0])

    def flops(self) -> int:
        return 4 * prod(shape_of(self.x))


OPS: tuple[type[NNOp], ...] = (AttentionOp, PowersOp)
