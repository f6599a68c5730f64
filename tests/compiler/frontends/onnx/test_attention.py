"""Attention is read as one operation where it can be, else as its definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from networks import names_in
from onnx import helper
from onnx.defs import onnx_opset_version
from onnx_files import assert_close, model, node, onnxruntime_answers, save
from ovc.compiler.driver import NETWORK
from ovc.compiler.frontends.onnx import import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.dialects.types import Array
from ovc.runtime.errors import ImportFailure

RNG = np.random.default_rng(3)


def floats(*shape: int) -> Array:
    return RNG.uniform(-1, 1, shape).astype(np.float32)


class Case(NamedTuple):
    """One Attention; a mask is a constant."""

    shapes: list[list[int]]
    mask: Array | None = None
    attributes: dict[str, Any] = {}
    whole: bool = True
    """Whether it is read as one operation."""
    computed: bool = False
    """Whether the mask is an input."""
    outputs: str = "y"
    opset: int = 23


HEADS = [[2, 3, 5, 4], [2, 3, 7, 4], [2, 3, 7, 6]]
FLAT = [[2, 5, 12], [2, 7, 12], [2, 7, 18]]
GROUPED = [[2, 4, 5, 4], [2, 2, 7, 4], [2, 2, 7, 6]]
SQUARE = [[1, 2, 5, 4]] * 3
THREE = {"q_num_heads": 3, "kv_num_heads": 3}
SEEN = np.tri(5, 7, 1, dtype=bool)
NEVER = SEEN & (np.arange(5) != 2)[:, None]

CASES = {
    "plain": Case(HEADS),
    "plain-24": Case(HEADS, opset=24),
    "scale": Case(HEADS, attributes={"scale": 0.3}),
    "flat": Case(FLAT, attributes=THREE),
    "flat-scale": Case(FLAT, attributes=THREE | {"scale": 0.3}),
    "flat-mask": Case(FLAT, SEEN, THREE),
    "causal": Case(SQUARE, attributes={"is_causal": 1}),
    "causal-wide": Case(HEADS, attributes={"is_causal": 1}),
    "bias": Case(HEADS, floats(5, 7)),
    "bias-heads": Case(HEADS, floats(3, 5, 7)),
    "bias-causal": Case(SQUARE, floats(5, 5), {"is_causal": 1}),
    "seen": Case(HEADS, SEEN),
    "precision": Case(HEADS, attributes={"softmax_precision": 1}),
    "mode": Case(HEADS, attributes={"qk_matmul_output_mode": 1}),
    "computed": Case(HEADS, floats(5, 7), whole=False, computed=True),
    "grouped": Case(GROUPED, whole=False),
    "softcap": Case(HEADS, attributes={"softcap": 2.0}, whole=False),
    "double": Case(HEADS, attributes={"softmax_precision": 11}, whole=False),
    "present": Case(HEADS, whole=False, outputs="y k v"),
}


def proto_of(case: Case) -> Any:
    arrays = inputs_of(case)
    inputs = "q k v m" if case.mask is not None else "q k v"
    outputs = case.outputs.replace("k", "key").replace("v", "value")
    constant = {} if case.mask is None or case.computed else {"m": case.mask}
    return model(
        [node("Attention", inputs, outputs, **case.attributes)],
        {name: array.shape for name, array in arrays.items()},
        outputs.split(),
        constant,
        case.opset,
        {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in arrays.items()},
        ir_version=10,
    )


def inputs_of(case: Case) -> dict[str, Array]:
    random = np.random.default_rng(1)
    arrays = {
        name: random.uniform(-1, 1, shape).astype(np.float32)
        for name, shape in zip("qkv", case.shapes, strict=True)
    }
    if case.mask is not None and case.computed:
        arrays["m"] = case.mask
    return arrays


@pytest.mark.parametrize("name", CASES)
def test_as_onnxruntime(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    path = save(tmp_path, proto_of(case))
    inputs = inputs_of(case)
    module = import_onnx(path).module
    expected = onnxruntime_answers(path, inputs)

    assert ("nn.attention" in names_in(module)) == case.whole
    assert_close(run_reference(module, inputs), expected, 1e-5)

    parse_pipeline(NETWORK, PASSES).run(module, make_context(), verify_each=True)
    assert not case.whole or names_in(module).count("nn.attention") == 1
    assert_close(run_reference(module, inputs), expected, 1e-5)


def test_a_query_without_keys_is_left_to_the_definition(tmp_path: Path) -> None:
    path = save(tmp_path, proto_of(Case(HEADS, NEVER)))

    assert "nn.attention" not in names_in(import_onnx(path).module)


def test_columns_that_do_not_divide(tmp_path: Path) -> None:
    case = Case([[2, 5, 13], [2, 7, 13], [2, 7, 13]], attributes=THREE)
    with pytest.raises(ImportFailure, match="13 columns do not divide into 3 heads"):
        import_onnx(save(tmp_path, proto_of(case)))


def test_the_scale_goes_into_the_weights(tmp_path: Path) -> None:
    weights = {name: floats(12, 12) for name in ("wq", "wk", "wv")}
    nodes = [node("MatMul", f"x w{n}", n) for n in "qkv"]
    nodes.append(node("Attention", "q k v", "y", **THREE))
    proto = model(nodes, {"x": [2, 5, 12]}, ["y"], weights, 23, ir_version=10)
    path = save(tmp_path, proto)
    module = import_onnx(path).module
    parse_pipeline(NETWORK, PASSES).run(module, make_context())

    names = names_in(module)
    assert "nn.mul" not in names
    assert names.count("nn.transpose") == 4
    [line] = [line for line in str(module).splitlines() if "nn.attention" in line]
    assert "scale = 1.000000e+00 : f64, transposed_keys = 1" in line
    inputs = {"x": floats(2, 5, 12)}
    expected = onnxruntime_answers(path, inputs)
    assert_close(run_reference(module, inputs), expected, 1e-5)


def test_windows_of_newer_opsets_are_left_to_the_definition(tmp_path: Path) -> None:
    if onnx_opset_version() < 25:
        pytest.skip("this onnx knows no windows")
    nearest = {"left_window_size": 0, "is_causal": 1}
    case = Case(HEADS, attributes=nearest, opset=25)
    module = import_onnx(save(tmp_path, proto_of(case))).module

    assert "nn.attention" not in names_in(module)
    inputs = inputs_of(case)
    [found] = run_reference(module, inputs)
    np.testing.assert_allclose(found, inputs["v"][:, :, :5], rtol=1e-5)
