"""Convolutions against onnxruntime, and their loops against their reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ovc.dialects.nn.conv import ConvOp, ConvTransposeOp
from xdsl.utils.exceptions import VerifyException

CONVOLUTIONS: list[tuple[list[int], list[int], dict[str, Any]]] = [
    ([2, 3, 9], [4, 3, 3], {}),
    ([1, 3, 8, 7], [4, 3, 3, 3], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ([1, 3, 8, 7], [4, 3, 3, 2], {"pads": [0, 1, 2, 0], "dilations": [2, 1]}),
    ([2, 4, 6, 6], [6, 2, 3, 3], {"group": 2, "pads": [1, 1, 1, 1]}),
    ([1, 4, 6, 6], [4, 1, 3, 3], {"group": 4, "strides": [2, 1]}),
    ([1, 3, 6, 6], [6, 1, 3, 3], {"group": 3}),
    ([1, 1, 6, 6], [2, 1, 1, 1], {}),
    ([1, 2, 4, 5, 6], [3, 2, 2, 3, 1], {"pads": [1, 0, 0, 0, 1, 2]}),
    ([1, 2, 7, 8], [3, 2, 3, 4], {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    ([1, 2, 7, 8], [3, 2, 3, 4], {"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    ([1, 2, 7, 8], [3, 2, 3, 4], {"auto_pad": "VALID", "strides": [1, 2]}),
]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("x", "w", "attributes"), CONVOLUTIONS)
def test_conv(x, w, attributes, bias, run_onnx, check_meaning) -> None:
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(s).astype(np.float32) for s in (x, w, w[:1])]
    inputs = arrays if bias else arrays[:2]
    expected = run_onnx("Conv", inputs, attributes)
    check_meaning(ConvOp, inputs, attributes, expected)


SPLIT: list[tuple[list[int], list[int], dict[str, Any]]] = [
    ([1, 2, 20], [3, 2, 3], {"pads": [12, 12], "dilations": [12], "split": [0]}),
    ([1, 2, 2, 5, 4], [3, 2, 3, 3, 3], {"pads": [1] * 6, "split": [0]}),
    ([1, 2, 2, 5, 4], [3, 2, 3, 3, 3], {"pads": [1] * 6, "split": [0, 2]}),
    ([2, 4, 5, 6], [6, 2, 3, 3], {"group": 2, "pads": [2, 1, 1, 1], "split": [0, 1]}),
    ([1, 4, 5, 6], [4, 1, 3, 3], {"group": 4, "pads": [1] * 4, "split": [1]}),
    ([1, 2, 3], [2, 2, 1], {"pads": [2, 1], "split": [0]}),
    (
        [1, 2, 5, 4],
        [2, 2, 3, 4],
        {"pads": [3, 2, 3, 4], "strides": [2, 3], "split": [0, 1]},
    ),
    (
        [1, 2, 4, 4],
        [2, 2, 3, 3],
        {"auto_pad": "SAME_LOWER", "strides": [2, 1], "split": [0, 1]},
    ),
]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("x", "w", "attributes"), SPLIT)
def test_split_conv(x, w, attributes, bias, run_onnx, check_meaning) -> None:
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(s).astype(np.float32) for s in (x, w, w[:1])]
    inputs = arrays if bias else arrays[:2]
    whole = {name: value for name, value in attributes.items() if name != "split"}
    expected = run_onnx("Conv", inputs, whole)

    op = check_meaning(ConvOp, inputs, attributes, expected)

    assert [op.halo()[dim] for dim in attributes["split"]] == [(0, 0)] * len(
        attributes["split"]
    )


def test_split_conv_counts_what_it_multiplies(make_op) -> None:
    inputs = [np.ones(s, np.float32) for s in ([1, 2, 20], [3, 2, 3])]
    whole = {"pads": [12, 12], "dilations": [12]}

    assert make_op(ConvOp, inputs, whole).flops() == 2 * 6 * 60
    assert make_op(ConvOp, inputs, whole | {"split": [0]}).flops() == 2 * 6 * 36


TRANSPOSED: list[tuple[list[int], list[int], dict[str, Any]]] = [
    ([2, 3, 5], [3, 4, 3], {"strides": [2]}),
    ([1, 3, 4, 5], [3, 2, 3, 3], {}),
    ([1, 3, 4, 5], [3, 2, 3, 3], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    (
        [1, 3, 4, 5],
        [3, 2, 3, 3],
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    ),
    ([1, 4, 4, 4], [4, 3, 2, 2], {"group": 2, "strides": [2, 2]}),
    ([1, 4, 4, 4], [4, 1, 4, 4], {"group": 4, "strides": [2, 2], "pads": [1] * 4}),
    ([1, 2, 4, 4], [2, 2, 3, 3], {"dilations": [2, 3], "strides": [3, 2]}),
    ([1, 2, 4, 4], [2, 2, 2, 2], {"dilations": [2, 2], "strides": [2, 4]}),
    ([1, 2, 4, 4], [2, 2, 2, 1], {"strides": [3, 4]}),
    ([1, 2, 4, 4], [2, 2, 3, 3], {"strides": [3, 2], "output_shape": [10, 8]}),
    ([1, 2, 4, 4], [2, 2, 3, 3], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ([1, 2, 4, 4], [2, 2, 3, 3], {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ([1, 2, 3, 3], [2, 2, 3, 3], {"strides": [3, 3], "pads": [0, 1, 2, 1]}),
    ([1, 2, 2, 3, 2], [2, 2, 2, 2, 3], {"strides": [2, 1, 2]}),
    ([2, 3, 1, 1], [3, 4, 4, 4], {}),
    ([1, 4, 1, 1], [4, 3, 3, 2], {"group": 2, "strides": [3, 2]}),
    ([1, 4, 1], [4, 1, 3], {"group": 4, "pads": [1, 0]}),
    ([1, 3, 1, 4], [3, 2, 3, 3], {"strides": [2, 2], "pads": [1, 0, 0, 1]}),
    ([1, 2, 1], [2, 3, 2], {"strides": [4], "output_padding": [3]}),
    ([1, 2, 1, 1], [2, 2, 3, 3], {"dilations": [2, 1], "pads": [1, 1, 0, 1]}),
    ([1, 2, 1, 3], [2, 2, 3, 3], {"strides": [3, 2], "output_shape": [2, 8]}),
]


@pytest.mark.parametrize(("x", "w", "attributes"), TRANSPOSED)
def test_conv_transpose(x, w, attributes, run_onnx, check_meaning) -> None:
    random = np.random.default_rng(0)
    channels = [w[1] * attributes.get("group", 1)]
    inputs = [random.standard_normal(s).astype(np.float32) for s in (x, w, channels)]
    expected = run_onnx("ConvTranspose", inputs, attributes)
    check_meaning(ConvTransposeOp, inputs, attributes, expected)


def test_precision_is_kept(make_op) -> None:
    random = np.random.default_rng(0)
    inputs = [random.standard_normal(s) for s in ([1, 3, 5, 5], [2, 3, 3, 3])]
    wide = make_op(ConvOp, inputs, {}).reference(*inputs)
    assert wide.dtype == np.float64
    half = [i.astype(np.float16) for i in inputs]
    narrow = make_op(ConvOp, half, {}).reference(*half)
    assert narrow.dtype == np.float16
    np.testing.assert_allclose(narrow, wide, rtol=2e-2, atol=2e-2)


ILLEGAL = [
    (ConvOp, [1, 4, 5, 5], [2, 3, 3, 3], {}, "4 channels.*expect 3"),
    (ConvOp, [1, 4, 5, 5], [3, 2, 3, 3], {"group": 2}, "3 output channels.*2 groups"),
    (ConvOp, [1, 3, 5], [2, 3, 3, 3], {}, "rank of the input"),
    (ConvOp, [1, 3], [2, 3], {}, "rank 2, expected"),
    (ConvOp, [1, 3, 5, 5], [2, 3, 7, 3], {}, "window of 7 .*not fit in 5"),
    (ConvOp, [1, 3, 5, 5], [2, 3, 3, 3], {"strides": [1]}, "strides .*1 numbers"),
    (ConvOp, [1, 3, 5, 5], [2, 3, 3, 3], {"pads": [-1, 0, 0, 0]}, "at least 0"),
    (ConvOp, [1, 3, 5, 5], [2, 3, 3, 3], {"auto_pad": "SAME"}, "auto_pad SAME"),
    (ConvTransposeOp, [1, 3, 5], [2, 3, 3], {}, "3 channels.*expect 2"),
    (ConvTransposeOp, [1, 3, 5], [3, 3, 3], {"group": 2}, "3 input channels"),
    (ConvTransposeOp, [1, 3, 1], [3, 3, 1], {"pads": [1, 1]}, "would be -1"),
]


@pytest.mark.parametrize(("operation", "x", "w", "properties", "message"), ILLEGAL)
def test_illegal(operation, x, w, properties, message, make_op) -> None:
    with pytest.raises(VerifyException, match=message):
        make_op(operation, [np.zeros(x), np.zeros(w)], properties)


def test_illegal_bias(make_op) -> None:
    with pytest.raises(VerifyException, match=r"bias \[3\].*2 output channels"):
        make_op(ConvOp, [np.zeros((1, 1, 3)), np.zeros((2, 1, 3)), np.zeros(3)], {})
