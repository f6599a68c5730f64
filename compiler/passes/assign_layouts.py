"""
Decide how tensors lie in memory.

    conv : tensor<1x64x56x56xf32>  ==>  … -> tensor<1x64x56x56xf32, #nn.layout<[0, 1, 2, 3, 1 by 16]>>

Any operation reads any layout: layouts are only access maps. So this pass chooses the
layout of results, for speed alone. Channels lie in blocks of the target's lanes after a
convolution, and stay so through operations that work channel by channel; everything else
is row-major, as are the network's inputs and outputs. Constant weights are packed in the
order in which a contraction reads them. A tensor that a padded window reads gets a halo
of zeros; where it cannot have one (an input, an output) a copy gets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod
from typing import TypeAlias

from xdsl.dialects.builtin import Float16Type, Float32Type, TensorType
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from ...backends.target import Target
from ...dialects.const import ConstantOp
from ...dialects.layout import LayoutAttr, layout_of, with_layout
from ...dialects.nn.base import NNOp, integer, normalized_axis
from ...dialects.nn.common import Elementwise
from ...dialects.nn.conv import ConvOp, ConvTransposeOp
from ...dialects.nn.elementwise import IdentityOp
from ...dialects.nn.linear import GemmOp, MatmulOp
from ...dialects.nn.local_norm import LrnOp
from ...dialects.nn.movement import ChannelShuffleOp, ConcatOp
from ...dialects.nn.norm import BatchNormOp, GroupNormOp, InstanceNormOp
from ...dialects.nn.pool import AveragePoolOp, GlobalPool, LpPoolOp, Pool
from ...dialects.nn.reshape import Reshaping
from ...dialects.nn.resize import InterpolateOp, ResizeOp
from ...dialects.nn.slicing import PadOp
from ...dialects.nn.strassen import StrassenLeftOp, StrassenOutputOp
from ...dialects.nn.winograd import (
    WinogradInputOp,
    WinogradOutputOp,
    WinogradProductOp,
)
from ...dialects.types import element_type, shape_of
from ..targets import find_target
from .rewrite import FunctionPass

CHANNELWISE = (
    BatchNormOp,
    Elementwise,
    GlobalPool,
    GroupNormOp,
    InstanceNormOp,
    InterpolateOp,
    PadOp,
    Pool,
    ResizeOp,
)
"""Operations whose output channel reads its own input channel only."""

Winograd: TypeAlias = WinogradInputOp | WinogradOutputOp | WinogradProductOp
"""Parts of a convolution: their results have channels in dimension 1."""

Halo: TypeAlias = list[tuple[int, int]]


@dataclass(frozen=True)
class AssignLayoutsPass(FunctionPass):
    """Give results and weights their layouts."""

    name = "assign-layouts"

    target: str = "cpu"

    def rewrite(self, body: Block) -> int:
        chooser = Chooser(body, find_target(self.target))
        return chooser.run()


class Chooser:
    """Chooses for one function."""

    def __init__(self, body: Block, target: Target) -> None:
        self.body, self.lanes, self.narrow = body, target.lanes, target.narrow
        last = body.last_op
        assert isinstance(last, ReturnOp)
        self.returned = set(last.operands)
        self.count = 0

    def run(self) -> int:
        """Blocks first, then halos, then weights, which depend on the other two."""
        ops = [op for op in self.body.ops if isinstance(op, NNOp)]
        for op in ops:
            if len(op.results) == 1 and self._wants_blocks(op):
                self._set(op.results[0], self._blocked(op.results[0]))
        for op in ops:
            if isinstance(
                op,
                ConvOp | ConvTransposeOp | AveragePoolOp | LpPoolOp | WinogradInputOp,
            ):
                self._give_halo(op)
        for op in ops:
            if isinstance(op, ConvOp | ConvTransposeOp):
                self._pack_convolution(op)
            elif isinstance(op, MatmulOp):
                self._pack_matmul(op, 1)
            elif isinstance(op, GemmOp):
                self._pack_matmul(op, 0 if integer(op.transB) else 1)
            elif isinstance(op, WinogradProductOp):
                self._pack_points(op)
        return self.count

    def _set(self, value: SSAValue, layout: LayoutAttr) -> None:
        type_ = value.type
        assert isinstance(type_, TensorType)
        value._type = with_layout(type_, layout)  # pyright: ignore[reportPrivateUsage, reportUnknownArgumentType]
        self.count += 1

    # blocks

    def _blocked(self, value: SSAValue) -> LayoutAttr:
        rank = len(shape_of(value))
        return LayoutAttr.of([*((d, 1) for d in range(rank)), (1, self.lanes)])

    def _is_blocked(self, value: SSAValue) -> bool:
        return any(block > 1 for _, block in layout_of(value.type).order)

    def _wants_blocks(self, op: NNOp) -> bool:
        result = op.results[0]
        if result in self.returned or not isinstance(element_type(result), Float32Type):
            return False
        shape = shape_of(result)
        if len(shape) < 3 or shape[1] < self.lanes // 2:
            return False
        if all(isinstance(use.operation, LrnOp) for use in result.uses):
            return False  # it reads neighbouring channels, across blocks
        if isinstance(op, ConvOp | ConvTransposeOp):
            return self._convolution_in_blocks(op)
        if isinstance(op, Winograd):
            return True
        if isinstance(op, StrassenLeftOp | StrassenOutputOp):
            return bool(integer(op.merged))
        if isinstance(op, ConcatOp):
            return self._concat_in_blocks(op)
        if isinstance(op, ChannelShuffleOp):
            return any(self._reads_blocks(use.operation) for use in result.uses)
        if not isinstance(op, CHANNELWISE) or self._grows_plain(op):
            return False
        like = [
            o
            for o in op.operands
            if len(shape_of(o)) == len(shape) and shape_of(o)[1] == shape[1]
        ]
        return any(self._is_blocked(o) for o in like)

    def _grows_plain(self, op: NNOp) -> bool:
        """Whether an image is enlarged for readers without blocks: it leaves them before."""
        if not isinstance(op, InterpolateOp):
            return False
        grows = prod(shape_of(op.output)) > prod(shape_of(op.x))
        return grows and self._ends_plain(op.output)

    def _ends_plain(self, value: SSAValue) -> bool:
        """Whether a value only becomes outputs, one channel at a time."""
        return value in self.returned or all(
            isinstance(use.operation, CHANNELWISE)
            and self._ends_plain(use.operation.results[0])
            for use in value.uses
        )

    def _convolution_in_blocks(self, op: ConvOp | ConvTransposeOp) -> bool:
        groups = integer(op.group)
        inputs, outputs = shape_of(op.x)[1] // groups, shape_of(op.output)[1] // groups
        if groups == 1 or (inputs == outputs == 1):
            return True
        if outputs % self.lanes == 0:
            return True
        # blocks hold several groups; lanes are the outputs of one, or of all of them
        fills = 2 * outputs >= self.narrow or inputs <= outputs
        return self.lanes % outputs == 0 and fills

    def _reads_blocks(self, op: Operation) -> bool:
        """Whether a convolution works block by block on its input too."""
        return isinstance(op, ConvOp | ConvTransposeOp) and self._wants_blocks(op)

    def _concat_in_blocks(self, op: ConcatOp) -> bool:
        axis = normalized_axis(integer(op.axis), len(shape_of(op.results[0])))
        parts = list(op.operands)
        if not all(self._is_blocked(p) for p in parts):
            return False
        if axis != 1:
            return axis > 1
        return all(shape_of(p)[1] % self.lanes == 0 for p in parts[:-1])

    # halos

    def _give_halo(
        self, op: ConvOp | ConvTransposeOp | AveragePoolOp | LpPoolOp | WinogradInputOp
    ) -> None:
        needed: Halo = [(0, 0), (0, 0), *padding_of(op)]
        if not any(map(any, needed)):
            return
        source = op.operands[0]
        if not self._takes_halo(source):
            copy = IdentityOp.make(source)
            copy.location = op.location
            self.body.insert_op_before(copy, op)
            op.operands[0] = source = copy.output
            if shape_of(source)[1] >= self.lanes:
                self._set(source, self._blocked(source))
        layout = layout_of(source.type)
        halo = [
            (max(a, b), max(c, d))
            for (a, c), (b, d) in zip(layout.halo, needed, strict=True)
        ]
        self._set(source, LayoutAttr.of(layout.order, halo))

    def _takes_halo(self, value: SSAValue) -> bool:
        """Whether the operation that writes `value` can leave room around it."""
        if isinstance(value, BlockArgument) or value in self.returned:
            return False
        owner = value.owner
        if not isinstance(owner, NNOp) or isinstance(owner, Reshaping):
            return False
        return len(owner.results) == 1 and not any(
            isinstance(use.operation, Reshaping) for use in value.uses
        )

    # weights

    def _pack(self, op: NNOp, index: int, layout: LayoutAttr) -> None:
        """Give a constant operand a layout of its own."""
        source = op.operands[index].owner
        if not isinstance(source, ConstantOp) or not isinstance(
            source.output.type.element_type, Float16Type | Float32Type
        ):
            return
        packed = ConstantOp(source.array, with_layout(source.output.type, layout))
        packed.properties["value"] = source.value
        packed.output.name_hint = source.output.name_hint
        packed.location = source.location
        self.body.insert_op_before(packed, op)
        op.operands[index] = packed.output
        self.count += 1
        if source.output.first_use is None:
            self.body.erase_op(source)

    def _pack_convolution(self, op: ConvOp | ConvTransposeOp) -> None:
        few = self._sums_lanes(op)
        if not (few or self._is_blocked(op.output) or op.output in self.returned):
            return
        rank = len(shape_of(op.w))
        fanned = op.fanned() if isinstance(op, ConvTransposeOp) else []
        around = [(d, 1) for d in fanned]
        kernel = [(d, 1) for d in range(2, rank) if d not in fanned]
        groups = integer(op.group)
        if shape_of(op.w)[1] == 1 and groups > 1:
            order = [(0, 1), (1, 1), *around, *kernel, (0, self.lanes)]
        else:
            transposed = isinstance(op, ConvTransposeOp)
            outer, inner = (1, 0) if transposed else (0, 1)
            outputs = shape_of(op.w)[outer] // (1 if transposed else groups)
            width = self._width(
                outputs, prod(shape_of(op.output)[d] for d, _ in kernel)
            )
            if groups > 1 and outputs % self.lanes == 0:
                width = gcd(width, outputs)  # a block never holds parts of two groups
            elif groups > 1 and self.lanes % outputs:
                width = min(width, outputs)
            order = [(outer, 1), *around, (inner, 1), *kernel]
            many = self._is_blocked(op.x) and shape_of(op.w)[inner] > self.lanes
            if few or many:
                order.append((inner, self.lanes))
            if not few:
                order.append((outer, width))
        self._pack(op, 1, LayoutAttr.of(order))

    def _sums_lanes(self, op: ConvOp | ConvTransposeOp) -> bool:
        """Whether outputs are so few that lanes walk the inputs, and are added up."""
        few = shape_of(op.output)[1] <= self.lanes // 3
        return few and integer(op.group) == 1 and self._is_blocked(op.x)

    def _pack_matmul(self, op: MatmulOp | GemmOp, dim: int) -> None:
        """Columns, which are dimension `dim` of the weights, side by side."""
        shape = shape_of(op.operands[1])
        if len(shape) < 2:
            return
        *outer, upper, inner = range(len(shape))
        wide, deep = (inner, upper) if dim else (upper, inner)
        if shape[wide] < self.lanes // 2:
            return
        matrices = prod(shape[d] for d in outer)
        rows = prod(shape_of(op.output)) // (matrices * shape[wide])
        width = self._width(shape[wide], rows)
        order = [(d, 1) for d in (*outer, wide, deep)]
        self._pack(op, 1, LayoutAttr.of([*order, (wide, width)]))

    def _pack_points(self, op: WinogradProductOp) -> None:
        """`[points, outputs, inputs, taps]`: the block of inputs follows all others."""
        _, outputs, *tiles = shape_of(op.output)
        width = self._width(outputs, prod(tiles))
        outer = [(dim, 1) for dim in range(len(shape_of(op.u)))]
        order = [*outer, (2, self.lanes), (1, width)]
        self._pack(op, 1, LayoutAttr.of(order))

    def _width(self, outputs: int, rows: int) -> int:
        """How many outputs lie side by side: what the registers of a tile hold."""
        registers = 8 if rows == 1 else 4 if rows < 4 else 2
        while registers > 1 and outputs <= self.lanes * (registers // 2):
            registers //= 2
        return self.lanes * registers


def padding_of(
    op: ConvOp | ConvTransposeOp | AveragePoolOp | LpPoolOp | WinogradInputOp,
) -> Halo:
    """How much padding an operation reads around each spatial dimension."""
    if isinstance(op, ConvOp | ConvTransposeOp | WinogradInputOp):
        return op.halo()
    return [(window.begin, window.reach) for window in op.windows()]
