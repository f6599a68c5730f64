"""Weights stored as half, and those that must not be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import ovc
import pytest
from networks import NetworkBuilder, evaluate, names_in
from ovc.compiler.optimizer import cost_of_halves, weight_bytes
from ovc.compiler.passes.fold_constants import FoldConstantsPass
from ovc.compiler.passes.halve_weights import HalveWeightsPass, ReadHalvesPass
from ovc.compiler.passes.infer_shapes import InferShapesPass
from ovc.compiler.passes.reasons import recording
from ovc.dialects import nn
from ovc.dialects.types import Array
from xdsl.dialects.builtin import ModuleOp


def weights(*shape: int, scale: float = 1.0) -> Array:
    numbers = np.random.default_rng(0).standard_normal(shape) * scale
    return numbers.astype(np.float32)


def network(array: Array) -> ModuleOp:
    net = NetworkBuilder((1, array.shape[0]))
    net.add(nn.MatmulOp, net.block.args[0], net.constant(array))
    return net.finish()


def test_results_are_close_and_files_half_the_size() -> None:
    module = network(weights(16, 32))
    inputs = {"arg0": weights(1, 16)}
    (expected,) = evaluate(module, inputs)
    before = weight_bytes(module)

    assert HalveWeightsPass().count(module) == 1

    module.verify()
    assert weight_bytes(module) == before // 2
    np.testing.assert_allclose(evaluate(module, inputs)[0], expected, atol=0.02)
    assert HalveWeightsPass().count(module) == 0


def test_folding_does_not_undo_it() -> None:
    module = network(weights(16, 32))
    HalveWeightsPass().count(module)

    assert FoldConstantsPass().count(module) == 0
    assert InferShapesPass().count(module) == 0
    assert "nn.cast" in names_in(module)


def test_products_read_halves_directly() -> None:
    module = network(weights(16, 32))
    inputs = {"arg0": weights(1, 16)}
    HalveWeightsPass().count(module)
    (expected,) = evaluate(module, inputs)

    assert ReadHalvesPass().count(module) == 1

    module.verify()
    assert "nn.cast" not in names_in(module)
    np.testing.assert_array_equal(evaluate(module, inputs)[0], expected)


def test_tables_are_looked_up_as_halves() -> None:
    net = NetworkBuilder((3,), dtype=np.int64)
    net.add(nn.GatherOp, net.constant(weights(50, 8)), net.block.args[0])
    module = net.finish()
    inputs = {"arg0": np.array([3, 1, 49])}
    HalveWeightsPass().count(module)
    (expected,) = evaluate(module, inputs)

    ReadHalvesPass().count(module)

    module.verify()
    assert names_in(module)[-3:] == ["nn.gather", "nn.cast", "func.return"]
    np.testing.assert_array_equal(evaluate(module, inputs)[0], expected)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (weights(16, 32, scale=1e6), "would overflow"),
        (weights(16, 32, scale=1e-7), "tiny"),
        (weights(2, 2), "only 4 numbers"),
        (np.full((16, 32), np.inf, np.float32), "not finite"),
    ],
)
def test_what_does_not_fit_stays(array: Array, words: str) -> None:
    module = network(array)

    with recording() as journal:
        assert HalveWeightsPass().count(module) == 0

    (left,) = journal.declined
    assert "stays f32" in left.reason
    assert words in left.reason


def test_what_matters_stays() -> None:
    """Norms, divisors, biases and outputs."""
    net = NetworkBuilder((1, 64, 2, 2))
    parameters = [net.constant(np.abs(weights(64)) + 1) for _ in range(4)]
    net.add(nn.BatchNormOp, net.block.args[0], *parameters)
    net.add(nn.DivOp, net.values[-1], net.constant(np.abs(weights(64, 1, 1)) + 1))
    kernel = net.constant(np.ones((64, 64, 1, 1), np.float32))
    net.add(nn.ConvOp, net.values[-1], kernel, net.constant(weights(64)))
    module = net.finish(net.values[-1], net.constant(weights(100)))

    with recording() as journal:
        assert HalveWeightsPass().count(module) == 1

    reasons = " ".join(d.reason for d in journal.declined)
    for words in ("divided by", "bias", "output of the network"):
        assert words in reasons


def test_the_cost_is_told() -> None:
    sentence = cost_of_halves(network(weights(16, 32)), ())

    assert sentence.startswith("FP16: weights 0.00 MB to 0.00 MB; on random inputs")
    assert "e-04" in sentence or "0.000" in sentence


def test_a_compiled_network_reads_halves(tmp_path: Path) -> None:
    path = Path(__file__).parents[3] / "examples" / "digits.onnx"
    shape = {"image": (1, 1, 8, 8)}
    half = ovc.compile_model(
        ovc.convert_model(path, data_type="half", input_shape=shape)
    )
    full = ovc.compile_model(path, input_shapes=shape)
    for name, model in (("half", half), ("full", full)):
        model.export_model(tmp_path / name)
    image = np.random.default_rng(0).integers(0, 17, (1, 1, 8, 8)).astype(np.float32)

    np.testing.assert_allclose(half(image)[0], full(image)[0], atol=0.01)
    sizes = [(tmp_path / name).stat().st_size for name in ("half", "full")]
    assert sizes[0] < sizes[1] - 30_000
