from __future__ import annotations

import numpy as np
from networks import NetworkBuilder
from ovc.compiler.locations import set_source
from ovc.compiler.options import Observer, PassReport
from ovc.compiler.passes.reasons import applied, decline, is_kept, keep, recording
from ovc.compiler.passes.rewrite import replace
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.dialects import nn


def test_nothing_is_collected_when_nobody_listens() -> None:
    op = nn.ReluOp.make(NetworkBuilder([2]).values[0])

    decline(op, "pass", "a reason")
    applied("pass", [op], op)

    with recording() as journal:
        assert journal.declined == journal.applied == ()


def test_the_last_reason_of_an_operation_counts() -> None:
    net = NetworkBuilder([2])
    op = net.add(nn.ReluOp, net.values[0]).owner
    assert isinstance(op, nn.ReluOp)
    with recording() as journal:
        decline(op, "pass", "first")
        decline(op, "pass", "second")
        decline(op, "pass", "third", rewrite="something else")

    assert [(d.rewrite, d.reason) for d in journal.declined] == [
        ("", "second"),
        ("something else", "third"),
    ]


def test_reasons_of_operations_that_went_are_dropped() -> None:
    net = NetworkBuilder([2])
    op = net.add(nn.ReluOp, net.values[0]).owner
    net.finish()
    assert isinstance(op, nn.ReluOp)
    with recording() as journal:
        decline(op, "pass", "a reason")
        replace(op, [], [op.x])

    assert journal.declined == ()


def test_journals_nest() -> None:
    net = NetworkBuilder([2])
    op = net.add(nn.ReluOp, net.values[0]).owner
    assert isinstance(op, nn.ReluOp)
    with recording() as outer:
        with recording() as inner:
            decline(op, "pass", "inside")
        decline(op, "pass", "outside")

    assert [d.reason for d in inner.declined] == ["inside"]
    assert [d.reason for d in outer.declined] == ["outside"]


def test_a_pipeline_reports_layers_and_reasons() -> None:
    net = NetworkBuilder([1, 2, 3])
    two = net.constant(np.array(2, np.float32))
    conv = net.add(nn.ConvOp, net.values[0], net.constant(np.ones((2, 2, 1), "f4")))
    mul = net.add(nn.MulOp, net.add(nn.SigmoidOp, conv), two)
    set_source(mul.owner, "scale")  # type: ignore[arg-type]
    module = net.finish()

    class Recorder(Observer):
        def __init__(self) -> None:
            self.reports: list[PassReport] = []

        def finished(self, report: PassReport) -> None:
            self.reports.append(report)

    recorder = Recorder()
    pipeline = parse_pipeline("fuse-linear", PASSES)
    pipeline.run(module, make_context(), recorder)

    [report] = recorder.reports
    assert {(d.layers, d.operation, d.reason) for d in report.declined} == {
        (("scale",), "nn.mul", "nn.sigmoid is in between"),
        (("scale",), "nn.mul", "its result is a graph output"),
    }


def test_marks() -> None:
    op = nn.ReluOp.make(NetworkBuilder([2]).values[0])
    assert not is_kept(op)
    keep(op)
    assert is_kept(op)
    assert not is_kept(None)
