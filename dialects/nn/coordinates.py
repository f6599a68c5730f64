"""Where resized dimensions read: coordinates, and tables of indices and weights."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..types import Array

TRANSFORMATIONS = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)

ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple")
"""`simple` is that of opset 10: up when the dimension shrinks, else down."""


@dataclass(frozen=True)
class Resized:
    """One dimension: its sizes, the scale, and the part of the input that is read."""

    input: int
    output: int
    scale: float
    start: float = 0.0
    end: float = 1.0

    def coordinates(self, transformation: str) -> Array:
        """
        Where each output element lies in the input; in float32, as onnxruntime does it,
        so that the same neighbours are the nearest.
        """
        single = np.float32
        x = np.arange(self.output, dtype=single)
        scale, half = single(self.scale), single(0.5)
        last, steps = single(self.input - 1), single(self.output - 1)
        match transformation:
            case "asymmetric":
                return x / scale
            case "align_corners":
                return x * last / steps if self.output > 1 else x * 0
            case "tf_half_pixel_for_nn":
                return (x + half) / scale
            case "tf_crop_and_resize":
                start, end = single(self.start), single(self.end)
                if self.output > 1:
                    return start * last + x * (end - start) * last / steps
                return x + half * (start + end) * last
            case "pytorch_half_pixel" if self.output == 1:
                return x * 0
            case "half_pixel_symmetric":
                adjustment = single(self.output) / (scale * single(self.input))
                center = single(self.input) / single(2)
                offset = center * (single(1) - adjustment)
                return offset + (x + half) / scale - half
            case _:
                return (x + half) / scale - half


@dataclass(frozen=True)
class Table:
    """
    `output[o] = sum(weights[o, t] * input[indices[o, t]] over t)`; `[O, T]` both.
    """

    indices: Array
    weights: Array


TIE = 1e-6
"""How far from the middle of two elements a coordinate may be and be as near to both."""


def nearest(axis: Resized, coordinates: Array, rounding: str) -> Array:
    """
    The index nearest to each coordinate, `[O]`.

    Coordinates are rounded, so those in the middle are met within `TIE`, as in onnxruntime.
    """
    shrinks = axis.scale < 1
    match rounding:
        case "round_prefer_floor":
            rounded = np.ceil(coordinates.astype(np.float64) - (0.5 + TIE))
        case "round_prefer_ceil":
            rounded = np.floor(coordinates.astype(np.float64) + (0.5 + TIE))
        case "ceil" | "simple" if rounding == "ceil" or shrinks:
            rounded = np.ceil(coordinates)
        case _:
            rounded = np.floor(coordinates)
    return np.clip(rounded.astype(np.int64), 0, axis.input - 1)


def linear_filter(x: Array) -> Array:
    """A triangle over `[-1, 1]`."""
    return np.maximum(0, 1 - np.abs(x))


def cubic_filter(x: Array, a: float) -> Array:
    """Keys' cubic over `[-2, 2]`; `a` is its slope at 1."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def table(
    axis: Resized,
    coordinates: Array,
    mode: str,
    cubic_coeff_a: float = -0.75,
    exclude_outside: bool = False,
    antialias: bool = False,
) -> Table:
    """
    Indices and weights of `linear` or `cubic` interpolation along one dimension.

    Neighbours outside of the input are its border, or are left out with
    `exclude_outside`. With `antialias` a shrinking dimension widens the filter.
    """
    reach = 1 if mode == "linear" else 2
    width = max(1.0, 1 / axis.scale) if antialias else 1.0
    center = coordinates.astype(np.float64)[:, None]
    if mode == "linear" and not antialias:
        center = np.clip(center, 0, axis.input - 1)
    count = 2 * (int(np.ceil(reach * width)) if antialias else reach)
    first = np.floor(center - reach * width) + 1
    neighbours = first + np.arange(count + (width > 1))
    distances = (neighbours - center) / width
    if mode == "linear":
        weights = linear_filter(distances)
    else:
        weights = cubic_filter(distances, cubic_coeff_a)
    if exclude_outside:
        outside = (neighbours < 0) | (neighbours > axis.input - 1)
        weights = np.where(outside, 0, weights)
    total = weights.sum(1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    indices = np.clip(neighbours, 0, axis.input - 1).astype(np.int64)
    used = (weights != 0).any(0)
    return Table(indices[:, used], weights[:, used])


def affine(indices: Array, size: int) -> tuple[int, int, int] | None:
    """
    `(a, b, c)` such that `indices[o] == (o * a + b) // c` for every `o`, if there are.

    Args:
        size: the size of the dimension that is read.
    """
    ratio = Fraction(size, len(indices)).limit_denominator(16)
    a, c = ratio.numerator, ratio.denominator
    steps = np.arange(len(indices)) * a
    for b in range(-c, a + c + 1):
        if np.array_equal((steps + b) // c, indices):
            return a, b, c
    return None
