"""Networks written as ONNX mean the same to onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from networks import NetworkBuilder, evaluate
from onnx_files import assert_close, needs, onnxruntime_answers
from ovc.compiler import driver
from ovc.compiler.exporters.to_onnx import to_onnx, write_onnx
from ovc.compiler.options import CompileOptions
from ovc.compiler.passes.halve_weights import HalveWeightsPass
from ovc.compiler.passes.infer_shapes import InferShapesPass
from ovc.compiler.proof import arguments_of
from ovc.compiler.whole_numbers import float_inputs
from ovc.dialects import nn
from ovc.dialects.const import Weight, WeightAttr
from ovc.dialects.types import Array
from ovc.runtime.errors import UnsupportedOperation
from strategies import Program, networks
from xdsl.dialects.builtin import ModuleOp, f16, i64
from xdsl.ir import SSAValue

TOLERANCE = 2e-5


def answers(module: ModuleOp, inputs: dict[str, Array], folder: Path) -> list[Array]:
    """What onnxruntime says to the exported module."""
    path = folder / "exported.onnx"
    before = str(module)
    write_onnx(module, path)
    assert str(module) == before
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime_answers(path, inputs)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(networks())
def test_random_networks(tmp_path: Path, program: Program) -> None:
    module, inputs = program
    expected = evaluate(module, inputs)

    assert_close(answers(module, inputs, tmp_path), expected, TOLERANCE)


X = (1, 4, 6, 6)


def vector(net: NetworkBuilder, *shape: int) -> SSAValue:
    numbers = np.random.default_rng(len(net.values)).random(shape) + 0.5
    return net.constant(numbers.astype(np.float32))


OPERATIONS: dict[str, Any] = {
    "scale_shift": lambda n, x: n.add(nn.ScaleShiftOp, x, vector(n, 4), vector(n, 4)),
    "swish": lambda n, x: n.add(nn.SwishOp, x, alpha=1.5),
    "clip": lambda n, x: n.add(
        nn.ClipOp, x, None, n.constant(np.asarray(np.float32(1)))
    ),
    "gelu": lambda n, x: n.add(nn.GeluOp, x, approximate="tanh"),
    "softmax": lambda n, x: n.add(nn.SoftmaxOp, x, axis=1),
    "reduce": lambda n, x: n.add(nn.ReduceMeanOp, x, n.ints(2, 3), keepdims=0),
    "reduce_all": lambda n, x: n.add(nn.ReduceL2Op, x),
    "resize": lambda n, x: n.add(
        nn.ResizeOp,
        x,
        None,
        n.constant(np.array([1, 1, 2, 2], np.float32)),
        None,
        mode="linear",
    ),
    "indices": lambda n, x: n.add(
        nn.MaxPoolIndicesOp, x, kernel_shape=[2, 2], strides=[2, 2]
    ),
    "pool": lambda n, x: n.add(
        nn.AveragePoolOp, x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "transpose": lambda n, x: n.add(
        nn.ConvTransposeOp, x, vector(n, 4, 3, 2, 2), strides=[2, 2]
    ),
    "batch_norm": lambda n, x: n.add(
        nn.BatchNormOp, x, *(vector(n, 4) for _ in "1234")
    ),
    "instance_norm": lambda n, x: n.add(
        nn.InstanceNormOp, x, vector(n, 4), vector(n, 4)
    ),
    "group_norm": lambda n, x: n.add(
        nn.GroupNormOp, x, vector(n, 4), vector(n, 4), num_groups=2
    ),
    "layer_norm": lambda n, x: n.add(nn.LayerNormOp, x, vector(n, 6), vector(n, 6)),
    "rms_norm": lambda n, x: n.add(nn.RmsNormOp, x, vector(n, 6)),
    "lrn": lambda n, x: n.add(nn.LrnOp, x, size=3),
    "attention": lambda n, x: n.add(
        nn.AttentionOp, x, x, x, vector(n, 6, 6), scale=0.4
    ),
    "prelu": lambda n, x: n.add(nn.PreluOp, x, vector(n, 4, 1, 1)),
    "top_k": lambda n, x: n.add(nn.TopKOp, x, n.ints(2), results=2),
    "arg_max": lambda n, x: n.add(nn.ArgMaxOp, x, axis=1),
    "gather": lambda n, x: n.add(nn.GatherOp, x, n.ints(2, 0), axis=1),
    "channels": lambda n, x: n.add(nn.ChannelShuffleOp, x, group=2),
    "depth": lambda n, x: n.add(nn.DepthToSpaceOp, x, blocksize=2),
    "pad": lambda n, x: n.add(
        nn.PadOp, x, n.ints(0, 0, 1, 1, 0, 0, 2, 0), mode="reflect"
    ),
    "trilu": lambda n, x: n.add(nn.TriluOp, x, upper=0),
    "cumsum": lambda n, x: n.add(
        nn.CumsumOp, x, n.constant(np.asarray(np.int64(2))), reverse=1
    ),
    "einsum": lambda n, x: n.add(nn.EinsumOp, [x, x], equation="nchw,nchw->nc"),
    "cast": lambda n, x: n.add(nn.CastOp, x, to=f16),
    "where": lambda n, x: n.add(nn.WhereOp, n.add(nn.GreaterOp, x, x), x, x),
    "fill": lambda n, x: n.add(
        nn.AddOp,
        x,
        n.add(
            nn.FillOp,
            n.add(nn.ShapeOp, x),
            value=WeightAttr(Weight(np.full(1, 2, np.float32))),
        ),
    ),
    "one_hot": lambda n, x: n.add(
        nn.OneHotOp,
        n.add(nn.CastOp, x, to=i64),
        n.constant(np.asarray(np.int64(5))),
        n.constant(np.array([0, 1], np.float32)),
    ),
    "split": lambda n, x: n.add(nn.SplitOp, x, None, axis=1, num_outputs=2, results=2),
    "quantize": lambda n, x: n.add(
        nn.QuantizeLinearOp,
        x,
        n.constant(np.asarray(np.float32(0.1))),
        n.constant(np.asarray(np.uint8(3))),
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name: str, tmp_path: Path) -> None:
    net = NetworkBuilder(X)
    result = OPERATIONS[name](net, net.block.args[0])
    module = net.finish(result)
    InferShapesPass().count(module)
    inputs = float_inputs(arguments_of(module))
    expected = evaluate(module, inputs)

    assert_close(answers(module, inputs, tmp_path), expected, TOLERANCE)


def test_an_lstm(tmp_path: Path) -> None:
    net = NetworkBuilder((5, 1, 3))
    weights = [vector(net, *shape) for shape in ((1, 16, 3), (1, 16, 4), (1, 32))]
    net.add(nn.LstmOp, net.block.args[0], *weights, hidden_size=4, results=3)
    module = net.finish()
    inputs = float_inputs(arguments_of(module))
    expected = evaluate(module, inputs)

    assert_close(answers(module, inputs, tmp_path), expected, TOLERANCE)


def test_outputs_that_are_inputs_constants_or_twice(tmp_path: Path) -> None:
    net = NetworkBuilder((2,))
    x = net.block.args[0]
    y = net.add(nn.ReluOp, x)
    constant = net.constant(np.ones(3, np.float32))
    module = net.finish(x, y, y, constant)
    inputs = {"arg0": np.array([-1, 1], np.float32)}

    assert_close(answers(module, inputs, tmp_path), evaluate(module, inputs), 0)


def test_half_weights_are_written_as_half() -> None:
    net = NetworkBuilder((1, 8))
    net.add(nn.MatmulOp, net.block.args[0], vector(net, 8, 16))
    module = net.finish()
    HalveWeightsPass().count(module)

    graph = to_onnx(module).graph

    assert [t.data_type for t in graph.initializer] == [onnx.TensorProto.FLOAT16]
    assert [node.op_type for node in graph.node] == ["Cast", "MatMul"]


def test_an_operation_without_operator() -> None:
    net = NetworkBuilder((1, 1, 4, 4))
    table = net.constant(np.zeros((4, 1), np.int64))
    weights = net.constant(np.ones((4, 1), np.float32))
    net.add(nn.InterpolateOp, net.block.args[0], table, weights)

    with pytest.raises(UnsupportedOperation, match=r"nn\.interpolate"):
        to_onnx(net.finish())


@pytest.mark.parametrize("name", ["cifar_resnet20_v1", "gtcrn_simple", "mnist-8"])
def test_real_networks(name: str, tmp_path: Path) -> None:
    path = needs("models") / "onnx" / f"{name}.onnx"
    model = driver.read_model(path)
    shapes = {
        p.name: tuple(d if isinstance(d, int) else 1 for d in p.dims or ())
        for p in model.inputs
    }
    driver.optimize_model(model, CompileOptions(input_shapes=shapes))
    inputs = float_inputs(arguments_of(model.module))

    exported = answers(model.module, inputs, tmp_path)

    assert_close(exported, onnxruntime_answers(path, inputs), 1e-4)


def test_layers_keep_their_names() -> None:
    path = Path(__file__).parents[3] / "examples" / "digits.onnx"
    model = driver.read_model(path)
    driver.optimize_model(model, CompileOptions(input_shapes={"image": (1, 1, 8, 8)}))

    graph = to_onnx(model.module).graph

    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert graph.node[0].name == "conv1+norm1"
    assert [i.name for i in graph.input] == ["image"]
    assert [o.name for o in graph.output] == ["digit"]
