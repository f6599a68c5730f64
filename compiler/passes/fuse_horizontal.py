"""
Fuse convolutions, or products of matrices, that read one value into one and a split.

    conv(x, w0, b0), conv(x, w1, b1), ...
        ==>  split(conv(x, concat(w0, w1, ...), concat(b0, b1, ...)))
    concat(conv(x, w0, b0), conv(x, w1, b1), ...)
        ==>  conv(x, concat(w0, w1, ...), concat(b0, b1, ...))

The split sinks below what all parts go through alike: a function of one element, or an
Add of a constant along the split dimension. Legal when all have the same geometry (or
flags), constant weights, and all or none a constant bias. Convolutions with groups are
left alone.

Applied where it saves a twentieth of the cost (`cost.py`): `x` is read and an operation started once instead
of `n` times; but a part is copied unless its readers can take it where it is: it starts
at a multiple of 16, is no graph output, and goes into no concat and no reshape.

Results are kept to the bit: every output channel is the same sum.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.nn.base import NNOp, integer, normalized_axis
from ...dialects.nn.reshape import Reshaping
from ...dialects.types import is_static, shape_of
from ..locations import merge_sources
from .algebra import Algebra, Constants, hoist
from .cost import START, bytes_of, compared, cost, cost_of
from .linear import linear_of
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace

Layer = nn.ConvOp | nn.MatmulOp | nn.GemmOp

MARGIN = 0.95
"""What is left of the cost must be less than this part of it: a wide layer has larger
tiles, a split keeps values alive for longer."""

BLOCK = 16
"""A part that starts at a multiple of it is read where it is."""


@dataclass(frozen=True)
class FuseHorizontalPass(FunctionPass):
    """Fuse layers of one input into one layer and a split."""

    name = "fuse-horizontal"

    def rewrite(self, body: Block) -> int:
        constants = Constants.of(body)
        groups: dict[Hashable, list[Layer]] = {}
        for op in body.ops:
            if isinstance(op, Layer) and (key := key_of(op, constants)) is not None:
                groups.setdefault(key, []).append(op)
        count = 0
        for layers in groups.values():
            if len(layers) < 2:
                continue
            layers = in_order(layers, constants)
            before, after = costs(layers, constants)
            if after > MARGIN * before:
                for op in layers:
                    reason = f"it would not pay: {compared(before, after)}"
                    decline(op, self.name, reason, rewrite="one layer for all readers")
                continue
            fuse(body, layers, constants, compared(before, after))
            count += 1
        return count


def key_of(op: Layer, constants: Constants) -> Hashable | None:
    """Layers with the same key may be one; None for a layer that may not."""
    x, w, *bias = op.operands
    if is_kept(op) or x in constants or not constants.issuperset([w, *bias]):
        return None
    if not is_static(x.type):
        return None
    flags: tuple[Hashable, ...] = (x, op.name, bool(bias))
    if isinstance(op, nn.ConvOp):
        if integer(op.group) != 1:
            return None
        return (*flags, tuple(op.windows()))
    if len(shape_of(w)) != 2 or len(shape_of(x)) < 2:
        return None
    if bias and shape_of(bias[0]) != shape_of(op.results[0])[-1:]:
        return None
    return (
        *flags,
        *(op.properties.get(n) for n in ("alpha", "beta", "transA", "transB")),
    )


def weight_axis(op: Layer) -> int:
    """The dimension of the weights that counts the outputs."""
    if isinstance(op, nn.ConvOp):
        return 0
    return 0 if isinstance(op, nn.GemmOp) and integer(op.transB) else 1


def output_axis(op: Layer) -> int:
    """The dimension of the result that counts the outputs."""
    return 1 if isinstance(op, nn.ConvOp) else len(shape_of(op.results[0])) - 1


def tails(layers: Sequence[Layer], constants: Constants) -> list[list[NNOp]]:
    """What all parts go through alike, step by step; each step has one of each part."""
    steps: list[list[NNOp]] = []
    values = [layer.results[0] for layer in layers]
    while True:
        if not all(value.has_one_use() for value in values):
            return steps
        readers = [next(iter(value.uses)).operation for value in values]
        keys = {tail_key(op, layers[0], constants) for op in readers}
        if len(keys) != 1 or None in keys:
            return steps
        steps.append([op for op in readers if isinstance(op, NNOp)])
        values = [op.results[0] for op in readers]


def ends_of(layers: Sequence[Layer], constants: Constants) -> list[SSAValue]:
    """What the parts are when they no longer go through the same."""
    steps = tails(layers, constants)
    return [op.results[0] for op in (steps[-1] if steps else layers)]


def joining(ends: Sequence[SSAValue], axis: int) -> nn.ConcatOp | None:
    """The concat along `axis` that reads all parts once, and nothing else."""
    readers = {use.operation for value in ends for use in value.uses}
    if len(readers) != 1:
        return None
    op = readers.pop()
    if not isinstance(op, nn.ConcatOp) or is_kept(op):
        return None
    rank = len(shape_of(op.output))
    if normalized_axis(integer(op.axis), rank) != axis:
        return None
    alike = len(op.operands) == len(ends) and set(op.operands) == set(ends)
    return op if alike else None


def in_order(layers: list[Layer], constants: Constants) -> list[Layer]:
    """The layers in the order in which a concat joins their parts, if one does."""
    ends = ends_of(layers, constants)
    join = joining(ends, output_axis(layers[0]))
    if join is None:
        return layers
    places = list(join.operands)
    by_end = dict(zip(ends, layers, strict=True))
    return [by_end[place] for place in places]


def tail_key(op: Operation, layer: Layer, constants: Constants) -> Hashable | None:
    """Operations with the same key do the same to every part; None for any other."""
    if not isinstance(op, NNOp) or not op.ELEMENTWISE or is_kept(op):
        return None
    if len(op.operands) == 1 and op.results[0].type == op.operands[0].type:
        return (op.name, frozenset(op.properties.items()))
    linear = linear_of(op, constants)
    if linear is None or linear.is_mul or linear.result.type != linear.x.type:
        return None
    shape = shape_of(linear.result)
    axis = output_axis(layer)
    aligned = (1,) * axis + shape[axis : axis + 1] + (1,) * (len(shape) - axis - 1)
    constant = shape_of(linear.constant)
    if len(constant) < len(shape) - axis:
        return None
    return "add" if constant == aligned[len(shape) - len(constant) :] else None


def costs(layers: Sequence[Layer], constants: Constants) -> tuple[float, float]:
    """The cost of the layers one by one, and of one for all with a split."""
    before = sum(cost_of(op) + START for op in layers)
    after = before - (len(layers) - 1) * (
        cost(0, bytes_of(layers[0].operands[0])) + START
    )
    last = ends_of(layers, constants)
    saved = (len(layers) - 1) * START * len(tails(layers, constants))
    join = joining(last, output_axis(layers[0]))
    if join is not None:
        return before + cost_of(join) + START, after - saved
    start = 0
    copies = 0.0
    axis = output_axis(layers[0])
    for value in last:
        if start % BLOCK or not all(reads_in_place(u.operation) for u in value.uses):
            copies += cost(0, 2 * bytes_of(value))
        start += shape_of(value)[axis]
    return before, after + copies + (START if copies else 0) - saved


def reads_in_place(op: Operation) -> bool:
    """Whether a reader can take a part of a larger value where it is."""
    return not isinstance(op, ReturnOp | nn.ConcatOp | Reshaping)


def earliest(body: Block, layers: Sequence[Layer]) -> Operation:
    """The layer that comes first in the program."""
    return next(op for op in body.ops if op in layers)


def fuse(body: Block, layers: list[Layer], constants: Constants, note: str) -> None:
    """Put one layer, what all go through, and a split in the place of `layers`."""
    algebra = Algebra()
    first = layers[0]
    for op in layers:
        for operand in op.operands[1:]:
            hoist(body, operand)
    steps = tails(layers, constants)
    w = algebra.concat([op.operands[1] for op in layers], weight_axis(first))
    biases = [op.operands[2] for op in layers if len(op.operands) > 2]
    bias = [algebra.concat(biases, 0)] if biases else []
    flags: dict[str, Any] = dict(first.properties)
    one: NNOp = type(first).make(first.operands[0], w, *bias, **flags)
    new: list[NNOp] = [one]
    axis = output_axis(first)
    for step in steps:
        value = new[-1].results[0]
        others = [
            linear.constant for op in step if (linear := linear_of(op, constants))
        ]
        for other in others:
            hoist(body, other)
        if others:
            rank = len(shape_of(value)) - len(shape_of(others[0]))
            joined = [algebra.concat(others, axis - rank)]
            new.append(nn.AddOp.make(value, *joined))
        else:
            flags = dict(step[0].properties)
            new.append(type(step[0]).make(value, **flags))
    ends = ends_of(layers, constants)
    sizes = algebra.ints([shape_of(end)[axis] for end in ends])
    split = nn.SplitOp.make(new[-1].results[0], sizes, axis=axis, results=len(ends))
    for op, olds in zip(new, [layers, *steps], strict=True):
        merge_sources(op, olds)
    merge_sources(split, layers)
    applied("fuse-horizontal", layers, new[0], note)
    join = joining(ends, axis)
    body.insert_ops_before([*algebra.ops, *new, split], earliest(body, layers))
    if join is not None:
        replace(join, [], [new[-1].results[0]])
    for old, part in zip(ends, split.results, strict=True):
        old.replace_all_uses_with(part)
    erase_if_dead(split)
    for step in reversed(steps):
        erase_if_dead(*step)
    erase_if_dead(*layers)
    constants.follow(algebra.ops)
