"""
The log of an optimization: JSON, one line a pass, which can be run again.

    {"ovc": "0.1.0", "model": "m.onnx", "sha256": "…", "options": {…}}
    {"step": 1, "pass": "fold-batch-norm", "rewrites": [{…}], "left": [{…}],
     "fingerprint": "…"}

A fingerprint is the hash of the IR text, weights included. A replay runs the passes of
the log and compares after each.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from ..runtime.errors import CompileError, OvcError
from .explain import Recorder
from .options import PassReport


class Log(Recorder):
    """Records passes and the network's fingerprint after each."""

    def __init__(self) -> None:
        super().__init__()
        self.start = ""
        self.fingerprints: list[str] = []

    def prepared(self, module: Any) -> None:
        super().prepared(module)
        self.start = self.start or fingerprint(module)

    def after_pass(self, name: str, module: Any) -> None:
        if self.closed:
            return
        super().after_pass(name, module)
        self.fingerprints.append(fingerprint(module))


def fingerprint(module: ModuleOp) -> str:
    """16 digits that change with every operation, type and weight."""
    return hashlib.sha256(str(module).encode()).hexdigest()[:16]


def lines(log: Log, header: dict[str, Any], passes: list[str]) -> list[str]:
    """The log as JSON lines; `passes` are those that ran, with their options."""
    result = [json.dumps(header | {"fingerprint": log.start})]
    for index, (step, text, mark) in enumerate(
        zip(log.steps, passes, log.fingerprints, strict=True), 1
    ):
        result.append(json.dumps(_entry(index, text, step.report, mark, step)))
    return result


def _entry(
    index: int, text: str, report: PassReport, mark: str, step: Any
) -> dict[str, Any]:
    return {
        "step": index,
        "pass": text,
        "matches": report.matches,
        "seconds": round(report.seconds, 6),
        "before": asdict(step.before),
        "after": asdict(step.after),
        "rewrites": [
            {
                "layers": a.layers,
                "operations": a.operations,
                "result": a.result,
                "note": a.note,
            }
            for a in step.applied
        ],
        "left": [
            {
                "layers": d.layers,
                "operation": d.operation,
                "rewrite": d.rewrite,
                "reason": d.reason,
            }
            for d in report.declined
        ],
        "fingerprint": mark,
    }


def write_log(log: Log, place: Path, header: dict[str, Any], passes: list[str]) -> None:
    """
    Write the log.

    Raises:
        OvcError: the file cannot be written.
    """
    text = "\n".join(lines(log, header, passes))
    try:
        place.write_text(f"{text}\n", encoding="utf-8")
    except OSError as problem:
        reason = problem.strerror or problem
        raise OvcError(f"{place}: cannot be written: {reason}") from problem


def read_log(path: Path) -> list[dict[str, Any]]:
    """
    The header and the entries of a log.

    Raises:
        OvcError: it cannot be read, or is no log.
    """
    try:
        entries = [
            json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()
        ]
        if not entries or "sha256" not in entries[0]:
            raise ValueError("it has no header")
        if any("pass" not in e or "fingerprint" not in e for e in entries[1:]):
            raise ValueError("an entry names no pass")
    except (OSError, ValueError, TypeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise OvcError(f"{path}: not a log of ovc opt-log: {reason}") from problem
    return entries


def check_replay(path: Path, entries: list[dict[str, Any]], log: Log) -> None:
    """
    Compare a replay with its log.

    Raises:
        CompileError: a network differs; the message names the first pass.
    """
    if entries[0].get("fingerprint") != log.start:
        raise CompileError(
            f"{path}: the network differs before the first pass; give the model and the "
            "flags that the log was written with"
        )
    for entry, mark in zip(entries[1:], log.fingerprints, strict=True):
        if entry["fingerprint"] != mark:
            raise CompileError(
                f"{path}: step {entry['step']}, {entry['pass']}, gives another network "
                "than the log has"
            )
