"""Layers that are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_files import model, node, save
from ovc.compiler import driver
from ovc.compiler.conversion import make_conversion
from ovc.compiler.interpreter import run_reference
from ovc.compiler.options import CompileOptions
from ovc.compiler.prepare import left_out, matches


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two convolutions with norms, and a flattening whose shape is computed."""
    generator = np.random.default_rng(0)
    weights = {
        name: generator.standard_normal((2, 2, 1, 1)).astype(np.float32)
        for name in "wv"
    }
    weights |= {n: np.array([1, 2], np.float32) for n in ("s", "b", "m", "t")}
    weights |= {"zero": np.array([0]), "one": np.array([1]), "rest": np.array([-1])}
    nodes = [
        node("Conv", "x w", "c1", name="conv1"),
        node("BatchNormalization", "c1 s b m t", "n1", name="norm1"),
        node("Conv", "n1 v", "c2", name="conv2"),
        node("BatchNormalization", "c2 s b m t", "n2", name="norm2"),
        node("Shape", "n2", "shape", name="shape"),
        node("Slice", "shape zero one", "first", name="first"),
        node("Concat", "first rest", "target", name="target", axis=0),
        node("Reshape", "n2 target", "y", name="flat"),
    ]
    return save(tmp_path, model(nodes, {"x": [1, 2, 3, 3]}, ["y"], weights))


def norms(path: Path, **options: object) -> tuple[int, list[np.ndarray]]:
    """How many batch norms are left, and what the network computes."""
    chosen = CompileOptions(conversion=make_conversion(**options))
    found = driver.read_model(path, chosen)
    driver.optimize_model(found, chosen)
    count = sum(op.name == "nn.batch_norm" for op in found.module.walk())
    x = np.arange(18, dtype=np.float32).reshape(1, 2, 3, 3)
    return count, run_reference(found.module, {"x": x})


@pytest.mark.parametrize(
    ("names", "count"),
    [(None, 0), ("norm1", 1), ("conv2", 0), ("norm.*", 2), (".*", 2), ("Norm1", 0)],
)
def test_named_layers_are_left_alone(path: Path, names: str | None, count: int) -> None:
    _, expected = norms(path, finegrain_fusing=".*")

    left, results = norms(path, finegrain_fusing=names)

    assert left == count
    for result, array in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, array, rtol=1e-5, atol=1e-5)


def test_everything_kept_still_compiles(path: Path) -> None:
    conversion = make_conversion(finegrain_fusing=".*")

    artifact = driver.compile_file(path, "cpu", CompileOptions(conversion=conversion))

    assert artifact.manifest.outputs[0].shape == (1, 18)


def test_names_are_whole_names() -> None:
    assert matches("conv1", "conv1")
    assert matches("/a/conv(1)", "/a/conv(1)")
    assert matches("conv[12]", "conv2")
    assert not matches("conv1", "conv10")


def test_passes_that_flags_leave_out() -> None:
    assert "fuse-linear" in left_out(make_conversion(disable_fusing=True))
    assert left_out(make_conversion(disable_gfusing=True)) == {"fuse-groups"}
    assert left_out(make_conversion(disable_resnet_optimization=True)) == {
        "move-strides"
    }
    assert not left_out(make_conversion())
