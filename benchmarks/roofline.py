"""
Where the time goes that is left: every network's launches against the roofline.

    python -m benchmarks.roofline [resnet50 ...] [--threads 1] [--svg docs/roofline.svg]

Each launch belongs to one share of the network's time: it reaches 90 % of what the machine
allows for its operations and bytes, or it reaches less, or it only moves data. What is
between the launches and around them is the rest of an inference.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovc.compiler.commands.layers import LayerTime, measure_layers
from ovc.dialects.nn import movement
from ovc.runtime.drivers.peak import Peak
from ovc.runtime.drivers.peak import measure as measure_peak

from . import networks
from .compare import markdown
from .engines import random_inputs

if TYPE_CHECKING:
    from ovc import CompiledModel

HIGH = 0.9
"""A launch at this share of the roofline leaves little to win."""

MOVING = {op.name.removeprefix("nn.") for op in movement.OPS} | {"halo", "identity"}
"""Operations that compute nothing."""

COLORS = {"high": "#2f7d4f", "low": "#e0a03c", "moving": "#b5483a", "rest": "#9a9a9a"}
TITLES = {
    "high": "at 90 % of the roofline or more",
    "low": "below",
    "moving": "data movement",
    "rest": "between launches",
}

BAR, GAP, LEFT, WIDTH = 16, 6, 110, 560
"""Sizes in the picture, in pixels."""


@dataclass(frozen=True)
class Shares:
    """How one inference's time is spent."""

    network: str
    milliseconds: float
    high: float
    low: float
    moving: float
    rest: float
    limit: float
    """The roofline's time for all launches, as a share of the whole."""
    worst: str
    """The launch that is farthest from its limit, in time."""


def shares_of(network: str, seconds: float, layers: Sequence[LayerTime]) -> Shares:
    """Divide an inference of `seconds` among its launches."""
    parts = dict.fromkeys(("high", "low", "moving"), 0.0)
    limit = 0.0
    for layer in layers:
        parts[kind_of(layer)] += layer.least
        limit += layer.least * min(1.0, layer.roofline or 0.0)
    whole = max(seconds, sum(parts.values()))
    worst = max(layers, key=lambda layer: layer.least * (1 - (layer.roofline or 0.0)))
    lost = worst.least * (1 - (worst.roofline or 0.0))
    names = worst.step.layers or worst.step.operations or (worst.step.kernel,)
    return Shares(
        network,
        whole * 1e3,
        **{kind: part / whole for kind, part in parts.items()},
        rest=1 - sum(parts.values()) / whole,
        limit=limit / whole,
        worst=f"{'+'.join(worst.step.operations)} {names[0]}, {lost / whole:.1%}",
    )


def kind_of(layer: LayerTime) -> str:
    """What share a launch belongs to."""
    if set(layer.step.operations) <= MOVING:
        return "moving"
    return "high" if (layer.roofline or 0.0) >= HIGH else "low"


def measure(model: str, peak: Peak, runs: int) -> Shares:
    """Compile a network as an artifact, load and profile it."""
    import ovc

    path = networks.find(model).resolve()
    print(f"{path.stem} ...", file=sys.stderr, flush=True)
    config = {"INFERENCE_NUM_THREADS": peak.threads}
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder, "model.ovc")
        ovc.compile_model(path, "CPU", config).export_model(artifact)
        compiled = ovc.import_model(artifact, "CPU", config)
        arrays = random_inputs(path)
        before = least_time(compiled, arrays, runs)
        layers = measure_layers(compiled, arrays, runs, peak)
        seconds = min(before, least_time(compiled, arrays, runs))
        return shares_of(path.stem, seconds, layers)


def least_time(compiled: CompiledModel, arrays: dict[str, Any], runs: int) -> float:
    """Seconds of the fastest inference."""
    best = float("inf")
    for _ in range(runs + 3):
        start = time.perf_counter()
        compiled(arrays)
        best = min(best, time.perf_counter() - start)
    return best


def table(found: Sequence[Shares]) -> str:
    """One row a network, as Markdown."""
    header = [
        "network",
        "ms",
        *TITLES.values(),
        "roofline/time",
        "farthest from its limit",
    ]
    rows: list[list[str]] = []
    for each in found:
        parts = (getattr(each, kind) for kind in TITLES)
        row = [each.network, f"{each.milliseconds:.2f}", *(f"{p:.0%}" for p in parts)]
        rows.append([*row, f"{each.limit:.0%}", each.worst])
    return markdown(header, rows)


def picture(found: Sequence[Shares], threads: int) -> str:
    """Stacked bars, one a network, as SVG."""
    height = (BAR + GAP) * len(found) + 60
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" '
        f'height="{height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    at = LEFT
    for kind, title in TITLES.items():
        lines.append(
            f'<rect x="{at}" y="8" width="10" height="10" fill="{COLORS[kind]}"/>'
        )
        lines.append(f'<text x="{at + 14}" y="17">{title}</text>')
        at += 30 + 6 * len(title)
    for row, each in enumerate(found):
        y, x = 30 + row * (BAR + GAP), float(LEFT)
        lines.append(
            f'<text x="{LEFT - 6}" y="{y + 12}" text-anchor="end">{each.network}</text>'
        )
        for kind in TITLES:
            width = getattr(each, kind) * WIDTH
            lines.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" '
                f'fill="{COLORS[kind]}"/>'
            )
            x += width
        lines.append(
            f'<text x="{x + 6:.0f}" y="{y + 12}">{each.milliseconds:.2f} ms</text>'
        )
    title = f"Share of an inference's time, {threads} thread{'s' * (threads > 1)}"
    lines.append(f'<text x="{LEFT}" y="{height - 10}">{title}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("models", nargs="*", help="ONNX files or names of networks")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--svg", type=Path, help="draw the bars here")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    options = parser.parse_args(arguments)
    peak = measure_peak(options.threads)
    models = options.models or networks.known_networks()
    found = [measure(model, peak, options.runs) for model in models]
    print(table(found))
    if options.svg:
        options.svg.write_text(picture(found, options.threads))
    if options.json:
        options.json.write_text(json.dumps([asdict(f) for f in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
