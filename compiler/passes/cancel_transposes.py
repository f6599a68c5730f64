"""
Cancel transposes and reshapes, and sink them below elementwise operations.

    transpose(transpose(x, p), q)      ==>  transpose(x, p[q])
    reshape(reshape(x))                ==>  reshape(x)
    transpose(x, p) of size-1 dims     ==>  reshape(x)
    f(transpose(x, p))                 ==>  transpose(f(x), p)
    f(transpose(x, p), transpose(y, p), c)
        ==>  transpose(f(x, y, transpose(c, p^-1)), p)
    f(reshape(x))                      ==>  reshape(f(x))

`f` is elementwise, `c` a constant; `reshape` stands for flatten, squeeze and unsqueeze
too. What ends where it began vanishes. Sinking is legal when nobody else reads the value
that is moved, all moved operands are permuted alike and have the rank of the result, and
other operands are constants or single numbers; a reshape sinks below one operand only.
Sunk, an operation stands beside what may cancel it, and `f` beside what it may fuse with.
Results are kept to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.nn.base import NNOp
from ...dialects.nn.reshape import Reshaping
from ...dialects.types import element_type, is_static, shape_of, tensor
from ..locations import merge_sources
from .algebra import Algebra, Constants, hoist
from .linear import Obstacle, check_one_reader
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace

Perm = tuple[int, ...]


@dataclass(frozen=True)
class CancelTransposesPass(FunctionPass):
    """Cancel transposes and reshapes, and sink them below elementwise operations."""

    name = "cancel-transposes"

    def rewrite(self, body: Block) -> int:
        constants = Constants.of(body)
        total = 0
        while count := sum(self.visit(op, constants) for op in list(body.ops)):
            total += count
        return total

    def visit(self, op: Operation, constants: Constants) -> bool:
        """Try the rules on one operation."""
        if not isinstance(op, NNOp) or op.parent is None or is_kept(op):
            return False
        if len(op.results) != 1 or op.results[0] in constants:
            return False
        if not all(is_static(v.type) for v in (*op.operands, *op.results)):
            return False
        for rule in RULES:
            try:
                if rule(op, constants):
                    return True
            except Obstacle as obstacle:
                decline(op, self.name, str(obstacle), rewrite="moved up")
        return False


Rule: TypeAlias = Callable[[NNOp, Constants], bool]
"""Rewrites what ends with the operation, and says whether it did."""


def compose(op: NNOp, constants: Constants) -> bool:
    """Two transposes become one or none."""
    if not isinstance(op, nn.TransposeOp):
        return False
    inner = op.x.owner
    if not isinstance(inner, nn.TransposeOp) or is_kept(inner):
        return False
    outer = permutation(op)
    perm = tuple(permutation(inner)[axis] for axis in outer)
    if perm == tuple(range(len(perm))):
        applied("cancel-transposes", [inner, op], inner, "both vanish")
        replace(op, [], [inner.x])
    else:
        put(op, nn.TransposeOp.make(inner.x, perm=perm), [inner, op])
    erase_if_dead(inner)
    return True


def only_ones(op: NNOp, constants: Constants) -> bool:
    """A transpose that keeps the order of the elements is a reshape."""
    if not isinstance(op, nn.TransposeOp):
        return False
    shape = shape_of(op.x)
    moved = [axis for axis in permutation(op) if shape[axis] != 1]
    if moved != sorted(moved):
        return False
    put_reshape(op, op.x, [op])
    return True


def join_reshapes(op: NNOp, constants: Constants) -> bool:
    """Two reshapes become one or none."""
    if not isinstance(op, Reshaping):
        return False
    x = op.operands[0]
    inner = x.owner
    if x.type == op.results[0].type:
        replace(op, [], [x])
        return True
    if not isinstance(inner, Reshaping) or is_kept(inner):
        return False
    if inner.operands[0] in constants:
        return False
    source = inner.operands[0]
    if source.type == op.results[0].type:
        applied("cancel-transposes", [inner, op], inner, "both vanish")
        replace(op, [], [source])
    else:
        put_reshape(op, source, [inner, op])
    erase_if_dead(inner)
    return True


def sink_transpose(op: NNOp, constants: Constants) -> bool:
    """An elementwise operation goes in front of the transposes of its operands."""
    moved = [
        o.owner
        for o in op.operands
        if isinstance(o.owner, nn.TransposeOp) and o not in constants
    ]
    if not moved or not op.ELEMENTWISE or isinstance(op, nn.ScaleShiftOp):
        return False
    perm = permutation(moved[0])
    check_sinkable(op, moved, perm, constants)

    algebra = Algebra()
    operands: list[SSAValue] = []
    for operand in op.operands:
        if operand.owner in moved:
            assert isinstance(operand.owner, nn.TransposeOp)
            operands.append(operand.owner.x)
        else:
            operands.append(turned_back(algebra, operand, perm))
    for operand in op.operands:
        if operand in constants and op.parent is not None:
            hoist(op.parent, operand)
    new = rebuilt(op, operands)
    new.location = op.location
    after = nn.TransposeOp.make(new.results[0], perm=perm)
    merge_sources(after, moved)
    replace(op, [*algebra.ops, new, after])
    constants.follow(algebra.ops)
    erase_if_dead(*dict.fromkeys(moved))
    return True


def check_sinkable(
    op: NNOp, moved: list[nn.TransposeOp], perm: Perm, constants: Constants
) -> None:
    """
    Whether all operands of an elementwise operation can be read before the transpose.

    Raises:
        Obstacle: one cannot.
    """
    rank = len(shape_of(op.results[0]))
    for transpose in moved:
        if permutation(transpose) != perm or len(perm) != rank:
            raise Obstacle("its operands are transposed in different ways")
        if is_kept(transpose):
            raise Obstacle("a transpose before it is kept")
        readers = {use.operation for use in transpose.output.uses}
        if readers != {op}:
            check_one_reader(transpose.output, "the transposed value")
    for operand in op.operands:
        if operand.owner in moved or prod(shape_of(operand)) == 1:
            continue
        if operand not in constants:
            raise Obstacle("another operand is not transposed")


def turned_back(algebra: Algebra, operand: SSAValue, perm: Perm) -> SSAValue:
    """A constant as it broadcasts before a transpose; single numbers stay."""
    shape = shape_of(operand)
    if prod(shape) == 1:
        return operand if len(shape) <= len(perm) else algebra.reshape(operand, [])
    full = algebra.reshape(operand, [1] * (len(perm) - len(shape)) + list(shape))
    return algebra.transpose(full, [perm.index(axis) for axis in range(len(perm))])


def sink_reshape(op: NNOp, constants: Constants) -> bool:
    """A function of one element goes in front of the reshape of its operand."""
    if not op.ELEMENTWISE or len(op.operands) != 1:
        return False
    inner = op.operands[0].owner
    if not isinstance(inner, Reshaping) or is_kept(inner):
        return False
    check_one_reader(op.operands[0], "the reshaped value")
    new = rebuilt(op, [inner.operands[0]])
    new.location = op.location
    algebra = Algebra()
    shape = algebra.ints(shape_of(op.results[0]))
    after = nn.ReshapeOp.make(new.results[0], shape)
    merge_sources(after, [inner])
    replace(op, [new, *algebra.ops, after])
    constants.follow(algebra.ops)
    erase_if_dead(inner)
    return True


RULES: tuple[Rule, ...] = (
    compose,
    only_ones,
    join_reshapes,
    sink_transpose,
    sink_reshape,
)


def permutation(op: nn.TransposeOp) -> Perm:
    """The order of the dimensions, spelled out."""
    return op.permutation(len(shape_of(op.x)))


def rebuilt(op: NNOp, operands: list[SSAValue]) -> NNOp:
    """The same elementwise operation on other operands."""
    new = type(op).create(
        operands=operands,
        properties=dict(op.properties),
        attributes=dict(op.attributes),
        result_types=[tensor((), element_type(op.results[0]))],
    )
    new.set_result_types(new.infer())
    return new


def put_reshape(op: NNOp, source: SSAValue, olds: list[Operation]) -> None:
    """Put a reshape of `source` in the place of `op`."""
    algebra = Algebra()
    shape = algebra.ints(shape_of(op.results[0]))
    put(op, nn.ReshapeOp.make(source, shape), olds, algebra)


def put(
    op: NNOp, new: NNOp, olds: list[Operation], algebra: Algebra | None = None
) -> None:
    """Put `new`, which stands for `olds`, in the place of `op`."""
    merge_sources(new, olds)
    applied("cancel-transposes", olds, new)
    replace(op, [*(algebra.ops if algebra else []), new])
