"""`ovc compile`: a model file to an artifact."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ...runtime.errors import ArtifactError
from ..options import CompileOptions
from .console import human_bytes, note, print_json, show, watching
from .conversion_flags import ModelOptions, converts, parsed_shapes
from .records import OptLog, Records, Report

Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--input-shape",
        metavar="NAME:1x3x320x320",
        help="Fix the symbolic dimensions of an input. Repeat it for others.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors and results.")]
VerifyEach = Annotated[
    bool,
    typer.Option(
        "--verify-each", help="Check every pass on the network; leave out wrong ones."
    ),
]
Samples = Annotated[
    list[Path] | None,
    typer.Option("--sample", metavar="FILE", help="Inputs to check on. Repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def check_choices(**choices: str) -> None:
    """Refuse options, by name, that are neither auto nor never."""
    for name, choice in choices.items():
        if choice not in ("auto", "never"):
            raise typer.BadParameter(
                f"'{choice}' is neither auto nor never", param_hint=f"--{name}"
            )


@converts
def compile_command(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    options: ModelOptions,
    artifact: Annotated[
        Path | None,
        typer.Option(
            "--artifact", "-o", help="The artifact; MODEL.ovc here by default."
        ),
    ] = None,
    target: Annotated[str, typer.Option("--target", "-t", help="cpu or gpu.")] = "cpu",
    cpu: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="A processor level such as x86-64-v3."),
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(help="Generic passes to run, as ovc-opt takes them.")
    ] = None,
    winograd: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="3x3 convolutions in tiles, with fewer products: auto or never.",
        ),
    ] = "auto",
    strassen: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="Matrices in quadrants, with seven products for eight: auto or never.",
        ),
    ] = "auto",
    print_ir_after: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Print IR after a stage.")
    ] = None,
    stats: Annotated[
        bool, typer.Option(help="Show time and effect of passes.")
    ] = False,
    tune: Annotated[
        bool, typer.Option("--tune", help="Try schedules on this machine first.")
    ] = False,
    tune_budget: Annotated[
        float,
        typer.Option("--tune-budget", metavar="SECONDS", min=0, help="For --tune."),
    ] = 60.0,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Look nothing up, and keep nothing.")
    ] = False,
    verify_each: VerifyEach = False,
    samples: Samples = None,
    report: Report = None,
    opt_log: OptLog = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Check the IR after every pass.")
    ] = False,
) -> None:
    """Compile a model to an artifact."""
    if target not in ("cpu", "gpu"):
        raise typer.BadParameter(
            f"'{target}' is neither cpu nor gpu", param_hint="--target"
        )
    check_choices(winograd=winograd, strassen=strassen)
    if json and print_ir_after:
        raise typer.BadParameter("--json and --print-ir-after exclude each other")
    place = artifact or options.artifact or Path(f"{model.stem}.ovc")
    check_writable(place)
    records = Records(report, opt_log)
    for written in (report, opt_log):
        if written is not None:
            check_writable(written)

    from ...runtime.artifact import write_artifact
    from ...runtime.devices import opencl_device_type
    from ..cache import default_folder
    from ..kept import kept_network

    check_steps(print_ir_after or [], target, pipeline)
    watched = bool(print_ir_after or stats or verbose or report or opt_log)
    start = time.perf_counter()
    with watching(quiet, print_ir_after or []) as observer:
        chosen = CompileOptions(
            input_shapes=options.input_shapes,
            conversion=options.conversion,
            pipeline=pipeline,
            cpu=cpu,
            winograd=winograd,
            strassen=strassen,
            device_type=opencl_device_type() if target == "gpu" else None,
            check_every_pass=verbose,
            cache=None if no_cache or (watched and not tune) else default_folder(),
            tune=tune_budget if tune else None,
            verify_each=verify_each,
            samples=tuple(samples or ()),
            reproducers=place.parent,
            observer=records.observer(observer),
        )
        kept = kept_network(model, target, chosen)
        compiled = kept.find() if kept else None
        if compiled is None:
            from ..collector import rare_collections
            from ..driver import compile_anew

            with rare_collections(at_the_end=False):
                compiled = compile_anew(model, target, chosen)
            if kept:
                kept.add(compiled)
        if kept:
            kept.write(compiled, place)
        else:
            write_artifact(place, compiled)
    records.write(model, chosen, quiet)
    seconds = time.perf_counter() - start
    manifest = compiled.manifest
    facts: dict[str, Any] = {
        "artifact": str(place),
        "target": target,
        "bytes": place.stat().st_size,
        "kernels": len(manifest.kernels),
        "launches": len(manifest.launches),
        "arena_bytes": manifest.arena_bytes,
        "weights_bytes": manifest.weights_bytes,
        "seconds": round(seconds, 3),
    }
    if json:
        passes = [
            {
                "name": r.name,
                "seconds": r.seconds,
                "operations_before": r.operations_before,
                "operations_after": r.operations_after,
            }
            for r in observer.reports
        ]
        print_json(facts | ({"passes": passes} if stats else {}))
        return
    if stats:
        show(observer.table())
    if not quiet:
        note(
            f"{place}: {target}, {human_bytes(facts['bytes'])}, "
            f"{facts['kernels']} kernels in {facts['launches']} launches, "
            f"arena {human_bytes(manifest.arena_bytes)}, {seconds:.1f} s",
            style="green",
        )


def check_steps(names: list[str], target: str, network: str | None) -> None:
    """Refuse names that are no pass or stage of the pipeline."""
    if not names:
        return
    from ..driver import pipeline_text
    from ..pipeline import parse_pipeline
    from ..registry import PASSES

    steps = parse_pipeline(pipeline_text(target, network), PASSES).steps
    known = list(dict.fromkeys(step.name for step in steps))
    for name in names:
        if name not in known:
            raise typer.BadParameter(
                f"'{name}' is none of {', '.join(known)}", param_hint="--print-ir-after"
            )


def check_writable(path: Path) -> None:
    """Refuse an output path now rather than after the work."""
    folder = path.parent
    if not folder.is_dir():
        raise ArtifactError(f"{path}: there is no folder {folder}")
    if path.is_dir():
        raise ArtifactError(f"{path}: is a folder")
    if not os.access(folder, os.W_OK):
        raise ArtifactError(f"{path}: the folder {folder} cannot be written to")


__all__ = ["Json", "Quiet", "Shapes", "compile_command", "parsed_shapes"]
