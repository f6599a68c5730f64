"""The benchmark topologies: their names, files with seeded weights, inputs for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx_files import needs
from ovc.dialects.types import Array

FOLDER = "bench-models"


def topology_names() -> list[str]:
    """All of them; tests are skipped where the shared test data is absent."""
    return sorted(path.stem for path in (needs(FOLDER) / "topologies").glob("*.onnx"))


def materialized(name: str, folder: Path) -> Path:
    """A topology as an ONNX file with seeded weights, written to `folder` once."""
    script = str(needs(FOLDER) / "materialize.py")
    path = folder / f"{name}.onnx"
    if not path.exists():
        subprocess.run([sys.executable, script, str(folder), name], check=True)
    return path


def random_inputs(path: Path) -> dict[str, Array]:
    """Seeded arrays: normal numbers, token numbers, and masks of ones."""
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
