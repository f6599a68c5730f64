from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from networks import NetworkBuilder, argument_arrays, names_in
from ovc.compiler.locations import set_source, source_names
from ovc.compiler.passes.algebra import Constants
from ovc.compiler.passes.fold_constants import FoldConstantsPass
from ovc.compiler.passes.fuse_linear import FuseLinearPass
from ovc.compiler.passes.linear import linear_of
from ovc.compiler.passes.reasons import keep, recording
from ovc.dialects import nn
from ovc.dialects.types import shape_of
from patterns import LINEAR, check_exact, patterns
from strategies import Program
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

MUL, ADD = nn.MulOp, nn.AddOp


@settings(max_examples=150)
@given(patterns(LINEAR))
def test_results_are_kept_to_the_bit_and_the_pattern_is_gone(program: Program) -> None:
    check_exact(FuseLinearPass(), program)

    assert not neighbours(program.module)


@given(patterns(LINEAR))
def test_the_correction_at_the_border_is_exact(program: Program) -> None:
    check_exact(FuseLinearPass(border=True), program)


def neighbours(module: ModuleOp) -> list[Operation]:
    """Mul and Add with a number per channel right behind a convolution."""
    [main] = module.body.block.ops
    block = main.regions[0].block
    constants = Constants.of(block)
    found = []
    for op in block.ops:
        linear = linear_of(op, constants)
        if linear is None or linear.result.type != linear.x.type:
            continue
        shape = shape_of(linear.constant)
        rank = len(shape_of(linear.x))
        varying = {rank - len(shape) + i for i, n in enumerate(shape) if n != 1}
        conv = linear.x.owner
        constant = isinstance(conv, nn.ConvOp) and conv.w in constants
        alone = linear.x.has_one_use()
        if varying <= {1} and constant and alone:
            assert isinstance(conv, nn.ConvOp)
            if conv.b is None or conv.b in constants:
                found.append(op)
    return found


def weights(net: NetworkBuilder, *shape: int) -> SSAValue:
    generator = np.random.default_rng(1)
    return net.constant(generator.integers(-3, 4, shape).astype(np.float32))


def check(net: NetworkBuilder, *outputs: SSAValue, **options: Any) -> tuple[int, Any]:
    """Fuse. How many were fused, and the reasons for the rest."""
    module = net.finish(*outputs)
    pass_ = FuseLinearPass(**options)
    with recording() as journal:
        count = check_exact(pass_, Program(module, argument_arrays(module)))
    net.module = module  # type: ignore[attr-defined]
    return count, [d.reason for d in journal.declined]


SHAPES = [(), (1,), (4, 1, 1), (1, 4, 1, 1), (1, 1, 1, 1)]


@pytest.mark.parametrize("op", [MUL, ADD])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("group", [1, 2, 4])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("layer", [nn.ConvOp, nn.ConvTransposeOp])
def test_backward_into_convolutions(
    layer: Any, op: Any, shape: tuple[int, ...], group: int, biased: bool
) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    inner = 4 // group
    w = weights(net, 4, inner, 3, 2)
    bias = weights(net, 4) if biased else None
    y = net.add(layer, net.values[0], w, bias, group=group, pads=[1, 0, 0, 1])
    net.add(op, y, weights(net, *shape))

    count, _ = check(net)

    assert count == 1
    assert op.name not in [o.name for o in main_path(net)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("group", [1, 2, 4])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("layer", [nn.ConvOp, nn.ConvTransposeOp])
def test_mul_forward_into_convolutions(
    layer: Any, shape: tuple[int, ...], group: int, padding: int
) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    x = net.add(MUL, net.values[0], weights(net, *shape))
    w = weights(net, 4, 4 // group, 3, 2)
    net.add(layer, x, w, group=group, pads=[padding] * 4)

    assert check(net)[0] == 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("group", [1, 2, 4])
@pytest.mark.parametrize(
    ("properties", "legal"),
    [
        ({}, True),
        ({"auto_pad": "VALID"}, True),
        ({"strides": [2, 2], "dilations": [1, 2]}, True),
        ({"pads": [1, 0, 0, 0]}, False),
        ({"pads": [0, 0, 0, 1]}, False),
        ({"pads": [0, 0, 1, 0], "strides": [4, 1]}, True),
        ({"auto_pad": "SAME_UPPER"}, False),
    ],
)
def test_add_forward_into_a_convolution_needs_unseen_padding(
    shape: tuple[int, ...], group: int, properties: dict[str, Any], legal: bool
) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    x = net.add(ADD, net.values[0], weights(net, *shape))
    w = weights(net, 4, 4 // group, 3, 2)
    net.add(nn.ConvOp, x, w, weights(net, 4), group=group, **properties)

    count, reasons = check(net)

    assert count == legal
    assert legal or "the padding of nn.conv would have to be shifted too" in reasons


@pytest.mark.parametrize("group", [1, 2])
def test_the_border_is_corrected_exactly(group: int) -> None:
    net = NetworkBuilder([2, 4, 5, 6])
    x = net.add(ADD, net.values[0], weights(net, 4, 1, 1))
    w = weights(net, 4, 4 // group, 3, 2)
    net.add(nn.ConvOp, x, w, None, group=group, pads=[1, 0, 2, 1])

    assert check(net, border=True)[0] == 1


def test_a_large_border_is_not_corrected() -> None:
    net = NetworkBuilder([1, 4, 200, 200])
    x = net.add(ADD, net.values[0], weights(net, 4, 1, 1))
    net.add(nn.ConvOp, x, weights(net, 1, 4, 3, 3), None, pads=[1, 1, 1, 1])

    count, reasons = check(net, border=True)

    assert count == 0
    assert "the correction at the border would take 640000 bytes" in reasons


@pytest.mark.parametrize(
    ("kernel", "properties", "legal"),
    [
        ([1, 1], {}, True),
        ([1, 1], {"strides": [2, 1]}, False),
        ([2, 1], {}, False),
        ([1, 1], {"pads": [1, 0, 0, 0]}, False),
        ([1, 1], {"output_padding": [0, 1], "strides": [1, 2]}, False),
    ],
)
@pytest.mark.parametrize("group", [1, 2])
def test_add_forward_into_a_transposed_convolution(
    kernel: list[int], properties: dict[str, Any], legal: bool, group: int
) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    x = net.add(ADD, net.values[0], weights(net, 4, 1, 1))
    w = weights(net, 4, 2, *kernel)
    net.add(nn.ConvTransposeOp, x, w, None, group=group, **properties)

    assert check(net)[0] == legal


@pytest.mark.parametrize("op", [MUL, ADD])
@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("flags", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("addend", [None, (), (3,), (2, 1), (2, 3)])
def test_gemm(
    op: Any,
    forward: bool,
    flags: tuple[int, int],
    left: bool,
    addend: tuple[int, ...] | None,
) -> None:
    """`[2, 4] @ [4, 3]`, with the weights on either side and everything transposed."""
    shapes = [(2, 4)[:: -1 if flags[0] else 1], (4, 3)[:: -1 if flags[1] else 1]]
    net = NetworkBuilder(shapes[left])
    axis = (flags[1] if left else 1 - flags[0]) if forward else 1 - left
    size = 4 if forward else (2 if left else 3)
    constant = weights(net, *([size, 1] if axis == 0 else [1, size]))
    x = net.values[0]
    if forward:
        x = net.add(op, x, constant)
    w = weights(net, *shapes[not left])
    operands = (w, x) if left else (x, w)
    bias = None if addend is None else weights(net, *addend)
    properties = {"transA": flags[0], "transB": flags[1], "alpha": 2.0, "beta": 3.0}
    y = net.add(nn.GemmOp, *operands, bias, **properties)
    if not forward:
        net.add(op, y, constant)

    assert check(net)[0] == 1


@pytest.mark.parametrize("op", [MUL, ADD])
@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_matmul(op: Any, forward: bool, left: bool, batch: tuple[int, ...]) -> None:
    net = NetworkBuilder([*batch, 3, 3])
    x = net.values[0]
    constant = weights(net, *((3, 1) if left else (3,)))
    if forward:
        x = net.add(op, x, constant)
    w = weights(net, 3, 3)
    y = net.add(nn.MatmulOp, *((w, x) if left else (x, w)))
    if not forward:
        net.add(op, y, constant)

    count, reasons = check(net)

    assert count == (op is MUL or not batch)
    assert count or "nn.matmul of this rank has no addend" in reasons


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((6,), "its constant varies along dimension 3, the channels of nn.conv are"),
        ((4, 5, 1), "its constant is not per channel: it varies along dimensions 1, 2"),
        ((2, 4, 1, 1), "its constant broadcasts the value to another shape"),
        ((1, 1, 4, 1, 1), "its constant broadcasts the value to another shape"),
    ],
)
@pytest.mark.parametrize("op", [MUL, ADD])
def test_other_constants_stay(op: Any, shape: tuple[int, ...], reason: str) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    y = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    net.add(op, y, weights(net, *shape))

    count, reasons = check(net)

    assert count == 0
    assert any(r.startswith(reason) for r in reasons)


def test_a_square_image_does_not_confuse_its_axes() -> None:
    net = NetworkBuilder([4, 4, 4, 4])
    y = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    for shape in [(4,), (4, 1), (4, 1, 1, 1)]:
        y = net.add(MUL, y, weights(net, *shape))

    assert check(net)[0] == 0


def test_another_reader_forbids_backward() -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    y = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    z = net.add(MUL, y, weights(net, 4, 1, 1))
    count, reasons = check(net, z, net.add(nn.NegOp, y))

    assert count == 0
    assert "the result of nn.conv has another reader" in reasons


def test_a_graph_output_forbids_both_directions() -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    y = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    z = net.add(MUL, y, weights(net, 4, 1, 1))
    count, reasons = check(net, y, z, net.add(nn.ConvOp, z, weights(net, 1, 4, 1, 1)))

    assert count == 0
    assert "the result of nn.conv is a graph output" in reasons
    assert "its result is a graph output" in reasons


@pytest.mark.parametrize("bad", [False, True])
def test_forward_over_every_branch_or_none(bad: bool) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    x = net.add(MUL, net.values[0], weights(net, 4, 1, 1))
    ends = [net.add(nn.ConvOp, x, weights(net, 2, 4, k, k)) for k in (1, 2, 3)]
    pooled = net.add(nn.TransposeOp, x, perm=[0, 2, 3, 1])
    ends.append(net.add(nn.MatmulOp, pooled, weights(net, 4, 2)))
    if bad:
        ends.append(net.add(nn.SigmoidOp, x))

    count, reasons = check(net, *ends)

    assert count == (not bad)
    assert not bad or "nn.sigmoid is in between" in reasons


def test_backward_over_every_branch_of_a_concat() -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    parts = [
        net.add(nn.ConvOp, net.values[0], weights(net, n, 4, 1, 1)) for n in (1, 2, 3)
    ]
    joined = net.add(nn.ConcatOp, parts, axis=1)
    net.add(MUL, joined, weights(net, 6, 1, 1))

    assert check(net)[0] == 1
    assert "nn.mul" not in [op.name for op in main_path(net)]


def test_forward_over_every_part_of_a_split() -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    x = net.add(MUL, net.values[0], weights(net, 4, 1, 1))
    split = nn.SplitOp.make(x, net.ints(1, 3), axis=1, results=2)
    net.block.add_op(split)
    ends = [
        net.add(nn.ConvOp, part, weights(net, 2, n, 1, 1))
        for part, n in zip(split.results, (1, 3), strict=True)
    ]

    assert check(net, *ends)[0] == 1


@pytest.mark.parametrize(("low", "fused"), [(1, True), (-1, False), (0, False)])
def test_a_factor_goes_through_relu_only_when_positive(low: int, fused: bool) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    y = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    factors = net.constant(np.array([low, 1, 2, 3], np.float32).reshape(4, 1, 1))
    net.add(MUL, net.add(nn.ReluOp, y), factors)

    assert check(net)[0] == fused


def test_the_scale_of_an_attention_goes_into_its_queries() -> None:
    net = NetworkBuilder([1, 6, 8])
    heads = []
    for _ in range(2):
        y = net.add(nn.MatmulOp, net.values[0], weights(net, 8, 8))
        y = net.add(ADD, y, weights(net, 8))
        y = net.add(nn.ReshapeOp, y, net.ints(1, 6, 2, 4))
        heads.append(net.add(nn.TransposeOp, y, perm=[0, 2, 1, 3]))
    turned = net.add(nn.TransposeOp, heads[1], perm=[0, 1, 3, 2])
    scores = net.add(nn.MatmulOp, heads[0], turned)
    net.add(MUL, scores, net.constant(np.array(0.5, np.float32)))

    assert check(net)[0] == 1
    assert "nn.mul" not in [op.name for op in main_path(net)]


@pytest.mark.parametrize("which", ["weights", "bias"])
def test_weights_that_are_computed_forbid_it(which: str) -> None:
    net = NetworkBuilder([1, 4, 5, 6], [4, 4, 1, 1], [4])
    x, w, b = net.values
    operands = (x, w, None) if which == "weights" else (x, weights(net, 4, 4, 1, 1), b)
    net.add(MUL, net.add(nn.ConvOp, *operands), weights(net, 4, 1, 1))

    count, reasons = check(net)

    assert count == 0
    assert any("not constant" in r for r in reasons)


@pytest.mark.parametrize("which", [0, 1])
def test_kept_layers_stay(which: int) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    conv = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    scaled = net.add(MUL, conv, weights(net, 4, 1, 1))
    keep((conv, scaled)[which].owner)  # type: ignore[arg-type]

    assert check(net)[0] == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_element_types(dtype: type) -> None:
    net = NetworkBuilder([1, 2, 3], dtype=dtype)
    w = net.constant(np.ones((2, 2, 1), dtype))
    net.add(MUL, net.add(nn.ConvOp, net.values[0], w), net.constant(np.array(2, dtype)))

    assert check(net)[0] == (dtype is np.float64)


def test_names_and_numbers() -> None:
    net = NetworkBuilder([1, 2, 3])
    conv = net.add(nn.ConvOp, net.values[0], weights(net, 2, 2, 1))
    scaled = net.add(MUL, conv, weights(net, 2, 1))
    set_source(conv.owner, "conv")  # type: ignore[arg-type]
    set_source(scaled.owner, "scale")  # type: ignore[arg-type]
    module = net.finish()

    with recording() as journal:
        FuseLinearPass().count(module)
    FoldConstantsPass().count(module)

    [fused] = [op for op in module.walk() if op.name == "nn.conv"]
    assert source_names(fused) == ("conv", "scale")
    assert journal.applied[0].layers == ("conv", "scale")
    assert names_in(module).count("nn.mul") == 0


def main_path(net: NetworkBuilder) -> list[Operation]:
    """The operations that depend on an input."""
    [main] = net.module.body.block.ops  # type: ignore[attr-defined]
    block = main.regions[0].block
    constants = Constants.of(block)
    return [op for op in block.ops if not constants.issuperset(op.results)]


@pytest.mark.parametrize("op", [nn.AddOp, nn.SubOp])
def test_a_factor_goes_into_both_terms(op: Any) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    terms = [net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1)) for _ in "ab"]
    total = net.add(op, *terms)
    net.add(MUL, total, weights(net, 4, 1, 1))

    assert check(net)[0] == 1


@pytest.mark.parametrize("kind", ["an addend", "same", "no layer", "broadcast"])
def test_a_factor_goes_into_both_terms_or_none(kind: str) -> None:
    net = NetworkBuilder([1, 4, 5, 6], [1, 4, 1, 1])
    first, second = (
        net.add(nn.ConvOp, x, weights(net, 4, 4, 1, 1)) for x in net.block.args
    )
    whole = net.add(nn.ConvOp, net.block.args[0], weights(net, 4, 4, 1, 1))
    others = {"same": first, "no layer": net.block.args[0], "broadcast": second}
    total = net.add(ADD, first, others.get(kind, whole))
    net.add(ADD if kind == "an addend" else MUL, total, weights(net, 4, 1, 1))

    assert check(net)[0] == 0


@pytest.mark.parametrize(
    ("mode", "scales", "shape", "fused"),
    [
        ("nearest", (1, 1, 2, 2), (4, 1, 1), True),
        ("nearest", (1, 1, 2, 2), (), True),
        ("nearest", (1, 1, 1, 2), (5, 1), False),
        ("nearest", (1, 2, 1, 1), (8, 1, 1), False),
        ("nearest", (1, 2, 1, 1), (), True),
        ("linear", (1, 1, 2, 2), (4, 1, 1), False),
    ],
)
@pytest.mark.parametrize("op", [MUL, ADD])
def test_through_a_resize_to_the_nearest(
    op: Any,
    mode: str,
    scales: tuple[int, ...],
    shape: tuple[int, ...],
    fused: bool,
) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    y = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    factors = net.constant(np.array(scales, np.float32))
    y = net.add(nn.ResizeOp, y, None, factors, None, mode=mode)
    net.add(op, y, weights(net, *shape))

    assert check(net)[0] == fused


@pytest.mark.parametrize(("shape", "fused"), [((), True), ((4, 1, 1), False)])
def test_through_a_shuffle_of_channels(shape: tuple[int, ...], fused: bool) -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    y = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    y = net.add(nn.ChannelShuffleOp, y, group=2)
    net.add(MUL, y, weights(net, *shape))

    assert check(net)[0] == fused


def test_a_resize_that_looks_outside_stops_a_factor() -> None:
    net = NetworkBuilder([1, 4, 5, 6])
    y = net.add(nn.ConvOp, net.values[0], weights(net, 4, 4, 1, 1))
    roi = net.constant(np.array([0, 0, 0, 0, 1, 1, 2, 2], np.float32))
    factors = net.constant(np.array([1, 1, 2, 2], np.float32))
    mode = "tf_crop_and_resize"
    outside = {"coordinate_transformation_mode": mode, "extrapolation_value": 1.0}
    y = net.add(nn.ResizeOp, y, roi, factors, None, **outside)
    net.add(MUL, y, weights(net, 4, 1, 1))

    assert check(net)[0] == 0
