"""Compiled benchmark networks, Winograd and Strassen included, against double precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ovc.compiler.driver import compile_file, read_model
from ovc.compiler.interpreter import run_reference
from ovc.compiler.options import CompileOptions
from ovc.dialects.types import Array
from ovc.runtime.artifact import Port
from ovc.runtime.session import load
from topologies import materialized

LIMIT = 2e-5
"""Largest error, of the largest output."""

SLOW = {
    "alexnet": "gemm",
    "bert_base": "strassen",
    "densenet121": "strassen",
    "gpt2_6l": "strassen",
    "inception_v1": "winograd",
    "mobilenetv2": "conv",
    "mobilenetv3l": "conv",
    "resnet18": "winograd",
    "resnet50": "strassen",
    "shufflenet": "conv",
    "unet_s": "winograd",
    "vgg19": "winograd",
    "yolov8n": "winograd",
}
NETWORKS = [
    ("squeezenet", "winograd"),
    ("vit_tiny", "strassen"),
    *(pytest.param(*item, marks=pytest.mark.slow) for item in SLOW.items()),
]
"""Each with an algorithm that it must have."""


@pytest.mark.parametrize(("name", "algorithm"), NETWORKS)
def test_results_are_those_of_double_precision(
    name: str, algorithm: str, tmp_path: Path
) -> None:
    path = materialized(name, tmp_path)
    artifact = compile_file(path, "cpu", CompileOptions())
    steps = {
        step for launch in artifact.manifest.launches for step in launch.operations
    }
    assert any(step.startswith(algorithm) for step in steps)
    session = load(artifact, "CPU")
    inputs = {port.name: sample(port) for port in session.inputs}
    exact = run_reference(read_model(path).module, inputs, np.float64)

    for ours, theirs in zip(session(inputs), exact, strict=True):
        limit = LIMIT * float(np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)


def sample(port: Port) -> Array:
    """Normal numbers, or small whole ones such as tokens."""
    generator = np.random.default_rng(0)
    if port.element.kind == "f":
        return generator.standard_normal(port.shape, np.float32)
    return generator.integers(0, 2, port.shape).astype(port.element)
