"""`ovc-opt`: run a pipeline on IR text. What passes are tested and explored with."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import get_pass_option_infos
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError

from ..runtime.errors import CompileError, OvcError
from .exporters.to_ir import remember_weights
from .options import Observer, PassReport
from .pipeline import Pipeline, parse_pipeline, unknown
from .registry import PASSES, make_context
from .stages import STAGES, StageError, verify

SEPARATOR = "// -----"

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


class Printing(Observer):
    """Prints the module after the passes and stages with the given names."""

    def __init__(self, after: Sequence[str], locations: bool) -> None:
        self._after = frozenset(after)
        self._locations = locations

    def after_pass(self, name: str, module: Any) -> None:
        self.stage(name, module)

    def stage(self, name: str, module: Any) -> None:
        if name in self._after:
            typer.echo(f"// IR after {name}")
            print_module(module, self._locations)


@app.command()
def optimize(
    file: Annotated[str, typer.Argument(help="IR text; - is the standard input.")] = "",
    passes: Annotated[
        str, typer.Option("--passes", "-p", help="Pipeline, like a,b{option=1},c.")
    ] = "",
    print_ir_after: Annotated[
        list[str] | None, typer.Option(help="Print the IR after a pass or stage.")
    ] = None,
    verify_each: Annotated[
        bool, typer.Option("--verify-each", help="Verify the IR after every pass.")
    ] = False,
    stats: Annotated[
        bool, typer.Option("--stats", help="Show time and effect of every pass.")
    ] = False,
    locations: Annotated[
        bool, typer.Option("--locations", help="Print the layers operations came from.")
    ] = False,
    split_input_file: Annotated[
        bool,
        typer.Option(
            "--split-input-file", help=f"Take parts between {SEPARATOR} apart."
        ),
    ] = False,
    verify_diagnostics: Annotated[
        bool,
        typer.Option(
            "--verify-diagnostics", help="Print errors as results, exit with 0."
        ),
    ] = False,
    list_passes: Annotated[
        bool, typer.Option("--list", help="List passes and stages, and stop.")
    ] = False,
) -> None:
    """Run a pipeline of passes on IR text and print the result."""
    if list_passes:
        typer.echo("\n".join(_catalogue()))
        return
    if not file:
        raise typer.BadParameter("give a file of IR text, or - for the standard input")
    pipeline = _pipeline(passes, print_ir_after or [])
    observer = Printing(print_ir_after or [], locations)
    failed = False
    for index, (part, offset) in enumerate(_parts(_read(file), split_input_file)):
        if index:
            typer.echo(SEPARATOR)
        try:
            module = _parse(part, file, offset, make_context())
            reports = pipeline.run(
                module, make_context(), observer, verify_each=verify_each
            )
            verify(module, "at the end of the pipeline")
        except (OvcError, ParseError, StageError) as error:
            failed = failed or not verify_diagnostics
            typer.echo(_message(error), err=not verify_diagnostics)
            continue
        print_module(module, locations)
        if stats:
            typer.echo("\n".join(_table(reports)), err=True)
    if failed:
        raise typer.Exit(1)


def print_module(module: ModuleOp, locations: bool = False) -> None:
    """Print a module on the standard output."""
    Printer(sys.stdout, print_debuginfo=locations).print_op(module)
    typer.echo()


def _pipeline(text: str, print_after: Sequence[str]) -> Pipeline:
    try:
        pipeline = parse_pipeline(text, PASSES)
        names = list(dict.fromkeys(step.name for step in pipeline.steps))
        for name in print_after:
            if name not in names:
                raise CompileError(
                    unknown("pass or stage of the pipeline", name, names)
                )
    except CompileError as error:
        raise typer.BadParameter(str(error)) from error
    return pipeline


def _read(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        text = Path(file).read_text(encoding="utf-8")
        remember_weights(Path(file))
        return text
    except (OSError, ValueError, KeyError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        typer.echo(f"{file} cannot be read: {reason}", err=True)
        raise typer.Exit(1) from error


def _parts(text: str, split: bool) -> Iterator[tuple[str, int]]:
    """The parts of a file, each with the number of lines before it."""
    offset = 0
    for part in text.split(SEPARATOR) if split else [text]:
        yield part, offset
        offset += part.count("\n")


def _parse(text: str, file: str, offset: int, context: Context) -> ModuleOp:
    name = "<stdin>" if file == "-" else file
    try:
        module = Parser(context, text, name).parse_module()
    except ParseError as error:
        error.span = replace(error.span, line_offset=offset)
        raise
    verify(module, f"{name} does not verify")
    return module


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, ParseError) else f"error: {error}"


def _table(reports: Sequence[PassReport]) -> Iterator[str]:
    yield f"{'pass':24} {'ms':>8} {'before':>7} {'after':>7} {'matches':>8}"
    for report in reports:
        matches = "" if report.matches is None else str(report.matches)
        yield (
            f"{report.name:24} {report.seconds * 1e3:8.2f} {report.operations_before:7}"
            f" {report.operations_after:7} {matches:>8}"
        )


def _catalogue() -> Iterator[str]:
    """One line a pass: name, options, what it does; then the stages."""
    for class_ in PASSES:
        options = " ".join(
            f"{i.name.replace('_', '-')}={i.default_value or i.expected_type}"
            for i in get_pass_option_infos(class_)
        )
        usage = f"{class_.name}{{{options}}}" if options else class_.name
        yield f"{usage:40} {(class_.__doc__ or '').strip().splitlines()[0]}"
    for stage in STAGES:
        yield f"{stage.name:40} Stage of {', '.join(stage.dialects)}."


def main() -> None:
    """Run the command line."""
    app(prog_name="ovc-opt")


if __name__ == "__main__":
    main()
