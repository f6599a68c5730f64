"""Accesses that leave their buffer do not verify."""

from __future__ import annotations

import pytest
from ovc.compiler.registry import make_context
from ovc.compiler.schedule.apply import ApplySchedulePass
from ovc.dialects.kernel.access import LoadOp
from xdsl.dialects.builtin import AffineMapAttr
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

NEST = """
kernel.nest @copy(%x: memref<4x9xf32>, %y: memref<4x9xf32>) over (%i = 4, %j = 9)
    schedule <parallel i, vector j by 8> {{
  %v = kernel.read %x[{read}] : f32
  kernel.write %v, %y[{write}] : f32
}}
"""


def module(read: str = "%i, %j", write: str = "%i, %j"):
    text = f"builtin.module {{{NEST.format(read=read, write=write)}}}"
    return Parser(make_context(), text).parse_module()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"read": "%i, %j + 1"}, r"%x reaches from 1 to 9, outside \[0, 9\)"),
        ({"read": "%i + -1, %j"}, r"%x reaches from -1 to 2, outside \[0, 4\)"),
        ({"write": "%i * 2, %j"}, r"%y reaches from 0 to 6, outside \[0, 4\)"),
        ({"write": "%i, %j floordiv 2 + 5"}, r"%y reaches from 5 to 9"),
    ],
)
def test_an_index_outside_is_refused(places: dict[str, str], message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        module(**places).verify()


def test_guarded_reads_may_point_outside() -> None:
    module(read="%i, %j + 1] where [%j + 1] in [9] else 0.0 : f32 : f32\n//").verify()


def test_tiles_are_checked_with_their_ragged_ends() -> None:
    lowered = module()
    ApplySchedulePass().apply(make_context(), lowered)
    lowered.verify()

    load = next(op for op in lowered.walk() if isinstance(op, LoadOp))
    first, second = load.map.data.results
    from xdsl.ir.affine import AffineMap

    moved = AffineMap(
        load.map.data.num_dims, load.map.data.num_symbols, (first, second + 2)
    )
    load.properties["map"] = AffineMapAttr(moved)

    with pytest.raises(VerifyException, match="outside"):
        lowered.verify()
