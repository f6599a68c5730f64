"""Writing small ONNX files, and what onnxruntime answers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from ovc.dialects.types import Array

SHARED = Path(__file__).parent.parent.parent / "shared"
"""Test data from elsewhere."""

Dims = Sequence[int | str | None]


def needs(folder: str) -> Path:
    """A folder of the shared test data; the test is skipped where it is absent."""
    path = SHARED / folder
    if not path.exists():
        pytest.skip(
            f"the test data ../shared/{folder} is not here", allow_module_level=True
        )
    return path


def node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> NodeProto:
    """A node; names are separated by blanks, `-` is an input left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op_type, names, outputs.split(), **attributes)


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Dims],
    outputs: Sequence[str],
    initializers: Mapping[str, Array] | None = None,
    opset: int = 17,
    types: Mapping[str, int] | None = None,
    **options: Any,
) -> ModelProto:
    """A model; inputs are float32 unless `types` says otherwise."""
    types = types or {}

    def info(name: str, dims: Dims | None) -> onnx.ValueInfoProto:
        kind = types.get(name, TensorProto.FLOAT)
        return helper.make_tensor_value_info(name, kind, dims)

    graph = helper.make_graph(
        nodes,
        "graph",
        [info(name, dims) for name, dims in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(a, n) for n, a in (initializers or {}).items()],
    )
    options.setdefault("opset_imports", [helper.make_opsetid("", opset)])
    options.setdefault("ir_version", 8)
    return helper.make_model(graph, **options)


def save(folder: Path, proto: ModelProto, name: str = "model.onnx") -> Path:
    """Write a model without checking it."""
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return path


def onnxruntime_answers(path: Path, inputs: Mapping[str, Array]) -> list[Array]:
    """The outputs with all optimisations off."""
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    providers = ["CPUExecutionProvider"]
    session = runtime.InferenceSession(str(path), options, providers=providers)
    return list(session.run(None, dict(inputs)))


def assert_close(
    actual: Sequence[Array], expected: Sequence[Array], tolerance: float
) -> None:
    """Equal types, shapes and integers; floats within `tolerance` of the largest."""
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        if ours.dtype.kind != "f":
            np.testing.assert_array_equal(ours, theirs)
            continue
        largest = np.max(np.abs(theirs[np.isfinite(theirs)]), initial=1e-6)
        np.testing.assert_allclose(
            ours, theirs, rtol=0, atol=tolerance * float(largest)
        )
