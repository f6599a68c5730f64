"""
What compilations leave for the next one: files in a folder, by digest.

    ~/.cache/ovc/objects/1f0c….o       object files of kernels
    ~/.cache/ovc/networks/77ab….ovc    whole artifacts
    ~/.cache/ovc/schedules.json        what `--tune` found

The folder is `$OVC_CACHE`, or `ovc` in the user's cache folder; an empty `$OVC_CACHE`
means that nothing is kept. All of it may be deleted at any time. A name holds a digest of
everything the content depends on, so nothing is ever out of date; what has not been used
for longest goes first. Trouble with the cache never stops a compilation.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DIGEST_BYTES = 32

SCHEDULES = "schedules.json"
"""The file of the tuner."""

OBJECTS_LIMIT, NETWORKS_LIMIT = 256 << 20, 2 << 30
"""Bytes that objects and networks may take."""


def default_folder() -> Path | None:
    """Where compilations keep things, unless the user wants nothing kept."""
    chosen = os.environ.get("OVC_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen else None
    with suppress(RuntimeError):  # there is no home folder
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(base) / "ovc"
    return None


def object_cache(folder: Path) -> ByteStore:
    """The objects kept in a cache folder."""
    return ByteStore(Files(folder / "objects", ".o", OBJECTS_LIMIT))


def network_cache(folder: Path) -> Files:
    """The artifacts kept in a cache folder."""
    return Files(folder / "networks", ".ovc", NETWORKS_LIMIT)


@dataclass(frozen=True)
class Files:
    """Files by key in a folder that grows to `limit` bytes."""

    folder: Path
    suffix: str
    limit: int

    def path(self, key: str) -> Path:
        return self.folder / f"{key}{self.suffix}"

    def find(self, key: str) -> Path | None:
        """The file kept under `key`, which counts as used now."""
        path = self.path(key)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def drop(self, key: str) -> None:
        """Forget a file that turned out to be damaged."""
        with suppress(OSError):
            self.path(key).unlink()

    def add(self, key: str, size: int, write: Callable[[Path], object]) -> None:
        """Keep what `write` writes to the path it is given, about `size` bytes."""
        if size > self.limit // 2:
            return
        part = self.folder / f"{secrets.token_hex(8)}.part"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(part)
            os.replace(part, self.path(key))
            if size > self.limit // 64 or secrets.randbelow(32) == 0:
                self._prune()
        except OSError:
            with suppress(OSError):
                part.unlink()

    def _prune(self) -> None:
        """Delete what was not used for longest, down to three quarters of the limit."""
        files = [(e.stat(), e.path) for e in os.scandir(self.folder) if e.is_file()]
        total = sum(status.st_size for status, _ in files)
        if total <= self.limit:
            return
        for status, path in sorted(files, key=lambda f: f[0].st_mtime_ns):
            with suppress(OSError):
                os.unlink(path)
            total -= status.st_size
            if total <= self.limit * 3 // 4:
                return


@dataclass(frozen=True)
class ByteStore:
    """Bytes by key. A file ends with the SHA-256 of what is before."""

    files: Files

    def get(self, key: str) -> bytes | None:
        """What was put under `key`; None when that is not there, or damaged."""
        path = self.files.find(key)
        if path is None:
            return None
        try:
            content = path.read_bytes()
        except OSError:
            return None
        data, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(data).digest() == digest:
            return data
        self.files.drop(key)
        return None

    def put(self, key: str, data: bytes) -> None:
        """Keep `data`."""
        content = data + hashlib.sha256(data).digest()
        self.files.add(key, len(content), lambda path: path.write_bytes(content))


@cache
def compiler_digest() -> str:
    """A digest of the sources of this compiler: another version makes other code."""
    value = hashlib.sha256()
    root = Path(__file__).parent.parent
    for folder in ("compiler", "dialects", "backends", "runtime"):
        for path in sorted((root / folder).rglob("*.py")):
            value.update(path.relative_to(root).as_posix().encode())
            value.update(path.read_bytes())
    return value.hexdigest()
