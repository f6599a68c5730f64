"""The processor as a target: its vector registers decide lanes and tiles."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..target import Target


@cache
def host_target() -> Target:
    """This machine's processor, as LLVM sees it."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features: dict[str, bool] = dict(llvm.get_host_cpu_features())
    return cpu_target(
        llvm.get_default_triple(),
        llvm.get_host_cpu_name(),
        ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items())),
    )


def cpu_target(triple: str, cpu: str, features: str) -> Target:
    """A processor with these LLVM names; unknown vector units count as 128 bits."""
    details: dict[str, Any] = {"triple": triple, "cpu": cpu, "features": features}
    enabled = {f[1:] for f in features.split(",") if f.startswith("+")}
    if "avx512f" in enabled:
        return Target("cpu", 16, 32, 28, details=details)
    if "avx2" in enabled:
        return Target("cpu", 8, 16, 12, details=details)
    registers = 32 if triple.startswith(("aarch64", "arm64")) else 16
    return Target("cpu", 4, registers, registers - 6, details=details)
