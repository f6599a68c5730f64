"""Real networks and well-known topologies are imported without problems."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_files import SHARED, assert_close, needs, onnxruntime_answers, save
from ovc.compiler.frontends.base import Model
from ovc.compiler.frontends.onnx import import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.compiler.locations import source_names
from ovc.compiler.passes.fix_shapes import fix_shapes
from ovc.compiler.passes.infer_shapes import InferShapesPass
from ovc.dialects.nn.base import NNOp
from ovc.dialects.types import Array, dtype_of, is_static
from xdsl.context import Context

NETWORKS = {
    "bert_toy_optimized": {"batch": 1, "max_seq_len_in_batch": 16},
    "ch_mobile_v1.1_det": {"d0": 1, "d1": 320, "d2": 320},
    "cifar_resnet20_v1": {},
    "gtcrn_simple": {},
    "magika_standard_v3_3": {"unk__214": 1},
    "mnist-8": {},
    "mobilenetv2_fp32": {"batch": 1},
    "shufflenetv2_fp32": {},
    "silero_vad_openvino_16k": {},
    "squeezenet1.1_fp32": {},
    "style_candy_std_224": {},
    "super_resolution": {"batch_size": 1},
    "ultraface_RFB-320": {},
    "vitTracker": {},
    "yolox_nano": {},
}
"""The sizes of symbolic dimensions."""

QUICK = (
    "bert_toy_optimized",
    "cifar_resnet20_v1",
    "mnist-8",
    "silero_vad_openvino_16k",
)


def shapes(model: Model, sizes: Mapping[str, int]) -> dict[str, list[int]]:
    return {
        port.name: [sizes[d] if isinstance(d, str) else d for d in port.dims or ()]
        for port in model.inputs
    }


def assert_static(model: Model) -> None:
    operations = [op for op in model.module.walk() if isinstance(op, NNOp)]
    for op in operations:
        assert all(is_static(r.type) for r in op.results), str(op)
        assert source_names(op)
    assert sum(op.flops() for op in operations) > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str) -> None:
    path = needs("models/onnx") / f"{name}.onnx"
    model = import_onnx(path)
    assert {d for p in model.inputs for d in p.dims or () if isinstance(d, str)} == set(
        NETWORKS[name]
    )
    fix_shapes(model.module, shapes(model, NETWORKS[name]))
    InferShapesPass().apply(Context(), model.module)
    model.module.verify()
    assert_static(model)


@pytest.mark.parametrize("name", NETWORKS)
def test_network_with_shapes_at_import(name: str) -> None:
    path = needs("models/onnx") / f"{name}.onnx"
    sizes = shapes(import_onnx(path), NETWORKS[name])
    assert_static(import_onnx(path, sizes))


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS],
)
def test_network_agrees_with_onnxruntime(name: str) -> None:
    path = needs("models/onnx") / f"{name}.onnx"
    model = import_onnx(path)
    fix_shapes(model.module, shapes(model, NETWORKS[name]))
    inputs = arrays(model)
    expected = onnxruntime_answers(path, inputs)
    assert_close(run_reference(model.module, inputs), expected, 1e-3)


def arrays(model: Model) -> dict[str, Array]:
    generator = np.random.default_rng(0)
    result: dict[str, Array] = {}
    for port in model.inputs:
        dtype = dtype_of(port.element)
        shape = tuple(d for d in port.dims or () if isinstance(d, int))
        numbers = generator.uniform(0, 2 if dtype.kind == "i" else 1, shape)
        result[port.name] = numbers.astype(dtype)
    return result


TOPOLOGIES = sorted((SHARED / "bench-models/topologies").glob("*.onnx"))


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda p: p.stem)
def test_topology(topology: Path, tmp_path: Path) -> None:
    """The weights are a hole in a file: nothing of them is read."""
    proto = onnx.load(topology)
    weights = json.loads(topology.with_suffix(".json").read_text())
    largest = 0
    for name, (shape, dtype, *_) in weights.items():
        tensor = hollow_tensor(name, shape, dtype)
        largest = max(largest, prod(shape) * np.dtype(dtype).itemsize)
        proto.graph.initializer.append(tensor)
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(largest)
    model = import_onnx(save(tmp_path, proto))
    assert_static(model)


def hollow_tensor(name: str, shape: Sequence[int], dtype: str) -> TensorProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    tensor = TensorProto(name=name, dims=shape, data_type=kind)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def test_topologies_are_there() -> None:
    needs("bench-models")
    assert len(TOPOLOGIES) == 15
