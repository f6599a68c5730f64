"""Read an ONNX file and check what concerns it as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, OperatorSetIdProto

from ....runtime.errors import ImportFailure
from .order import subgraphs

OLDEST_OPSET = 7
"""Of the ONNX standard. Older operators broadcast in ways of their own."""

PROTOBUF_LIMIT = 2**31 - 1
"""Bytes; a larger protobuf file cannot be parsed, its weights must lie outside."""

STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class ModelFile:
    """A parsed file."""

    path: Path
    proto: ModelProto
    sha256: str

    @property
    def opsets(self) -> dict[str, int]:
        """Opset versions by domain; the standard's domain is the empty string."""
        return opset_versions(self.proto.opset_import)


def opset_versions(imports: Iterable[OperatorSetIdProto]) -> dict[str, int]:
    """Versions by domain of a model's or a function's `opset_import`."""
    return {
        "" if entry.domain in STANDARD else entry.domain: entry.version
        for entry in imports
    }


def read_model(path: Path) -> ModelFile:
    """
    Parse the file at `path`. External data is not touched.

    Raises:
        ImportFailure: it is missing, empty, truncated, not ONNX or of an opset that is
            not understood. The message starts with `path`.
    """
    data = _read(path)
    proto = ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise ImportFailure(f"{path}: {_why_unreadable(data)}") from error
    if not proto.HasField("graph") or proto.ir_version < 1:
        raise ImportFailure(f"{path}: {_why_unreadable(data)}")
    if not _is_text(proto):
        raise ImportFailure(
            f"{path}: the ONNX model is damaged, its names are not text"
        )
    file = ModelFile(path, proto, hashlib.sha256(data).hexdigest())
    _check_opset(file)
    if not proto.graph.output:
        raise ImportFailure(f"{path}: the model has no outputs")
    return file


def _read(path: Path) -> bytes:
    try:
        if not path.exists():
            raise ImportFailure(f"{path}: there is no such file")
        if not path.is_file():
            raise ImportFailure(f"{path}: this is not a file")
        if path.stat().st_size > PROTOBUF_LIMIT:
            raise ImportFailure(
                f"{path}: the file has more than 2 GiB, which ONNX cannot parse; "
                "save the model with external data"
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ImportFailure(f"{path}: {_system_message(error)}") from error
    if not data:
        raise ImportFailure(f"{path}: the file is empty")
    return data


def _system_message(error: OSError | ValueError) -> str:
    words = error.strerror if isinstance(error, OSError) else None
    return (words or str(error)).lower()


MAGIC = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"PK\x03\x04": "a zip archive",
    b"\x80\x02": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy array",
    b"<?xml": "an XML file",
    b"<net": "an XML file",
    b"version https://git-lfs": "a git-lfs pointer, not the model itself",
    b"\x7fELF": "a program",
    b"%PDF": "a PDF document",
    b"GIF8": "a GIF picture",
}


def _why_unreadable(data: bytes) -> str:
    for magic, what in MAGIC.items():
        if data.startswith(magic):
            return f"this is not an ONNX model but {what}"
    if data[:1] == b"\x08" and data[1:2] < b"\x40" and len(data) > 8:
        return "the ONNX model is damaged or truncated"
    return "this is not an ONNX model"


def _is_text(proto: ModelProto) -> bool:
    """Whether all names are valid UTF-8: protobuf gives bytes for those that are not."""
    names = [entry.domain for entry in proto.opset_import]
    names += _names(proto.graph)
    for function in proto.functions:
        names += [function.name, function.domain, *function.input, *function.output]
        names += function.attribute
        names += (n for node in function.node for n in _node_names(node))
    return all(isinstance(name, str) for name in names)  # pyright: ignore


def _names(graph: GraphProto) -> Iterator[str]:
    for info in (*graph.input, *graph.output):
        yield info.name
        yield from (d.dim_param for d in info.type.tensor_type.shape.dim)
    yield from (t.name for t in graph.initializer)
    yield from (s.values.name for s in graph.sparse_initializer)
    for node in graph.node:
        yield from _node_names(node)


def _node_names(node: NodeProto) -> Iterator[str]:
    yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
    yield from (a.name for a in node.attribute)
    yield from (a.ref_attr_name for a in node.attribute)
    for graph in subgraphs(node):
        yield from _names(graph)


def _check_opset(file: ModelFile) -> None:
    opsets = file.opsets
    newest = onnx.defs.onnx_opset_version()
    uses_standard = any(n.domain in STANDARD for n in file.proto.graph.node)
    version = opsets.get("", 0)
    if not version:
        if not uses_standard:
            return
        raise ImportFailure(
            f"{file.path}: the model does not say which opset it uses; it is damaged "
            "or truncated"
        )
    if version < OLDEST_OPSET:
        raise ImportFailure(
            f"{file.path}: opset {version} is too old, at least {OLDEST_OPSET} is "
            "needed; convert the model with onnx.version_converter"
        )
    if version > newest:
        raise ImportFailure(
            f"{file.path}: opset {version} is newer than {newest}, the newest of onnx "
            f"{onnx.__version__}; install a newer onnx, or export for opset {newest}"
        )
