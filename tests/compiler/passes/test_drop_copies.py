"""Copies that neighbours do by an index: legal ones go, and the results stay."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays
from ovc.compiler.driver import pipeline_text
from ovc.compiler.interpreter import main_function, run_reference
from ovc.compiler.passes.drop_copies import DropCopiesPass
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.compiler.schedule.copies import Copy, split
from ovc.dialects import nn
from ovc.dialects.kernel.evaluate import evaluate_nest
from ovc.dialects.kernel.nest import NestOp
from ovc.dialects.nn.base import NNOp
from ovc.dialects.plan import LaunchOp
from ovc.dialects.types import shape_of
from tile_machine import run_launches
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

TARGETS = ("cpu:x86-64-v4", "cpu:x86-64-v3", "gpu")


def lowered(
    module: ModuleOp,
    until: str = "drop-copies",
    target: str = "cpu:x86-64-v4",
    always: bool = False,
) -> ModuleOp:
    """The module after the passes up to `until`; `always`: every legal change is made."""
    text = pipeline_text(target, "", winograd="never", strassen="never").lstrip(",")
    name = f'drop-copies{{target="{target}"'
    assert name in text
    if always:
        text = text.replace(name, f"{name} even_if_slower=true")
    steps = text.split(",")
    last = next(n for n, step in enumerate(steps) if step.startswith(until))
    parse_pipeline(",".join(steps[: last + 1]), PASSES).run(module, make_context())
    module.verify()
    return module


def operations(module: ModuleOp) -> list[str]:
    """The operations of every launch."""
    return [
        "+".join(name.data for name in op.operations or ())
        for op in main_function(module).walk()
        if isinstance(op, LaunchOp)
    ]


class Moves:
    """Draws a network in which much is moved and little computed."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        shape = [draw(st.sampled_from([1, 2, 3, 4, 6, 16])) for _ in range(3)]
        self.build = NetworkBuilder([1, *shape])
        self.values: list[SSAValue] = [self.build.values[0]]
        self.random = np.random.default_rng(draw(st.integers(0, 9)))

    def module(self) -> ModuleOp:
        moves = [self.reshape, self.transpose, self.slice, self.gather, self.concat]
        for _ in range(self.draw(st.integers(2, 8))):
            step = self.draw(st.sampled_from([*moves, self.compute, self.add]))
            x = self.draw(st.sampled_from(self.values[-3:]))
            self.values.append(step(x))
        outputs = [v for v in self.values[1:] if not v.uses]
        return self.build.finish(*outputs)

    def reshape(self, x: SSAValue) -> SSAValue:
        shape = list(shape_of(x))
        if self.draw(st.booleans()) and len(shape) > 1:
            at = self.draw(st.integers(0, len(shape) - 2))
            shape[at : at + 2] = [shape[at] * shape[at + 1]]
        else:
            at = self.draw(st.integers(0, len(shape) - 1))
            factors = [f for f in range(1, shape[at] + 1) if shape[at] % f == 0]
            factor = self.draw(st.sampled_from(factors))
            shape[at : at + 1] = [factor, shape[at] // factor]
        return self.build.add(nn.ReshapeOp, x, self.build.ints(*shape))

    def transpose(self, x: SSAValue) -> SSAValue:
        perm = self.draw(st.permutations(range(len(shape_of(x)))))
        return self.build.add(nn.TransposeOp, x, perm=list(perm))

    def axis(self, x: SSAValue) -> tuple[int, int]:
        axis = self.draw(st.integers(0, len(shape_of(x)) - 1))
        return axis, shape_of(x)[axis]

    def slice(self, x: SSAValue) -> SSAValue:
        axis, size = self.axis(x)
        start = self.draw(st.integers(0, size - 1))
        ends = self.draw(st.integers(start + 1, size))
        numbers = [start, ends, axis, self.draw(st.integers(1, 2))]
        return self.build.add(nn.SliceOp, x, *map(self.build.ints, numbers))

    def gather(self, x: SSAValue) -> SSAValue:
        axis, size = self.axis(x)
        first, step = self.draw(st.integers(-size, size - 1)), st.integers(-2, 2)
        steps = self.draw(step), self.draw(step)
        at = first + np.add.outer(np.arange(2) * steps[0], np.arange(2) * steps[1])
        at = np.clip(at, -size, size - 1)
        if len(shape_of(x)) > 1 and self.draw(st.booleans()):
            at = at[0, 0]
        indices = self.build.constant(np.asarray(at, np.int64))
        return self.build.add(nn.GatherOp, x, indices, axis=axis)

    def concat(self, x: SSAValue) -> SSAValue:
        axis, _ = self.axis(x)
        y = self.build.add(nn.ReluOp, x)
        return self.build.add(nn.ConcatOp, x, y, axis=axis)

    def add(self, x: SSAValue) -> SSAValue:
        fitting = [v for v in self.values if shape_of(v) == shape_of(x)]
        return self.build.add(nn.AddOp, x, self.draw(st.sampled_from(fitting)))

    def weights(self, *shape: int) -> SSAValue:
        return self.build.constant(self.random.integers(-2, 3, shape).astype("f4"))

    def compute(self, x: SSAValue) -> SSAValue:
        shape = shape_of(x)
        kinds = ["relu", "sum", "matmul", "conv"][: 4 if len(shape) == 4 else 3]
        match self.draw(st.sampled_from(kinds)):
            case "relu":
                return self.build.add(nn.ReluOp, x)
            case "sum":
                axes = self.build.ints(len(shape) - 1)
                total = self.build.add(nn.ReduceSumOp, x, axes, keepdims=1)
                return self.build.add(nn.SubOp, x, total)
            case "matmul":
                columns = self.draw(st.sampled_from([3, 16, 24]))
                return self.build.add(nn.MatmulOp, x, self.weights(shape[-1], columns))
            case _:
                channels = self.draw(st.sampled_from([3, 16, 20]))
                size = self.draw(st.sampled_from([1, 3]))
                w = self.weights(channels, shape[1], size, size)
                pads = [size // 2] * 4
                return self.build.add(nn.ConvOp, x, w, pads=pads)


@st.composite
def moves(draw: st.DrawFn) -> ModuleOp:
    return Moves(draw).module()


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=25)
@given(moves(), st.booleans())
def test_results_are_kept(target: str, module: ModuleOp, always: bool) -> None:
    arrays = argument_arrays(module)
    expected = run_reference(module, arrays)

    tiles = lowered(module, "apply-schedule", target, always)

    got = run_launches(tiles, list(arrays.values()))
    for array, want in zip(got, expected, strict=True):
        np.testing.assert_array_equal(array, want)


@settings(max_examples=25)
@given(moves(), st.booleans())
def test_a_second_run_changes_nothing(module: ModuleOp, always: bool) -> None:
    lowered(module, always=always)
    before = str(module)

    DropCopiesPass("cpu:x86-64-v4", always).apply(make_context(), module)

    assert str(module) == before


def heads(tokens: int, count: int, depth: int) -> NetworkBuilder:
    """The values of attention: a product whose columns are heads times depth."""
    width = count * depth
    build = NetworkBuilder([1, tokens, width], [1, count, tokens, tokens])
    y = build.add(nn.MatmulOp, build.values[0], build.constant(eye(width)))
    y = build.add(nn.ReshapeOp, y, build.ints(1, tokens, count, depth))
    y = build.add(nn.TransposeOp, y, perm=[0, 2, 1, 3])
    y = build.add(nn.MatmulOp, build.block.args[1], y)
    y = build.add(nn.TransposeOp, y, perm=[0, 2, 1, 3])
    y = build.add(nn.ReshapeOp, y, build.ints(1, tokens, width))
    build.add(nn.MatmulOp, y, build.constant(eye(width)))
    return build


def eye(size: int) -> np.ndarray:
    return np.eye(size, dtype=np.float32)


def test_heads_are_written_where_they_are_read() -> None:
    module = lowered(heads(49, 3, 32).finish())

    assert operations(module) == ["matmul+transpose", "matmul+transpose", "matmul"]


def tokens_and_images(size: int, channels: int) -> ModuleOp:
    """Tokens times a matrix, as an image through a convolution by channel, and back."""
    build = NetworkBuilder([1, size * size, 32])
    y = build.add(
        nn.MatmulOp, build.values[0], build.constant(np.ones((32, channels), "f4"))
    )
    y = build.add(nn.TransposeOp, y, perm=[0, 2, 1])
    y = build.add(nn.ReshapeOp, y, build.ints(1, channels, size, size))
    w = build.constant(np.ones((channels, 1, 3, 3), "f4"))
    y = build.add(nn.ConvOp, y, w, pads=[1] * 4, group=channels)
    y = build.add(nn.ReshapeOp, y, build.ints(1, channels, size * size))
    y = build.add(nn.TransposeOp, y, perm=[0, 2, 1])
    build.add(nn.MatmulOp, y, build.constant(np.ones((channels, 32), "f4")))
    return build.finish()


def test_tokens_become_images_without_a_copy() -> None:
    module = lowered(tokens_and_images(28, 64))

    launched = [name for name in operations(module) if name != "halo"]
    assert launched == [
        "matmul+transpose+identity",
        "conv+reshape+transpose",
        "matmul",
    ]


def test_lanes_stay_neighbours() -> None:
    """Keys are turned before a product whose lanes walk them."""
    build = NetworkBuilder([1, 64, 96], [1, 64, 96])
    keys = build.add(nn.AddOp, *build.block.args)
    turned = build.add(nn.TransposeOp, keys, perm=[0, 2, 1])
    scores = build.add(nn.MatmulOp, build.block.args[0], turned)
    module = lowered(build.finish(scores, keys))

    assert operations(module) == ["add", "transpose", "matmul"]


@pytest.mark.parametrize(("outputs", "apart"), [(64, False), (512, True)])
def test_weights_that_no_cache_holds_are_read_in_order(
    outputs: int, apart: bool
) -> None:
    """Pixels before blocks of channels, which memory has the other way around."""
    build = NetworkBuilder([1, 16, 4, 4])
    weights = build.constant(np.ones((64, 16, 1, 1), np.float32))
    x = build.add(nn.ReluOp, build.add(nn.ConvOp, build.values[0], weights))
    more = build.constant(np.ones((64, 64, 1, 1), np.float32))
    x = build.add(nn.FlattenOp, build.add(nn.ConvOp, x, more))
    build.add(nn.MatmulOp, x, build.constant(np.ones((1024, outputs), np.float32)))

    names = operations(lowered(build.finish()))

    assert ("flatten" in names) == apart


def test_a_sum_does_not_scatter_its_lanes() -> None:
    """A shuffle of channels stays, and reads what a grouped convolution wrote."""
    build = NetworkBuilder([1, 3, 56, 56])
    first = build.constant(np.ones((24, 3, 3, 3), np.float32))
    x = build.add(nn.ConvOp, build.values[0], first, pads=[1] * 4)
    weights = build.constant(np.ones((112, 6, 1, 1), np.float32))
    x = build.add(nn.ReluOp, build.add(nn.ConvOp, x, weights, group=4))
    x = build.add(nn.ChannelShuffleOp, x, group=4)
    depthwise = build.constant(np.ones((112, 1, 3, 3), np.float32))
    x = build.add(nn.ConvOp, x, depthwise, group=112, pads=[1] * 4)
    build.add(nn.ConvOp, x, build.constant(np.ones((16, 112, 1, 1), np.float32)))

    assert "channel_shuffle" in operations(lowered(build.finish()))


def test_split_columns_are_shared_by_threads() -> None:
    """Queries, keys and values of windows: columns that no cache holds."""
    build = NetworkBuilder([1, 4 * 49, 384])
    w = build.constant(np.ones((384, 3 * 384), "f4"))
    y = build.add(nn.MatmulOp, build.values[0], w)
    y = build.add(nn.ReshapeOp, y, build.ints(4, 49, 3, 12, 32))
    y = build.add(nn.TransposeOp, y, perm=[2, 0, 3, 1, 4])
    module = lowered(build.finish(y), "schedule-nests")

    [nest] = [op for op in module.body.block.ops if isinstance(op, NestOp)]
    assert "_to" in nest.sym_name.data
    sizes = {d.name_hint: s for d, s in zip(nest.dims, nest.extents, strict=True)}
    shares = prod(
        -(-sizes[loop.dim.data] // loop.step.data)
        for loop in nest.schedule.loops
        if loop.mapping.data == "parallel"
    )
    assert shares >= 16


def returned(build: NetworkBuilder) -> list[SSAValue]:
    """What is copied is returned, and so is the copy."""
    y = build.add(nn.ReluOp, build.values[0])
    return [y, build.add(nn.TransposeOp, y, perm=[1, 0])]


def read_twice(build: NetworkBuilder) -> list[SSAValue]:
    """The writer of what is copied has another reader; the copy is returned."""
    y = build.add(nn.ReluOp, build.values[0])
    z = build.add(nn.ReduceSumOp, y, build.ints(0))
    return [build.add(nn.TransposeOp, y, perm=[1, 0]), z]


@pytest.mark.parametrize("write", [returned, read_twice])
def test_what_others_read_is_still_written(write: object) -> None:
    build = NetworkBuilder([24, 32])
    assert callable(write)
    module = lowered(build.finish(*write(build)), always=True)

    assert "transpose" in operations(module)


def test_kernels_are_shared() -> None:
    build = NetworkBuilder([1, 49, 96])
    y, w = build.values[0], build.constant(eye(96))
    for _ in range(3):
        y = build.add(nn.MatmulOp, y, w)
        y = build.add(nn.ReshapeOp, y, build.ints(1, 49, 3, 32))
        y = build.add(nn.TransposeOp, y, perm=[0, 2, 1, 3])
        y = build.add(nn.ReluOp, y)
        y = build.add(nn.TransposeOp, y, perm=[0, 2, 1, 3])
        y = build.add(nn.ReshapeOp, y, build.ints(1, 49, 96))
    module = lowered(build.finish())

    nests = [op for op in module.body.block.ops if isinstance(op, NestOp)]
    launches = [op for op in main_function(module).walk() if isinstance(op, LaunchOp)]
    assert len({launch.kernel_name for launch in launches}) == len(nests)
    assert len(nests) <= len(launches) // 3 + 1


# copies and dimensions


def copy_of(source: list[int], class_: type[NNOp], *ints: list[int]) -> Copy | None:
    """The only nest of a network of one operation."""
    build = NetworkBuilder(source)
    build.add(class_, build.values[0], *(build.ints(*i) for i in ints))
    module = lowered(build.finish(), "lower-kernels")
    [nest] = [op for op in module.body.block.ops if isinstance(op, NestOp)]
    return Copy.of(nest)


def test_a_copy_of_a_part_is_no_inverse() -> None:
    copy = copy_of([6, 4], nn.SliceOp, [0], [3], [0])

    assert copy is not None
    assert copy.inverse(copy.read) is None
    assert copy.inverse(copy.write) is not None


def test_a_copy_that_repeats_is_no_inverse() -> None:
    copy = copy_of([1, 4], nn.ExpandOp, [6, 4])

    assert copy is not None
    assert copy.inverse(copy.read) is None
    assert copy.inverse(copy.write) is not None


@pytest.mark.parametrize(
    ("positions", "even"), [([1, 3, 5], True), ([-1, 3, 1], True), ([0, 1, 3], False)]
)
def test_evenly_spaced_positions_are_a_copy(positions: list[int], even: bool) -> None:
    assert (copy_of([6, 4], nn.GatherOp, positions) is not None) == even


def test_arithmetic_is_no_copy() -> None:
    assert copy_of([6, 4], nn.ReluOp) is None


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_split_dimensions_walk_the_same_points(m: int, n: int, k: int) -> None:
    build = NetworkBuilder([m * n, k], [k, 3])
    build.add(nn.MatmulOp, *build.block.args)
    module = lowered(build.finish(), "lower-kernels")
    [nest] = [op for op in module.body.block.ops if isinstance(op, NestOp)]
    arrays = [np.arange(m * n * k, dtype="f4").reshape(m * n, k)]
    arrays += [np.arange(k * 3, dtype="f4").reshape(k, 3), np.zeros((m * n, 3), "f4")]
    shapes = [b.type.get_shape() for b in nest.buffers]  # pyright: ignore
    arrays = [a.reshape(s) for a, s in zip(arrays, shapes, strict=True)]
    dim = next(d for d in nest.dims if d.name_hint == "m")

    assert split(nest, dim, n)

    nest.verify()
    assert prod(nest.extents) == m * n * 3 * k
    evaluate_nest(nest, arrays)
    expected = arrays[0].reshape(-1, k) @ arrays[1].reshape(k, -1)[:, :3]
    np.testing.assert_array_equal(arrays[2].reshape(-1, 3), expected)
