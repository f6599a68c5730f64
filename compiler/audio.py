"""WAV files as network inputs: PCM of 8 to 32 bits and 32-bit floats."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import InputError

Array = NDArray[Any]

EXTENSIBLE = 0xFFFE
"""The kind stands in the extension: its first two bytes are 1 (PCM) or 3 (float)."""


@dataclass(frozen=True)
class Sound:
    """Samples from -1 to 1, `[frames, channels]`, and their rate in hertz."""

    samples: NDArray[np.float32]
    rate: int


def read_wav(path: Path) -> Sound:
    """
    The sound at `path`.

    Raises:
        InputError: not a WAV file, or compressed, or shorter than it says.
    """
    chunks = _chunks(path)
    if b"fmt " not in chunks or len(chunks[b"fmt "]) < 16 or b"data" not in chunks:
        raise InputError(f"{path}: a WAV file without format or samples")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
    if kind == EXTENSIBLE and len(chunks[b"fmt "]) >= 26:
        (kind,) = struct.unpack_from("<H", chunks[b"fmt "], 24)
    data = chunks[b"data"]
    step = channels * bits // 8
    if not step or not rate:
        raise InputError(f"{path}: a WAV file without channels, bits or rate")
    flat = _decoded(data[: len(data) // step * step], kind, bits)
    if flat is None:
        raise InputError(
            f"{path}: WAV format {kind} with {bits} bits is not supported; convert it "
            "to 16-bit PCM"
        )
    return Sound(flat.reshape(-1, channels).astype(np.float32), rate)


def _chunks(path: Path) -> dict[bytes, bytes]:
    """The first chunk of each kind."""
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror or problem}") from problem
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        raise InputError(f"{path}: not a WAV file")
    chunks: dict[bytes, bytes] = {}
    position = 12
    while position + 8 <= len(raw):
        kind, size = struct.unpack_from("<4sI", raw, position)
        if kind == b"fmt " and position + 8 + size > len(raw):
            raise InputError(f"{path}: the WAV file is cut short")
        chunks.setdefault(kind, raw[position + 8 : position + 8 + size])
        position += 8 + size + size % 2
    return chunks


def _decoded(data: bytes, kind: int, bits: int) -> Array | None:
    match kind, bits:
        case (1, 8):
            return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
        case (1, 16):
            return np.frombuffer(data, "<i2") / np.float32(2**15)
        case (1, 24):
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return wide.view("<i4").reshape(-1) / 2.0**31
        case (1, 32):
            return np.frombuffer(data, "<i4") / 2.0**31
        case (3, 32):
            return np.frombuffer(data, "<f4")
        case _:
            return None
