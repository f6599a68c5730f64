"""The processor as a target: its vector registers decide lanes and tiles."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..target import Target

V2 = "+cx16,+popcnt,+sahf,+sse3,+sse4.1,+sse4.2,+ssse3"
V3 = f"{V2},+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+xsave"
V4 = f"{V3},+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl"
X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"

LEVELS: dict[str, tuple[str, str, str]] = {
    "x86-64": (X86, "x86-64", ""),
    "x86-64-v2": (X86, "x86-64-v2", V2),
    "x86-64-v3": (X86, "x86-64-v3", V3),
    "x86-64-v4": (X86, "x86-64-v4", V4),
    "aarch64": (ARM, "generic", "+neon"),
}
"""Processors by the name of their level: LLVM's triple, CPU and features."""


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
        ",".join(
            f"{'+' if on else '-'}{name}" for name, on in sorted(features.items())
        ),
    )


SCRATCH = 7 << 15
"""
Bytes: a part of the second cache, and little of a thread's stack. A little less than a
power of two: blocks of tensors that are powers of two leave room for what they meet.
"""

HALVING = ("znver4",)
"""Processors that do 512 bits in two steps of 256."""


def cpu_target(triple: str, cpu: str, features: str) -> Target:
    """A processor with these LLVM names; unknown vector units count as 128 bits."""
    details: dict[str, Any] = {"triple": triple, "cpu": cpu, "features": features}
    enabled = {f[1:] for f in features.split(",") if f.startswith("+")}
    arm = triple.startswith(("aarch64", "arm64"))
    details["fused"] = arm or "fma" in enabled
    if "avx512f" in enabled:
        lanes, registers, accumulators = 16, 32, 28
    elif "avx2" in enabled:
        lanes, registers, accumulators = 8, 16, 12
    else:
        lanes, registers = 4, 32 if arm else 16
        accumulators = registers - 6
    return Target(
        "cpu",
        lanes=lanes,
        halves=lanes == 16 and cpu in HALVING,
        registers=registers,
        accumulators=accumulators,
        scratch=SCRATCH,
        prefetches=True,
        transposes=True,
        details=details,
    )
