"""Python's garbage collector while a compiler runs."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

YOUNG = 200_000
"""New objects between two collections; the default is 700."""


@contextmanager
def rare_collections() -> Generator[None]:
    """
    Collect seldom inside: an IR is one large cycle that stays alive, and looking at it
    again and again takes a tenth of a compilation.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(YOUNG, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
