"""
Fuse Mul and Add with constants into layers with weights (linear fusing, stage 3).

    mul(conv(x, w, b), k)  ==>  conv(x, w * k, b * k)           backward
    add(conv(x, w, b), k)  ==>  conv(x, w, b + k)               backward
    conv(mul(x, k), w, b)  ==>  conv(x, w * k, b)               forward
    conv(add(x, k), w, b)  ==>  conv(x, w, b + sum(w * k))      forward, without padding

and the same for conv_transpose, grouped conv, gemm and matmul. The search goes through
operations that commute with the constant (`paths.py`): up over every operand of a
concatenation, down over every reader. All branches must end in a layer, or nothing is
done. It is legal when

- the constant is one number or one per channel, the channel being the dimension that has
  its own weights in each layer, and does not broadcast the value to another shape,
- weights and bias of the layers are constant, and everything is float32 or float64,
- backward: every value on the way is read once and is no graph output,
- forward: no value on the way is a graph output; an Add only where no window sees
  padding, or with `border`, where the difference at the border becomes an exact addend,
- an Add only into a layer with an addend: a matmul of higher rank has none.

One number may also go up through a product of two values, `(a @ b) * k = (a * k) @ b`,
and a Mul up through an Add of a constant, which is multiplied: so the scale of an
attention lands in the weights of its queries. A Mul goes up into both terms of a sum.

Floats are reassociated: results agree to rounding, and to the bit where sums and
products are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import prod

from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from ...dialects import nn
from ...dialects.nn.base import NNOp, broadcast_shapes
from ...dialects.types import is_static, shape_of
from ..locations import merge_sources
from .absorb import (
    WEIGHTED,
    add_around_border,
    add_to_input,
    add_to_output,
    layer_of,
    multiply_input,
    multiply_output,
    vector,
)
from .algebra import Algebra, Constants, hoist
from .linear import (
    Linear,
    Obstacle,
    channel_axis,
    check_linear,
    check_one_reader,
    is_positive,
    linear_of,
)
from .paths import Carried, behind, beyond
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, replace

FURTHEST = 64
"""Operations that a search visits at most, so that the pass takes linear time."""


@dataclass(frozen=True)
class FuseLinearPass(FunctionPass):
    """Fuse constant Mul and Add into convolutions, gemm and matmul."""

    name = "fuse-linear"

    border: bool = False
    """Also move an Add through padding, as an exact correction at the border."""

    def rewrite(self, body: Block) -> int:
        constants = Constants.of(body)
        total = 0
        while count := self.walk(body, constants):
            total += count
        return total

    def walk(self, body: Block, constants: Constants) -> int:
        """Every operation once: backward in program order, then forward from the end."""
        count = sum(
            self.fuse(linear, constants, Upward(linear, constants))
            for linear in linear_ops(body, constants)
        )
        for linear in reversed(list(linear_ops(body, constants))):
            count += self.fuse(
                linear, constants, Downward(linear, constants, border=self.border)
            )
        return count

    def fuse(self, linear: Linear, constants: Constants, search: Search) -> bool:
        """Fuse one operation, or say why not."""
        name = f"{linear.word} fused {search.word}"
        try:
            check_linear(linear)
            search.run()
            changes = built(linear, search.sites)
        except Obstacle as obstacle:
            decline(linear.op, self.name, str(obstacle), rewrite=name)
            return False

        block = linear.op.parent
        assert block is not None
        hoist(block, linear.constant)
        for old, algebra, new in changes:
            merge_sources(new, [old, linear.op])
            applied(self.name, [old, linear.op], new, f"{linear.word} {search.word}")
            replace(old, [*algebra.ops, new])
            constants.follow(algebra.ops)
        replace(linear.op, [], [linear.x])
        return True


def linear_ops(body: Block, constants: Constants) -> Iterator[Linear]:
    """All Mul and Add with a constant, in order."""
    for op in list(body.ops):
        linear = linear_of(op, constants)
        if linear is not None:
            yield linear


@dataclass(frozen=True)
class Site:
    """An operation that takes the constant in, and how."""

    op: NNOp
    build: Callable[[SSAValue, Algebra], NNOp]
    """Writes the new operation, given the constant as a number or vector."""
    carried: Carried


@dataclass
class Search:
    """Looks for the layers that together can take a constant in."""

    linear: Linear
    constants: Constants
    sites: list[Site] = field(default_factory=list[Site])
    visited: int = 0
    word = ""

    def run(self) -> None:
        """
        Fill `sites`.

        Raises:
            Obstacle: some branch does not end in a layer.
        """
        axis = channel_axis(self.linear)
        positive = is_positive(self.linear.constant)
        self.start(Carried(self.linear.is_mul, positive, axis))

    def start(self, carried: Carried) -> None:
        """Begin at the operation."""
        raise NotImplementedError

    def step(self, op: Operation) -> None:
        """Count a visit, and check what holds for every operation on the way."""
        self.visited += 1
        if self.visited > FURTHEST:
            raise Obstacle(f"no layer is among the next {FURTHEST} operations")
        if is_kept(op):
            raise Obstacle(f"a layer on the way ({op.name}) is kept")

    def check_axis(self, carried: Carried, axis: int, op: NNOp) -> None:
        """Whether the constant varies along the dimension that has own weights."""
        if carried.axis is not None and carried.axis != axis:
            raise Obstacle(
                f"its constant varies along dimension {carried.axis}, the channels of "
                f"{op.name} are dimension {axis}"
            )


@dataclass
class Upward(Search):
    """Looks for layers whose result, after operations that commute, is the operand."""

    word = "backward"

    def start(self, carried: Carried) -> None:
        self.visit(self.linear.x, carried)

    def visit(self, value: SSAValue, carried: Carried) -> None:
        """Find the layers that `value` comes from."""
        op = value.owner
        if not isinstance(op, NNOp):
            source = "an input" if isinstance(value, BlockArgument) else "a constant"
            raise Obstacle(f"there is no layer before it, only {source}")
        check_one_reader(value, f"the result of {op.name}")
        self.step(op)
        if isinstance(op, WEIGHTED) and not self.constants.isdisjoint(op.operands):
            layer = layer_of(op, None, self.constants)
            self.check_axis(carried, layer.output_axis, op)
            rule = multiply_output if carried.is_mul else add_to_output
            self.sites.append(Site(op, partial(rule, layer), carried))
        elif isinstance(op, nn.MatmulOp):
            self.through_product(op, carried)
        elif isinstance(op, WEIGHTED):
            raise Obstacle(f"the weights of {op.name} are not constant")
        elif (inner := linear_of(op, self.constants)) is not None:
            self.through_linear(inner, carried)
        elif isinstance(op, nn.AddOp | nn.SubOp):
            self.through_sum(op, carried)
        else:
            for place, moved in behind(op, carried):
                self.visit(place, moved)

    def through_product(self, op: NNOp, carried: Carried) -> None:
        """One number goes into either factor."""
        if not carried.is_mul or carried.axis is not None:
            raise Obstacle(f"the weights of {op.name} are not constant")
        found = list(self.sites)
        try:
            self.visit(op.operands[0], carried)
        except Obstacle:
            self.sites = found
            self.visit(op.operands[1], carried)

    def through_sum(self, op: NNOp, carried: Carried) -> None:
        """A factor goes into both terms."""
        shape = shape_of(op.results[0])
        if not carried.is_mul or any(shape_of(x) != shape for x in op.operands):
            raise Obstacle(f"{op.name} is in between")
        for term in op.operands:
            self.visit(term, carried)

    def through_linear(self, inner: Linear, carried: Carried) -> None:
        """Up through an Add, whose constant is multiplied too."""
        if inner.is_mul or not carried.is_mul:
            raise Obstacle(f"the {inner.word} before it stays")
        check_linear(inner)
        shapes = tuple(aligned_shape(inner, carried)), shape_of(inner.constant)
        if prod(broadcast_shapes(*shapes)) > max(map(prod, shapes)):
            raise Obstacle("nn.add with a constant of other dimensions is in between")
        self.sites.append(
            Site(inner.op, partial(scaled_addend, inner, carried), carried)
        )
        self.visit(inner.x, carried)


def aligned_shape(inner: Linear, carried: Carried) -> list[int]:
    """The shape in which the numbers broadcast along their dimension."""
    shape = shape_of(inner.x)
    if carried.axis is None:
        return []
    return [shape[carried.axis], *(1 for _ in shape[carried.axis + 1 :])]


@dataclass
class Downward(Search):
    """Looks for layers that, after operations that commute, read the result."""

    border: bool = False
    word = "forward"

    def start(self, carried: Carried) -> None:
        self.visit(self.linear.result, carried)

    def visit(self, value: SSAValue, carried: Carried) -> None:
        """Find the layers that all readers of `value` lead to."""
        for use in value.uses:
            if isinstance(use.operation, ReturnOp):
                raise Obstacle("its result is a graph output")
        readers = list(dict.fromkeys(use.operation for use in value.uses))
        if not readers:
            raise Obstacle("nobody reads its result")
        for op in readers:
            self.read(op, value, carried)

    def read(self, op: Operation, value: SSAValue, carried: Carried) -> None:
        """Find the layers that one reader leads to."""
        self.step(op)
        if not isinstance(op, NNOp):
            raise Obstacle(f"{op.name} is in between")
        if (next_one := linear_of(op, self.constants)) is not None:
            raise Obstacle(f"the {next_one.word} behind it stays")
        if not isinstance(op, WEIGHTED):
            for place, moved in beyond(op, value, carried):
                self.visit(place, moved)
            return
        layer = layer_of(op, value, self.constants)
        self.check_axis(carried, layer.input_axis, op)
        rule = multiply_input if carried.is_mul else add_to_input
        if not carried.is_mul and isinstance(op, nn.ConvOp) and self.border:
            padded = any(window.padded for window in op.windows())
            rule = add_around_border if padded else rule
        self.sites.append(Site(op, partial(rule, layer), carried))

    def step(self, op: Operation) -> None:
        super().step(op)
        if any(not is_static(v.type) for v in (*op.operands, *op.results)):
            raise Obstacle("a shape on the way is not known")


Change = tuple[NNOp, Algebra, NNOp]
"""An operation, the algebra it needs, and the operation that replaces it."""


def built(linear: Linear, sites: list[Site]) -> list[Change]:
    """
    The change of every site. Nothing is put into a block.

    Raises:
        Obstacle: a rule refuses. Nothing that was built reads a value any more.
    """
    changes: list[Change] = []
    algebra = Algebra()
    try:
        for site in sites:
            algebra = Algebra()
            k = vector(algebra, linear.constant, site.carried.part)
            changes.append((site.op, algebra, site.build(k, algebra)))
    except Obstacle:
        forget(algebra.ops)
        for _, known, new in changes:
            forget([*known.ops, new])
        raise
    return changes


def scaled_addend(
    inner: Linear, carried: Carried, k: SSAValue, algebra: Algebra
) -> NNOp:
    """`x + c` with `c` multiplied."""
    factor = algebra.reshape(k, aligned_shape(inner, carried))
    return nn.AddOp.make(inner.x, algebra.mul(inner.constant, factor))


def forget(ops: list[Operation]) -> None:
    """Drop operations that were never put into a block."""
    for op in reversed(ops):
        op.drop_all_references()
