"""Mean and variance, in loop bodies and in numpy, for all normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import VerifyException

from .base import (
    Array,
    shape_of,
)
from .numeric import widened

if TYPE_CHECKING:
    from ..kernel.build import Nest, Scalar


class Standardized(NamedTuple):
    """Elements around their mean, the mean, and one over the standard deviation."""

    centered: Scalar
    mean: Scalar
    inverse: Scalar


def standardized(
    n: Nest, x: Scalar, over: Sequence[str], count: int, epsilon: float
) -> Standardized:
    """The statistics of `x` over some dimensions with `count` elements."""
    mean = n.sum(x, over=over) * (1 / count)
    centered = x - mean
    variance = n.sum(centered * centered, over=over) * (1 / count)
    return Standardized(centered, mean, 1 / (variance + epsilon).sqrt())


def standardize(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, ...]:
    """`standardized`, in numpy: the standardized elements, mean, inverse deviation."""
    mean = x.mean(axes, keepdims=True)
    centered = x - mean
    variance = np.square(centered).mean(axes, keepdims=True)
    inverse = 1 / np.sqrt(variance + x.dtype.type(epsilon))
    return centered * inverse, mean, inverse


def per_channel(values: Array, rank: int) -> Array:
    """`[C]` so that it broadcasts along dimension 1 of `rank` dimensions."""
    return widened(values).reshape(-1, *(1,) * (rank - 2))


def check_channels(x: Sequence[int], **operands: SSAValue) -> None:
    """Whether `x` is `[N, C, ...]` and each operand `[C]`."""
    if len(x) < 2:
        raise VerifyException(
            f"the input {list(x)} has no channels, expected [N, C, ...]"
        )
    for name, operand in operands.items():
        if (shape := shape_of(operand)) != x[1:2]:
            raise VerifyException(
                f"{name} {list(shape)} does not match the {x[1]} channels of {list(x)}"
            )


def dimensions(sizes: Sequence[int]) -> dict[str, int]:
    """Dimensions `d0`, `d1`, ... of these sizes."""
    return {f"d{i}": size for i, size in enumerate(sizes)}
