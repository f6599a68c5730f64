"""Operators that onnxruntime's optimiser writes, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, helper
from onnx_files import assert_close, model, node, onnxruntime_answers, save
from ovc.compiler.frontends.onnx import import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.dialects.types import Array

RNG = np.random.default_rng(3)


def contributed(op_type: str, inputs: str, **attributes: object) -> NodeProto:
    return node(op_type, inputs, "y", domain="com.microsoft", **attributes)


def floats(*shape: int) -> Array:
    return RNG.uniform(-2, 2, shape).astype(np.float32)


def bytes_of(*shape: int) -> Array:
    return RNG.integers(0, 255, shape).astype(np.uint8)


X = floats(2, 5, 4)
IMAGE = floats(1, 2, 5, 5)
QUANTIZED = {
    "q": bytes_of(1, 3, 4, 4),
    "r": bytes_of(1, 3, 4, 4),
    "s": np.array(0.02, np.float32),
    "t": np.array(0.05, np.float32),
    "z": np.array(120, np.uint8),
}

CASES: list[tuple[NodeProto, dict[str, Array], dict[str, Array]]] = [
    (contributed("Gelu", "x"), {"x": X}, {}),
    (contributed("BiasGelu", "x b"), {"x": X}, {"b": floats(4)}),
    (contributed("FastGelu", "x b"), {"x": X}, {"b": floats(4)}),
    (contributed("QuickGelu", "x", alpha=1.5), {"x": X}, {}),
    (
        contributed("FusedMatMul", "x w", alpha=0.5, transB=1),
        {"x": X},
        {"w": floats(3, 4)},
    ),
    (
        contributed("FusedConv", "x w b", pads=[1, 1, 1, 1], activation="Relu"),
        {"x": IMAGE},
        {"w": floats(3, 2, 3, 3), "b": floats(3)},
    ),
    (
        contributed(
            "FusedConv", "x w", activation="LeakyRelu", activation_params=[0.25]
        ),
        {"x": IMAGE},
        {"w": floats(3, 2, 3, 3)},
    ),
    (
        contributed(
            "FusedConv", "x w", activation="Clip", activation_params=[0.0, 6.0]
        ),
        {"x": IMAGE},
        {"w": floats(3, 2, 3, 3)},
    ),
    (
        contributed("FusedGemm", "x w b", transB=1, activation="Relu"),
        {"x": X[0]},
        {"w": floats(3, 4), "b": floats(3)},
    ),
    (
        contributed("SkipLayerNormalization", "x s g b h", epsilon=1e-5),
        {"x": X, "s": floats(2, 5, 4)},
        {"g": floats(4), "b": floats(4), "h": floats(4)},
    ),
    (contributed("QLinearAdd", "q s z r t z t z"), {}, QUANTIZED),
    (contributed("QLinearMul", "q s z r t z t z"), {}, QUANTIZED),
    (contributed("QLinearSigmoid", "q s z s z"), {}, QUANTIZED),
    (contributed("QLinearLeakyRelu", "q s z t z", alpha=0.3), {}, QUANTIZED),
    (contributed("QLinearGlobalAveragePool", "q s z t z"), {}, QUANTIZED),
    (contributed("QLinearConcat", "t z q s z r t z", axis=1), {}, QUANTIZED),
]


@pytest.mark.parametrize(
    ("made", "inputs", "constants"), CASES, ids=lambda c: getattr(c, "op_type", "")
)
def test_contributed_operator(
    tmp_path: Path,
    made: NodeProto,
    inputs: dict[str, Array],
    constants: dict[str, Array],
) -> None:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    dims = {name: array.shape for name, array in inputs.items()}
    proto = model([made], dims, ["y"], constants, opset_imports=imports)
    path = save(tmp_path, proto)
    actual = run_reference(import_onnx(path).module, inputs)
    expected = onnxruntime_answers(path, inputs)
    if expected[0].dtype == np.uint8:  # rounding of halves differs by one
        assert np.abs(actual[0].astype(int) - expected[0].astype(int)).max() <= 1
        return
    assert_close(actual, expected, 2e-4 if made.op_type == "FastGelu" else 1e-5)
