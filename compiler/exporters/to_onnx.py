"""
Write a network as ONNX, so that other engines profit from the passes too.

The opset is the newest that today's engines run. What ONNX has no operator for is
written as its decomposition.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, helper
from xdsl.dialects.builtin import ModuleOp

from ...dialects.nn.base import NNOp
from ...runtime.errors import OvcError
from ..interpreter import main_function
from ..passes.rewrite import replace
from .copies import copied
from .graph import OPSET, GraphWriter, has_operator

IR_VERSION = 10

LARGEST = 2**31 - 1
"""Bytes of a protobuf file; weights of larger models lie beside it."""


def to_onnx(module: ModuleOp) -> ModelProto:
    """
    The function `main` as a model; `module` stays as it is.

    Raises:
        UnsupportedOperation: an operation has neither an operator nor a decomposition.
    """
    copy = copied(module)
    function = main_function(copy)
    pending = list(function.body.block.ops)
    while pending:
        op = pending.pop()
        if not isinstance(op, NNOp) or has_operator(op):
            continue
        parts = op.decompose_results()
        if parts is not None:
            replace(op, *parts)
            pending += parts[0]
    function.update_function_type()
    return helper.make_model(
        GraphWriter(function).graph(),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="ovc",
    )


def write_onnx(module: ModuleOp, path: Path) -> list[Path]:
    """
    Write a module as an ONNX file; a large one's weights go beside it.

    Returns:
        The files written.

    Raises:
        OvcError: a file cannot be written.
    """
    proto = to_onnx(module)
    size = sum(len(t.raw_data) for t in proto.graph.initializer)
    try:
        if size < LARGEST - 2**20:
            path.write_bytes(proto.SerializeToString())
            return [path]
        beside = path.with_suffix(".data")
        beside.unlink(missing_ok=True)
        save: Any = getattr(onnx, "save_model")  # noqa: B009 - its type is partial
        save(proto, str(path), save_as_external_data=True, location=beside.name)
    except OSError as problem:
        reason = problem.strerror or problem
        raise OvcError(f"{path}: cannot be written: {reason}") from problem
    return [path, beside]
