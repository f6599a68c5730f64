"""
A network made by hand, for both targets.

    doubled = 2 * x + w        parallel, over blocks of 16 elements
    running = cumsum(doubled)  on the caller alone
    y       = running + x      parallel
    last    = running[-1:]     on the caller alone
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import llvmlite.binding as llvm
import numpy as np
import pytest
from ovc.backends.cpu.support import support_ir
from ovc.runtime.artifact import Artifact
from ovc.runtime.manifest import Buffer, Kernel, Launch, Manifest, Port, Source, Weight

BLOCK = 16

KERNEL = """
define void @NAME(ptr %buffers, i64 %begin, i64 %end) {
entry:
  %a1 = getelementptr ptr, ptr %buffers, i64 1
  %a2 = getelementptr ptr, ptr %buffers, i64 2
  %p0 = load ptr, ptr %buffers
  %p1 = load ptr, ptr %a1
  %p2 = load ptr, ptr %a2
  %first = mul i64 %begin, STEP
  %last = mul i64 %end, STEP
  br label %loop
loop:
  %i = phi i64 [ %first, %entry ], [ %next, %loop ]
  %carry = phi float [ 0.0, %entry ], [ %value, %loop ]
  %q0 = getelementptr float, ptr %p0, i64 %i
  %q1 = getelementptr float, ptr %p1, i64 %i
  %q2 = getelementptr float, ptr %p2, i64 %i
  %x = load float, ptr %q0
  BODY
  store float %value, ptr %q2
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %last
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""

BODIES = {
    "double": (
        BLOCK,
        "%w = load float, ptr %q1\n%t = fadd float %x, %x\n%value = fadd float %t, %w",
    ),
    "running": (1, "%value = fadd float %carry, %x"),
    "add": (BLOCK, "%w = load float, ptr %q1\n%value = fadd float %x, %w"),
    "pick": (1, "%value = fadd float %x, 0.0"),
}

OPENCL = """
#define AT(b, o) ((__global float *)((b) + (o)))
#define ARGUMENTS __global char *b0, ulong o0, __global char *b1, ulong o1, \\
                  __global char *b2, ulong o2
#define BLOCK(i) for (ulong i = 16 * get_group_id(0); i < 16 * get_group_id(0) + 16; ++i)
__kernel void double_(ARGUMENTS) {
  BLOCK(i) AT(b2, o2)[i] = 2 * AT(b0, o0)[i] + AT(b1, o1)[i];
}
__kernel void running(ARGUMENTS) {
  float carry = 0;
  for (ulong i = 0; i < SIZE; ++i) AT(b2, o2)[i] = carry += AT(b0, o0)[i];
}
__kernel void add(ARGUMENTS) {
  BLOCK(i) AT(b2, o2)[i] = AT(b0, o0)[i] + AT(b1, o1)[i];
}
__kernel void pick(ARGUMENTS) { AT(b2, o2)[0] = AT(b0, o0)[0]; }
"""


FLOPS = 10**8
"""What the parallel launches claim to be: worth all threads."""


@cache
def compile_object(support: str, wrap: str = "") -> bytes:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    text = support
    for name, (step, body) in BODIES.items():
        inner = f"{name}_quick" if wrap else name
        kernel = KERNEL.replace("NAME", inner).replace("STEP", str(step))
        text += kernel.replace("BODY", body) + wrap.replace("NAME", name)
    lines = text.splitlines()
    declared = {line for line in lines if line.startswith("declare")}
    kept = [line for line in lines if line not in declared]
    text = "\n".join([*sorted(declared), *kept])
    module = llvm.parse_assembly(text)
    module.verify()
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(opt=2, reloc="pic", codemodel="default")
    return bytes(machine.emit_object(module))


def manifest(target: str, size: int) -> Manifest:
    bytes_ = 4 * size
    x, y, last = (
        Buffer("input", 0, bytes_),
        Buffer("output", 0, bytes_),
        Buffer("output", 1, 4),
    )
    weight = Buffer("weights", 64, bytes_)
    doubled, running = Buffer("arena", 0, bytes_), Buffer("arena", bytes_, bytes_)
    tail = Buffer("arena", 2 * bytes_ - 4, 4)
    blocks = size // BLOCK
    steps = size if target == "cpu" else 1
    return Manifest(
        target=target,
        facts={"triple": llvm.get_process_triple(), "features": ""},
        source=Source("tiny.onnx", "00"),
        inputs=(Port("x", (size // BLOCK, BLOCK), "float32"),),
        outputs=(
            Port("y", (size // BLOCK, BLOCK), "float32"),
            Port("last", (1,), "float32"),
        ),
        arena_bytes=2 * bytes_,
        weights_bytes=bytes_ + 64 + 32,
        weights=(Weight("bias", 64, bytes_),),
        kernels=tuple(
            Kernel(name + "_" * (target == "gpu" and name == "double"), 3)
            for name in BODIES
        ),
        launches=(
            Launch(0, (x, weight, doubled), blocks, True, FLOPS, 12 * size, ("a",)),
            Launch(
                1, (doubled, doubled, running), steps, False, size, 8 * size, ("b",)
            ),
            Launch(2, (running, x, y), blocks, True, FLOPS, 12 * size, ("c", "d")),
            Launch(3, (tail, tail, last), 1, False, 0, 8, ("e",)),
        ),
        options={"level": 3},
        passes=("fold", "dce"),
    )


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Artifact]:
    """Makes the network for `target` with `size` elements; weights are 0, 1, 2, ..."""

    def make(
        target: str = "cpu",
        size: int = 256,
        support: str | None = None,
        wrap: str = "",
        **changes: object,
    ) -> Artifact:
        weights = np.zeros(4 * size + 96, np.uint8)
        weights[64 : 64 + 4 * size].view(np.float32)[:] = np.arange(size) % 7
        text = OPENCL.replace("SIZE", str(size)).encode()
        support = support or support_ir(llvm.get_process_triple())
        code = compile_object(support, wrap) if target == "cpu" else text
        described = replace(manifest(target, size), **changes)  # pyright: ignore
        return Artifact(described, "module {}\n", code, weights)

    return make


@pytest.fixture(scope="session")
def expected() -> Callable[[np.ndarray], list[np.ndarray]]:
    def compute(x: np.ndarray) -> list[np.ndarray]:
        flat = x.ravel()
        running = np.cumsum(2 * flat + np.arange(flat.size) % 7, dtype=np.float32)
        return [(running + flat).reshape(x.shape), running[-1:]]

    return compute


@pytest.fixture(scope="session")
def sample() -> Callable[..., np.ndarray]:
    """Small whole numbers: every sum of them is exact."""

    def make(seed: int = 0, size: int = 256) -> np.ndarray:
        numbers = np.random.default_rng(seed).integers(-4, 5, size)
        return numbers.astype(np.float32).reshape(size // BLOCK, BLOCK)

    return make
