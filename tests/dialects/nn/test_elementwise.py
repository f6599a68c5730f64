"""Functions of one element against onnxruntime, and their loops against references."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from ovc.dialects import nn
from ovc.dialects.const import ConstantOp
from ovc.dialects.nn.special import erf
from ovc.dialects.types import element_of
from xdsl.utils.exceptions import VerifyException

LINE = np.linspace(-4, 4, 41, dtype=np.float32)
UNIT = np.linspace(-0.99, 0.99, 34, dtype=np.float32)
POSITIVE = np.linspace(0.01, 30, 40, dtype=np.float32)
FROM_ONE = np.linspace(1, 30, 40, dtype=np.float32)
HALVES = np.arange(-3.5, 4, 0.5, dtype=np.float32)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1, -1], np.float32)
WHOLE = np.array([-7, -1, 0, 1, 9], np.int32)
BYTES = np.array([0, 1, 7, 255], np.uint8)

CASES = [
    ("Relu", nn.ReluOp, [LINE, SPECIAL[1:], WHOLE], {}),
    ("Sigmoid", nn.SigmoidOp, [LINE, SPECIAL], {}),
    ("Tanh", nn.TanhOp, [LINE, SPECIAL], {}),
    ("Exp", nn.ExpOp, [LINE, SPECIAL], {}),
    ("Log", nn.LogOp, [POSITIVE, SPECIAL], {}),
    ("Sqrt", nn.SqrtOp, [POSITIVE, SPECIAL], {}),
    ("Abs", nn.AbsOp, [LINE, WHOLE, BYTES], {}),
    ("Neg", nn.NegOp, [LINE, WHOLE], {}),
    ("Floor", nn.FloorOp, [HALVES], {}),
    ("Ceil", nn.CeilOp, [HALVES], {}),
    ("Round", nn.RoundOp, [HALVES, LINE], {}),
    ("Sign", nn.SignOp, [LINE, WHOLE, BYTES], {}),
    ("Reciprocal", nn.ReciprocalOp, [POSITIVE, SPECIAL], {}),
    ("Erf", nn.ErfOp, [LINE], {}),
    ("Sin", nn.SinOp, [LINE], {}),
    ("Cos", nn.CosOp, [LINE], {}),
    ("Tan", nn.TanOp, [UNIT], {}),
    ("Asin", nn.AsinOp, [UNIT], {}),
    ("Acos", nn.AcosOp, [UNIT], {}),
    ("Atan", nn.AtanOp, [LINE], {}),
    ("Sinh", nn.SinhOp, [LINE], {}),
    ("Cosh", nn.CoshOp, [LINE], {}),
    ("Asinh", nn.AsinhOp, [LINE], {}),
    ("Acosh", nn.AcoshOp, [FROM_ONE], {}),
    ("Atanh", nn.AtanhOp, [UNIT], {}),
    ("Not", nn.NotOp, [np.array([True, False])], {}),
    ("BitwiseNot", nn.BitwiseNotOp, [WHOLE, BYTES], {}),
    ("IsNaN", nn.IsNanOp, [SPECIAL], {}),
    ("IsInf", nn.IsInfOp, [SPECIAL], {}),
    ("IsInf", nn.IsInfOp, [SPECIAL], {"detect_negative": 0}),
    ("IsInf", nn.IsInfOp, [SPECIAL], {"detect_positive": 0}),
    ("Identity", nn.IdentityOp, [LINE, WHOLE, np.array([True, False])], {}),
    ("LeakyRelu", nn.LeakyReluOp, [LINE], {"alpha": 0.1}),
    ("Elu", nn.EluOp, [LINE], {"alpha": 1.5}),
    ("Selu", nn.SeluOp, [LINE], {}),
    ("Celu", nn.CeluOp, [LINE], {"alpha": 2.0}),
    ("ThresholdedRelu", nn.ThresholdedReluOp, [LINE], {"alpha": 1.5}),
    ("HardSigmoid", nn.HardSigmoidOp, [LINE], {"alpha": 0.3, "beta": 0.4}),
    ("HardSwish", nn.HardSwishOp, [LINE], {}),
    ("Softplus", nn.SoftplusOp, [LINE, LINE * 30], {}),
    ("Softsign", nn.SoftsignOp, [LINE], {}),
    ("Mish", nn.MishOp, [LINE], {}),
    ("Gelu", nn.GeluOp, [LINE], {}),
    ("Gelu", nn.GeluOp, [LINE], {"approximate": "tanh"}),
    ("Shrink", nn.ShrinkOp, [LINE, WHOLE], {"lambd": 1.5, "bias": 1.0}),
]


@pytest.mark.parametrize(
    ("operator", "operation", "inputs", "attributes"),
    CASES,
    ids=[f"{c[0]}{i}" for i, c in enumerate(CASES)],
)
def test_functions(
    operator, operation, inputs, attributes, run_onnx, check_meaning
) -> None:
    for x in inputs:
        expected = run_onnx(operator, [x], attributes)
        check_meaning(operation, [x], attributes, expected)


def test_sign_and_relu_keep_nan(check_meaning) -> None:
    for operation in (nn.SignOp, nn.ReluOp):
        op = check_meaning(operation, [SPECIAL], {}, [None])
        assert np.isnan(op.reference(SPECIAL)[0])


@pytest.mark.parametrize("alpha", [1.0, 1.702])
def test_swish(alpha, check_meaning) -> None:
    expected = LINE / (1 + np.exp(-alpha * LINE))
    check_meaning(nn.SwishOp, [LINE], {"alpha": alpha}, [expected])


CASTS = [
    (HALVES, np.int32),
    (HALVES, np.int8),
    (HALVES, np.bool_),
    (HALVES, np.float64),
    (HALVES, np.float16),
    (LINE, ml_dtypes.bfloat16),
    (np.array([-1, 300, 7, -129], np.int32), np.uint8),
    (np.array([-1, 300, 7, -129], np.int64), np.int8),
    (np.array([-1, 5], np.int32), np.float32),
    (np.array([0, 255], np.uint8), np.float32),
    (np.array([0, 255], np.uint8), np.int32),
    (np.array([True, False]), np.float32),
    (np.array([True, False]), np.int64),
]


@pytest.mark.parametrize(("x", "dtype"), CASTS)
def test_cast(x, dtype, run_onnx, check_meaning) -> None:
    code = 16 if dtype is ml_dtypes.bfloat16 else None
    if code is None:
        from onnx import helper

        (expected,) = run_onnx(
            "Cast", [x], {"to": helper.np_dtype_to_tensor_dtype(np.dtype(dtype))}
        )
    else:
        expected = None
    check_meaning(nn.CastOp, [x], {"to": element_of(dtype)}, [expected])


def test_cast_limits_floats_to_the_range(make_op) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, 3.9, -3.9], np.float32)
    for dtype in (np.int8, np.uint8, np.int32, np.int64):
        op = make_op(nn.CastOp, [x], {"to": element_of(dtype)})
        limits = np.iinfo(dtype)
        low = -3 if limits.min else 0
        expected = [0, limits.max, limits.min, limits.max, 3, low]
        np.testing.assert_array_equal(op.reference(x), np.array(expected, dtype))


def test_references_keep_the_precision(make_op) -> None:
    for _, operation, inputs, attributes in CASES:
        if inputs[0].dtype == np.float32:
            op = make_op(operation, [inputs[0]], attributes)
            result = op.reference(inputs[0].astype(np.float64))
            assert result.dtype in (np.float64, np.bool_), op.name


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_are_computed_in_float32(dtype, check_meaning) -> None:
    x = UNIT.astype(dtype)
    for operation in (nn.TanhOp, nn.GeluOp, nn.ReluOp, nn.EluOp):
        op = check_meaning(operation, [x], {}, [None], tolerance=1e-2)
        wide = op.reference(x.astype(np.float32))
        np.testing.assert_array_equal(op.reference(x), wide.astype(dtype))


def test_erf_is_accurate_in_float64() -> None:
    x = np.concatenate([np.linspace(-7, 7, 2001), [np.inf, -np.inf, 1e-300]])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(erf(x), expected, rtol=1e-15, atol=0)


def test_wrong_types_are_named() -> None:
    x = ConstantOp(np.zeros(3, np.int32))
    with pytest.raises(VerifyException, match="operand has element type i32, expected"):
        nn.SqrtOp.make(x)
    with pytest.raises(VerifyException, match='approximate is "fast"'):
        nn.GeluOp.make(ConstantOp(LINE), approximate="fast")
