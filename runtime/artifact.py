"""
The .ovc file: the only contract between the compiler and the runtime.

| entry               | content                                                       |
| ------------------- | ------------------------------------------------------------- |
| manifest.json       | ports, kernels, launches, weights: see `manifest.py`          |
| ir.mlir             | the text of the last stage, for people                        |
| code.a or code.cl   | an `ar` of ELF objects for `cpu`, OpenCL C for `gpu`          |
| weights.safetensors | all weights, packed as the kernels read them, page-aligned    |

A file is mapped, not read: weights stay in the page cache and are shared by processes.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
import shutil
import stat
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from . import archive
from .errors import ArtifactError
from .manifest import (
    Buffer,
    Kernel,
    Launch,
    Malformed,
    Manifest,
    Port,
    Source,
    Weight,
    check,
    dump,
    parse,
)

# The compiler builds an artifact from these and sees no other module of the runtime.
__all__ = [
    "Artifact",
    "Buffer",
    "Kernel",
    "Launch",
    "Manifest",
    "Port",
    "Source",
    "Weight",
    "copy_artifact",
    "read_artifact",
    "write_artifact",
]

MANIFEST = "manifest.json"
TEXT = "ir.mlir"
WEIGHTS = "weights.safetensors"
CODE = {"cpu": "code.a", "gpu": "code.cl"}
PAGE = 4096

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Artifact:
    """
    A compiled network.

    `weights` holds `manifest.weights_bytes` bytes; it is read-only and mapped where
    the artifact was read from the file `path`.
    """

    manifest: Manifest
    ir: str
    code: bytes
    weights: Bytes
    path: str | None = None

    @property
    def origin(self) -> str:
        """What error messages call this network."""
        return self.path or self.manifest.source.path or "the compiled network"


def write_artifact(
    path: str | os.PathLike[str], artifact: Artifact, *, durable: bool = True
) -> None:
    """
    Write `artifact` to `path`, all of it or nothing.

    An existing file is replaced once the new one is complete and, if it shall be
    `durable`, on disk.

    Raises:
        ArtifactError: the file cannot be written. The message starts with `path`.
    """
    name = os.fspath(path)
    try:
        entries = _entries(artifact)
    except Malformed as error:
        raise ArtifactError(f"{name}: cannot be written: manifest: {error}") from error
    try:
        with _replacing(name, durable) as file:
            archive.write(file, entries)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ArtifactError(f"{name}: cannot be written: {reason}") from error


def copy_artifact(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """
    Write the artifact file `source` to `path`, all of it or nothing, as it is.

    Raises:
        ArtifactError: the file cannot be written. The message starts with `path`.
        OSError: `source` cannot be opened, as when it is not there any more.
    """
    name = os.fspath(path)
    with open(source, "rb") as original:
        try:
            with _replacing(name, durable=True) as file:
                shutil.copyfileobj(original, file, 1 << 20)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ArtifactError(f"{name}: cannot be written: {reason}") from error


@contextmanager
def _replacing(name: str, durable: bool) -> Generator[BinaryIO]:
    """A new file in the folder of `name` that takes its place at the end."""
    target = Path(os.path.realpath(name))
    if target.exists():
        if not target.is_file():
            raise OSError("it is not an ordinary file")
        if not os.access(target, os.W_OK):
            raise PermissionError("permission denied")
    part = target.parent / f".ovc-{secrets.token_hex(8)}.part"
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    if durable:
        _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _entries(artifact: Artifact) -> list[archive.Entry]:
    manifest = artifact.manifest
    if manifest.target not in CODE:
        raise Malformed(f"target is {manifest.target!r}")
    data = np.ascontiguousarray(artifact.weights, np.uint8).data
    if data.nbytes != manifest.weights_bytes:
        raise Malformed(f"weights_bytes is not {data.nbytes}")
    weights = tuple(
        replace(each, sha256=_sha256(data[each.offset : each.offset + each.bytes]))
        for each in manifest.weights
    )
    contents = {
        TEXT: (memoryview(artifact.ir.encode()),),
        CODE[manifest.target]: (memoryview(artifact.code),),
        WEIGHTS: (memoryview(_weights_header(weights, data.nbytes)), data),
    }
    sums = {name: _sha256(*pieces) for name, pieces in contents.items()}
    manifest = replace(manifest, weights=weights, entries=sums)
    check(manifest)
    text = dump(manifest)
    parse(text)  # what is written can be read
    contents = {MANIFEST: (memoryview(text),), **contents}
    return [
        archive.Entry(name, pieces, PAGE if name == WEIGHTS else 64)
        for name, pieces in contents.items()
    ]


def _sha256(*pieces: memoryview) -> str:
    value = hashlib.sha256()
    for piece in pieces:
        value.update(piece)
    return value.hexdigest()


def _weights_header(weights: tuple[Weight, ...], size: int) -> bytes:
    """
    The header of a safetensors file, padded to whole pages.

    The format knows no gaps, so what no weight covers becomes a tensor `__gap_N`.
    """
    tensors: dict[str, Any] = {}
    end = 0
    for weight in sorted(weights, key=lambda each: (each.offset, each.bytes)):
        if weight.name.startswith("__"):
            raise Malformed(f"weight {weight.name!r}: two underscores are reserved")
        if weight.offset < end:
            raise Malformed(f"weight {weight.name!r} overlaps another")
        if weight.offset > end:
            tensors[f"__gap_{end}"] = _tensor(end, weight.offset)
        end = weight.offset + weight.bytes
        tensors[weight.name] = _tensor(weight.offset, end)
    if end < size:
        tensors[f"__gap_{end}"] = _tensor(end, size)
    text = json.dumps(tensors, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % PAGE)
    return struct.pack("<Q", len(text)) + text


def _tensor(begin: int, end: int) -> dict[str, Any]:
    return {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}


def read_artifact(path: str | os.PathLike[str]) -> Artifact:
    """
    Map the artifact at `path` and check all of it.

    Raises:
        ArtifactError: there is no such file, or it is not an artifact, is damaged or
            has another version. The message starts with `path`.
    """
    name = os.fspath(path)
    try:
        data = _map(name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ArtifactError(f"{name}: cannot be read: {reason}") from error
    try:
        return _decode(archive.read(data), name)
    except archive.Broken as error:
        raise ArtifactError(f"{name}: {error}") from error
    except Malformed as error:
        raise ArtifactError(f"{name}: has a malformed manifest: {error}") from error


def _map(name: str) -> memoryview:
    # Not blocking: a named pipe would wait for a writer.
    handle = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not an ordinary file")
        if not status.st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(handle)


_BINARY: int = getattr(os, "O_BINARY", 0)


def _decode(entries: dict[str, memoryview], path: str) -> Artifact:
    if MANIFEST not in entries:
        raise archive.Broken("is not an ovc artifact: it has no manifest")
    manifest = parse(bytes(entries[MANIFEST]))
    if manifest.target not in CODE:
        raise Malformed(f"target is {manifest.target!r}")
    code = CODE[manifest.target]
    if set(manifest.entries) != {TEXT, code, WEIGHTS}:
        raise Malformed("entries are not those of the target")
    if set(entries) != {MANIFEST, *manifest.entries}:
        raise archive.Broken("is damaged: its entries are not those of its manifest")
    # The seal has just covered all bytes; code that will run is held to its own too.
    for each in (TEXT, code):
        if _sha256(entries[each]) != manifest.entries[each]:
            raise archive.Broken(f"is damaged: the checksum of {each} does not match")
    try:
        text = bytes(entries[TEXT]).decode()
    except UnicodeDecodeError as error:
        raise archive.Broken(f"is damaged: {TEXT} is not text") from error
    weights = _weights(entries[WEIGHTS], manifest.weights_bytes)
    return Artifact(manifest, text, bytes(entries[code]), weights, path)


def _weights(entry: memoryview, size: int) -> Bytes:
    header = int.from_bytes(entry[:8], "little")
    if entry.nbytes < 8 or entry.nbytes - 8 - header != size:
        raise archive.Broken("is damaged: its weights have another size")
    return np.frombuffer(entry[8 + header :], np.uint8)
