"""
Building OpenCL programs, and keeping their binaries for the next time.

A binary is filed under the digest of source, options, device and driver. A file holds
the SHA-256 of the binary and the binary; one that does not match, or that the driver
refuses, is ignored and written anew. Trouble with the cache never stops a build.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from ..errors import ArtifactError, DeviceError
from .ocl_devices import INSTALL, load_pyopencl

OPTION = re.compile(r"-cl-[A-Za-z0-9.=-]+|-D[A-Za-z0-9_]+(=[A-Za-z0-9_.]+)?")
"""Options an artifact may ask for: none of them names a file."""

OLD_DRIVER = f": the driver is older than this CPU: {INSTALL}"
"""PoCL's wheel fails so on CPUs that its LLVM does not know."""

DIGEST_BYTES = 32


def default_cache_dir() -> Path:
    """`ovc` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ovc"


def check_options(origin: str, options: object) -> list[str]:
    """
    Build options from an artifact's facts.

    Raises:
        ArtifactError: they are not a list of plain compiler options.
    """
    values = cast("list[Any]", options if isinstance(options, list) else [None])
    for value in values:
        if not isinstance(value, str) or not OPTION.fullmatch(value):
            raise ArtifactError(f"{origin}: {value!r} is not a build option")
    return values


def build_program(
    context: Any, source: bytes, options: list[str], folder: Path | None, origin: str
) -> Any:
    """
    The program for the only device of `context`, from the cache if it is there.

    Raises:
        DeviceError: the driver refuses the source. The message starts with `origin`.
    """
    device = context.devices[0]
    file = _file(folder, device, source, options)
    if file is not None and (program := _load(context, file, options)) is not None:
        return program
    cl = load_pyopencl()
    try:
        program = _build(cl.Program(context, source.decode()), options)
        binary = program.get_info(cl.program_info.BINARIES)[0]
    except (cl.Error, UnicodeDecodeError) as error:
        advice = OLD_DRIVER if "unknown target CPU" in str(error) else ""
        raise DeviceError(
            f"{origin}: the driver of {device.name.strip()} cannot build its program: "
            f"{first_line(error)}{advice}"
        ) from error
    if file is not None and binary:
        _store(file, bytes(binary))
    return program


def first_line(error: Exception) -> str:
    """The most telling line of a driver's report."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()]
    return (telling[1:] or telling or lines or [type(error).__name__])[0]


def _build(program: Any, options: list[str]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a build that succeeds may still be chatty
        return program.build(options)


def _file(
    folder: Path | None, device: Any, source: bytes, options: list[str]
) -> Path | None:
    parts = [
        "1",
        *(device.platform.name, device.platform.version),
        *(device.vendor, device.name, device.version, device.driver_version),
        str(device.max_compute_units),
        *options,
    ]
    key = hashlib.sha256("\0".join(parts).encode() + b"\0\0" + source).hexdigest()
    try:
        return (folder or default_cache_dir()) / f"{key}.bin"
    except RuntimeError:  # there is no home folder
        return None


def _load(context: Any, file: Path, options: list[str]) -> Any:
    cl = load_pyopencl()
    with suppress(OSError):
        content = file.read_bytes()
        digest, binary = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if binary and hashlib.sha256(binary).digest() == digest:
            with suppress(cl.Error):
                return _build(cl.Program(context, context.devices, [binary]), options)
    return None


def _store(file: Path, binary: bytes) -> None:
    part = file.with_name(f"{secrets.token_hex(8)}.part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_bytes(hashlib.sha256(binary).digest() + binary)
        os.replace(part, file)
    except OSError:
        with suppress(OSError):
            part.unlink()
