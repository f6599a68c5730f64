"""Tools for testing operations: one-node ONNX models, and one check for all meanings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from ovc.dialects.const import ConstantOp
from ovc.dialects.kernel.evaluate import evaluate_op
from ovc.dialects.nn.base import NNOp
from ovc.dialects.types import Array, shape_of, value_dtype


class RunOnnx(Protocol):
    """Runs a model of one ONNX operator in onnxruntime, without optimizations."""

    def __call__(
        self,
        operator: str,
        inputs: Sequence[Array | None],
        attributes: dict[str, Any],
        opset: int = 22,
        outputs: int = 1,
    ) -> list[Array]: ...


class CheckMeaning(Protocol):
    """Compares shapes, reference and loops of an operation with expected results."""

    def __call__(
        self,
        operation: type[NNOp],
        inputs: Sequence[Array | None],
        properties: dict[str, Any],
        expected: Sequence[Array | None],
        tolerance: float = 1e-5,
    ) -> NNOp: ...


@pytest.fixture(scope="session")
def run_onnx() -> RunOnnx:
    def run(
        operator: str,
        inputs: Sequence[Array | None],
        attributes: dict[str, Any],
        opset: int = 22,
        outputs: int = 1,
    ) -> list[Array]:
        names = ["" if a is None else f"x{i}" for i, a in enumerate(inputs)]
        given = {n: a for n, a in zip(names, inputs, strict=True) if a is not None}
        results = [f"y{i}" for i in range(outputs)]
        node = helper.make_node(operator, names, results, **attributes)
        graph = helper.make_graph(
            [node],
            operator,
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
                )
                for name, array in given.items()
            ],
            [helper.make_empty_tensor_value_info(name) for name in results],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
        )
        model = onnx.shape_inference.infer_shapes(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        )
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, ["CPUExecutionProvider"]
        )
        return session.run(results, given)

    return run


@pytest.fixture(scope="session")
def check_meaning() -> CheckMeaning:
    def check(
        operation: type[NNOp],
        inputs: Sequence[Array | None],
        properties: dict[str, Any],
        expected: Sequence[Array | None],
        tolerance: float = 1e-5,
    ) -> NNOp:
        op = make(operation, inputs, properties)
        op.verify_()
        results = op.reference(*inputs)
        results = results if isinstance(results, tuple) else (results,)
        found = evaluate_op(op, *inputs)
        for value, result, body, wanted in zip(
            op.results, results, found, expected, strict=False
        ):
            for array in (result, body):
                assert array.shape == shape_of(value)
                assert array.dtype == value_dtype(value)
            np.testing.assert_allclose(body, result, rtol=tolerance, atol=tolerance)
            if wanted is not None:
                assert wanted.shape == result.shape
                np.testing.assert_allclose(
                    result, wanted, rtol=tolerance, atol=tolerance
                )
        return op

    return check


def make(
    operation: type[NNOp],
    inputs: Sequence[Array | None],
    properties: dict[str, Any],
) -> NNOp:
    """The operation on constants."""
    operands = [None if a is None else ConstantOp(a).output for a in inputs]
    return operation.make(*operands, **properties)


@pytest.fixture(scope="session")
def make_op() -> Callable[..., NNOp]:
    return make
