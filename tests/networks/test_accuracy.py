"""Compiled benchmark networks, Winograd included, against double precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ovc.compiler.driver import compile_file, read_model
from ovc.compiler.interpreter import run_reference
from ovc.compiler.options import CompileOptions
from ovc.runtime.session import load
from topologies import materialized

LIMIT = 2e-5
"""Largest error, of the largest output."""

NETWORKS = [
    "squeezenet",
    pytest.param("resnet18", marks=pytest.mark.slow),
    pytest.param("unet_s", marks=pytest.mark.slow),
    pytest.param("vgg19", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", NETWORKS)
def test_results_are_those_of_double_precision(name: str, tmp_path: Path) -> None:
    path = materialized(name, tmp_path)
    artifact = compile_file(path, "cpu", CompileOptions())
    assert any(k.name.startswith("winograd") for k in artifact.manifest.kernels)
    session = load(artifact, "CPU")
    generator = np.random.default_rng(0)
    inputs = {
        port.name: generator.standard_normal(port.shape, np.float32)
        for port in session.inputs
    }
    exact = run_reference(read_model(path).module, inputs, np.float64)

    for ours, theirs in zip(session(inputs), exact, strict=True):
        limit = LIMIT * float(np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)
