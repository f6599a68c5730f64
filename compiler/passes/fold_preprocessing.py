"""
Fold preprocessing into the first layers, where that is exact.

    conv(x * k, w, b)       ==>  conv(x, w * k[i], b)
    conv(x + a, w, b)       ==>  conv(x, w, b + sum(w * a[i] over i, taps))
    conv(reverse(x), w, b)  ==>  conv(x, reverse(w over i), b)

`k` and `a` have one number per channel. Adding into a bias needs a convolution that sees
no padding: zeros are put around `x + a`, not around `x`. There the sum stays an
operation while scale and order go. Reversing needs a single group. All readers of the
value must be convolutions with constant weights, or nothing is folded.

Sums and products are reassociated: results agree to rounding; whole numbers exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from ...dialects.nn.base import NNOp, integer, ints
from ...dialects.nn.program import Program
from ...dialects.types import is_static, shape_of
from ..locations import merge_sources
from .preprocess import reversed_along
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead, replace

PASS = "fold-preprocessing"
INTO = "preprocessing into the first layer"


@dataclass(frozen=True)
class FoldPreprocessingPass(FunctionPass):
    """Fold scale, mean and channel order of inputs into the convolutions that read them."""

    name = PASS

    def rewrite(self, body: Block) -> int:
        count = 0
        for argument in list(body.args):
            while (chain := preparation_chain(argument)) and fold_last(chain):
                count += 1
        return count


@dataclass(frozen=True)
class Link:
    """One operation between an input and the first layers."""

    op: Operation
    kind: str
    """`mul`, `add`, `reverse` or `pass` (transpositions and conversions)."""
    axis: int
    """Of the channels in the operation's result."""


def preparation_chain(argument: BlockArgument) -> list[Link]:
    """The operations that only prepare an input, from the input on."""
    ops: list[Operation] = []
    value: SSAValue = argument
    while (user := value.get_user_of_unique_use()) is not None:
        if not _prepares(user) or user.operands[0] is not value:
            break
        ops.append(user)
        value = user.results[0]
    if not ops or not is_static(value.type) or len(shape_of(value)) < 3:
        return []
    return _with_axes(ops)


def _prepares(op: Operation) -> bool:
    if is_kept(op):
        return False
    if isinstance(op, nn.TransposeOp | nn.CastOp):
        return True
    if isinstance(op, nn.MulOp | nn.AddOp):
        return constant_array(op.rhs) is not None and op.output.type == op.lhs.type
    return isinstance(op, nn.SliceOp) and op.output.type == op.x.type


def _with_axes(ops: Sequence[Operation]) -> list[Link]:
    """Channels are the second dimension where the chain ends."""
    axis = 1
    links: list[Link] = []
    for op in reversed(ops):
        links.append(Link(op, _kind(op, axis), axis))
        if isinstance(op, nn.TransposeOp):
            rank = len(shape_of(op.output))
            axis = (ints(op.properties.get("perm")) or range(rank)[::-1])[axis]
    return links[::-1]


def _kind(op: Operation, axis: int) -> str:
    match op:
        case nn.MulOp() | nn.AddOp():
            return op.name.removeprefix("nn.")
        case nn.SliceOp() if _reverses(op, axis):
            return "reverse"
        case nn.TransposeOp() | nn.CastOp():
            return "pass"
        case _:
            return "other"


def _reverses(op: nn.SliceOp, axis: int) -> bool:
    if op.steps is None:
        return False
    ranges = op.static_ranges()
    return all((r.step < 0) == (i == axis) for i, r in enumerate(ranges))


# folding


def fold_last(chain: Sequence[Link]) -> bool:
    """Fold the last link that can go. Returns whether one did."""
    readers = _readers(chain[-1].op)
    if readers is None:
        if any(link.kind in ("mul", "add", "reverse") for link in chain):
            reason = "its readers are not all convolutions with constant weights"
            decline(chain[-1].op, PASS, reason, rewrite=INTO)
        return False
    kept: list[Link] = []
    for link in reversed(chain):
        reason = _obstacle(link, kept, readers)
        if reason is None and link.kind != "pass":
            _fold(link, kept, readers)
            return True
        if link.kind == "pass":
            if isinstance(link.op, nn.CastOp):
                break  # what is before it is computed in another type
            continue
        decline(link.op, PASS, reason or "", rewrite=INTO)
        kept.append(link)
    return False


def _readers(op: Operation) -> list[nn.ConvOp] | None:
    """All readers, when each is a convolution that can change its weights."""
    value = op.results[0]
    readers: list[nn.ConvOp] = []
    for use in value.uses:
        conv = use.operation
        if not isinstance(conv, nn.ConvOp) or use.index != 0 or is_kept(conv):
            return None
        if not all(map(_is_known, conv.operands[1:])):
            return None
        if conv not in readers:
            readers.append(conv)
    return readers or None


def _is_known(value: SSAValue) -> bool:
    """Whether a value is a constant, or will be when constants are folded."""
    if constant_array(value) is not None:
        return True
    return isinstance(value.owner, NNOp) and all(map(_is_known, value.owner.operands))


def _obstacle(
    link: Link, kept: Sequence[Link], readers: Sequence[nn.ConvOp]
) -> str | None:
    """The first condition that keeps a link from going into all readers."""
    if link.kind == "pass":
        return None
    if link.kind == "other":
        return "it is not a scale, a mean or an order of channels"
    if link.kind in ("mul", "add") and not _per_channel(link):
        return "its constant is not one number per channel"
    if link.kind == "reverse":
        if any(integer(conv.group) != 1 for conv in readers):
            return "the convolution has groups, which reversed channels would cross"
        if not all(k.kind in ("mul", "add") for k in kept):
            return "an operation behind it depends on the order of the channels"
        return None
    if kept:
        return "an operation behind it could not be folded"
    if link.kind == "add" and any(_is_padded(conv) for conv in readers):
        return "the convolution pads with zeros behind the sum, a bias cannot say that"
    return None


def _is_padded(conv: nn.ConvOp) -> bool:
    return any(window.padded for window in conv.windows())


def _per_channel(link: Link) -> bool:
    array = constant_array(link.op.operands[1])
    assert array is not None
    shape = (1,) * (len(shape_of(link.op.results[0])) - array.ndim) + array.shape
    return all(size == 1 for i, size in enumerate(shape) if i != link.axis)


def _fold(link: Link, kept: Sequence[Link], readers: Sequence[nn.ConvOp]) -> None:
    op = link.op
    for conv in readers:
        program = Program()
        folded = FOLDS[link.kind](program, conv, link)
        merge_sources(folded, [op, conv])
        replace(conv, [*program.ops, folded])
        applied(PASS, [op, conv], folded)
    if link.kind == "reverse":
        for other in kept:
            _reverse_constant(other)
    source = op.operands[0]
    operands = [o.owner for o in op.operands if isinstance(o.owner, Operation)]
    op.results[0].replace_all_uses_with(source)
    erase_if_dead(op, *operands)


def _reverse_constant(link: Link) -> None:
    """A constant per channel, or an image, for channels in the opposite order."""
    op, axis = link.op, link.axis
    value = op.operands[1]
    place = axis - len(shape_of(op.results[0])) + len(shape_of(value))
    if place < 0 or shape_of(value)[place] == 1:
        return
    program = Program()
    op.operands[1] = reversed_along(program, value, place)
    assert op.parent is not None
    op.parent.insert_ops_before(program.ops, op)


def _input_weights(program: Program, conv: nn.ConvOp, numbers: SSAValue) -> SSAValue:
    """Numbers per input channel, in a shape that multiplies `[G, O / G, I, taps...]`."""
    ins, *taps = shape_of(conv.w)[1:]
    groups = integer(conv.group)
    array = constant_array(numbers)
    assert array is not None
    each = 1 if array.size == 1 else ins
    lead = [1 if array.size == 1 else groups, 1, each]
    return program(nn.ReshapeOp, numbers, program.ints(*lead, *(1 for _ in taps)))


def _grouped(program: Program, conv: nn.ConvOp) -> SSAValue:
    outs, *rest = shape_of(conv.w)
    groups = integer(conv.group)
    shape = program.ints(groups, outs // groups, *rest)
    return program(nn.ReshapeOp, conv.w, shape)


def fold_mul(program: Program, conv: nn.ConvOp, link: Link) -> nn.ConvOp:
    """`conv(x * k, w, b)` to `conv(x, w * k[i], b)`."""
    factors = _input_weights(program, conv, link.op.operands[1])
    product = program(nn.MulOp, _grouped(program, conv), factors)
    weights = program(nn.ReshapeOp, product, program.ints(*shape_of(conv.w)))
    return nn.ConvOp.make(conv.x, weights, conv.b, **properties_of(conv))


def fold_add(program: Program, conv: nn.ConvOp, link: Link) -> nn.ConvOp:
    """`conv(x + a, w, b)` to `conv(x, w, b + sum(w * a[i]))`; nothing is padded."""
    terms = _input_weights(program, conv, link.op.operands[1])
    product = program(nn.MulOp, _grouped(program, conv), terms)
    axes = program.ints(*range(2, len(shape_of(product))))
    sums = program(nn.ReduceSumOp, product, axes, keepdims=0)
    bias = program(nn.ReshapeOp, sums, program.ints(shape_of(conv.w)[0]))
    if conv.b is not None:
        bias = program(nn.AddOp, conv.b, bias)
    return nn.ConvOp.make(conv.x, conv.w, bias, **properties_of(conv))


def fold_reverse(program: Program, conv: nn.ConvOp, link: Link) -> nn.ConvOp:
    """`conv(reverse(x), w, b)` to `conv(x, reverse(w over i), b)`."""
    weights = reversed_along(program, conv.w, 1)
    return nn.ConvOp.make(conv.x, weights, conv.b, **properties_of(conv))


def properties_of(conv: nn.ConvOp) -> dict[str, Any]:
    """Strides, pads and so on, for a new convolution."""
    return dict(conv.properties)


FOLDS = {"mul": fold_mul, "add": fold_add, "reverse": fold_reverse}
