"""Source names on operations."""

from __future__ import annotations

from io import StringIO

from ovc.compiler.locations import describe, merge_sources, set_source, source_names
from ovc.dialects.nn import ReluOp
from ovc.dialects.types import tensor
from xdsl.dialects.builtin import f32
from xdsl.ir import Block
from xdsl.printer import Printer


def relu(*names: str) -> ReluOp:
    op = ReluOp.make(Block(arg_types=[tensor([2], f32)]).args[0])
    set_source(op, *names)
    return op


def test_no_source() -> None:
    assert source_names(relu()) == ()
    assert describe(relu()) == "nn.relu"


def test_one_source() -> None:
    assert source_names(relu("conv 1")) == ("conv 1",)
    assert describe(relu("conv 1")) == 'layer "conv 1" (nn.relu)'


def test_setting_replaces() -> None:
    op = relu("old")
    set_source(op, "new")
    assert source_names(op) == ("new",)


def test_merging_keeps_order_and_drops_repetitions() -> None:
    new = relu("c")
    merge_sources(new, [relu("a", "b"), relu(), relu("b", "c", "d")])
    assert source_names(new) == ("a", "b", "c", "d")
    assert describe(new) == 'layers "a", "b", "c", "d" (nn.relu)'


def test_sources_are_printed_as_locations() -> None:
    text = StringIO()
    Printer(text, print_debuginfo=True).print_op(relu("a", "b"))
    assert 'loc(fused["a", "b"])' in text.getvalue()


def test_clones_keep_their_source() -> None:
    assert source_names(relu("a").clone()) == ("a",)
