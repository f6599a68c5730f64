"""
Recognize attention written as primitive operations.

    matmul(softmax(matmul(q * a, k * b) * c + mask), v)
        ==>  attention(q, k, v, mask){scale = a * b * c, transposed_keys = 1}
    where(mask, scores, m) in the place of scores + mask
        ==>  attention(q, k, v, mask){masked = m}
    where(mask, m, scores), with a constant mask
        ==>  attention(q, k, v, not(mask)){masked = m}
    attention(q, transpose(k, [0, 1, 3, 2]), v){transposed_keys = 1}
        ==>  attention(q, k, v)
    attention(q, transpose(k, p), v)
        ==>  attention(q, transpose(k, p[0, 1, 3, 2]), v){transposed_keys = 1}
    attention(q * a, k * b, v){scale = c}
        ==>  attention(q, k, v){scale = a * b * c}

Legal when `q`, `k` and `v` have the same rank, 3 or 4, the softmax is over the keys, the
mask does not broadcast the scores, `a`, `b`, `c` and `m` are single numbers, everything
is float32 or float64, and no value inside is read by others. Results agree to rounding.

The pass runs after linear fusing, which has put most scales into weights by then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from ...dialects.nn.attention import MASKED
from ...dialects.nn.base import NNOp, integer, normalized_axis, number
from ...dialects.types import element_type, is_static, shape_of, value_dtype
from ..locations import merge_sources
from .linear import HALF, Obstacle, check_one_reader, check_plain
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace
from .terms import one_number


@dataclass(frozen=True)
class RecognizeAttentionPass(FunctionPass):
    """Write attention as one operation."""

    name = "recognize-attention"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if isinstance(op, nn.MatmulOp | nn.AttentionOp) and op.parent is not None:
                count += self.visit(op)
        return count

    def visit(self, op: nn.MatmulOp | nn.AttentionOp) -> bool:
        """Try the rules on one operation."""
        try:
            found = primitive(op) if isinstance(op, nn.MatmulOp) else written(op)
        except Obstacle as obstacle:
            decline(op, self.name, str(obstacle), rewrite="attention")
            return False
        if found is None:
            return False
        found.simplify()
        if not found.inside:
            return False
        new = found.make()
        before = [*reversed(found.inside), op]
        merge_sources(new, before)
        applied(self.name, before, new)
        replace(op, [*found.ops, new])
        erase_if_dead(*found.inside)
        return True


@dataclass
class Attention:
    """What an attention is made of."""

    q: SSAValue
    k: SSAValue
    v: SSAValue
    mask: SSAValue | None = None
    scale: float = 1.0
    masked: float | None = None
    transposed_keys: bool = False
    is_inverted: bool = False
    """Whether the mask is true where scores are left out."""
    inside: list[NNOp] = field(default_factory=list[NNOp])
    """The operations that vanish, last ones first."""
    ops: list[Operation] = field(default_factory=list[Operation])
    """Operations that operands need, in order."""

    def make(self) -> nn.AttentionOp:
        """The operation; `ops` come before it."""
        mask = self.mask
        if mask is not None and self.is_inverted:
            self.ops.append(nn.NotOp.make(mask))
            mask = self.ops[-1].results[0]
        return nn.AttentionOp.make(
            self.q,
            self.k,
            self.v,
            mask,
            scale=self.scale,
            masked=None if self.masked == MASKED else self.masked,
            transposed_keys=int(self.transposed_keys),
        )

    def simplify(self) -> None:
        """Take the scales and transposes of the operands in."""
        self.q = self.unscaled(self.q)
        while True:
            self.k = self.unscaled(self.k)
            turn = self.k.owner
            if not isinstance(turn, nn.TransposeOp) or not is_free(self.k):
                return
            rank = len(shape_of(self.k))
            perm = list(turn.permutation(rank))
            perm[-2:] = perm[:-3:-1]
            if perm != list(range(rank)):
                break
            self.k, self.transposed_keys = turn.x, not self.transposed_keys
            self.inside.append(turn)
        if not self.transposed_keys:
            self.inside.append(turn)
            self.ops.append(nn.TransposeOp.make(turn.x, perm=perm))
            self.k, self.transposed_keys = self.ops[-1].results[0], True

    def unscaled(self, value: SSAValue) -> SSAValue:
        """An operand before it is multiplied by numbers, which go into the scale."""
        while is_free(value):
            scaled = scaled_by(value)
            if scaled is None or scaled.x.type != value.type:
                break
            scale = self.scale * scaled.factor
            if not is_normal(scale, value):
                break
            self.inside.append(scaled.op)
            self.scale, value = scale, scaled.x
        return value


@dataclass(frozen=True)
class Scaled:
    """`op = x * factor`."""

    op: NNOp
    x: SSAValue
    factor: float


def scaled_by(value: SSAValue) -> Scaled | None:
    """A value as the product of another and a number, if it is written as one."""
    op = value.owner
    if isinstance(op, nn.MulOp):
        for x, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            if (factor := one_number(other)) is not None:
                return Scaled(op, x, factor)
    if isinstance(op, nn.DivOp) and (divisor := one_number(op.rhs)):
        return Scaled(op, op.lhs, 1 / divisor)
    return None


def is_free(value: SSAValue) -> bool:
    """Whether one operation reads a value, and what defines it may be replaced."""
    return value.has_one_use() and not is_kept(value.owner)


def is_normal(number: float, like: SSAValue) -> bool:
    """Whether an element type has a number without loss of its first digits."""
    info = np.finfo(value_dtype(like))
    return float(info.tiny) <= abs(number) <= float(info.max)


def written(op: nn.AttentionOp) -> Attention | None:
    """What an attention is made of that is one operation already."""
    try:
        check_plain(op)
    except Obstacle:
        return None
    if not is_static(op.output.type):
        return None
    masked = None if op.masked is None else number(op.masked)
    turned = bool(integer(op.transposed_keys))
    return Attention(op.q, op.k, op.v, op.mask, number(op.scale), masked, turned)


def primitive(op: nn.MatmulOp) -> Attention | None:
    """
    What the attention that ends with `op` is made of; None when it is something else.

    Raises:
        Obstacle: it is one, but a condition does not hold.
    """
    softmax = op.a.owner
    if not isinstance(softmax, nn.SoftmaxOp):
        return None
    found = masked_product(softmax.x) or product(softmax.x)
    if found is None:
        return None
    found.v = op.b
    found.inside.insert(0, softmax)
    check(op, softmax, found)
    return found


def masked_product(value: SSAValue) -> Attention | None:
    """`product + mask`, `where(mask, product, m)` or `where(mask, m, product)`."""
    op = value.owner
    match op:
        case nn.AddOp():
            sides = ((op.lhs, op.rhs, None), (op.rhs, op.lhs, None))
        case nn.WhereOp():
            sides = (
                (op.x, op.condition, one_number(op.y)),
                (op.y, op.condition, one_number(op.x)),
            )
        case _:
            return None
    for scores, mask, masked in sides:
        found = product(scores)
        if found is None or (isinstance(op, nn.WhereOp) and masked is None):
            continue
        found.inside.insert(0, op)
        found.mask, found.masked = mask, masked
        if isinstance(op, nn.WhereOp) and scores is op.y:
            found.is_inverted = True
        return found
    return None


def product(value: SSAValue) -> Attention | None:
    """The scores of queries and keys, perhaps times numbers; `v` is not known yet."""
    inside: list[NNOp] = []
    scale = 1.0
    while (scaled := scaled_by(value)) is not None:
        inside.append(scaled.op)
        scale, value = scale * scaled.factor, scaled.x
    op = value.owner
    if not isinstance(op, nn.MatmulOp):
        return None
    inside.append(op)
    a, b = op.a, op.b
    return Attention(a, b, b, scale=scale, transposed_keys=True, inside=inside)


def check(op: nn.MatmulOp, softmax: nn.SoftmaxOp, found: Attention) -> None:
    """
    Whether what looks like an attention is one.

    Raises:
        Obstacle: a condition does not hold.
    """
    parts = (found.q, found.k, found.v)
    for one in (op, *found.inside):
        check_plain(one)
        if not is_static(one.results[0].type):
            raise Obstacle("its shape is not known")
    ranks = [len(shape_of(part)) for part in parts]
    if ranks not in ([3] * 3, [4] * 3):
        named = ", ".join(map(str, ranks))
        raise Obstacle(f"queries, keys and values have the ranks {named}")
    if any(element_type(part) != element_type(op.output) for part in parts):
        raise Obstacle(HALF)
    axis = normalized_axis(integer(softmax.axis), ranks[0])
    if axis != ranks[0] - 1:
        raise Obstacle(f"the softmax is over dimension {axis}, not over the keys")
    scores = found.inside[-1].results[0]
    if softmax.x.type != scores.type:
        raise Obstacle("its mask or scale broadcasts the scores")
    if not is_normal(found.scale, scores):
        raise Obstacle("its scale is no normal number")
    mask = found.mask
    if mask is not None and found.is_inverted and constant_array(mask) is None:
        raise Obstacle("its mask is true where scores are left out, and no constant")
    check_one_reader(op.a, "the softmax")
    for one in found.inside[1:]:
        check_one_reader(one.results[0], "the product of queries and keys")
