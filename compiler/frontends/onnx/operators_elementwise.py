"""Rows of operators that work element by element."""

from __future__ import annotations

from functools import reduce

import numpy as np
from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from ....dialects.types import element_of
from .node import Node, Row
from .rows import cast_like, same, scalar_like
from .tensors import dtype_of_onnx

SAME: dict[str, type[NNOp]] = {
    "Abs": nn.AbsOp,
    "Acos": nn.AcosOp,
    "Acosh": nn.AcoshOp,
    "Add": nn.AddOp,
    "And": nn.AndOp,
    "Asin": nn.AsinOp,
    "Asinh": nn.AsinhOp,
    "Atan": nn.AtanOp,
    "Atanh": nn.AtanhOp,
    "BitwiseAnd": nn.BitwiseAndOp,
    "BitwiseNot": nn.BitwiseNotOp,
    "BitwiseOr": nn.BitwiseOrOp,
    "BitwiseXor": nn.BitwiseXorOp,
    "Ceil": nn.CeilOp,
    "Cos": nn.CosOp,
    "Cosh": nn.CoshOp,
    "Div": nn.DivOp,
    "Equal": nn.EqualOp,
    "Erf": nn.ErfOp,
    "Exp": nn.ExpOp,
    "Floor": nn.FloorOp,
    "Greater": nn.GreaterOp,
    "GreaterOrEqual": nn.GreaterOrEqualOp,
    "HardSwish": nn.HardSwishOp,
    "Identity": nn.IdentityOp,
    "IsNaN": nn.IsNanOp,
    "Less": nn.LessOp,
    "LessOrEqual": nn.LessOrEqualOp,
    "Log": nn.LogOp,
    "Mish": nn.MishOp,
    "Mul": nn.MulOp,
    "Neg": nn.NegOp,
    "Not": nn.NotOp,
    "Or": nn.OrOp,
    "PRelu": nn.PreluOp,
    "Pow": nn.PowOp,
    "Reciprocal": nn.ReciprocalOp,
    "Relu": nn.ReluOp,
    "Round": nn.RoundOp,
    "Sigmoid": nn.SigmoidOp,
    "Sign": nn.SignOp,
    "Sin": nn.SinOp,
    "Sinh": nn.SinhOp,
    "Softplus": nn.SoftplusOp,
    "Softsign": nn.SoftsignOp,
    "Sqrt": nn.SqrtOp,
    "Sub": nn.SubOp,
    "Tan": nn.TanOp,
    "Tanh": nn.TanhOp,
    "Where": nn.WhereOp,
    "Xor": nn.XorOp,
}


def fold_operands(operation: type[NNOp]) -> Row:
    """A variadic operator, two operands at a time."""

    def row(node: Node) -> SSAValue:
        first, *rest = node.all_inputs()
        if not rest:
            return node.build(nn.IdentityOp, first)
        return reduce(lambda a, b: node.build(operation, a, b), rest, first)

    return row


def mean(node: Node) -> SSAValue:
    total = fold_operands(nn.AddOp)(node)
    assert isinstance(total, SSAValue)
    return node.build(nn.DivOp, total, scalar_like(node, len(node.inputs), total))


LIMIT = float(np.finfo(np.float32).max)


def clip(node: Node) -> SSAValue:
    x = node.input(0)
    if node.version >= 11:
        return node.build(nn.ClipOp, x, node.optional(1), node.optional(2))
    low, high = node.attribute("min"), node.attribute("max")
    return node.build(
        nn.ClipOp,
        x,
        None if low is None or low <= -LIMIT else scalar_like(node, low, x),
        None if high is None or high >= LIMIT else scalar_like(node, high, x),
    )


def cast(node: Node) -> SSAValue:
    element = element_of(dtype_of_onnx(node.required("to")))
    node.ignore("saturate", "round_mode")  # of 8-bit floats, which are not supported
    return node.build(nn.CastOp, node.input(0), to=element)


def cast_like_row(node: Node) -> SSAValue:
    node.ignore("saturate", "round_mode")
    node.typed_by(1)
    x, other = node.input(0), node.input(1)
    return cast_like(node, x, other)


ELEMENTWISE: dict[str, Row] = {
    **{name: same(operation) for name, operation in SAME.items()},
    "BitShift": same(nn.BitShiftOp, "direction"),
    "Cast": cast,
    "CastLike": cast_like_row,
    "Celu": same(nn.CeluOp, "alpha"),
    "Clip": clip,
    "Elu": same(nn.EluOp, "alpha"),
    "Gelu": same(nn.GeluOp, "approximate"),
    "HardSigmoid": same(nn.HardSigmoidOp, "alpha", "beta"),
    "IsInf": same(nn.IsInfOp, "detect_negative", "detect_positive"),
    "LeakyRelu": same(nn.LeakyReluOp, "alpha"),
    "Max": fold_operands(nn.MaximumOp),
    "Mean": mean,
    "Min": fold_operands(nn.MinimumOp),
    "Mod": same(nn.ModOp, "fmod"),
    "Selu": same(nn.SeluOp, "alpha", "gamma"),
    "Shrink": same(nn.ShrinkOp, "bias", "lambd"),
    "Sum": fold_operands(nn.AddOp),
    "Swish": same(nn.SwishOp, "alpha"),
    "ThresholdedRelu": same(nn.ThresholdedReluOp, "alpha"),
}
