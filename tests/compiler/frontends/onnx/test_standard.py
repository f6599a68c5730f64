"""The ONNX standard's own node tests: every one is imported and right, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper
from onnx_files import save
from ovc.compiler.frontends.onnx import UnsupportedModel, import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.dialects.types import Array
from ovc.runtime.errors import ImportFailure

UNSUPPORTED = frozenset(
    [
        "BatchNormalization",
        "BitCast",
        "Col2Im",
        "Compress",
        "CumProd",
        "DFT",
        "DeformConv",
        "Det",
        "Dropout",
        "If",
        "ImageDecoder",
        "Loop",
        "MaxUnpool",
        "MelWeightMatrix",
        "NonMaxSuppression",
        "NonZero",
        "Optional",
        "OptionalGetElement",
        "OptionalHasElement",
        "RandomUniformLike",
        "RoiAlign",
        "STFT",
        "Scan",
        "SequenceEmpty",
        "SplitToSequence",
        "TensorScatter",
        "TfIdfVectorizer",
        "Unique",
    ]
)
"""Operators with node tests that are refused: at all, or when an operand that decides
about shapes is not constant."""

REFUSED_TYPES = ("STRING", "FLOAT8", "FLOAT4", "INT4", "INT2")
"""Element types, or starts of their names, that nothing here computes with."""

DIFFERENT = frozenset(
    {
        "test_resize_downsample_scales_linear_align_corners",
        "test_resize_downsample_scales_cubic_align_corners",
    }
)
"""Here onnxruntime, which we follow, disagrees with the standard's tests."""


def node_tests() -> list[Any]:
    from onnx.backend.test import loader

    with np.errstate(all="ignore"):
        return loader.load_model_tests(kind="node")


def as_array(value: Any) -> Array:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def is_expected(error: ImportFailure) -> bool:
    """Whether a refusal is one of those that are known."""
    if not isinstance(error, UnsupportedModel):
        return True
    return any(
        p.op_type in UNSUPPORTED
        or p.op_type.startswith("ai.onnx.")
        or any(
            f"type {t}" in p.reason or f"type U{t}" in p.reason for t in REFUSED_TYPES
        )
        for p in error.problems
    )


def difference(case: Any, path: Path) -> str | None:
    """What is wrong about one test; None when it is right, or refused as expected."""
    try:
        model = import_onnx(path)
    except ImportFailure as error:
        return None if is_expected(error) else str(error)
    names = [port.name for port in model.inputs]
    for inputs, outputs in case.data_sets:
        arrays = dict(zip(names, map(as_array, inputs), strict=True))
        if not all(array.size for array in arrays.values()):
            continue  # tensors without elements are refused when they are compiled
        results = run_reference(model.module, arrays)
        for actual, wanted in zip(results, map(as_array, outputs), strict=True):
            if actual.shape != wanted.shape or actual.dtype != wanted.dtype:
                return f"{actual.dtype}{actual.shape}, not {wanted.dtype}{wanted.shape}"
            tolerance = 1e-2 if actual.dtype.itemsize == 2 else 1e-4
            close = np.allclose(
                actual.astype(np.float64),
                wanted.astype(np.float64),
                rtol=max(case.rtol, tolerance),
                atol=tolerance,
                equal_nan=True,
            )
            if not close:
                return "other numbers"
    return None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_node_tests_of_the_standard(tmp_path: Path) -> None:
    wrong: dict[str, str] = {}
    for case in node_tests():
        if case.name in DIFFERENT:
            continue
        problem = difference(case, save(tmp_path, case.model))
        if problem is not None:
            wrong[case.name] = problem
    assert not wrong, "\n".join(f"{name}: {problem}" for name, problem in wrong.items())
