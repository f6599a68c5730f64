"""Values that several writes share are computed once."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from executors import lowered
from kernels import kept_powers
from ovc.compiler.schedule.apply import Lowering
from ovc.compiler.schedule.generate import schedule_nest
from ovc.compiler.targets import find_target
from ovc.dialects.const import ConstantOp
from ovc.dialects.kernel.build import Loops
from ovc.dialects.nn.base import NNOp
from ovc.dialects.nn.reduce import SoftmaxOp
from ovc.dialects.nn.winograd import WinogradInputOp, WinogradOutputOp
from tile_machine import run_tiles

ARITHMETIC = ("arith.addf", "arith.subf", "arith.mulf", "math.fma")


def counted(op: NNOp) -> Counter[str]:
    """How often the first kernel of an operation does what, for one register."""
    loops = Loops()
    op.loops(loops)
    nest = loops.finish("kernel")[0].op
    schedule_nest(nest, find_target("cpu:x86-64-v4"))
    function = Lowering(nest).function()
    function.verify()
    return Counter(inner.name for inner in function.walk())


def test_a_transform_into_points_shares_its_sums() -> None:
    x = ConstantOp(np.zeros((1, 32, 8, 8), np.float32))
    found = counted(WinogradInputOp.make(x.output, tile=4, pads=[1, 1, 1, 1]))

    assert found["kernel.store"] == 36
    assert found["kernel.load"] == 36
    # 12 operations for each of six columns and six rows
    assert sum(found[name] for name in ARITHMETIC) == 12 * 12


def test_a_transform_out_of_points_shares_its_sums() -> None:
    x = ConstantOp(np.zeros((36, 32, 1, 2, 2), np.float32))
    found = counted(WinogradOutputOp.make(x.output, tile=4, sizes=[1, 8, 8]))

    assert found["kernel.store"] == 16
    assert found["kernel.load"] == 36
    # 12 operations for each of six columns and four rows
    assert sum(found[name] for name in ARITHMETIC) == 12 * 10


def test_what_is_written_and_summed_is_not_read_back() -> None:
    x = ConstantOp(np.zeros((64, 32), np.float32))
    found = counted(SoftmaxOp.make(x.output))

    # x for its largest and for the powers; these again, where they are divided
    assert found["kernel.load"] == 3
    assert found["kernel.store"] == 2


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("columns", [5, 17, 64])
def test_what_is_summed_is_what_is_read(columns: int, whole: bool) -> None:
    kernel = kept_powers(5, columns, whole)
    schedule_nest(kernel.nest, find_target("cpu:x86-64-v4"))

    assert bool(Lowering(kernel.nest).passed) == whole
    kernel.check(run_tiles(lowered(kernel), kernel.arrays))
