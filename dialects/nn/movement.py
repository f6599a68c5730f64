"""Operations that place elements anew and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
    var_result_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import (
    Array,
    NNOp,
    broadcast_shapes,
    constant_ints,
    integer,
    ints,
    normalized_axis,
    shape_of,
    text,
    to_attribute,
)
from .common import as_ints, grid, require_same

if TYPE_CHECKING:
    from ..kernel.build import Loops

Shape = tuple[int, ...]


class Movement(NNOp):
    """Takes `x` and perhaps numbers that say where its elements go."""

    MOVEMENT: ClassVar[bool] = True

    output = result_def()

    def flops(self) -> int:
        return 0


@irdl_op_definition
class TransposeOp(Movement):
    """Dimension `i` of `output` is dimension `perm[i]` of `x`; reversed by default. ONNX Transpose."""

    name = "nn.transpose"

    x = operand_def()
    perm = opt_prop_def()

    def permutation(self, rank: int) -> Shape:
        """`perm`, or the default one."""
        perm = tuple(reversed(range(rank))) if self.perm is None else ints(self.perm)
        if sorted(perm) != list(range(rank)):
            raise VerifyException(
                f"perm {list(perm)} does not permute {rank} dimensions"
            )
        return perm

    def shapes(self) -> Sequence[Shape]:
        shape = shape_of(self.x)
        return [tuple(shape[axis] for axis in self.permutation(len(shape)))]

    def reference(self, x: Array) -> Array:
        return x.transpose(self.permutation(x.ndim))

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        perm = self.permutation(len(n.indices))
        at = [n.indices[perm.index(axis)] for axis in range(len(perm))]
        n.write(n.read(self.x, at), self.output, n.indices)


@irdl_op_definition
class ConcatOp(Movement):
    """The operands one behind the other along `axis`. ONNX Concat."""

    name = "nn.concat"

    xs = var_operand_def()
    axis = prop_def()

    def elements(self) -> Sequence[Attribute]:
        if not self.operands:
            raise VerifyException("nn.concat has no operand")
        require_same(self.operands)
        return super().elements()

    def shapes(self) -> Sequence[Shape]:
        shapes = [shape_of(operand) for operand in self.operands]
        first = shapes[0]
        axis = normalized_axis(integer(self.axis), len(first))
        for shape in shapes[1:]:
            if len(shape) != len(first) or any(
                a != b
                for i, (a, b) in enumerate(zip(first, shape, strict=True))
                if i != axis
            ):
                raise VerifyException(
                    f"shapes {list(first)} and {list(shape)} do not join along axis {axis}"
                )
        total = sum(shape[axis] for shape in shapes)
        return [(*first[:axis], total, *first[axis + 1 :])]

    def reference(self, xs: Sequence[Array]) -> Array:
        return np.concatenate(xs, axis=integer(self.axis))

    def loops(self, k: Loops) -> None:
        axis = normalized_axis(integer(self.axis), len(shape_of(self.output)))
        offset = 0
        for operand in self.operands:
            n = grid(k, shape_of(operand))
            at = n.indices
            at[axis] = at[axis] + offset
            n.write(n.read(operand, n.indices), self.output, at)
            offset += shape_of(operand)[axis]


@irdl_op_definition
class SplitOp(NNOp):
    """
    `x` cut along `axis` into parts of the given `sizes`. ONNX Split.

    Without `sizes` there are `num_outputs` equal parts; the last one may be smaller.
    """

    name = "nn.split"
    MOVEMENT: ClassVar[bool] = True

    x = operand_def()
    sizes = opt_operand_def()
    axis = prop_def(default_value=to_attribute(0))
    num_outputs = opt_prop_def()
    outputs = var_result_def()

    def parts(self, size: int, sizes: Sequence[int] | None) -> list[int]:
        """The size of each part of a dimension of `size`."""
        count = integer(self.num_outputs, len(self.results))
        if sizes is None:
            chunk = -(-size // count)
            sizes = [min(chunk, size - i * chunk) for i in range(count)]
        if sum(sizes) != size or min(sizes) < 0:
            raise VerifyException(f"cannot split {size} into parts of {list(sizes)}")
        if len(sizes) != len(self.results):
            raise VerifyException(f"{len(sizes)} parts for {len(self.results)} results")
        return list(sizes)

    def shapes(self) -> Sequence[Shape]:
        shape = shape_of(self.x)
        axis = normalized_axis(integer(self.axis), len(shape))
        parts = self.parts(shape[axis], constant_ints(self.sizes, "sizes"))
        return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]

    def reference(self, x: Array, sizes: Array | None = None) -> tuple[Array, ...]:
        axis = normalized_axis(integer(self.axis), x.ndim)
        parts = self.parts(x.shape[axis], None if sizes is None else as_ints(sizes))
        return tuple(np.split(x, np.cumsum(parts)[:-1], axis=axis))

    def loops(self, k: Loops) -> None:
        axis = normalized_axis(integer(self.axis), len(shape_of(self.x)))
        offset = 0
        for result in self.results:
            if 0 in shape_of(result):
                continue
            n = grid(k, shape_of(result))
            at = n.indices
            at[axis] = at[axis] + offset
            n.write(n.read(self.x, at), result, n.indices)
            offset += shape_of(result)[axis]

    def flops(self) -> int:
        return 0


@irdl_op_definition
class ExpandOp(Movement):
    """`x` broadcast together with `shape`. ONNX Expand."""

    name = "nn.expand"

    x = operand_def()
    shape = operand_def()

    def shapes(self) -> Sequence[Shape]:
        wanted = tuple(constant_ints(self.shape, "shape") or ())
        return [broadcast_shapes(shape_of(self.x), wanted)]

    def reference(self, x: Array, shape: Array) -> Array:
        target = broadcast_shapes(x.shape, tuple(as_ints(shape)))
        return np.broadcast_to(x, target).copy()

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        n.write(n.read_broadcast(self.x, n.indices), self.output, n.indices)


@irdl_op_definition
class TileOp(Movement):
    """`x` repeated `repeats[i]` times along dimension `i`. ONNX Tile."""

    name = "nn.tile"

    x = operand_def()
    repeats = operand_def()

    def shapes(self) -> Sequence[Shape]:
        shape, repeats = shape_of(self.x), constant_ints(self.repeats, "repeats") or []
        if len(repeats) != len(shape):
            raise VerifyException(f"{len(repeats)} repeats for {len(shape)} dimensions")
        if min(repeats, default=0) < 0:
            raise VerifyException(f"repeats {repeats} are not all positive")
        return [tuple(s * r for s, r in zip(shape, repeats, strict=True))]

    def reference(self, x: Array, repeats: Array) -> Array:
        return np.tile(x, as_ints(repeats))

    def loops(self, k: Loops) -> None:
        n = grid(k, shape_of(self.output))
        at = [i % s for i, s in zip(n.indices, shape_of(self.x), strict=True)]
        n.write(n.read(self.x, at), self.output, n.indices)


class Blocks(Movement):
    """Moves elements between the channels and square blocks of an image."""

    x = operand_def()
    blocksize = prop_def()

    def image(self) -> tuple[int, int, int, int, int]:
        """`N, C, H, W` and the block size."""
        shape, block = shape_of(self.x), integer(self.blocksize)
        if len(shape) != 4:
            raise VerifyException(f"x has shape {list(shape)}, expected [N, C, H, W]")
        if block < 1:
            raise VerifyException(f"blocksize {block} is not positive")
        return (*shape, block)


@irdl_op_definition
class DepthToSpaceOp(Blocks):
    """
    Blocks of `blocksize**2` channels become squares of one channel. ONNX DepthToSpace.

    `[N, C * b * b, H, W]` to `[N, C, H * b, W * b]`. With `mode` "DCR" the position in
    the square is the outer part of the channel, with "CRD" the inner one.
    """

    name = "nn.depth_to_space"

    mode = prop_def(default_value=to_attribute("DCR"))

    def shapes(self) -> Sequence[Shape]:
        n, c, h, w, b = self.image()
        if text(self.mode) not in ("DCR", "CRD"):
            raise VerifyException(
                f'mode is "{text(self.mode)}", expected "DCR" or "CRD"'
            )
        if c % (b * b):
            raise VerifyException(f"{c} channels do not divide by {b} * {b}")
        return [(n, c // (b * b), h * b, w * b)]

    def reference(self, x: Array) -> Array:
        n, c, h, w = x.shape
        b = integer(self.blocksize)
        if text(self.mode) == "DCR":
            blocks = x.reshape(n, b, b, -1, h, w).transpose(0, 3, 4, 1, 5, 2)
        else:
            blocks = x.reshape(n, -1, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
        return blocks.reshape(n, c // (b * b), h * b, w * b)

    def loops(self, k: Loops) -> None:
        channels, b = shape_of(self.output)[1], integer(self.blocksize)
        n = grid(k, shape_of(self.output))
        image, c, h, w = n.indices
        square = (h % b) * b + w % b
        outer = text(self.mode) == "DCR"
        channel = square * channels + c if outer else c * (b * b) + square
        n.write(
            n.read(self.x, [image, channel, h // b, w // b]), self.output, n.indices
        )


@irdl_op_definition
class SpaceToDepthOp(Blocks):
    """
    Squares of `blocksize**2` elements become channels. ONNX SpaceToDepth.

    `[N, C, H * b, W * b]` to `[N, b * b * C, H, W]`, the inverse of "DCR".
    """

    name = "nn.space_to_depth"

    def shapes(self) -> Sequence[Shape]:
        n, c, h, w, b = self.image()
        if h % b or w % b:
            raise VerifyException(f"an image of {h} x {w} does not divide by {b}")
        return [(n, c * b * b, h // b, w // b)]

    def reference(self, x: Array) -> Array:
        n, c, h, w = x.shape
        b = integer(self.blocksize)
        blocks = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4)
        return blocks.reshape(n, c * b * b, h // b, w // b)

    def loops(self, k: Loops) -> None:
        channels, b = shape_of(self.x)[1], integer(self.blocksize)
        n = grid(k, shape_of(self.output))
        image, c, h, w = n.indices
        square = c // channels
        at = [image, c % channels, h * b + square // b, w * b + square % b]
        n.write(n.read(self.x, at), self.output, n.indices)


@irdl_op_definition
class ChannelShuffleOp(Movement):
    """
    Channels dealt out anew: `output[n, k * group + g] = x[n, g * (C / group) + k]`.

    `[N, C, ...]` keeps its shape. OpenVINO ShuffleChannels along axis 1; ONNX writes it
    as reshape to `[N, group, C / group, ...]`, transpose and reshape.
    """

    name = "nn.channel_shuffle"

    x = operand_def()
    group = prop_def()

    def shapes(self) -> Sequence[Shape]:
        shape, group = shape_of(self.x), integer(self.group)
        if len(shape) < 2:
            raise VerifyException(f"x has shape {list(shape)}, expected [N, C, ...]")
        if group < 1 or shape[1] % group:
            raise VerifyException(f"{shape[1]} channels do not divide by {group}")
        return [shape]

    def reference(self, x: Array) -> Array:
        group = integer(self.group)
        apart = x.reshape(x.shape[0], group, x.shape[1] // group, *x.shape[2:])
        return apart.swapaxes(1, 2).reshape(x.shape)

    def loops(self, k: Loops) -> None:
        shape, group = shape_of(self.output), integer(self.group)
        n = grid(k, shape)
        image, c, *place = n.indices
        channel = c % group * (shape[1] // group) + c // group
        n.write(n.read(self.x, [image, channel, *place]), self.output, n.indices)


OPS: tuple[type[NNOp], ...] = (
    TransposeOp,
    ConcatOp,
    SplitOp,
    ExpandOp,
    TileOp,
    DepthToSpaceOp,
    SpaceToDepthOp,
    ChannelShuffleOp,
)
