"""
Time ovc beside onnxruntime and OpenVINO: same process, same inputs, in turns.

    python -m benchmarks.compare resnet50 mobilenetv2 --threads 1 2
    python -m benchmarks.compare model.onnx --engines ovc ovc-gpu --json out.json

Batch 1 as the file has it, float32. Prints a table, and writes it as Markdown and JSON
where asked. Engines that are not installed are left out (`pip install '.[bench]'`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from math import exp, log
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from . import networks, peak
from .engines import ENGINES


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("models", nargs="*", help="ONNX files or names of networks")
    parser.add_argument("--all", action="store_true", help="all benchmark networks")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES))
    parser.add_argument("--seconds", type=float, default=3.0, help="for each engine")
    parser.add_argument("--no-load", action="store_true", help="inference times only")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    options = parser.parse_args(arguments)
    if options.all:
        options.models = networks.known_networks() + options.models
    if not options.models:
        parser.error("name a model, or give --all")
    return options


def worker(*arguments: str) -> dict[str, Any]:
    """Run one measurement in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", *arguments],
        capture_output=True,
        text=True,
        cwd=networks.ROOT,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        sys.stderr.write(done.stderr[-2000:])
        return {"error": f"the process ended with {done.returncode}"}
    return json.loads(lines[-1])


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median, least and spread: half the middle half of the times, over the median."""
    middle = median(seconds)
    low, _, high = quantiles(seconds, n=4)
    return {
        "median_ms": middle * 1e3,
        "min_ms": min(seconds) * 1e3,
        "spread": (high - low) / 2 / middle,
        "runs": len(seconds),
    }


def flops_of(model: Path) -> int | None:
    """The work of one inference, counted by ovc."""
    from ovc.compiler.reading import read_network

    try:
        return read_network(model, {}).flops
    except Exception as problem:
        print(f"{model.name}: no operation count ({problem})", file=sys.stderr)
        return None


def compare(
    model: str, options: argparse.Namespace, names: list[str]
) -> dict[str, Any]:
    """All measurements of one model."""
    path = networks.find(model).resolve()
    record: dict[str, Any] = {"model": path.stem, "flops": flops_of(path)}
    for threads in options.threads:
        print(f"{path.stem}, {threads} threads ...", file=sys.stderr, flush=True)
        found = worker("time", str(path), str(threads), str(options.seconds), *names)
        for entry in found.values() if "error" not in found else ():
            if "seconds" in entry:
                entry |= summary(entry.pop("seconds"))
        record[f"threads_{threads}"] = found
    if not options.no_load:
        most = str(max(options.threads))
        record["load"] = {n: worker("load", str(path), most, n) for n in names}
    return record


def ratio(record: dict[str, Any], threads: int, names: Sequence[str]) -> float | None:
    """ovc's time over the least of the others', where there are both."""
    entries = record[f"threads_{threads}"]
    mine = entries.get("ovc", {}).get("median_ms")
    theirs = [entries.get(name, {}).get("median_ms") for name in names]
    known = [time for time in theirs if time]
    return mine / min(known) if mine and known else None


def groups(names: Sequence[str]) -> dict[str, list[str]]:
    """The engines that each column of ratios compares with, by its title."""
    against = [name for name in names if not name.startswith("ovc")]
    columns = {f"ovc/{name}": [name] for name in against}
    return columns | ({"ovc/faster": against} if len(against) > 1 else {})


def speed_rows(
    records: Sequence[dict[str, Any]], threads: int, names: list[str], top: float
) -> list[list[str]]:
    """One row a model: times, ratios, share of the peak."""
    rows: list[list[str]] = []
    for record in records:
        entries = record[f"threads_{threads}"]
        row = [record["model"]]
        row += [_time(entries.get(name, {})) for name in names]
        for against in groups(names).values():
            found = ratio(record, threads, against)
            row.append("" if found is None else f"{found:.2f}")
        mine = entries.get("ovc", {}).get("median_ms")
        flops = record["flops"]
        row.append(f"{flops / (mine / 1e3) / top:.0%}" if mine and flops else "")
        difference = entries.get("ovc", {}).get("difference")
        row.append("" if difference is None else f"{difference:.0e}")
        rows.append(row)
    rows.append(_means_row(records, threads, names))
    return rows


def _time(entry: dict[str, Any]) -> str:
    if "median_ms" not in entry:
        return "failed" if "error" in entry else ""
    return f"{entry['median_ms']:.2f} ({entry['min_ms']:.2f}, {entry['spread']:.0%})"


def _means_row(
    records: Sequence[dict[str, Any]], threads: int, names: list[str]
) -> list[str]:
    row = ["geometric mean", *[""] * len(names)]
    for against in groups(names).values():
        found = [ratio(record, threads, against) for record in records]
        mean = geometric_mean([each for each in found if each])
        row.append("" if mean is None else f"{mean:.2f}")
    return [*row, "", ""]


def geometric_mean(values: Sequence[float]) -> float | None:
    """Of positive numbers; None when there are none."""
    return exp(sum(map(log, values)) / len(values)) if values else None


def conclusion(
    records: Sequence[dict[str, Any]], threads: int, names: Sequence[str]
) -> str:
    """How ovc does against the faster of the others, in a sentence; may be empty."""
    against = [name for name in names if not name.startswith("ovc")]
    found = {r["model"]: ratio(r, threads, against) for r in records}
    speeds = {model: 1 / each for model, each in found.items() if each}
    mean = geometric_mean(list(speeds.values()))
    if mean is None or "ovc" not in names:
        return ""
    worst, best = (
        min(speeds, key=speeds.__getitem__),
        max(speeds, key=speeds.__getitem__),
    )
    return (
        f"Against the faster of {' and '.join(against)}, network by network, ovc is "
        f"{mean:.2f}x as fast in the geometric mean: from {speeds[worst]:.2f}x "
        f"({worst}) to {speeds[best]:.2f}x ({best})."
    )


def load_rows(records: Sequence[dict[str, Any]], names: list[str]) -> list[list[str]]:
    """One row a model: seconds to load and megabytes, for each engine."""
    rows: list[list[str]] = []
    for record in records:
        row = [record["model"]]
        for name in names:
            entry = record["load"][name]
            if "load_s" not in entry:
                row.append("failed")
                continue
            text = f"{entry['load_s']:.2f} s, {entry['memory_bytes'] / 1e6:.0f} MB"
            if "reload_s" in entry:
                text += f" (artifact: {entry['reload_s'] * 1e3:.0f} ms)"
            row.append(text)
        rows.append(row)
    return rows


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose source is aligned as well."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[c]) for line in lines) for c in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(w) for cell, w in zip(cells, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def report(
    records: Sequence[dict[str, Any]],
    machine: dict[str, Any],
    options: argparse.Namespace,
    names: list[str],
) -> str:
    """The whole report, as Markdown."""
    versions = ", ".join(f"{n} {v}" for n, v in machine["versions"].items())
    parts = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; "
        f"{versions}. `{machine['command']}`"
    ]
    parts.append(
        "Milliseconds: median (least, spread). Ratios are ovc's time over the other's, "
        "or over the faster one's: below 1 ovc is faster. `difference` is the largest "
        "one between ovc's outputs and the other engine's, of the largest output."
    )
    for threads in options.threads:
        top = machine["peak_flops"][str(threads)]
        parts.append(
            f"### {threads} thread{'s' * (threads > 1)}, {top / 1e9:.0f} GFLOP/s peak"
        )
        header = ["network", *names, *groups(names), "of peak", "difference"]
        parts.append(markdown(header, speed_rows(records, threads, names, top)))
        parts.append(conclusion(records, threads, names))
    if not options.no_load:
        parts.append(f"### Load time and memory, {max(options.threads)} threads")
        parts.append(markdown(["network", *names], load_rows(records, names)))
    return "\n\n".join(filter(None, parts)) + "\n"


def describe_machine(threads: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Processor, cores, measured peak, and versions of the engines."""
    from llvmlite import binding as llvm

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return {
        "processor": f"{next(named, platform.processor())} ({llvm.get_host_cpu_name()})",
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(ENGINES[name].package) for name in names},
        "command": " ".join(["python -m benchmarks.compare", *sys.argv[1:]]),
        "peak_flops": {str(count): peak.measure(count) for count in threads},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    options = parse_arguments(arguments)
    wanted = options.engines or ["ovc", "onnxruntime", "openvino"]
    names = [name for name in wanted if ENGINES[name].installed()]
    for name in set(wanted) - set(names):
        print(f"{name} is not installed and left out", file=sys.stderr)
    for model in options.models:
        networks.find(model)  # a wrong name is known before anything is measured
    machine = describe_machine(options.threads, names)
    records = [compare(model, options, names) for model in options.models]
    text = report(records, machine, options, names)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        facts = {"machine": machine, "engines": names, "networks": records}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    failed = [
        r for r in records for n in options.threads if "error" in r[f"threads_{n}"]
    ]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
