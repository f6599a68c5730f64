"""Normalizations against onnxruntime, and their loops against their reference."""

from __future__ import annotations

import numpy as np
import pytest
from ovc.dialects.nn.layer_norm import LayerNormOp, RmsNormOp
from ovc.dialects.nn.local_norm import LpNormOp, LrnOp, MeanVarianceNormOp
from ovc.dialects.nn.norm import BatchNormOp, GroupNormOp, InstanceNormOp
from xdsl.utils.exceptions import VerifyException


def normal(*shapes: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal(s).astype(np.float32) for s in shapes]


@pytest.mark.parametrize("x", [[3, 4], [2, 4, 5], [2, 4, 3, 2]])
def test_batch_norm(x, run_onnx, check_meaning) -> None:
    inputs = normal(x, [4], [4], [4], [4])
    inputs[4] = np.abs(inputs[4]) + np.float32(0.1)
    attributes = {"epsilon": 1e-3}
    expected = run_onnx("BatchNormalization", inputs, attributes)
    check_meaning(BatchNormOp, inputs, attributes, expected)


@pytest.mark.parametrize("x", [[2, 4, 5], [2, 4, 3, 2]])
def test_instance_norm(x, run_onnx, check_meaning) -> None:
    inputs, attributes = normal(x, [4], [4]), {"epsilon": 1e-2}
    expected = run_onnx("InstanceNormalization", inputs, attributes)
    check_meaning(InstanceNormOp, inputs, attributes, expected)


@pytest.mark.parametrize("x", [[2, 6], [2, 6, 3, 4], [2, 6, 5, 4]])
@pytest.mark.parametrize(("channels", "opset"), [(6, 21), (2, 18)])
def test_group_norm(x, channels, opset, run_onnx, check_meaning) -> None:
    inputs = normal(x, [channels], [channels])
    attributes = {"num_groups": 2, "epsilon": 1e-2}
    expected = run_onnx("GroupNormalization", inputs, attributes, opset=opset)
    check_meaning(GroupNormOp, inputs, attributes, expected)


@pytest.mark.parametrize(
    ("x", "shape", "bias", "attributes"),
    [
        ([2, 3, 4], [4], True, {}),
        ([2, 3, 4], [4], False, {"epsilon": 1e-2}),
        ([2, 3, 4], [3, 4], True, {"axis": 1}),
        ([2, 3, 4], [1, 4], True, {"axis": -2}),
        ([3, 4], [3, 4], True, {"axis": 0}),
    ],
)
def test_layer_norm(x, shape, bias, attributes, run_onnx, check_meaning) -> None:
    inputs = normal(x, shape, shape) if bias else normal(x, shape)
    expected = run_onnx("LayerNormalization", inputs, attributes, outputs=3)
    check_meaning(LayerNormOp, inputs, attributes, expected)


def test_layer_norm_of_halves(make_op) -> None:
    inputs = [a.astype(np.float16) for a in normal([2, 8], [8])]
    y, mean, inverse = make_op(LayerNormOp, inputs, {}).reference(*inputs)
    assert (y.dtype, mean.dtype, inverse.dtype) == (np.float16, np.float32, np.float32)


@pytest.mark.parametrize("attributes", [{}, {"axis": 1, "epsilon": 1e-2}])
def test_rms_norm(attributes, run_onnx, check_meaning) -> None:
    inputs = normal([2, 3, 4], [3, 4] if attributes else [4])
    expected = run_onnx("RMSNormalization", inputs, attributes, opset=23)
    check_meaning(RmsNormOp, inputs, attributes, expected)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_lrn(size, run_onnx, check_meaning) -> None:
    inputs = normal([2, 4, 3, 2])
    attributes = {"size": size, "alpha": 0.5, "beta": 0.6, "bias": 2.0}
    expected = run_onnx("LRN", inputs, attributes)
    check_meaning(LrnOp, inputs, attributes, expected)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_lp_norm(axis, p, run_onnx, check_meaning) -> None:
    inputs, attributes = normal([2, 3, 4]), {"axis": axis, "p": p}
    inputs[0][:, 1] = inputs[0][0] = 0
    expected = run_onnx("LpNormalization", inputs, attributes, opset=21)
    check_meaning(LpNormOp, inputs, attributes, expected)


@pytest.mark.parametrize("attributes", [{}, {"axes": [2, 3]}, {"axes": [1]}])
def test_mean_variance_norm(attributes, run_onnx, check_meaning) -> None:
    inputs = normal([2, 3, 4, 2])
    expected = run_onnx("MeanVarianceNormalization", inputs, attributes, opset=13)
    check_meaning(MeanVarianceNormOp, inputs, attributes, expected, 1e-4)


@pytest.mark.parametrize(
    ("operation", "shapes", "properties", "message"),
    [
        (BatchNormOp, [[1, 3], [3], [3], [4], [3]], {}, r"mean \[4\].*3 channels"),
        (InstanceNormOp, [[1, 3], [3], [3]], {}, "no spatial"),
        (GroupNormOp, [[1, 3], [3], [3]], {"num_groups": 2}, "3 channels.*2 groups"),
        (GroupNormOp, [[1, 4], [3], [4]], {"num_groups": 2}, r"scale \[3\]"),
        (LayerNormOp, [[2, 4], [3]], {}, r"\[3\] and \[2, 4\]"),
        (LayerNormOp, [[2, 4], [4]], {"axis": 2}, "axis 2 is outside rank 2"),
        (RmsNormOp, [[4], [2, 4]], {}, r"scale \[2, 4\] does not broadcast"),
        (LrnOp, [[2, 4]], {"size": 0}, "size 0"),
        (LpNormOp, [[2, 4]], {"p": 3}, "p 3"),
        (MeanVarianceNormOp, [[2, 4]], {"axes": [2]}, "axis 2"),
    ],
)
def test_illegal(operation, shapes, properties, message, make_op) -> None:
    with pytest.raises(VerifyException, match=message):
        make_op(operation, normal(*shapes), properties)
