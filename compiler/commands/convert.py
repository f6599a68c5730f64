"""`ovc convert`: the optimized network as a file, for people and for other engines."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ...runtime.errors import OvcError
from ..options import CompileOptions
from .compile import Json, Quiet, Samples, VerifyEach, check_writable
from .console import human_bytes, note, print_json, show, watching
from .conversion_flags import ModelOptions, converts
from .records import OptLog, Records, Report

KINDS = {"ir": ".mlir", "onnx": ".onnx"}


@converts
def convert_command(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    options: ModelOptions,
    emit: Annotated[
        str | None,
        typer.Option(
            help="ir: text and safetensors; onnx. By the file's name if unset."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("-o", "--file", help="Where to; MODEL-optimized.* by default."),
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(help="Generic passes to run, as ovc-opt takes them.")
    ] = None,
    stats: Annotated[
        bool, typer.Option(help="Show time and effect of passes.")
    ] = False,
    verify_each: VerifyEach = False,
    samples: Samples = None,
    report: Report = None,
    opt_log: OptLog = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Optimize a model and write it as IR or ONNX."""
    kind = _kind(emit, file)
    place = file or Path(f"{model.stem}-optimized{KINDS[kind]}")
    check_writable(place)
    if place.exists() and not place.is_file():
        raise OvcError(f"{place}: cannot be written: it is not an ordinary file")
    records = Records(report, opt_log)
    for written in (report, opt_log):
        if written is not None:
            check_writable(written)

    from ..driver import optimize_model, read_model
    from ..exporters.files import write_module

    start = time.perf_counter()
    with watching(quiet) as observer:
        chosen = CompileOptions(
            input_shapes=options.input_shapes,
            conversion=options.conversion,
            pipeline=pipeline,
            verify_each=verify_each,
            samples=tuple(samples or ()),
            reproducers=place.parent,
            observer=records.observer(observer),
        )
        observer.started("read", 0, 1)
        network = read_model(model, chosen)
        optimize_model(network, chosen)
        place = place if place.suffix == KINDS[kind] else Path(f"{place}{KINDS[kind]}")
        files = write_module(network.module, place, options.conversion.data_type)
    records.write(model, chosen, quiet)
    facts: dict[str, Any] = {
        "files": [str(path) for path in files],
        "emit": kind,
        "bytes": sum(path.stat().st_size for path in files),
        "seconds": round(time.perf_counter() - start, 3),
    }
    if json:
        print_json(facts)
        return
    if stats:
        show(observer.table())
    if not quiet:
        names = ", ".join(facts["files"])
        size = human_bytes(facts["bytes"])
        note(f"{names}: {size}, {facts['seconds']:.1f} s", style="green")


def _kind(emit: str | None, file: Path | None) -> str:
    if emit is None:
        suffix = file.suffix if file is not None else ""
        return next((k for k, s in KINDS.items() if s == suffix), "ir")
    if emit not in KINDS:
        raise typer.BadParameter(
            f"'{emit}' is neither ir nor onnx", param_hint="--emit"
        )
    return emit
