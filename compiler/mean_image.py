"""
Mean images: `.npy`, a picture, or Caffe's `.binaryproto`.

A `.binaryproto` is one protobuf message BlobProto: `num` 1, `channels` 2, `height` 3,
`width` 4, `data` 5 (floats), `shape` 7 (with `dim` 1), `double_data` 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..dialects.types import Array
from ..runtime.errors import CompileError
from .images import SUFFIXES


def read_mean_image(path: Path) -> Array:
    """
    `[C, H, W]` as float64.

    Raises:
        CompileError: the file cannot be read. The message starts with `path`.
    """
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
        elif path.suffix in SUFFIXES:
            array = _picture(path)
        else:
            array = _blob(path.read_bytes())
    except (OSError, ValueError, IndexError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise CompileError(
            f"{path}: the mean image cannot be read: {reason}"
        ) from problem
    array = np.asarray(array, np.float64)
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3:
        raise CompileError(f"{path}: the mean image has shape {list(array.shape)}")
    if array.shape[0] not in (1, 3, 4) and array.shape[2] in (1, 3, 4):
        array = np.moveaxis(array, 2, 0)
    return array


def fitted(
    image: Array, shape: Sequence[int], axis: int, path: object, name: str
) -> Array:
    """
    The centre of a mean image that has the size of an input, in the input's layout and
    with a batch dimension of 1.

    Raises:
        CompileError: the image is smaller, or has other channels.
    """
    if len(shape) != 4:
        raise CompileError(f"{path}: input '{name}' is no image")
    spatial = [d for i, d in enumerate(shape) if i not in (0, axis)]
    fits = image.shape[0] in (1, shape[axis]) and all(
        have >= want for have, want in zip(image.shape[1:], spatial, strict=True)
    )
    if not fits:
        raise CompileError(
            f"{path}: the mean image {list(image.shape)} does not fit input '{name}' "
            f"with {shape[axis]} channels and size {spatial}"
        )
    starts = [
        (have - want) // 2 for have, want in zip(image.shape[1:], spatial, strict=True)
    ]
    rows, columns = (
        slice(start, start + size) for start, size in zip(starts, spatial, strict=True)
    )
    cropped = image[:, rows, columns]
    return np.moveaxis(cropped, 0, 2)[None] if axis == 3 else cropped[None]


def _picture(path: Path) -> Array:
    """Red, green and blue, as pictures have them."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.moveaxis(np.asarray(picture.convert("RGB"), np.float64), 2, 0)


def _blob(data: bytes) -> Array:
    sizes: dict[int, int] = {}
    shape: list[int] = []
    numbers: list[Array] = []
    for field, value in _fields(data):
        if field in (1, 2, 3, 4) and isinstance(value, int):
            sizes[field] = value
        elif field == 7 and isinstance(value, bytes):
            shape = _dims(value)
        elif field in (5, 8) and isinstance(value, bytes):
            numbers.append(np.frombuffer(value, "<f4" if field == 5 else "<f8"))
    if not numbers:
        raise ValueError("it holds no numbers")
    flat = np.concatenate(numbers)
    return flat.reshape(shape or [sizes.get(i, 1) for i in (1, 2, 3, 4)])


def _dims(message: bytes) -> list[int]:
    dims: list[int] = []
    for field, value in _fields(message):
        if field == 1 and isinstance(value, int):
            dims.append(value)
        elif field == 1 and isinstance(value, bytes):
            place = 0
            while place < len(value):
                dim, place = _varint(value, place)
                dims.append(dim)
    return dims


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and contents of the fields of a protobuf message."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        field, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield field, value
            continue
        if kind == 2:
            size, place = _varint(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("it is no BlobProto")
        if place + size > len(data):
            raise ValueError("it is truncated")
        yield field, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[place]
        result |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return result, place
