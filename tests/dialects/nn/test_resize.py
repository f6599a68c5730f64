"""Resizing against onnxruntime, and its loops and decompositions against references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ovc.dialects.nn.base import UnknownValue
from ovc.dialects.nn.coordinates import ROUNDINGS, TRANSFORMATIONS, affine
from ovc.dialects.nn.resize import InterpolateOp, ResizeOp
from xdsl.utils.exceptions import VerifyException

TABLE = [t for t in TRANSFORMATIONS if t != "tf_crop_and_resize"]


def operands(
    x: list[int],
    scales: list[float] | None = None,
    sizes: list[int] | None = None,
    roi: list[float] | None = None,
) -> list[np.ndarray | None]:
    random = np.random.default_rng(0)
    return [
        random.standard_normal(x).astype(np.float32),
        None if roi is None else np.array(roi, np.float32),
        None if scales is None else np.array(scales, np.float32),
        None if sizes is None else np.array(sizes, np.int64),
    ]


def check(inputs, attributes, run_onnx, check_meaning, opset: int = 19) -> Any:
    wanted = inputs if inputs[3] is not None else inputs[:3]
    expected = run_onnx("Resize", wanted, attributes, opset=opset)
    return check_meaning(ResizeOp, inputs, attributes, expected)


@pytest.mark.parametrize("rounding", [r for r in ROUNDINGS if r != "simple"])
@pytest.mark.parametrize("transformation", TABLE)
@pytest.mark.parametrize(
    "scales", [[1, 1, 2, 3], [1, 1, 0.6, 1.7], [1, 1, 0.5, 0.25], [2, 1, 1, 0.4]]
)
def test_nearest(scales, transformation, rounding, run_onnx, check_meaning) -> None:
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": transformation,
        "nearest_mode": rounding,
    }
    check(operands([1, 2, 8, 5], scales), attributes, run_onnx, check_meaning)


@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize("transformation", ["asymmetric", "half_pixel"])
@pytest.mark.parametrize(
    ("size", "new"), [(7, 4), (7, 38), (28, 2), (20, 26), (28, 8), (57, 38), (49, 14)]
)
def test_nearest_in_the_middle(
    size, new, transformation, rounding, run_onnx, check_meaning
) -> None:
    """Coordinates are no exact halves in single precision, but count as such."""
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": transformation,
        "nearest_mode": rounding,
    }
    inputs = operands([1, 1, size], sizes=[1, 1, new])
    check(inputs, attributes, run_onnx, check_meaning)


@pytest.mark.parametrize("transformation", TABLE)
@pytest.mark.parametrize(
    ("x", "sizes"),
    [
        ([1, 2, 4, 5], [1, 2, 8, 7]),
        ([1, 2, 4, 5], [1, 2, 1, 3]),
        ([3, 4], [6, 3]),
        ([1, 2, 3, 4, 2], [1, 2, 6, 2, 3]),
    ],
)
def test_linear(x, sizes, transformation, run_onnx, check_meaning) -> None:
    attributes = {"mode": "linear", "coordinate_transformation_mode": transformation}
    check(operands(x, sizes=sizes), attributes, run_onnx, check_meaning)


@pytest.mark.parametrize("outside", [0, 1])
@pytest.mark.parametrize("transformation", TABLE)
@pytest.mark.parametrize("scales", [[1, 1, 2, 1.3], [1, 1, 0.6, 0.8]])
def test_cubic(scales, transformation, outside, run_onnx, check_meaning) -> None:
    attributes = {
        "mode": "cubic",
        "coordinate_transformation_mode": transformation,
        "cubic_coeff_a": -0.5,
        "exclude_outside": outside,
    }
    check(operands([1, 2, 5, 6], scales), attributes, run_onnx, check_meaning)


@pytest.mark.parametrize("outside", [0, 1])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("scales", [[1, 1, 0.4, 0.7], [1, 1, 2, 0.3]])
def test_antialias(scales, mode, outside, run_onnx, check_meaning) -> None:
    attributes = {"mode": mode, "antialias": 1, "exclude_outside": outside}
    check(operands([1, 2, 9, 8], scales), attributes, run_onnx, check_meaning)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize(
    "roi", [[0, 0, 0.2, 0.1, 1, 1, 0.7, 0.9], [0, 0, -0.2, 0.4, 1, 1, 0.7, 1.3]]
)
def test_crop(roi, mode, run_onnx, check_meaning) -> None:
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": "tf_crop_and_resize",
        "extrapolation_value": 7.0,
    }
    inputs = operands([1, 2, 6, 5], sizes=[1, 2, 4, 7], roi=roi)
    check(inputs, attributes, run_onnx, check_meaning)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_axes(mode, policy, run_onnx, check_meaning) -> None:
    attributes = {"mode": mode, "axes": [2, 3], "keep_aspect_ratio_policy": policy}
    inputs = operands([1, 2, 4, 6], sizes=[7, 8])
    check(inputs, attributes, run_onnx, check_meaning)


@pytest.mark.parametrize("scales", [[1, 1, 2, 2], [1, 1, 0.6, 0.4], [1, 1, 1.5, 0.5]])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_opset_10(mode, scales, run_onnx, check_meaning) -> None:
    inputs = operands([1, 2, 7, 6], scales)
    expected = run_onnx("Resize", [inputs[0], inputs[2]], {"mode": mode}, opset=10)
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "simple",
    }
    check_meaning(ResizeOp, inputs, attributes, expected)


def test_integers(check_meaning, run_onnx) -> None:
    inputs = operands([1, 1, 4, 5], [1, 1, 2, 2])
    inputs[0] = np.arange(20, dtype=np.int32).reshape(1, 1, 4, 5) * 100
    check(inputs, {"mode": "linear"}, run_onnx, check_meaning)
    check(inputs, {"mode": "nearest"}, run_onnx, check_meaning)


def test_whole_scales_are_affine(make_op) -> None:
    op = make_op(ResizeOp, operands([1, 2, 4, 5], [1, 1, 2, 3]), {})
    assert op.decompose_results() is None
    assert affine(np.arange(12) // 3, 4) == (1, 0, 3)
    assert affine(np.arange(4) * 3 + 1, 12) == (3, 1, 1)
    assert affine(np.array([0, 2, 1]), 3) is None


def test_sizes_may_be_unknown() -> None:
    from ovc.dialects.types import tensor
    from xdsl.dialects.builtin import UnrankedTensorType, f32, i64
    from xdsl.utils.test_value import create_ssa_value

    x, sizes = create_ssa_value(tensor([1, 4], f32)), create_ssa_value(tensor([2], i64))
    op = ResizeOp.make(x, None, None, sizes)
    assert isinstance(op.output.type, UnrankedTensorType)
    with pytest.raises(UnknownValue, match="sizes is not a constant"):
        op.shapes()


@pytest.mark.parametrize(
    ("inputs", "properties", "message"),
    [
        (operands([1, 4]), {}, "exactly one of scales and sizes"),
        (operands([1, 4], [2, 2], [2, 8]), {}, "exactly one of scales and sizes"),
        (operands([1, 4], [2, 2, 2]), {}, r"3 scales or sizes for 2 dimensions"),
        (operands([1, 4], [1, 0.1]), {}, r"resizing \[1, 4\] to \[1, 0\]"),
        (operands([1, 4], [1, 2]), {"mode": "area"}, "mode area"),
        (
            operands([1, 4], [1, 2]),
            {"coordinate_transformation_mode": "middle"},
            "coordinate_transformation_mode middle",
        ),
    ],
)
def test_illegal(inputs, properties, message, make_op) -> None:
    with pytest.raises(VerifyException, match=message):
        make_op(ResizeOp, inputs, properties)


def test_illegal_interpolation(make_op) -> None:
    arrays = [np.zeros(3), np.zeros((2, 2), np.int64), np.zeros((2, 1))]
    with pytest.raises(VerifyException, match="must be matrices of one shape"):
        make_op(InterpolateOp, arrays, {})
