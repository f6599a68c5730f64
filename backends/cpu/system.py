"""What the support code asks of the system, as LLVM IR: sleep, wake, time, threads."""

from __future__ import annotations

FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE = 128, 129
FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "powerpc64le": 221, "s390x": 238}
"""Number of the system call, by architecture."""

PAUSE = {
    "x86_64": (
        "declare void @llvm.x86.sse2.pause()",
        "call void @llvm.x86.sse2.pause()",
    ),
    "aarch64": (
        "declare void @llvm.aarch64.hint(i32)",
        "call void @llvm.aarch64.hint(i32 1)",
    ),
}
"""How to tell the core that it spins: a declaration and a call, by architecture."""

ALIASES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "powerpc64le"}

CLOCK_MONOTONIC = {"linux": 1, "darwin": 6}


def system_ir(triple: str) -> str:
    """
    LLVM IR of `ovc_sleep`, `ovc_wake`, `ovc_pause`, `ovc_cpu`, `ovc_clock`.

    A bare architecture means Linux.

    Raises:
        ValueError: there is no such code for the system.
    """
    architecture, system = _parse(triple)
    if system not in CLOCK_MONOTONIC:
        raise ValueError(f"no threads for the system of {triple!r}")
    declaration, pause = PAUSE.get(architecture, ("", ""))
    clock = CLOCK.replace("CLOCK_MONOTONIC", str(CLOCK_MONOTONIC[system]))
    place = CPU if system == "linux" else NO_CPU
    parts = [declaration, _sleep(architecture, system), THREADS, place, clock]
    return "\n".join(part.replace("PAUSE", pause) for part in parts if part)


def _parse(triple: str) -> tuple[str, str]:
    """Architecture and system of an LLVM triple, in the words of the tables above."""
    parts = triple.split("-")
    architecture = ALIASES.get(parts[0], parts[0])
    rest = "-".join(parts[1:]) or "linux"
    if "darwin" in rest or "macos" in rest:
        return architecture, "darwin"
    return architecture, "linux" if "linux" in rest else rest


def _sleep(architecture: str, system: str) -> str:
    number = FUTEX.get(architecture)
    if system != "linux" or number is None:
        return NAP
    return (
        SLEEP.replace("NUMBER", str(number))
        .replace("WAIT", str(FUTEX_WAIT_PRIVATE))
        .replace("WAKE", str(FUTEX_WAKE_PRIVATE))
    )


SLEEP = """
declare i64 @syscall(i64, ...)

; Sleeps while the value is `last`. May return for no reason.
define internal void @ovc_sleep(ptr %value, i32 %last) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %value, i32 WAIT, i32 %last,
                                    ptr null, ptr null, i32 0)
  ret void
}

define internal void @ovc_wake(ptr %value) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %value, i32 WAKE, i32 2147483647,
                                    ptr null, ptr null, i32 0)
  ret void
}
"""

NAP = """
; No futex here: a sleeper looks again now and then, and nobody wakes it.
declare i32 @usleep(i32)

define internal void @ovc_sleep(ptr %value, i32 %last) nounwind {
  %r = call i32 @usleep(i32 500)
  ret void
}

define internal void @ovc_wake(ptr %value) nounwind {
  ret void
}
"""

THREADS = """
declare i32 @sched_yield()
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)

; Tells the core that this thread spins.
define internal void @ovc_pause() nounwind {
  PAUSE
  ret void
}
"""

CPU = """
declare i32 @sched_getcpu()

; The number of the CPU this thread is on, or -1.
define internal i32 @ovc_cpu() nounwind {
  %cpu = call i32 @sched_getcpu()
  ret i32 %cpu
}
"""

NO_CPU = """
; The system does not say on which CPU this thread is.
define internal i32 @ovc_cpu() nounwind {
  ret i32 -1
}
"""

CLOCK = """
declare i32 @clock_gettime(i32, ptr)

; Nanoseconds of the monotonic clock.
define internal i64 @ovc_clock() nounwind {
  %now = alloca [2 x i64], align 8
  %r = call i32 @clock_gettime(i32 CLOCK_MONOTONIC, ptr %now)
  %seconds = load i64, ptr %now, align 8
  %rest_at = getelementptr i64, ptr %now, i64 1
  %rest = load i64, ptr %rest_at, align 8
  %whole = mul i64 %seconds, 1000000000
  %time = add i64 %whole, %rest
  ret i64 %time
}
"""
