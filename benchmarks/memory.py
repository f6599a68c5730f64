"""
How much memory each engine takes for one network, in fresh processes.

    python -m benchmarks.memory resnet50 mobilenetv2 [--threads 2]

`growth` is how much the largest resident size of a process rises from before the engine is
imported to after the third inference; pages of mapped files count. ovc loads its artifact
and OpenVINO its own IR with float32 weights, as deployed programs do; OpenVINO and
onnxruntime also load the ONNX file. Engines that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import networks
from .compare import markdown
from .engines import Array, OnnxRuntime, OpenVino, peak_memory, random_inputs

INFERENCES = 3


def ovc_run(model: Path, threads: int) -> Callable[[dict[str, Array]], object]:
    """Load an artifact."""
    import ovc

    config = {"INFERENCE_NUM_THREADS": threads}
    return ovc.import_model(model, "CPU", config).__call__


def openvino_run(model: Path, threads: int) -> Callable[[dict[str, Array]], object]:
    """Load an ONNX file, or OpenVINO's IR."""
    engine = OpenVino()
    engine.load(model, threads)
    return engine.run


def onnxruntime_run(model: Path, threads: int) -> Callable[[dict[str, Array]], object]:
    """Load an ONNX file."""
    engine = OnnxRuntime()
    engine.load(model, threads)
    return engine.run


ENGINES = {"ovc": ovc_run, "openvino": openvino_run, "onnxruntime": onnxruntime_run}


def forget_peak() -> None:
    """Let the largest resident size begin at the present one."""
    Path("/proc/self/clear_refs").write_text("5")


def measure_here(name: str, model: Path, inputs: Path, threads: int) -> int:
    """Bytes by which this process grows when an engine loads and runs a model."""
    arrays = dict(np.load(inputs))
    forget_peak()
    before = peak_memory()
    run = ENGINES[name](model, threads)
    for _ in range(INFERENCES):
        run(arrays)
    return peak_memory() - before


def measure_apart(name: str, model: Path, inputs: Path, threads: int) -> int:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", "--worker", name]
    done = subprocess.run(
        [*command, str(model), str(inputs), "--threads", str(threads)],
        cwd=networks.ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(done.stdout)


def save_ir(model: Path, place: Path) -> None:
    """Write OpenVINO's IR of an ONNX file, in a process of its own."""
    script = "import openvino as ov, sys; ov.save_model(ov.Core().read_model("
    script += "sys.argv[1]), sys.argv[2], compress_to_fp16=False)"
    subprocess.run([sys.executable, "-c", script, str(model), str(place)], check=True)


def measure(model: str, threads: int) -> dict[str, Any]:
    """The memory of every engine with one network."""
    path = networks.find(model).resolve()
    print(f"{path.stem} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder, "inputs.npz")
        arrays: dict[str, Any] = random_inputs(path)
        np.savez(inputs, **arrays)
        artifact, ir = Path(folder, "model.ovc"), Path(folder, "model.xml")
        facts = compiled(path, artifact)
        growth = {"ovc": measure_apart("ovc", artifact, inputs, threads)}
        if OpenVino.installed():
            save_ir(path, ir)
            growth["openvino IR"] = measure_apart("openvino", ir, inputs, threads)
            growth["openvino"] = measure_apart("openvino", path, inputs, threads)
        if OnnxRuntime.installed():
            growth["onnxruntime"] = measure_apart("onnxruntime", path, inputs, threads)
    return {"network": path.stem, **facts, "growth": growth}


def compiled(model: Path, artifact: Path) -> dict[str, int]:
    """Write the artifact of a model; its arena and weights in bytes."""
    command = [sys.executable, "-m", "ovc", "compile", str(model), "--json"]
    done = subprocess.run(
        [*command, "-o", str(artifact)], stdout=subprocess.PIPE, check=True
    )
    facts = json.loads(done.stdout)
    return {key: facts[key] for key in ("arena_bytes", "weights_bytes")}


def row(record: dict[str, Any]) -> list[str]:
    """The row of one network, in MB."""
    growth = record["growth"]
    sizes = [record["arena_bytes"], record["weights_bytes"], *growth.values()]
    theirs = [growth[name] for name in ("openvino", "openvino IR") if name in growth]
    share = f"{growth['ovc'] / min(theirs):.2f}" if theirs else "-"
    return [record["network"], *(f"{size / 1e6:.1f}" for size in sizes), share]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("models", nargs="*", help="ONNX files or names of networks")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write all numbers here")
    options = parser.parse_args(arguments)
    if options.worker:
        name, model, inputs = options.models
        print(measure_here(name, Path(model), Path(inputs), options.threads))
        return
    models = options.models or networks.known_networks()
    records = [measure(model, options.threads) for model in models]
    header = ["network", "arena", "weights", *records[0]["growth"], "ovc/openvino"]
    print(markdown(header, [row(record) for record in records]))
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
