"""Initialisers: arrays from a model file's tensors, inline or in files beside it."""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from onnx import SparseTensorProto, TensorProto
from xdsl.ir import Attribute

from ....dialects.types import Array, element_of
from .problems import Unsupported

MAX_ELEMENTS = 2**40
"""No tensor has more elements; a larger one is a damaged file."""

DTYPES: dict[int, np.dtype[Any]] = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.UINT8: np.dtype(np.uint8),
    TensorProto.INT8: np.dtype(np.int8),
    TensorProto.UINT16: np.dtype(np.uint16),
    TensorProto.INT16: np.dtype(np.int16),
    TensorProto.INT32: np.dtype(np.int32),
    TensorProto.INT64: np.dtype(np.int64),
    TensorProto.BOOL: np.dtype(np.bool_),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.DOUBLE: np.dtype(np.float64),
    TensorProto.UINT32: np.dtype(np.uint32),
    TensorProto.UINT64: np.dtype(np.uint64),
    TensorProto.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
}

NIBBLES = {TensorProto.INT4: np.dtype(np.int8), TensorProto.UINT4: np.dtype(np.uint8)}
"""Types of four bits. They are widened: what reads them takes eight bits as well."""

HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
"""Types whose numbers in `int32_data` are bit patterns."""


def dtype_of_onnx(data_type: int) -> np.dtype[Any]:
    """The numpy type of an ONNX element type. Raises `Unsupported` without one."""
    if data_type in DTYPES:
        return DTYPES[data_type]
    known = TensorProto.DataType.values()
    name = (
        TensorProto.DataType.Name(data_type) if data_type in known else str(data_type)
    )  # pyright: ignore
    raise Unsupported(f"elements of type {name} are not supported")


def element_of_onnx(data_type: int) -> Attribute:
    """The element type of an ONNX element type. Raises `Unsupported` without one."""
    return element_of(dtype_of_onnx(data_type))


class TensorReader:
    """Reads the tensors of one model. Files beside it are mapped, not copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Array] = {}

    def array(self, proto: TensorProto) -> Array:
        """
        The numbers of a tensor; views of the file's bytes where that is possible.

        Raises:
            Unsupported: strings, an unknown type, sizes that do not fit the data, a
                file that is missing, too short or outside the model's folder.
        """
        shape = _checked_shape(proto.dims)
        if proto.data_type in NIBBLES:
            return self._nibbles(proto, prod(shape)).reshape(shape)
        dtype = dtype_of_onnx(proto.data_type)
        if proto.HasField("segment"):
            raise Unsupported("tensors in segments are not supported")
        if proto.data_location == TensorProto.EXTERNAL:
            flat = self._external(proto, dtype, prod(shape))
        elif proto.HasField("raw_data"):
            flat = _from_bytes(proto.raw_data, dtype, prod(shape))
        else:
            flat = _typed(proto, dtype)
        if flat.size != prod(shape):
            raise Unsupported(
                f"the tensor has {flat.size} numbers, its shape {list(shape)} needs "
                f"{prod(shape)}"
            )
        return flat.reshape(shape)

    def sparse(self, proto: SparseTensorProto) -> Array:
        """The same for a sparse tensor, made dense."""
        shape = _checked_shape(proto.dims)
        values = self.array(proto.values)
        indices = self.array(proto.indices).astype(np.int64)
        if prod(shape) > 2**31:
            raise Unsupported(f"a sparse tensor of shape {list(shape)} is too large")
        if indices.ndim == 2 and indices.shape[1] == len(shape):
            inside = (indices >= 0) & (indices < np.array(shape))
            if not inside.all():
                raise Unsupported("a sparse tensor has an index outside its shape")
            indices = np.ravel_multi_index(tuple(indices.T), shape)
        if indices.shape != values.shape or values.ndim != 1:
            raise Unsupported("a sparse tensor's indices do not fit its values")
        if ((indices < 0) | (indices >= prod(shape))).any():
            raise Unsupported("a sparse tensor has an index outside its shape")
        dense = np.zeros(prod(shape), values.dtype)
        dense[indices] = values
        return dense.reshape(shape)

    def _nibbles(self, proto: TensorProto, count: int) -> Array:
        """Two numbers a byte, the first one in the lower half."""
        size, dtype = (count + 1) // 2, np.dtype(np.uint8)
        if proto.data_location == TensorProto.EXTERNAL:
            packed = self._external(proto, dtype, size)
        elif proto.HasField("raw_data"):
            packed = _from_bytes(proto.raw_data, dtype, size)
        else:
            packed = np.array(proto.int32_data, np.int32).astype(dtype)
        if packed.size != size:
            raise Unsupported(f"the tensor has {packed.size} bytes, it needs {size}")
        numbers = np.stack([packed & 15, packed >> 4], -1).reshape(-1)[:count]
        if proto.data_type == TensorProto.UINT4:
            return numbers
        return (numbers.astype(np.int8) ^ 8) - np.int8(8)

    def _external(self, proto: TensorProto, dtype: np.dtype[Any], count: int) -> Array:
        entries = {entry.key: entry.value for entry in proto.external_data}
        location = entries.get("location", "")
        file = self.files.get(location)
        if file is None:
            file = self.files[location] = _map(self.folder, location)
        needed = count * dtype.itemsize
        try:
            offset = int(entries.get("offset", 0))
            length = int(entries.get("length", needed))
        except ValueError as error:
            raise Unsupported(f'external data "{location}": {error}') from error
        if length != needed:
            raise Unsupported(
                f'external data "{location}": {length} bytes are given for a tensor of '
                f"{needed}"
            )
        if offset < 0 or offset + length > file.size:
            raise Unsupported(
                f'external data "{location}": the file has {file.size} bytes, bytes '
                f"{offset} to {offset + length} are needed"
            )
        return _view(file[offset : offset + length], dtype)


def _map(folder: Path, location: str) -> Array:
    """The bytes of a file inside the model's folder."""
    path = Path(location)
    if not location or path.is_absolute() or ".." in path.parts or "\0" in location:
        raise Unsupported(
            f'external data "{location}" is refused: it must be a path inside the '
            "model's folder"
        )
    try:
        full = (folder / path).resolve()
        if not full.is_relative_to(folder.resolve()):
            raise Unsupported(
                f'external data "{location}" is refused: it leads outside the model\'s '
                "folder"
            )
        if not full.is_file():
            raise Unsupported(f'external data "{location}": there is no such file')
        if not full.stat().st_size:
            return np.zeros(0, np.uint8)
        return np.asarray(np.memmap(full, np.uint8, "r"))
    except (OSError, RuntimeError) as error:  # no permission, a loop of links
        reason = getattr(error, "strerror", None) or error
        raise Unsupported(f'external data "{location}": {reason}') from error


def _checked_shape(dims: Any) -> tuple[int, ...]:
    shape = tuple(int(d) for d in dims)
    if any(d < 0 for d in shape):
        raise Unsupported(f"shape {list(shape)} has a negative dimension")
    if prod(shape) > MAX_ELEMENTS:
        raise Unsupported(f"shape {list(shape)} has too many elements")
    return shape


def _from_bytes(data: bytes, dtype: np.dtype[Any], count: int) -> Array:
    if len(data) != count * dtype.itemsize:
        raise Unsupported(
            f"the tensor has {len(data)} bytes, its shape and type need "
            f"{count * dtype.itemsize}"
        )
    return _view(np.frombuffer(data, np.uint8), dtype)


def _view(data: Array, dtype: np.dtype[Any]) -> Array:
    """Little-endian bytes as numbers, without a copy where alignment permits."""
    if dtype == np.bool_:
        return data != 0
    if data.ctypes.data % dtype.itemsize:
        data = data.copy()
    numbers = data.view(dtype)
    return numbers if sys.byteorder == "little" else numbers.byteswap()


def _typed(proto: TensorProto, dtype: np.dtype[Any]) -> Array:
    """The numbers of a tensor that uses one of the typed fields."""
    match proto.data_type:
        case TensorProto.FLOAT:
            return np.array(proto.float_data, dtype)
        case TensorProto.DOUBLE:
            return np.array(proto.double_data, dtype)
        case TensorProto.INT64:
            return np.array(proto.int64_data, dtype)
        case TensorProto.UINT32 | TensorProto.UINT64:
            return np.array(proto.uint64_data, np.uint64).astype(dtype)
        case data_type if data_type in HALVES:
            return np.array(proto.int32_data, np.int32).astype(np.uint16).view(dtype)
        case _:
            return np.array(proto.int32_data, np.int32).astype(dtype)
