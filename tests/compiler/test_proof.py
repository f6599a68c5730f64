"""`--verify-each` catches passes that were broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from networks import NetworkBuilder, evaluate, whole_numbers
from ovc.compiler.driver import NETWORK
from ovc.compiler.exporters.copies import copied
from ovc.compiler.options import Observer
from ovc.compiler.passes import (
    absorb,
    cse,
    decompose_linear,
    fold_batch_norm,
    fold_preprocessing,
    fuse_groups,
    fuse_linear,
    move_strides,
    remove_identity,
)
from ovc.compiler.passes.algebra import Algebra
from ovc.compiler.passes.fold_constants import FoldConstantsPass
from ovc.compiler.pipeline import Pipeline, parse_pipeline
from ovc.compiler.proof import Proof, Prover, arguments_of
from ovc.compiler.registry import PASSES, make_context
from ovc.compiler.reproducer import fails
from ovc.compiler.whole_numbers import float_inputs
from ovc.dialects import nn
from ovc.dialects.types import Array
from strategies import Program, networks
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.parser import Parser
from xdsl.passes import ModulePass


class Net(NetworkBuilder):
    """Small networks of whole numbers."""

    def __init__(self, *shapes: Any) -> None:
        super().__init__(*shapes)
        self.generator = np.random.default_rng(3)
        self.x = self.block.args[0]

    def numbers(self, *shape: int) -> SSAValue:
        array = whole_numbers(self.generator, shape, 1, 4)
        return self.constant(array)

    def conv(self, x: SSAValue, outputs: int, kernel: int, **more: Any) -> SSAValue:
        bias = self.numbers(outputs) if more.pop("bias", True) else None
        inputs = more.pop("inputs", 2)
        weights = self.numbers(outputs, inputs, kernel, kernel)
        return self.add(nn.ConvOp, x, weights, bias, **more)

    def norm(self, x: SSAValue, channels: int = 2) -> SSAValue:
        parameters = [self.numbers(channels) for _ in range(4)]
        return self.add(nn.BatchNormOp, x, *parameters)


def conv_mul(shape: tuple[int, ...] = (2, 1, 1), **more: Any) -> ModuleOp:
    net = Net((1, 2, 4, 4))
    y = net.conv(net.x, 2, 3, **more)
    net.add(nn.MulOp, y, net.numbers(*shape))
    return net.finish()


def shared_conv_mul() -> ModuleOp:
    net = Net((1, 2, 4, 4))
    y = net.conv(net.x, 2, 3)
    z = net.add(nn.MulOp, y, net.numbers(2, 1, 1))
    return net.finish(z, net.add(nn.ReluOp, y))


def add_conv(pads: list[int]) -> ModuleOp:
    net = Net((1, 2, 4, 4))
    y = net.add(nn.AddOp, net.x, net.numbers(2, 1, 1))
    net.conv(y, 2, 3, pads=pads)
    return net.finish()


def conv_norm() -> ModuleOp:
    net = Net((1, 2, 4, 4))
    net.norm(net.conv(net.x, 2, 3))
    return net.finish()


def bare_norm() -> ModuleOp:
    net = Net((1, 2, 2, 2))
    net.norm(net.x)
    return net.finish()


def subtraction() -> ModuleOp:
    net = Net((1, 2, 2, 2))
    net.add(nn.SubOp, net.x, net.numbers(2, 1, 1))
    return net.finish()


def groups(
    order: tuple[int, int] = (0, 1),
    axis: int = 1,
    pads: tuple[list[int], list[int]] = ([1, 1, 1, 1], [1, 1, 1, 1]),
) -> ModuleOp:
    net = Net((1, 4, 4, 4) if axis == 1 else (1, 2, 4, 4))
    split = nn.SplitOp.make(net.x, None, axis=axis, num_outputs=2, results=2)
    net.block.add_op(split)
    parts = [
        net.conv(part, 2, 3, pads=pad)
        for part, pad in zip(split.results, pads, strict=True)
    ]
    net.add(nn.ConcatOp, [parts[i] for i in order], axis=axis)
    return net.finish()


def strides(
    kernel: int = 1, pads: int = 0, second: bool = False, added: bool = False
) -> ModuleOp:
    net = Net((1, 2, 8, 8))
    y = net.conv(net.x, 2, 3, pads=[1, 1, 1, 1])
    if added:
        y = net.add(nn.AddOp, y, net.numbers(1, 2, 8, 8))
    z = net.conv(y, 8, kernel, strides=[2, 2], pads=[pads] * 4)
    return net.finish(z, net.add(nn.ReluOp, y)) if second else net.finish(z)


def order_conv(group: int = 1) -> ModuleOp:
    net = Net((1, 2, 4, 4))
    ends = [net.ints(n) for n in (-1, -3, 1, -1)]
    y = net.add(nn.SliceOp, net.x, *ends)
    net.conv(y, 2, 3, group=group, inputs=2 // group)
    return net.finish()


def spatial_mul() -> ModuleOp:
    net = Net((1, 2, 4, 4))
    y = net.add(nn.MulOp, net.x, net.numbers(1, 1, 1, 4))
    net.conv(y, 2, 3)
    return net.finish()


def transposed() -> ModuleOp:
    net = Net((3, 3))
    net.add(nn.TransposeOp, net.x, perm=[1, 0])
    return net.finish()


def shifted() -> ModuleOp:
    net = Net((4,))
    net.add(nn.PadOp, net.x, net.ints(1, -1))
    return net.finish()


def negated() -> ModuleOp:
    net = Net((4,))
    net.add(nn.SubOp, net.constant(np.zeros(4, np.float32)), net.x)
    return net.finish()


def two_orders() -> ModuleOp:
    net = Net((4,), (4,))
    a, b = net.block.args
    left, right = net.add(nn.SubOp, a, b), net.add(nn.SubOp, b, a)
    net.add(nn.ConcatOp, [left, right], axis=0)
    return net.finish()


def two_axes() -> ModuleOp:
    net = Net((2, 2))
    left = net.add(nn.SoftmaxOp, net.x, axis=0)
    right = net.add(nn.SoftmaxOp, net.x, axis=1)
    net.add(nn.ConcatOp, [left, right], axis=0)
    return net.finish()


def nothing(*_: Any, **__: Any) -> None:
    """A guard that was dropped."""


def half_multiplied(layer: absorb.Layer, k: SSAValue, algebra: Algebra) -> nn.NNOp:
    return layer.rebuilt(absorb.conv_outputs(layer, k, algebra), layer.bias)


def last_axis(algebra: Algebra, x: SSAValue, vector: SSAValue) -> SSAValue:
    return algebra.reshape(vector, [1, 1, 1, 2])


def input_axis(conv: Any, factor: Any, shift: Any, algebra: Any) -> Any:
    x, w, *bias = conv.operands
    weights = algebra.mul(w, algebra.reshape(factor, [1, 2, 1, 1]))
    moved = fold_batch_norm._folded_bias(bias, factor, shift, algebra)
    return nn.ConvOp.make(x, weights, moved, **dict(conv.properties))


def unchecked_groups(concat: Any, split: Any, constants: Any) -> Any:
    return [value.owner for value in concat.operands]


def swapped_pads(windows: Any) -> dict[str, list[int]]:
    properties = REAL_GEOMETRY(windows)
    half = len(windows)
    pads = properties["pads"]
    return properties | {"pads": [*pads[half:], *pads[:half]]}


REAL_GEOMETRY = fuse_groups.geometry_properties


def first_want(self: Any, value: SSAValue) -> Any:
    wants = [self.wants.get((u.operation, u.index)) for u in value.uses]
    return next((w for w in wants if w), None)


def unordered_key(op: Any) -> Any:
    return op.name, frozenset(op.operands), tuple(op.result_types)


def careless_key(op: Any) -> Any:
    return op.name, tuple(op.operands), tuple(op.result_types)


@dataclass(frozen=True)
class Mutation:
    """A pass broken in one place, and a network on which that shows."""

    name: str
    where: Any
    attribute: str
    instead: Any
    network: Callable[[], ModuleOp]
    steps: tuple[ModulePass, ...] = field(default=())


FUSE = (fuse_linear.FuseLinearPass(),)
NORM = (fold_batch_norm.FoldBatchNormPass(),)
GROUPS = (fuse_groups.FuseGroupsPass(),)
STRIDES = (move_strides.MoveStridesPass(),)
FIRST = (fold_preprocessing.FoldPreprocessingPass(),)
SAME = (remove_identity.RemoveIdentityPass(),)
EQUAL = (cse.CommonSubexpressionPass(),)
APART = (decompose_linear.DecomposeLinearPass(),)
RULES = remove_identity.RULES

MUTATIONS = [
    Mutation(
        "second reader", fuse_linear, "check_one_reader", nothing, shared_conv_mul, FUSE
    ),
    Mutation(
        "wrong dimension",
        fuse_linear.Search,
        "check_axis",
        nothing,
        lambda: conv_mul((2,)),
        FUSE,
    ),
    Mutation(
        "padding ignored",
        absorb,
        "check_unpadded",
        nothing,
        lambda: add_conv([1, 1, 1, 1]),
        FUSE,
    ),
    Mutation(
        "bias forgotten",
        fuse_linear,
        "multiply_output",
        half_multiplied,
        conv_mul,
        FUSE,
    ),
    Mutation(
        "inputs for outputs",
        fuse_linear,
        "multiply_output",
        absorb.multiply_input,
        conv_mul,
        FUSE,
    ),
    Mutation(
        "sum for product",
        fuse_linear,
        "multiply_output",
        absorb.add_to_output,
        conv_mul,
        FUSE,
    ),
    Mutation(
        "outputs for inputs",
        absorb,
        "conv_inputs",
        absorb.conv_outputs,
        lambda: add_conv([0, 0, 0, 0]),
        FUSE,
    ),
    Mutation(
        "norm along inputs",
        fold_batch_norm,
        "RULES",
        {nn.ConvOp: input_axis},
        conv_norm,
        NORM,
    ),
    Mutation(
        "norm without bias",
        fold_batch_norm,
        "_folded_bias",
        lambda bias, factor, shift, algebra: shift,
        conv_norm,
        NORM,
    ),
    Mutation(
        "other epsilon", fold_batch_norm, "number", lambda *_: 0.5, conv_norm, NORM
    ),
    Mutation(
        "decomposed epsilon",
        decompose_linear,
        "number",
        lambda *_: 0.5,
        bare_norm,
        APART,
    ),
    Mutation(
        "decomposed axis", decompose_linear, "per_channel", last_axis, bare_norm, APART
    ),
    Mutation(
        "sign lost", Algebra, "neg", lambda self, value: value, subtraction, APART
    ),
    Mutation(
        "branches swapped",
        fuse_groups,
        "matched",
        unchecked_groups,
        lambda: groups((1, 0)),
        GROUPS,
    ),
    Mutation(
        "duplicated branch",
        fuse_groups,
        "matched",
        unchecked_groups,
        lambda: groups((0, 0)),
        GROUPS,
    ),
    Mutation(
        "rows for channels", fuse_groups, "CHANNELS", 2, lambda: groups(axis=2), GROUPS
    ),
    Mutation(
        "different padding",
        fuse_groups,
        "check_alike",
        nothing,
        lambda: groups(pads=([1, 1, 1, 1], [0, 0, 2, 2])),
        GROUPS,
    ),
    Mutation(
        "ends before begins",
        fuse_groups,
        "geometry_properties",
        swapped_pads,
        lambda: groups(pads=([0, 1, 2, 1], [0, 1, 2, 1])),
        GROUPS,
    ),
    Mutation(
        "larger kernel",
        move_strides,
        "is_pointwise",
        lambda _: True,
        lambda: strides(3, 1),
        STRIDES,
    ),
    Mutation(
        "padded stride",
        move_strides,
        "is_pointwise",
        lambda _: True,
        lambda: strides(1, 1),
        STRIDES,
    ),
    Mutation(
        "reader ignored",
        move_strides.Plan,
        "agreement",
        first_want,
        lambda: strides(second=True),
        STRIDES,
    ),
    Mutation(
        "operand left whole",
        move_strides,
        "operand_steps_before",
        lambda *_: [],
        lambda: strides(added=True),
        STRIDES,
    ),
    Mutation(
        "mean through padding",
        fold_preprocessing,
        "_is_padded",
        lambda _: False,
        lambda: add_conv([1, 0, 0, 1]),
        FIRST,
    ),
    Mutation(
        "image as channels",
        fold_preprocessing,
        "_per_channel",
        lambda _: True,
        spatial_mul,
        FIRST,
    ),
    Mutation(
        "order across groups",
        fold_preprocessing,
        "integer",
        lambda *_: 1,
        lambda: order_conv(2),
        FIRST,
    ),
    Mutation(
        "order of outputs",
        fold_preprocessing,
        "FOLDS",
        fold_preprocessing.FOLDS
        | {
            "reverse": lambda p, conv, link: nn.ConvOp.make(
                conv.x, fold_preprocessing.reversed_along(p, conv.w, 0), conv.b
            )
        },
        order_conv,
        FIRST,
    ),
    Mutation(
        "any transposition",
        remove_identity,
        "RULES",
        RULES | {nn.TransposeOp: remove_identity.first},
        transposed,
        SAME,
    ),
    Mutation(
        "shift by padding",
        remove_identity,
        "RULES",
        RULES | {nn.PadOp: remove_identity.first},
        shifted,
        SAME,
    ),
    Mutation(
        "operands swapped",
        remove_identity,
        "RULES",
        RULES | {nn.SubOp: remove_identity.neutral(True, 0.0)},
        negated,
        SAME,
    ),
    Mutation("order of operands", cse, "_key", unordered_key, two_orders, EQUAL),
    Mutation("properties ignored", cse, "_key", careless_key, two_axes, EQUAL),
]


class Listening(Observer):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def told(self, sentence: str) -> None:
        self.sentences.append(sentence)


def proved(
    mutation: Mutation, module: ModuleOp, folder: Path
) -> tuple[Prover, Listening]:
    """The prover after it ran the passes of a mutation."""
    listening = Listening()
    prover = Prover(Proof(folder=folder, name="small"), listening)
    pipeline = Pipeline((*mutation.steps, FoldConstantsPass()))
    prover.run(pipeline, module, make_context())
    return prover, listening


NAMES = [mutation.name for mutation in MUTATIONS]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=NAMES)
def test_broken_passes_are_caught(
    mutation: Mutation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = mutation.network()
    inputs = float_inputs(arguments_of(module))
    expected = evaluate(copied(module), inputs)
    assert hasattr(mutation.where, mutation.attribute)
    monkeypatch.setattr(mutation.where, mutation.attribute, mutation.instead)

    prover, listening = proved(mutation, module, tmp_path)

    (step,) = mutation.steps
    assert [name for name, _ in prover.failures] == [step.name]
    assert f"pass {step.name} changes results" in listening.sentences[0]
    module.verify()
    for result, array in zip(evaluate(module, inputs), expected, strict=True):
        np.testing.assert_array_equal(result, array)
    text = (tmp_path / f"small-{step.name}.mlir").read_text(encoding="utf-8")
    assert fails(step, Parser(make_context(), text).parse_module())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=NAMES)
def test_sound_passes_are_not_blamed(mutation: Mutation, tmp_path: Path) -> None:
    prover, listening = proved(mutation, mutation.network(), tmp_path)

    assert prover.failures == []
    assert "keep" in listening.sentences[0]
    assert list(tmp_path.iterdir()) == []


def test_the_reproducer_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch norm of many is folded wrongly: only what shows that is written."""
    net = Net((1, 2, 16, 16))
    x = net.x
    for _ in range(6):
        x = net.add(nn.ReluOp, net.conv(x, 2, 1))
    x = net.norm(net.conv(x, 2, 3))
    for _ in range(6):
        x = net.add(nn.SigmoidOp, x)
    module = net.finish()
    monkeypatch.setattr(
        fold_batch_norm, "_folded_bias", lambda bias, factor, shift, algebra: shift
    )

    proved(Mutation("", None, "", None, conv_norm, NORM), module, tmp_path)

    text = (tmp_path / "small-fold-batch-norm.mlir").read_text(encoding="utf-8")
    assert "RUN: ovc-opt %s -p 'fold-batch-norm'" in text
    assert text.count(" nn.") == 2
    assert "const.weight" not in text


def test_samples_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that is wrong for large numbers only."""

    def bounded(op: Any) -> SSAValue:
        return op.operands[0]

    monkeypatch.setitem(remove_identity.RULES, nn.MinimumOp, bounded)
    net = Net((4,))
    net.add(nn.MinimumOp, net.x, net.constant(np.full(4, 1e6, np.float32)))
    module = net.finish()
    sample: dict[str, Array] = {"arg0": np.full(4, 1e7, np.float32)}
    listening = Listening()
    prover = Prover(Proof((sample,), tmp_path), listening)

    prover.run(Pipeline(SAME), module, make_context())

    assert prover.failures[0][1].data == "sample 1"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(networks())
def test_the_whole_pipeline_is_sound(tmp_path: Path, program: Program) -> None:
    prover = Prover(Proof(folder=tmp_path), Listening())

    prover.run(parse_pipeline(NETWORK, PASSES), program.module, make_context())

    assert prover.failures == []
    program.module.verify()
