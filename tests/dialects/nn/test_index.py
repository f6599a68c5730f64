"""Gather, scatter and order against onnxruntime; all results are exact."""

from __future__ import annotations

import numpy as np
import pytest
from ovc.dialects import nn
from xdsl.utils.exceptions import VerifyException


def count(*shape: int, dtype=np.float32):
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape).astype(dtype)


def ints(values):
    return np.array(values, np.int64)


def shuffled(*shape: int, dtype=np.float32):
    """Few different numbers: many are equal."""
    return np.random.default_rng(0).integers(-3, 4, shape).astype(dtype)


X = count(3, 4, 5)
UPDATES = count(2, 2, dtype=np.float32) + 100
CORNER = ints([[0, -1], [1, 0]])

CASES = [
    ("Gather", nn.GatherOp, [X, ints([[0, -1], [2, 1]])], {}),
    ("Gather", nn.GatherOp, [X, np.array(-2, np.int32)], {"axis": 1}),
    ("Gather", nn.GatherOp, [X, ints([4, 0, 4])], {"axis": -1}),
    ("Gather", nn.GatherOp, [X, ints([[-1, 2], [1, 0]])], {"axis": 1}),
    ("Gather", nn.GatherOp, [X, ints([[0, 2], [1, 4]])], {"axis": 2}),
    ("GatherElements", nn.GatherElementsOp, [count(3, 2), CORNER], {}),
    ("GatherElements", nn.GatherElementsOp, [count(2, 3), CORNER], {"axis": -1}),
    ("GatherND", nn.GatherNdOp, [X, ints([[0, 1], [2, -1]])], {}),
    ("GatherND", nn.GatherNdOp, [X, ints([[[0, 1, 2]], [[2, 3, 4]]])], {}),
    ("GatherND", nn.GatherNdOp, [X, ints([[[1], [-1]]] * 3)], {"batch_dims": 1}),
    (
        "GatherND",
        nn.GatherNdOp,
        [X, count(3, 4, 1, dtype=np.int64) % 5],
        {"batch_dims": 2},
    ),
    ("ScatterElements", nn.ScatterElementsOp, [count(3, 2), CORNER, UPDATES], {}),
    (
        "ScatterElements",
        nn.ScatterElementsOp,
        [count(2, 3), CORNER, UPDATES],
        {"axis": -1},
    ),
    ("ScatterND", nn.ScatterNdOp, [count(4), ints([[2], [-1]]), UPDATES[0]], {}),
    ("ScatterND", nn.ScatterNdOp, [count(3, 2), ints([[2], [0]]), UPDATES], {}),
    *[
        (
            "ScatterElements",
            nn.ScatterElementsOp,
            [count(3, 2) + 1, ints([[1, 1], [1, 0]]), UPDATES],
            {"reduction": reduction},
        )
        for reduction in ("add", "mul", "max", "min")
    ],
    *[
        (
            "ScatterND",
            nn.ScatterNdOp,
            [count(4) + 1, ints([[1], [1], [3]]), shuffled(3)],
            {"reduction": reduction},
        )
        for reduction in ("add", "mul", "max", "min")
    ],
    ("CumSum", nn.CumsumOp, [X, np.array(1, np.int32)], {}),
    ("CumSum", nn.CumsumOp, [X, np.array(-1, np.int64)], {"exclusive": 1}),
    ("CumSum", nn.CumsumOp, [X, np.array(0, np.int64)], {"reverse": 1}),
    ("CumSum", nn.CumsumOp, [X, ints([0])], {"reverse": 1, "exclusive": 1}),
    *[
        (
            "CumSum",
            nn.CumsumOp,
            [count(*shape) % 7 - 3, ints([axis])],
            {"reverse": reverse, "exclusive": exclusive},
        )
        for n in (64, 65, 80, 81, 1040, 1041, 1057)
        for shape, axis in (((2, n), 1), ((n, 2), 0))
        for reverse in (0, 1)
        for exclusive in (0, 1)
    ],
    ("OneHot", nn.OneHotOp, [ints([0, -1, 7, 2]), ints(3), count(2)], {}),
    ("OneHot", nn.OneHotOp, [ints([[0, 2]]), ints([4]), ints([5, 9])], {"axis": 0}),
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
    check_meaning(operation, inputs, attributes, expected, tolerance=0)


@pytest.mark.parametrize("select_last_index", [0, 1])
@pytest.mark.parametrize(("axis", "keepdims"), [(0, 1), (-1, 0), (1, 1)])
@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
def test_arg(
    operator, axis, keepdims, select_last_index, run_onnx, check_meaning
) -> None:
    operation = {"ArgMax": nn.ArgMaxOp, "ArgMin": nn.ArgMinOp}[operator]
    attributes = {
        "axis": axis,
        "keepdims": keepdims,
        "select_last_index": select_last_index,
    }
    inputs = [shuffled(3, 6, 4)]
    expected = run_onnx(operator, inputs, attributes)
    check_meaning(operation, inputs, attributes, expected, tolerance=0)


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize(("axis", "k"), [(0, 2), (-1, 1), (1, 6)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_top_k(dtype, axis, k, largest, run_onnx, check_meaning) -> None:
    inputs = [shuffled(3, 6, 4, dtype=dtype), ints([k])]
    attributes = {"axis": axis, "largest": largest}
    expected = run_onnx("TopK", inputs, attributes, outputs=2)
    check_meaning(nn.TopKOp, inputs, attributes, expected, tolerance=0)


@pytest.mark.parametrize(
    ("operation", "inputs", "properties", "message"),
    [
        (nn.GatherOp, [X, count(2)], {}, "indices has element type f32"),
        (nn.GatherOp, [X, ints([0])], {"axis": 3}, "axis 3 is outside rank 3"),
        (nn.GatherElementsOp, [X, CORNER], {}, r"indices \[2, 2\] do not fit into"),
        (nn.GatherNdOp, [X, ints([[0, 0, 0, 0]])], {}, "indices of 4 numbers"),
        (nn.GatherNdOp, [X, ints([[0]])], {"batch_dims": 1}, "the first 1 dimensions"),
        (nn.ScatterNdOp, [X, ints([[0]]), count(2)], {}, r"expected \[1, 4, 5\]"),
        (
            nn.ScatterElementsOp,
            [count(3, 2), CORNER, UPDATES],
            {"reduction": "sum"},
            'reduction is "sum"',
        ),
        (nn.TopKOp, [X, ints([6])], {}, "k is 6, expected 0 to 5"),
        (
            nn.OneHotOp,
            [ints([0]), ints(2), count(3)],
            {},
            r"shape \[3\], expected \[2\]",
        ),
    ],
)
def test_illegal_operands_are_named(operation, inputs, properties, message, make_op):
    with pytest.raises(VerifyException, match=message):
        make_op(operation, inputs, properties)
