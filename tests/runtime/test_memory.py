"""Memory of outputs: aligned, used again when nobody has it, and never before."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ovc.runtime.memory import COUNTED, KEPT, SMALL, Array, Slab, address, empty

F32 = np.dtype(np.float32)

HOLDERS: dict[str, Callable[[Array], Any]] = {
    "itself": lambda array: array,
    "part": lambda array: array[1:2, ::2],
    "reshape": lambda array: array.reshape(-1),
    "view of a view": lambda array: array[1:].T[:, :1],
    "bytes": lambda array: array.view(np.uint8),
    "memoryview": lambda array: array.data,
    "base": lambda array: array.base,
    "subclass": lambda array: array.view(np.matrix),
    "from a buffer": lambda array: np.frombuffer(array, np.int32),
    "iterator": lambda array: array.flat,
    "closure": lambda array: lambda: array,
    "cycle": lambda array: _cycle(array),
}
"""What a user may keep of an array."""


def _cycle(array: Array) -> None:
    cycle: list[Any] = [array]
    cycle.append(cycle)


@pytest.mark.parametrize("keep", HOLDERS.values(), ids=HOLDERS)
def test_what_someone_has_is_not_used_again(keep: Callable[[Array], Any]) -> None:
    slab = Slab((4, 6), F32)
    array, start = slab.make()
    array[:] = 7
    gc.disable()
    kept = keep(array)
    del array
    others = [slab.make() for _ in range(4)]
    gc.enable()

    assert len({start, *(where for _, where in others)}) == 5
    del kept


@pytest.mark.skipif(not COUNTED, reason="this Python does not count")
@pytest.mark.parametrize("held", range(KEPT))
def test_what_nobody_has_is_used_again(held: int) -> None:
    slab = Slab((4, 6), F32)
    last: list[tuple[Array, int]] = []
    places: set[int] = set()
    for _ in range(20):
        last.append(slab.make())
        places.add(last[-1][1])
        del last[: len(last) - held]

    assert len(places) == held + 1


def test_large_arrays_are_not_kept() -> None:
    small, large = Slab((SMALL,), np.dtype(np.int8)), Slab((SMALL + 1,), np.dtype("i1"))
    for slab in (small, large):
        slab.make()
    for _ in range(5):
        held = [small.make() for _ in range(5)]
        del held

    assert len(small.kept) == (KEPT if COUNTED else 0)
    assert not large.kept


def test_changes_to_an_array_end_with_it() -> None:
    slab = Slab((2, 3), F32)
    array, start = slab.make()
    array.flags.writeable = False
    del array

    again, same = slab.make()
    assert not COUNTED or same == start
    assert again.flags.writeable


SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)


@given(SHAPES, st.sampled_from([np.int8, np.float32, np.complex128]))
def test_arrays_are_what_was_asked_for(shape: tuple[int, ...], element: Any) -> None:
    slab = Slab(shape, np.dtype(element))
    for _ in range(3):
        array, start = slab.make()
        assert (array.shape, array.dtype) == (shape, element)
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert start % 64 == 0
        assert array.ctypes.data == start or not array.size
        array[...] = 1


@pytest.mark.parametrize("frozen", [False, True])
def test_addresses(frozen: bool) -> None:
    for array in (np.zeros((2, 3)), np.zeros(7, np.int8)[3:], empty((5,), F32)):
        array.flags.writeable = not frozen
        assert address(array) == array.ctypes.data
