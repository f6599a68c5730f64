"""Quantization against onnxruntime, loops against references; all results are exact."""

from __future__ import annotations

import numpy as np
import pytest
from ovc.dialects import nn
from ovc.dialects.types import element_of
from xdsl.utils.exceptions import VerifyException

X = np.linspace(-40, 40, 24, dtype=np.float32).reshape(2, 3, 4)
HALVES = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e9, -1e9], np.float32)
SCALES = np.array([0.1, 0.25, 2], np.float32)
ONE = np.array(1, np.float32)


def points(dtype, *values: int):
    return np.array(values, dtype)


@pytest.mark.parametrize(
    ("inputs", "attributes"),
    [
        ([HALVES, ONE], {}),
        ([HALVES, ONE, np.array(3, np.int8)], {}),
        ([X, np.array([0.3], np.float32), points(np.uint8, 128)], {}),
        ([X, SCALES, points(np.int8, 0, -3, 100)], {}),
        ([X, SCALES[:2], points(np.uint8, 0, 200)], {"axis": -3}),
        ([X, SCALES, points(np.int16, 0, -3, 100)], {}),
    ],
)
def test_quantize(inputs, attributes, run_onnx, check_meaning) -> None:
    expected = run_onnx("QuantizeLinear", inputs, attributes)
    check_meaning(nn.QuantizeLinearOp, inputs, attributes, expected, tolerance=0)


@pytest.mark.parametrize(
    ("inputs", "attributes"),
    [
        ([points(np.uint8, 0, 128, 255), ONE], {}),
        (
            [
                points(np.int8, -128, 127),
                np.array(0.5, np.float32),
                np.array(-7, np.int8),
            ],
            {},
        ),
        ([(X * 3).astype(np.int8), SCALES, points(np.int8, 0, -3, 100)], {}),
        ([(X * 300).astype(np.int32), SCALES], {}),
    ],
)
def test_dequantize(inputs, attributes, run_onnx, check_meaning) -> None:
    expected = run_onnx("DequantizeLinear", inputs, attributes)
    check_meaning(nn.DequantizeLinearOp, inputs, attributes, expected, tolerance=0)


def test_nan_becomes_the_zero_point_at_most(make_op) -> None:
    x = np.array([np.nan, np.inf, -np.inf], np.float32)
    op = make_op(nn.QuantizeLinearOp, [x, ONE], {})
    assert op.reference(x, ONE).tolist() == [0, 255, 0]


def test_types(make_op) -> None:
    op = make_op(nn.QuantizeLinearOp, [X, ONE], {})
    assert op.output.type.element_type == element_of(np.uint8)
    with pytest.raises(
        VerifyException, match=r"scale \[2\] does not match dimension 1"
    ):
        make_op(nn.QuantizeLinearOp, [X, SCALES[:2]], {})
    with pytest.raises(VerifyException, match="have different shapes"):
        make_op(nn.QuantizeLinearOp, [X, SCALES, np.array(0, np.int8)], {})
    with pytest.raises(VerifyException, match="x has element type f32"):
        make_op(nn.DequantizeLinearOp, [X, ONE], {})
