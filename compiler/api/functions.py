"""The functions of `import ovc`. Each imports what it needs when it is called."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovc.runtime.errors import ArtifactError, DeviceError

from .model import CompiledModel, Model
from .ports import Port

if TYPE_CHECKING:
    from ovc.compiler.conversion import Conversion
    from ovc.runtime.artifact import Artifact

PathLike = str | os.PathLike[str]

ZIP_MAGIC = b"PK\3\4"
"""An artifact starts with it; no ONNX file does."""

TARGETS = {"CPU": "cpu", "GPU": "gpu", "AUTO": "cpu"}


def compile_model(
    model: PathLike | Model,
    device_name: str = "CPU",
    config: Mapping[str, Any] | None = None,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    tune: float | None = None,
) -> CompiledModel:
    """
    Compile a model for a device, ready to be called.

    Args:
        model: an ONNX file, or a `Model` from `read_model`; an .ovc file is loaded.
        device_name: "CPU", "GPU", or one of `available_devices()`.
        config: settings under OpenVINO's names, like `INFERENCE_NUM_THREADS`; see
            `ovc.runtime.config`.
        input_shapes: static shapes for inputs with symbolic dimensions, by name.
        tune: seconds to spend on trying schedules on this machine; what is found is
            kept for later compilations.

    Raises:
        OvcError: the file, the network, a shape or the device is at fault. The message
            says which, and what to do.
    """
    path = model.path if isinstance(model, Model) else Path(model)
    shapes = {name: tuple(map(int, s)) for name, s in (input_shapes or {}).items()}
    if isinstance(model, Model):
        shapes = model.input_shapes | shapes
        conversion = model.conversion
    else:
        conversion = None
    if is_artifact(path):
        if shapes:
            raise ArtifactError(f"{path}: is compiled already; its shapes are fixed")
        if tune is not None:
            raise ArtifactError(f"{path}: is compiled already; tune its model file")
        return import_model(path, device_name, config)
    return compile_file(
        path, device_name, config, shapes, conversion=conversion, tune=tune
    )


def compile_file(
    path: Path,
    device_name: str,
    config: Mapping[str, Any] | None,
    input_shapes: Mapping[str, tuple[int, ...]],
    observer: Any = None,
    conversion: Conversion | None = None,
    tune: float | None = None,
) -> CompiledModel:
    """Like `compile_model`, for a model file, while `observer` watches."""
    from ovc.compiler.cache import default_folder
    from ovc.compiler.conversion import Conversion
    from ovc.compiler.kept import kept_artifact
    from ovc.compiler.options import CompileOptions, Observer
    from ovc.runtime.config import parse_config
    from ovc.runtime.devices import opencl_device_type

    target = _target(device_name)
    parse_config(config, target.upper())  # refused now rather than after the work
    options = CompileOptions(
        input_shapes=input_shapes,
        conversion=conversion or Conversion(),
        device_type=opencl_device_type() if target == "gpu" else None,
        cache=default_folder(),
        tune=tune,
        observer=observer or Observer(),
    )
    artifact = kept_artifact(path, target, options)
    if artifact is None:
        from ovc.compiler import driver

        artifact = driver.compile_file(path, target, options)
    return load(artifact, device_name, config)


def import_model(
    model: PathLike | bytes | BytesIO,
    device_name: str = "",
    config: Mapping[str, Any] | None = None,
) -> CompiledModel:
    """
    Load an artifact: a path, or what `export_model` returned.

    Args:
        model: a path, the bytes of an artifact, or a stream of them.
        device_name: "CPU" or "GPU"; by default the one that it was compiled for.
        config: as for `compile_model`.

    Raises:
        ArtifactError: the artifact is damaged, of another version or for another kind
            of device.
    """
    from ovc.runtime.artifact import read_artifact

    if isinstance(model, bytes | BytesIO):
        data = model if isinstance(model, bytes) else model.getvalue()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "imported.ovc")
            path.write_bytes(data)
            artifact = read_artifact(path)
    else:
        artifact = read_artifact(model)
    made_for = artifact.manifest.target.upper()
    if device_name and _target(device_name) != artifact.manifest.target:
        raise ArtifactError(
            f"{artifact.origin}: was compiled for {made_for}, not for {device_name}"
        )
    return load(artifact, device_name or made_for, config)


def load(
    artifact: Artifact, device_name: str, config: Mapping[str, Any] | None
) -> CompiledModel:
    """A compiled model from an artifact in memory."""
    from ovc.runtime import session

    ports = artifact.manifest.inputs + artifact.manifest.outputs
    if any(port.dtype == "bfloat16" for port in ports):
        import_module("ml_dtypes")  # makes the type known to numpy

    def export(target: PathLike | BytesIO) -> None:
        from ovc.runtime.artifact import write_artifact

        if not isinstance(target, BytesIO):
            write_artifact(target, artifact)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "exported.ovc")
            write_artifact(path, artifact)
            target.write(path.read_bytes())

    return CompiledModel(
        session.load(artifact, _runtime_name(device_name), config), export
    )


def read_model(model: PathLike) -> Model:
    """
    Read an ONNX file: its inputs and outputs, which `reshape` can fix.

    Raises:
        OvcError: it cannot be read, or uses what is not known; all of that is listed.
    """
    from ovc.compiler.reading import Port as Found
    from ovc.compiler.reading import read_network

    network = read_network(Path(model), {})

    def ports(found: Sequence[Found]) -> list[Port]:
        return [
            Port(i, p.name, p.dims or ("...",), p.dtype) for i, p in enumerate(found)
        ]

    return Model(Path(model), ports(network.inputs), ports(network.outputs))


def available_devices() -> list[str]:
    """The devices of this machine: "CPU", and "GPU" where OpenCL has one."""
    from ovc.runtime.devices import available_devices as names

    return names()


def _runtime_name(device_name: str) -> str:
    """AUTO is the CPU, which every machine has."""
    return "CPU" if device_name.upper() == "AUTO" else device_name.upper()


def _target(device_name: str) -> str:
    kind = device_name.upper().partition(".")[0].partition(":")[0]
    if kind not in TARGETS:
        raise DeviceError(f"there is no device '{device_name}'; choose CPU or GPU")
    return TARGETS[kind]


def is_artifact(path: Path) -> bool:
    """Whether a path names a compiled artifact, by suffix or by its first bytes."""
    if path.suffix == ".ovc":
        return True
    try:
        with path.open("rb") as file:
            return file.read(4) == ZIP_MAGIC
    except OSError:
        return False
