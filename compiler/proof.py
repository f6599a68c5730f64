"""
`--verify-each`: every pass is checked against the reference interpreter, on the network
itself.

After a pass the network runs as it was before and as it is, on random floats, on its
twin of small whole numbers (`whole_numbers.py`) and on the user's samples. A pass that
changes results is named and rolled back, and a small reproducer is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from ..dialects.types import Array
from ..runtime.errors import CompileError, OvcError
from .exporters.copies import copied, restore
from .interpreter import evaluate, input_names, main_function, output_names
from .options import Observer, PassReport
from .pipeline import Pipeline, apply_pass, count_operations
from .stages import Stage, StageError
from .whole_numbers import float_inputs, is_exact, twin_of, whole_inputs

Inputs: TypeAlias = Mapping[str, Array]

TOLERANCE = 1e-4
"""Of the largest element of an output, in float32."""

WIDE_TOLERANCE = 3e-6
"""The same in float64: what remains is the rounding of folded constants."""

ROUNDING = 1e-5
"""The tolerance on whole numbers for passes that divide or take roots."""

INEXACT = ("fold-batch-norm", "decompose-linear", "recognize-")
"""Passes that divide or take roots; all others agree on whole numbers bit for bit."""


@dataclass(frozen=True)
class Proof:
    """What `--verify-each` needs to know."""

    samples: tuple[Inputs, ...] = ()
    """The user's own inputs."""
    folder: Path = Path()
    """Where reproducers go."""
    name: str = "network"
    """How their files' names begin."""


@dataclass(frozen=True)
class Difference:
    """How a pass changed results."""

    data: str
    """What the network ran on, in words."""
    reason: str
    """What differs, in words."""


@dataclass
class Trial:
    """Inputs, and the outputs that they gave so far."""

    data: str
    inputs: Inputs
    outputs: list[Array] = field(default_factory=list[Array])


@dataclass
class Prover:
    """Runs a pipeline and checks every pass."""

    proof: Proof
    observer: Observer
    changed: int = 0
    failures: list[tuple[str, Difference]] = field(
        default_factory=list[tuple[str, Difference]]
    )

    def run(
        self, pipeline: Pipeline, module: ModuleOp, context: Context
    ) -> list[PassReport]:
        """Apply the passes in place; those that change results are undone."""
        trials = self._trials(module)
        reports: list[PassReport] = []
        size = count_operations(module)
        for index, step in enumerate(pipeline.steps):
            self.observer.started(step.name, index, len(pipeline.steps))
            if isinstance(step, Stage):
                step.check(module)
                self.observer.stage(step.name, module)
                continue
            report = self._step(step, module, context, trials, size)
            if report is None:
                continue
            size = report.operations_after
            reports.append(report)
            self.observer.finished(report)
            self.observer.after_pass(step.name, module)
        self._conclude(len(trials))
        return reports

    def _trials(self, module: ModuleOp) -> list[Trial]:
        arguments = arguments_of(module)
        trials = [Trial("random floats", float_inputs(arguments))]
        for number, sample in enumerate(self.proof.samples, 1):
            trials.append(Trial(f"sample {number}", sample))
        for trial in trials:
            trial.outputs = outputs_of(module, trial.inputs)
        return trials

    def _step(
        self,
        step: ModulePass,
        module: ModuleOp,
        context: Context,
        trials: Sequence[Trial],
        size: int,
    ) -> PassReport | None:
        """One pass; None when it was undone."""
        before = copied(module)
        try:
            report = apply_pass(step, module, context, size)
            if report.matches == 0:
                return report
            difference = self._compare(step, before, module, context, trials)
        except (OvcError, StageError):
            raise
        except Exception as problem:  # a broken pass is what this looks for
            difference = Difference("the network", f"it fails with {problem!r}")
            report = None
        if difference is None:
            self.changed += 1
            return report
        self._fail(step, difference, before)
        restore(module, before)
        return None

    def _compare(
        self,
        step: ModulePass,
        before: ModuleOp,
        after: ModuleOp,
        context: Context,
        trials: Sequence[Trial],
    ) -> Difference | None:
        """Compare on all data; remember the outputs when nothing differs."""
        problem = invalid(after)
        if problem is not None:
            return Difference("the network", problem)
        found: list[list[Array]] = []
        for trial in trials:
            outputs = outputs_of(after, trial.inputs)
            reason = difference_of(before, after, trial, outputs)
            if reason is not None:
                return Difference(trial.data, reason)
            found.append(outputs)
        difference = compare_twins(step, before, context)
        if difference is None:
            for trial, outputs in zip(trials, found, strict=True):
                trial.outputs = outputs
        return difference

    def _fail(self, step: ModulePass, difference: Difference, before: ModuleOp) -> None:
        from .reproducer import write_reproducer

        self.failures.append((step.name, difference))
        place = self.proof.folder / f"{self.proof.name}-{step.name}.mlir"
        write_reproducer(step, before, difference, place)
        self.observer.told(
            f"--verify-each: pass {step.name} changes results on {difference.data}: "
            f"{difference.reason}. It is left out; {place} shows it on a small network"
        )

    def _conclude(self, trials: int) -> None:
        count = trials - 1
        samples = f" and {count} sample{'s' if count > 1 else ''}" if count else ""
        if not self.failures:
            self.observer.told(
                f"--verify-each: {self.changed} passes changed the network and all keep "
                f"its results, on random floats, whole numbers{samples}"
            )


def arguments_of(module: ModuleOp) -> dict[str, SSAValue]:
    """The inputs of `main` by name."""
    function = main_function(module)
    return dict(zip(input_names(function), function.body.block.args, strict=True))


def invalid(module: ModuleOp) -> str | None:
    """What is wrong with the form of a module."""
    try:
        module.verify()
    except VerifyException as problem:
        return f"the result is malformed: {str(problem).strip()}"
    return None


Look: TypeAlias = Callable[[Array], Any]


def outputs_of(
    module: ModuleOp,
    inputs: Inputs,
    wide: bool = False,
    look: Look | None = None,
) -> list[Array]:
    """
    The outputs of `main`.

    Args:
        wide: compute in float64.
        look: is shown every array.
    """
    function = main_function(module)
    block = function.body.block
    values: dict[SSAValue, Array] = {}
    for argument, name in zip(block.args, input_names(function), strict=True):
        values[argument] = _widened(np.asarray(inputs[name])) if wide else inputs[name]
    pending = Counter(o for op in block.ops for o in op.operands)
    for op in block.ops:
        operands = [values[o] for o in op.operands]
        if isinstance(op, ReturnOp):
            return operands
        with np.errstate(all="ignore"):
            results = evaluate(op, operands)
        for result, array in zip(op.results, results, strict=True):
            if look is not None:
                look(array)
            if pending[result]:
                values[result] = _widened(array) if wide else array
        for operand in op.operands:
            pending[operand] -= 1
            if not pending[operand]:
                values.pop(operand, None)
    raise CompileError("function @main does not return")


def _widened(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def difference_of(
    before: ModuleOp, after: ModuleOp, trial: Trial, outputs: Sequence[Array]
) -> str | None:
    """What differs; a difference in float32 counts when it is there in float64 too."""
    names = output_names(main_function(before))
    if worst(names, trial.outputs, outputs, TOLERANCE) is None:
        return None
    return worst(
        names,
        outputs_of(before, trial.inputs, wide=True),
        outputs_of(after, trial.inputs, wide=True),
        WIDE_TOLERANCE,
    )


def worst(
    names: Sequence[str],
    expected: Sequence[Array],
    actual: Sequence[Array],
    tolerance: float,
) -> str | None:
    """The first output that differs by more than `tolerance` of its largest element."""
    if len(expected) != len(actual):
        return f"there are {len(actual)} outputs, before {len(expected)}"
    for name, old, new in zip(names, expected, actual, strict=True):
        if old.shape != new.shape:
            return (
                f"output '{name}' has shape {list(new.shape)}, before {list(old.shape)}"
            )
        error = distance(old, new)
        if error > tolerance:
            return f"output '{name}' differs by {error:.2g} of its largest element"
    return None


def distance(old: Array, new: Array) -> float:
    """The largest difference, relative to the largest finite element."""
    if old.dtype.kind != "f":
        return float((old != new).mean()) if old.size else 0.0
    old, new = old.astype(np.float64), new.astype(np.float64)
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    if same.all():
        return 0.0
    finite = np.abs(old[np.isfinite(old)])
    largest = max(1e-30, float(finite.max(initial=0)))
    with np.errstate(invalid="ignore"):
        gaps = np.where(same, 0.0, np.abs(old - new))
    return float("inf") if np.isnan(gaps).any() else float(gaps.max()) / largest


def compare_twins(
    step: ModulePass, before: ModuleOp, context: Context
) -> Difference | None:
    """The pass on the twin: exact passes must agree bit for bit."""
    twin = twin_of(before)
    inputs = whole_inputs(arguments_of(twin))
    exact = True

    def look(array: Array) -> None:
        nonlocal exact
        exact = exact and is_exact(array)

    old = outputs_of(twin, inputs, look=look)
    step.apply(context, twin)
    problem = invalid(twin)
    if problem is not None:
        return Difference("small whole numbers", problem)
    new = outputs_of(twin, inputs)
    names = output_names(main_function(before))
    tolerance = 0.0 if exact and not step.name.startswith(INEXACT) else ROUNDING
    reason = worst(names, old, new, tolerance)
    if reason is not None and tolerance:
        reason = worst(names, old, new, TOLERANCE)  # rounding grows with the depth
    return None if reason is None else Difference("small whole numbers", reason)
