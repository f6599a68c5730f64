"""
What a parallel launch costs, on a quiet machine and beside other programs.

    python -m benchmarks.fork_join [--threads 1 2 4] [--burners 2]

Rows are launches of kernels that only count, from nothing to tens of microseconds;
numbers are the median time of one launch. `--burners` adds programs that never sleep.
Two vCPUs may lie far apart one day and share a cache the next: compare within one run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time

import numpy as np
from llvmlite import binding as llvm
from ovc.backends.cpu.support import support_ir
from ovc.runtime.artifact import Artifact, Kernel, Launch, Manifest, Port
from ovc.runtime.session import Session, load

LAUNCHES, GRID = 1000, 64

KERNEL = """
define void @count(ptr %buffers, i64 %begin, i64 %end) {
entry:
  %points = sub i64 %end, %begin
  %steps = mul i64 %points, STEPS
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void asm sideeffect "", ""()
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %steps
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def network(steps: int) -> Artifact:
    """A thousand launches, each of 64 points of `steps` steps."""
    triple = llvm.get_process_triple()
    module = llvm.parse_assembly(
        support_ir(triple) + KERNEL.replace("STEPS", str(steps))
    )
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=llvm.get_host_cpu_name(), opt=3, reloc="pic", codemodel="default"
    )
    manifest = Manifest(
        target="cpu",
        inputs=(Port("x", (1,), "float32"),),
        outputs=(Port("y", (1,), "float32"),),
        arena_bytes=64,
        weights_bytes=0,
        kernels=(Kernel("count", 0),),
        launches=(Launch(0, (), GRID),) * LAUNCHES,
        facts={"triple": triple, "features": ""},
    )
    code = bytes(machine.emit_object(module))
    return Artifact(manifest, "", code, np.zeros(0, np.uint8))


def measure(sessions: list[Session], seconds: float) -> list[tuple[float, float]]:
    """Median and mean nanoseconds of one launch; the sessions take turns."""
    x = np.zeros(1, np.float32)
    times: list[list[float]] = [[] for _ in sessions]
    for session in sessions:
        session(x)
    end = time.perf_counter() + seconds * len(sessions)
    while time.perf_counter() < end:
        for session, found in zip(sessions, times, strict=True):
            for _ in range(5):
                start = time.perf_counter()
                session(x)
                found.append((time.perf_counter() - start) * 1e9 / LAUNCHES)
    return [(float(np.median(found)), float(np.mean(found))) for found in times]


def burn() -> None:
    while True:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--burners", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each number")
    arguments = parser.parse_args()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    burners = [
        multiprocessing.Process(target=burn, daemon=True)
        for _ in range(arguments.burners)
    ]
    for burner in burners:
        burner.start()
    print("ns a launch, median (mean)")
    print(" steps", *(f"{count:>9} threads" for count in arguments.threads))
    for steps in (1, 30, 120, 600, 2400):
        artifact = network(steps)
        sessions = [
            load(artifact, "CPU", {"INFERENCE_NUM_THREADS": count})
            for count in arguments.threads
        ]
        found = measure(sessions, arguments.seconds)
        for session in sessions:
            session.close()
        cells = [f"{median:8.0f} ({mean:6.0f})" for median, mean in found]
        print(f"{steps * GRID:6}", *cells, flush=True)
    for burner in burners:
        burner.kill()


if __name__ == "__main__":
    main()
