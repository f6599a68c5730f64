"""
Files as network inputs: images, .npy, .npz and .wav, by name or in order.

Nothing is unpickled: arrays of Python objects are refused.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import InputError
from . import images
from .audio import read_wav
from .images import Preprocessing, read_image

Array = NDArray[Any]
Note = Callable[[str], None]

BROKEN_ARCHIVE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class InputSlot:
    """What a network takes: one of its inputs."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_inputs(
    arguments: Sequence[str],
    slots: Sequence[InputSlot],
    how: Preprocessing,
    note: Note = lambda _: None,
) -> dict[str, Array]:
    """
    The arrays for all inputs, from arguments `FILE` and `NAME=FILE`.

    A file without a name goes to the first input that has none yet; an .npz without a
    name gives every input that it has an array for.

    Args:
        note: is told, in a sentence each, what was changed to make a file fit.

    Raises:
        InputError: a file is unreadable or does not fit, a name is unknown, an input
            is given twice or not at all.
    """
    by_name = {slot.name: slot for slot in slots}
    arrays: dict[str, Array] = {}

    def give(name: str, array: Array) -> None:
        if name in arrays:
            raise InputError(f"input '{name}' is given twice")
        arrays[name] = array

    unnamed: list[Path] = []
    for argument in arguments:
        name, path = _named(argument, by_name)
        if name is not None:
            give(name, read_file(path, by_name[name], how, note))
        elif path.suffix.lower() == ".npz":
            for key, array in _bundle(path, by_name).items():
                give(key, array)
        else:
            unnamed.append(path)

    free = [slot for slot in slots if slot.name not in arrays]
    if len(unnamed) > len(free):
        raise InputError(f"{unnamed[len(free)]}: the network has no input left for it")
    for slot, path in zip(free, unnamed, strict=False):
        give(slot.name, read_file(path, slot, how, note))
    missing = [slot for slot in slots if slot.name not in arrays]
    if missing:
        wanted = ", ".join(f"'{s.name}' {s.dtype}{list(s.shape)}" for s in missing)
        raise InputError(f"no file for input {wanted}; give --input NAME=FILE")
    return arrays


def read_file(path: Path, slot: InputSlot, how: Preprocessing, note: Note) -> Array:
    """
    The array of one file for one input.

    Raises:
        InputError: the message starts with the file.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise InputError(f"{path}: {what}")
    suffix = path.suffix.lower()
    if suffix in images.SUFFIXES:
        return _as_element(read_image(path, slot.shape, how), slot.dtype)
    if suffix == ".npy":
        return _typed(_load_npy(path), slot.dtype)
    if suffix == ".npz":
        return _single(path, slot)
    if suffix == ".wav":
        return _waveform(path, slot, note)
    raise InputError(
        f"{path}: inputs are .jpg, .png, .bmp, .npy, .npz or .wav files, not '{suffix}'"
    )


def _named(argument: str, slots: Mapping[str, InputSlot]) -> tuple[str | None, Path]:
    for name in sorted(slots, key=len, reverse=True):
        if argument.startswith(f"{name}="):
            return name, Path(argument[len(name) + 1 :])
    path = Path(argument)
    if "=" in argument and not path.exists():
        name = argument.partition("=")[0]
        known = ", ".join(f"'{known}'" for known in slots)
        raise InputError(f"the network has no input '{name}'; it has {known}")
    return None, path


def _as_element(values: Array, dtype: np.dtype[Any]) -> Array:
    """Image values in the input's type: integers are rounded and kept in range."""
    if dtype.kind not in "iu":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(dtype)


def _typed(array: Array, dtype: np.dtype[Any]) -> Array:
    """numpy's files forget bfloat16: two anonymous bytes are what the input takes."""
    if array.dtype.kind == "V" and array.dtype.itemsize == dtype.itemsize:
        return array.view(dtype)
    return array


def _load_npy(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as problem:
        raise InputError(f"{path}: not a readable .npy array ({problem})") from problem


def _bundle(path: Path, slots: Mapping[str, InputSlot]) -> dict[str, Array]:
    """The arrays of an .npz that bear the names of inputs."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {
                key: _typed(file[key], slots[key].dtype) for key in file if key in slots
            }
            keys = list(file)
    except BROKEN_ARCHIVE as problem:
        raise InputError(f"{path}: not a readable .npz file ({problem})") from problem
    if not found:
        known = ", ".join(f"'{name}'" for name in slots)
        raise InputError(f"{path}: has arrays {keys}, none named as an input ({known})")
    return found


def _single(path: Path, slot: InputSlot) -> Array:
    """The array of an .npz with the input's name, or its only array."""
    try:
        with np.load(path, allow_pickle=False) as file:
            keys = list(file)
            if slot.name not in keys and len(keys) != 1:
                raise InputError(f"{path}: has arrays {keys}, none named '{slot.name}'")
            key = slot.name if slot.name in keys else keys[0]
            return _typed(file[key], slot.dtype)
    except BROKEN_ARCHIVE as problem:
        raise InputError(f"{path}: not a readable .npz file ({problem})") from problem


def _waveform(path: Path, slot: InputSlot, note: Note) -> Array:
    """
    Samples from -1 to 1 (raw 16-bit numbers for an int16 input), channels averaged, cut
    or filled with zeros to the input's length. The rate is not changed.
    """
    sound = read_wav(path)
    if prod(slot.shape) != max(slot.shape, default=1):
        raise InputError(
            f"{path}: sound samples do not fit the shape {list(slot.shape)}; "
            "give a .npy file"
        )
    length = prod(slot.shape)
    mono = sound.samples.mean(axis=1, dtype=np.float32)
    if len(mono) != length:
        change = "cut" if len(mono) > length else "filled with zeros"
        note(f"{path}: {len(mono)} samples {change} to {length} ({sound.rate} Hz)")
    fitted = np.zeros(length, np.float32)
    fitted[: min(length, len(mono))] = mono[:length]
    if slot.dtype.kind in "iu":
        fitted *= 2**15
    return _as_element(fitted, slot.dtype).reshape(slot.shape)
