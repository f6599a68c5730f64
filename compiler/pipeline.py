"""
Pipelines: passes written as text, run with statistics.

    infer-shapes,fold-constants{limit=1000},dce,network

A word is a pass with its options in braces, or a stage: there the stage is checked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, get_pass_option_infos
from xdsl.utils.arg_spec import ArgSpec
from xdsl.utils.arg_spec import parse_pipeline as parse_specs
from xdsl.utils.exceptions import ArgSpecParseError

from ..runtime.errors import CompileError
from .options import Observer, PassReport
from .passes.reasons import recording
from .passes.rewrite import FunctionPass
from .stages import STAGES, Stage, verify

Step: TypeAlias = ModulePass | Stage
PassTable: TypeAlias = Sequence[type[ModulePass]]

COMMA = re.compile(r'("[^"]*")|\s*,\s*')


@dataclass(frozen=True)
class Pipeline:
    """Passes and stages in the order in which they run."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return ",".join(
            s.name if isinstance(s, Stage) else str(s.spec()) for s in self.steps
        )

    def with_step(self, class_: type[ModulePass], step: ModulePass) -> Pipeline:
        """The same with `step` in the place of every pass of a class."""
        return Pipeline(tuple(step if isinstance(s, class_) else s for s in self.steps))

    def run(
        self,
        module: ModuleOp,
        context: Context,
        observer: Observer | None = None,
        *,
        verify_each: bool = False,
    ) -> list[PassReport]:
        """
        Apply the passes to `module`, in place.

        Args:
            observer: hears of every step. It may print the module, not change it.
            verify_each: check the module after every pass, not only where stages end.

        Raises:
            StageError: a stage's check fails.
            OvcError: a pass meets a network that it cannot compile.
        """
        watcher = observer or Observer()
        reports: list[PassReport] = []
        size = count_operations(module)
        for index, step in enumerate(self.steps):
            watcher.started(step.name, index, len(self.steps))
            if isinstance(step, Stage):
                step.check(module)
                watcher.stage(step.name, module)
                continue
            report = apply_pass(step, module, context, size)
            size = report.operations_after
            if verify_each:
                verify(module, f"after pass {step.name}")
            reports.append(report)
            watcher.finished(report)
            watcher.after_pass(step.name, module)
        return reports


def apply_pass(
    step: ModulePass, module: ModuleOp, context: Context, before: int
) -> PassReport:
    """Apply one pass to `module`, which has `before` operations, and measure it."""
    start = time.perf_counter()
    matches = None
    with recording() as journal:
        if isinstance(step, FunctionPass):
            matches = step.count(module)
        else:
            step.apply(context, module)
    seconds = time.perf_counter() - start
    return PassReport(
        step.name,
        seconds,
        before,
        count_operations(module),
        matches,
        journal.declined,
        journal.applied,
    )


def count_operations(module: ModuleOp) -> int:
    """How many operations a module has, itself apart."""
    count, pending = 0, [module.body]
    while pending:
        for block in pending.pop().blocks:
            op = block.first_op
            while op is not None:
                count += 1
                pending += op.regions
                op = op.next_op
    return count


def parse_pipeline(text: str, passes: PassTable) -> Pipeline:
    """
    The pipeline that `text` says.

    Args:
        passes: those that may be named. Stages may always be named.

    Raises:
        CompileError: malformed text, an unknown pass or option, or a value that does
            not fit. The message lists what is known.
    """
    classes = {p.name: p for p in passes}
    stages = {s.name: s for s in STAGES}
    steps: list[Step] = []
    for spec in _specs(text):
        if spec.name in stages and not spec.parameters:
            steps.append(stages[spec.name])
        elif spec.name in classes:
            steps.append(_pass_with_options(classes[spec.name], spec))
        else:
            raise CompileError(unknown("pass", spec.name, (*classes, *stages)))
    return Pipeline(tuple(steps))


def _specs(text: str) -> Iterator[ArgSpec]:
    compact = COMMA.sub(lambda m: m[1] or ",", text.strip())
    try:
        yield from parse_specs(compact)
    except ArgSpecParseError as error:
        raise CompileError(str(error)) from error


def _pass_with_options(class_: type[ModulePass], spec: ArgSpec) -> ModulePass:
    infos = get_pass_option_infos(class_)
    known = [i.name.replace("_", "-") for i in infos]
    for name in spec.parameters:
        if name.replace("_", "-") not in known:
            what = f"option of pass {class_.name}"
            raise CompileError(unknown(what, name, known))
    try:
        return class_.from_spec(spec)
    except ValueError as error:
        types = (i.expected_type.strip("'") for i in infos)
        kinds = (f"{name}: {type_}" for name, type_ in zip(known, types, strict=True))
        raise CompileError(
            f"the values of {spec} do not fit, the options are {', '.join(kinds)}"
        ) from error


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is none of `known`, with the closest of them."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    guess = f", did you mean '{close[0]}'?" if close else "."
    listed = ", ".join(names) if names else "none"
    return f"unknown {what} '{name}'{guess} Known: {listed}"
