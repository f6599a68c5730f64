"""The trained networks of the test data, end to end, on every target."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from executors import device
from onnx_files import needs
from ovc.compiler.driver import compile_file
from ovc.compiler.images import PRESETS, read_image
from ovc.compiler.options import CompileOptions
from ovc.dialects.types import Array
from ovc.runtime.session import Session, load

MODELS = needs("models")
NAMES = sorted(path.stem for path in (MODELS / "onnx").glob("*.onnx"))

LOOSE = ("yolox_nano", "style_candy", "ch_mobile_v1.1_det")
"""Networks whose own numbers are that far apart between engines."""

EVALUATION = json.loads((MODELS / "labels/imagenet_eval.json").read_text())
CLASSIFIERS = [name for name in EVALUATION["models"] if name.startswith("onnx/")]
PRESET = {"bgr_mean": "caffe", "rgb_norm": "imagenet"}

TARGETS = [pytest.param("cpu"), pytest.param("gpu", marks=pytest.mark.device)]


def reference(name: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and outputs by name, as the reference engine had and gave them."""
    stored = np.load(MODELS / f"ref/onnx__{name}.npz")
    inputs = {k[3:]: stored[k] for k in stored.files if k.startswith("in:")}
    outputs = {k[4:]: stored[k] for k in stored.files if k.startswith("out:")}
    return inputs, outputs


def compiled(name: str, target: str) -> Session:
    """A network on a target; the test is skipped where the target has no device."""
    if target == "gpu":
        device()
    return session_of(name, target)


@cache
def session_of(name: str, target: str) -> Session:
    inputs, _ = reference(name)
    shapes = {key: array.shape for key, array in inputs.items()}
    path = MODELS / f"onnx/{name}.onnx"
    return load(compile_file(path, target, CompileOptions(input_shapes=shapes)))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_the_reference_engines(name: str, target: str) -> None:
    inputs, outputs = reference(name)
    session = compiled(name, target)
    results = session(inputs)
    assert {port.name for port in session.outputs} == set(outputs)
    for port, result in zip(session.outputs, results, strict=True):
        expected = outputs[port.name]
        assert result.dtype == expected.dtype
        assert result.shape == expected.shape
        if result.dtype.kind != "f":
            np.testing.assert_array_equal(result, expected)
            continue
        bound = 1e-3 if name.startswith(LOOSE) else 1e-4
        limit = bound * float(np.abs(expected).max())
        np.testing.assert_allclose(result, expected, rtol=0, atol=limit)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", CLASSIFIERS)
def test_images_are_classified_as_by_the_reference_engine(
    path: str, target: str
) -> None:
    facts = EVALUATION["models"][path]
    preset = PRESETS[PRESET[facts["preprocess"]]]
    session = compiled(Path(path).stem, target)
    answers: dict[str, list[int]] = {}
    for image in facts["ort_top5"]:
        (port,) = session.inputs
        pixels = read_image(MODELS / "images" / image, port.shape, preset)
        (scores,) = session([pixels])
        order = np.argsort(-scores.reshape(-1), kind="stable")
        answers[image] = (order[:5] - facts["class_offset"]).tolist()
    assert answers == facts["ort_top5"]
