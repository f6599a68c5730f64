"""Sampling at data-dependent coordinates, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from ovc.dialects.nn.grid_sample import GridSampleOp


def operands(x: list[int], grid: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    values = random.standard_normal(x).astype(np.float32)
    return [values, random.uniform(-1.9, 1.9, grid).astype(np.float32)]


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_planes(mode, padding, align, run_onnx, check_meaning) -> None:
    inputs = operands([2, 3, 4, 5], [2, 3, 6, 2])
    attributes = {"mode": mode, "padding_mode": padding, "align_corners": align}
    expected = run_onnx("GridSample", inputs, attributes, opset=20)
    check_meaning(GridSampleOp, inputs, attributes, expected, 1e-4)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_volumes(mode, run_onnx, check_meaning) -> None:
    inputs = operands([1, 2, 3, 4, 5], [1, 2, 3, 4, 3])
    attributes = {"mode": mode}
    expected = run_onnx("GridSample", inputs, attributes, opset=20)
    check_meaning(GridSampleOp, inputs, attributes, expected, 1e-4)


def test_far_coordinates_stay_inside(make_op) -> None:
    x, grid = operands([1, 1, 3, 3], [1, 1, 4, 2])
    grid[...] = [1e6, -1e6]
    for padding in ("zeros", "border", "reflection"):
        op = make_op(GridSampleOp, [x, grid], {"padding_mode": padding})
        assert np.isfinite(op.reference(x, grid)).all()
