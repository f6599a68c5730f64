"""
How outputs of one spatial dimension divide into parts that are computed alike.

A convolution's outputs divide into *ranges* that see the same taps, those of its transpose
into *phases* that see every so many taps.
"""

from __future__ import annotations

from itertools import groupby
from math import gcd
from typing import NamedTuple

from .windows import Window


class Range(NamedTuple):
    """
    Consecutive outputs, from `start` on, of a convolution in one dimension.

    They are computed from the taps from `first` on.
    """

    start: int
    outputs: int
    first: int
    taps: int


def whole_range(window: Window) -> Range:
    """All outputs, from all taps."""
    return Range(0, window.output, 0, window.kernel)


def ranges_of(window: Window) -> list[Range]:
    """The longest ranges of outputs for which the same taps see the input."""
    found: list[Range] = []
    for taps, outputs in groupby(range(window.output), window.taps_of):
        start, *others = outputs
        first = taps.start if taps else 0
        found.append(Range(start, 1 + len(others), first, len(taps)))
    return found


class Phase(NamedTuple):
    """
    The outputs `q * stride + remainder` of a transposed convolution, in one dimension.

    They see the inputs `q * ahead + start - t * back` with the taps
    `first + t * step + q * along`, for `t` in `range(taps)`.
    """

    stride: int
    remainder: int
    outputs: int
    taps: int
    first: int
    step: int
    start: int
    back: int
    ahead: int = 1
    along: int = 0

    @property
    def seen(self) -> range:
        """From the first input that is read to the last; perhaps outside."""
        if not self.taps:
            return range(0)
        last = (self.outputs - 1) * self.ahead + self.start
        return range(self.start - (self.taps - 1) * self.back, last + 1)


def phases_of(window: Window) -> list[Phase]:
    """All phases of a dimension. The window's input is the transpose's output."""
    if window.output == 1 and window.dilation == 1:
        return phases_of_one(window)
    return [phase_of(window, r) for r in range(min(window.stride, window.input))]


def phase_of(window: Window, remainder: int) -> Phase:
    """The outputs with this remainder modulo the stride, and the taps they see."""
    stride, dilation = window.stride, window.dilation
    common = gcd(stride, dilation)
    step = stride // common
    place = remainder + window.begin
    fitting = [t for t in range(window.kernel) if (place - t * dilation) % stride == 0]
    first = fitting[0] if fitting else 0
    return Phase(
        stride,
        remainder,
        -(-(window.input - remainder) // stride),
        len(fitting),
        first,
        step,
        (place - first * dilation) // stride,
        dilation // common,
    )


def phases_of_one(window: Window) -> list[Phase]:
    """
    The phases where there is one input: output `p` sees tap `p + begin` of it.

    Those behind the last tap see nothing.
    """
    begin, outputs = window.begin, window.input
    seen = max(0, min(window.kernel - begin, outputs))
    found = (
        Phase(1, 0, seen, 1, begin, 0, 0, 0, ahead=0, along=1),
        Phase(1, seen, outputs - seen, 0, 0, 0, 0, 0),
    )
    return [phase for phase in found if phase.outputs]
