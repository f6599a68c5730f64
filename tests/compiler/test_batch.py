"""Another batch size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_files import model, node, save
from ovc.compiler.conversion import Conversion
from ovc.compiler.frontends.onnx import import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes.infer_shapes import InferShapesPass
from ovc.compiler.prepare import prepare
from ovc.runtime.errors import CompileError
from xdsl.dialects.builtin import ModuleOp


def prepared(path: Path, batch: int, **shapes: tuple[int, ...]) -> ModuleOp:
    module = import_onnx(path).module
    conversion = Conversion(batch=batch)
    prepare(module, CompileOptions(input_shapes=shapes, conversion=conversion))
    InferShapesPass().count(module)
    return module


def flat(folder: Path, target: list[int], batch: int | str = 1) -> Path:
    """A reshape with a target that is written out."""
    nodes = [node("Relu", "x", "r"), node("Reshape", "r t", "y")]
    weights = {"t": np.array(target, np.int64)}
    return save(folder, model(nodes, {"x": [batch, 2, 3]}, ["y"], weights))


def test_reshapes_keep_the_new_batch(tmp_path: Path) -> None:
    module = prepared(flat(tmp_path, [1, -1]), 4)

    x = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    (y,) = run_reference(module, {"x": x})
    np.testing.assert_array_equal(y, x.reshape(4, 6))


def test_a_symbolic_batch(tmp_path: Path) -> None:
    module = prepared(flat(tmp_path, [0, 6], "n"), 3)

    (y,) = run_reference(module, {"x": np.ones((3, 2, 3), np.float32)})
    assert y.shape == (3, 6)


def test_a_batch_that_is_built_in(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="output 'y' keeps the batch size 1"):
        prepared(summed(tmp_path), 4)


def summed(folder: Path) -> Path:
    nodes = [node("ReduceSum", "x a", "y", keepdims=1)]
    weights = {"a": np.array([0], np.int64)}
    return save(folder, model(nodes, {"x": [1, 3]}, ["y"], weights, opset=18))


def test_a_shape_that_contradicts(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="shape given for input 'x' begins with 2"):
        prepared(flat(tmp_path, [0, 6], "n"), 3, x=(2, 2, 3))
