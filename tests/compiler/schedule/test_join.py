"""Convolutions in groups: lanes in one group, or picked from registers of several."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from executors import device
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.interpreter import run_reference
from ovc.compiler.options import CompileOptions
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.compiler.schedule.generate import schedule_nest
from ovc.compiler.schedule.join import settle
from ovc.compiler.targets import find_target
from ovc.dialects import nn
from ovc.dialects.kernel.evaluate import evaluate_nest
from ovc.dialects.kernel.nest import NestOp
from ovc.dialects.types import Array, buffer_type, dtype_of
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp


@dataclass(frozen=True)
class Grouped:
    """A 1x1 convolution, one in groups, an epilogue, and another 1x1 convolution."""

    groups: int
    inputs: int
    outputs: int
    size: tuple[int, int] = (9, 9)
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    dilation: int = 1
    pads: tuple[int, ...] = (1, 1, 1, 1)
    epilogue: str = "relu"

    def module(self) -> ModuleOp:
        random = np.random.default_rng(0)

        def weights(*shape: int) -> Any:
            return net.constant(random.integers(-2, 3, shape).astype(np.float32))

        channels, results = self.groups * self.inputs, self.groups * self.outputs
        net = NetworkBuilder([1, 3, *self.size])
        x = net.add(nn.ConvOp, net.values[0], weights(channels, 3, 1, 1))
        w = weights(results, self.inputs, *self.kernel)
        geometry = {
            "strides": [self.stride] * 2,
            "dilations": [self.dilation] * 2,
            "pads": list(self.pads),
        }
        y = net.add(nn.ConvOp, x, w, weights(results), group=self.groups, **geometry)
        if self.epilogue == "relu":
            y = net.add(nn.ReluOp, y)
        elif self.epilogue == "residual":
            y = net.add(nn.AddOp, y, net.add(nn.AbsOp, y))
        elif self.epilogue == "scale":
            scale = weights(results), weights(results)
            y = net.add(nn.ScaleShiftOp, y, *scale)
        if self.epilogue == "returned":
            return net.finish(y)
        return net.finish(net.add(nn.ConvOp, y, weights(5, results, 1, 1)))


@st.composite
def grouped(draw: st.DrawFn) -> Grouped:
    case = Grouped(
        groups=draw(st.sampled_from([2, 3, 4, 5, 8, 16, 20])),
        inputs=draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12])),
        outputs=draw(st.sampled_from([1, 2, 4, 4, 8, 8, 3, 6, 12, 16, 24])),
        size=(draw(st.integers(3, 11)), draw(st.integers(3, 18))),
        kernel=(draw(st.integers(1, 3)), draw(st.integers(1, 4))),
        stride=draw(st.integers(1, 2)),
        dilation=draw(st.integers(1, 2)),
        pads=tuple(draw(st.lists(st.integers(0, 2), min_size=4, max_size=4))),
        epilogue=draw(st.sampled_from(["none", "relu", "residual", "scale"])),
    )
    for place, (size, kernel) in enumerate(zip(case.size, case.kernel, strict=True)):
        room = size + case.pads[place] + case.pads[place + 2]
        assume(room > case.dilation * (kernel - 1))
    return case


def check(case: Grouped, target: str, options: CompileOptions, where: str) -> None:
    module = case.module()
    arrays = argument_arrays(module)
    expected = run_reference(module, arrays)
    artifact = compile_module(Model(module, Path("x.mlir"), "0"), target, options)

    results = load(artifact, where)(list(arrays.values()))

    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


LEVELS = (None, "x86-64-v4", "x86-64-v3", "x86-64")


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=12, deadline=None)
@given(grouped())
def test_results_are_kept(level: str | None, case: Grouped) -> None:
    check(case, "cpu", CompileOptions(cpu=level), "CPU")


@pytest.mark.device
@pytest.mark.parametrize("kind", [None, "gpu"])
@settings(max_examples=8, deadline=None)
@given(grouped())
def test_results_are_kept_with_opencl(kind: str | None, case: Grouped) -> None:
    device()
    check(case, "gpu", CompileOptions(device_type=kind), "GPU")


def nest_of(case: Grouped, target: str) -> NestOp:
    """The nest of the convolution in groups."""
    passes = (
        f'assign-layouts{{target="{target}"}},fuse-epilogues,lower-kernels,'
        f'expand-math{{target="{target}"}},legalize-scalars'
    )
    module = case.module()
    parse_pipeline(passes, PASSES).run(module, make_context())
    nests = [op for op in module.body.block.ops if isinstance(op, NestOp)]
    [found] = [n for n in nests if "g" in [d.name_hint for d in n.dims]]
    found.detach()
    return found


def schedule_of(case: Grouped, target: str) -> str:
    nest = nest_of(case, target)
    schedule_nest(nest, find_target(target))
    nest.verify()
    return str(nest.schedule)


@pytest.mark.parametrize(
    ("target", "lanes"),
    [("cpu:x86-64-v4", 16), ("cpu:x86-64-v3", 8), ("gpu", 16), ("cpu:x86-64", 4)],
)
@pytest.mark.parametrize("outputs", [2, 4])
def test_short_groups_share_registers(target: str, lanes: int, outputs: int) -> None:
    text = schedule_of(Grouped(16, outputs, outputs), target)

    joined = outputs < find_target(target).narrow
    assert ("unroll ic" in text) == joined
    assert f"vector oc by {lanes}" in text


def test_groups_that_fill_a_register_stay_apart() -> None:
    assert "parallel g" in schedule_of(Grouped(8, 8, 8), "cpu:x86-64-v3")
    assert "parallel g" in schedule_of(Grouped(8, 16, 16), "cpu:x86-64-v4")


def test_half_a_register_is_enough_where_it_takes_half_the_time() -> None:
    target = replace(find_target("cpu:x86-64-v4"), halves=True)
    nest = nest_of(Grouped(16, 8, 8), "cpu:x86-64-v4")

    schedule_nest(nest, target)

    assert "vector oc by 8" in str(nest.schedule)
    assert "unroll kw" in str(nest.schedule)


@pytest.mark.parametrize(
    "case",
    [
        Grouped(16, 4, 4, epilogue="returned"),
        Grouped(16, 6, 6),
        Grouped(3, 4, 4),
        Grouped(16, 12, 4),
    ],
)
def test_groups_that_no_register_holds_evenly_stay_apart(case: Grouped) -> None:
    nest = nest_of(case, "cpu:x86-64-v4")

    settle(nest, find_target("cpu:x86-64-v4"))

    assert "g" in [d.name_hint for d in nest.dims]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([1, 2, 4]), st.sampled_from([2, 4]), st.sampled_from([8, 16]))
def test_a_joint_dimension_means_the_same(
    inputs: int, outputs: int, groups: int
) -> None:
    nest = nest_of(Grouped(groups, inputs, outputs, size=(4, 5)), "cpu:x86-64-v3")
    random = np.random.default_rng(inputs)
    types = [buffer_type(b) for b in nest.buffers]
    arrays: list[Array] = [
        random.integers(-3, 4, t.get_shape()).astype(dtype_of(t.element_type))
        for t in types
    ]
    expected = [a.copy() for a in arrays]
    evaluate_nest(nest, expected)

    settle(nest, find_target("cpu:x86-64-v3"))

    nest.verify()
    assert ("g" not in [d.name_hint for d in nest.dims]) == (inputs <= outputs)
    evaluate_nest(nest, arrays)
    for array, wanted in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(array, wanted)


def test_lanes_are_picked_and_not_gathered() -> None:
    model = Model(Grouped(16, 4, 4).module(), Path("x.mlir"), "0")

    source = compile_module(model, "gpu", CompileOptions()).code.decode()

    first = "(float16)({0}.s0, {0}.s0, {0}.s0, {0}.s0, {0}.s4, "
    assert re.search(re.escape(first).replace(r"\{0\}", r"\w+"), source)
