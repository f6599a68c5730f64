"""`--report` and `--opt-log`: what the passes did, written while compiling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import CompileOptions, Observer
from .console import note

if TYPE_CHECKING:
    from ..opt_log import Log

Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write a page with pictures: .html."),
]
OptLog = Annotated[
    Path | None,
    typer.Option("--opt-log", metavar="FILE", help="Write the rewrites: .jsonl."),
]


@dataclass
class Records:
    """The files asked for, and who listens for them."""

    report: Path | None
    log: Path | None
    listener: Log | None = None

    def observer(self, first: Observer) -> Observer:
        """`first`, joined by a listener when files are asked for."""
        if self.report is None and self.log is None:
            return first
        from ..explain import Several
        from ..opt_log import Log

        self.listener = Log()
        return Several((first, self.listener))

    def write(self, model: Path, options: CompileOptions, quiet: bool) -> None:
        """Write the files."""
        if self.listener is None:
            return
        if self.report is not None:
            from ..report import write_report

            write_report(
                self.listener, f"{model.name}: what the passes did", self.report
            )
        if self.log is not None:
            write_log(self.listener, self.log, model, options)
        for place in (self.report, self.log):
            if place is not None and not quiet:
                note(f"{place}: written", style="green")


def write_log(listener: Log, place: Path, model: Path, options: CompileOptions) -> None:
    """Write the log of an optimization that `listener` heard."""
    from hashlib import sha256

    from .. import opt_log
    from ..driver import network_text

    digest = sha256(model.read_bytes()).hexdigest()
    header = {"model": model.name, "sha256": digest, "options": options.recorded}
    opt_log.write_log(listener, place, header, pass_texts(network_text(options)))


def pass_texts(pipeline: str) -> list[str]:
    """The passes of a pipeline with their options, without stages."""
    from ..pipeline import parse_pipeline
    from ..registry import PASSES
    from ..stages import Stage

    steps = parse_pipeline(pipeline, PASSES).steps
    return [str(s.spec()) for s in steps if not isinstance(s, Stage)]
