"""Sliding windows: the geometry that convolution and pooling share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.utils.exceptions import VerifyException

from ..types import Array

if TYPE_CHECKING:
    from ..kernel.build import Index

AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class Window:
    """
    One spatial dimension: `output` windows over `input` elements.

    Window `o` sees the elements `o * stride - begin + k * dilation` for `k` in
    `range(kernel)`; those outside of `range(input)` are padding. `end` is the declared
    padding at the end: windows may reach beyond it when sizes are rounded up.
    """

    input: int
    output: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    begin: int = 0
    end: int = 0

    @property
    def reach(self) -> int:
        """How many elements behind the input the last window sees."""
        last = (self.output - 1) * self.stride + (self.kernel - 1) * self.dilation
        return max(0, last - self.begin - self.input + 1)

    @property
    def padded(self) -> bool:
        """Whether any window sees padding."""
        return self.begin > 0 or self.reach > 0

    def at(self, output: Index, tap: Index) -> Index:
        """The input element that window `output` sees at `tap`."""
        return output * self.stride + tap * self.dilation - self.begin

    def windows_at(self, tap: int) -> range:
        """The windows that see the input, not padding, at `tap`."""
        place = self.begin - tap * self.dilation
        first = max(0, -(-place // self.stride))
        stop = -(-(place + self.input) // self.stride)
        return range(first, max(first, min(stop, self.output)))

    def taps_of(self, output: int) -> range:
        """The taps at which window `output` sees the input; all others see padding."""
        place = self.begin - output * self.stride
        first = max(0, -(-place // self.dilation))
        stop = -(-(place + self.input) // self.dilation)
        return range(first, max(first, min(stop, self.kernel)))

    def taken(self, tap: int) -> slice:
        """The elements that all windows see at `tap`, in an input padded by `begin`."""
        start = tap * self.dilation
        return slice(start, start + self.stride * (self.output - 1) + 1, self.stride)

    def counts(self, include_pad: bool) -> Array:
        """
        For each window, how many of its elements are input (or declared padding); 1 for a
        window that has none.
        """
        first = np.arange(self.output)[:, None] * self.stride - self.begin
        seen = first + np.arange(self.kernel) * self.dilation
        end = self.input + (self.end if include_pad else 0)
        return np.maximum(1, ((seen < end) & (include_pad | (seen >= 0))).sum(1))


def per_dimension(
    values: Sequence[int], rank: int, default: int, what: str, least: int = 0
) -> tuple[int, ...]:
    """`values`, one for each of `rank` dimensions; `default` when there are none."""
    if not values:
        return (default,) * rank
    if len(values) != rank:
        raise VerifyException(
            f"{what} {list(values)} has {len(values)} numbers, expected {rank}"
        )
    if min(values) < least:
        raise VerifyException(f"{what} {list(values)} must be at least {least}")
    return tuple(values)


def windows(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int] = (),
    dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: bool = False,
) -> list[Window]:
    """
    One window per spatial dimension, as ONNX counts them.

    Args:
        sizes: spatial input sizes.
        pads: all begins, then all ends; ignored unless `auto_pad` is NOTSET.
        ceil_mode: round the number of windows up; the last one still starts inside
            the input or its leading padding.

    Raises:
        VerifyException: the numbers do not fit together.
    """
    rank = len(sizes)
    if len(kernel) != rank:
        raise VerifyException(
            f"kernel {list(kernel)} does not fit the spatial dimensions {list(sizes)}"
        )
    strides = per_dimension(strides, rank, 1, "strides", 1)
    dilations = per_dimension(dilations, rank, 1, "dilations", 1)
    pads = per_dimension(pads, 2 * rank, 0, "pads")
    if auto_pad not in AUTO_PADS:
        raise VerifyException(f"auto_pad {auto_pad} is not one of {list(AUTO_PADS)}")
    result: list[Window] = []
    for i, size in enumerate(sizes):
        extent = (kernel[i] - 1) * dilations[i] + 1
        begin, end = _padding(
            size, extent, strides[i], auto_pad, (pads[i], pads[i + rank])
        )
        steps = size + begin + end - extent
        if steps < 0:
            raise VerifyException(
                f"a window of {extent} (kernel {kernel[i]}, dilation {dilations[i]}) does "
                f"not fit in {size} elements padded by {begin} and {end}"
            )
        output = (-(-steps // strides[i]) if ceil_mode else steps // strides[i]) + 1
        if ceil_mode and (output - 1) * strides[i] >= size + begin:
            output -= 1
        result.append(
            Window(size, output, kernel[i], strides[i], dilations[i], begin, end)
        )
    return result


def _padding(
    size: int, extent: int, stride: int, auto_pad: str, pads: tuple[int, int]
) -> tuple[int, int]:
    if auto_pad == "NOTSET":
        return pads
    if auto_pad == "VALID":
        return 0, 0
    total = max(0, (-(-size // stride) - 1) * stride + extent - size)
    begin = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
    return begin, total - begin


def taps(
    x: Array, geometry: Sequence[Window], fill: float = 0
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """
    Every tap of the kernel, with the elements of `x` that all windows see there.

    Args:
        x: `[N, C, spatial...]`.
        fill: the number that padding has.
    """
    if any(w.padded for w in geometry):
        widths = [(0, 0), (0, 0), *((w.begin, w.reach) for w in geometry)]
        x = np.pad(x, widths, constant_values=fill)
    for tap in np.ndindex(*(w.kernel for w in geometry)):
        seen = [w.taken(t) for w, t in zip(geometry, tap, strict=True)]
        yield tap, x[:, :, *seen]


def spatial_names(rank: int) -> tuple[str, ...]:
    """Names of spatial dimensions: `w`, `h w`, `d h w`, or `s0 s1 ...`."""
    if rank <= 3:
        return ("d", "h", "w")[3 - rank :]
    return tuple(f"s{i}" for i in range(rank))


def named(prefix: str, sizes: Sequence[int]) -> dict[str, int]:
    """Dimensions of a nest for the spatial dimensions, such as `oh` and `ow`."""
    return {
        prefix + name: size
        for name, size in zip(spatial_names(len(sizes)), sizes, strict=True)
    }


def deep(prefix: str, sizes: Sequence[int]) -> dict[str, int]:
    """The same for dimensions before rows and columns, such as `od`."""
    names = spatial_names(len(sizes) + 2)[: len(sizes)]
    return {prefix + name: size for name, size in zip(names, sizes, strict=True)}


def elements_per_window(geometry: Sequence[Window]) -> int:
    """How many taps a kernel has."""
    return prod(w.kernel for w in geometry)
