"""The other benchmarks run from end to end; their numbers are nobody's test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from ovc.compiler.commands.layers import LayerTime

from benchmarks.engines import OnnxRuntime, OpenVino
from benchmarks.roofline import HIGH, kind_of, shares_of

ROOT = Path(__file__).resolve().parents[2]
DIGITS = "examples/digits.onnx"


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", DIGITS, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_memory(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"

    out = run("memory", "--threads", "1", "--json", str(numbers))

    assert "| digits " in out
    (record,) = json.loads(numbers.read_text())
    assert record["arena_bytes"] > 0
    expected = {"ovc"}
    if OpenVino.installed():
        expected |= {"openvino IR", "openvino"}
    if OnnxRuntime.installed():
        expected |= {"onnxruntime"}
    assert set(record["growth"]) == expected
    assert all(size > 1 << 20 for size in record["growth"].values())


def test_startup(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"

    out = run("startup", "--rounds", "1", "--json", str(numbers))

    assert "| digits " in out
    (record,) = json.loads(numbers.read_text())
    assert 0 < record["load_ms"] < record["answer_ms"] < record["process_ms"]
    assert 0 < record["warm_s"] < record["cold_s"]


def test_roofline(tmp_path: Path) -> None:
    picture = tmp_path / "roofline.svg"

    out = run("roofline", "--runs", "3", "--svg", str(picture))

    assert "| digits " in out
    assert picture.stat().st_size < 10_000
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def launch(operations: tuple[str, ...], seconds: float, roofline: float) -> LayerTime:
    step: Any = SimpleNamespace(operations=operations, layers=("a",), kernel="k")
    return LayerTime(step, seconds, seconds, roofline)


@pytest.mark.parametrize(
    ("operations", "roofline", "kind"),
    [
        (("conv", "relu"), HIGH, "high"),
        (("conv", "relu"), HIGH - 0.01, "low"),
        (("concat",), 1.0, "moving"),
        (("concat", "relu"), 0.5, "low"),
        (("halo",), 0.1, "moving"),
    ],
)
def test_kinds_of_launches(
    operations: tuple[str, ...], roofline: float, kind: str
) -> None:
    assert kind_of(launch(operations, 1.0, roofline)) == kind


def test_shares_of_an_inference() -> None:
    layers = [
        launch(("conv",), 4.0, 1.0),
        launch(("softmax",), 2.0, 0.5),
        launch(("transpose",), 1.0, 0.25),
    ]

    found = shares_of("net", 10.0, layers)

    assert (found.high, found.low, found.moving) == (0.4, 0.2, 0.1)
    assert found.rest == pytest.approx(0.3)
    assert found.limit == pytest.approx((4 + 1 + 0.25) / 10)
    assert found.worst == "softmax a, 10.0%"
