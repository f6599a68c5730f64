"""
The container of an artifact: a zip file of stored entries, sealed as a whole.

Any unzip opens it. Entries lie one after the other, uncompressed, each aligned by an
extra field, with fixed timestamps: equal entries give equal bytes. The zip comment is
the seal, `ovc-artifact VERSION DIGEST`, and the digest covers every byte before it:
the SHA-256 of the CRC-32s of the file's blocks of 1 MiB, so that threads can share
the work. A changed byte anywhere, also in a header or in padding, breaks it.

A seal finds damage, not malice: whoever can change the file can seal it again. CRC-32
finds every change within 32 bits of each other and lets one other in four thousand
million through, at half the time of a SHA-256, which is most of the time of a load.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

VERSION = 2
BLOCK = 1 << 20

SEAL = re.compile(rb"ovc-artifact (\d{1,9}) ([0-9a-f]{64})")
SEAL_BYTES = len(b"ovc-artifact 1 ") + 64
DIGEST_CHARACTERS = 64

LOCAL = struct.Struct("<4s3HIIIIHH")
CENTRAL = struct.Struct("<4s4HIIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
END64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR64 = struct.Struct("<4sIQI")
FIELD = struct.Struct("<HH")

MIDNIGHT_1980 = 0x00210000
"""Time and date of every entry, as zip packs them."""

FILE_MODE = 0o100644 << 16
PADDING_FIELD = 0xD935
"""The extra field that Android's zipalign defined for alignment."""

WIDE_FIELD = 1
"""The extra field with 64-bit sizes and offsets."""

NARROW_LIMIT = 0xFFFFFFFF
"""Sizes and offsets from here on go to the wide field."""


class Broken(ValueError):
    """Not a whole, unchanged archive. The message completes `<file> ...`."""


@dataclass(frozen=True)
class Entry:
    """One file of an archive. Its content is the pieces, one after the other."""

    name: str
    pieces: tuple[memoryview, ...]
    alignment: int = 64

    @property
    def size(self) -> int:
        return sum(piece.nbytes for piece in self.pieces)

    def crc(self) -> int:
        value = 0
        for piece in self.pieces:
            value = zlib.crc32(piece, value)
        return value


class Sealer:
    """Computes the digest of a seal from bytes in the order of the file."""

    def __init__(self) -> None:
        self.blocks = hashlib.sha256()
        self.block = 0
        self.room = BLOCK

    def update(self, data: memoryview) -> None:
        while data.nbytes:
            part, data = data[: self.room], data[self.room :]
            self.block = zlib.crc32(part, self.block)
            self.room -= part.nbytes
            if not self.room:
                self._close()

    def _close(self) -> None:
        self.blocks.update(self.block.to_bytes(4, "little"))
        self.block = 0
        self.room = BLOCK

    def digest(self) -> str:
        if self.room < BLOCK:
            self._close()
        return self.blocks.hexdigest()


class Writer:
    """Writes entries to `file`, which is at its start, and seals them."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.offset = 0
        self.sealer = Sealer()
        self.central: list[bytes] = []

    def put(self, data: bytes | memoryview) -> None:
        view = memoryview(data).cast("B")
        self.file.write(view)
        self.sealer.update(view)
        self.offset += view.nbytes

    def add(self, entry: Entry) -> None:
        name, size, crc = entry.name.encode("ascii"), entry.size, entry.crc()
        start = self.offset
        wide = size >= NARROW_LIMIT
        narrow = NARROW_LIMIT if wide else size
        sizes = _wide_field([size, size] if wide else [])
        extra = sizes + _padding(
            start + LOCAL.size + len(name) + len(sizes), entry.alignment
        )
        common = (0, 0, MIDNIGHT_1980, crc, narrow, narrow, len(name))
        need = 45 if wide else 20
        self.put(LOCAL.pack(b"PK\3\4", need, *common, len(extra)) + name + extra)
        for piece in entry.pieces:
            self.put(piece)
        self.central.append(_central(name, size, crc, start))

    def close(self) -> None:
        """Write the directory and the seal."""
        start, count = self.offset, len(self.central)
        self.put(b"".join(self.central))
        size = self.offset - start
        if start >= NARROW_LIMIT:
            end = self.offset
            self.put(
                END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
                + LOCATOR64.pack(b"PK\6\7", 0, end, 1)
            )
        place = min(start, NARROW_LIMIT)
        self.put(END.pack(b"PK\5\6", 0, 0, count, count, size, place, SEAL_BYTES))
        self.put(b"ovc-artifact %d " % VERSION)
        self.file.write(self.sealer.digest().encode())


def _central(name: bytes, size: int, crc: int, start: int) -> bytes:
    wide = ([size, size] if size >= NARROW_LIMIT else []) + (
        [start] if start >= NARROW_LIMIT else []
    )
    extra = _wide_field(wide)
    narrow = min(size, NARROW_LIMIT)
    need = 45 if wide else 20
    return (
        CENTRAL.pack(
            *(b"PK\1\2", 3 << 8 | need, need, 0, 0, MIDNIGHT_1980, crc),
            *(narrow, narrow, len(name), len(extra), 0, 0, 0, FILE_MODE),
            min(start, NARROW_LIMIT),
        )
        + name
        + extra
    )


def _wide_field(values: list[int]) -> bytes:
    if not values:
        return b""
    return FIELD.pack(WIDE_FIELD, 8 * len(values)) + struct.pack(
        f"<{len(values)}Q", *values
    )


def _padding(offset: int, alignment: int) -> bytes:
    """An extra field after which, begun at `offset`, the content is aligned."""
    size = -(offset + FIELD.size + 2) % alignment
    return (
        FIELD.pack(PADDING_FIELD, 2 + size) + struct.pack("<H", alignment) + bytes(size)
    )


def write(file: BinaryIO, entries: Iterable[Entry]) -> None:
    """Write a sealed archive of `entries`, in their order."""
    writer = Writer(file)
    for entry in entries:
        writer.add(entry)
    writer.close()


def read(data: memoryview) -> dict[str, memoryview]:
    """
    The entries of a sealed archive as views of `data`; nothing is copied.

    Raises:
        Broken: not an archive of this kind and version, or any byte of it changed.
    """
    _check_seal(data)
    try:
        return dict(_entries(data))
    except (struct.error, UnicodeDecodeError) as error:
        raise Broken("is damaged: an entry does not fit the file") from error


def _check_seal(data: memoryview) -> None:
    if not data.nbytes:
        raise Broken("is empty")
    if bytes(data[:4]) != b"PK\3\4":
        raise Broken("is not an ovc artifact")
    seal = SEAL.fullmatch(bytes(data[-SEAL_BYTES:]))
    if seal is None:
        raise Broken("is no ovc artifact, or is cut short or damaged")
    if (version := int(seal[1])) != VERSION:
        raise Broken(
            f"is an ovc artifact of format {version} and this ovc reads format "
            f"{VERSION}: compile the model again"
        )
    if digest(data[:-DIGEST_CHARACTERS]) != seal[2].decode():
        raise Broken("is damaged: its checksum does not match its content")


def _entries(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    offset = 0
    while bytes(data[offset : offset + 4]) == b"PK\3\4":
        header = LOCAL.unpack_from(data, offset)
        size, name_bytes, extra_bytes = header[-3:]
        name = offset + LOCAL.size
        extra = name + name_bytes
        start = extra + extra_bytes
        if size == NARROW_LIMIT:
            (size,) = struct.unpack_from("<Q", data, extra + FIELD.size)
        offset = start + size
        if offset > data.nbytes:
            raise struct.error
        yield bytes(data[name:extra]).decode("ascii"), data[start:offset]


def digest(data: memoryview) -> str:
    """The digest of a seal over `data`. Up to four threads share large files."""
    blocks = [data[at : at + BLOCK] for at in range(0, data.nbytes, BLOCK)]
    digests = [b""] * len(blocks)
    count = max(1, min(4, os.cpu_count() or 1, len(blocks) // 2))

    def work(first: int) -> None:
        for i in range(first, len(blocks), count):
            digests[i] = zlib.crc32(blocks[i]).to_bytes(4, "little")

    helpers = [threading.Thread(target=work, args=(i,)) for i in range(1, count)]
    for helper in helpers:
        helper.start()
    work(0)
    for helper in helpers:
        helper.join()
    return hashlib.sha256(b"".join(digests)).hexdigest()
