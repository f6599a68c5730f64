from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from networks import NetworkBuilder
from ovc.compiler.options import Observer, PassReport
from ovc.compiler.passes.dce import DeadCodePass
from ovc.compiler.passes.fold_constants import FoldConstantsPass
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.compiler.stages import STAGES, StageError
from ovc.dialects import nn
from ovc.dialects.types import element_of, tensor
from ovc.runtime.errors import CompileError
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass


def dead_module() -> ModuleOp:
    net = NetworkBuilder([2, 3])
    net.add(nn.NegOp, net.values[0])
    net.add(nn.ExpOp, net.values[1])
    return net.finish(net.add(nn.ReluOp, net.values[0]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dce",
        "infer-shapes,fold-constants{limit=1000},dce",
        "infer-shapes,network,cse,legal",
    ],
)
def test_text_is_kept(text: str) -> None:
    assert str(parse_pipeline(text, PASSES)) == text


def test_space_around_commas_is_ignored() -> None:
    assert str(parse_pipeline(" dce ,\n  cse ", PASSES)) == "dce,cse"


def test_options_are_typed() -> None:
    [step] = parse_pipeline("fold-constants{limit=7}", PASSES).steps

    assert step == FoldConstantsPass(limit=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dec", r"unknown pass 'dec', did you mean 'dce'\? Known: .*cse.*network"),
        ("zzzzzz", r"unknown pass 'zzzzzz'\. Known: "),
        ("dce{limit=1}", r"unknown option of pass dce 'limit'\. Known: none"),
        (
            "fold-constants{limt=1}",
            "unknown option of pass fold-constants 'limt', did you mean 'limit'",
        ),
        ("fold-constants{limit=much}", "do not fit, the options are limit: int"),
        ("fold-constants{limit", "Expected equals"),
        ("dce cse", "Expected a comma"),
    ],
)
def test_wrong_text_is_explained(text: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        parse_pipeline(text, PASSES)


class Listener(Observer):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def started(self, step: str, index: int, count: int) -> None:
        self.heard.append((step, index, count))

    def finished(self, report: PassReport) -> None:
        self.heard.append(report.name)

    def stage(self, name: str, module: Any) -> None:
        self.heard.append(f"stage {name}")


def test_an_observer_hears_of_every_step() -> None:
    listener = Listener()

    parse_pipeline("dce,network", PASSES).run(dead_module(), make_context(), listener)

    assert listener.heard == [("dce", 0, 2), "dce", ("network", 1, 2), "stage network"]


def test_reports_count_operations_and_matches() -> None:
    [report] = parse_pipeline("dce", PASSES).run(dead_module(), make_context())

    assert (report.operations_before, report.operations_after) == (5, 3)
    assert report.matches == 2
    assert report.seconds > 0


@dataclass(frozen=True)
class BreakTypes(ModulePass):
    """A pass that does what no pass may."""

    name = "break-types"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in op.walk():
            if isinstance(inner, nn.ReluOp):
                inner.set_result_types([tensor([7], element_of(np.float32))])


def test_a_pass_that_breaks_the_module_is_named() -> None:
    pipeline = parse_pipeline("break-types,dce", (BreakTypes, DeadCodePass))

    with pytest.raises(StageError, match=r"after pass break-types: nn\.relu: result"):
        pipeline.run(dead_module(), make_context(), verify_each=True)


def test_stages_end_in_a_check() -> None:
    pipeline = parse_pipeline("break-types,network", (BreakTypes,))

    with pytest.raises(StageError, match=r"at the end of stage network: nn\.relu"):
        pipeline.run(dead_module(), make_context())


def test_names_of_passes_and_stages_differ() -> None:
    names = [p.name for p in PASSES] + [s.name for s in STAGES]

    assert len(names) == len(set(names))
