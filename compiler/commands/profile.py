"""Where the time of an inference goes, launch by launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .console import table

if TYPE_CHECKING:
    from ovc.runtime.session import LaunchTime


def profile_record(steps: Sequence[LaunchTime]) -> list[dict[str, Any]]:
    """Times of launches for JSON."""
    return [
        {
            "kernel": step.kernel,
            "layers": list(step.layers),
            "ms": step.seconds * 1e3,
            "flops": step.flops,
        }
        for step in steps
    ]


def profile_table(steps: Sequence[LaunchTime]) -> Table:
    """One row a launch, in order."""
    numbers = ("ms", "share", "GFLOP/s")
    result = table("Launches", "kernel", "layers", *numbers, right=numbers)
    total = sum(step.seconds for step in steps) or 1.0
    for step in steps:
        speed = f"{step.flops / step.seconds / 1e9:.1f}" if step.seconds else ""
        share = f"{step.seconds / total:.1%}"
        layers = ", ".join(step.layers)
        result.add_row(step.kernel, layers, f"{step.seconds * 1e3:.4f}", share, speed)
    result.add_section()
    result.add_row("all", "", f"{total * 1e3:.4f}", "100.0%", "")
    return result
