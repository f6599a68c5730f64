"""
A loaded network: checks the user's arrays, runs them, and says how long it took.

An array must have its input's exact shape and element type; nothing is rounded or
broadcast in silence. Plain Python numbers and lists have no element type of their own:
they are converted where the kind allows it (integers to floats, not back).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

import numpy as np

from .artifact import Artifact, read_artifact
from .config import parse_config
from .drivers.base import Driver
from .errors import ArtifactError, DeviceError, InputError
from .manifest import Malformed, Port, check
from .memory import Array

DEVICES = {"cpu": "CPU", "gpu": "GPU"}
"""The device that runs a target's artifacts."""


@dataclass(frozen=True)
class LaunchTime:
    """
    One launch of a profiled inference.

    `layers` are the user's names, `operations` what became one kernel, `schedule` the
    loops that it was made with.
    """

    kernel: str
    layers: tuple[str, ...]
    seconds: float
    flops: int
    bytes: int
    operations: tuple[str, ...] = ()
    schedule: str = ""


class Session:
    """A network on a device. Calls may come from any number of threads at once."""

    def __init__(self, artifact: Artifact, driver: Driver) -> None:
        self.artifact = artifact
        self.driver = driver
        self.inputs = artifact.manifest.inputs
        self.outputs = artifact.manifest.outputs
        self._looks = [(port.name, port.shape, port.element) for port in self.inputs]

    @property
    def device(self) -> str:
        return self.driver.device

    def __call__(self, data: object) -> list[Array]:
        """
        The outputs for `data`, in order and in new arrays.

        Args:
            data: a mapping from names or positions to arrays, a list or tuple of one
                array per input, or the array of the only input.

        Raises:
            InputError: `data` does not fit. The message starts with the input.
        """
        return self.driver.infer(self._bound(data))

    def _bound(self, data: Any) -> list[Array]:
        """What `bind` gives; most calls bring a dict of arrays that fit."""
        values: dict[object, object] = data
        if type(data) is not dict or len(values) != len(self._looks):
            return bind(self.inputs, values)
        arrays: list[Array] = []
        for name, shape, element in self._looks:
            value = values.get(name)
            if (
                type(value) is np.ndarray
                and value.shape == shape
                and value.dtype == element
                and (flags := value.flags).c_contiguous
                and flags.aligned
            ):
                arrays.append(value)
            else:
                return bind(self.inputs, values)
        return arrays

    def profile(self, data: object) -> list[LaunchTime]:
        """How long each launch takes, in the order of execution."""
        seconds = self.driver.profile(self._bound(data))
        manifest = self.artifact.manifest
        return [
            LaunchTime(
                manifest.kernels[launch.kernel].name,
                launch.layers,
                time,
                launch.flops,
                launch.bytes,
                launch.operations,
                manifest.kernels[launch.kernel].schedule,
            )
            for launch, time in zip(manifest.launches, seconds, strict=True)
        ]

    def close(self) -> None:
        """Wait for calls under way and give threads and memory back."""
        self.driver.close()


def load(
    source: Artifact | str | os.PathLike[str],
    device: str | None = None,
    config: Mapping[str, object] | None = None,
) -> Session:
    """
    Load an artifact or the file of one.

    Args:
        device: `CPU`, `GPU` or `GPU.1`, ...; None is what the artifact is made for.
        config: see `config.py`.

    Raises:
        ArtifactError: the file is not an artifact in good order.
        DeviceError: the device is absent, another one is needed, or `config` is wrong.
    """
    if isinstance(source, Artifact):
        artifact = source
        _check_parts(artifact)
    else:
        artifact = read_artifact(source)
    wanted = DEVICES[artifact.manifest.target]
    name = (device or wanted).upper()
    if name.partition(".")[0] != wanted or name.startswith("CPU."):
        raise DeviceError(
            f"{artifact.origin}: compiled for {wanted}, it does not run on {device}: "
            "compile the model for that device"
        )
    settings = parse_config(config, wanted)
    for port in artifact.manifest.inputs + artifact.manifest.outputs:
        _check_element(artifact, port)
    if wanted == "CPU":
        from .drivers.cpu import CpuDriver

        return Session(artifact, CpuDriver(artifact, settings))
    from .drivers.ocl import OclDriver

    return Session(artifact, OclDriver(artifact, settings, name))


def _check_parts(artifact: Artifact) -> None:
    """What reading checks in a file holds for an artifact from the compiler too."""
    try:
        check(artifact.manifest)
        if artifact.manifest.target not in DEVICES:
            raise Malformed(f"target is {artifact.manifest.target!r}")
        if artifact.weights.nbytes != artifact.manifest.weights_bytes:
            raise Malformed(f"weights_bytes is not {artifact.weights.nbytes}")
    except Malformed as error:
        raise ArtifactError(f"{artifact.origin}: manifest: {error}") from error


def _check_element(artifact: Artifact, port: Port) -> None:
    try:
        _ = port.element
    except TypeError as error:
        raise ArtifactError(
            f"{artifact.origin}: {port.name} has the type {port.dtype}, which numpy "
            f"does not know: import ml_dtypes before"
        ) from error


def bind(ports: Sequence[Port], data: object) -> list[Array]:
    """
    One contiguous array per port from what a user gives (see `Session.__call__`).

    Raises:
        InputError: a name, a number of arrays, a rank, a shape or a type is wrong.
    """
    values: Sequence[object]
    if isinstance(data, (list, tuple)):
        values = cast("Sequence[object]", data)
    elif type(data) is not np.ndarray and isinstance(data, Mapping):
        values = _by_name(ports, cast("Mapping[object, object]", data))
    else:
        values = [data]
    if len(values) != len(ports):
        raise InputError(
            f"{_names(ports)}: the network has {_count(len(ports), 'input')} and "
            f"{_count(len(values), 'array')} came"
        )
    return [as_input(port, value) for port, value in zip(ports, values, strict=True)]


def _by_name(ports: Sequence[Port], data: Mapping[object, object]) -> list[object]:
    if len(data) == len(ports) and all(port.name in data for port in ports):
        return [data[port.name] for port in ports]
    names = [port.name for port in ports]
    found: dict[str, object] = {}
    for key, value in data.items():
        name = _name(names, key)
        if name in found:
            raise InputError(f"{name}: given twice, by name and by position")
        found[name] = value
    for name in names:
        if name not in found:
            raise InputError(f"{name}: this input is missing")
    return [found[name] for name in names]


def _name(names: Sequence[str], key: object) -> str:
    if isinstance(key, int) and 0 <= key < len(names):
        return names[key]
    if isinstance(key, str) and key in names:
        return key
    name = getattr(key, "name", None) or getattr(key, "any_name", None)
    if isinstance(name, str) and name in names:
        return name  # a port itself
    near = get_close_matches(str(key), names, 1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, names)) or "none"
    raise InputError(f"{key}: the network has no such input. It has: {listed}.{guess}")


def _names(ports: Sequence[Port]) -> str:
    return ", ".join(port.name for port in ports) or "inputs"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s'[: number != 1]}"


def as_input(port: Port, value: object) -> Array:
    """
    `value` as the contiguous array that `port` takes.

    Raises:
        InputError: the rank, the shape or the type is wrong.
    """
    if (
        type(value) is np.ndarray
        and value.shape == port.shape
        and value.dtype == port.element
        and (flags := value.flags).c_contiguous
        and flags.aligned
    ):
        return value  # most calls
    array = _as_array(port, value)
    if array.ndim != len(port.shape):
        raise InputError(
            f"{port.name}: rank {array.ndim} given ({shape_text(array.shape)}), "
            f"rank {len(port.shape)} expected ({shape_text(port.shape)})"
        )
    if array.shape != port.shape:
        raise InputError(
            f"{port.name}: shape {shape_text(array.shape)} given, "
            f"{shape_text(port.shape)} expected"
        )
    return np.require(array, port.element, ["C_CONTIGUOUS", "ALIGNED"])


def shape_text(shape: Sequence[int]) -> str:
    """A shape as users write it: `1x3x224x224`."""
    return "x".join(map(str, shape)) if shape else "scalar"


def _as_array(port: Port, value: object) -> Array:
    typed = hasattr(value, "dtype")
    try:
        array: Array = np.asarray(cast(Any, value))
    except Exception as error:  # whatever the object's own conversion raises
        raise InputError(f"{port.name}: not an array of numbers: {error}") from error
    if typed and array.dtype.newbyteorder("=") == port.element:
        return array
    numbers = not typed and array.dtype.kind in "biuf"
    if numbers and np.can_cast(array.dtype, port.element, "same_kind"):
        return _convert(port, value)
    given = "objects" if array.dtype.kind == "O" else array.dtype.name
    advice = f": convert it with .astype(np.{port.dtype})" if typed else ""
    raise InputError(f"{port.name}: {given} given, {port.dtype} expected{advice}")


def _convert(port: Port, value: object) -> Array:
    try:
        return np.asarray(cast(Any, value), port.element)
    except (OverflowError, ValueError) as error:
        raise InputError(f"{port.name}: {error}") from error
