"""Everything that keeps one model from being imported, in one report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ....runtime.errors import ImportFailure

NODES_SHOWN = 5
"""A row of the report names this many nodes; `problems` has all."""


class Unsupported(Exception):
    """A node, tensor or graph that cannot be imported. The message says why; who
    catches it knows where."""


class NeedsDefinition(Exception):
    """
    A row leaves this node to the standard's definition of the operator by others. It
    says so before it builds anything.
    """


@dataclass(frozen=True)
class Problem:
    """Why one node, or the graph around the nodes, cannot be imported."""

    reason: str
    node: str | None = None
    op_type: str = ""
    share: float | None = None
    """Of the model's work, between 0 and 1."""


class UnsupportedModel(ImportFailure):
    """A readable model with nodes that cannot be imported."""

    def __init__(self, path: Path, problems: Sequence[Problem], measure: str) -> None:
        """`measure` is what shares are of: "work" or "nodes"."""
        self.problems = tuple(problems)
        super().__init__(_report(path, problems, measure))


def with_shares(
    problems: Iterable[Problem], work: Iterable[float], total: float
) -> list[Problem]:
    """The problems with the share of `total` that each one's work is."""
    return [
        replace(p, share=min(1.0, w / total) if total and p.node is not None else None)
        for p, w in zip(problems, work, strict=True)
    ]


def _report(path: Path, problems: Sequence[Problem], measure: str) -> str:
    if len(problems) == 1:
        return f"{path}: {_sentence(problems[0], measure)}"
    lines = [f"{path}: cannot be imported, there are {len(problems)} problems:"]
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.op_type, problem.reason), []).append(problem)
    rows = sorted(groups.items(), key=lambda g: -sum(p.share or 0 for p in g[1]))
    return "\n".join(lines + _table([_row(*row) for row in rows], measure))


def _sentence(problem: Problem, measure: str) -> str:
    if problem.node is None:
        return problem.reason
    share = ""
    if problem.share is not None:
        share = f" ({_percent(problem.share)} of the model's {measure})"
    return f'node "{problem.node}" ({problem.op_type}): {problem.reason}{share}'


def _row(key: tuple[str, str], group: Sequence[Problem]) -> tuple[str, ...]:
    op_type, reason = key
    nodes = [p.node for p in group if p.node is not None]
    shown = ", ".join(f'"{n}"' for n in nodes[:NODES_SHOWN])
    if len(nodes) > NODES_SHOWN:
        shown += f" and {len(nodes) - NODES_SHOWN} more"
    shares = [p.share for p in group if p.share is not None]
    share = _percent(sum(shares)) if shares else ""
    return op_type or "(model)", str(len(group)), share, reason, shown


def _table(rows: list[tuple[str, ...]], measure: str) -> list[str]:
    rows = [("operator", "count", f"of {measure}", "reason", "nodes"), *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    right = (False, True, True, False)
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if after else cell.ljust(width)
            for cell, width, after in zip(row, widths, right, strict=False)
        )
        + f"  {row[4]}".rstrip()
        for row in rows
    ]


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")
