"""The ways to share a network among threads, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from networks import NetworkBuilder
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.dialects import nn
from ovc.runtime.config import Config
from ovc.runtime.drivers.cpu import CpuDriver
from ovc.runtime.drivers.share import PERIOD, TRIALS, Ways


def taken(ways: Ways, calls: int, time: Callable[[int, int], int]) -> list[int]:
    """The ways of `calls` calls that take `time(call, way)`."""
    found: list[int] = []
    for call in range(calls):
        way = ways.next()
        ways.took(way, time(call, way))
        found.append(way)
    return found


@pytest.mark.parametrize("best", range(3))
def test_the_fastest_way_is_taken(best: int) -> None:
    found = taken(Ways(3), 40, lambda _, way: 100 if way == best else 150)

    assert found[: 3 * TRIALS] == [0] * TRIALS + [1] * TRIALS + [2] * TRIALS
    assert set(found[3 * TRIALS :]) == {best}


def test_a_little_faster_is_not_worth_a_change() -> None:
    found = taken(Ways(2), 40, lambda _, way: 100 - way)

    assert set(found[2 * TRIALS :]) == {0}


def test_others_are_tried_now_and_then() -> None:
    found = taken(Ways(3), 10 * PERIOD, lambda _, way: 100 + 50 * way)

    assert 0 < sum(way != 0 for way in found[PERIOD:]) <= 2 * 9
    assert set(found[PERIOD:]) == {0, 1, 2}


def test_a_machine_that_changes_is_followed() -> None:
    change = 5 * PERIOD

    def time(call: int, way: int) -> int:
        return 100 if (way == 0) == (call < change) else 200

    found = taken(Ways(2), 10 * PERIOD, time)

    assert found[change - 1] == 0
    assert found[-1] == 1


def test_one_way_is_no_choice() -> None:
    assert taken(Ways(1), 2 * PERIOD, lambda *_: 1) == [0] * (2 * PERIOD)


def test_all_ways_give_the_same_bits() -> None:
    build = NetworkBuilder([1, 8, 64, 64])
    (x,) = build.values
    weights = np.random.default_rng(0).standard_normal((32, 8, 3, 3), np.float32)
    y = build.add(nn.ConvOp, x, build.constant(weights), None, pads=[1, 1, 1, 1])
    build.add(nn.SoftmaxOp, y, axis=1)
    model = Model(build.finish(), Path("shared.mlir"), "0" * 64)
    artifact = compile_module(model, "cpu", CompileOptions())
    driver = CpuDriver(artifact, Config(threads=2))
    array = np.random.default_rng(1).standard_normal((1, 8, 64, 64), np.float32)

    results = [driver.infer([array])[0].tobytes() for _ in range(PERIOD + 9)]

    stream = driver.streams.take()
    assert all(stream.ways.times)
    assert len(set(results)) == 1
