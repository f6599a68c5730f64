"""Reductions and functions of rows against onnxruntime, loops against references."""

from __future__ import annotations

import numpy as np
import pytest
from ovc.dialects import nn
from ovc.dialects.types import shape_of
from xdsl.utils.exceptions import VerifyException

X = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
WHOLE = np.random.default_rng(0).integers(-9, 9, (3, 4, 5)).astype(np.int32)

REDUCTIONS = {
    "ReduceSum": nn.ReduceSumOp,
    "ReduceMean": nn.ReduceMeanOp,
    "ReduceMax": nn.ReduceMaxOp,
    "ReduceMin": nn.ReduceMinOp,
    "ReduceProd": nn.ReduceProdOp,
    "ReduceL1": nn.ReduceL1Op,
    "ReduceL2": nn.ReduceL2Op,
    "ReduceLogSum": nn.ReduceLogSumOp,
    "ReduceLogSumExp": nn.ReduceLogSumExpOp,
    "ReduceSumSquare": nn.ReduceSumSquareOp,
}
NOTHING = np.zeros(0, np.int64)


@pytest.mark.parametrize(
    ("axes", "attributes"),
    [
        (None, {}),
        (NOTHING, {}),
        (np.array([1]), {}),
        (np.array([0, -1]), {"keepdims": 0}),
        (None, {"keepdims": 0}),
    ],
)
@pytest.mark.parametrize("operator", REDUCTIONS)
def test_reductions(operator, axes, attributes, run_onnx, check_meaning) -> None:
    inputs = [np.abs(X) + 0.1 if operator == "ReduceLogSum" else X, axes]
    expected = run_onnx(operator, inputs, attributes)
    check_meaning(REDUCTIONS[operator], inputs, attributes, expected, tolerance=3e-5)


@pytest.mark.parametrize("operator", REDUCTIONS)
def test_nothing_is_reduced(operator, run_onnx, check_meaning) -> None:
    attributes = {"noop_with_empty_axes": 1}
    for axes in (None, NOTHING):
        expected = run_onnx(operator, [X, axes], attributes, opset=18)
        check_meaning(REDUCTIONS[operator], [X, axes], attributes, expected)


@pytest.mark.parametrize(
    "operator",
    [
        "ReduceSum",
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceL1",
        "ReduceSumSquare",
    ],
)
def test_integers(operator, run_onnx, check_meaning) -> None:
    inputs = [WHOLE, np.array([1])]
    expected = run_onnx(operator, inputs, {})
    check_meaning(REDUCTIONS[operator], inputs, {}, expected, tolerance=0)


def test_booleans(check_meaning) -> None:
    x = np.array([[True, False], [True, True]])
    axes = np.array([1])
    check_meaning(nn.ReduceMaxOp, [x, axes], {}, [x.max(1, keepdims=True)])
    check_meaning(nn.ReduceMinOp, [x, axes], {}, [x.min(1, keepdims=True)])


def test_large_powers_do_not_overflow(check_meaning) -> None:
    x = np.array([[1000, 1000], [-np.inf, -np.inf], [np.inf, 0]], np.float32)
    expected = np.array([1000 + np.log(2), -np.inf, np.inf], np.float32)
    properties = {"keepdims": 0}
    check_meaning(nn.ReduceLogSumExpOp, [x, np.array([1])], properties, [expected])
    check_meaning(nn.SoftmaxOp, [x[:1]], {}, [np.array([[0.5, 0.5]])])


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax"])
def test_rows(operator, axis, run_onnx, check_meaning) -> None:
    operation = {
        "Softmax": nn.SoftmaxOp,
        "LogSoftmax": nn.LogSoftmaxOp,
        "Hardmax": nn.HardmaxOp,
    }[operator]
    for x in (X, WHOLE.astype(np.float32)):
        expected = run_onnx(operator, [x], {"axis": axis})
        check_meaning(operation, [x], {"axis": axis}, expected)


def test_scalars(check_meaning) -> None:
    x = np.array(3, np.float32)
    op = check_meaning(nn.ReduceSumOp, [x, None], {}, [x])
    assert shape_of(op.output) == ()


def test_float64_stays(make_op) -> None:
    for operation in (
        *REDUCTIONS.values(),
        nn.SoftmaxOp,
        nn.LogSoftmaxOp,
        nn.HardmaxOp,
    ):
        op = make_op(operation, [X], {})
        assert op.reference(X.astype(np.float64)).dtype == np.float64


def test_illegal_operands_are_named(make_op) -> None:
    with pytest.raises(VerifyException, match="axis 3 is outside rank 3"):
        make_op(nn.ReduceSumOp, [X, np.array([3])], {})
    with pytest.raises(VerifyException, match="x has element type i32"):
        make_op(nn.SoftmaxOp, [WHOLE], {})
