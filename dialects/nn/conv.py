"""Convolution and its transpose, of any spatial rank."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import Array, NNOp, element_type, integer, ints, shape_of, text, to_attribute
from .channels import Channels
from .common import require_product
from .numeric import widened
from .phases import Phase, Range, phases_of, ranges_of, whole_range
from .windows import (
    AUTO_PADS,
    Window,
    named,
    per_dimension,
    taps,
    windows,
)

if TYPE_CHECKING:
    from ..kernel.build import Loops


def check_operands(x: Sequence[int], w: Sequence[int]) -> None:
    """Whether input and weights have the same rank, at least 3."""
    if len(x) < 3:
        raise VerifyException(
            f"the input {list(x)} has rank {len(x)}, expected [N, C, spatial...]"
        )
    if len(w) != len(x):
        raise VerifyException(
            f"the weights {list(w)} do not have the rank of the input {list(x)}"
        )


def check_bias(bias: Sequence[int] | None, channels: int) -> None:
    """Whether there is one bias per output channel."""
    if bias is not None and tuple(bias) != (channels,):
        raise VerifyException(
            f"the bias {list(bias)} does not match the {channels} output channels"
        )


def by_tap(weights: Array) -> Array:
    """`[G, M, K, kernel...]` as `[kernel..., G, M, K]`, each matrix in one piece."""
    return np.ascontiguousarray(np.moveaxis(weights, (0, 1, 2), (-3, -2, -1)))


@irdl_op_definition
class ConvOp(NNOp):
    """
    `output[n, o, p] = b[o] + sum(x[n, g(o) * I + i, p * stride - pad + k * dilation]
    * w[o, i, k] over i, k)`, where `g(o)` is the group of output channel `o`.

    | operand | shape                               |
    | ------- | ----------------------------------- |
    | x       | `[N, C, spatial...]`                |
    | w       | `[O, I = C / group, kernel...]`     |
    | b       | `[O]`                               |
    | output  | `[N, O, windows...]`                |

    Source: ONNX Conv.
    """

    name = "nn.conv"

    x = operand_def()
    w = operand_def()
    b = opt_operand_def()

    strides = opt_prop_def(DenseArrayBase)
    pads = opt_prop_def(DenseArrayBase)
    """All begins, then all ends."""
    dilations = opt_prop_def(DenseArrayBase)
    group = prop_def(default_value=to_attribute(1))
    auto_pad = prop_def(default_value=to_attribute("NOTSET"))
    split = opt_prop_def(DenseArrayBase)
    """
    Spatial dimensions in which outputs that see the same taps have a nest of their own:
    what would be multiplied with padding is left out.
    """

    output = result_def()

    def windows(
        self, x: Sequence[int] | None = None, w: Sequence[int] | None = None
    ) -> list[Window]:
        """Geometry per spatial dimension, for these shapes or the operands' own."""
        return windows(
            (x or shape_of(self.x))[2:],
            (w or shape_of(self.w))[2:],
            ints(self.strides),
            ints(self.dilations),
            ints(self.pads),
            text(self.auto_pad),
        )

    def channels(self, w: Sequence[int] | None = None) -> Channels:
        """How channels are divided into groups."""
        outs, ins, *_ = w or shape_of(self.w)
        groups = integer(self.group)
        return Channels(groups, ins, outs // groups)

    def elements(self) -> Sequence[Attribute]:
        require_product(self.operands)
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x, w = shape_of(self.x), shape_of(self.w)
        check_operands(x, w)
        groups = integer(self.group)
        if groups < 1 or w[0] % groups:
            raise VerifyException(
                f"{w[0]} output channels do not divide into {groups} groups"
            )
        if x[1] != w[1] * groups:
            raise VerifyException(
                f"the input has {x[1]} channels, the weights {list(w)} in {groups} "
                f"group(s) expect {w[1] * groups}"
            )
        check_bias(None if self.b is None else shape_of(self.b), w[0])
        return [(x[0], w[0], *(g.output for g in self.windows()))]

    def reference(self, x: Array, w: Array, b: Array | None = None) -> Array:
        geometry = self.windows(x.shape, w.shape)
        groups, ins, outs = self.channels(w.shape)
        sizes = [g.output for g in geometry]
        weights = by_tap(widened(w).reshape(groups, outs, ins, *w.shape[2:]))
        data = widened(x)
        result = np.zeros((len(x), groups, outs, prod(sizes)), data.dtype)
        for tap, seen in taps(data, geometry):
            columns = seen.reshape(len(x), groups, ins, -1)
            result += weights[*tap] @ columns
        result = result.reshape(len(x), groups * outs, *sizes)
        if b is not None:
            result += b.reshape(-1, *(1,) * len(sizes))
        return result.astype(x.dtype, copy=False)

    def ranges(self) -> list[list[Range]]:
        """The ranges of outputs, in every spatial dimension, that have a nest of theirs."""
        split = ints(self.split)
        return [
            ranges_of(g) if dim in split else [whole_range(g)]
            for dim, g in enumerate(self.windows())
        ]

    def halo(self) -> list[tuple[int, int]]:
        """How much padding is read before and after each spatial dimension."""
        split = ints(self.split)
        return [
            (0, 0) if dim in split else (g.begin, g.reach)
            for dim, g in enumerate(self.windows())
        ]

    def loops(self, k: Loops) -> None:
        for ranges in product(*self.ranges()):
            self._range(k, ranges)

    def _range(self, k: Loops, ranges: Sequence[Range]) -> None:
        """The nest for these outputs."""
        geometry, channels = self.windows(), self.channels()
        outputs = named("o", [r.outputs for r in ranges])
        kernel = named("k", [max(1, r.taps) for r in ranges])
        summed = channels.input_dims() | kernel
        empty = any(r.taps == 0 for r in ranges)
        dims = {"n": shape_of(self.x)[0], **channels.output_dims(), **outputs}
        n = k.nest(dims if empty else dims | summed)
        place = [n[o] + r.start for o, r in zip(outputs, ranges, strict=True)]
        target = channels.target(n)
        terms = None
        if not empty:
            source, _, inner, _ = channels.indices(n)
            tap = [n[t] + r.first for t, r in zip(kernel, ranges, strict=True)]
            seen = [g.at(o, t) for g, o, t in zip(geometry, place, tap, strict=True)]
            x = n.read(self.x, [n["n"], source, *seen], fill=0)
            terms = x * n.read(self.w, [target, inner, *tap])
        bias = None if self.b is None else n.read(self.b, [target])
        if terms is not None:
            total = n.sum(terms, over=list(summed), init=bias)
        else:
            total = n.const(0.0, np.float32) if bias is None else bias
        n.write(total, self.output, [n["n"], target, *place])

    def flops(self) -> int:
        points = prod(sum(r.outputs * r.taps for r in dim) for dim in self.ranges())
        images, outputs = shape_of(self.output)[:2]
        return 2 * points * images * outputs * shape_of(self.w)[1]


@irdl_op_definition
class ConvTransposeOp(NNOp):
    """
    The transpose of a convolution: every input element adds a scaled kernel.

    `full[n, o, q * stride + k * dilation] += x[n, i, q] * w[i, o, k]`, summed over the
    input channels `i` of the group of `o`; `output = b + full` without its padding.

    | operand | shape                             |
    | ------- | --------------------------------- |
    | x       | `[N, C, spatial...]`              |
    | w       | `[C, O / group, kernel...]`       |
    | b       | `[O]`                             |
    | output  | `[N, O, sizes...]`                |

    `sizes` is `output_shape`, or `(S - 1) * stride + (K - 1) * dilation + 1 +
    output_padding - pads`. Source: ONNX ConvTranspose.
    """

    name = "nn.conv_transpose"

    x = operand_def()
    w = operand_def()
    b = opt_operand_def()

    strides = opt_prop_def(DenseArrayBase)
    pads = opt_prop_def(DenseArrayBase)
    dilations = opt_prop_def(DenseArrayBase)
    group = prop_def(default_value=to_attribute(1))
    output_padding = opt_prop_def(DenseArrayBase)
    output_shape = opt_prop_def(DenseArrayBase)
    """Spatial sizes of the output; decides the padding when it is given."""
    auto_pad = prop_def(default_value=to_attribute("NOTSET"))

    output = result_def()

    def windows(
        self, x: Sequence[int] | None = None, w: Sequence[int] | None = None
    ) -> list[Window]:
        """
        Geometry of the convolution this one transposes: its input is our output.
        """
        sizes, kernel = (x or shape_of(self.x))[2:], (w or shape_of(self.w))[2:]
        rank = len(sizes)
        strides = per_dimension(ints(self.strides), rank, 1, "strides", 1)
        dilations = per_dimension(ints(self.dilations), rank, 1, "dilations", 1)
        pads = per_dimension(ints(self.pads), 2 * rank, 0, "pads")
        extra = per_dimension(ints(self.output_padding), rank, 0, "output_padding")
        targets = ints(self.output_shape)[-rank:]
        if targets and len(targets) != rank:
            raise VerifyException(f"output_shape {list(targets)} needs {rank} sizes")
        auto_pad = text(self.auto_pad)
        if auto_pad not in AUTO_PADS:
            raise VerifyException(
                f"auto_pad {auto_pad} is not one of {list(AUTO_PADS)}"
            )
        result: list[Window] = []
        for i in range(rank):
            full = (sizes[i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1
            full += extra[i]
            begin, end = (pads[i], pads[i + rank]) if auto_pad == "NOTSET" else (0, 0)
            target = full - begin - end
            if targets or auto_pad.startswith("SAME"):
                target = targets[i] if targets else sizes[i] * strides[i]
                total = max(0, full - target)
                begin = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
                end = total - begin
            if target < 1:
                raise VerifyException(f"dimension {i} of the output would be {target}")
            result.append(
                Window(
                    target, sizes[i], kernel[i], strides[i], dilations[i], begin, end
                )
            )
        return result

    def channels(self, w: Sequence[int] | None = None) -> Channels:
        """How channels are divided into groups."""
        ins, outs, *_ = w or shape_of(self.w)
        groups = integer(self.group)
        return Channels(groups, ins // groups, outs)

    def elements(self) -> Sequence[Attribute]:
        require_product(self.operands)
        return [element_type(self.x)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        x, w = shape_of(self.x), shape_of(self.w)
        check_operands(x, w)
        groups = integer(self.group)
        if groups < 1 or x[1] % groups:
            raise VerifyException(
                f"{x[1]} input channels do not divide into {groups} groups"
            )
        if x[1] != w[0]:
            raise VerifyException(
                f"the input has {x[1]} channels, the weights {list(w)} expect {w[0]}"
            )
        check_bias(None if self.b is None else shape_of(self.b), w[1] * groups)
        return [(x[0], w[1] * groups, *(g.input for g in self.windows()))]

    def reference(self, x: Array, w: Array, b: Array | None = None) -> Array:
        geometry = self.windows(x.shape, w.shape)
        groups, ins, outs = self.channels(w.shape)
        data = widened(x).reshape(len(x), groups, ins, -1)
        weights = by_tap(widened(w).reshape(groups, ins, outs, *w.shape[2:]))
        full = [max(g.begin + g.input, g.taken(g.kernel - 1).stop) for g in geometry]
        result = np.zeros((len(x), groups * outs, *full), data.dtype)
        for tap in np.ndindex(*w.shape[2:]):
            scaled = weights[*tap].swapaxes(1, 2) @ data
            at = [g.taken(t) for g, t in zip(geometry, tap, strict=True)]
            result[:, :, *at] += scaled.reshape(len(x), groups * outs, *x.shape[2:])
        inside = [slice(g.begin, g.begin + g.input) for g in geometry]
        result = result[:, :, *inside]
        if b is not None:
            result = result + b.reshape(-1, *(1,) * len(geometry))
        return result.astype(x.dtype, copy=False)

    def halo(self) -> list[tuple[int, int]]:
        """How much is read before and after each spatial dimension of the input."""
        halo: list[tuple[int, int]] = []
        for g in self.windows():
            seen = [phase.seen for phase in phases_of(g)]
            before = max(-places.start for places in seen)
            after = max(places.stop - g.output for places in seen)
            halo.append((max(0, before), max(0, after)))
        return halo

    def fanned(self) -> list[int]:
        """The dimensions of one input, where each output reads a tap of its own."""
        return [
            dim
            for dim, g in enumerate(self.windows(), start=2)
            if any(phase.along for phase in phases_of(g))
        ]

    def loops(self, k: Loops) -> None:
        for phases in product(*map(phases_of, self.windows())):
            self._phase(k, phases)

    def _phase(self, k: Loops, phases: Sequence[Phase]) -> None:
        """The nest for outputs with these remainders modulo the strides."""
        channels = self.channels()
        outputs = named("o", [p.outputs for p in phases])
        kernel = named("k", [max(1, p.taps) for p in phases])
        summed = channels.input_dims() | kernel
        empty = any(p.taps == 0 for p in phases)
        dims = {"n": shape_of(self.x)[0], **channels.output_dims(), **outputs}
        n = k.nest(dims if empty else dims | summed)
        target = channels.target(n)
        bias = None if self.b is None else n.read(self.b, [target])
        total = n.const(0.0, np.float32) if bias is None else bias
        if not empty:
            source, _, _, inner = channels.indices(n)
            named_phases = list(zip(phases, outputs, kernel, strict=True))
            at = [n[o] * p.ahead + p.start - n[t] * p.back for p, o, t in named_phases]
            tap = [n[t] * p.step + p.first + n[o] * p.along for p, o, t in named_phases]
            x = n.read(self.x, [n["n"], source, *at], fill=0)
            w = n.read(self.w, [source, inner, *tap])
            total = n.sum(x * w, over=list(summed), init=bias)
        place = [
            n[o] * p.stride + p.remainder for p, o in zip(phases, outputs, strict=True)
        ]
        n.write(total, self.output, [n["n"], target, *place])

    def flops(self) -> int:
        return 2 * prod(shape_of(self.x)) * prod(shape_of(self.w)[1:])


OPS: tuple[type[NNOp], ...] = (ConvOp, ConvTransposeOp)
