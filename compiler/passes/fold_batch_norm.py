"""
Fold batch normalisation into the linear operation before it.

    k     = scale / sqrt(variance + epsilon)        per output channel
    shift = bias - mean * k

    batch_norm(conv(x, w, b))            ==>  conv(x, w * k, b * k + shift)
    batch_norm(conv_transpose(x, w, b))  ==>  conv_transpose(x, w * k, b * k + shift)
    batch_norm(gemm(x, w, c))            ==>  gemm(x, w * k, beta * c * k + shift)
    batch_norm(matmul(x, w))             ==>  gemm(x, w * k, shift)
    batch_norm(x)                        ==>  scale_shift(x, k, shift)

The right sides are algebra on constants; `fold-constants` turns it into numbers.
Products and sums are reassociated: results agree to rounding, not to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import Float32Type, Float64Type
from xdsl.ir import Block, Operation, SSAValue

from ...dialects.const import ConstantOp
from ...dialects.nn import (
    AddOp,
    BatchNormOp,
    ConvOp,
    ConvTransposeOp,
    DivOp,
    GemmOp,
    MatmulOp,
    MulOp,
    ReshapeOp,
    ScaleShiftOp,
    SqrtOp,
    SubOp,
)
from ...dialects.nn.base import NNOp, integer, number
from ...dialects.types import element_type, is_static, shape_of, value_dtype
from ..locations import merge_sources
from .reasons import is_kept
from .rewrite import FunctionPass, erase_if_dead, replace


@dataclass(frozen=True)
class FoldBatchNormPass(FunctionPass):
    """Fold batch normalisation into convolutions, matmul and gemm, or a scale."""

    name = "fold-batch-norm"

    def rewrite(self, body: Block) -> int:
        constants: set[SSAValue] = set()
        count = 0
        for op in list(body.ops):
            if isinstance(op, BatchNormOp) and _is_plain(op, constants):
                algebra = Algebra()
                fold(op, algebra, constants)
                constants.update(r for o in algebra.ops for r in o.results)
                count += 1
            elif isinstance(op, ConstantOp) or _depends_on(op, constants):
                constants.update(op.results)
        return count


@dataclass
class Algebra:
    """Writes operations on constants, in order."""

    ops: list[Operation] = field(default_factory=list[Operation])

    def add(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs + rhs`, with broadcasting."""
        return self._write(AddOp.make(lhs, rhs))

    def sub(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs - rhs`, with broadcasting."""
        return self._write(SubOp.make(lhs, rhs))

    def mul(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs * rhs`, with broadcasting."""
        return self._write(MulOp.make(lhs, rhs))

    def div(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`lhs / rhs`, with broadcasting."""
        return self._write(DivOp.make(lhs, rhs))

    def sqrt(self, value: SSAValue) -> SSAValue:
        """The square root of every element."""
        return self._write(SqrtOp.make(value))

    def number(self, value: float, like: SSAValue) -> SSAValue:
        """A scalar of the element type of `like`."""
        return self._write(ConstantOp(np.array(value, value_dtype(like))))

    def reshape(self, value: SSAValue, shape: Sequence[int]) -> SSAValue:
        """The same elements in another shape."""
        sizes = self._write(ConstantOp(np.array(shape, np.int64)))
        return self._write(ReshapeOp.make(value, sizes))

    def _write(self, op: Operation) -> SSAValue:
        self.ops.append(op)
        return op.results[0]


def fold(norm: BatchNormOp, algebra: Algebra, constants: set[SSAValue]) -> None:
    """Put a linear operation in the place of `norm`, and of the one before if it can."""
    x, scale, bias, mean, variance = norm.operands
    epsilon = number(norm.properties.get("epsilon"), 1e-5)
    spread = algebra.sqrt(algebra.add(variance, algebra.number(epsilon, variance)))
    factor = algebra.div(scale, spread)
    shift = algebra.sub(bias, algebra.mul(mean, factor))

    linear = x.owner
    if isinstance(linear, NNOp) and _may_absorb(linear, constants):
        folded = RULES[type(linear)](linear, factor, shift, algebra)
        if folded is not None:
            merge_sources(folded, [linear, norm])
            replace(norm, [*algebra.ops, folded])
            erase_if_dead(linear)
            return
    replace(norm, [*algebra.ops, ScaleShiftOp.make(x, factor, shift)])


Rule: TypeAlias = Callable[[NNOp, SSAValue, SSAValue, Algebra], NNOp | None]
"""Folds a factor and a shift per output channel into a linear operation, or declines."""


def fold_conv(
    conv: NNOp, factor: SSAValue, shift: SSAValue, algebra: Algebra
) -> NNOp | None:
    """`conv(x, w, b)` to `conv(x, w * k, b * k + shift)`; `w` is `[O, I, ...]`."""
    x, w, *bias = conv.operands
    outputs, *rest = shape_of(w)

    per_output = algebra.reshape(factor, [outputs, *(1 for _ in rest)])
    weights = algebra.mul(w, per_output)
    moved = _folded_bias(bias, factor, shift, algebra)
    return ConvOp.make(x, weights, moved, **_properties(conv))


def fold_conv_transpose(
    conv: NNOp, factor: SSAValue, shift: SSAValue, algebra: Algebra
) -> NNOp | None:
    """The same for weights `[I, O / group, ...]`: a group's inputs meet its outputs."""
    x, w, *bias = conv.operands
    shape = shape_of(w)
    inputs, outputs, *kernel = shape
    groups = integer(conv.properties.get("group"), 1)
    ones = [1 for _ in kernel]

    if groups == 1:
        weights = algebra.mul(w, algebra.reshape(factor, [1, outputs, *ones]))
    else:
        apart = algebra.reshape(w, [groups, inputs // groups, outputs, *kernel])
        per_output = algebra.reshape(factor, [groups, 1, outputs, *ones])
        weights = algebra.reshape(algebra.mul(apart, per_output), shape)
    moved = _folded_bias(bias, factor, shift, algebra)
    return ConvTransposeOp.make(x, weights, moved, **_properties(conv))


def fold_gemm(
    gemm: NNOp, factor: SSAValue, shift: SSAValue, algebra: Algebra
) -> NNOp | None:
    """`gemm(x, w, c)` to `gemm(x, w * k, beta * c * k + shift)` with beta 1."""
    x, w, *bias = gemm.operands
    channels = shape_of(factor)[0]
    transposed = integer(gemm.properties.get("transB"))
    columns = [channels, 1] if transposed else [1, channels]
    weights = algebra.mul(w, algebra.reshape(factor, columns))
    beta = number(gemm.properties.get("beta"), 1.0)
    if bias and beta != 1.0:
        bias = [algebra.mul(bias[0], algebra.number(beta, bias[0]))]
    moved = _folded_bias(bias, factor, shift, algebra)
    properties = _properties(gemm)
    properties["beta"] = 1.0
    return GemmOp.make(x, weights, moved, **properties)


def fold_matmul(
    matmul: NNOp, factor: SSAValue, shift: SSAValue, algebra: Algebra
) -> NNOp | None:
    """`matmul(x, w)` of matrices to `gemm(x, w * k, shift)`."""
    x, w = matmul.operands
    if not is_static(x.type) or len(shape_of(x)) != 2 or len(shape_of(w)) != 2:
        return None  # the channel is not the column

    weights = algebra.mul(w, algebra.reshape(factor, [1, shape_of(factor)[0]]))
    return GemmOp.make(x, weights, shift)


RULES: dict[type[NNOp], Rule] = {
    ConvOp: fold_conv,
    ConvTransposeOp: fold_conv_transpose,
    GemmOp: fold_gemm,
    MatmulOp: fold_matmul,
}


def _folded_bias(
    bias: Sequence[SSAValue], factor: SSAValue, shift: SSAValue, algebra: Algebra
) -> SSAValue:
    if not bias:
        return shift
    return algebra.add(algebra.mul(bias[0], factor), shift)


def _properties(op: NNOp) -> dict[str, Any]:
    return dict(op.properties)


def _may_absorb(linear: NNOp, constants: set[SSAValue]) -> bool:
    """Whether its weights are constants and nobody else reads its result."""
    if is_kept(linear) or type(linear) not in RULES:
        return False
    if not linear.results[0].has_one_use():
        return False
    return constants.issuperset(linear.operands[1:])


def _is_plain(norm: BatchNormOp, constants: set[SSAValue]) -> bool:
    """Whether all parameters are constants of the input's element type."""
    if is_kept(norm):
        return False
    x, *parameters = norm.operands
    element = element_type(x)
    if not isinstance(element, Float32Type | Float64Type):
        return False  # half floats are computed in single precision
    if not constants.issuperset(parameters):
        return False
    return all(element_type(p) == element for p in parameters)


def _depends_on(op: Operation, constants: set[SSAValue]) -> bool:
    return isinstance(op, NNOp) and constants.issuperset(op.operands)
