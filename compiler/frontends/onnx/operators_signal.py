"""Rows of Fourier transforms: products with constant matrices."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.types import Array, dtype_of, is_static, shape_of, value_dtype
from .node import Node, Row
from .tensors import element_of_onnx


def fourier_matrix(
    inputs: int, length: int, parts: int, outputs: int, inverse: bool
) -> Array:
    """
    The transform of `length` points as a real matrix, `[inputs * parts, outputs * 2]`.

    Complex numbers are pairs. Inputs beyond `length` count nothing.

    Args:
        parts: 1 for real inputs, 2 for complex ones.
    """
    angle = np.outer(np.arange(inputs), np.arange(outputs)) * (2 * np.pi / length)
    angle = angle if inverse else -angle
    wave = np.exp(1j * angle) / (length if inverse else 1)
    wave[length:] = 0
    real = np.stack([wave.real, wave.imag], -1)
    imaginary = np.stack([-wave.imag, wave.real], -1)
    matrix = np.stack([real, imaginary][:parts], 1)
    return matrix.reshape(inputs * parts, outputs * 2)


def real_inverse_matrix(inputs: int, length: int) -> Array:
    """
    The inverse transform to `length` real points, `[inputs * 2, length]`, from the first
    half of them: the other half is its mirror.
    """
    angle = np.outer(np.arange(inputs), np.arange(length)) * (2 * np.pi / length)
    weight = np.full((inputs, 1), 2.0)
    weight[0] = 1
    weight[length // 2 :] = 1 if length % 2 == 0 else 2
    weight[length // 2 + 1 :] = 0
    wave = weight * np.stack([np.cos(angle), -np.sin(angle)], 1).transpose(1, 0, 2)
    return (wave / length).transpose(1, 0, 2).reshape(inputs * 2, length)


def _shape(node: Node, value: SSAValue) -> tuple[int, ...]:
    if not is_static(value.type):
        node.refuse("its input's shape is not known")
    return shape_of(value)


def dft(node: Node) -> SSAValue:
    """The axis goes last, beside the pair of parts; then it is a matrix product."""
    x = node.input(0)
    shape = _shape(node, x)
    axis = node.attribute("axis")
    if axis is None:
        given = node.constant(2, "axis")
        axis = -2 if given is None else int(given.reshape(-1)[0])
    axis %= len(shape)
    inverse, one_sided = (bool(node.attribute(n)) for n in ("inverse", "onesided"))
    given = node.constant(1, "length")
    length = shape[axis] if given is None else int(given.reshape(-1)[0])
    if inverse and one_sided:
        length = length if given is not None else 2 * (shape[axis] - 1)
        matrix = real_inverse_matrix(shape[axis], length)
    else:
        outputs = length // 2 + 1 if one_sided else length
        matrix = fourier_matrix(shape[axis], length, shape[-1], outputs, inverse)
    parts = 1 if inverse and one_sided else 2

    *others, _ = range(len(shape))
    others.remove(axis)
    order = [*others, axis, len(shape) - 1]
    sizes = [shape[i] for i in others]
    moved = node.build(nn.TransposeOp, x, perm=order)
    flat = node.build(nn.ReshapeOp, moved, node.literal([*sizes, -1]))
    product = node.build(nn.MatmulOp, flat, node.literal(matrix, value_dtype(x)))
    shape_after = [*sizes, matrix.shape[1] // parts, parts]
    pairs = node.build(nn.ReshapeOp, product, node.literal(shape_after))
    back = [order.index(i) for i in range(len(shape))]
    return node.build(nn.TransposeOp, pairs, perm=back)


def stft(node: Node) -> SSAValue:
    """Frames are gathered, weighed by the window and transformed."""
    x, window = node.input(0), node.optional(2)
    batch, samples, *parts = _shape(node, x)
    if parts not in ([], [1]):
        node.refuse("complex signals are not supported")
    step = node.constant(1, "step")
    length = node.constant(3, "frame length")
    assert step is not None
    if length is not None:
        size = int(length.reshape(-1)[0])
    elif window is not None:
        size = _shape(node, window)[0]
    else:
        node.refuse("it has neither a window nor a frame length")
    starts = np.arange(0, samples - size + 1, int(step.reshape(-1)[0]))
    places = node.literal(starts[:, None] + np.arange(size))
    signal = node.build(nn.ReshapeOp, x, node.literal([batch, samples]))
    frames = node.build(nn.GatherOp, signal, places, axis=1)
    if window is not None:
        frames = node.build(nn.MulOp, frames, window)
    outputs = size // 2 + 1 if node.attribute("onesided") else size
    matrix = fourier_matrix(size, size, 1, outputs, inverse=False)
    product = node.build(nn.MatmulOp, frames, node.literal(matrix, value_dtype(x)))
    shape = node.literal([batch, len(starts), outputs, 2])
    return node.build(nn.ReshapeOp, product, shape)


MEL = 2595 / np.log(10)
"""`mel(f) = MEL log(1 + f / 700)`"""


def mel_matrix(
    bands: int, length: int, rate: int, lowest: float, highest: float
) -> Array:
    """
    Triangles that overlap by half, `[length // 2 + 1, bands]`, their edges equally far
    apart on the mel scale and rounded down to bins of a transform of `length` points.
    """
    low, high = (MEL * np.log1p(f / 700) for f in (lowest, highest))
    edges = low + np.arange(bands + 2) * ((high - low) / (bands + 2))
    hertz = 700 * np.expm1(edges / MEL)
    left, peak, right = (
        np.floor((length + 1) * hertz / rate)[i : i + bands] for i in range(3)
    )
    bins = np.arange(length // 2 + 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (bins - left) / (peak - left)
        falling = (right - bins) / (right - peak)
    rises, falls = (bins >= left) & (bins < peak), (bins > peak) & (bins < right)
    return np.where(
        bins == peak, 1, np.where(rises, rising, np.where(falls, falling, 0))
    )


def mel_weight_matrix(node: Node) -> SSAValue:
    """A constant: all that decides about it must be known."""
    names = ("number of bands", "length", "rate", "lower edge", "upper edge")
    given = [node.constant(i, name) for i, name in enumerate(names)]
    bands, length, rate, low, high = (n.reshape(-1)[0] for n in given if n is not None)
    if not (bands > 0 and length > 0 and rate > 0 and 0 <= low <= high <= rate):
        node.refuse(
            f"bands {bands}, length {length}, rate {rate} and edges {low} and {high} do "
            "not give bands below the rate"
        )
    matrix = mel_matrix(int(bands), int(length), int(rate), float(low), float(high))
    dtype = dtype_of(element_of_onnx(node.attribute("output_datatype")))
    return node.literal(matrix.astype(dtype), dtype)


SIGNAL: dict[str, Row] = {
    "DFT": dft,
    "MelWeightMatrix": mel_weight_matrix,
    "STFT": stft,
}
