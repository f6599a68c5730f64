"""The harness runs from end to end; the numbers themselves are nobody's test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engines import OnnxRuntime, OpenVino
from benchmarks.worker import difference

ROOT = Path(__file__).resolve().parents[2]


def compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_comparison(tmp_path: Path) -> None:
    numbers, page = tmp_path / "numbers.json", tmp_path / "page.md"

    done = compare(
        *("examples/digits.onnx", "--threads", "1", "--seconds", "0.05"),
        *("--engines", "ovc", "onnxruntime", "openvino"),
        *("--json", str(numbers), "--markdown", str(page)),
    )

    assert done.returncode == 0, done.stderr
    facts = json.loads(numbers.read_text())
    assert facts["machine"]["peak_flops"]["1"] > 0
    (network,) = facts["networks"]
    peers = [e.name for e in (OnnxRuntime, OpenVino) if e.installed()]
    assert facts["engines"] == ["ovc", *peers]
    for engine in facts["engines"]:
        assert network["threads_1"][engine]["median_ms"] > 0
        assert network["load"][engine]["memory_bytes"] >= 0
    assert "| digits " in page.read_text()
    assert "geometric mean" in done.stdout
    assert set(facts["machine"]["versions"]) == set(facts["engines"])
    if not peers:
        return
    assert network["threads_1"]["ovc"]["difference"] < 1e-4
    times = {name: network["threads_1"][name]["median_ms"] for name in facts["engines"]}
    faster = times["ovc"] / min(times[peer] for peer in peers)
    lines = done.stdout.splitlines()
    row = next(line for line in lines if line.startswith("| digits  "))
    assert f"{faster:.2f}" in [cell.strip() for cell in row.split("|")]
    assert f"{1 / faster:.2f}x (digits)" in done.stdout


def test_an_unknown_network() -> None:
    done = compare("nosuch", "--threads", "1")

    assert done.returncode == 1
    assert "nosuch: no such file, and no network of that name" in done.stderr


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ([1.0, 2.0], [1.0, 4.0], 0.5),
        ([np.nan, 2.0], [np.nan, 2.0], 0.0),
        ([-np.inf, 1.0], [-np.inf, 2.0], 0.5),
        ([np.nan, 2.0], [1.0, 2.0], np.inf),
        ([1.0, 2.0], [np.nan, 2.0], np.inf),
        ([np.inf, 2.0], [-np.inf, 2.0], np.inf),
    ],
)
def test_what_is_no_number_is_no_small_difference(
    mine: list[float], theirs: list[float], expected: float
) -> None:
    assert difference([np.array(mine)], [np.array(theirs)]) == expected
