"""Operations that cut from a tensor, or put something around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.ir import Attribute
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
)
from xdsl.utils.exceptions import VerifyException

from ..const import constant_array
from .base import (
    Array,
    NNOp,
    constant_ints,
    element_type,
    normalized_axis,
    shape_of,
    text,
    to_attribute,
)
from .common import as_ints, grid, require_same
from .movement import Movement, Shape

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops, Nest, Scalar

PAD_MODES = ("constant", "reflect", "edge", "wrap")


@irdl_op_definition
class SliceOp(Movement):
    """
    `output[i] = x[starts + i * steps]` up to `ends`, along `axes`. ONNX Slice.

    Negative positions count from the end; positions outside are moved to the border.
    """

    name = "nn.slice"

    x = operand_def()
    starts = operand_def()
    ends = operand_def()
    axes = opt_operand_def()
    steps = opt_operand_def()

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def ranges(self, shape: Shape, *bounds: Sequence[int] | None) -> list[range]:
        """The positions to take along every dimension, from the operands' numbers."""
        starts, ends, axes, steps = bounds
        assert starts is not None
        assert ends is not None
        axes = range(len(starts)) if axes is None else axes
        steps = [1] * len(starts) if steps is None else steps
        if not len(starts) == len(ends) == len(axes) == len(steps):
            raise VerifyException(
                f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes and"
                f" {len(steps)} steps, expected as many of each"
            )
        if 0 in steps:
            raise VerifyException("a step is 0")
        result = [range(size) for size in shape]
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            place = normalized_axis(axis, len(shape))
            result[place] = range(*slice(start, end, step).indices(shape[place]))
        return result

    def static_ranges(self) -> list[range]:
        """The positions, when the operands are constant."""
        return self.ranges(
            shape_of(self.x),
            constant_ints(self.starts, "starts"),
            constant_ints(self.ends, "ends"),
            constant_ints(self.axes, "axes"),
            constant_ints(self.steps, "steps"),
        )

    def shapes(self) -> Sequence[Shape]:
        return [tuple(len(positions) for positions in self.static_ranges())]

    def reference(self, x: Array, *bounds: Array | None) -> Array:
        numbers = [None if b is None else as_ints(b) for b in bounds]
        numbers += [None] * (4 - len(numbers))
        ranges = self.ranges(x.shape, *numbers)
        return x[np.ix_(*(np.array(r, np.int64) for r in ranges))] if x.ndim else x

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        ranges = self.static_ranges()
        at = [r.start + i * r.step for i, r in zip(n.indices, ranges, strict=True)]
        n.write(n.read(self.x, at), self.output, n.indices)


@irdl_op_definition
class PadOp(Movement):
    """
    `x` with elements put in front of and behind each dimension. ONNX Pad.

    `pads` has all fronts, then all ends, of `axes` (default: all); negative ones cut off.
    The new elements are `value` (default 0), or by `mode` "reflect" mirrored at the border
    element, "edge" copies of it, "wrap" those of the other end.
    """

    name = "nn.pad"

    x = operand_def()
    pads = operand_def()
    value = opt_operand_def()
    axes = opt_operand_def()
    mode = prop_def(default_value=to_attribute("constant"))

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def widths(
        self, shape: Shape, pads: Sequence[int], axes: Sequence[int] | None
    ) -> list[tuple[int, int]]:
        """How much to put in front of and behind every dimension."""
        axes = range(len(shape)) if axes is None else axes
        if len(pads) != 2 * len(axes):
            raise VerifyException(
                f"{len(pads)} pads for {len(axes)} axes, expected twice"
            )
        result = [(0, 0)] * len(shape)
        for position, axis in enumerate(axes):
            place = normalized_axis(axis, len(shape))
            result[place] = pads[position], pads[position + len(axes)]
            self._check(shape[place], *result[place])
        return result

    def _check(self, size: int, before: int, after: int) -> None:
        kept = size + min(before, 0) + min(after, 0)
        if kept < 0:
            raise VerifyException(
                f"pads {before} and {after} cut more than {size} elements"
            )
        if text(self.mode) != "constant" and kept == 0 and max(before, after) > 0:
            raise VerifyException(f'nothing is left to pad by mode "{text(self.mode)}"')

    def static_widths(self) -> list[tuple[int, int]]:
        """The widths, when the operands are constant."""
        pads = constant_ints(self.pads, "pads") or []
        return self.widths(shape_of(self.x), pads, constant_ints(self.axes, "axes"))

    def elements(self) -> Sequence[Attribute]:
        if text(self.mode) not in PAD_MODES:
            raise VerifyException(
                f'mode is "{text(self.mode)}", expected one of {PAD_MODES}'
            )
        if self.value is not None:
            require_same([self.x, self.value])
        return [element_type(self.x)]

    def shapes(self) -> Sequence[Shape]:
        widths = self.static_widths()
        return [
            tuple(s + b + a for s, (b, a) in zip(shape_of(self.x), widths, strict=True))
        ]

    def reference(
        self,
        x: Array,
        pads: Array,
        value: Array | None = None,
        axes: Array | None = None,
    ) -> Array:
        numbers = None if axes is None else as_ints(axes)
        widths = self.widths(x.shape, as_ints(pads), numbers)
        cut = tuple(
            slice(max(-b, 0), size - max(-a, 0))
            for size, (b, a) in zip(x.shape, widths, strict=True)
        )
        grow = [(max(b, 0), max(a, 0)) for b, a in widths]
        mode: Any = text(self.mode)
        if mode != "constant":
            return np.pad(x[cut], grow, mode=mode)
        fill = 0 if value is None else value.reshape(())
        return np.pad(x[cut], grow, mode="constant", constant_values=fill)

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        at = [
            i - before
            for i, (before, _) in zip(n.indices, self.static_widths(), strict=True)
        ]
        if text(self.mode) == "constant":
            n.write(self._filled(n, at), self.output, n.indices)
            return
        inside = [
            _inside(n, text(self.mode), i, size, widths)
            for i, size, widths in zip(
                at, shape_of(self.x), self.static_widths(), strict=True
            )
        ]
        n.write(n.read(self.x, inside), self.output, n.indices)

    def _filled(self, n: Nest, at: Sequence[Index]) -> Scalar:
        """The element at `at`, or `value` when that is outside."""
        if self.value is None:
            return n.read(self.x, at, fill=0)
        known = constant_array(self.value)
        if known is not None:
            return n.read(self.x, at, fill=known.reshape(-1)[0].item())
        element = n.read(self.value, [0] * len(shape_of(self.value)))
        places = [n.index(index) for index in at]
        limits = [n.const(size - 1, np.int64) for size in shape_of(self.x)]
        pairs = list(zip(places, limits, strict=True))
        near = [n.minimum(n.maximum(place, 0), limit) for place, limit in pairs]
        copied = n.read(self.x, near)
        for place, inside in zip(places, near, strict=True):
            copied = n.where(place.eq(inside), copied, element)
        return copied


def _inside(
    n: Nest, mode: str, place: Index, size: int, widths: tuple[int, int]
) -> Index | Scalar:
    """Where in a dimension of `size` the element for `place`, perhaps outside, is."""
    cut_front, cut_end = max(-widths[0], 0), max(-widths[1], 0)
    kept = size - cut_front - cut_end
    place = place - cut_front
    low, high = place.interval
    if low >= 0 and high < kept:
        return place + cut_front
    if mode == "wrap":
        return _wrapped(place, kept) + cut_front
    last = kept - 1
    if mode == "edge":
        return n.minimum(n.maximum(n.index(place), 0), last) + cut_front
    mirrored = _wrapped(place, max(2 * last, 1)) - last
    return last + cut_front - n.index(mirrored).abs()


def _wrapped(place: Index, period: int) -> Index:
    """`place mod period`, for a place that may be negative."""
    low, _ = place.interval
    return (place + -(low // period) * period) % period


OPS: tuple[type[NNOp], ...] = (SliceOp, PadOp)
