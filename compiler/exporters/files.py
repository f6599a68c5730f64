"""An optimized module as files, by the suffix of the path."""

from __future__ import annotations

from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from ...runtime.errors import OvcError
from ..passes.halve_weights import HalveWeightsPass
from .to_ir import write_ir
from .to_onnx import write_onnx

WRITERS = {".mlir": write_ir, ".onnx": write_onnx}


def write_module(module: ModuleOp, path: Path, data_type: str = "FP32") -> list[Path]:
    """
    Write a module; with FP16, weights are halved first.

    Returns:
        The files written.

    Raises:
        OvcError: an unknown suffix, or a file that cannot be written.
    """
    writer = WRITERS.get(path.suffix)
    if writer is None:
        raise OvcError(f"{path}: networks are written as .mlir or .onnx")
    if data_type == "FP16":
        HalveWeightsPass().count(module)
    return writer(module, path)
