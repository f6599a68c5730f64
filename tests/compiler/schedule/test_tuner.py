"""Tuning finds schedules and algorithms, keeps them, and changes no result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernels import matmul
from networks import NetworkBuilder
from ovc.compiler.cache import SCHEDULES
from ovc.compiler.driver import compile_module, pipeline_text
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions, Observer
from ovc.compiler.passes.use_winograd import Layer
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.compiler.schedule import algorithms, tuner
from ovc.compiler.schedule.algorithms import TunedWinograd, layer_key, layer_times
from ovc.compiler.schedule.candidates import candidates
from ovc.compiler.schedule.collapse import collapse
from ovc.compiler.schedule.table import Entry, LayerTimes, Table
from ovc.compiler.targets import find_target
from ovc.dialects import nn
from ovc.dialects.types import Array
from ovc.runtime.artifact import Artifact
from ovc.runtime.errors import CompileError
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp

PIXELS = np.random.default_rng(0).standard_normal((1, 16, 12, 12)).astype(np.float32)


def convolution(scale: float = 0.1) -> ModuleOp:
    """A layer that Winograd may compute, an activation and a matrix product."""
    generator = np.random.default_rng(1)

    def normal(*shape: int) -> Array:
        return (generator.standard_normal(shape) * scale).astype(np.float32)

    build = NetworkBuilder([1, 16, 12, 12])
    w, b = build.constant(normal(32, 16, 3, 3)), build.constant(normal(32))
    y = build.add(nn.ConvOp, build.values[0], w, b, pads=[1, 1, 1, 1])
    y = build.add(nn.ReluOp, y)
    y = build.add(nn.ReshapeOp, y, build.ints(1, 32 * 144))
    build.add(nn.MatmulOp, y, build.constant(normal(32 * 144, 10)))
    return build.finish()


@dataclass
class Watching(Observer):
    """Remembers what was said."""

    sentences: list[str] = field(default_factory=list)
    steps: list[tuple[str, int, int]] = field(default_factory=list)

    def started(self, step: str, index: int, count: int) -> None:
        self.steps.append((step, index, count))

    def told(self, sentence: str) -> None:
        self.sentences.append(sentence)


def compiled(cache: Path | None, tune: float | None = None, **options: Any) -> Artifact:
    model = Model(convolution(), Path("network.onnx"), "")
    chosen = CompileOptions(cache=cache, tune=tune, **options)
    return compile_module(model, "cpu", chosen)


def results(artifact: Artifact, threads: int = 1) -> Array:
    return load(artifact, "CPU", {"INFERENCE_NUM_THREADS": threads})([PIXELS])[0]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Artifact, Watching]:
    """A cache folder after tuning, the tuned network, and what was said."""
    folder, observer = tmp_path_factory.mktemp("cache"), Watching()
    return folder, compiled(folder, 60.0, observer=observer), observer


def test_results_are_those_of_an_untuned_network(
    tuned: tuple[Path, Artifact, Watching],
) -> None:
    expected = results(compiled(None))

    for threads in (1, 2):
        result = results(tuned[1], threads)
        np.testing.assert_allclose(result, expected, 0, 1e-5 * np.abs(expected).max())


def test_every_kernel_and_layer_is_in_the_table(
    tuned: tuple[Path, Artifact, Watching],
) -> None:
    folder, artifact, _ = tuned
    record = json.loads((folder / SCHEDULES).read_text())

    kernels = {row["kernel"].split(" over ")[0] for row in record["schedules"].values()}
    assert any("matmul_" in name for name in kernels)
    (layer,) = record["algorithms"].values()
    assert layer["layer"] == "3x3 convolution of 16 channels to 32, 12 by 12 pixels"
    assert set(layer["microseconds"]) == {"direct", "F(2x2)", "F(4x4)"}
    assert all(row["microseconds"] > 0 for row in record["schedules"].values())
    assert artifact.manifest.options["tuned_kernels"] >= len(kernels)
    assert artifact.manifest.options["tuned_layers"] == 1


def test_somebody_hears_of_it(tuned: tuple[Path, Artifact, Watching]) -> None:
    _, _, observer = tuned
    tuning = [step for step in observer.steps if step[0].startswith("tune ")]

    assert tuning[0] == ("tune convolutions", 0, 1)
    assert len(tuning) > 2
    assert all(index < count for _, index, count in tuning)
    assert observer.sentences[0].startswith("1 of 1 3x3 convolutions timed in 3 ways")
    assert " kernels tuned, " in observer.sentences[1]


def test_another_compilation_uses_the_table_and_tunes_nothing(
    tuned: tuple[Path, Artifact, Watching], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, first, _ = tuned
    monkeypatch.setattr(tuner, "best_schedule", None)
    monkeypatch.setattr(algorithms, "layer_times", None)
    before = (folder / SCHEDULES).read_bytes()

    for again in (compiled(folder), compiled(folder, 60.0)):
        assert again.manifest.kernels == first.manifest.kernels
        for option in ("tuned_kernels", "tuned_layers"):
            assert again.manifest.options[option] == first.manifest.options[option]
    assert (folder / SCHEDULES).read_bytes() == before


def test_no_budget(tmp_path: Path) -> None:
    observer = Watching()

    artifact = compiled(tmp_path, 0.0, observer=observer)

    assert "tuned_kernels" not in artifact.manifest.options
    assert all(text.startswith("0 of ") for text in observer.sentences)
    assert all(text.endswith("the budget is spent") for text in observer.sentences)
    assert Table.read(tmp_path, "1").is_empty


def test_a_spent_budget_ends_it_soon(tmp_path: Path) -> None:
    start = time.monotonic()

    compiled(tmp_path, 0.2)

    assert time.monotonic() - start < 20


def test_an_interruption_keeps_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tuner.best_schedule
    calls: list[str] = []

    def interrupted(job: tuner.Job, *rest: Any) -> Any:
        calls.append(job.nest.sym_name.data)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(job, *rest)

    monkeypatch.setattr(tuner, "best_schedule", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compiled(tmp_path, 60.0)

    table = Table.read(tmp_path, "")
    assert len(table.entries) == 2
    assert len(table.layers) == 1
    assert [path.name for path in tmp_path.iterdir()] == [SCHEDULES]
    assert compiled(tmp_path).manifest.options["tuned_kernels"] >= 2


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("gpu", {}, "only schedules for this machine's CPU can be tuned"),
        ("cpu", {"cpu": "x86-64-v3"}, "only schedules for this machine's CPU"),
        ("cpu", {"cache": None}, "tuning needs a cache folder to keep what it finds"),
    ],
)
def test_refusals(
    target: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = Model(convolution(), Path("network.onnx"), "")
    chosen = CompileOptions(**({"cache": tmp_path, "tune": 1.0} | options))

    with pytest.raises(CompileError, match=message):
        compile_module(model, target, chosen)

    assert not list(tmp_path.iterdir())


def lower(module: ModuleOp, winograd: str) -> None:
    text = pipeline_text("cpu", "", winograd=winograd).lstrip(",")
    parse_pipeline(text, PASSES).run(module, make_context())


def layer_of(module: ModuleOp) -> Layer:
    (op,) = (op for op in module.walk() if isinstance(op, nn.ConvOp))
    layer = Layer.of(op)
    assert layer is not None
    return layer


def test_a_layer_is_timed_in_every_way() -> None:
    alone, busy = layer_times(layer_of(convolution()), find_target("cpu"), lower)

    assert set(alone) == set(busy) == {"direct", "F(2x2)", "F(4x4)"}
    assert all(0 < t < 1e6 for t in (*alone.values(), *busy.values()))


@pytest.mark.parametrize(
    ("times", "error", "expected"),
    [
        ({"direct": 9.0, "F(2x2)": 5.0, "F(4x4)": 2.0}, 1e-5, 4),
        ({"direct": 9.0, "F(2x2)": 5.0, "F(4x4)": 7.0}, 1e-5, 2),
        ({"direct": 2.0, "F(2x2)": 5.0, "F(4x4)": 7.0}, 1e-5, None),
        ({"direct": 9.0, "F(2x2)": 5.0, "F(4x4)": 2.0}, 0.0, None),
    ],
)
def test_the_fastest_accurate_way_is_taken(
    times: dict[str, float], error: float, expected: int | None, tmp_path: Path
) -> None:
    table, target = Table(tmp_path / SCHEDULES, "1"), find_target("cpu")
    module = convolution()
    key = layer_key(layer_of(module), target, table)
    table.layers[key] = LayerTimes("layer", "cpu", "1", times, dict(times))

    step = TunedWinograd("cpu", error=error, table=table, budget=None, lower=lower)
    step.count(module)

    tiles = [o.tile for o in module.walk() if isinstance(o, nn.WinogradInputOp)]
    assert [tile.value.data for tile in tiles] == ([expected] if expected else [])
    assert table.layers_used == 1


@pytest.mark.parametrize("ratio", [0.99, 0.5])
def test_a_way_must_be_clearly_faster_than_the_estimates(
    ratio: float, tmp_path: Path
) -> None:
    table, target = Table(tmp_path / SCHEDULES, "1"), find_target("cpu")

    def chosen(step: TunedWinograd) -> list[int]:
        module = convolution()
        step.count(module)
        inputs = (o for o in module.walk() if isinstance(o, nn.WinogradInputOp))
        return [o.tile.value.data for o in inputs]

    step = TunedWinograd("cpu", table=table, budget=None, lower=lower)
    (usual,) = chosen(step) or (None,)
    times = dict.fromkeys(("direct", "F(2x2)", "F(4x4)"), 10.0)
    other = "F(2x2)" if usual != 2 else "F(4x4)"
    key = layer_key(layer_of(convolution()), target, table)
    times[other] *= ratio
    table.layers[key] = LayerTimes("layer", "cpu", "1", times, dict(times))

    (found,) = chosen(step) or (None,)

    assert (found == usual) == (ratio == 0.99)


class Clock:
    """Stands for a kernel on the machine: it takes as long as the test says."""

    times: Iterator[float]
    """Of each candidate in turn."""

    def __init__(self, *_: Any) -> None:
        self.least = next(self.times)

    def measure(self) -> float:
        return self.least


def best(
    monkeypatch: pytest.MonkeyPatch, time_of: Callable[[list[str], str], float]
) -> tuple[list[str], Entry]:
    """The candidates of a matrix product, and what the tuner finds."""
    target, nest = find_target("cpu:x86-64-v4"), matmul(24, 96, 32).nest
    collapse(nest)
    schedules = [str(s) for s in candidates(nest, target)]
    times = (time_of(schedules, each) for each in schedules)
    monkeypatch.setattr(Clock, "times", times, raising=False)
    monkeypatch.setattr("ovc.backends.cpu.measure.Measured", Clock)
    job = tuner.Job(nest, (1,), 1.0)
    return schedules, tuner.best_schedule(job, target, "1", float("inf"))


def outermost(schedule: str) -> str:
    return schedule.split(" by ")[0].split(",")[0]


@pytest.mark.parametrize(
    ("share", "same", "expected"),
    [
        (0.98, True, False),
        (0.96, True, True),
        (0.91, False, False),
        (0.89, False, True),
    ],
)
def test_what_a_schedule_must_gain(
    share: float, same: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_of(schedules: list[str], schedule: str) -> float:
        first, *others = schedules
        chosen = next(s for s in others if (outermost(s) == outermost(first)) == same)
        return share if schedule == chosen else 1.0

    schedules, found = best(monkeypatch, time_of)

    assert found.untuned == schedules[0]
    assert (found.schedule != found.untuned) == expected
    assert found.untuned_microseconds == 1e6


def test_the_fastest_schedule_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_of(schedules: list[str], schedule: str) -> float:
        return 0.8 - 0.01 * place if (place := schedules.index(schedule)) else 1.0

    schedules, found = best(monkeypatch, time_of)

    assert found.schedule == schedules[-1]
