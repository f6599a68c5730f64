"""Where the time of a network goes: every launch against the machine's roofline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .console import table

if TYPE_CHECKING:
    from ovc import CompiledModel
    from ovc.runtime.drivers.peak import Peak
    from ovc.runtime.session import LaunchTime

NUMBERS = ("us", "median", "share", "GFLOP/s", "GB/s", "roofline")


@dataclass(frozen=True)
class LayerTime:
    """One launch over many inferences."""

    step: LaunchTime
    """What it is; its time is that of one inference."""

    least: float
    middle: float
    """Seconds."""

    roofline: float | None
    """The share of the machine's limit that the best time reached."""

    @property
    def flops(self) -> float:
        """Float operations a second."""
        return self.step.flops / self.least if self.least else 0.0

    @property
    def bandwidth(self) -> float:
        """Bytes a second, if everything the launch touches is moved once."""
        return self.step.bytes / self.least if self.least else 0.0


def measure_layers(
    compiled: CompiledModel, arrays: Any, runs: int, peak: Peak | None
) -> list[LayerTime]:
    """Profile `runs` inferences; the launches that take longest come first."""
    profiles = [compiled.profile(arrays) for _ in range(runs)]
    layers: list[LayerTime] = []
    for steps in zip(*profiles, strict=True):
        seconds = [step.seconds for step in steps]
        least, step = min(seconds), steps[0]
        limit = peak.seconds(step.flops, step.bytes) if peak else 0.0
        share = limit / least if peak and least else None
        layers.append(LayerTime(step, least, median(seconds), share))
    return sorted(layers, key=lambda layer: -layer.least)


def layer_records(layers: Sequence[LayerTime]) -> list[dict[str, Any]]:
    """The launches for JSON."""
    return [
        {
            "kernel": layer.step.kernel,
            "layers": list(layer.step.layers),
            "operations": list(layer.step.operations),
            "schedule": layer.step.schedule,
            "min_ms": layer.least * 1e3,
            "median_ms": layer.middle * 1e3,
            "flops": layer.step.flops,
            "bytes": layer.step.bytes,
            "gflops_per_second": layer.flops / 1e9,
            "gigabytes_per_second": layer.bandwidth / 1e9,
            "roofline": layer.roofline,
        }
        for layer in layers
    ]


def layer_tables(layers: Sequence[LayerTime], peak: Peak | None) -> list[Table]:
    """One row a launch, and one row for each kind of kernel."""
    total = sum(layer.least for layer in layers) or 1.0
    limits = _limits(peak) if peak else "The limits of this device are not measured."
    columns = ("kernel", *NUMBERS, "fused", "schedule", "layers")
    rows = table("Launches", *columns, right=NUMBERS)
    rows.caption, rows.caption_justify = limits, "left"
    for layer in layers:
        step = layer.step
        rows.add_row(
            step.kernel,
            *_numbers(layer, total),
            " + ".join(step.operations),
            step.schedule,
            ", ".join(step.layers),
        )
    return [rows, _kinds(layers, total)]


def _numbers(layer: LayerTime, total: float) -> list[str]:
    return [
        f"{layer.least * 1e6:.1f}",
        f"{layer.middle * 1e6:.1f}",
        f"{layer.least / total:.1%}",
        f"{layer.flops / 1e9:.1f}",
        f"{layer.bandwidth / 1e9:.1f}",
        "" if layer.roofline is None else f"{layer.roofline:.0%}",
    ]


def _kinds(layers: Sequence[LayerTime], total: float) -> Table:
    """The time of each kind of kernel: launches whose first operation is the same."""
    seconds: dict[str, list[float]] = {}
    for layer in layers:
        kind = (layer.step.operations or (layer.step.kernel,))[0]
        seconds.setdefault(kind, []).append(layer.least)
    numbers = ("launches", "us", "share")
    rows = table("Kinds of kernels", "first operation", *numbers, right=numbers)
    for kind, times in sorted(seconds.items(), key=lambda item: -sum(item[1])):
        own = sum(times)
        rows.add_row(kind, str(len(times)), f"{own * 1e6:.1f}", f"{own / total:.1%}")
    rows.add_section()
    rows.add_row("all", str(len(layers)), f"{total * 1e6:.1f}", "100.0%")
    return rows


def _limits(peak: Peak) -> str:
    """The roofline in words."""
    speeds = ", ".join(
        f"{speed / 1e9:.0f} GB/s from {size >> 10} KiB"
        for size, speed in peak.bandwidths
    )
    return (
        f"{peak.threads} thread{'s' * (peak.threads > 1)}: "
        f"{peak.flops / 1e9:.0f} GFLOP/s, {speeds}."
    )


def peak_record(peak: Peak | None) -> dict[str, Any] | None:
    """The roofline for JSON."""
    if peak is None:
        return None
    return {
        "threads": peak.threads,
        "flops_per_second": peak.flops,
        "bytes_per_second": {str(size): speed for size, speed in peak.bandwidths},
    }
