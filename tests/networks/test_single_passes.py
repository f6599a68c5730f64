"""
Real networks give the same answers with every generic pass on, each one off alone, and
all off. A pass that rewrites nothing in a network is not turned off there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from executors import device
from onnx_files import needs, onnxruntime_answers
from ovc.compiler.driver import NETWORK, compile_file, optimize_model, read_model
from ovc.compiler.options import CompileOptions
from ovc.compiler.pipeline import Pipeline, parse_pipeline
from ovc.compiler.registry import PASSES
from ovc.dialects.types import Array
from ovc.runtime.session import load
from topologies import materialized, random_inputs, topology_names

MODELS = needs("models")
TRAINED = sorted(path.stem for path in (MODELS / "onnx").glob("*.onnx"))
TOPOLOGIES = topology_names()

LOOSE = ("yolox_nano", "style_candy", "ch_mobile_v1.1_det")
"""Networks whose own numbers are that far apart between engines."""

QUICK = ("mnist-8", "silero_vad_openvino_16k", "super_resolution")

NEEDED = ("infer-shapes", "fold-constants")
"""Without them nothing is known that lowering needs."""

Arrays = dict[str, Array]


@dataclass
class Network:
    """A file, inputs for it, and the answers that another engine gave."""

    path: Path
    inputs: Arrays
    answers: Arrays
    bound: float = 1e-4

    def options(self, pipeline: str, cache: Path | None = None) -> CompileOptions:
        shapes = {name: array.shape for name, array in self.inputs.items()}
        return CompileOptions(input_shapes=shapes, pipeline=pipeline, cache=cache)

    def check(self, pipeline: str, target: str, cache: Path) -> None:
        """Compare the compiled network's answers."""
        artifact = compile_file(self.path, target, self.options(pipeline, cache))
        session = load(artifact)
        for port, found in zip(session.outputs, session(self.inputs), strict=True):
            expected = self.answers[port.name]
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            limit = self.bound * float(np.abs(expected.astype(np.float64)).max())
            limit = limit if found.dtype.kind == "f" else 0.0
            np.testing.assert_allclose(found, expected, rtol=0, atol=limit)

    def pipelines(self) -> Iterator[str]:
        """All passes; all but one, for each that finds something here; and none."""
        yield NETWORK
        model = read_model(self.path, self.options(NETWORK))
        reports = optimize_model(model, self.options(NETWORK))
        busy = {r.name for r in reports if r.matches != 0} - set(NEEDED)
        yield from (without(name) for name in sorted(busy))
        yield ",".join(NEEDED)


def without(name: str) -> str:
    """The generic passes but one."""
    steps = parse_pipeline(NETWORK, PASSES).steps
    return str(Pipeline(tuple(step for step in steps if step.name != name)))


def trained(name: str, folder: Path) -> Network:
    """A trained network, with the arrays that the reference engine had and gave."""
    stored = np.load(MODELS / f"ref/onnx__{name}.npz")
    inputs = {k[3:]: stored[k] for k in stored.files if k.startswith("in:")}
    outputs = {k[4:]: stored[k] for k in stored.files if k.startswith("out:")}
    bound = 1e-3 if name.startswith(LOOSE) else 1e-4
    return Network(MODELS / f"onnx/{name}.onnx", inputs, outputs, bound)


def topology(name: str, folder: Path) -> Network:
    """A benchmark network with seeded weights, and onnxruntime's answers."""
    path = materialized(name, folder)
    inputs = random_inputs(path)
    answers = onnxruntime_answers(path, inputs)
    outputs = onnx.load(path, load_external_data=False).graph.output
    names = [info.name for info in outputs]
    return Network(path, inputs, dict(zip(names, answers, strict=True)))


Source = Callable[[Path], Network]

NETWORKS = [
    pytest.param(
        partial(source, name),
        id=name,
        marks=[] if name in QUICK else [pytest.mark.slow],
    )
    for source, names in ((trained, TRAINED), (topology, TOPOLOGIES))
    for name in names
]


@pytest.mark.parametrize("source", NETWORKS)
def test_cpu(source: Source, tmp_path: Path) -> None:
    network = source(tmp_path)
    for pipeline in network.pipelines():
        network.check(pipeline, "cpu", tmp_path)


@pytest.mark.device
@pytest.mark.parametrize("source", NETWORKS)
def test_gpu_without_passes(source: Source, tmp_path: Path) -> None:
    device()
    network = source(tmp_path)
    network.check(",".join(NEEDED), "gpu", tmp_path)
