"""Python's garbage collector while a compiler runs."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

YOUNG = 200_000
"""New objects between two collections; the default is 700."""


@contextmanager
def rare_collections(*, at_the_end: bool = True) -> Generator[None]:
    """
    Collect seldom inside: an IR is one large cycle that stays alive, and looking at it
    again and again takes a tenth of a compilation.

    Args:
        at_the_end: look for what is dead then. A process that ends soon need not: that
            takes half a second. The next call with False takes up what was left.
    """
    if not at_the_end:
        gc.unfreeze()
    before = gc.get_threshold()
    gc.set_threshold(max(YOUNG, before[0]), *before[1:])
    try:
        yield
    finally:
        if not at_the_end:
            gc.freeze()
        gc.set_threshold(*before)
