"""Every operation on every target against its reference."""

from __future__ import annotations

from collections import defaultdict

import pytest
from conformance import elementwise, layers, movement
from conformance.execute import Case, check
from executors import device
from ovc.dialects import nn
from ovc.dialects.nn.base import NNOp

CASES: dict[type[NNOp], list[Case]] = defaultdict(list)
for each in (*elementwise.CASES, *layers.CASES, *movement.CASES):
    CASES[each.op].append(each)

NAMES = {op.name.removeprefix("nn."): op for op in nn.OPS}


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_has_a_case(name: str) -> None:
    assert CASES[NAMES[name]]


@pytest.mark.parametrize("name", NAMES)
def test_cpu(name: str) -> None:
    check(CASES[NAMES[name]], "cpu")


@pytest.mark.device
@pytest.mark.parametrize("name", NAMES)
def test_gpu(name: str) -> None:
    device()
    check(CASES[NAMES[name]], "gpu")
