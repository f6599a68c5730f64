"""
What this machine's processor can do at most, measured on the spot.

Arithmetic: independent fused multiply-adds in registers. Bandwidth: sums over buffers of
several sizes, the smaller ones of which stay in a cache.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import binding

llvm: Any = binding  # it has no types

CHAINS = 14
"""Accumulators: more than latency times throughput of any current core."""

STEPS = 200_000

FOOTPRINTS = (1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 27)
"""Bytes of the buffers that are read; the last is in no cache."""

ATTRIBUTES = '"min-legal-vector-width"="512" "prefer-vector-width"="512"'

CHAINS_IR = """
define float @chains(i64 %steps) ATTRIBUTES {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
PHIS
FMAS
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %steps
  br i1 %more, label %loop, label %end
end:
SUMS
  %first = extractelement VECTOR %total, i32 0
  ret float %first
}
declare VECTOR @llvm.fma.vLANESf32(VECTOR, VECTOR, VECTOR)
"""

SWEEP_IR = """
define float @sweep(ptr %data, i64 %bytes, i64 %repeats) ATTRIBUTES {
entry:
  br label %again
again:
  %r = phi i64 [ 0, %entry ], [ %r.next, %swept ]
AGAIN
  br label %loop
loop:
  %at = phi i64 [ 0, %again ], [ %at.next, %loop ]
PHIS
  %here = getelementptr i8, ptr %data, i64 %at
READS
  %at.next = add i64 %at, STRIDE
  %more = icmp slt i64 %at.next, %bytes
  br i1 %more, label %loop, label %swept
swept:
  %r.next = add i64 %r, 1
  %r.more = icmp slt i64 %r.next, %repeats
  br i1 %r.more, label %again, label %end
end:
SUMS
  %first = extractelement VECTOR %total, i32 0
  ret float %first
}
"""

READS = 8
"""Registers that a step of the sweep reads."""


@dataclass(frozen=True)
class Peak:
    """The roofline of some threads together."""

    threads: int
    flops: float
    """Float operations a second."""
    bandwidths: tuple[tuple[int, float], ...]
    """(bytes, bytes a second) of buffers that are read again and again."""

    def bandwidth(self, size: int) -> float:
        """Bytes a second from the smallest measured buffer that holds `size` bytes."""
        holding = [speed for bytes_, speed in self.bandwidths if bytes_ >= size]
        return holding[0] if holding else self.bandwidths[-1][1]

    def seconds(self, flops: int, size: int) -> float:
        """The least time for this work on data of this size."""
        return max(flops / self.flops, size / self.bandwidth(size))


def measure(threads: int = 1, seconds: float = 0.3) -> Peak:
    """The roofline of `threads` threads; each part of it takes about `seconds`."""
    bandwidths = tuple(
        (size, measure_bandwidth(threads, size, seconds)) for size in FOOTPRINTS
    )
    return Peak(threads, measure_flops(threads, seconds), bandwidths)


def measure_flops(threads: int, seconds: float = 1.5) -> float:
    """Most float operations a second that `threads` threads reached together."""
    with _compiled(_chains_text(), "chains") as address:
        run = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64)(address)
        best = _least_time(threads, seconds, lambda _: run(STEPS))
    return 2.0 * lanes() * CHAINS * STEPS * threads / best


def measure_bandwidth(threads: int, size: int, seconds: float = 0.3) -> float:
    """Most bytes a second that `threads` threads read of a buffer of `size` bytes."""
    share = size // threads // 4096 * 4096
    memory = np.zeros(share * threads, np.uint8)
    repeats = max(1, (1 << 26) // share)
    with _compiled(_sweep_text(), "sweep") as address:
        arguments = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        run = ctypes.CFUNCTYPE(ctypes.c_float, *arguments)(address)

        def part(index: int) -> None:
            run(memory.ctypes.data + index * share, share, repeats)

        best = _least_time(threads, seconds, part)
    return float(share) * threads * repeats / best


def lanes() -> int:
    """Floats in the widest vector that this processor multiplies at once."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and features.get("fma") else 4


def _least_time(threads: int, seconds: float, work: Callable[[int], object]) -> float:
    """The least time in which `threads` threads did their `work` together."""
    best = float("inf")
    deadline = time.perf_counter() + seconds
    with ThreadPoolExecutor(threads) as pool:
        while time.perf_counter() < deadline or best == float("inf"):
            start = time.perf_counter()
            list(pool.map(work, range(threads)))
            best = min(best, time.perf_counter() - start)
    return best


def _chains_text() -> str:
    vector = _vector()
    fma = f"call {vector} @llvm.fma.v{lanes()}f32"
    half = "splat (float 5.0e-01)"
    starts = [f"splat (float {c}.0e+00)" for c in range(CHAINS)]
    phis = _phis("a", starts, "entry", "loop")
    fmas = [
        f"  %b{c} = {fma}({vector} %a{c}, {vector} {half}, {vector} {half})"
        for c in range(CHAINS)
    ]
    return _filled(CHAINS_IR, PHIS=phis, FMAS=fmas, SUMS=_sums(CHAINS))


def _sweep_text() -> str:
    vector, width = _vector(), 4 * lanes()
    outer = _phis("o", ["zeroinitializer"] * READS, "entry", "swept")
    inner = _phis("a", [f"%o{c}" for c in range(READS)], "again", "loop")
    reads: list[str] = []
    for c in range(READS):
        reads.append(f"  %p{c} = getelementptr i8, ptr %here, i64 {c * width}")
        reads.append(f"  %x{c} = load {vector}, ptr %p{c}, align 4")
        reads.append(f"  %b{c} = fadd {vector} %a{c}, %x{c}")
    stride = [str(READS * width)]
    # `outer` stands before the branch, and is all that the block begins with
    return _filled(
        SWEEP_IR, AGAIN=outer, PHIS=inner, READS=reads, SUMS=_sums(READS), STRIDE=stride
    )


def _phis(name: str, starts: list[str], before: str, end: str) -> list[str]:
    """Registers that are `starts` after the block `before`, and `%b` after `end`."""
    vector = _vector()
    return [
        f"  %{name}{c} = phi {vector} [ {start}, %{before} ], [ %b{c}, %{end} ]"
        for c, start in enumerate(starts)
    ]


def _sums(count: int) -> list[str]:
    vector = _vector()
    lines = [f"  %s1 = fadd {vector} %b0, %b1"]
    lines += [f"  %s{c} = fadd {vector} %s{c - 1}, %b{c}" for c in range(2, count)]
    return [*lines, f"  %total = fadd {vector} %s{count - 1}, %s{count - 1}"]


def _vector() -> str:
    return f"<{lanes()} x float>"


def _filled(text: str, **parts: list[str]) -> str:
    for name, lines in parts.items():
        text = text.replace(name, "\n".join(lines))
    for name, value in (
        ("VECTOR", _vector()),
        ("LANES", str(lanes())),
        ("ATTRIBUTES", ATTRIBUTES),
    ):
        text = text.replace(name, value)
    return text


@contextmanager
def _compiled(text: str, name: str) -> Generator[int]:
    """The address of a function of an LLVM module, compiled for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
    )
    module = llvm.parse_assembly(text)
    module.verify()
    with llvm.create_mcjit_compiler(module, machine) as engine:
        engine.finalize_object()
        yield engine.get_function_address(name)
