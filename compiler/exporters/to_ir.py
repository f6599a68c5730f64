"""
Write a network as IR text, with its weights in a safetensors file beside it.

The text refers to weights by content hash: `#const.weight<"…">` is the tensor of that
name in the file. `read_ir` puts the two together again. The layers that an operation came
from are its location: `loc("conv1")`.
"""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError

from ...dialects.const import (
    PRINTED_ELEMENTS,
    ConstantOp,
    Weight,
    WeightAttr,
    is_uniform,
    remember,
)
from ...dialects.types import Array
from ...runtime.errors import ImportFailure, OvcError
from ..locations import source_names
from ..registry import make_context

SUFFIX = ".safetensors"

NAMES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
}
"""Names of element types in safetensors."""


def write_ir(module: ModuleOp, path: Path) -> list[Path]:
    """
    Write a module as `path` and the weights it refers to beside it.

    Returns:
        The files written: the text, and the weights when there are any.

    Raises:
        OvcError: a file cannot be written.
    """
    arrays = referenced(module)
    beside = path.with_suffix(SUFFIX)
    try:
        path.write_text(text_with_sources(module) + "\n", encoding="utf-8")
        if arrays:
            beside.write_bytes(safetensors(arrays))
    except OSError as problem:
        reason = problem.strerror or problem
        raise OvcError(f"{path}: cannot be written: {reason}") from problem
    return [path, beside] if arrays else [path]


def text_with_sources(module: ModuleOp) -> str:
    """The text of a module, with the layers that operations came from."""
    text = StringIO()
    SourcePrinter(text).print_op(module)
    return text.getvalue()


class SourcePrinter(Printer):
    """Prints the locations that name layers, and no unknown ones."""

    def print_op(self, op: Operation) -> None:
        super().print_op(op)
        if source_names(op):
            self.print_string(" ")
            self.print_attribute(op.location)


def referenced(module: ModuleOp) -> dict[str, Array]:
    """The weights that the module's text refers to, by hash."""
    found: dict[str, Array] = {}
    for op in module.walk():
        if isinstance(op, ConstantOp) and is_large(op.array):
            found[op.value.data.hash] = op.array
        for attribute in op.properties.values():
            if isinstance(attribute, WeightAttr) and not isinstance(op, ConstantOp):
                found[attribute.data.hash] = attribute.data.array
    return dict(sorted(found.items()))


def is_large(array: Array) -> bool:
    """Whether the text refers to an array rather than to show its numbers."""
    return array.size > PRINTED_ELEMENTS and not is_uniform(array)


def safetensors(arrays: dict[str, Array]) -> bytes:
    """Arrays in the safetensors format: equal arrays give equal bytes."""
    header: dict[str, Any] = {}
    place = 0
    for name, array in arrays.items():
        end = place + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [place, end],
        }
        place = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    parts = [array.tobytes() for array in arrays.values()]
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def read_ir(path: Path) -> ModuleOp:
    """
    The module that `write_ir` wrote.

    Raises:
        ImportFailure: a file is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        remember_weights(path)
        return Parser(make_context(), text, str(path)).parse_module()
    except (OSError, ValueError, KeyError, ParseError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem).strip()
        raise ImportFailure(f"{path}: cannot be read: {reason}") from problem


def remember_weights(path: Path) -> None:
    """
    Make the weights beside a text known to those who parse it.

    Raises:
        OSError, ValueError, KeyError: their file cannot be read or is damaged.
    """
    beside = path.with_suffix(SUFFIX)
    if beside.exists():
        for array in _tensors(beside.read_bytes()).values():
            remember(Weight(array))


def _tensors(data: bytes) -> dict[str, Array]:
    import ml_dtypes

    dtypes = {v: k for k, v in NAMES.items()}
    size = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + size])
    result: dict[str, Array] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        kind = dtypes[entry["dtype"]]
        dtype = np.dtype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind)
        begin, end = entry["data_offsets"]
        raw = data[8 + size + begin : 8 + size + end]
        result[name] = np.frombuffer(raw, dtype).reshape(entry["shape"])
    return result
