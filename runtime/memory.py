"""Memory for inference: aligned, in huge pages where the system offers them."""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

HUGE_PAGE = 2 << 20

SMALL = 1 << 18
"""Bytes of the largest arrays whose memory is used again."""

KEPT = 2

COUNTED = (
    sys.implementation.name == "cpython"
    and getattr(sys, "_is_gil_enabled", lambda: True)()
)
"""Whether this Python counts who holds an object, for all threads in one number."""

holders: Callable[[object], int] = getattr(sys, "getrefcount", lambda _: 0)


def allocate(size: int, alignment: int = 64) -> Bytes:
    """
    `size` bytes of zeros.

    From one huge page on the memory is a mapping of its own, which the system fills
    as it is touched, with huge pages if it can.

    Raises:
        MemoryError: there is not so much.
    """
    if size < HUGE_PAGE:
        return _slice(np.zeros(size + alignment, np.uint8), size, alignment)
    try:
        mapping = mmap.mmap(-1, size + HUGE_PAGE)
    except (OSError, ValueError, OverflowError) as error:
        raise MemoryError(f"cannot allocate {size} bytes") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            mapping.madvise(mmap.MADV_HUGEPAGE)
    return _slice(np.frombuffer(mapping, np.uint8), size, HUGE_PAGE)


def aligned(data: Bytes, alignment: int = 64) -> Bytes:
    """`data` itself where its address is a multiple of `alignment`, else a copy."""
    if not data.size or data.ctypes.data % alignment == 0:
        return data
    copy = allocate(data.size, alignment)
    copy[:] = data
    return copy


def address(array: Array) -> int:
    """Where the elements of a contiguous array begin."""
    try:
        return addressof(from_buffer(array))
    except (TypeError, ValueError, BufferError):  # read-only, or a type of ml_dtypes
        return array.ctypes.data


addressof = ctypes.addressof
from_buffer: Callable[[Array], ctypes.c_char] = cast(Any, ctypes.c_char.from_buffer)
"""Any type of ctypes would do: it is a way to an address, five times the faster one."""


class Room:
    """
    The memory of one array, and that array, of which users get views.

    A view of any kind, and a view of a view, holds the memory itself (its `base`). So how
    many hold it says whether there is one.
    """

    __slots__ = ("alone", "memory", "start", "whole")

    def __init__(self, shape: tuple[int, ...], element: np.dtype[Any]) -> None:
        self.memory = np.empty(math.prod(shape) * element.itemsize + 64, np.uint8)
        self.alone = holders(self.memory) + 1  # `whole`
        start = addressof(from_buffer(self.memory))
        shift = -start % 64
        self.start = start + shift
        self.whole: Array = np.ndarray(shape, element, self.memory, shift)
        if self.whole.view().base is not self.memory:
            self.alone = -1  # another numpy: never known to be alone

    def is_free(self) -> bool:
        """Whether no user has a view."""
        return holders(self.memory) == self.alone


class Slab:
    """
    Makes arrays of one shape and type: any content, on a 64-byte boundary.

    The memory of small ones is used again when nobody has them any more. Two are kept:
    who asks for the next result often has the last one still. One thread at a time.
    """

    def __init__(self, shape: tuple[int, ...], element: np.dtype[Any]) -> None:
        self.shape = shape
        self.element = element
        self.kept: list[Room] = []
        small = math.prod(shape) * element.itemsize <= SMALL
        self.most = KEPT if small and COUNTED else 0

    def make(self) -> tuple[Array, int]:
        """A new array, and where its elements begin."""
        for room in self.kept:
            if room.is_free():
                return room.whole.view(), room.start
        room = Room(self.shape, self.element)
        if self.most:
            del self.kept[: len(self.kept) + 1 - self.most]
            self.kept.append(room)
        return room.whole.view(), room.start


def empty(shape: tuple[int, ...], element: np.dtype[Any]) -> Array:
    """An array of any content, contiguous, on a 64-byte boundary."""
    return Slab(shape, element).make()[0]


def _slice(raw: Bytes, size: int, alignment: int) -> Bytes:
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]
