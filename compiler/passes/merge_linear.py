"""
Merge chains of Mul and Add with constants (linear fusing, stage 2).

    add(mul(add(mul(x, a), b), c), d)  ==>  add(mul(x, a * c), b * c + d)
    mul(x, 1), add(x, 0)               ==>  x
    add(mul(x, s), t)                  ==>  scale_shift(x, s, t)       with `pairs`

Any chain becomes at most one Mul, then at most one Add. Legal when every value inside of
the chain is read once and is no graph output, no constant broadcasts the value to another
shape, and no merged constant has more elements than the largest it is made of. With
`pairs`, when nothing will be fused any more, merged constants may be larger if they are
small (`GROWN` bytes), and what is left is written as one operation: legal when both
constants vary along dimension 1 only.

Floats are reassociated: results agree to rounding, and to the bit where sums and
products are exact; `x + 0` is `x` but for the sign of a zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.nn.base import broadcast_shapes
from ...dialects.types import shape_of, value_dtype
from ..locations import merge_sources
from .algebra import Algebra, Constants
from .linear import (
    Linear,
    Obstacle,
    channel_axis,
    check_linear,
    check_one_reader,
    linear_of,
)
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace

GROWN = 65536
"""Bytes up to which a constant may be larger than those that it is merged from."""


@dataclass(frozen=True)
class MergeLinearPass(FunctionPass):
    """Merge chains of constant Mul and Add into one of each."""

    name = "merge-linear"

    pairs: bool = False
    """Write a Mul and an Add that are left over as one scale_shift."""

    def rewrite(self, body: Block) -> int:
        constants = Constants.of(body)
        count = remove_identities(body, constants)
        # A merge may make a constant large enough for a further one.
        while open_chains := [c for c in self.chains(body, constants) if c.is_open]:
            for chain in open_chains:
                merge(chain, constants)
            count += len(open_chains)
        if self.pairs:
            count += self.pair(body, constants)
        return count

    def chains(self, body: Block, constants: Constants) -> list[Chain]:
        """The longest chains, in the order of their last operations."""
        ends: dict[SSAValue, Chain] = {}
        for op in body.ops:
            linear = linear_of(op, constants)
            if linear is None:
                continue
            try:
                check_linear(linear)
            except Obstacle as obstacle:
                decline(op, self.name, str(obstacle), rewrite="merged into a chain")
                continue
            chain = ends.get(linear.x)
            if chain is not None:
                try:
                    chain.check(linear, GROWN if self.pairs else 0)
                    del ends[linear.x]
                except Obstacle as obstacle:
                    decline(op, self.name, str(obstacle), rewrite="merged into a chain")
                    chain = None
            chain = chain or Chain()
            chain.links.append(linear)
            ends[linear.result] = chain
        return list(ends.values())

    def pair(self, body: Block, constants: Constants) -> int:
        """Write pairs of Mul and Add as one operation."""
        count = 0
        for op in list(body.ops):
            shift = linear_of(op, constants)
            if shift is None or shift.is_mul:
                continue
            scale = linear_of(shift.x.owner, constants)
            if scale is None or not scale.is_mul:
                continue
            try:
                check_pair(scale, shift)
            except Obstacle as obstacle:
                decline(op, self.name, str(obstacle), rewrite="a scale_shift")
                continue
            join(scale, shift, constants)
            count += 1
        return count


@dataclass
class Chain:
    """Mul and Add, each reading the one before."""

    links: list[Linear] = field(default_factory=list[Linear])

    @property
    def is_open(self) -> bool:
        """Whether it is more than one Mul, then one Add."""
        kinds = [link.is_mul for link in self.links]
        return len(kinds) > 1 and kinds != [True, False]

    def check(self, link: Linear, grown: int) -> None:
        """
        Whether the chain may go on with this one.

        Args:
            grown: bytes up to which a merged constant may have more elements.

        Raises:
            Obstacle: a condition does not hold.
        """
        check_one_reader(link.x, f"the result of the {self.links[-1].word} before it")
        before = [shape_of(one.constant) for one in self.links]
        size = shape_of(link.constant)
        largest = max(prod(shape) for shape in (*before, size))
        merged = prod(broadcast_shapes(*before, size))
        bytes_needed = merged * value_dtype(link.x).itemsize
        if merged > largest and bytes_needed > grown:
            raise Obstacle("the merged constant would be larger than those it replaces")


def remove_identities(body: Block, constants: Constants) -> int:
    """Remove Mul by one and Add of zero."""
    count = 0
    for op in list(body.ops):
        linear = linear_of(op, constants)
        if linear is None or is_kept(op) or not linear.is_identity:
            continue
        if linear.result.type != linear.x.type:
            continue
        replace(op, [], [linear.x])
        count += 1
    return count


def merge(chain: Chain, constants: Constants) -> None:
    """Put one Mul and one Add in the place of a chain."""
    algebra = Algebra()
    factor, shift = merged_constants(chain, algebra)
    ops = [link.op for link in chain.links]
    value, new = chain.links[0].x, list[Operation]()
    for class_, constant in ((nn.MulOp, factor), (nn.AddOp, shift)):
        if constant is not None:
            new.append(class_.make(value, constant))
            merge_sources(new[-1], ops)
            value = new[-1].results[0]
    applied("merge-linear", ops, new[-1], "one Mul and one Add" * (len(new) > 1))
    replace(ops[-1], [*algebra.ops, *new])
    erase_if_dead(*reversed(ops[:-1]))
    constants.follow(algebra.ops)


def merged_constants(
    chain: Chain, algebra: Algebra
) -> tuple[SSAValue | None, SSAValue | None]:
    """What a chain multiplies with, and what it then adds."""
    factor: SSAValue | None = None
    shift: SSAValue | None = None
    for link in chain.links:
        constant = link.constant
        if not link.is_mul:
            shift = constant if shift is None else algebra.add(shift, constant)
            continue
        factor = constant if factor is None else algebra.mul(factor, constant)
        if shift is not None:
            shift = algebra.mul(shift, constant)
    return factor, shift


def check_pair(scale: Linear, shift: Linear) -> None:
    """
    Whether a Mul and an Add may become one scale_shift.

    Raises:
        Obstacle: a condition does not hold.
    """
    for linear in (scale, shift):
        check_linear(linear)
        if channel_axis(linear) not in (None, 1):
            raise Obstacle("its constant does not vary along dimension 1")
    if len(shape_of(scale.x)) < 2:
        raise Obstacle("the value has no channels")
    check_one_reader(scale.result, "the result of the Mul before it")


def join(scale: Linear, shift: Linear, constants: Constants) -> None:
    """Put one scale_shift in the place of a Mul and an Add."""
    algebra = Algebra()
    channels = shape_of(scale.x)[1]
    vectors = [channel_vector(algebra, v.constant, channels) for v in (scale, shift)]
    new = nn.ScaleShiftOp.make(scale.x, *vectors)
    merge_sources(new, [scale.op, shift.op])
    applied("merge-linear", [scale.op, shift.op], new, "nothing to fuse into")
    replace(shift.op, [*algebra.ops, new])
    erase_if_dead(scale.op)
    constants.follow(algebra.ops)


def channel_vector(algebra: Algebra, constant: SSAValue, channels: int) -> SSAValue:
    """A constant of one number, or of one number per channel, as a vector."""
    size = prod(shape_of(constant))
    return algebra.expand(algebra.reshape(constant, [size]), [channels])
