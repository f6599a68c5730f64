"""Preprocessing baked in, and folded, equals preprocessing in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import NetworkBuilder, evaluate, names_in, whole_numbers
from ovc.compiler.conversion import make_conversion
from ovc.compiler.passes.fold_constants import FoldConstantsPass
from ovc.compiler.passes.fold_preprocessing import FoldPreprocessingPass
from ovc.compiler.passes.preprocess import preprocess
from ovc.compiler.passes.reasons import keep, recording
from ovc.dialects import nn
from ovc.dialects.types import Array
from ovc.runtime.errors import CompileError
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue


@dataclass(repr=False)
class Case:
    """A network, the options of a preprocessing, and raw data for it."""

    module: ModuleOp
    options: dict[str, Any]
    raw: Array
    seen: Array
    """What the network sees: the same data, prepared with numpy."""
    foldable: bool

    def __repr__(self) -> str:
        return f"{self.module}\n{self.options}"


READERS = ("conv", "grouped", "padded", "same", "two", "pool", "add", "mixed")


def first_layers(draw: Any, net: NetworkBuilder, channels: int, how: str) -> None:
    """The layers that read the input."""
    x = net.block.args[0]
    generator = np.random.default_rng(draw(st.integers(0, 99)))

    def conv(source: SSAValue, **properties: Any) -> SSAValue:
        groups = properties.get("group", 1)
        kernel = draw(st.sampled_from([(1, 1), (2, 3), (3, 3)]))
        shape = (2 * groups, channels // groups, *kernel)
        weights = net.constant(whole_numbers(generator, shape, -3, 3))
        bias = net.constant(whole_numbers(generator, (2 * groups,)))
        chosen = bias if draw(st.booleans()) else None
        strides = [draw(st.integers(1, 2)), 1]
        return net.add(
            nn.ConvOp, source, weights, chosen, strides=strides, **properties
        )

    match how:
        case "grouped":
            conv(x, group=channels)
        case "padded":
            conv(x, pads=[1, 0, 0, 1])
        case "same":
            conv(x, auto_pad="SAME_UPPER")
        case "two":
            conv(x)
            conv(x)
        case "pool":
            net.add(nn.MaxPoolOp, x, kernel_shape=[2, 2], strides=[1, 1])
        case "add":
            net.add(nn.AddOp, x, net.constant(np.array(2, np.float32)))
        case "mixed":
            conv(x)
            net.add(nn.ReluOp, x)
        case _:
            conv(x)


@st.composite
def cases(draw: Any) -> Case:
    channels = draw(st.sampled_from([1, 3, 4]))
    how = draw(st.sampled_from(READERS))
    net = NetworkBuilder((1, channels, 5, 6))
    first_layers(draw, net, channels, how)
    outputs = [v for v in net.values if v is not net.block.args[0]]
    module = net.finish(*outputs)
    options: dict[str, Any] = {}
    generator = np.random.default_rng(draw(st.integers(0, 99)))
    kind = draw(st.sampled_from(["f32", "u8"]))
    layout = draw(st.sampled_from(["nchw", "nhwc"]))
    shape = (1, channels, 5, 6) if layout == "nchw" else (1, 5, 6, channels)
    raw = generator.integers(0, 16, shape).astype(
        np.uint8 if kind == "u8" else np.float32
    )
    seen = raw.astype(np.float32)
    options["layout"], options["input_type"] = layout, kind
    if layout == "nhwc":
        seen = seen.transpose(0, 3, 1, 2)
    if draw(st.booleans()):
        options["reverse_input_channels"] = True
        seen = seen[:, ::-1] if channels == 3 else seen
    if draw(st.booleans()):
        mean = draw(st.lists(st.integers(-4, 9), min_size=channels, max_size=channels))
        options["mean_values"] = [float(m) for m in mean]
        seen = seen - np.array(mean, np.float32).reshape(1, -1, 1, 1)
    if draw(st.booleans()):
        scale = draw(
            st.lists(
                st.sampled_from([0.5, 1, 2, 4]), min_size=channels, max_size=channels
            )
        )
        options["scale_values"] = scale
        seen = seen / np.array(scale, np.float32).reshape(1, -1, 1, 1)
    foldable = how == "conv"
    return Case(module, options, raw, np.ascontiguousarray(seen), foldable)


def folded(module: ModuleOp) -> None:
    FoldPreprocessingPass().count(module)
    FoldConstantsPass().count(module)


@given(cases())
def test_results_are_those_of_numpy(case: Case) -> None:
    expected = evaluate(case.module, {"arg0": case.seen})
    preprocess(case.module, make_conversion(**case.options))
    case.module.verify()
    baked = evaluate(case.module, {"arg0": case.raw})

    folded(case.module)

    case.module.verify()
    results = evaluate(case.module, {"arg0": case.raw})
    for want, early, late in zip(expected, baked, results, strict=True):
        np.testing.assert_array_equal(early, want)
        np.testing.assert_array_equal(late, want)


@given(cases())
def test_what_can_go_is_gone(case: Case) -> None:
    preprocess(case.module, make_conversion(**case.options))

    folded(case.module)

    left = set(names_in(case.module))
    if case.foldable:
        assert not left & {"nn.add", "nn.mul", "nn.slice"}


@given(cases())
def test_a_second_run_changes_nothing(case: Case) -> None:
    preprocess(case.module, make_conversion(**case.options))
    folded(case.module)
    once = str(case.module)

    assert FoldPreprocessingPass().count(case.module) == 0
    assert str(case.module) == once


def padded_network() -> ModuleOp:
    net = NetworkBuilder((1, 3, 4, 4))
    weights = net.constant(np.ones((2, 3, 3, 3), np.float32))
    net.add(nn.ConvOp, net.block.args[0], weights, pads=[1, 1, 1, 1])
    return net.finish()


def test_padding_keeps_the_mean_and_says_why() -> None:
    module = padded_network()
    options = {"mean_values": "1,2,3", "scale": 2, "reverse_input_channels": True}
    preprocess(module, make_conversion(**options))

    with recording() as journal:
        folded(module)

    assert names_in(module).count("nn.add") == 1
    assert not {"nn.mul", "nn.slice"} & set(names_in(module))
    (left,) = journal.declined
    assert left.layers == ("arg0",)
    assert "pads with zeros" in left.reason


def test_groups_keep_the_order() -> None:
    net = NetworkBuilder((1, 3, 4, 4))
    weights = net.constant(np.ones((3, 1, 1, 1), np.float32))
    net.add(nn.ConvOp, net.block.args[0], weights, group=3)
    module = net.finish()
    preprocess(module, make_conversion(mean_values=1, reverse_input_channels=True))

    with recording() as journal:
        folded(module)

    assert "nn.slice" in names_in(module)
    assert "nn.add" not in names_in(module)
    assert "groups" in journal.declined[-1].reason


def test_a_kept_convolution_stays() -> None:
    module = padded_network()
    for op in module.walk():
        if op.name == "nn.conv":
            keep(op)
    preprocess(module, make_conversion(scale=2))

    assert FoldPreprocessingPass().count(module) == 0


def test_a_network_of_nhwc_images() -> None:
    """Channels are last inside of the network: nothing is transposed at its input."""
    net = NetworkBuilder((1, 4, 5, 3))
    moved = net.add(nn.TransposeOp, net.block.args[0], perm=[0, 3, 1, 2])
    weights = net.constant(whole_numbers(np.random.default_rng(0), (2, 3, 2, 2)))
    net.add(nn.ConvOp, moved, weights)
    module = net.finish()
    raw = whole_numbers(np.random.default_rng(1), (1, 4, 5, 3), 0, 9)
    seen = (raw[..., ::-1] - np.array([1, 2, 3], np.float32)) / np.float32(2)
    (expected,) = evaluate(module, {"arg0": seen})
    options = {"mean_values": "1,2,3", "scale": 2, "reverse_input_channels": True}

    preprocess(module, make_conversion(**options))
    folded(module)

    np.testing.assert_array_equal(evaluate(module, {"arg0": raw})[0], expected)
    assert set(names_in(module)) & {"nn.add", "nn.mul", "nn.slice"} == set()


def test_a_mean_image(tmp_path: Path) -> None:
    image = whole_numbers(np.random.default_rng(0), (3, 6, 6))
    np.save(tmp_path / "mean.npy", image)
    module = padded_network()
    raw = whole_numbers(np.random.default_rng(1), (1, 3, 4, 4))
    centre = image[:, 1:5, 1:5]
    (expected,) = evaluate(module, {"arg0": raw[:, ::-1] - centre})

    path = str(tmp_path / "mean.npy")
    preprocess(module, make_conversion(mean_file=path, reverse_input_channels=True))
    folded(module)

    np.testing.assert_array_equal(evaluate(module, {"arg0": raw})[0], expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mean_values": "1,2"}, "3 channels"),
        ({"mean_values": "[1,2,3],[1,2,3]"}, "2 unnamed for 1 inputs"),
        ({"scale_values": "y[1,2,3]"}, "no input 'y'"),
        ({"mean_file": "nothing.npy"}, "nothing.npy"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CompileError, match=words.replace("[", r"\[")):
        preprocess(padded_network(), make_conversion(**options))


def test_order_needs_three_channels() -> None:
    net = NetworkBuilder((1, 4, 4, 4))
    net.add(nn.ReluOp, net.block.args[0])
    module = net.finish()

    remarks = preprocess(module, make_conversion(reverse_input_channels=True))

    assert remarks == ["--reverse-input-channels: no input has 3 channels"]
    assert "nn.slice" not in names_in(module)


def test_the_axis_with_three_channels_is_reversed() -> None:
    net = NetworkBuilder((1, 4, 5, 3))
    net.add(nn.ReluOp, net.block.args[0])
    module = net.finish()
    raw = whole_numbers(np.random.default_rng(0), (1, 4, 5, 3), 0, 9)

    preprocess(module, make_conversion(reverse_input_channels=True))

    np.testing.assert_array_equal(evaluate(module, {"arg0": raw})[0], raw[..., ::-1])
