"""The test suite that comes with the onnx package: its cases, and running one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper, version_converter
from onnx_files import save
from ovc.compiler.driver import compile_file
from ovc.compiler.options import CompileOptions
from ovc.dialects.types import Array
from ovc.runtime.errors import OvcError
from ovc.runtime.session import load

DATA = Path(onnx.__file__).parent / "backend/test/data"

OLDEST, MODERN = 7, 13
"""Older models are converted to a newer opset first, as our error message says."""


@dataclass
class Standard:
    """One case: a model, arrays for its inputs, and what it has to answer."""

    name: str
    model: ModelProto
    data: Sequence[tuple[Sequence[Any], Sequence[Any]]]
    tolerance: float = 1e-3


def node_cases() -> list[Standard]:
    """The cases of single operators, and of what functions expand to."""
    from onnx.backend.test.case.node import collect_testcases

    with np.errstate(all="ignore"):
        cases = collect_testcases(None)
    return [Standard(c.name, c.model, c.data_sets, c.rtol) for c in cases]


def stored_cases(folder: str) -> Iterator[Standard]:
    """Cases that are files: `simple`, `pytorch-operator`, `pytorch-converted`."""
    for path in sorted((DATA / folder).glob("*/model.onnx")):
        model = onnx.load(path)
        if (model.opset_import[0].version or 1) < OLDEST:
            model = version_converter.convert_version(model, MODERN)
        counts = len(model.graph.input), len(model.graph.output)
        data = [
            (_tensors(each, "input", counts[0]), _tensors(each, "output", counts[1]))
            for each in sorted(path.parent.glob("test_data_set*"))
        ]
        yield Standard(path.parent.name, model, data)


def _tensors(folder: Path, kind: str, count: int) -> list[Any]:
    files = [folder / f"{kind}_{i}.pb" for i in range(count)]
    return [TensorProto.FromString(f.read_bytes()) for f in files if f.exists()]


def outcome(case: Standard, folder: Path) -> str:
    """
    What became of a case: empty when it is right, `refused: ...` when we said why not,
    and otherwise what is wrong.
    """
    for inputs, outputs in case.data:
        if not all(isinstance(a, Array_ | TensorProto) for a in (*inputs, *outputs)):
            return "refused: not a tensor"
        try:
            arrays = _by_name(case.model, [_array(a) for a in inputs])
            wanted = [_array(a) for a in outputs]
        except (TypeError, ValueError):
            return "refused: elements that numpy does not know"
        try:
            results = _answers(case.model, arrays, folder)
        except OvcError as error:
            return f"refused: {error}"
        for actual, expected in zip(results, wanted, strict=True):
            problem = _difference(actual, expected, case.tolerance)
            if problem:
                return problem
    return ""


Array_ = np.ndarray | np.generic


def _array(value: Any) -> Array:
    if isinstance(value, TensorProto):
        value = numpy_helper.to_array(value)
    return np.asarray(value)


def _by_name(model: ModelProto, arrays: Sequence[Array]) -> dict[str, Array]:
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [i.name for i in model.graph.input]
    if len(names) != len(arrays):
        names = [name for name in names if name not in constants]
    return dict(zip(names, arrays, strict=False))


def _answers(
    model: ModelProto, arrays: Mapping[str, Array], folder: Path
) -> list[Array]:
    """
    The outputs. What the model has as input and we need as constant becomes one: all
    inputs but the first, then all.
    """
    names = [name for name in arrays if _is_input(model, name)]
    first: OvcError | None = None
    for baked in ([], names[1:], names):
        given = {k: v for k, v in arrays.items() if k not in baked}
        path = save(folder, _with_constants(model, {k: arrays[k] for k in baked}))
        try:
            shapes = {k: v.shape for k, v in given.items() if k in names}
            session = load(compile_file(path, "cpu", CompileOptions(shapes)))
        except OvcError as error:
            first = first or error
            continue
        try:
            return session({k: v for k, v in given.items() if k in names})
        finally:
            session.close()
    assert first is not None
    raise first


def _is_input(model: ModelProto, name: str) -> bool:
    return all(tensor.name != name for tensor in model.graph.initializer)


def _with_constants(model: ModelProto, arrays: Mapping[str, Array]) -> ModelProto:
    copy = ModelProto.FromString(model.SerializeToString())
    kept = [i for i in copy.graph.input if i.name not in arrays]
    del copy.graph.input[:]
    copy.graph.input.extend(kept)
    tensors = (numpy_helper.from_array(a, name) for name, a in arrays.items())
    copy.graph.initializer.extend(tensors)
    return copy


def _difference(actual: Array, expected: Array, tolerance: float) -> str:
    if (actual.dtype, actual.shape) != (expected.dtype, expected.shape):
        return f"{actual.dtype}{actual.shape}, not {expected.dtype}{expected.shape}"
    if actual.dtype.kind in "iub":
        return "" if np.array_equal(actual, expected) else "other numbers"
    if actual.dtype.itemsize == 2:
        tolerance = 2e-2  # the standard's own answers round after every step
    a, b = actual.astype(np.float64), expected.astype(np.float64)
    if np.allclose(a, b, rtol=tolerance, atol=1e-6, equal_nan=True):
        return ""
    with np.errstate(all="ignore"):
        return f"other numbers: up to {np.nanmax(np.abs(a - b)):.2g} apart"
