"""`ovc bench`: how long one inference takes, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .compile import Json, Quiet, Shapes
from .console import print_json, show, table
from .layers import layer_records, layer_tables, measure_layers, peak_record
from .run import Device, Threads, opened

if TYPE_CHECKING:
    from ovc import CompiledModel
    from ovc.runtime.drivers.peak import Peak

WARM_UP = 5


def bench_command(
    model: Annotated[Path, typer.Argument(help="An .ovc artifact or an ONNX file.")],
    device: Device = None,
    threads: Threads = None,
    input_shape: Shapes = None,
    iterations: Annotated[int, typer.Option("--iterations", "-n", min=1)] = 50,
    per_layer: Annotated[
        bool,
        typer.Option(
            "--per-layer", help="Every launch beside the limits of this machine."
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Time a network on random inputs."""
    start = time.perf_counter()
    compiled = opened(model, device, threads, input_shape, quiet)
    load = time.perf_counter() - start
    arrays = random_inputs(compiled)
    for _ in range(WARM_UP):
        compiled(arrays)
    seconds: list[float] = []
    for _ in range(iterations):
        begin = time.perf_counter()
        compiled(arrays)
        seconds.append(time.perf_counter() - begin)
    facts = {"model": str(model), "iterations": iterations, "load_ms": load * 1e3}
    facts |= statistics(seconds)
    peak = machine_peak(compiled, threads) if per_layer else None
    layers = measure_layers(compiled, arrays, iterations, peak) if per_layer else []
    if json:
        if per_layer:
            facts |= {"peak": peak_record(peak), "layers": layer_records(layers)}
        print_json(facts)
        return
    numbers = ("median ms", "least ms", "most ms", "spread")
    result = table("", "model", *numbers, right=numbers)
    times = (f"{facts[f'{key}_ms']:.3f}" for key in ("median", "min", "max"))
    result.add_row(str(model), *times, f"{facts['spread']:.1%}")
    show(result)
    if per_layer:
        show(*layer_tables(layers, peak))


def machine_peak(compiled: CompiledModel, threads: int | None) -> Peak | None:
    """The roofline of the threads that run the network; None on other devices."""
    from ovc.runtime.config import available_cpus
    from ovc.runtime.drivers.peak import measure

    if not compiled.device.startswith("CPU"):
        return None
    return measure(threads or available_cpus())


def random_inputs(compiled: CompiledModel) -> dict[str, Any]:
    """Arrays that fit: small normal floats, zeros and ones for the others."""
    import numpy as np

    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for port in compiled.inputs:
        if port.dtype.kind in "fV":
            values = generator.standard_normal(port.shape)
        else:
            values = generator.integers(0, 2, port.shape)
        arrays[port.name] = values.astype(port.dtype)
    return arrays


def statistics(seconds: Sequence[float]) -> dict[str, float]:
    """Median, extremes and spread: half the middle half, over the median."""
    middle = median(seconds)
    low, _, high = quantiles(seconds, n=4) if len(seconds) > 1 else (middle,) * 3
    return {
        "median_ms": middle * 1e3,
        "min_ms": min(seconds) * 1e3,
        "max_ms": max(seconds) * 1e3,
        "spread": (high - low) / 2 / middle,
    }
