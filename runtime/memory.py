"""Memory for inference: aligned, in huge pages where the system offers them."""

from __future__ import annotations

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


def empty(shape: tuple[int, ...], element: np.dtype[Any]) -> Array:
    """An array of any content, contiguous, on a 64-byte boundary."""
    count = 1
    for size in shape:
        count *= size
    size = count * element.itemsize
    raw = _slice(np.empty(size + 64, np.uint8), size, 64)
    return raw.view(element).reshape(shape)


def _slice(raw: Bytes, size: int, alignment: int) -> Bytes:
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]
