"""`ovc explain` and `ovc opt-log`: what the passes did, what they left and why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..options import CompileOptions
from .compile import Json, Quiet, check_writable
from .console import note, print_json, show, table
from .conversion_flags import ModelOptions, converts
from .records import Report, write_log

if TYPE_CHECKING:
    from ..explain import Recorder

PassNames = Annotated[
    list[str] | None,
    typer.Option("--pass", metavar="PASS", help="Only what this pass says."),
]


@converts
def explain_command(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    options: ModelOptions,
    passes: PassNames = None,
    pipeline: Annotated[
        str | None, typer.Option(help="Generic passes to run, as ovc-opt takes them.")
    ] = None,
    report: Report = None,
    json: Json = False,
) -> None:
    """Show what the passes did, what they left as it is, and why."""
    from ..explain import Recorder

    recorder = Recorder()
    chosen = CompileOptions(
        input_shapes=options.input_shapes,
        conversion=options.conversion,
        pipeline=pipeline,
        observer=recorder,
    )
    if report is not None:
        check_writable(report)
    explained(model, chosen, halves=True)
    _write_report(report, recorder, model)
    if json:
        print_json(as_record(recorder, passes))
        return
    for remark in recorder.remarks:
        note(remark, style="yellow")
    show_steps(recorder, passes)


def explained(model: Path, options: CompileOptions, halves: bool = False) -> None:
    """Run the passes; the observer hears of everything, with `halves` of those too."""
    from ..driver import optimize_model, read_model

    network = read_model(model, options)
    optimize_model(network, options)
    if halves and options.conversion.data_type == "FP16":
        from ..passes.halve_weights import HalveWeightsPass
        from ..pipeline import Pipeline
        from ..registry import make_context

        last = Pipeline((HalveWeightsPass(),))
        last.run(network.module, make_context(), options.observer)


def _write_report(report: Path | None, recorder: Recorder, model: Path) -> None:
    if report is None:
        return
    from ..report import write_report

    write_report(recorder, f"{model.name}: what the passes did", report)
    note(f"{report}: written", style="green")


def as_record(recorder: Recorder, passes: list[str] | None) -> dict[str, Any]:
    """Everything, for JSON."""
    steps = [s for s in recorder.steps if not passes or s.report.name in passes]
    return {
        "passes": [
            {
                "name": s.report.name,
                "seconds": s.report.seconds,
                "matches": s.report.matches,
                "before": asdict(s.before),
                "after": asdict(s.after),
                "applied": [asdict(a) for a in s.applied],
            }
            for s in steps
        ],
        "left": [
            asdict(d) for d in recorder.left if not passes or d.pass_name in passes
        ],
        "remarks": recorder.remarks,
    }


def show_steps(recorder: Recorder, passes: list[str] | None) -> None:
    """The same for people."""
    from ..report import row

    numbers = ("ms", "rewrites", "operations", "work", "bytes moved")
    overview = table("Passes", "pass", *numbers, right=numbers)
    done = table("What was fused into what", "pass", "layers", "operations", "became")
    left = table("What stayed, and why", "pass", "layer", "operation", "reason")
    for step in recorder.steps:
        if passes and step.report.name not in passes:
            continue
        cells = row(step)
        names = ("name", "ms", "matches", "operations", "flops", "bytes")
        overview.add_row(*(cells[name] for name in names))
        for a in step.applied:
            became = f"{a.result} ({a.note})" if a.note else a.result
            layers = ", ".join(a.layers)
            done.add_row(a.pass_name, layers, " + ".join(a.operations), became)
    for d in recorder.left:
        if passes and d.pass_name not in passes:
            continue
        reason = f"{d.rewrite}: {d.reason}" if d.rewrite else d.reason
        left.add_row(d.pass_name, ", ".join(d.layers), d.operation, reason)
    show(*(t for t in (overview, done, left) if t.row_count))


@converts
def opt_log_command(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    options: ModelOptions,
    log: Annotated[
        Path | None,
        typer.Option("-o", "--log", help="Where to; MODEL.optlog.jsonl by default."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="LOG", help="Run the passes of a log again."),
    ] = None,
    until: Annotated[
        int | None, typer.Option(min=1, help="Stop the replay after this step.")
    ] = None,
    report: Report = None,
    quiet: Quiet = False,
) -> None:
    """Write the sequence of rewrites, or run one again and compare every step."""
    from .. import opt_log

    record = opt_log.Log()
    entries = opt_log.read_log(replay) if replay is not None else []
    steps = entries[1:][:until]
    pipeline = ",".join(e["pass"] for e in steps) if replay is not None else None
    chosen = CompileOptions(
        input_shapes=options.input_shapes,
        conversion=options.conversion,
        pipeline=pipeline,
        observer=record,
    )
    place = log or Path(f"{model.stem}.optlog.jsonl")
    if replay is None:
        check_writable(place)
    explained(model, chosen)
    if replay is not None:
        opt_log.check_replay(replay, [entries[0], *steps], record)
        message = f"{replay}: {len(steps)} steps give the networks of the log"
    else:
        write_log(record, place, model, chosen)
        message = f"{place}: {len(record.steps)} steps"
    _write_report(report, record, model)
    if not quiet:
        note(message, style="green")
