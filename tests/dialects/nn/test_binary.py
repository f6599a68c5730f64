"""Functions of several elements against onnxruntime, and loops against references."""

from __future__ import annotations

import numpy as np
import pytest
from ovc.dialects import nn
from ovc.dialects.const import ConstantOp
from xdsl.utils.exceptions import VerifyException


def real(*shape: int, seed: int = 0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


A, B = real(2, 3, 4), real(3, 1, seed=1)
LEFT, RIGHT = (
    np.array([7, -7, 7, -7, 6], np.int32),
    np.array([2, 2, -2, -2, 3], np.int32),
)
U, V = np.array([1, 200, 77], np.uint8), np.array([1, 3, 9], np.uint8)
P, Q = np.array([[True], [False]]), np.array([True, False])
SIGNS = np.array([5.3, -5.3, 5.3, -5.3], np.float32)
TWOS = np.array([2, 2, -2, -2], np.float32)
NAN = np.array([np.nan, 1, 2], np.float32)

CASES = [
    ("Add", nn.AddOp, [A, B], {}),
    ("Add", nn.AddOp, [LEFT, RIGHT], {}),
    ("Sub", nn.SubOp, [A, B], {}),
    ("Mul", nn.MulOp, [B, A], {}),
    ("Div", nn.DivOp, [A, B], {}),
    ("Div", nn.DivOp, [LEFT, RIGHT], {}),
    ("Div", nn.DivOp, [U, V], {}),
    ("Mod", nn.ModOp, [LEFT, RIGHT], {}),
    ("Mod", nn.ModOp, [LEFT, RIGHT], {"fmod": 1}),
    ("Mod", nn.ModOp, [SIGNS, TWOS], {"fmod": 1}),
    ("Mod", nn.ModOp, [U, V], {}),
    ("Pow", nn.PowOp, [np.abs(A), B], {}),
    ("Pow", nn.PowOp, [A, np.array(2, np.int32)], {}),
    ("Pow", nn.PowOp, [LEFT, np.array(3, np.int32)], {}),
    ("Pow", nn.PowOp, [np.array([1, 2, 3], np.int64), np.array(-1.0, np.float32)], {}),
    ("Max", nn.MaximumOp, [A, B], {}),
    ("Max", nn.MaximumOp, [NAN, NAN[::-1].copy()], {}),
    ("Min", nn.MinimumOp, [LEFT, RIGHT], {}),
    ("Min", nn.MinimumOp, [U, V], {}),
    ("PRelu", nn.PreluOp, [A, B], {}),
    ("And", nn.AndOp, [P, Q], {}),
    ("Or", nn.OrOp, [P, Q], {}),
    ("Xor", nn.XorOp, [P, Q], {}),
    ("Equal", nn.EqualOp, [LEFT, RIGHT], {}),
    ("Equal", nn.EqualOp, [P, Q], {}),
    ("Equal", nn.EqualOp, [NAN, NAN], {}),
    ("Less", nn.LessOp, [A, B], {}),
    ("Less", nn.LessOp, [U, V], {}),
    ("LessOrEqual", nn.LessOrEqualOp, [LEFT, RIGHT], {}),
    ("Greater", nn.GreaterOp, [LEFT, RIGHT], {}),
    ("GreaterOrEqual", nn.GreaterOrEqualOp, [A, B], {}),
    ("BitwiseAnd", nn.BitwiseAndOp, [LEFT, RIGHT], {}),
    ("BitwiseOr", nn.BitwiseOrOp, [U, V], {}),
    ("BitwiseXor", nn.BitwiseXorOp, [LEFT, RIGHT], {}),
    (
        "BitShift",
        nn.BitShiftOp,
        [U, np.array([1, 3, 7], np.uint8)],
        {"direction": "LEFT"},
    ),
    (
        "BitShift",
        nn.BitShiftOp,
        [U, np.array([1, 3, 7], np.uint8)],
        {"direction": "RIGHT"},
    ),
    ("Where", nn.WhereOp, [P, real(3, 1, 2), real(1, 2, 1)], {}),
    ("Where", nn.WhereOp, [P, LEFT[:2], RIGHT[:2]], {}),
    ("Clip", nn.ClipOp, [A], {}),
    ("Clip", nn.ClipOp, [A, np.array(-0.5, np.float32)], {}),
    ("Clip", nn.ClipOp, [A, None, np.array(0.5, np.float32)], {}),
    ("Clip", nn.ClipOp, [A, np.array(2, np.float32), np.array(1, np.float32)], {}),
    ("Clip", nn.ClipOp, [LEFT, np.array(-1, np.int32), np.array(6, np.int32)], {}),
]


@pytest.mark.parametrize(
    ("operator", "operation", "inputs", "attributes"),
    CASES,
    ids=[f"{c[0]}{i}" for i, c in enumerate(CASES)],
)
def test_against_onnx(
    operator, operation, inputs, attributes, run_onnx, check_meaning
) -> None:
    expected = run_onnx(operator, inputs, attributes)
    check_meaning(operation, inputs, attributes, expected)


def test_mod_of_floats_has_the_sign_of_the_divisor(check_meaning) -> None:
    check_meaning(nn.ModOp, [SIGNS, TWOS], {}, [np.mod(SIGNS, TWOS)])


def test_shifting_all_bits_out_gives_zero(check_meaning) -> None:
    by = np.array([8, 9, 200], np.uint8)
    for direction in ("LEFT", "RIGHT"):
        expected = [np.zeros(3, np.uint8)]
        check_meaning(nn.BitShiftOp, [U, by], {"direction": direction}, expected)


def test_scale_shift(check_meaning) -> None:
    scale, shift = real(3, seed=2), real(3, seed=3)
    expected = A * scale[:, None] + shift[:, None]
    check_meaning(nn.ScaleShiftOp, [A, scale, shift], {}, [expected])


@pytest.mark.parametrize(
    ("operation", "inputs", "message"),
    [
        (nn.AddOp, [A, real(2)], r"shapes \[2, 3, 4\] and \[2\] do not broadcast"),
        (nn.AddOp, [A, LEFT], "operands have element types f32 and i32"),
        (nn.AndOp, [LEFT, RIGHT], "operand has element type i32, expected one of i1"),
        (nn.PreluOp, [B, A], r"slope \[2, 3, 4\] does not broadcast to x \[3, 1\]"),
        (nn.ClipOp, [A, B, B], r"a limit has shape \[3, 1\], expected a scalar"),
        (nn.ScaleShiftOp, [A, B, B], r"scale \[3, 1\] does not match the channels"),
    ],
)
def test_illegal_operands_are_named(operation, inputs, message) -> None:
    with pytest.raises(VerifyException, match=message):
        operation.make(*[ConstantOp(a) for a in inputs])
