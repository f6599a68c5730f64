"""Segments: how loops of a step run over a dimension that it does not divide."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import TypeAlias

Segment: TypeAlias = "tuple[int, int, int]"
"""(start, count, size): steps of one size along a dimension."""

Reach: TypeAlias = "tuple[int, int]"
"""Where a part of a dimension begins and ends."""


def segments(extent: int, step: int) -> list[Segment]:
    """Whole steps, then what remains."""
    count, rest = divmod(extent, step)
    whole = [(0, count, step)] if count else []
    return whole + ([(count * step, 1, rest)] if rest else [])


def joint_shares(
    steps: Sequence[int], reaches: Sequence[Sequence[Reach]]
) -> list[tuple[Segment, ...]]:
    """
    A segment of each dimension, all combinations; no stage begins or ends inside of one.

    Args:
        reaches: what each stage walks of each dimension.
    """
    axes: list[list[Segment]] = []
    for number, step in enumerate(steps):
        ends = sorted({end for stage in reaches for end in stage[number]})
        axes.append(
            [
                (low + start, count, size)
                for low, high in pairwise(ends)
                for start, count, size in segments(high - low, step)
            ]
        )
    return list(product(*axes))


def own_share(share: Sequence[Segment], reach: Sequence[Reach]) -> list[Segment] | None:
    """A joint share as the stage that walks `reach` counts; None: it has no part in it."""
    own: list[Segment] = []
    for (start, count, size), (low, high) in zip(share, reach, strict=True):
        if start < low or start + count * size > high:
            return None
        own.append((start - low, count, size))
    return own
