"""`ovc inspect`: what is in a model file or an artifact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from .compile import Json, Shapes, parsed_shapes
from .console import human_bytes, print_json, shape_text, show, table


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
    from ...runtime.artifact import read_artifact

    manifest = read_artifact(path).manifest
    launches = manifest.launches
    return {
        "file": str(path),
        "kind": "artifact",
        "format": manifest.format,
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
    from ...dialects.const import ConstantOp
    from ...dialects.nn.base import NNOp
    from ...dialects.types import dtype_of
    from ..driver import read_model

    model = read_model(path, shapes)
    operations = list(model.function.walk())
    work = [op for op in operations if isinstance(op, NNOp)]
    constants = [op.array for op in operations if isinstance(op, ConstantOp)]
    layers = [_layer(op) for op in work]
    counts = Counter(op.name for op in work)
    known = [layer["flops"] for layer in layers]

    def ports(found: Sequence[Any]) -> list[dict[str, Any]]:
        return [_port(p.name, p.dims, dtype_of(p.element).name) for p in found]

    return {
        "file": str(path),
        "kind": "model",
        "inputs": ports(model.inputs),
        "outputs": ports(model.outputs),
        "file_bytes": path.stat().st_size,
        "weights_bytes": sum(array.nbytes for array in constants),
        "parameters": sum(array.size for array in constants),
        "operations": dict(counts.most_common()),
        "flops": None if None in known else sum(known),
        "layers": layers,
    }


def _layer(op: Any) -> dict[str, Any]:
    from xdsl.dialects.builtin import TensorType

    from ...dialects.nn.symbols import dims_of
    from ...dialects.types import is_static
    from ..locations import describe

    types = [r.type for r in op.results]
    static = all(is_static(v.type) for v in (*op.operands, *op.results))
    return {
        "name": describe(op),
        "operation": op.name,
        "shapes": [dims_of(t) if isinstance(t, TensorType) else None for t in types],
        "flops": op.flops() if static else None,
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
            text = unknown if value is None else f"{value / 1e9:.3f} GFLOP"
            numbers.add_row("work", text)
        elif isinstance(value, int | str) and key != "file":
            numbers.add_row(key, str(value))
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
        name = layer.get("name") or ", ".join(layer["layers"])
        flops = layer["flops"]
        work = "" if flops is None else f"{flops / 1e6:.3f}"
        rows.add_row(name, layer.get("operation") or layer["kernel"], work)
    show(rows)
