"""
A network's twin with small whole numbers for its weights.

Sums and products of few small whole numbers are exact in float32, so rewrites that only
reorder arithmetic must agree on it bit for bit. Weights are sparse, so that values stay
small through many layers; variances are chosen so that their roots are powers of two.
Scalars, limits and everything that is not a weight stay as they are: passes recognise
them. Equal constants stay equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ..dialects import nn
from ..dialects.const import ConstantOp, Weight, WeightAttr
from ..dialects.nn.base import NNOp, number
from ..dialects.types import Array, shape_of, value_dtype
from .exporters.copies import copied

Generator: TypeAlias = np.random.Generator
Maker: TypeAlias = Callable[[NNOp, Array, Generator], Array]

TAPS = 2
"""Weights other than 0 for each output."""

LARGEST = 2.0**19
FRACTION = 16.0


def twin_of(module: ModuleOp) -> ModuleOp:
    """A copy whose weights are small whole numbers."""
    twin = copied(module)
    for op in twin.walk():
        if isinstance(op, ConstantOp) and op.array.dtype.kind == "f":
            numbers = _numbers(op)
            if numbers is not None:
                array = numbers.astype(op.array.dtype).reshape(op.array.shape)
                op.properties["value"] = WeightAttr(Weight(array))
    return twin


def whole_inputs(arguments: Mapping[str, SSAValue], seed: int = 0) -> dict[str, Array]:
    """Small whole numbers for every input."""
    generator = np.random.default_rng(seed)
    return {
        name: _whole(generator, shape_of(value), value_dtype(value))
        for name, value in arguments.items()
    }


def float_inputs(arguments: Mapping[str, SSAValue], seed: int = 0) -> dict[str, Array]:
    """Normal floats; bytes for bytes; zeros and ones for other types."""
    generator = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for name, value in arguments.items():
        shape, dtype = shape_of(value), value_dtype(value)
        if dtype.kind in "fV":
            arrays[name] = generator.standard_normal(shape).astype(dtype)
        else:
            arrays[name] = _whole(generator, shape, dtype)
    return arrays


def _whole(generator: Generator, shape: tuple[int, ...], dtype: np.dtype) -> Array:  # type: ignore[type-arg]
    if dtype.kind in "fV":
        return generator.integers(-2, 3, shape).astype(dtype)
    high = 256 if dtype == np.uint8 else 2
    return generator.integers(0, high, shape).astype(dtype)


def is_exact(array: Array) -> bool:
    """Whether sums and products of a few such numbers are exact in float32."""
    if array.dtype.kind != "f":
        return True
    scaled = np.asarray(array, np.float64) * FRACTION
    with np.errstate(invalid="ignore"):
        small = np.abs(scaled) <= LARGEST * FRACTION
        return bool((small & (scaled == np.rint(scaled))).all())


def _numbers(op: ConstantOp) -> Array | None:
    """The twin's numbers, by what reads the constant first; None to keep them."""
    for use in op.output.uses:
        reader = use.operation
        maker = MAKERS.get((type(reader), use.index))
        if maker is not None and isinstance(reader, NNOp):
            seed = int(op.value.data.hash, 16)
            return maker(reader, op.array, np.random.default_rng(seed))
    return None


def taps(axis: int) -> Maker:
    """A few weights of 1 and -1 for each index along `axis`; the others are 0."""

    def make(op: NNOp, array: Array, generator: Generator) -> Array:
        if array.ndim <= axis:
            return array
        outputs = array.shape[axis]
        rows = np.zeros((outputs, array.size // max(1, outputs)), np.float32)
        if rows.size:
            places = generator.integers(0, rows.shape[1], (outputs, TAPS))
            signs = generator.choice([-1.0, 1.0], (outputs, TAPS))
            np.put_along_axis(rows, places, signs, axis=1)
        rest = [s for i, s in enumerate(array.shape) if i != axis]
        return np.moveaxis(rows.reshape(outputs, *rest), 0, axis)

    return make


def columns(op: NNOp, array: Array, generator: Generator) -> Array:
    """The weights of a product of matrices: outputs are columns, or rows if transposed."""
    transposed = isinstance(op, nn.GemmOp) and bool(op.transB.value.data)  # pyright: ignore
    axis = 0 if transposed else array.ndim - 1
    return taps(axis)(op, array, generator)


def terms(op: NNOp, array: Array, generator: Generator) -> Array:
    """Numbers that are added."""
    if array.size == 1:
        return array
    return generator.integers(-2, 3, array.shape)


def factors(op: NNOp, array: Array, generator: Generator) -> Array:
    """Numbers that multiply."""
    if array.size == 1:
        return array
    return generator.choice([1.0, -1.0, 2.0], array.shape)


def variances(op: NNOp, array: Array, generator: Generator) -> Array:
    """With epsilon they are 1 or a quarter, whose roots are exact."""
    epsilon = np.float32(number(op.properties.get("epsilon"), 1e-5))
    return generator.choice([1.0, 0.25], array.shape).astype(np.float32) - epsilon


MAKERS: dict[tuple[type, int], Maker] = {
    (nn.ConvOp, 1): taps(0),
    (nn.ConvOp, 2): terms,
    (nn.ConvTransposeOp, 1): taps(1),
    (nn.ConvTransposeOp, 2): terms,
    (nn.MatmulOp, 1): columns,
    (nn.GemmOp, 1): columns,
    (nn.GemmOp, 2): terms,
    (nn.BatchNormOp, 1): factors,
    (nn.BatchNormOp, 2): terms,
    (nn.BatchNormOp, 3): terms,
    (nn.BatchNormOp, 4): variances,
    (nn.ScaleShiftOp, 1): factors,
    (nn.ScaleShiftOp, 2): terms,
    (nn.AddOp, 0): terms,
    (nn.AddOp, 1): terms,
    (nn.SubOp, 0): terms,
    (nn.SubOp, 1): terms,
    (nn.MulOp, 0): factors,
    (nn.MulOp, 1): factors,
}
"""Numbers for constants, by the operation that reads them and the operand they are."""
