"""Normalization with statistics or parameters per channel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import (
    IntegerAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from ..const import ConstantOp
from ..types import dtype_of
from .base import (
    Array,
    NNOp,
    element_type,
    integer,
    number,
    shape_of,
    to_attribute,
)
from .common import FLOATS, require, require_same
from .numeric import computed_in, widened
from .windows import named

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops, Nest, Temporary
    from ..kernel.scalar import Scalar

from ..types import element_of
from .statistics import check_channels, per_channel, standardize, standardized

FEW = 16
"""Elements of a channel that are not worth statistics of their own."""


@irdl_op_definition
class BatchNormOp(NNOp):
    """
    `output = (x - mean) / sqrt(variance + epsilon) * scale + bias`, all per channel.

    `x` is `[N, C, ...]`, everything else `[C]`. Source: ONNX BatchNormalization, at
    inference.
    """

    name = "nn.batch_norm"

    x = operand_def()
    scale = operand_def()
    bias = operand_def()
    mean = operand_def()
    variance = operand_def()
    epsilon = prop_def(default_value=to_attribute(1e-5))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        check_channels(
            x, scale=self.scale, bias=self.bias, mean=self.mean, variance=self.variance
        )
        return [x]

    def reference(
        self, x: Array, scale: Array, bias: Array, mean: Array, variance: Array
    ) -> Array:
        scale, bias, mean, variance = (
            per_channel(v, x.ndim) for v in (scale, bias, mean, variance)
        )
        epsilon = variance.dtype.type(number(self.epsilon))
        factor = scale / np.sqrt(variance + epsilon)
        return ((widened(x) - mean) * factor + bias).astype(x.dtype, copy=False)

    def decompose_results(self) -> tuple[list[Operation], list[SSAValue]]:
        """`scale_shift(x, factor, bias - mean * factor)`, in the type of the statistics."""
        from .binary import AddOp, DivOp, MulOp, ScaleShiftOp, SubOp
        from .cast import CastOp
        from .elementwise import SqrtOp

        wide = computed_in(dtype_of(element_type(self.variance)))
        ops: list[Operation] = []

        def cast(value: SSAValue, dtype: np.dtype[np.generic]) -> SSAValue:
            if dtype_of(element_type(value)) == dtype:
                return value
            ops.append(CastOp.make(value, to=element_of(dtype)))
            return ops[-1].results[0]

        scale, bias, mean, variance = (
            cast(v, wide) for v in (self.scale, self.bias, self.mean, self.variance)
        )
        epsilon = ConstantOp(np.array(number(self.epsilon), wide))
        moved = AddOp.make(variance, epsilon)
        deviation = SqrtOp.make(moved)
        factor = DivOp.make(scale, deviation)
        product = MulOp.make(mean, factor)
        shift = SubOp.make(bias, product)
        ops += [epsilon, moved, deviation, factor, product, shift]
        own = dtype_of(element_type(self.x))
        factor, shift = cast(factor.results[0], own), cast(shift.results[0], own)
        ops.append(ScaleShiftOp.make(self.x, factor, shift))
        return ops, list(ops[-1].results)

    def flops(self) -> int:
        return 2 * prod(shape_of(self.x))


@irdl_op_definition
class InstanceNormOp(NNOp):
    """
    `output[n, c] = (x[n, c] - mean) / sqrt(variance + epsilon) * scale[c] + bias[c]`, with
    the statistics of `x[n, c, ...]`. Source: ONNX InstanceNormalization.
    """

    name = "nn.instance_norm"

    x = operand_def()
    scale = operand_def()
    bias = operand_def()
    epsilon = prop_def(default_value=to_attribute(1e-5))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        require_same(self.operands)
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x = shape_of(self.x)
        check_channels(x, scale=self.scale, bias=self.bias)
        if len(x) < 3:
            raise VerifyException(f"the input {list(x)} has no spatial dimension")
        return [x]

    def reference(self, x: Array, scale: Array, bias: Array) -> Array:
        axes = tuple(range(2, x.ndim))
        y, *_ = standardize(widened(x), axes, number(self.epsilon))
        y = y * per_channel(scale, x.ndim) + per_channel(bias, x.ndim)
        return y.astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        sizes = shape_of(self.x)
        spatial = named("", sizes[2:])
        n = k.nest({"n": sizes[0], "c": sizes[1], **spatial})
        x = n.read(self.x, n.indices)
        count, epsilon = prod(sizes[2:]), number(self.epsilon)
        centered, _, inverse = standardized(n, x, list(spatial), count, epsilon)
        scale, bias = n.read(self.scale, [n["c"]]), n.read(self.bias, [n["c"]])
        n.write(centered * (inverse * scale) + bias, self.output, n.indices)

    def flops(self) -> int:
        return 6 * prod(shape_of(self.x))


@irdl_op_definition
class GroupNormOp(NNOp):
    """
    `instance_norm` with the statistics of all channels of a group.

    `x` is `[N, C, ...]`; `scale` and `bias` are `[C]`, or `[num_groups]`. Source: ONNX
    GroupNormalization, of opset 21 and of opset 18.
    """

    name = "nn.group_norm"

    x = operand_def()
    scale = operand_def()
    bias = operand_def()
    num_groups = prop_def(IntegerAttr)
    epsilon = prop_def(default_value=to_attribute(1e-5))
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require(self.x, FLOATS, "x")
        require_same(self.operands)
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x, groups = shape_of(self.x), integer(self.num_groups)
        if len(x) < 2:
            raise VerifyException(f"the input {list(x)} has no channels")
        if groups < 1 or x[1] % groups:
            raise VerifyException(f"{x[1]} channels do not divide into {groups} groups")
        for name, operand in (("scale", self.scale), ("bias", self.bias)):
            if (shape := shape_of(operand)) not in ((x[1],), (groups,)):
                raise VerifyException(
                    f"{name} {list(shape)} matches neither {x[1]} channels nor {groups} groups"
                )
        return [x]

    def reference(self, x: Array, scale: Array, bias: Array) -> Array:
        groups, channels = integer(self.num_groups), x.shape[1]
        grouped = widened(x).reshape(len(x), groups, -1)
        y, *_ = standardize(grouped, (2,), number(self.epsilon))
        scale, bias = (
            per_channel(np.repeat(v, channels // len(v)), x.ndim) for v in (scale, bias)
        )
        return (y.reshape(x.shape) * scale + bias).astype(x.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        if prod(shape_of(self.x)[2:]) < FEW:
            self._group_by_group(k)
        else:
            self._channel_by_channel(k)

    def _group_by_group(self, k: Loops) -> None:
        sizes, groups = shape_of(self.x), integer(self.num_groups)
        share = sizes[1] // groups
        spatial = named("", sizes[2:])
        n = k.nest({"n": sizes[0], "g": groups, "c": share, **spatial})
        channel = n["g"] * share + n["c"]
        place = [n["n"], channel, *(n[name] for name in spatial)]
        x = n.read(self.x, place)
        count, epsilon = share * prod(sizes[2:]), number(self.epsilon)
        centered, _, inverse = standardized(n, x, ["c", *spatial], count, epsilon)
        scale, bias = (self._affine(n, v, channel) for v in (self.scale, self.bias))
        n.write(centered * (inverse * scale) + bias, self.output, place)

    def _channel_by_channel(self, k: Loops) -> None:
        """
        Statistics of channels, of groups from these, then the elements: lanes and threads
        never see where a group ends inside of a block of channels.
        """
        sizes = shape_of(self.x)
        element = element_of(computed_in(dtype_of(element_type(self.x))))
        means, squares, centers, factors = (k.temp(sizes[:2], element) for _ in "mqcf")
        spatial = named("", sizes[2:])

        n = k.nest({"n": sizes[0], "c": sizes[1], **spatial})
        x, at = n.read(self.x, n.indices), [n["n"], n["c"]]
        mean = n.sum(x, over=list(spatial)) * (1 / prod(sizes[2:]))
        centered = x - mean
        n.write(mean, means, at)
        n.write(n.sum(centered * centered, over=list(spatial)), squares, at)

        self._join(k, means, squares, centers, factors)

        n = k.nest({"n": sizes[0], "c": sizes[1], **spatial})
        at = [n["n"], n["c"]]
        centered = n.read(self.x, n.indices) - n.read(centers, at)
        bias = self._affine(n, self.bias, n["c"])
        n.write(centered * n.read(factors, at) + bias, self.output, n.indices)

    def _join(
        self,
        k: Loops,
        means: Temporary,
        squares: Temporary,
        centers: Temporary,
        factors: Temporary,
    ) -> None:
        """
        The mean of a group, and `scale / deviation`, for each of its channels:

            center = mean(m),  variance = mean(q + size * (m - center)**2) / size

        of the means `m` of channels with `size` elements, and the sums `q` of squared
        distances from them.
        """
        sizes, groups = shape_of(self.x), integer(self.num_groups)
        share, size = sizes[1] // groups, prod(sizes[2:])
        n = k.nest(n=sizes[0], g=groups, c=share)
        channel = n["g"] * share + n["c"]
        at = [n["n"], channel]
        mean = n.read(means, at)
        center = n.sum(mean, over=["c"]) * (1 / share)
        apart = mean - center
        total = n.sum(n.read(squares, at) + apart * apart * size, over=["c"])
        variance = total * (1 / (share * size))
        inverse = 1 / (variance + number(self.epsilon)).sqrt()
        n.write(center, centers, at)
        n.write(inverse * self._affine(n, self.scale, channel), factors, at)

    def _affine(self, n: Nest, values: SSAValue, channel: Index) -> Scalar:
        """The scale or bias of a channel: there is one for each, or one for each group."""
        (count,), channels = shape_of(values), shape_of(self.x)[1]
        return n.read(values, [channel // (channels // count)])

    def flops(self) -> int:
        return 6 * prod(shape_of(self.x))


OPS: tuple[type[NNOp], ...] = (
    BatchNormOp,
    InstanceNormOp,
    GroupNormOp,
)
