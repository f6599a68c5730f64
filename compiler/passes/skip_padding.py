"""
Leave out what convolutions would multiply with padding.

    conv(x, w) {dilations = [12], pads = [12, 12]}   on 20 elements
        ==>  conv(x, w) {…, split = [0]}

    output  0 ..  7   sees taps    1, 2
            8 .. 11                1
           12 .. 19             0, 1

Outputs that see the same taps become a nest of their own, which needs no padding around
its input. The cost of the nests is counted in multiplications:

    sum over nests (taps * max(outputs, SHARED) * channels of input * output  + LAUNCH)
        + COPY * elements of an image that is copied to have padding

A dimension is split when every further nest saves `EACH` of it, for it is more code. Legal
when the weights are finite constants: zero times infinity is no zero. Results are kept to
the bit, but for the sign of a zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from xdsl.ir import Block, BlockArgument, SSAValue

from ...dialects.const import constant_array
from ...dialects.nn import ConvOp
from ...dialects.nn.phases import Range, ranges_of, whole_range
from ...dialects.nn.windows import Window
from ...dialects.types import integer_array, shape_of
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass

EACH = 0.04
"""Share of the cost that every further nest must save."""

SHARED = 12
"""Outputs that share a weight they load; fewer wait for the next one."""

LAUNCH = 200_000
"""Multiplications in the time that one more launch takes."""

IMAGE = 3
"""Channels of an image."""

COPY = 16
"""Multiplications in the time that an element takes to be copied."""


@dataclass(frozen=True)
class SkipPaddingPass(FunctionPass):
    """Split the outputs of convolutions that multiply much with padding."""

    name = "skip-padding"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in body.ops:
            if not isinstance(op, ConvOp) or is_kept(op) or op.split is not None:
                continue
            geometry = op.windows()
            points = prod(g.output * g.kernel for g in geometry)
            copied = prod(shape_of(op.x)) if is_copied(op.x) else 0
            split = worthwhile(geometry, op.flops() // (2 * points), copied)
            if not split:
                continue
            weights = constant_array(op.w)
            if weights is None or not np.isfinite(weights).all():
                reason = "its weights are not finite constants"
                decline(op, self.name, reason, rewrite="padding skipped")
                continue
            before = op.flops()
            op.properties["split"] = integer_array(split)
            share = f"{op.flops() / before:.0%} of the products are left"
            applied(self.name, [op], op, share)
            count += 1
        return count


def is_copied(value: SSAValue) -> bool:
    """
    Whether nothing but padding makes a convolution read a copy: of an image, an input of
    the network. With more channels it is a copy to another layout as well.
    """
    image = isinstance(value, BlockArgument) and shape_of(value)[1] <= IMAGE
    return image and value.has_one_use()


def worthwhile(geometry: list[Window], pairs: int, copied: int = 0) -> list[int]:
    """
    The dimensions to split, for so many pairs of an input and an output channel.

    Args:
        copied: elements that need no copy when all dimensions with padding are split.
    """
    ranges = [[whole_range(window)] for window in geometry]
    best = cost(ranges, pairs)
    chosen: list[int] = []
    order = sorted(range(len(geometry)), key=lambda dim: -dead_share(geometry[dim]))
    for dim in order:
        if dead_share(geometry[dim]) <= EACH:
            break
        tried = [*ranges[:dim], ranges_of(geometry[dim]), *ranges[dim + 1 :]]
        found = cost(tried, pairs)
        further = prod(map(len, tried)) - prod(map(len, ranges))
        if found < best * (1 - EACH * further):
            chosen.append(dim)
            ranges, best = tried, found
    padded = [dim for dim, window in enumerate(geometry) if dead_share(window)]
    tried = [ranges_of(window) for window in geometry]
    further = prod(map(len, tried)) - prod(map(len, ranges))
    best += COPY * copied
    if copied and cost(tried, pairs) < best * (1 - EACH * further):
        return padded
    return sorted(chosen)


def cost(ranges: list[list[Range]], pairs: int) -> float:
    """What the nests of these ranges cost."""
    total = 0
    for nest in product(*ranges):
        taps, outputs = prod(r.taps for r in nest), prod(r.outputs for r in nest)
        total += taps * max(outputs, SHARED) * pairs + LAUNCH
    return total


def dead_share(window: Window) -> float:
    """The share of pairs of an output and a tap that see padding."""
    alive = sum(len(window.windows_at(tap)) for tap in range(window.kernel))
    return 1 - alive / (window.kernel * window.output)
