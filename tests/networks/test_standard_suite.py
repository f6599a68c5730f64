"""
The onnx package's test suite through the CPU target: right, or refused with a reason.

`tests/compiler/frontends/onnx/test_standard.py` holds the importer to the same cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks_standard import DATA, Standard, node_cases, outcome, stored_cases
from onnx_files import onnxruntime_answers
from ovc.compiler.driver import compile_file
from ovc.compiler.options import CompileOptions
from ovc.runtime.session import load

FOLDERS = {"simple": 7, "pytorch-operator": 35, "pytorch-converted": 79}
"""How many cases of each folder are right at least."""

DIFFERENT = (
    "test_resize_downsample_scales_linear_align_corners",
    "test_resize_downsample_scales_cubic_align_corners",
)
"""Here onnxruntime, which we follow, disagrees with the standard's tests."""


def right(cases: Iterable[Standard], folder: Path) -> int:
    """How many cases are right. None may be wrong."""
    outcomes = {c.name: outcome(c, folder) for c in cases if c.name not in DIFFERENT}
    wrong = {k: v for k, v in outcomes.items() if v and not v.startswith("refused")}
    assert not wrong, "\n".join(f"{k}: {v}" for k, v in wrong.items())
    return sum(not v for v in outcomes.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_operators(tmp_path: Path) -> None:
    assert right(node_cases(), tmp_path) >= 1530


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_stored_models(folder: str, tmp_path: Path) -> None:
    assert right(stored_cases(folder), tmp_path) >= FOLDERS[folder]


LIGHT = sorted(path.name for path in (DATA / "light").glob("*.onnx"))


@pytest.mark.slow
@pytest.mark.parametrize("name", LIGHT)
def test_light_networks_agree_with_onnxruntime(name: str) -> None:
    path = DATA / "light" / name
    graph = onnx.load(path).graph
    constants = {tensor.name for tensor in graph.initializer}
    (image,) = (i for i in graph.input if i.name not in constants)
    shape = [d.dim_value for d in image.type.tensor_type.shape.dim]
    x = np.random.default_rng(0).random(shape, np.float32)
    (expected,) = onnxruntime_answers(path, {image.name: x})
    (result,) = load(compile_file(path, "cpu", CompileOptions()))([x])
    limit = 1e-4 * float(np.abs(expected).max())
    np.testing.assert_allclose(result, expected, rtol=0, atol=limit)
