"""What the generic passes make of well-known topologies, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from networks import NetworkBuilder, argument_arrays, evaluate, names_in
from ovc.compiler.driver import NETWORK
from ovc.compiler.frontends.onnx import import_onnx
from ovc.compiler.locations import set_source, source_names
from ovc.compiler.options import PassReport
from ovc.compiler.passes.algebra import Constants
from ovc.compiler.passes.linear import linear_of
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.dialects import nn
from ovc.dialects.nn.base import NNOp, ints
from ovc.dialects.types import shape_of
from topologies import materialized
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
MOST_SECONDS = 3


class ResNet:
    """A narrow ResNet; its first 1x1 or its 3x3 convolutions have the strides."""

    def __init__(self, depth: int, *, original: bool, size: int = 32) -> None:
        self.net = NetworkBuilder([1, 3, size, size])
        self.generator = np.random.default_rng(depth)
        self.original = original
        x = self.relu(self.conv(self.net.values[0], 2, 7, 2))
        pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
        x = self.net.add(nn.MaxPoolOp, x, **pool)
        for stage, blocks in enumerate(DEPTHS[depth]):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                x = self.block(x, 2 << stage, stride, first=not block)
        self.module = self.net.finish(self.net.add(nn.GlobalAveragePoolOp, x))

    def conv(self, x: SSAValue, outputs: int, kernel: int, stride: int) -> SSAValue:
        """A convolution and its batch norm."""
        inner = shape_of(x)[1]
        spread = (2 / (inner * kernel * kernel)) ** 0.5
        w = self.generator.normal(0, spread, (outputs, inner, kernel, kernel))
        pads = [kernel // 2] * 4
        y = self.net.add(
            nn.ConvOp, x, self.constant(w), strides=[stride] * 2, pads=pads
        )
        scale, bias, mean = (self.generator.normal(m, 0.1, outputs) for m in (1, 0, 0))
        variance = self.generator.uniform(0.5, 1.5, outputs)
        parameters = map(self.constant, (scale, bias, mean, variance))
        z = self.net.add(nn.BatchNormOp, y, *parameters)
        for value in (y, z):
            name = f"{value.owner.name}{len(self.net.values)}"  # type: ignore[union-attr]
            set_source(value.owner, name)  # type: ignore[arg-type]
        return z

    def constant(self, array: np.ndarray) -> SSAValue:
        return self.net.constant(array.astype(np.float32))

    def relu(self, x: SSAValue) -> SSAValue:
        return self.net.add(nn.ReluOp, x)

    def block(self, x: SSAValue, width: int, stride: int, *, first: bool) -> SSAValue:
        strides = (stride, 1) if self.original else (1, stride)
        y = self.relu(self.conv(x, width, 1, strides[0]))
        y = self.relu(self.conv(y, width, 3, strides[1]))
        y = self.conv(y, 4 * width, 1, 1)
        shortcut = self.conv(x, 4 * width, 1, stride) if first else x
        return self.relu(self.net.add(nn.AddOp, y, shortcut))


def optimized(module: ModuleOp) -> Sequence[PassReport]:
    pipeline = parse_pipeline(NETWORK, PASSES)
    reports = pipeline.run(module, make_context())
    module.verify()
    return reports


def left(module: ModuleOp) -> list[NNOp]:
    """Batch norms, scales, and Mul and Add with constants."""
    [main] = module.body.block.ops
    block = main.regions[0].block
    constants = Constants.of(block)
    return [
        op
        for op in block.ops
        if isinstance(op, nn.BatchNormOp | nn.ScaleShiftOp)
        or (isinstance(op, NNOp) and linear_of(op, constants) is not None)
    ]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("original", [True, False])
def test_resnets_have_nothing_linear_left(depth: int, original: bool) -> None:
    module = ResNet(depth, original=original).module
    inputs = argument_arrays(module)
    expected = evaluate(module, inputs, precision=np.float64)

    optimized(module)

    assert not left(module)
    [result] = evaluate(module, inputs, precision=np.float64)
    limit = 1e-5 * float(np.abs(expected[0]).max())
    np.testing.assert_allclose(result, expected[0], rtol=0, atol=limit)


def strided(module: ModuleOp, kernel: int) -> int:
    """How many convolutions of this kernel have a stride of two."""
    return sum(
        isinstance(op, nn.ConvOp)
        and shape_of(op.w)[2:] == (kernel, kernel)
        and ints(op.strides) == (2, 2)
        for op in module.walk()
    )


def test_strides_of_resnet_50() -> None:
    module = ResNet(50, original=True).module
    assert (strided(module, 1), strided(module, 3)) == (6, 0)

    optimized(module)

    assert (strided(module, 1), strided(module, 3)) == (0, 3)
    assert names_in(module).count("nn.max_pool") == 1 + 3


def test_strides_of_resnet_50_v15() -> None:
    module = ResNet(50, original=False, size=64).module

    optimized(module)

    assert (strided(module, 1), strided(module, 3)) == (3, 3)
    assert names_in(module).count("nn.max_pool") == 1


@pytest.mark.parametrize("name", ["densenet121", "inception_v1", "resnet50"])
def test_what_is_left_is_listed_with_its_reason(name: str, tmp_path: Path) -> None:
    module = import_onnx(materialized(name, tmp_path)).module
    start = time.process_time()
    reports = optimized(module)
    seconds = time.process_time() - start

    assert seconds < MOST_SECONDS
    fused = [r for r in reports if r.name == "fuse-linear"][-1]
    listed = {layer for d in fused.declined for layer in d.layers}
    for op in left(module):
        assert source_names(op)
        assert listed.issuperset(source_names(op)), op
    if name != "densenet121":
        assert not left(module)
