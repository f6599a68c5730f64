"""`ovc inspect`: what is in a model file or an artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from .compile import Json, Shapes, parsed_shapes
from .console import human_bytes, human_flops, print_json, shape_text, show, table

TUNED = ("tuned_kernels", "tuned_layers")
"""Options that a compilation with a tuned table records: how often it used the table."""


def inspect_command(
    file: Annotated[Path, typer.Argument(help="An ONNX file or an .ovc artifact.")],
    layers: Annotated[
        bool, typer.Option("--layers", help="List every layer or launch.")
    ] = False,
    input_shape: Shapes = None,
    json: Json = False,
) -> None:
    """Show inputs, outputs, operations, work and memory of a network."""
    from ovc.functions import is_artifact

    shapes = parsed_shapes(input_shape)
    facts = artifact_facts(file) if is_artifact(file) else model_facts(file, shapes)
    if not layers:
        facts.pop("layers")
    if json:
        print_json(facts)
    else:
        show_facts(facts)


def artifact_facts(path: Path) -> dict[str, Any]:
    """What an artifact says of itself."""
    from ...runtime.archive import VERSION
    from ...runtime.artifact import read_artifact

    manifest = read_artifact(path).manifest
    launches = manifest.launches
    return {
        "file": str(path),
        "kind": "artifact",
        "format": VERSION,
        "manifest": manifest.format,
        "ovc": manifest.ovc,
        "target": manifest.target,
        "facts": dict(manifest.facts),
        "source": {"path": manifest.source.path, "sha256": manifest.source.sha256},
        "options": dict(manifest.options),
        "passes": list(manifest.passes),
        "inputs": [_port(p.name, p.shape, p.dtype) for p in manifest.inputs],
        "outputs": [_port(p.name, p.shape, p.dtype) for p in manifest.outputs],
        "file_bytes": path.stat().st_size,
        "weights_bytes": manifest.weights_bytes,
        "arena_bytes": manifest.arena_bytes,
        "kernels": len(manifest.kernels),
        "launches": len(launches),
        **{key: manifest.options[key] for key in TUNED if key in manifest.options},
        "flops": sum(launch.flops for launch in launches),
        "layers": [
            {
                "kernel": manifest.kernels[launch.kernel].name,
                "layers": list(launch.layers),
                "grid": launch.grid,
                "flops": launch.flops,
                "bytes": launch.bytes,
            }
            for launch in launches
        ],
    }


def model_facts(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """What a model file holds. Work is counted where all shapes are known."""
    from ..reading import read_network

    network = read_network(path, shapes)
    return {
        "file": str(path),
        "kind": "model",
        "inputs": [_port(p.name, p.dims, p.dtype.name) for p in network.inputs],
        "outputs": [_port(p.name, p.dims, p.dtype.name) for p in network.outputs],
        "file_bytes": path.stat().st_size,
        "weights_bytes": network.weights_bytes,
        "parameters": network.parameters,
        "operations": network.operations,
        "flops": network.flops,
        "layers": [asdict(layer) for layer in network.layers],
    }


def _port(name: str, shape: Sequence[int | str] | None, dtype: str) -> dict[str, Any]:
    dims = None if shape is None else list(shape)
    return {"name": name, "shape": dims, "dtype": dtype}


def show_facts(facts: dict[str, Any]) -> None:
    """The same for people."""
    ports = table(facts["file"], "", "name", "shape", "type")
    for kind in ("inputs", "outputs"):
        for port in facts[kind]:
            shape = "unknown" if port["shape"] is None else shape_text(port["shape"])
            ports.add_row(kind[:-1], port["name"], shape, port["dtype"])
    show(ports)

    numbers = table("", "", "value", right=("value",))
    for key, value in facts.items():
        if key.endswith("_bytes"):
            numbers.add_row(key.removesuffix("_bytes"), human_bytes(value))
        elif key == "flops":
            unknown = "unknown: give --input-shape"
            text = unknown if value is None else human_flops(value)
            numbers.add_row("work", text)
        elif isinstance(value, int | str) and key != "file":
            numbers.add_row(key.replace("_", " "), str(value))
    show(numbers)

    if "operations" in facts:
        counts = table("Operations", "operation", "count", right=("count",))
        for name, count in facts["operations"].items():
            counts.add_row(name, str(count))
        show(counts)
    if "layers" in facts:
        _show_layers(facts["layers"])


def _show_layers(layers: Sequence[dict[str, Any]]) -> None:
    rows = table("Layers", "layer", "operation", "MFLOP", right=("MFLOP",))
    for layer in layers:
        name = ", ".join(layer["layers"])
        flops = layer["flops"]
        work = "" if flops is None else f"{flops / 1e6:.3f}"
        rows.add_row(name, layer.get("operation") or layer["kernel"], work)
    show(rows)
