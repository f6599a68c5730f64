"""
One measurement in a process of its own; prints one JSON document.

    python -m benchmarks.worker time MODEL THREADS SECONDS ENGINE...
    python -m benchmarks.worker load MODEL THREADS ENGINE
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .engines import ENGINES, Array, Engine, peak_memory, random_inputs

ROUNDS = 8
"""Turns of every engine. Slow drifts of the machine touch all of them alike."""

REST = 0.05
"""Seconds before each turn: the threads of the engine before stop spinning."""


def measure_times(
    model: Path, threads: int, seconds: float, names: Sequence[str]
) -> dict[str, Any]:
    """Inference times of several engines, taken in turns."""
    inputs = random_inputs(model)
    engines: dict[str, Engine] = {}
    record: dict[str, Any] = {}
    for name in names:
        engine = ENGINES[name]()
        try:
            engine.load(model, threads)
            outputs = engine.run(inputs)
        except Exception as problem:
            record[name] = {"error": _sentence(problem)}
            continue
        engines[name] = engine
        record[name] = {"seconds": [], "outputs": outputs}
    lengths = {name: _warmed_up(engine, inputs) for name, engine in engines.items()}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            count = max(2, round(seconds / ROUNDS / lengths[name]))
            record[name]["seconds"] += _turn(engine, inputs, count)
    expected = _first_outputs(record, ("onnxruntime", "openvino"))
    for name in engines:
        outputs = record[name].pop("outputs")
        record[name]["difference"] = difference(outputs, expected)
    return record


def _warmed_up(engine: Engine, inputs: dict[str, Array]) -> float:
    """Seconds of one inference, after a few."""
    best = float("inf")
    deadline = time.perf_counter() + 0.3
    for i in range(200):
        start = time.perf_counter()
        engine.run(inputs)
        end = time.perf_counter()
        best = min(best, end - start)
        if i >= 3 and end > deadline:
            break
    return best


def _turn(engine: Engine, inputs: dict[str, Array], count: int) -> list[float]:
    time.sleep(REST)
    engine.run(inputs)  # brings weights and threads back; not counted
    seconds: list[float] = []
    for _ in range(count):
        start = time.perf_counter()
        engine.run(inputs)
        seconds.append(time.perf_counter() - start)
    return seconds


def _first_outputs(record: dict[str, Any], names: Sequence[str]) -> list[Array] | None:
    found = (record[n]["outputs"] for n in names if "outputs" in record.get(n, {}))
    return next(found, None)


def difference(outputs: list[Array], expected: list[Array] | None) -> float | None:
    """
    Largest difference over the largest value; the worst output of all. Infinite where one
    is no number and the other is.
    """
    if expected is None:
        return None
    worst = 0.0
    for mine, theirs in zip(outputs, expected, strict=True):
        wide, right = mine.astype(np.float64), theirs.astype(np.float64)
        if mine.shape != theirs.shape:
            return float("inf")
        same = (wide == right) | (np.isnan(wide) & np.isnan(right))
        if not np.isfinite(wide[~same]).all() or not np.isfinite(right[~same]).all():
            return float("inf")
        scale = float(np.abs(right[np.isfinite(right)]).max(initial=0)) or 1.0
        apart = np.abs(wide[~same] - right[~same])
        worst = max(worst, float(apart.max(initial=0)) / scale)
    return worst


def measure_load(model: Path, threads: int, name: str) -> dict[str, Any]:
    """Load time, first inference and memory of one engine in a fresh process."""
    inputs = random_inputs(model)
    before = peak_memory()
    engine = ENGINES[name]()
    start = time.perf_counter()
    engine.load(model, threads)
    loaded = time.perf_counter()
    engine.run(inputs)
    first = time.perf_counter()
    return {
        "load_s": loaded - start,
        "first_s": first - loaded,
        "memory_bytes": peak_memory() - before,
        **engine.extra(),
    }


def _sentence(problem: Exception) -> str:
    text = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {text[0] if text else ''}"


def main(arguments: Sequence[str]) -> int:
    """Run the measurement that the arguments name."""
    kind, model, threads, *rest = arguments
    try:
        if kind == "time":
            seconds, *names = rest
            record = measure_times(Path(model), int(threads), float(seconds), names)
        else:
            record = measure_load(Path(model), int(threads), rest[0])
    except Exception as problem:
        traceback.print_exc()
        record = {"error": _sentence(problem)}
    print(json.dumps(record))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
