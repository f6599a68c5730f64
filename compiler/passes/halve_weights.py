"""
Store weights as half.

    conv(%x, const f32)   ==>   conv(%x, cast(const f16))        (halve-weights)
    conv(%x, cast(const f16)) ==> conv(%x, const f16)            (read-halves)

Only what is stored changes: loop bodies read halves and compute in single precision. What
does not fit, or matters more than its size, stays as it is and says why. The conversion
is marked as `stored`, so that constant folding does not undo it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.dialects.builtin import Float16Type, Float32Type, UnitAttr
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.const import ConstantOp
from ...dialects.nn.base import NNOp
from ...dialects.types import Array, element_type
from .fold import STORED
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, erase_if_dead

PASS = "halve-weights"

LARGEST = float(np.finfo(np.float16).max)
SMALLEST = float(np.finfo(np.float16).tiny)

FEW = 64
"""Elements below which half is not worth a conversion."""

SOME = 16384
"""The same for constants that operations cannot read as half."""

LOST = 0.001
"""The share of a constant's largest element below which losing digits does not matter."""

SENSITIVE: dict[type[NNOp], str] = {
    nn.BatchNormOp: "statistics are divided by",
    nn.DivOp: "it is divided by",
    nn.GridSampleOp: "it is made of coordinates",
    nn.InstanceNormOp: "it scales a normalised result",
    nn.InterpolateOp: "it is made of interpolation weights",
    nn.LayerNormOp: "it scales a normalised result",
    nn.GroupNormOp: "it scales a normalised result",
    nn.RmsNormOp: "it scales a normalised result",
    nn.PowOp: "it is an exponent or a base",
    nn.RangeOp: "it is a range",
    nn.ResizeOp: "it is made of sizes",
    nn.QuantizeLinearOp: "it is a quantisation scale",
    nn.DequantizeLinearOp: "it is a quantisation scale",
    nn.ClipOp: "it is a limit",
}
"""Operations whose constants stay in single precision."""


@dataclass(frozen=True)
class HalveWeightsPass(FunctionPass):
    """Store constants as half where they fit."""

    name = PASS

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if not isinstance(op, ConstantOp) or not _is_single(op.output):
                continue
            if op.output.first_use is None:
                continue
            reason = why_single(op)
            if reason is None:
                _halve(op)
                count += 1
            else:
                decline(op, PASS, f"stays f32: {reason}", rewrite="storing as half")
        return count


def _is_single(value: SSAValue) -> bool:
    return isinstance(element_type(value), Float32Type)


def why_single(op: ConstantOp) -> str | None:
    """Why a constant stays in single precision; None when half will do."""
    array = op.array
    if array.size < FEW:
        return f"it has only {array.size} numbers"
    for use in op.output.uses:
        reader = use.operation
        if is_kept(reader):
            return "its reader is kept as it is"
        reason = SENSITIVE.get(type(reader))  # type: ignore[arg-type]
        if reason is not None:
            return reason
        if not isinstance(reader, NNOp):
            return "it is an output of the network"
        if isinstance(reader, BIASED) and use.index == 2:
            return "it is a bias, which is added to sums"
        direct = isinstance(reader, WEIGHTED) or (
            isinstance(reader, nn.GatherOp) and use.index == 0
        )
        if not direct and array.size < SOME:
            return f"{reader.name} would convert its {array.size} numbers in every run"
    return _unfit(array)


WEIGHTED = (
    nn.ConvOp,
    nn.ConvTransposeOp,
    nn.GemmOp,
    nn.GruOp,
    nn.LstmOp,
    nn.MatmulOp,
    nn.RnnOp,
)
"""Operations that read halves as they are, or become such."""

BIASED = (nn.ConvOp, nn.ConvTransposeOp, nn.GemmOp)


def _unfit(array: Array) -> str | None:
    """The numbers that half cannot hold."""
    if not np.isfinite(array).all():
        return "it has numbers that are not finite"
    sizes = np.abs(array)
    largest = float(sizes.max(initial=0))
    if largest > LARGEST:
        return f"its largest number {largest:.4g} would overflow"
    small = (sizes > 0) & (sizes < SMALLEST)
    if largest and bool((small & (sizes > LOST * largest)).any()):
        return f"all of its numbers are tiny, the largest is {largest:.4g}"
    return None


def _halve(op: ConstantOp) -> None:
    half = ConstantOp(op.array.astype(np.float16))
    cast = nn.CastOp.make(half.output, to=Float32Type())
    cast.attributes[STORED] = UnitAttr()
    for new in (half, cast):
        new.location = op.location
    half.output.name_hint = op.output.name_hint
    assert op.parent is not None
    op.parent.insert_ops_before([half, cast], op)
    op.output.replace_all_uses_with(cast.output)
    applied(PASS, [op], cast, f"{op.array.nbytes} to {half.array.nbytes} bytes")
    op.parent.erase_op(op)


@dataclass(frozen=True)
class ReadHalvesPass(FunctionPass):
    """Let products read halves directly, where their loops can."""

    name = "read-halves"

    def rewrite(self, body: Block) -> int:
        count = 0
        for cast in list(body.ops):
            if not is_half_weight(cast):
                continue
            for use in list(cast.results[0].uses):
                if isinstance(use.operation, PRODUCTS) and use.index == 1:
                    use.operation.operands[1] = cast.operands[0]
                    count += 1
                elif isinstance(use.operation, nn.GatherOp) and use.index == 0:
                    _gather_halves(use.operation, cast)
                    count += 1
            erase_if_dead(cast)
        return count


PRODUCTS = (nn.ConvOp, nn.ConvTransposeOp, nn.MatmulOp)


def is_half_weight(op: Operation) -> bool:
    """Whether an operation widens a constant that is stored as half."""
    return (
        isinstance(op, nn.CastOp)
        and STORED in op.attributes
        and isinstance(op.x.owner, ConstantOp)
        and isinstance(element_type(op.x), Float16Type)
    )


def _gather_halves(gather: nn.GatherOp, cast: Operation) -> None:
    """`gather(cast(x))` to `cast(gather(x))`."""
    properties: dict[str, Any] = dict(gather.properties)
    rows = nn.GatherOp.make(cast.operands[0], gather.indices, **properties)
    wide = nn.CastOp.make(rows.results[0], to=Float32Type())
    for new in (rows, wide):
        new.location = gather.location
    assert gather.parent is not None
    gather.parent.insert_ops_before([rows, wide], gather)
    gather.results[0].replace_all_uses_with(wide.output)
    gather.parent.erase_op(gather)
