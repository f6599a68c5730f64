"""Networks cut at tensors and layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_files import model, node, save
from ovc.compiler.frontends.onnx import import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.runtime.errors import ImportFailure


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """`x -> double -> [a] -> plus w -> [b] -> relu -> [c]`, and `[a] -> neg -> [d]`."""
    nodes = [
        node("Add", "x x", "a", name="double"),
        node("Add", "a w", "b", name="plus"),
        node("Relu", "b", "c", name="relu"),
        node("Neg", "a", "d", name="neg"),
        node("Split", "c", "e f", name="split", num_outputs=2, axis=0),
    ]
    weights = {"w": np.array([1, -9], np.float32)}
    proto = model(nodes, {"x": [2]}, ["c", "d", "e"], weights, opset=18)
    return save(tmp_path, proto)


X = np.array([1, 2], np.float32)


def names(ports: object) -> list[str]:
    return [port.name for port in ports]  # type: ignore[attr-defined]


def test_an_output_in_the_middle(path: Path) -> None:
    found = import_onnx(path, outputs=["b"])

    assert names(found.outputs) == ["b"]
    assert sum(op.name.startswith("nn.") for op in found.module.walk()) == 2
    (b,) = run_reference(found.module, {"x": X})
    np.testing.assert_array_equal(b, [3, -5])


def test_layers_stand_for_their_first_tensor(path: Path) -> None:
    assert names(import_onnx(path, outputs=["relu", "neg"]).outputs) == ["c", "d"]
    assert names(import_onnx(path, outputs=["split:1"]).outputs) == ["f"]


def test_an_input_in_the_middle(path: Path) -> None:
    found = import_onnx(path, inputs=["plus"], outputs=["relu"])

    assert names(found.inputs) == ["b"]
    assert found.inputs[0].dims == (2,)
    (c,) = run_reference(found.module, {"b": np.array([-1, 1], np.float32)})
    np.testing.assert_array_equal(c, [0, 1])


def test_a_layer_s_input(path: Path) -> None:
    found = import_onnx(path, inputs=["0:plus"], outputs=["b"])

    assert names(found.inputs) == ["a"]


def test_a_weight_as_input(path: Path) -> None:
    found = import_onnx(path, inputs=["x", "w"], outputs=["b"])

    assert names(found.inputs) == ["x", "w"]
    (b,) = run_reference(found.module, {"x": X, "w": X})
    np.testing.assert_array_equal(b, [3, 6])


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (
            {"outputs": ["rellu"]},
            "--output: there is no tensor or layer 'rellu'; did you",
        ),
        ({"inputs": ["y"]}, "--input: there is no tensor or layer 'y'"),
        ({"outputs": ["split:7"]}, "no port 7"),
        ({"inputs": ["b"]}, "layer 'double' also needs 'x'; name it as an input too"),
    ],
)
def test_cuts_that_cannot_be(path: Path, cut: dict[str, list[str]], words: str) -> None:
    with pytest.raises(ImportFailure, match=words):
        import_onnx(path, **cut)


def test_a_new_input_has_the_shape_that_is_given(path: Path) -> None:
    found = import_onnx(
        path, {"0:split": (8,)}, inputs=["neg", "0:split"], outputs=["d", "e"]
    )

    assert [port.dims for port in found.inputs] == [(2,), (8,)]
    assert names(found.inputs) == ["d", "c"]


def test_shapes_without_a_name_belong_to_the_new_inputs_in_order(path: Path) -> None:
    shapes = {"#1": (3, 2), "#2": (4, 2)}

    found = import_onnx(path, shapes, inputs=["0:neg", "0:relu"], outputs=["neg", "c"])

    assert {port.name: port.dims for port in found.inputs} == {"a": (3, 2), "b": (4, 2)}
