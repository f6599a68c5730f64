"""The devices of this machine, by the names that `load` takes."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .config import available_cpus
from .errors import DeviceError


@dataclass(frozen=True)
class Device:
    """A device and what `ovc devices` shows of it. `problem` is why it cannot be used."""

    name: str
    full_name: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    problem: str = ""


def available_devices() -> list[str]:
    """Names of the usable devices: `CPU`, then `GPU` or `GPU.0`, `GPU.1`, ..."""
    return [device.name for device in list_devices() if not device.problem]


def list_devices() -> list[Device]:
    """Every kind of device, also one that is not usable here."""
    return [_cpu(), *_gpus()]


def device_facts(name: str = "GPU") -> dict[str, Any]:
    """
    What the compiler wants to know about the OpenCL device `name`.

    Raises:
        DeviceError: there is no such device. The message says what to install.
    """
    from .drivers import ocl_devices

    return ocl_devices.device_facts(ocl_devices.find_device(name))


def opencl_device_type() -> str | None:
    """The type of the OpenCL device that would run, "cpu" or "gpu"; None without one."""
    try:
        return str(device_facts()["type"])
    except DeviceError:
        return None


def _cpu() -> Device:
    name = platform.processor() or platform.machine()
    with suppress(OSError, UnicodeDecodeError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    facts = {"type": "cpu", "name": name, "threads": available_cpus()}
    return Device("CPU", name, facts)


def _gpus() -> list[Device]:
    try:
        from .drivers.ocl_devices import device_facts, find_device, find_devices

        find_device()
        found = [device_facts(device) for device in find_devices()]
    except DeviceError as error:
        return [Device("GPU", "none", problem=str(error))]
    names = [f"GPU.{i}" for i in range(len(found))] if len(found) > 1 else ["GPU"]
    return [
        Device(name, f"{facts['name']} ({facts['platform']})", facts)
        for name, facts in zip(names, found, strict=True)
    ]
