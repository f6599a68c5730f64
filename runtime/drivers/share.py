"""
Which launches of a network are shared among threads, found while it runs.

A launch that is shared moves data between cores. What that costs depends on where the
system has put the threads, changes while a process runs, and is more than a small launch
gains when the cores are far apart. So there are a few ways to run the same table: all
launches shared that have some work, those with more work, none. Each is tried a few times
in the first calls and now and then later, and the fastest of late runs the others. Results
are the same bits in all of them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

SHARES = (1_000.0, 20_000.0, math.inf)
"""Nanoseconds of work for each thread that a launch must have to be shared, by way."""

TRIALS = 3
"""How often each way is tried at first, and how many times of each are remembered."""

PERIOD = 64
"""Calls between two later trials of another way."""

GAIN = 0.97
"""A way replaces the present one when it takes less than this share of its time."""


class Ways:
    """Chooses among the ways by the times that calls took."""

    def __init__(self, count: int) -> None:
        self.present = 0
        self.trial = 0
        self.calls = 0
        self.times = [deque[int](maxlen=TRIALS) for _ in range(count)]

    def next(self) -> int:
        """The way of the next call."""
        call, count = self.calls, len(self.times)
        self.calls += 1
        if count == 1:
            return 0
        if call < TRIALS * count:
            return call // TRIALS  # in a row: caches hold what the call before left
        if call % PERIOD == 0:
            self.trial = (self.present + 1 + call // PERIOD % (count - 1)) % count
        return self.trial if call % PERIOD < 2 else self.present

    def took(self, way: int, nanoseconds: int) -> None:
        """Remember the time of a call, and choose after one that was a trial."""
        self.times[way].append(nanoseconds)
        if way != self.present and self.calls >= TRIALS * len(self.times):
            self.present = self._fastest()

    def _fastest(self) -> int:
        least: Sequence[float] = [min(t, default=math.inf) for t in self.times]
        best = min(range(len(least)), key=least.__getitem__)
        return best if least[best] < GAIN * least[self.present] else self.present
