"""
Cut off kernel taps that see nothing but padding.

    conv(x, w, dilation d, pads b e)
        ==>  conv(x, w[first : last + 1], dilation d, pads b - first * d, ...)

Tap `t` of a dimension is alive if some window `o` sees the input there:

    0 <= o * stride + t * dilation - begin < size

`first` and `last` are the first and the last tap that is alive, or taps further out where
the padding would otherwise fall below zero. The number of windows stays, and a single tap
has no dilation. The same holds for a transposed convolution, whose windows lie on its
output: dead taps only write what its padding cuts off. Pools lose the taps too. Legal
when

- some tap of every dimension is alive,
- the weights are constant, and those cut off are finite: zero times infinity is no zero,
- an average still divides by the same numbers (those that count padding do not).

Sums lose terms that are zero: results are kept to the bit, but for the sign of a zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.const import constant_array
from ...dialects.nn.base import integer
from ...dialects.nn.pool import Pool
from ...dialects.nn.windows import Window
from ...dialects.types import is_static
from .algebra import Algebra
from .linear import Obstacle
from .reasons import KEPT, applied, decline, is_kept
from .rewrite import FunctionPass, replace

Convolution: TypeAlias = nn.ConvOp | nn.ConvTransposeOp


@dataclass(frozen=True)
class TrimKernelsPass(FunctionPass):
    """Cut off kernel taps that see nothing but padding."""

    name = "trim-kernels"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if not isinstance(op, nn.ConvOp | nn.ConvTransposeOp | Pool):
                continue
            if not all(is_static(v.type) for v in (*op.operands, *op.results)):
                continue
            trims = [trimmed(window) for window in op.windows()]
            if not any(trim.shorter for trim in trims):
                continue
            try:
                trim_operation(op, trims)
                count += 1
            except Obstacle as obstacle:
                decline(op, self.name, str(obstacle), rewrite="kernel trimmed")
        return count


@dataclass(frozen=True)
class Trim:
    """What is left of the kernel in one dimension."""

    old: Window
    taps: range
    begin: int
    end: int
    """Padding behind the input; below zero, elements that no window reaches."""

    @property
    def shorter(self) -> bool:
        return len(self.taps) < self.old.kernel

    @property
    def dilation(self) -> int:
        return self.old.dilation if len(self.taps) > 1 else 1

    @property
    def new(self) -> Window:
        """The dimension afterwards."""
        old = self.old
        return Window(
            old.input,
            old.output,
            len(self.taps),
            old.stride,
            self.dilation,
            self.begin,
            max(0, self.end),
        )


def trimmed(window: Window) -> Trim:
    """
    The taps to keep of one dimension.

    With `end_at(last)` elements of padding, or as many less, the last window sees tap
    `last` and no more. As many windows as before fit while that is above `-stride`.
    """

    def end_at(last: int) -> int:
        steps = (window.output - 1) * window.stride
        return steps + last * window.dilation + 1 - window.input - window.begin

    taps = range(window.kernel)
    alive = [t for t in taps if window.windows_at(t)]
    if alive:
        first = min(alive[0], window.begin // window.dilation)
        fitting = [t for t in taps[alive[-1] :] if end_at(t) > -window.stride]
        taps = range(first, fitting[0] + 1 if fitting else window.kernel)
    begin = window.begin - taps.start * window.dilation
    return Trim(window, taps, begin, end_at(taps[-1]))


def trim_operation(op: Convolution | Pool, trims: Sequence[Trim]) -> None:
    """
    Put an operation with a smaller kernel in the place of `op`.

    Raises:
        Obstacle: a condition does not hold.
    """
    if is_kept(op):
        raise Obstacle(KEPT)
    algebra = Algebra()
    if isinstance(op, Pool):
        new = trimmed_pool(op, trims)
    else:
        new = trimmed_convolution(op, trims, algebra)
    note = " x ".join(f"{len(t.taps)} of {t.old.kernel}" for t in trims) + " taps"
    applied("trim-kernels", [op], new, note)
    replace(op, [*algebra.ops, new])


def geometry_of(trims: Sequence[Trim]) -> dict[str, Any]:
    """The properties that windows follow from."""
    return {
        "strides": [t.old.stride for t in trims],
        "pads": [*(t.begin for t in trims), *(max(0, t.end) for t in trims)],
        "dilations": [t.dilation for t in trims],
    }


def trimmed_convolution(
    op: Convolution, trims: Sequence[Trim], algebra: Algebra
) -> Operation:
    """A convolution with a part of the weights."""
    weights = constant_array(op.w)
    if weights is None:
        raise Obstacle("its weights are not constant")
    left_out = np.ones(weights.shape, bool)
    left_out[:, :, *(slice(t.taps.start, t.taps.stop) for t in trims)] = False
    if not np.isfinite(weights[left_out]).all():
        raise Obstacle("a weight that would be left out is infinite or not a number")
    properties = {**geometry_of(trims), "group": integer(op.group)}
    w = sliced(op.w, trims, algebra)
    if isinstance(op, nn.ConvOp):
        return nn.ConvOp.make(op.x, w, op.b, **properties)
    extra = [max(0, -t.end) for t in trims]
    if any(extra):
        properties["output_padding"] = extra
    return nn.ConvTransposeOp.make(op.x, w, op.b, **properties)


def sliced(w: SSAValue, trims: Sequence[Trim], algebra: Algebra) -> SSAValue:
    """The weights of the taps that stay."""
    cut = [(axis, t.taps) for axis, t in enumerate(trims, start=2) if t.shorter]
    starts, ends = [t.start for _, t in cut], [t.stop for _, t in cut]
    bounds = map(algebra.ints, (starts, ends, [axis for axis, _ in cut]))
    return algebra.write(nn.SliceOp.make(w, *bounds))


def trimmed_pool(op: Pool, trims: Sequence[Trim]) -> Operation:
    """A pool with a smaller kernel."""
    properties: dict[str, Any] = {**geometry_of(trims)}
    properties["kernel_shape"] = [len(t.taps) for t in trims]
    match op:
        case nn.AveragePoolOp():
            include = integer(op.count_include_pad) != 0
            for old, new in ((t.old, t.new) for t in trims):
                if (old.counts(include) != new.counts(include)).any():
                    raise Obstacle("its mean counts the padding")
            properties["count_include_pad"] = integer(op.count_include_pad)
        case nn.MaxPoolIndicesOp():
            properties["storage_order"] = integer(op.storage_order)
        case nn.LpPoolOp():
            properties["p"] = integer(op.p)
        case _:
            pass
    return type(op).make(op.x, **properties)
