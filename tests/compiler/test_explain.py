"""What `explain`, the log and the report say."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from networks import NetworkBuilder
from ovc.compiler import opt_log
from ovc.compiler.conversion import make_conversion
from ovc.compiler.driver import NETWORK
from ovc.compiler.explain import Cost, Recorder, cost_of
from ovc.compiler.locations import set_source
from ovc.compiler.optimizer import optimize
from ovc.compiler.options import CompileOptions
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES
from ovc.compiler.report import page
from ovc.dialects import nn
from ovc.runtime.errors import CompileError, OvcError
from xdsl.dialects.builtin import ModuleOp


def network() -> ModuleOp:
    """A padded convolution, a batch norm, an activation: every layer has a name."""
    net = NetworkBuilder((1, 2, 4, 4))
    ones = np.ones((2, 2, 3, 3), np.float32)
    x = net.block.args[0]
    y = net.add(nn.ConvOp, x, net.constant(ones), pads=[1, 1, 1, 1])
    parameters = [net.constant(np.array([1, 2], np.float32)) for _ in range(4)]
    z = net.add(nn.BatchNormOp, y, *parameters)
    module = net.finish(net.add(nn.ReluOp, z))
    for op in module.walk():
        if op.name.startswith("nn."):
            set_source(op, op.name.removeprefix("nn."))
    return module


def watched(pipeline: str = NETWORK) -> Recorder:
    recorder = Recorder()
    conversion = make_conversion(mean_values="1,2")
    options = CompileOptions(observer=recorder, conversion=conversion)
    optimize(network(), parse_pipeline(pipeline, PASSES), options)
    return recorder


def test_every_pass_is_measured() -> None:
    recorder = watched()

    first, last = recorder.steps[0].before, recorder.steps[-1].after
    assert first.operations == 4
    assert last.operations == 3
    assert last.flops is not None
    assert first.flops is not None
    assert last.flops < first.flops
    assert last.bytes is not None
    names = parse_pipeline(NETWORK, PASSES).steps
    assert [s.report.name for s in recorder.steps] == [p.name for p in names]


def test_what_was_fused_is_named() -> None:
    applied = [a for s in watched("fold-batch-norm").steps for a in s.applied]

    assert [(a.layers, a.result) for a in applied] == [
        (("conv", "batch_norm"), "nn.conv")
    ]
    assert set(applied[0].operations) == {"nn.conv", "nn.batch_norm"}


def test_what_stayed_has_a_reason() -> None:
    left = [d for d in watched().left if d.pass_name == "fold-preprocessing"]

    assert [(d.layers, d.operation) for d in left] == [(("arg0",), "nn.add")]
    assert "pads with zeros" in left[0].reason


def test_unknown_shapes_have_unknown_cost() -> None:
    net = NetworkBuilder((1, 4))
    shape = net.add(nn.ShapeOp, net.block.args[0])
    net.add(nn.ReshapeOp, net.block.args[0], shape)

    assert cost_of(net.finish()) == Cost(2, None, None)


class Tags(HTMLParser):
    """Counts elements and remembers addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<path/>` is closed already."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_stands_alone() -> None:
    recorder = watched("infer-shapes,fold-batch-norm,fold-constants")

    text = page(recorder, "a <network>")

    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.links == []
    assert "script" not in tags.count
    assert tags.count["svg"] == 2
    assert "a &lt;network&gt;" in text
    assert text.count('stroke="#c0392b"') == 2  # the convolution and its norm
    assert text.count('stroke="#2e8b57"') == 1


def log_of(module: ModuleOp, pipeline: str) -> opt_log.Log:
    log = opt_log.Log()
    passes = parse_pipeline(pipeline, PASSES)
    optimize(module, passes, CompileOptions(observer=log))
    return log


def test_a_log_can_be_run_again(tmp_path: Path) -> None:
    passes = ["fold-batch-norm", "fold-constants{limit=1000}", "dce"]
    log = log_of(network(), ",".join(passes))
    path = tmp_path / "log"
    text = opt_log.lines(log, {"model": "m", "sha256": "0"}, passes)
    path.write_text("\n".join(text), encoding="utf-8")

    entries = opt_log.read_log(path)

    assert [e["pass"] for e in entries[1:]] == passes
    assert entries[1]["rewrites"][0]["layers"] == ["conv", "batch_norm"]
    opt_log.check_replay(path, entries, log_of(network(), ",".join(passes)))
    other = log_of(network(), "fold-batch-norm,fold-constants,cse")
    opt_log.check_replay(path, entries[:2], log_of(network(), "fold-batch-norm"))
    entries[2]["fingerprint"] = "0"
    with pytest.raises(CompileError, match="step 2, fold-constants"):
        opt_log.check_replay(path, entries, other)


def test_files_that_are_no_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for text in ("", "{}", "no", json.dumps({"sha256": ""}) + '\n{"pass": "x"}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(OvcError, match="not a log"):
            opt_log.read_log(path)
