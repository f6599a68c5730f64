"""Layouts that are chosen so that results need no copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, evaluate, names_in
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes.assign_layouts import AssignLayoutsPass
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.compiler.targets import find_target
from ovc.dialects import nn
from ovc.dialects.kernel.nest import NestOp
from ovc.dialects.layout import layout_of
from ovc.dialects.nn.base import NNOp
from ovc.runtime.session import load
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue


def shuffled(reader: type[NNOp]) -> ModuleOp:
    """A shuffle of channels, and who reads it with padding."""
    net = NetworkBuilder([1, 48, 6, 6])
    x = net.add(nn.ChannelShuffleOp, net.values[0], group=3)
    if reader is nn.ConvOp:
        weights = net.constant(np.ones((48, 1, 3, 3), np.float32))
        net.add(nn.ConvOp, x, weights, group=48, pads=[1] * 4)
        net.add(nn.ReluOp, net.values[-1])
    else:
        net.add(reader, x)
    return net.finish()


@pytest.mark.parametrize(("reader", "blocked"), [(nn.ConvOp, True), (nn.ReluOp, False)])
def test_a_shuffle_writes_what_its_reader_wants(
    reader: type[NNOp], blocked: bool
) -> None:
    module = shuffled(reader)

    AssignLayoutsPass().count(module)

    [shuffle] = [op for op in module.walk() if isinstance(op, nn.ChannelShuffleOp)]
    layout = layout_of(shuffle.output.type)
    lanes = find_target("cpu").lanes
    assert ((1, lanes) in list(layout.order)) == (blocked and lanes > 1)
    assert list(layout.halo)[2:] == [(int(blocked),) * 2] * 2
    assert "nn.identity" not in names_in(module)


def test_a_shuffle_gathers_and_writes_whole_blocks() -> None:
    """Reading lanes from all over costs less than scattering them over blocks."""
    module = shuffled(nn.ConvOp)
    passes = 'assign-layouts{target="cpu:x86-64-v3"},lower-kernels,schedule-nests{target="cpu:x86-64-v3"}'

    parse_pipeline(passes, PASSES).run(module, make_context())

    nests = [op for op in module.walk() if isinstance(op, NestOp)]
    [shuffle] = [n for n in nests if n.sym_name.data.startswith("channel_shuffle")]
    assert "vector d1" in str(shuffle.schedule)


def enlarged(*readers: type[NNOp]) -> ModuleOp:
    """A convolution whose image is enlarged along both sides, and what reads it then."""
    net = NetworkBuilder([1, 16, 6, 6])
    x = net.add(nn.ConvOp, net.values[0], net.constant(np.ones((21, 16, 1, 1), "f4")))
    sizes = net.ints(1, 21, 24, 24)
    x = net.add(nn.ResizeOp, x, None, None, sizes, mode="linear")
    for reader in readers:
        weights = [net.constant(np.ones((5, 21, 1, 1), "f4"))] * (reader is nn.ConvOp)
        x = net.add(reader, x, *weights)
    module = net.finish(x)
    passes = "decompose,infer-shapes,fold-constants,dce,assign-layouts"
    parse_pipeline(passes, PASSES).run(module, make_context())
    return module


@pytest.mark.parametrize(
    ("readers", "blocked"),
    [((), False), ((nn.SigmoidOp,), False), ((nn.ConvOp,), True)],
)
def test_an_image_is_enlarged_as_its_last_reader_wants(
    readers: tuple[type[NNOp], ...], blocked: bool
) -> None:
    steps = [o for o in enlarged(*readers).walk() if isinstance(o, nn.InterpolateOp)]

    assert [layout_of(op.output.type).is_plain for op in steps] == [not blocked] * 2
    assert [op.axis.value.data for op in steps] == [
        3,
        2,
    ]  # what is largest runs along memory


@pytest.mark.parametrize("groups", [1, 3, 6, 48])
def test_group_norms_keep_blocks(groups: int) -> None:
    """Also where groups end inside of blocks."""
    net = NetworkBuilder([1, 8, 6, 6])
    weights = net.constant(np.ones((48, 8, 1, 1), np.float32))
    x = net.add(nn.ConvOp, net.values[0], weights)
    row = net.constant(np.ones(48, np.float32))
    net.add(nn.GroupNormOp, x, row, row, num_groups=groups)
    net.add(nn.ReluOp, net.values[-1])
    module = net.finish()

    AssignLayoutsPass("cpu:x86-64-v3").count(module)

    [norm] = [op for op in module.walk() if isinstance(op, nn.GroupNormOp)]
    assert (1, 8) in list(layout_of(norm.output.type).order)


def transposed(sizes: list[int], kernel: int, **properties: Any) -> ModuleOp:
    """A transposed convolution between two operations that keep channels in blocks."""
    net = NetworkBuilder([1, 32, *sizes])
    random = np.random.default_rng(0)

    def weights(*shape: int) -> SSAValue:
        return net.constant(random.integers(-2, 3, shape).astype(np.float32))

    x = net.add(nn.ConvOp, net.values[0], weights(32, 32, 1, 1))
    w = weights(32, 48, kernel, kernel)
    y = net.add(nn.ConvTransposeOp, x, w, weights(48), **properties)
    net.add(nn.ConvOp, net.add(nn.ReluOp, y), weights(32, 48, 1, 1))
    return net.finish()


@pytest.mark.parametrize(
    ("kernel", "properties", "halo"),
    [
        (4, {"strides": [2, 2], "pads": [1] * 4}, (1, 1)),
        (2, {"strides": [2, 2]}, (0, 0)),
        (3, {}, (2, 2)),
        (3, {"strides": [2, 2], "output_padding": [1, 1], "pads": [1] * 4}, (0, 1)),
    ],
)
def test_what_a_transposed_convolution_reads_has_a_halo(
    kernel: int, properties: dict[str, Any], halo: tuple[int, int]
) -> None:
    module = transposed([5, 6], kernel, **properties)

    AssignLayoutsPass().count(module)

    [op] = [op for op in module.walk() if isinstance(op, nn.ConvTransposeOp)]
    assert list(layout_of(op.x.type).halo)[2:] == [halo] * 2


@pytest.mark.parametrize("sizes", [[1, 1], [1, 5], [5, 6]])
def test_taps_that_one_output_reads_are_around_the_channels(sizes: list[int]) -> None:
    module = transposed(sizes, 3)

    AssignLayoutsPass().count(module)

    [op] = [op for op in module.walk() if isinstance(op, nn.ConvTransposeOp)]
    order = [dim for dim, block in layout_of(op.w.type).order if block == 1]
    fanned = [dim for dim, size in enumerate(sizes, start=2) if size == 1]
    assert order == [1, *fanned, 0, *(dim for dim in (2, 3) if dim not in fanned)]


@pytest.mark.parametrize("cpu", [None, "x86-64-v3"])
@pytest.mark.parametrize("sizes", [[1, 1], [1, 5], [5, 6]])
@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"strides": [2, 2], "pads": [1] * 4},
        {"strides": [3, 2], "output_padding": [2, 1], "pads": [0, 1, 1, 0]},
        {"dilations": [2, 1]},
    ],
)
def test_transposed_convolutions_compiled(
    properties: dict[str, Any], sizes: list[int], cpu: str | None
) -> None:
    module = transposed(sizes, 4, **properties)
    inputs = argument_arrays(module)
    (expected,) = evaluate(module.clone(), inputs, precision=np.float64)

    model = Model(module, Path("transposed.onnx"), "0" * 64)
    session = load(compile_module(model, "cpu", CompileOptions(cpu=cpu)))
    (found,) = session(inputs)
    session.close()

    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("inputs", "outputs", "blocked"),
    [
        *[(8, 8, True), (3, 8, True), (4, 4, True), (2, 2, True), (1, 2, True)],
        *[(12, 12, False), (6, 6, False), (8, 2, False), (5, 16, True)],
    ],
)
def test_groups_are_written_in_blocks_that_hold_them_whole(
    inputs: int, outputs: int, blocked: bool
) -> None:
    groups = 8
    net = NetworkBuilder([1, groups * inputs, 6, 6])
    weights = net.constant(np.ones((groups * outputs, inputs, 3, 3), np.float32))
    net.add(nn.ConvOp, net.values[0], weights, group=groups)
    net.add(nn.ReluOp, net.values[-1])
    module = net.finish()

    AssignLayoutsPass("cpu:x86-64-v3").count(module)

    [conv] = [op for op in module.walk() if isinstance(op, nn.ConvOp)]
    assert ((1, 8) in layout_of(conv.output.type).order) == blocked


def to_few_outputs(op: type[NNOp], inputs: int, outputs: int, kernel: int) -> ModuleOp:
    """A convolution from channels in blocks to a few, which are returned or not."""
    net = NetworkBuilder([1, 4, 9, 8])
    random = np.random.default_rng(0)

    def weights(*shape: int) -> SSAValue:
        return net.constant(random.integers(-2, 3, shape).astype(np.float32))

    x = net.add(nn.ConvOp, net.values[0], weights(inputs, 4, 1, 1))
    shape = (outputs, inputs) if op is nn.ConvOp else (inputs, outputs)
    y = net.add(op, x, weights(*shape, kernel, kernel), weights(outputs), pads=[1] * 4)
    net.add(nn.ReluOp, y)
    return net.finish()


@pytest.mark.parametrize("op", [nn.ConvOp, nn.ConvTransposeOp])
def test_weights_of_few_outputs_are_packed_along_the_inputs(op: type[NNOp]) -> None:
    module = to_few_outputs(op, 24, 2, 3)

    AssignLayoutsPass("cpu:x86-64-v3").count(module)

    found = [o for o in module.walk() if isinstance(o, op)][-1]
    inputs = 1 if op is nn.ConvOp else 0
    assert layout_of(found.operands[1].type).order[-1] == (inputs, 8)


@pytest.mark.parametrize("cpu", [None, "x86-64-v3", "x86-64"])
@pytest.mark.parametrize("op", [nn.ConvOp, nn.ConvTransposeOp])
@settings(max_examples=4, deadline=None)
@given(st.integers(8, 40), st.integers(1, 6), st.integers(1, 4))
def test_few_outputs_compiled(
    op: type[NNOp], cpu: str | None, inputs: int, outputs: int, kernel: int
) -> None:
    module = to_few_outputs(op, inputs, outputs, max(kernel, 2))
    arrays = argument_arrays(module)
    (expected,) = evaluate(module.clone(), arrays, precision=np.float64)

    model = Model(module, Path("few.onnx"), "0" * 64)
    session = load(compile_module(model, "cpu", CompileOptions(cpu=cpu)))
    (found,) = session(arrays)
    session.close()

    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("cpu", [None, "x86-64-v3"])
@pytest.mark.parametrize("reader", ["gather", "gather_elements", "edge", "reflect"])
def test_places_in_blocks_that_depend_on_data(reader: str, cpu: str | None) -> None:
    """Of a channel that data choose, the block and the lane are computed."""
    net = NetworkBuilder([1, 3, 5, 4])
    weights = net.constant(np.arange(32 * 3, dtype=np.float32).reshape(32, 3, 1, 1) % 7)
    x = net.add(nn.ConvOp, net.values[0], weights)
    if reader == "gather":
        channels = net.constant(np.array([3, 1, 31, -2, 17]))
        net.add(nn.GatherOp, x, channels, axis=1)
    elif reader == "gather_elements":
        channels = net.constant((np.arange(60).reshape(1, 3, 5, 4) * 11) % 32)
        net.add(nn.GatherElementsOp, x, channels, axis=1)
    else:
        pads = net.constant(np.array([0, 2, 0, 1, 0, 2, 0, 0]))
        net.add(nn.PadOp, x, pads, mode=reader)
    module = net.finish()
    arrays = argument_arrays(module)
    [expected] = evaluate(module.clone(), arrays)
    model = Model(module, Path("places.onnx"), "0" * 64)

    session = load(compile_module(model, "cpu", CompileOptions(cpu=cpu)))

    np.testing.assert_allclose(session(arrays)[0], expected, rtol=1e-6, atol=1e-4)
