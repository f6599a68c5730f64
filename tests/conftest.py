"""
Collects `.mlir` tests, and sets Hypothesis up.

A line `// RUN: ovc-opt %s -p dce | filecheck %s` is one test. Both programs run in this
process; `2>&1` joins the errors to the output and a leading `not` expects failure.
"""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import parse_argv_options
from filecheck.parser import Parser
from hypothesis import settings

os.environ["OVC_CACHE"] = ""
"""Tests compile: what earlier runs kept would hide what the code now does."""

settings.register_profile("ovc", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "ovc")

RUN = "// RUN:"


class MlirFile(pytest.File):
    """One `.mlir` file: a test for each of its RUN lines."""

    def collect(self) -> Iterator[MlirTest]:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if line.startswith(RUN):
                name = f"line{number}"
                yield MlirTest.from_parent(self, name=name, command=line[len(RUN) :])


class MlirTest(pytest.Item):
    """`ovc-opt ... | filecheck ...`, or `ovc-opt ...` alone."""

    def __init__(self, *, command: str, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.command = command

    def runtest(self) -> None:
        before, _, after = self.command.partition(" | ")
        output = self.optimize(shlex.split(before.replace("%s", str(self.path))))
        if after:
            check(shlex.split(after.replace("%s", str(self.path))), output)

    def optimize(self, words: list[str]) -> str:
        """What `ovc-opt` prints."""
        from ovc.compiler.opt import app
        from typer.testing import CliRunner

        fails = words[0] == "not"
        arguments = [w for w in words[fails:] if w != "2>&1"]
        assert arguments[0] == "ovc-opt", f"unknown program {arguments[0]}"
        result = CliRunner().invoke(app, arguments[1:])
        if (result.exit_code != 0) != fails:
            raise MlirFailure(
                f"{self.command}\n{result.output}{result.exception or ''}"
            )
        return result.output if "2>&1" in words else result.stdout

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, MlirFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name} {self.command.strip()}"


class MlirFailure(Exception):
    """A `.mlir` test that fails; shown without a traceback."""


def check(words: list[str], output: str) -> None:
    """Run filecheck's words on `output`."""
    options = parse_argv_options(words)
    matcher = Matcher(options, FInput("-", output), Parser.from_opts(options))
    matcher.stderr = io.StringIO()
    if matcher.run():
        raise MlirFailure(f"{matcher.stderr.getvalue()}\n{output}")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> MlirFile | None:
    if file_path.suffix == ".mlir":
        return MlirFile.from_parent(parent, path=file_path)
    return None
