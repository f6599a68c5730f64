"""The benchmark topologies with random weights, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from executors import device
from onnx_files import onnxruntime_answers
from ovc.compiler.driver import compile_file
from ovc.compiler.options import CompileOptions
from ovc.runtime.session import load
from topologies import materialized, random_inputs, topology_names

NAMES = topology_names()

QUICK = ("squeezenet", "mobilenetv3l", "shufflenet", "vit_tiny")
"""The others take long to write, to compile or to run."""

NETWORKS = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
    for name in NAMES
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


def check(path: Path, target: str) -> None:
    inputs = random_inputs(path)
    expected = onnxruntime_answers(path, inputs)
    session = load(compile_file(path, target, CompileOptions()))
    for ours, theirs in zip(session(inputs), expected, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        limit = 1e-4 * float(np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)


@pytest.mark.parametrize("name", NETWORKS)
def test_cpu_agrees_with_onnxruntime(name: str, folder: Path) -> None:
    check(materialized(name, folder), "cpu")


@pytest.mark.device
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_gpu_agrees_with_onnxruntime(name: str, folder: Path) -> None:
    device()
    check(materialized(name, folder), "gpu")
