"""Element types: one table between xDSL's types, numpy's and the names people write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    BFloat16Type,
    DenseArrayBase,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
    MemRefType,
    Signedness,
    TensorType,
    UnrankedTensorType,
    i64,
)
from xdsl.ir import Attribute, SSAValue

Array: TypeAlias = NDArray[Any]
AnyTensor: TypeAlias = TensorType[Attribute] | UnrankedTensorType[Attribute]

UNSIGNED = Signedness.UNSIGNED

DTYPES: dict[Attribute, np.dtype[Any]] = {
    Float16Type(): np.dtype(np.float16),
    BFloat16Type(): np.dtype(ml_dtypes.bfloat16),
    Float32Type(): np.dtype(np.float32),
    Float64Type(): np.dtype(np.float64),
    IntegerType(1): np.dtype(np.bool_),
    IntegerType(8): np.dtype(np.int8),
    IntegerType(16): np.dtype(np.int16),
    IntegerType(32): np.dtype(np.int32),
    IntegerType(64): np.dtype(np.int64),
    IntegerType(8, UNSIGNED): np.dtype(np.uint8),
    IntegerType(16, UNSIGNED): np.dtype(np.uint16),
    IntegerType(32, UNSIGNED): np.dtype(np.uint32),
    IntegerType(64, UNSIGNED): np.dtype(np.uint64),
}
"""Signless integers are signed; `i1` is numpy's bool, a byte in memory."""

ELEMENTS: dict[np.dtype[Any], Attribute] = {d: e for e, d in DTYPES.items()}


def dtype_of(element: Attribute) -> np.dtype[Any]:
    """The numpy type of an element type. Raises `ValueError` for one that has none."""
    if element not in DTYPES:
        raise ValueError(f"element type {element} has no numpy type")
    return DTYPES[element]


def element_of(dtype: np.dtype[Any] | type[Any] | str) -> Attribute:
    """The element type of a numpy type. Raises `ValueError` for one that has none."""
    key = np.dtype(dtype)
    if key not in ELEMENTS:
        raise ValueError(f"arrays of {key} are not supported")
    return ELEMENTS[key]


def tensor(shape: Sequence[int], element: Attribute) -> TensorType[Attribute]:
    """A ranked tensor type."""
    return TensorType(element, shape)


def integers(attribute: Attribute) -> tuple[int, ...]:
    """The integers of an `array<i64: ...>` attribute."""
    assert isinstance(attribute, DenseArrayBase)
    return _unpacked(cast("Any", attribute))


@lru_cache(4096)
def _unpacked(attribute: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in attribute.iter_values())


def integer_array(values: Sequence[int]) -> DenseArrayBase:
    """An `array<i64: ...>` attribute, which `integers` reads."""
    return DenseArrayBase.from_list(i64, list(values))


def buffer_type(value: SSAValue) -> MemRefType[Attribute]:
    """The type of a buffer."""
    type_ = value.type
    assert isinstance(type_, MemRefType)
    return cast("MemRefType[Attribute]", type_)


def buffer_bytes(buffer: SSAValue) -> int:
    """The size of a buffer in bytes."""
    type_ = buffer_type(buffer)
    return prod(type_.get_shape()) * dtype_of(type_.element_type).itemsize


def is_static(type_: Attribute) -> bool:
    """Whether every dimension of a tensor type is known."""
    return isinstance(type_, TensorType) and DYNAMIC_INDEX not in type_.get_shape()


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The static shape of a tensor value."""
    type_ = value.type
    if not isinstance(type_, TensorType) or DYNAMIC_INDEX in type_.get_shape():
        raise ValueError(f"the shape of {value} is not known yet: {type_}")
    return type_.get_shape()


def element_type(value: SSAValue) -> Attribute:
    """The element type of a tensor value, ranked or not."""
    type_ = value.type
    assert isinstance(type_, TensorType | UnrankedTensorType), type_
    return type_.element_type  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def value_dtype(value: SSAValue) -> np.dtype[Any]:
    """The numpy type of a tensor value's elements."""
    return dtype_of(element_type(value))
