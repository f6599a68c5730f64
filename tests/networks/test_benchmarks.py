"""The benchmark topologies with random weights, against onnxruntime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from executors import device
from onnx_files import needs, onnxruntime_answers
from ovc.compiler.driver import compile_file
from ovc.compiler.options import CompileOptions
from ovc.dialects.types import Array
from ovc.runtime.session import load

BENCH = needs("bench-models")
NAMES = sorted(path.stem for path in (BENCH / "topologies").glob("*.onnx"))

QUICK = ("squeezenet", "mobilenetv3l", "shufflenet", "vit_tiny")
"""The others take long to write, to compile or to run."""

NETWORKS = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
    for name in NAMES
]


def materialized(name: str, folder: Path) -> Path:
    """The network as an ONNX file with seeded weights."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        script = str(BENCH / "materialize.py")
        subprocess.run([sys.executable, script, str(folder), name], check=True)
    return path


def inputs_of(path: Path) -> dict[str, Array]:
    """Random arrays: normal numbers, token numbers, and masks of ones."""
    generator = np.random.default_rng(0)
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    arrays: dict[str, Array] = {}
    for info in graph.input:
        if info.name in constants:
            continue
        shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
        if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            arrays[info.name] = generator.standard_normal(shape, np.float32)
        elif "mask" in info.name:
            arrays[info.name] = np.ones(shape, np.int64)
        else:
            arrays[info.name] = generator.integers(0, 1000, shape)
    return arrays


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


def check(path: Path, target: str) -> None:
    inputs = inputs_of(path)
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
