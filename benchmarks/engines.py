"""The engines that are compared: each loads a model file and runs it in float32."""

from __future__ import annotations

import importlib.util
import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Engine(ABC):
    """One engine with one model on some threads."""

    name: str
    module: str
    """What must be importable for the engine to be there."""

    package: str
    """What installs it."""

    @abstractmethod
    def load(self, model: Path, threads: int) -> None:
        """Read and compile the model: everything before the first inference."""

    @abstractmethod
    def run(self, inputs: dict[str, Array]) -> list[Array]:
        """One inference; outputs in the model's order."""

    def extra(self) -> dict[str, float]:
        """Other facts worth reporting, in seconds or bytes."""
        return {}

    @classmethod
    def installed(cls) -> bool:
        """Whether the engine can be imported."""
        return importlib.util.find_spec(cls.module) is not None


class Ovc(Engine):
    """This project. `reload_s` is the time to load the artifact that was exported."""

    name, module, package, device = "ovc", "ovc", "ovc-compiler", "CPU"

    def load(self, model: Path, threads: int) -> None:
        import ovc

        self.config = {"INFERENCE_NUM_THREADS": threads}
        self.compiled = ovc.compile_model(model, self.device, self.config)

    def run(self, inputs: dict[str, Array]) -> list[Array]:
        return list(self.compiled(inputs).values())

    def extra(self) -> dict[str, float]:
        import tempfile

        import ovc

        with tempfile.TemporaryDirectory() as folder:
            artifact = Path(folder, "model.ovc")
            self.compiled.export_model(artifact)
            start = time.perf_counter()
            loaded = ovc.import_model(artifact, self.device, self.config)
            seconds = time.perf_counter() - start
            size = artifact.stat().st_size
            del loaded
        return {"reload_s": seconds, "artifact_bytes": float(size)}


class OvcGpu(Ovc):
    """This project through OpenCL. An OpenCL CPU device uses all cores."""

    name, device = "ovc-gpu", "GPU"


class OnnxRuntime(Engine):
    """onnxruntime's CPU provider with all its optimisations."""

    name = module = package = "onnxruntime"

    def load(self, model: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: dict[str, Array]) -> list[Array]:
        return self.session.run(None, inputs)


class OpenVino(Engine):
    """OpenVINO's CPU plug-in. Its default here may be bf16, so f32 is asked for."""

    name = module = package = "openvino"

    def load(self, model: Path, threads: int) -> None:
        import openvino

        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(model), "CPU", settings)
        self.request = compiled.create_infer_request()
        self.count = len(compiled.outputs)

    def run(self, inputs: dict[str, Array]) -> list[Array]:
        self.request.infer(inputs, share_inputs=True)
        return [
            self.request.get_output_tensor(i).data.copy() for i in range(self.count)
        ]


ENGINES: dict[str, type[Engine]] = {
    engine.name: engine for engine in (Ovc, OvcGpu, OnnxRuntime, OpenVino)
}


def random_inputs(model: Path) -> dict[str, Array]:
    """
    Inputs for a model file, the same for all engines: normal floats, small integers.

    Raises:
        SystemExit: a dimension is symbolic.
    """
    import onnx
    from onnx import helper

    graph = onnx.load(model, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    generator = np.random.default_rng(0)
    inputs: dict[str, Array] = {}
    for value in graph.input:
        if value.name in weights:
            continue
        tensor = value.type.tensor_type
        shape = [d.dim_value for d in tensor.shape.dim]
        if not all(shape):
            raise SystemExit(f"{model}: input '{value.name}' has no static shape")
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if dtype.kind == "f":
            inputs[value.name] = generator.standard_normal(shape).astype(dtype)
        else:
            inputs[value.name] = generator.integers(0, 2, shape).astype(dtype)
    return inputs


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage * (1 if os.uname().sysname == "Darwin" else 1024)
