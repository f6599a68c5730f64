"""
What the passes did to a network, and what they left and why: the records behind
`ovc explain`, `ovc opt-log` and the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from ..dialects.nn.base import NNOp
from ..dialects.types import is_static, shape_of, value_dtype
from .interpreter import main_function
from .locations import source_names
from .options import Applied, Declined, Observer, PassReport


@dataclass(frozen=True)
class Cost:
    """What one inference takes. None while shapes are unknown."""

    operations: int
    flops: int | None
    bytes: int | None
    """Read and written by all operations, each on its own."""


@dataclass(frozen=True)
class Node:
    """An operation in a picture of the network."""

    op: Operation
    """Only to tell which nodes of two pictures are the same."""
    label: str
    layers: tuple[str, ...]
    shape: str


@dataclass(frozen=True)
class Picture:
    """A network at one moment: operations other than constants, and who reads whom."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Step:
    """What one pass did."""

    report: PassReport
    before: Cost
    after: Cost
    applied: tuple[Applied, ...]
    picture_before: Picture
    picture_after: Picture

    @property
    def changed(self) -> bool:
        """Whether the network is another one now."""
        return self.picture_before != self.picture_after


@dataclass
class Recorder(Observer):
    """Remembers every pass."""

    steps: list[Step] = field(default_factory=list[Step])
    remarks: list[str] = field(default_factory=list[str])
    last: Any = None
    """The module as the last pass left it."""
    closed: bool = False
    """Whether the generic passes are over."""
    _report: PassReport | None = None
    _cost: Cost | None = None
    _picture: Picture | None = None

    def prepared(self, module: Any) -> None:
        self.last = module
        self._cost = cost_of(module)
        self._picture = picture_of(module)

    def finished(self, report: PassReport) -> None:
        self._report = report

    def stage(self, name: str, module: Any) -> None:
        self.closed = self.closed or name == "network"

    def after_pass(self, name: str, module: Any) -> None:
        if self.closed:
            return
        report, before, seen = self._report, self._cost, self._picture
        assert report is not None
        assert before is not None
        assert seen is not None
        self.prepared(module)
        assert self._cost is not None
        assert self._picture is not None
        applied = report.applied or found_by_comparison(report, seen, self._picture)
        step = Step(report, before, self._cost, applied, seen, self._picture)
        self.steps.append(step)

    def told(self, sentence: str) -> None:
        self.remarks.append(sentence)

    @property
    def left(self) -> tuple[Declined, ...]:
        """
        The rewrites that could have happened and did not: the last word of each pass,
        for operations that are still there.
        """
        if self._picture is None:
            return ()
        there = {(node.label, node.layers) for node in self._picture.nodes}
        last: dict[str, tuple[Declined, ...]] = {}
        for step in self.steps:
            last[step.report.name] = step.report.declined
        return tuple(
            d
            for declined in last.values()
            for d in declined
            if (d.operation, d.layers) in there or d.operation == "const.constant"
        )


@dataclass(frozen=True)
class Several(Observer):
    """Passes everything on to others."""

    others: tuple[Observer, ...]

    def started(self, step: str, index: int, count: int) -> None:
        for other in self.others:
            other.started(step, index, count)

    def finished(self, report: PassReport) -> None:
        for other in self.others:
            other.finished(report)

    def after_pass(self, name: str, module: Any) -> None:
        for other in self.others:
            other.after_pass(name, module)

    def stage(self, name: str, module: Any) -> None:
        for other in self.others:
            other.stage(name, module)

    def prepared(self, module: Any) -> None:
        for other in self.others:
            other.prepared(module)

    def told(self, sentence: str) -> None:
        for other in self.others:
            other.told(sentence)


def running(module: ModuleOp) -> list[NNOp]:
    """The operations of `main` that depend on an input: others are computed now."""
    block = main_function(module).body.block
    values: set[SSAValue] = set(block.args)
    found: list[NNOp] = []
    for op in block.ops:
        if isinstance(op, NNOp) and not values.isdisjoint(op.operands):
            values.update(op.results)
            found.append(op)
    return found


def cost_of(module: ModuleOp) -> Cost:
    """The cost of `main`."""
    ops = running(module)
    flops = _total(_flops(op) for op in ops)
    moved = _total(_bytes((*op.operands, *op.results)) for op in ops)
    return Cost(len(ops), flops, moved)


def _total(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def _flops(op: NNOp) -> int | None:
    if not all(is_static(v.type) for v in (*op.operands, *op.results)):
        return None
    return op.flops()


def _bytes(values: Sequence[SSAValue]) -> int | None:
    if not all(is_static(v.type) for v in values):
        return None
    return sum(prod(shape_of(v)) * value_dtype(v).itemsize for v in values)


def picture_of(module: ModuleOp) -> Picture:
    """The operations that run and the edges between them."""
    ops = running(module)
    places: dict[Operation, int] = {op: i for i, op in enumerate(ops)}
    edges = dict.fromkeys(
        (places[o.owner], i)
        for i, op in enumerate(ops)
        for o in op.operands
        if isinstance(o.owner, NNOp) and o.owner in places
    )
    nodes = tuple(Node(op, op.name, source_names(op), _shape(op)) for op in ops)
    return Picture(nodes, tuple(edges))


def _shape(op: NNOp) -> str:
    result = op.results[0]
    if not is_static(result.type):
        return "?"
    return "x".join(map(str, shape_of(result))) or "scalar"


def found_by_comparison(
    report: PassReport, before: Picture, after: Picture
) -> tuple[Applied, ...]:
    """What a pass that does not say it itself did: operations gone, and where to."""
    still = {node.op for node in after.nodes}
    old = {node.op for node in before.nodes}
    gone = [node for node in before.nodes if node.op not in still]
    new = [node for node in after.nodes if node.op not in old]
    heirs: dict[str, Node] = {}
    for node in (*after.nodes, *new):
        for layer in node.layers:
            heirs[layer] = node
    merged: dict[Operation | None, list[Node]] = {}
    for node in gone:
        heir = next((heirs[n] for n in node.layers if n in heirs), None)
        merged.setdefault(None if heir is None else heir.op, []).append(node)
    names = {node.op: node.label for node in after.nodes}
    found: list[Applied] = []
    for op, nodes in merged.items():
        layers = dict.fromkeys(layer for node in nodes for layer in node.layers)
        labels = tuple(node.label for node in nodes)
        result = "nothing" if op is None else names[op]
        found.append(Applied(report.name, tuple(layers), labels, result))
    return tuple(found)
