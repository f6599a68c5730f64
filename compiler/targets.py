"""
Targets by name.

`cpu` is this machine's processor, `cpu:x86-64-v3` one of that level; `gpu` is OpenCL, as a
CPU device likes it, `gpu:gpu` as a GPU does.
"""

from __future__ import annotations

from functools import cache

from ..backends.cpu.target import LEVELS, cpu_target, host_target
from ..backends.ocl.target import opencl_target
from ..backends.target import Target
from ..runtime.errors import CompileError
from .options import CompileOptions

NAMES = ("cpu", "gpu")


def target_name(target: str, options: CompileOptions) -> str:
    """The target with the variant that the options ask for."""
    variant = options.cpu if target == "cpu" else options.device_type
    return f"{target}:{variant}" if variant else target


@cache
def find_target(name: str) -> Target:
    """
    The target called `name`.

    Raises:
        CompileError: there is none. The message lists those that there are.
    """
    kind, _, level = name.partition(":")
    if kind == "cpu" and level:
        if level not in LEVELS:
            raise CompileError(f"CPU {level} is unknown; there are {', '.join(LEVELS)}")
        return cpu_target(*LEVELS[level])
    match name:
        case "cpu":
            return host_target()
        case "gpu" | "gpu:cpu":
            return opencl_target()
        case "gpu:gpu":
            return opencl_target("gpu")
        case _:
            raise CompileError(
                f"target {name} is unknown; there are {', '.join(NAMES)}"
            )
