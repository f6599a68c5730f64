"""Memory for inference: aligned, in huge pages where the system offers them."""

from __future__ import annotations

import ctypes
import math
import mmap
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

HUGE_PAGE = 2 << 20


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
        return ctypes.addressof(BYTE.from_buffer(array.data))
    except (TypeError, ValueError, BufferError):  # read-only, or a type of ml_dtypes
        return array.ctypes.data


BYTE = ctypes.c_char
"""Any type of ctypes would do: it is a way to an address, five times the faster one."""


class Slab:
    """Makes arrays of one shape and type: any content, on a 64-byte boundary."""

    def __init__(self, shape: tuple[int, ...], element: np.dtype[Any]) -> None:
        self.shape = shape
        self.element = element
        self.room = math.prod(shape) * element.itemsize + 64

    def make(self, addresses: list[int]) -> Array:
        """A new array, whose address is appended to `addresses`."""
        raw = np.empty(self.room, np.uint8)
        start = ctypes.addressof(BYTE.from_buffer(raw.data))
        shift = -start % 64
        addresses.append(start + shift)
        return np.ndarray(self.shape, self.element, raw, shift)


def empty(shape: tuple[int, ...], element: np.dtype[Any]) -> Array:
    """An array of any content, contiguous, on a 64-byte boundary."""
    return Slab(shape, element).make([])


def _slice(raw: Bytes, size: int, alignment: int) -> Bytes:
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]
