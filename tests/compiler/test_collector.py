"""The collector is as it was after a compilation."""

from __future__ import annotations

import gc
import weakref

import pytest
from ovc.compiler.collector import rare_collections


class Cycle:
    """An object that only the collector frees."""

    def __init__(self) -> None:
        self.own = self


@pytest.mark.parametrize("at_the_end", [True, False])
def test_thresholds_are_restored(at_the_end: bool) -> None:
    before = gc.get_threshold()

    with rare_collections(at_the_end=at_the_end):
        assert gc.get_threshold()[0] > before[0]

    assert gc.get_threshold() == before
    gc.unfreeze()


def test_what_is_left_is_taken_up_by_the_next() -> None:
    with rare_collections(at_the_end=False):
        left = weakref.ref(Cycle())
    gc.collect()
    assert left() is not None

    with rare_collections(at_the_end=False):
        gc.collect()

    assert left() is None
    gc.unfreeze()
