"""
The machine's float32 peak, measured: independent fused multiply-adds in registers.

    python -m benchmarks.peak
"""

from __future__ import annotations

import ctypes
import os
import time
from concurrent.futures import ThreadPoolExecutor

from llvmlite import binding as llvm

CHAINS = 14
"""Accumulators: more than latency times throughput of any current core."""

STEPS = 2_000_000

KERNEL = """
define float @chains(i64 %steps) "min-legal-vector-width"="512" "prefer-vector-width"="512" {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{phis}
{fmas}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %steps
  br i1 %more, label %loop, label %end
end:
{sums}
  %first = extractelement <{lanes} x float> %total, i32 0
  ret float %first
}}
declare <{lanes} x float> @llvm.fma.v{lanes}f32(<{lanes} x float>, <{lanes} x float>, <{lanes} x float>)
"""


def lanes() -> int:
    """Floats in the widest vector that this processor multiplies at once."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and features.get("fma") else 4


def kernel_text(width: int) -> str:
    """LLVM IR of the loop."""
    vector = f"<{width} x float>"
    fma = f"call {vector} @llvm.fma.v{width}f32"
    half = "splat (float 5.0e-01)"
    phis = [
        f"  %a{c} = phi {vector} [ splat (float {c}.0e+00), %entry ], [ %b{c}, %loop ]"
        for c in range(CHAINS)
    ]
    fmas = [
        f"  %b{c} = {fma}({vector} %a{c}, {vector} {half}, {vector} {half})"
        for c in range(CHAINS)
    ]
    sums = [f"  %s1 = fadd {vector} %b0, %b1"]
    sums += [f"  %s{c} = fadd {vector} %s{c - 1}, %b{c}" for c in range(2, CHAINS)]
    sums.append(f"  %total = fadd {vector} %s{CHAINS - 1}, %s{CHAINS - 1}")
    return KERNEL.format(
        phis="\n".join(phis), fmas="\n".join(fmas), sums="\n".join(sums), lanes=width
    )


def measure(threads: int, seconds: float = 1.5) -> float:
    """Most float operations a second that `threads` threads reached together."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    width = lanes()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
    )
    module = llvm.parse_assembly(kernel_text(width))
    module.verify()
    with llvm.create_mcjit_compiler(module, machine) as engine:
        engine.finalize_object()
        address = engine.get_function_address("chains")
        run = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64)(address)
        operations = 2.0 * width * CHAINS * STEPS * threads
        best = float("inf")
        deadline = time.perf_counter() + seconds
        with ThreadPoolExecutor(threads) as pool:
            while time.perf_counter() < deadline:
                start = time.perf_counter()
                list(pool.map(run, [STEPS] * threads))
                best = min(best, time.perf_counter() - start)
    return operations / best


if __name__ == "__main__":
    for count in sorted({1, os.cpu_count() or 1}):
        print(f"{count} threads: {measure(count) / 1e9:.0f} GFLOP/s")
