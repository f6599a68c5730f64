"""Nests print and parse, and their schedules are verified."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from kernels import Kernel, matmul, scheduled_kernels
from ovc.dialects.kernel import Kernel as KERNEL
from ovc.dialects.kernel.nest import NestOp
from ovc.dialects.kernel.schedule import ScheduleAttr
from scalar_table import TYPES, cases
from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin
from xdsl.dialects.math import Math
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException


def parsed(text: str) -> NestOp:
    """The nest that `text` is."""
    context = Context()
    for dialect in (Builtin, Arith, Math, KERNEL):
        context.load_dialect(dialect)
    nest = Parser(context, text).parse_op()
    assert isinstance(nest, NestOp)
    nest.verify()
    return nest


@given(scheduled_kernels())
def test_nests_round_trip(kernel: Kernel) -> None:
    nest = parsed(str(kernel.nest))

    assert str(nest) == str(kernel.nest)
    assert nest.is_structurally_equivalent(kernel.nest)


@pytest.mark.parametrize("name", TYPES)
def test_scalar_operations_round_trip(name: str) -> None:
    for kernel in cases(name).values():
        nest = parsed(str(kernel.nest))
        assert str(nest) == str(kernel.nest)


def test_a_parsed_nest_computes_the_same() -> None:
    kernel = matmul(3, 20, 5).scheduled("unroll m, vector n by 16")
    again = Kernel(parsed(str(kernel.nest)), kernel.arrays)
    for result, wanted in zip(again.expected(), kernel.expected(), strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_schedules_are_their_text() -> None:
    text = "parallel m by 8, item n by 4, serial k, unroll m, vector n by 16"
    assert str(ScheduleAttr.of(text)) == text


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("serial z", "the schedule names unknown dimension z"),
        ("stage m", "mapping stage is not one of"),
        ("vector m by 4, vector n by 4", "only one dimension fills the lanes"),
        ("unroll m, unroll m", "a dimension is unrolled twice"),
        ("vector n by 12", "registers have 2, 4, 8, … lanes, not 12"),
        (
            "unroll n by 8, vector n by 16",
            "does not walk registers of `vector n by 16`",
        ),
    ],
)
def test_schedules_are_verified(schedule: str, message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        matmul(4, 16, 4).scheduled(schedule)
