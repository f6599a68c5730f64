"""Resizing: nearest, linear and cubic, in any number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase, Float32Type
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from ..types import value_dtype
from .base import (
    Array,
    NNOp,
    constant,
    element_type,
    integer,
    ints,
    normalized_axis,
    number,
    shape_of,
    text,
    to_attribute,
)
from .binary import WhereOp
from .cast import CastOp
from .common import FLOATS
from .coordinates import (
    ROUNDINGS,
    TRANSFORMATIONS,
    Resized,
    Table,
    affine,
    nearest,
    table,
)
from .index import GatherOp
from .numeric import computed_in, widened
from .program import Program

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops

MODES = ("nearest", "linear", "cubic")
POLICIES = ("stretch", "not_larger", "not_smaller")


@irdl_op_definition
class InterpolateOp(NNOp):
    """
    `output[.., o, ..] = sum(weights[o, t] * x[.., indices[o, t], ..] over t)` along `axis`.

    `indices` and `weights` are `[O, T]`. What linear and cubic resizing decompose into.
    """

    name = "nn.interpolate"

    x = operand_def()
    indices = operand_def()
    weights = operand_def()
    axis = prop_def(default_value=to_attribute(-1))
    output = result_def()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x, indices, weights = map(shape_of, self.operands)
        axis = normalized_axis(integer(self.axis), len(x))
        if len(indices) != 2 or indices != weights:
            raise VerifyException(
                f"indices {list(indices)} and weights {list(weights)} must be matrices of "
                "one shape"
            )
        return [(*x[:axis], indices[0], *x[axis + 1 :])]

    def reference(self, x: Array, indices: Array, weights: Array) -> Array:
        result = interpolated(x, Table(indices, weights), integer(self.axis))
        return result.astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        sizes, (_, taps) = shape_of(self.output), shape_of(self.indices)
        axis = normalized_axis(integer(self.axis), len(sizes))
        dims = {f"d{i}": size for i, size in enumerate(sizes)}
        n = k.nest({**dims, "t": taps})
        place = [n[name] for name in dims]
        at = [place[axis], n["t"]]
        index = n.clamp_index(n.read(self.indices, at), shape_of(self.x)[axis])
        x = n.read(self.x, [*place[:axis], index, *place[axis + 1 :]])
        weight = n.read(self.weights, at).cast(x.dtype)
        n.write(n.sum(x * weight, over=["t"]), self.output, place)

    def flops(self) -> int:
        return 2 * prod(shape_of(self.output)) * shape_of(self.indices)[1]


def interpolated(x: Array, along: Table, axis: int) -> Array:
    """`InterpolateOp`, in numpy; in the precision to compute in."""
    wide = widened(x)
    column = [1] * x.ndim
    column[axis] = -1
    total: Array | None = None
    for t in range(along.indices.shape[1]):
        weight = along.weights[:, t].astype(wide.dtype).reshape(column)
        part = np.take(wide, along.indices[:, t], axis) * weight
        total = part if total is None else total + part
    assert total is not None
    return total


@irdl_op_definition
class ResizeOp(NNOp):
    """
    `x` on a grid of another size: `output[o] = x(coordinate(o))`, interpolated.

    One of `scales` and `sizes` is given, with a number for each dimension or for each of
    `axes`. `roi` holds the starts, then the ends, of the part of the input that
    `tf_crop_and_resize` reads, as shares of it.

    | coordinate_transformation_mode | coordinate                                  |
    | ------------------------------ | ------------------------------------------- |
    | half_pixel                     | `(o + 0.5) / scale - 0.5`                   |
    | half_pixel_symmetric           | the same, centred when sizes were rounded   |
    | pytorch_half_pixel             | the same, 0 when the output has one element |
    | align_corners                  | `o * (input - 1) / (output - 1)`            |
    | asymmetric                     | `o / scale`                                 |
    | tf_half_pixel_for_nn           | `(o + 0.5) / scale`                         |
    | tf_crop_and_resize             | from `roi` start to end                     |

    Source: ONNX Resize; with `asymmetric` and `simple` that of opset 10, and Upsample.
    """

    name = "nn.resize"

    ROI_MODE: ClassVar[str] = "tf_crop_and_resize"

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    x = operand_def()
    roi = opt_operand_def()
    scales = opt_operand_def()
    sizes = opt_operand_def()

    mode = prop_def(default_value=to_attribute("nearest"))
    coordinate_transformation_mode = prop_def(default_value=to_attribute("half_pixel"))
    nearest_mode = prop_def(default_value=to_attribute("round_prefer_floor"))
    cubic_coeff_a = prop_def(default_value=to_attribute(-0.75))
    exclude_outside = prop_def(default_value=to_attribute(0))
    extrapolation_value = prop_def(default_value=to_attribute(0.0))
    """What `tf_crop_and_resize` gives outside of the input."""
    antialias = prop_def(default_value=to_attribute(0))
    axes = opt_prop_def(DenseArrayBase)
    keep_aspect_ratio_policy = prop_def(default_value=to_attribute("stretch"))

    output = result_def()

    def shapes(self) -> Sequence[tuple[int, ...]]:
        self._check_modes()
        x = shape_of(self.x)
        scales, sizes = constant(self.scales, "scales"), constant(self.sizes, "sizes")
        plan = self.plan(x, None, scales, sizes)
        return [tuple(plan[i].output if i in plan else n for i, n in enumerate(x))]

    def _check_modes(self) -> None:
        for name, value, allowed in (
            ("mode", self.mode, MODES),
            (
                "coordinate_transformation_mode",
                self.coordinate_transformation_mode,
                TRANSFORMATIONS,
            ),
            ("nearest_mode", self.nearest_mode, ROUNDINGS),
            ("keep_aspect_ratio_policy", self.keep_aspect_ratio_policy, POLICIES),
        ):
            if text(value) not in allowed:
                raise VerifyException(
                    f"{name} {text(value)} is not one of {[*allowed]}"
                )

    def plan(
        self,
        x: Sequence[int],
        roi: Array | None,
        scales: Array | None,
        sizes: Array | None,
    ) -> dict[int, Resized]:
        """The dimensions that change, by their position."""
        rank = len(x)
        axes = [normalized_axis(a, rank) for a in ints(self.axes)] or list(range(rank))
        scales = None if scales is None or not scales.size else scales
        sizes = None if sizes is None or not sizes.size else sizes
        if (scales is None) == (sizes is None):
            raise VerifyException("exactly one of scales and sizes must be given")
        given = scales if scales is not None else sizes
        assert given is not None
        if given.shape != (len(axes),):
            raise VerifyException(
                f"{given.size} scales or sizes for {len(axes)} dimensions of {list(x)}"
            )
        inputs = np.array([x[a] for a in axes], np.float32)
        if scales is not None:
            factors = scales.astype(np.float32)
            outputs = np.floor(inputs * factors)
        else:
            factors, outputs = self._from_sizes(inputs, given.astype(np.float32))
        if (outputs < 1).any():
            raise VerifyException(
                f"resizing {list(x)} to {outputs.astype(int).tolist()}"
            )
        crops = text(self.coordinate_transformation_mode) == self.ROI_MODE
        bounds = np.repeat([0.0, 1.0], len(axes))
        if crops and roi is not None and roi.size:
            if roi.shape != bounds.shape:
                raise VerifyException(f"roi has {roi.size} numbers, not {bounds.size}")
            bounds = roi
        starts, ends = bounds[: len(axes)], bounds[len(axes) :]
        return {
            axis: Resized(x[axis], int(output), float(factor), float(start), float(end))
            for axis, output, factor, start, end in zip(
                axes, outputs, factors, starts, ends, strict=True
            )
            if factor != 1 or output != x[axis] or (crops and (start, end) != (0, 1))
        }

    def _from_sizes(self, inputs: Array, sizes: Array) -> tuple[Array, Array]:
        """Scales and output sizes by the aspect ratio policy."""
        factors = sizes / inputs
        policy = text(self.keep_aspect_ratio_policy)
        if policy == "stretch":
            return factors, sizes
        factor = factors.min() if policy == "not_larger" else factors.max()
        return np.full_like(inputs, factor), np.floor(factor * inputs + np.float32(0.5))

    def coordinates(self, axis: Resized) -> Array:
        """Where the elements of a dimension lie in the input."""
        return axis.coordinates(text(self.coordinate_transformation_mode))

    def nearest(self, axis: Resized) -> Array:
        """The index each element of a dimension takes."""
        return nearest(axis, self.coordinates(axis), text(self.nearest_mode))

    def table(self, axis: Resized) -> Table:
        """Indices and weights of a dimension."""
        return table(
            axis,
            self.coordinates(axis),
            text(self.mode),
            number(self.cubic_coeff_a),
            integer(self.exclude_outside) != 0,
            integer(self.antialias) != 0,
        )

    def outside(self, plan: dict[int, Resized], rank: int) -> Array | None:
        """Which output elements lie outside of the input; None when none does."""
        if text(self.coordinate_transformation_mode) != self.ROI_MODE:
            return None
        result = np.zeros((1,) * rank, bool)
        for position, axis in plan.items():
            at = self.coordinates(axis)
            column = [1] * rank
            column[position] = -1
            result = result | ((at < 0) | (at > axis.input - 1)).reshape(column)
        return result if result.any() else None

    def reference(
        self,
        x: Array,
        roi: Array | None = None,
        scales: Array | None = None,
        sizes: Array | None = None,
    ) -> Array:
        plan = self.plan(x.shape, roi, scales, sizes)
        y = x
        for position, axis in cheapest_first(plan):
            if text(self.mode) == "nearest":
                y = np.take(y, self.nearest(axis), position)
            else:
                if y.dtype.kind in "iub":
                    y = y.astype(np.float32)
                y = interpolated(y, self.table(axis), position)
        if (outside := self.outside(plan, x.ndim)) is not None:
            y = np.where(outside, y.dtype.type(number(self.extrapolation_value)), y)
        return y.astype(x.dtype)

    def constants(self) -> dict[int, Resized]:
        """The plan when all operands are constants. Raises `UnknownValue` else."""
        return self.plan(
            shape_of(self.x),
            constant(self.roi, "roi"),
            constant(self.scales, "scales"),
            constant(self.sizes, "sizes"),
        )

    def decompose_results(self) -> tuple[list[Operation], list[SSAValue]] | None:
        plan = self.constants()
        outside = self.outside(plan, len(shape_of(self.x)))
        if text(self.mode) == "nearest" and outside is None and self._affine(plan):
            return None
        p, y = Program(), self.x
        own = element_type(self.x)
        casts = text(self.mode) != "nearest" and own not in FLOATS
        if casts:
            y = p(CastOp, y, to=Float32Type())
        for position, axis in cheapest_first(plan):
            if text(self.mode) == "nearest":
                y = p(GatherOp, y, p.constant(self.nearest(axis)), axis=position)
            else:
                along = self.table(axis)
                weights = p.constant(along.weights, computed_in(value_dtype(y)))
                indices = p.constant(along.indices)
                y = p(InterpolateOp, y, indices, weights, axis=position)
        if outside is not None:
            value = p.constant(number(self.extrapolation_value), value_dtype(y))
            y = p(WhereOp, p.constant(outside), value, y)
        return p.ops, [p(CastOp, y, to=own) if casts else y]

    def _affine(
        self, plan: dict[int, Resized]
    ) -> dict[int, tuple[int, int, int]] | None:
        """`(o * a + b) // c` for all resized dimensions, when they are all like this."""
        result: dict[int, tuple[int, int, int]] = {}
        for position, axis in plan.items():
            found = affine(self.nearest(axis), axis.input)
            if found is None:
                return None
            result[position] = found
        return result

    def loops(self, k: Loops) -> None:
        """Nearest elements whose indices are affine; all else is decomposed."""
        sizes = shape_of(self.output)
        found = self._affine(self.constants())
        assert found is not None, "not affine: to be decomposed"
        n = k.nest({f"d{i}": size for i, size in enumerate(sizes)})
        source: list[Index | int] = list(n.indices)
        for position, (a, b, c) in found.items():
            source[position] = (n.indices[position] * a + b) // c
        n.write(n.read(self.x, source), self.output, n.indices)


def cheapest_first(plan: dict[int, Resized]) -> list[tuple[int, Resized]]:
    """
    Dimensions that shrink before those that grow: the least elements in between. Of equal
    ones the inner before the outer: what is last, and largest, then walks along memory.
    """
    return sorted(
        plan.items(), key=lambda item: (item[1].output / item[1].input, -item[0])
    )


OPS: tuple[type[NNOp], ...] = (ResizeOp, InterpolateOp)
