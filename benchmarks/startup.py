"""
What comes before the second answer: compile times and load times, in fresh processes.

    python -m benchmarks.startup resnet50 mobilenetv2 [--threads 2] [--rounds 5]

Times are the least of `--rounds` processes. `compile` is all of `ovc compile` as the shell
sees it, with an empty cache folder (cold) and again with what the first left there (warm).
`load` is `ovc.import_model` of the artifact once the library is imported, `answer` is that
and the first inference; `process` is all of a Python process that does both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import networks
from .compare import markdown
from .engines import random_inputs

LOAD = """
import json, sys, time
import numpy as np
import ovc, ovc.functions, ovc.runtime.drivers.cpu, ovc.runtime.session
inputs = dict(np.load(sys.argv[2]))
start = time.perf_counter()
model = ovc.import_model(sys.argv[1], "CPU", {"INFERENCE_NUM_THREADS": int(sys.argv[3])})
loaded = time.perf_counter()
model(inputs)
print(json.dumps([loaded - start, time.perf_counter() - start]))
"""


def run(*command: str, cache: Path | None = None) -> tuple[float, str]:
    """Seconds that a process takes, and what it prints."""
    environment = os.environ | ({"OVC_CACHE": str(cache)} if cache else {})
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=networks.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - start, done.stdout


def compile_times(model: Path, artifact: Path, rounds: int) -> tuple[float, float]:
    """Seconds of `ovc compile` with a cold cache and with a warm one."""
    command = ("-m", "ovc", "compile", str(model), "-o", str(artifact), "--quiet")
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(run(*command, cache=Path(folder))[0])
            warm.append(run(*command, cache=Path(folder))[0])
    return min(cold), min(warm)


def load_times(
    artifact: Path, inputs: Path, threads: int, rounds: int
) -> tuple[float, float, float]:
    """Seconds of a load, of a load and an answer, and of a process with both."""
    loads: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        whole, text = run("-c", LOAD, str(artifact), str(inputs), str(threads))
        load, answer = json.loads(text)
        loads.append((load, answer, whole))
    load, answer, whole = (min(column) for column in zip(*loads, strict=True))
    return load, answer, whole


def measure(model: str, threads: int, rounds: int) -> dict[str, Any]:
    """All times of one network."""
    path = networks.find(model).resolve()
    print(f"{path.stem} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        artifact, inputs = Path(folder, "model.ovc"), Path(folder, "inputs.npz")
        cold, warm = compile_times(path, artifact, max(1, rounds // 3))
        arrays: dict[str, Any] = random_inputs(path)
        np.savez(inputs, **arrays)
        load, answer, whole = load_times(artifact, inputs, threads, rounds)
        size = artifact.stat().st_size
    return {
        "network": path.stem,
        "cold_s": cold,
        "warm_s": warm,
        "load_ms": load * 1e3,
        "answer_ms": answer * 1e3,
        "process_ms": whole * 1e3,
        "artifact_bytes": size,
    }


def row(record: dict[str, Any]) -> list[str]:
    """The row of one network."""
    return [
        record["network"],
        f"{record['cold_s']:.2f}",
        f"{record['warm_s']:.2f}",
        f"{record['artifact_bytes'] / 1e6:.1f}",
        *(f"{record[f'{key}_ms']:.1f}" for key in ("load", "answer", "process")),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("models", nargs="*", help="ONNX files or names of networks")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all numbers here")
    options = parser.parse_args(arguments)
    models = options.models or networks.known_networks()
    records = [measure(model, options.threads, options.rounds) for model in models]
    header = ["network", "compile cold, s", "warm, s", "artifact, MB"]
    header += ["load, ms", "answer, ms", "process, ms"]
    print(markdown(header, [row(record) for record in records]))
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
