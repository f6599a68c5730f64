"""
Keep the rows that a matrix product reads in blocks of lanes.

    h : tensor<128x3072xf32>   ==>   tensor<128x3072xf32, #nn.layout<[1, 0, 1 by 16]>>

A register tile of a product reads a dozen rows at one column. Row-major, these lie a row
apart, and rows of a power of two bytes fall into the same cache set. In blocks the rows
of a tile are neighbours. Legal always; worth it when all readers are products with
constant weights, elementwise operations or normalizations, and one is a product.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import Float32Type, TensorType
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, SSAValue, Use

from ...dialects.const import ConstantOp
from ...dialects.layout import LayoutAttr, layout_of, with_layout
from ...dialects.nn.common import Elementwise
from ...dialects.nn.layer_norm import LayerNormOp, RmsNormOp
from ...dialects.nn.linear import MatmulOp
from ...dialects.nn.strassen import StrassenLeftOp, StrassenOutputOp
from ...dialects.types import element_type, shape_of
from ..targets import find_target
from .rewrite import FunctionPass

WRITERS = (
    Elementwise,
    LayerNormOp,
    MatmulOp,
    RmsNormOp,
    StrassenLeftOp,
    StrassenOutputOp,
)
READERS = (Elementwise, LayerNormOp, RmsNormOp, StrassenLeftOp)

FEWEST_ROWS = 4
SHORTEST_ROW = 128


@dataclass(frozen=True)
class BlockRowsPass(FunctionPass):
    """Give the left operands of products blocked rows."""

    name = "block-rows"

    target: str = "cpu"

    def rewrite(self, body: Block) -> int:
        lanes = find_target(self.target).lanes
        last = body.last_op
        assert isinstance(last, ReturnOp)
        returned = set(last.operands)
        count = 0
        for op in body.ops:
            if isinstance(op, WRITERS) and op.results[0] not in returned:
                count += _block(op.results[0], lanes)
        return count


def _block(value: SSAValue, lanes: int) -> int:
    shape = shape_of(value)
    if len(shape) < 2 or not isinstance(element_type(value), Float32Type):
        return 0
    if shape[-1] % lanes or shape[-1] < SHORTEST_ROW or shape[-2] < FEWEST_ROWS:
        return 0
    if not layout_of(value.type).is_plain:
        return 0
    products = [use for use in value.uses if _is_product(use)]
    others = [use for use in value.uses if not _is_product(use)]
    if not products or not all(isinstance(use.operation, READERS) for use in others):
        return 0
    rank = len(shape)
    order = [(d, 1) for d in (*range(rank - 2), rank - 1, rank - 2)]
    type_ = value.type
    assert isinstance(type_, TensorType)
    layout = LayoutAttr.of([*order, (rank - 1, lanes)])
    value._type = with_layout(type_, layout)  # pyright: ignore[reportPrivateUsage, reportUnknownArgumentType]
    return 1


def _is_product(use: Use) -> bool:
    """Whether a use is the left side of a product with constant weights."""
    op = use.operation
    return (
        isinstance(op, MatmulOp)
        and use.index == 0
        and isinstance(op.operands[1].owner, ConstantOp)
    )
