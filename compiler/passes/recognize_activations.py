"""
Recognize activations written as primitive operations.

    1 / (1 + exp(-x))                            ==>  sigmoid(x)
    x * sigmoid(a * x), x / (1 + exp(-a * x))    ==>  swish(x){alpha = a}
    clip(a * x + b, 0, c) / c                    ==>  hard_sigmoid(x){alpha, beta}
    x * clip(x + 3, 0, 6) / 6                    ==>  hard_swish(x)
    x * (1 + erf(x / sqrt(2))) / 2               ==>  gelu(x)
    x * (1 + erf(s * x / sqrt(2))) / 2           ==>  gelu(x * s) / s
    x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2
                                                 ==>  gelu(x){approximate = "tanh"}
    exp(x - max(x)) / sum(exp(x - max(x)))       ==>  softmax(x)

Sums and products are matched as such, in any order and grouping (`terms.py`); numbers
must agree to six digits, those inside of a GELU to three where they were rounded to half
precision: all are exact in float16. Only the form with erf keeps its result then (`s` is
what the rounding of a root changed); the form with tanh gets its exact numbers back, which
changes results by up to 1.4e-5. Legal when no value inside is read by others, the result
has the type of `x`, and that is float32 or float64. All else agrees to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import pi, sqrt
from typing import TypeAlias

from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from ...dialects.nn.base import NNOp, integer, normalized_axis, number
from ...dialects.types import is_static, shape_of
from ..locations import merge_sources
from .algebra import Algebra
from .linear import Obstacle, check_plain
from .reasons import applied, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace
from .terms import Product, Sum, near, one_number, power_of, product_of, sum_of


@dataclass(frozen=True)
class RecognizeActivationsPass(FunctionPass):
    """Write sigmoid, swish, hard swish, GELU and softmax as one operation."""

    name = "recognize-activations"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if isinstance(op, ROOTS) and op.parent is not None:
                count += self.visit(op)
        return count

    def visit(self, op: NNOp) -> bool:
        """Try the rules on one operation."""
        try:
            check_plain(op)
        except Obstacle:
            return False
        if not is_static(op.results[0].type):
            return False
        for rule in RULES:
            found = rule(op)
            if found is None:
                continue
            new = found if isinstance(found, Scaled) else Scaled(found)
            if new.activation.results[0].type != op.results[0].type:
                for one in reversed(new.ops):
                    one.drop_all_references()
                continue
            inside = list(behind(op, new.x))
            merge_sources(new.activation, [*reversed(inside), op])
            applied(self.name, [*reversed(inside), op], new.activation)
            replace(op, new.ops)
            erase_if_dead(*inside)
            return True
        return False


def behind(op: Operation, x: SSAValue) -> Iterator[Operation]:
    """The operations between `x` and `op` that only `op` needs, last ones first."""
    found: dict[Operation, None] = {}
    pending = [op]
    while pending:
        for operand in pending.pop().operands:
            owner = operand.owner
            if operand is x or not isinstance(owner, NNOp) or owner in found:
                continue
            if all(u.operation is op or u.operation in found for u in operand.uses):
                found[owner] = None
                pending.append(owner)
    yield from found


class Scaled:
    """`activation(x * factor) / factor`; without the products when the factor is 1."""

    def __init__(self, activation: NNOp, factor: float = 1.0) -> None:
        self.activation, self.x = activation, activation.operands[0]
        self.ops: list[Operation] = [activation]
        if factor != 1:
            before, after = Algebra(), Algebra()
            number = before.number(factor, self.x)
            activation.operands[0] = before.mul(self.x, number)
            inverse = after.number(1 / factor, self.x)
            after.mul(activation.results[0], inverse)
            self.ops = [*before.ops, activation, *after.ops]


Rule: TypeAlias = Callable[[NNOp], NNOp | Scaled | None]
"""The activation that the operation ends, or None."""


def sigmoid(op: NNOp) -> NNOp | None:
    """`1 / (1 + exp(-x))`."""
    if isinstance(op, nn.DivOp) and one_number(op.lhs) == 1:
        divisor = op.rhs
    elif isinstance(op, nn.ReciprocalOp):
        divisor = op.x
    else:
        return None
    found = exponent(divisor)
    if found is None or found[0] != -1:
        return None
    return nn.SigmoidOp.make(found[1])


def divided_swish(op: NNOp) -> NNOp | None:
    """`x / (1 + exp(-a * x))`."""
    if not isinstance(op, nn.DivOp) or one_number(op.lhs) is not None:
        return None
    found = exponent(op.rhs)
    if found is None or found[1] is not op.lhs:
        return None
    return nn.SwishOp.make(op.lhs, alpha=-found[0])


def exponent(value: SSAValue) -> tuple[float, SSAValue] | None:
    """`a` and `x` of `1 + exp(a * x)`."""
    total = inner_sum(value)
    if total is None or total.number != 1 or len(total.terms) != 1:
        return None
    factor, term = total.terms[0]
    power = term.owner
    if factor != 1 or not isinstance(power, nn.ExpOp) or not is_free(term):
        return None
    product = product_of(power.x, root=power.x.has_one_use())
    return single(product)


def swish(op: NNOp) -> NNOp | None:
    """`x * sigmoid(a * x)`."""
    product = product_of(op.results[0])
    for x, gate in pairs(product, 1.0):
        inner = gate.owner
        if not isinstance(inner, nn.SigmoidOp) or not is_free(gate):
            continue
        found = single(product_of(inner.x, root=inner.x.has_one_use()))
        if inner.x is x:
            found = (1.0, x)
        if found is not None and found[1] is x:
            return nn.SwishOp.make(x, alpha=found[0])
    return None


def hard_sigmoid(op: NNOp) -> NNOp | None:
    """`clip(a * x + b, 0, c) / c`."""
    product = product_of(op.results[0])
    if len(product.factors) != 1 or (op is product.factors[0].owner and product.ops):
        return None
    clipped = clip_of(product.factors[0])
    if clipped is None or not near(product.number * clipped[2], 1) or clipped[1]:
        return None
    line = sum_of(clipped[0], root=clipped[0].has_one_use())
    if len(line.terms) != 1 or not line.ops:
        return None
    factor, x = line.terms[0]
    return nn.HardSigmoidOp.make(
        x, alpha=factor * product.number, beta=line.number * product.number
    )


def hard_swish(op: NNOp) -> NNOp | None:
    """`x * clip(x + 3, 0, 6) / 6`, or `x * hard_sigmoid(x)`."""
    product = product_of(op.results[0])
    for x, gate in pairs(product, None):
        inner = gate.owner
        if isinstance(inner, nn.HardSigmoidOp) and inner.x is x and is_free(gate):
            alpha, beta = number(inner.alpha), number(inner.beta)
            if near(alpha, 1 / 6) and near(beta, 0.5) and near(product.number, 1):
                return nn.HardSwishOp.make(x)
        clipped = clip_of(gate)
        if clipped is None or clipped[1] != 0 or not near(clipped[2], 6):
            continue
        line = sum_of(clipped[0], root=clipped[0].has_one_use())
        if line.terms != [(1.0, x)] or line.number != 3:
            continue
        if near(product.number, 1 / 6):
            return nn.HardSwishOp.make(x)
    return None


def clip_of(value: SSAValue) -> tuple[SSAValue, float, float] | None:
    """Operand and limits of a clip that nobody else reads."""
    op = value.owner
    if not isinstance(op, NNOp) or is_kept(op):
        return None
    if isinstance(op, nn.ClipOp) and op.min is not None and op.max is not None:
        low, high = one_number(op.min), one_number(op.max)
        found = op.x, low, high
    elif isinstance(op, nn.MinimumOp):
        high = one_number(op.rhs)
        lower = op.lhs.owner
        if isinstance(lower, nn.ReluOp) and is_free(op.lhs):
            found = lower.x, 0.0, high
        elif isinstance(lower, nn.MaximumOp) and is_free(op.lhs):
            found = lower.lhs, one_number(lower.rhs), high
        else:
            return None
    else:
        return None
    x, low, high = found
    return None if low is None or high is None else (x, low, high)


def gelu(op: NNOp) -> NNOp | Scaled | None:
    """`x * (1 + erf(x / sqrt(2))) / 2`."""
    product = product_of(op.results[0])
    for x, gate in pairs(product, None):
        curve = half_open(gate, product.number, nn.ErfOp)
        if curve is None:
            continue
        inner = product_of(curve, root=curve.has_one_use())
        found = single(inner)
        if found is None or found[1] is not x:
            continue
        if near(found[0], sqrt(0.5)):
            return nn.GeluOp.make(x)
        if near(found[0], sqrt(0.5), inner.half):
            return Scaled(nn.GeluOp.make(x), found[0] * sqrt(2))
    return None


def tanh_gelu(op: NNOp) -> NNOp | None:
    """`x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2`."""
    product = product_of(op.results[0])
    for x, gate in pairs(product, None):
        curve = half_open(gate, product.number, nn.TanhOp)
        if curve is not None and is_cubic(curve, x):
            return nn.GeluOp.make(x, approximate="tanh")
    return None


def half_open(
    gate: SSAValue, outer: float, curve: type[nn.ErfOp | nn.TanhOp]
) -> SSAValue | None:
    """`u` when `outer * gate` is `(1 + curve(u)) / 2`."""
    total = inner_sum(gate)
    if total is None or len(total.terms) != 1:
        return None
    factor, term = total.terms[0]
    inner = term.owner
    if not isinstance(inner, curve) or not is_free(term):
        return None
    if not near(factor * outer, 0.5) or not near(total.number * outer, 0.5):
        return None
    return inner.x


def is_cubic(value: SSAValue, x: SSAValue) -> bool:
    """Whether a value is `sqrt(2 / pi) * (x + 0.044715 * x**3)`."""
    product = product_of(value, root=value.has_one_use())
    if not near(product.number, sqrt(2 / pi), product.half):
        return False
    lifted = 0
    factors = list(product.factors)
    if len(factors) == 2 and x in factors:
        factors.remove(x)
        lifted = 1
    total = inner_sum(factors[0]) if len(factors) == 1 else None
    if total is None:
        return False
    powers: dict[int, float] = {lifted: total.number} if lifted else {}
    half = total.half
    for factor, term in total.terms:
        inner = product_of(term, root=term.has_one_use())
        power = power_of(term, x)
        if power is None and inner.number != 1:
            bases = [power_of(f, x) for f in inner.factors]
            power = None if None in bases else sum(b for b in bases if b)
            factor *= inner.number
            half = half and inner.half
        if power is None:
            return False
        powers[power + lifted] = factor
    if set(powers) != {1, 3} or not near(powers[1], 1):
        return False
    return near(powers[3], 0.044715, half)


def softmax(op: NNOp) -> NNOp | None:
    """`exp(x - max(x)) / sum(exp(x - max(x)))` along one axis."""
    if not isinstance(op, nn.DivOp):
        return None
    power, total = op.lhs.owner, op.rhs.owner
    if not isinstance(power, nn.ExpOp) or not isinstance(total, nn.ReduceSumOp):
        return None
    if total.x is not op.lhs or len(list(op.lhs.uses)) != 2 or not is_free(op.rhs):
        return None
    shifted = power.x.owner
    axis = kept_axis(total)
    if axis is None or not isinstance(shifted, nn.SubOp) or not is_free(power.x):
        return None
    top = shifted.rhs.owner
    if not isinstance(top, nn.ReduceMaxOp) or top.x is not shifted.lhs:
        return None
    if kept_axis(top) != axis or not is_free(shifted.rhs):
        return None
    return nn.SoftmaxOp.make(shifted.lhs, axis=axis)


def kept_axis(op: nn.ReduceSumOp | nn.ReduceMaxOp) -> int | None:
    """The one axis that is reduced and stays as size 1."""
    axes = None if op.axes is None else constant_array(op.axes)
    if axes is None or axes.size != 1 or not integer(op.keepdims, 1) or is_kept(op):
        return None
    return normalized_axis(int(axes.reshape(-1)[0]), len(shape_of(op.x)))


def single(product: Product) -> tuple[float, SSAValue] | None:
    """Number and factor of a product of one."""
    if len(product.factors) != 1:
        return None
    return product.number, product.factors[0]


def pairs(
    product: Product, wanted: float | None
) -> Iterator[tuple[SSAValue, SSAValue]]:
    """The two factors of a product, in both orders."""
    if len(product.factors) != 2 or (wanted is not None and product.number != wanted):
        return
    first, second = product.factors
    yield first, second
    yield second, first


def inner_sum(value: SSAValue) -> Sum | None:
    """A value that nobody else reads, as a sum."""
    return sum_of(value) if is_free(value) else None


def is_free(value: SSAValue) -> bool:
    """Whether one operation reads a value, and what defines it may be replaced."""
    return value.has_one_use() and not is_kept(value.owner)


ROOTS = (nn.MulOp, nn.DivOp, nn.ReciprocalOp, nn.ClipOp, nn.MinimumOp)
RULES: tuple[Rule, ...] = (
    sigmoid,
    divided_swish,
    swish,
    gelu,
    tanh_gelu,
    hard_swish,
    hard_sigmoid,
    softmax,
)
