"""
Why a rewrite did not happen, and which ones did: what `ovc explain` lists.

Passes call two functions; both cost nothing unless somebody listens.

    decline(op, "fuse-linear", "its result has another reader", rewrite="Mul into Conv")
    applied("fuse-linear", [conv, mul], new, note="")

`op` is the operation that would have gone or changed; the reason is the first condition
that failed, in words that follow "not fused: ". `rewrite` says what could have happened.

Listening: `with recording() as journal: pass_.count(module)`; the pipeline does so for
every pass and hands the lists to observers as `PassReport.declined` and
`PassReport.applied` (see `compiler/options.py`), where everything is plain text:

    class Explain(Observer):
        def finished(self, report: PassReport) -> None:
            for d in report.declined:
                print(d.layers, d.operation, d.rewrite, d.reason)
            for a in report.applied:
                print(a.layers, a.operations, a.result, a.note)

One operation is declined once per rewrite: the last reason of a pass counts, and a
reason is dropped when a later match of the same pass removed the operation after all.
A pass that runs twice in a pipeline reports twice; the later report is the true one.
Operations to be left untouched carry the attribute `keep` (see `is_kept`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Operation

from ..locations import source_names
from ..options import Applied, Declined

KEEP = "keep"
"""The attribute of operations that every pass must leave untouched."""

KEPT = "the layer is kept by --finegrain-fusing"


def keep(op: Operation) -> None:
    """Mark an operation so that passes leave it untouched."""
    op.attributes[KEEP] = UnitAttr()


def is_kept(op: object) -> bool:
    """Whether an operation (or what owns a value) is marked as untouchable."""
    return isinstance(op, Operation) and KEEP in op.attributes


def decline(op: Operation, pass_name: str, reason: str, *, rewrite: str = "") -> None:
    """Say why `op` was left as it is."""
    journal = ACTIVE.get()
    if journal is not None:
        journal.reasons[op, pass_name, rewrite] = reason


def applied(
    pass_name: str, before: Sequence[Operation], after: Operation, note: str = ""
) -> None:
    """Say that `after` stands in the place of the operations `before`."""
    journal = ACTIVE.get()
    if journal is None:
        return
    layers = dict.fromkeys(name for op in (*before, after) for name in source_names(op))
    names = tuple(op.name for op in before)
    journal.done.append(Applied(pass_name, tuple(layers), names, after.name, note))


@dataclass
class Journal:
    """What passes said while it was listening."""

    reasons: dict[tuple[Operation, str, str], str] = field(
        default_factory=dict[tuple[Operation, str, str], str]
    )
    done: list[Applied] = field(default_factory=list[Applied])

    @property
    def declined(self) -> tuple[Declined, ...]:
        """The reasons of operations that are still there, in the order they came up."""
        return tuple(
            Declined(pass_name, source_names(op), op.name, rewrite, reason)
            for (op, pass_name, rewrite), reason in self.reasons.items()
            if op.parent is not None
        )

    @property
    def applied(self) -> tuple[Applied, ...]:
        """The rewrites that happened, in order."""
        return tuple(self.done)


ACTIVE: ContextVar[Journal | None] = ContextVar("journal", default=None)


@contextmanager
def recording() -> Generator[Journal]:
    """Collect what passes say inside of the block."""
    journal = Journal()
    token = ACTIVE.set(journal)
    try:
        yield journal
    finally:
        ACTIVE.reset(token)
