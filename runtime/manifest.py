"""
The manifest of an artifact: what a network takes and gives, and how to run it.

Everything here is plain data. `parse` checks every field, its type and its range, so
that a driver can follow the offsets and indices of a manifest without a further look.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from math import prod
from typing import Any, Literal, TypeVar, cast

import numpy as np

T = TypeVar("T")

FORMAT = 1
"""Version of the file format. Any change of meaning takes the next number."""

Space = Literal["arena", "weights", "input", "output"]
SPACES: tuple[Space, ...] = ("arena", "weights", "input", "output")

LIMIT = 1 << 48
"""No size, offset or count in a manifest reaches this."""

DTYPES: dict[str, int] = {
    "bool": 1,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "float64": 8,
}
"""Bytes of every element type a port may have."""


@cache
def _element(dtype: str) -> np.dtype[Any]:
    return np.dtype(dtype)


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a network."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        return prod(self.shape) * DTYPES[self.dtype]

    @property
    def element(self) -> np.dtype[Any]:
        """numpy's type. `bfloat16` is known to numpy once `ml_dtypes` is imported."""
        return _element(self.dtype)


@dataclass(frozen=True, slots=True)
class Buffer:
    """
    One argument of a launch.

    `at` is a byte offset in the arena or the weights, or the index of an input or
    output. `bytes` is the extent the kernel may touch from there.
    """

    space: Space
    at: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """
    A function of the code entry. `items` is the OpenCL local size, `schedule` the loops
    it was made with, as text for people.
    """

    name: str
    buffers: int
    items: int = 1
    schedule: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """
    One step of a network: a kernel over the points `[0, grid)`.

    A step ends before the next one starts. `parallel` lets threads share the points.
    `flops` and `bytes` are the work it stands for, `layers` the names a user knows,
    `operations` what became this one step.
    """

    kernel: int
    buffers: tuple[Buffer, ...]
    grid: int
    parallel: bool = True
    flops: int = 0
    bytes: int = 0
    layers: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weight:
    """A named range of the weights, in bytes. Writing an artifact fills `sha256`."""

    name: str
    offset: int
    bytes: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The model file an artifact was made from."""

    path: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """
    Everything about an artifact but its text, code and weights.

    `facts` describe the device compiled for, `options` and `passes` the compilation;
    `entries` holds the SHA-256 of the other entries and is filled on writing.
    """

    target: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    arena_bytes: int
    weights_bytes: int
    kernels: tuple[Kernel, ...]
    launches: tuple[Launch, ...]
    weights: tuple[Weight, ...] = ()
    source: Source = Source()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    passes: tuple[str, ...] = ()
    entries: Mapping[str, str] = field(default_factory=dict[str, str])
    format: int = FORMAT
    ovc: str = ""


class Malformed(ValueError):
    """A field of a manifest that is not what it should be."""


def dump(manifest: Manifest) -> bytes:
    """JSON of `manifest`, one line per kernel, launch, port and weight."""
    record = asdict(manifest)
    record["launches"] = [
        item | {"buffers": [list(buffer.values()) for buffer in item["buffers"]]}
        for item in record["launches"]
    ]
    order = ["format", "ovc", "target"]
    keys = order + [key for key in record if key not in order]
    lines = ",\n".join(f"{json.dumps(key)}: {_lines(record[key])}" for key in keys)
    return ("{" + lines + "}\n").encode()


def _lines(value: object) -> str:
    if isinstance(value, (list, tuple)) and value:
        items = cast("Sequence[object]", value)
        return "[\n" + ",\n".join(f"  {_json(item)}" for item in items) + "]"
    return _json(cast("object", value))


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def parse(text: bytes) -> Manifest:
    """
    The manifest written as `text`.

    Raises:
        Malformed: a field is missing, unknown, of a wrong type or out of range.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"it is not JSON: {error}") from error
    reader = Reader("", record)
    manifest = _manifest(reader)
    check(manifest)
    return manifest


class Reader:
    """Typed access to one JSON object; every complaint names the path to the field."""

    def __init__(self, path: str, record: object) -> None:
        if not isinstance(record, dict):
            raise Malformed(f"{path or 'it'} is not an object")
        self.path = path
        self.record = cast("dict[str, object]", record)

    def only(self, kind: type) -> None:
        """Refuse keys that `kind` has no field for."""
        known = {each.name for each in fields(kind)}
        for key in self.record:
            if key not in known:
                raise Malformed(f"{self.at(key)} is unknown")

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def any(self, key: str) -> object:
        if key not in self.record:
            raise Malformed(f"{self.at(key)} is missing")
        return self.record[key]

    def text(self, key: str) -> str:
        return as_text(self.at(key), self.any(key))

    def integer(self, key: str, low: int = 0) -> int:
        return as_integer(self.at(key), self.any(key), low)

    def flag(self, key: str) -> bool:
        value = self.any(key)
        if not isinstance(value, bool):
            raise Malformed(f"{self.at(key)} is not true or false")
        return value

    def mapping(self, key: str) -> dict[str, object]:
        return Reader(self.at(key), self.any(key)).record

    def items(self, key: str, item: Callable[[str, object], T]) -> tuple[T, ...]:
        return as_items(self.at(key), self.any(key), item)


def as_text(path: str, value: object) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{path} is not a string")
    return value


def as_integer(path: str, value: object, low: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(f"{path} is not an integer")
    if not low <= value < LIMIT:
        raise Malformed(f"{path} is {value}, out of range")
    return value


def as_items(
    path: str, value: object, item: Callable[[str, object], T]
) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise Malformed(f"{path} is not a list")
    values = cast("list[object]", value)
    return tuple(item(f"{path}[{i}]", each) for i, each in enumerate(values))


def _manifest(reader: Reader) -> Manifest:
    version = reader.integer("format")
    if version != FORMAT:
        raise Malformed(f"format is {version}, this ovc reads {FORMAT}")
    reader.only(Manifest)
    entries = reader.mapping("entries")
    return Manifest(
        format=version,
        ovc=reader.text("ovc"),
        target=reader.text("target"),
        facts=reader.mapping("facts"),
        source=_source(reader.at("source"), reader.any("source")),
        options=reader.mapping("options"),
        passes=reader.items("passes", as_text),
        inputs=reader.items("inputs", _port),
        outputs=reader.items("outputs", _port),
        arena_bytes=reader.integer("arena_bytes"),
        weights_bytes=reader.integer("weights_bytes"),
        kernels=reader.items("kernels", _kernel),
        launches=reader.items("launches", _launch),
        weights=reader.items("weights", _weight),
        entries={key: as_text(key, value) for key, value in entries.items()},
    )


def _source(path: str, value: object) -> Source:
    reader = Reader(path, value)
    reader.only(Source)
    return Source(reader.text("path"), reader.text("sha256"))


def _port(path: str, value: object) -> Port:
    reader = Reader(path, value)
    reader.only(Port)
    dtype = reader.text("dtype")
    if dtype not in DTYPES:
        raise Malformed(f"{reader.at('dtype')} is {dtype!r}, not an element type")
    port = Port(reader.text("name"), reader.items("shape", _dimension), dtype)
    if port.bytes >= LIMIT:
        raise Malformed(f"{path} has {port.bytes} bytes, out of range")
    return port


def _dimension(path: str, value: object) -> int:
    return as_integer(path, value, 1)


def _kernel(path: str, value: object) -> Kernel:
    reader = Reader(path, value)
    reader.only(Kernel)
    name = reader.text("name")
    if not (name.isascii() and name.isidentifier()):
        raise Malformed(f"{reader.at('name')} is {name!r}, not an identifier")
    return Kernel(
        name,
        reader.integer("buffers"),
        reader.integer("items", 1),
        reader.text("schedule"),
    )


def _launch(path: str, value: object) -> Launch:
    reader = Reader(path, value)
    reader.only(Launch)
    return Launch(
        kernel=reader.integer("kernel"),
        buffers=reader.items("buffers", _buffer),
        grid=reader.integer("grid", 1),
        parallel=reader.flag("parallel"),
        flops=reader.integer("flops"),
        bytes=reader.integer("bytes"),
        layers=reader.items("layers", as_text),
        operations=reader.items("operations", as_text),
    )


def _buffer(path: str, value: object) -> Buffer:
    if not isinstance(value, list) or len(cast("list[object]", value)) != 3:
        raise Malformed(f"{path} is not [space, at, bytes]")
    space, at, extent = cast("list[object]", value)
    if space not in SPACES:
        raise Malformed(f"{path} names the space {space!r}")
    return Buffer(space, as_integer(path, at), as_integer(path, extent))


def _weight(path: str, value: object) -> Weight:
    reader = Reader(path, value)
    reader.only(Weight)
    return Weight(
        reader.text("name"),
        reader.integer("offset"),
        reader.integer("bytes"),
        reader.text("sha256"),
    )


def check(manifest: Manifest) -> None:
    """
    Refuse a manifest whose parts do not fit each other.

    Raises:
        Malformed: an index without a kernel or port, an extent beyond its space, names
            that repeat.
    """
    for key in ("inputs", "outputs", "kernels", "weights"):
        names = [item.name for item in getattr(manifest, key)]
        if len(set(names)) != len(names) or "" in names:
            raise Malformed(f"{key} has an empty or repeated name")
    for i, weight in enumerate(manifest.weights):
        if weight.offset + weight.bytes > manifest.weights_bytes:
            raise Malformed(f"weights[{i}] ends beyond the weights")
    for i, launch in enumerate(manifest.launches):
        _check_launch(manifest, f"launches[{i}]", launch)


def _check_launch(manifest: Manifest, path: str, launch: Launch) -> None:
    if launch.kernel >= len(manifest.kernels):
        raise Malformed(f"{path}.kernel is {launch.kernel}, there is no such kernel")
    expected = manifest.kernels[launch.kernel].buffers
    if len(launch.buffers) != expected:
        raise Malformed(f"{path} has {len(launch.buffers)} buffers, not {expected}")
    for j, buffer in enumerate(launch.buffers):
        if not _fits(manifest, buffer):
            raise Malformed(f"{path}.buffers[{j}] lies outside of its space")


def _fits(manifest: Manifest, buffer: Buffer) -> bool:
    if buffer.space == "arena":
        return buffer.at + buffer.bytes <= manifest.arena_bytes
    if buffer.space == "weights":
        return buffer.at + buffer.bytes <= manifest.weights_bytes
    ports = manifest.inputs if buffer.space == "input" else manifest.outputs
    return buffer.at < len(ports) and buffer.bytes <= ports[buffer.at].bytes
