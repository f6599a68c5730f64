"""What holds for whole compilations: the same bytes, the same bits, IR that is text."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import NetworkBuilder
from ovc.compiler import driver
from ovc.compiler.frontends.base import Model
from ovc.compiler.opt import app
from ovc.compiler.options import CompileOptions, Observer
from ovc.compiler.registry import make_context
from ovc.dialects import nn
from ovc.dialects.types import Array
from ovc.runtime.artifact import Artifact, write_artifact
from ovc.runtime.session import load
from typer.testing import CliRunner
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.parser import Parser

TARGETS = ("cpu", "gpu")
TILES = "kernel.func"
"""What schedules become is printed for people and not parsed."""

SHAPE = (2, 3, 40, 36)


def network() -> Model:
    """Convolutions, a branch, pooling, attention-like products and a classifier."""
    random = np.random.default_rng(0)
    net = NetworkBuilder(SHAPE)

    def weights(*shape: int) -> SSAValue:
        return net.constant(random.standard_normal(shape).astype(np.float32) / 8)

    (x,) = net.block.args
    first = net.add(nn.ConvOp, x, weights(40, 3, 3, 3), weights(40), pads=[1, 1, 1, 1])
    act = net.add(nn.HardSwishOp, first)
    deep = net.add(nn.ConvOp, act, weights(40, 1, 5, 5), pads=[2] * 4, group=40)
    joined = net.add(nn.ConcatOp, [net.add(nn.AddOp, deep, act), act], axis=1)
    pooled = net.add(nn.MaxPoolOp, joined, kernel_shape=[3, 3], strides=[2, 2])
    rows = net.add(nn.ReshapeOp, pooled, net.ints(2, 80, -1))
    scores = net.add(nn.MatmulOp, rows, net.add(nn.TransposeOp, rows, perm=[0, 2, 1]))
    mixed = net.add(nn.MatmulOp, net.add(nn.SoftmaxOp, scores), rows)
    norm = net.add(nn.LayerNormOp, mixed, weights(323), weights(323))
    mean = net.add(nn.ReduceMeanOp, norm, net.ints(2), keepdims=0)
    best = net.add(nn.ArgMaxOp, mean, axis=1)
    module = net.finish(net.add(nn.GemmOp, mean, weights(80, 10)), norm, best)
    return Model(module, Path("whole.onnx"), "0" * 64)


def artifact(target: str, observer: Observer | None = None) -> Artifact:
    options = CompileOptions(observer=observer or Observer())
    return driver.compile_module(network(), target, options)


def digest(target: str, folder: Path) -> str:
    """The hash of an artifact's file."""
    path = folder / "whole.ovc"
    write_artifact(path, artifact(target))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_number_of_threads_changes_no_bit() -> None:
    made = artifact("cpu")
    assert any(launch.parallel for launch in made.manifest.launches)
    x = np.random.default_rng(1).standard_normal(SHAPE, np.float32)
    results: list[list[Array]] = []
    for threads in (1, 2, 3):
        session = load(made, "CPU", {"INFERENCE_NUM_THREADS": threads})
        results += [session([x]), session([x])]
        session.close()
    for other in results[1:]:
        for array, first in zip(other, results[0], strict=True):
            assert array.tobytes() == first.tobytes()


@pytest.mark.parametrize("target", TARGETS)
def test_two_processes_write_the_same_bytes(target: str, tmp_path: Path) -> None:
    here = digest(target, tmp_path)
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_whole\n"
        f"print(test_whole.digest({target!r}, Path({str(tmp_path)!r})))\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    command = [sys.executable, "-c", code]
    there = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    assert not there.returncode, there.stderr
    assert there.stdout.strip() == here


class Texts(Observer):
    """The module as text after every pass and stage."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.stages: dict[str, str] = {}

    def after_pass(self, name: str, module: ModuleOp) -> None:
        self.texts[f"{len(self.texts)} {name}"] = str(module)

    def stage(self, name: str, module: ModuleOp) -> None:
        self.stages[name] = str(module)


@pytest.mark.parametrize("target", TARGETS)
def test_the_text_after_every_pass_is_parsed_as_the_same(target: str) -> None:
    watcher = Texts()
    artifact(target, watcher)
    assert len(watcher.texts) > 15
    for name, text in watcher.texts.items():
        if TILES in text:
            continue
        parsed = Parser(make_context(), text).parse_module()
        parsed.verify()
        assert str(parsed) == text, name


@pytest.mark.parametrize("target", TARGETS)
def test_every_stage_continues_from_text(target: str) -> None:
    """`ovc-opt` takes the text of a stage through the rest of the pipeline."""
    watcher = Texts()
    made = artifact(target, watcher)
    steps = list(made.manifest.passes)
    assert list(watcher.stages) == ["network", "legal", "kernels", "plan"]
    for stage, text in watcher.stages.items():
        if TILES in text:
            continue
        rest = ",".join(steps[steps.index(stage) :])
        result = CliRunner().invoke(app, ["-", "-p", rest], input=text)
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == watcher.stages["plan"].strip(), stage
