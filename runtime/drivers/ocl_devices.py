"""
Finding an OpenCL device, also on machines without a GPU, and what is known of it.

The loader inside pyopencl asks `OCL_ICD_VENDORS`, else the system's folder and its own
for drivers. Intel's CPU driver from PyPI is in neither, so its library is named to the
loader while it looks around; whoever sets `OCL_ICD_VENDORS` is left alone.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import DeviceError

SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")
INTEL_WHEEL, INTEL_LIBRARY = "intel-opencl-rt", "libintelocl.so"
POCL = "Portable Computing Language"
INSTALL = "install one with: pip install 'ovc-compiler[gpu]'"


@functools.cache
def load_pyopencl() -> Any:
    """
    The module `pyopencl`, with its loader pointed to every driver there is.

    Raises:
        DeviceError: it is not installed or does not load.
    """
    # Programs are cached by this package, with checks that pyopencl's cache lacks.
    with _variable("PYOPENCL_NO_CACHE", "1"), _vendors():
        try:
            module = importlib.import_module("pyopencl")
        except (ImportError, OSError) as error:
            raise DeviceError(
                f"GPU: pyopencl cannot be imported ({error}): {INSTALL}"
            ) from error
        with suppress(module.Error):
            module.get_platforms()  # the loader looks around once, now
    return module


@contextmanager
def _variable(name: str, value: str) -> Generator[None]:
    """An environment variable for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _vendors() -> Generator[None]:
    """Names Intel's library to the loader, beside all it would find by itself."""
    library = _intel_library()
    if library is None or os.environ.get("OCL_ICD_VENDORS"):
        yield
        return
    found = _installed_drivers()
    if any("libintelocl" in driver for driver in found):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="ovc-") as folder:
        for i, driver in enumerate([*found, str(library)]):
            Path(folder, f"{i}.icd").write_text(driver + "\n")
        with _variable("OCL_ICD_VENDORS", folder):
            yield


def _installed_drivers() -> list[str]:
    """Libraries the loader finds unaided: the system's, and of wheels such as PoCL's."""
    drivers: list[str] = []
    files = sorted(SYSTEM_VENDORS.glob("*.icd"))
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec("pyopencl")
        if spec and spec.origin:
            files += sorted(Path(spec.origin).parent.joinpath(".libs").glob("*.icd"))
    for file in files:
        with suppress(OSError, UnicodeDecodeError):
            driver = file.read_text().strip()
            beside = file.parent / driver
            drivers.append(str(beside) if driver and beside.is_file() else driver)
    return [driver for driver in drivers if driver]


def _intel_library() -> Path | None:
    if not sys.platform.startswith("linux"):
        return None
    with suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files(INTEL_WHEEL) or ():
            if file.name == INTEL_LIBRARY:
                path = Path(str(file.locate())).resolve()
                return path if path.is_file() else None
    return None


@functools.cache
def find_devices() -> tuple[Any, ...]:
    """OpenCL devices, GPUs first; then CPUs, the drivers with the faster code first."""
    cl = load_pyopencl()
    found: list[Any] = []
    with suppress(cl.Error):
        for platform in cl.get_platforms():
            with suppress(cl.Error):
                found += platform.get_devices()
    usable = [each for each in found if each.available and each.compiler_available]
    return tuple(sorted(usable, key=_rank))


def _rank(device: Any) -> tuple[int, bool, int]:
    kinds = ("gpu", "cpu", "other")
    kind = kinds.index(device_type(device))
    return kind, device.platform.name == POCL, -device.max_compute_units


def device_type(device: Any) -> str:
    """`gpu`, `cpu` or `other`."""
    types = load_pyopencl().device_type
    if device.type & types.GPU:
        return "gpu"
    return "cpu" if device.type & types.CPU else "other"


def find_device(name: str = "GPU") -> Any:
    """
    The device of `name`: `GPU` is the best one, `GPU.1` the second best.

    Raises:
        DeviceError: there is none. The message says what to install.
    """
    found = find_devices()
    if not found:
        raise DeviceError(f"GPU: no OpenCL device found: {INSTALL}")
    number = name.partition(".")[2] or "0"
    if not number.isdecimal() or int(number) >= len(found):
        raise DeviceError(
            f"{name}: no such device: the last one is GPU.{len(found) - 1}"
        )
    return found[int(number)]


def device_facts(device: Any = None) -> dict[str, Any]:
    """
    What the compiler wants to know about `device`, or else about the best one.

    `lanes` is the device's preferred number of float32 in a vector.

    Raises:
        DeviceError: there is no device.
    """
    device = find_device() if device is None else device
    extensions = set(device.extensions.split())
    return {
        "type": device_type(device),
        "name": device.name.strip(),
        "vendor": device.vendor.strip(),
        "platform": device.platform.name.strip(),
        "version": device.version.strip(),
        "driver": device.driver_version.strip(),
        "compute_units": device.max_compute_units,
        "work_group": device.max_work_group_size,
        "lanes": max(
            device.preferred_vector_width_float, device.native_vector_width_float
        ),
        "local_bytes": device.local_mem_size,
        "memory_bytes": device.global_mem_size,
        "allocation_bytes": device.max_mem_alloc_size,
        "fp64": "cl_khr_fp64" in extensions,
        "fp16": "cl_khr_fp16" in extensions,
        "subgroups": bool(extensions & {"cl_khr_subgroups", "cl_intel_subgroups"}),
    }
