"""Pooling against onnxruntime, and its loops against its reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ovc.dialects.nn.pool import (
    AveragePoolOp,
    GlobalAveragePoolOp,
    GlobalLpPoolOp,
    GlobalMaxPoolOp,
    LpPoolOp,
    MaxPoolIndicesOp,
    MaxPoolOp,
)
from xdsl.utils.exceptions import VerifyException

SHARED: list[tuple[list[int], dict[str, Any]]] = [
    ([2, 3, 9], {"kernel_shape": [3]}),
    ([1, 2, 8, 7], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 1, 1, 0]}),
    ([1, 2, 7, 7], {"kernel_shape": [2, 3], "strides": [2, 3], "ceil_mode": 1}),
    (
        [1, 2, 7, 6],
        {
            "kernel_shape": [3, 3],
            "strides": [2, 2],
            "ceil_mode": 1,
            "pads": [1, 1, 1, 1],
        },
    ),
    (
        [1, 1, 4, 4],
        {
            "kernel_shape": [1, 1],
            "strides": [3, 2],
            "ceil_mode": 1,
            "pads": [0, 0, 0, 0],
        },
    ),
    ([1, 2, 8, 8], {"kernel_shape": [3, 3], "dilations": [2, 2], "pads": [2, 1, 0, 2]}),
    (
        [1, 2, 8, 7],
        {"kernel_shape": [3, 4], "strides": [2, 3], "auto_pad": "SAME_UPPER"},
    ),
    (
        [1, 2, 8, 7],
        {"kernel_shape": [3, 4], "strides": [2, 3], "auto_pad": "SAME_LOWER"},
    ),
    ([1, 2, 8, 7], {"kernel_shape": [3, 4], "strides": [2, 3], "auto_pad": "VALID"}),
    ([1, 2, 4, 5, 6], {"kernel_shape": [2, 3, 2], "pads": [1, 1, 0, 0, 1, 1]}),
]


def signed(shape: list[int], dtype: type[Any] = np.float32) -> Any:
    """Numbers below zero too: padding must not win a maximum."""
    return (np.random.default_rng(0).standard_normal(shape) * 9 - 9).astype(dtype)


@pytest.mark.parametrize(("x", "attributes"), SHARED)
def test_max_pool(x, attributes, run_onnx, check_meaning) -> None:
    inputs = [signed(x)]
    top, where = run_onnx("MaxPool", inputs, attributes, outputs=2)
    check_meaning(MaxPoolOp, inputs, attributes, [top])
    check_meaning(MaxPoolIndicesOp, inputs, attributes, [where])


def test_max_pool_of_integers(run_onnx, check_meaning) -> None:
    attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    inputs = [signed([1, 2, 5, 5], np.int8)]
    expected = run_onnx("MaxPool", inputs, attributes)
    check_meaning(MaxPoolOp, inputs, attributes, expected)


def test_max_pool_indices_of_equals(run_onnx, check_meaning) -> None:
    for order in (0, 1):
        attributes = {"kernel_shape": [2, 2], "storage_order": order}
        inputs = [np.round(signed([2, 2, 5, 4]) / 9)]
        expected = run_onnx("MaxPool", inputs, attributes, outputs=2)
        check_meaning(MaxPoolIndicesOp, inputs, attributes, expected[1:])


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize(("x", "attributes"), SHARED)
def test_average_pool(x, attributes, include, run_onnx, check_meaning) -> None:
    inputs, attributes = [signed(x)], attributes | {"count_include_pad": include}
    expected = run_onnx("AveragePool", inputs, attributes)
    check_meaning(AveragePoolOp, inputs, attributes, expected)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize(("x", "attributes"), SHARED[:4])
def test_lp_pool(x, attributes, p, run_onnx, check_meaning) -> None:
    inputs, attributes = [signed(x)], attributes | {"p": p}
    expected = run_onnx("LpPool", inputs, attributes)
    check_meaning(LpPoolOp, inputs, attributes, expected)


@pytest.mark.parametrize(
    ("name", "operation", "attributes"),
    [
        ("GlobalAveragePool", GlobalAveragePoolOp, {}),
        ("GlobalMaxPool", GlobalMaxPoolOp, {}),
        ("GlobalLpPool", GlobalLpPoolOp, {"p": 1}),
        ("GlobalLpPool", GlobalLpPoolOp, {"p": 3}),
    ],
)
@pytest.mark.parametrize("x", [[2, 3, 7], [1, 2, 3, 4], [1, 2, 2, 3, 2]])
def test_global_pool(name, operation, attributes, x, run_onnx, check_meaning) -> None:
    inputs = [signed(x)]
    expected = run_onnx(name, inputs, attributes, opset=20)
    check_meaning(operation, inputs, attributes, expected)


@pytest.mark.parametrize(
    ("x", "properties", "message"),
    [
        ([1, 2], {"kernel_shape": [2]}, "rank 2, expected"),
        ([1, 2, 5], {"kernel_shape": [2, 2]}, r"kernel \[2, 2\].*\[5\]"),
        ([1, 2, 5], {"kernel_shape": [7]}, "window of 7 .*not fit in 5"),
        ([1, 2, 5], {"kernel_shape": [2], "strides": [0]}, "strides .*at least 1"),
    ],
)
def test_illegal(x, properties, message, make_op) -> None:
    with pytest.raises(VerifyException, match=message):
        make_op(MaxPoolOp, [np.zeros(x)], properties)
