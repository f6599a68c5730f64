"""What commands say: results on the standard output, everything else on the error output."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from ..options import Observer, PassReport

PIPE_WIDTH = 160
"""Columns of tables that go to a file or a pipe."""


@cache
def output() -> Console:
    """The standard output."""
    return _console(stderr=False)


@cache
def messages() -> Console:
    """The error output: notes, progress and errors."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr,
        width=None if terminal else PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def note(text: str, style: str = "dim") -> None:
    """A sentence for people, on the error output."""
    messages().print(Text(text, style), soft_wrap=True)


def fail(text: str) -> None:
    """An error, in red where there is colour."""
    messages().print(Text(f"error: {text}", "red"), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on the standard output; numbers that JSON lacks are null."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(_plain(value), indent=indent, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(k): _plain(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple():
            return [_plain(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value


def table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table; columns named in `right` hold numbers."""
    result = Table(title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        number = column in right
        result.add_column(column, justify="right" if number else "left", no_wrap=number)
    return result


def show(*tables: Table) -> None:
    """Print tables on the standard output."""
    for each in tables:
        output().print(each)


def human_bytes(count: float) -> str:
    """`4.9 MB`: powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def human_flops(count: float) -> str:
    """`4.12 GFLOP`; smaller numbers in MFLOP."""
    return f"{count / 1e9:.2f} GFLOP" if count >= 1e8 else f"{count / 1e6:.3f} MFLOP"


def shape_text(shape: Sequence[int | str]) -> str:
    """`1x3x224x224`; `scalar` for a number."""
    return "x".join(map(str, shape)) or "scalar"


class Collecting(Observer):
    """Remembers the statistics of passes and prints IR after the stages asked for."""

    def __init__(self, print_after: Sequence[str] = ()) -> None:
        self.reports: list[PassReport] = []
        self._print_after = frozenset(print_after)

    def finished(self, report: PassReport) -> None:
        self.reports.append(report)

    def stage(self, name: str, module: Any) -> None:
        if name in self._print_after:
            sys.stdout.write(f"// IR after {name}\n{module}\n")

    def after_pass(self, name: str, module: Any) -> None:
        self.stage(name, module)

    def told(self, sentence: str) -> None:
        note(sentence, style="yellow")

    def table(self) -> Table:
        """One row a pass."""
        numbers = ("ms", "operations", "rewrites")
        result = table("Passes", "pass", *numbers, right=numbers)
        for report in self.reports:
            before, after = report.operations_before, report.operations_after
            change = f"{before}" if before == after else f"{before} to {after}"
            rewrites = "" if report.matches is None else str(report.matches)
            result.add_row(report.name, f"{report.seconds * 1e3:.1f}", change, rewrites)
        return result


class Showing(Collecting):
    """Moves a progress bar along."""

    def __init__(self, print_after: Sequence[str], progress: Progress) -> None:
        super().__init__(print_after)
        self._progress = progress
        self._task = progress.add_task("reading", total=None)

    def started(self, step: str, index: int, count: int) -> None:
        self._progress.update(
            self._task, description=step, completed=index, total=count
        )


@contextmanager
def watching(quiet: bool, print_after: Sequence[str] = ()) -> Generator[Collecting]:
    """An observer: with a progress bar on a terminal, unless asked to be quiet."""
    if quiet or print_after or not messages().is_terminal:
        yield Collecting(print_after)
        return
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=messages(), transient=True) as progress:
        yield Showing(print_after, progress)
