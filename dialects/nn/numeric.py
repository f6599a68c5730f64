"""What references share: the precision in which narrow floats are computed."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ..types import Array

NARROW = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def computed_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type to compute in: float32 for 16-bit floats, else the type itself."""
    return np.dtype(np.float32) if dtype in NARROW else dtype


def widened(array: Array) -> Array:
    """The array in the type to compute in."""
    return array.astype(computed_in(array.dtype), copy=False)


def lowest(dtype: np.dtype[Any]) -> float | int:
    """The value that never wins a maximum."""
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min)
    return False if dtype.kind == "b" else float("-inf")
