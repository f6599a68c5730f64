"""
The machine code of the main kernels: full vectors, and nothing spilled where it counts.

A kernel's time is spent in its innermost loop. There every sum must stay in a register,
and every multiply-add must be fused and as wide as the processor allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from networks import NetworkBuilder
from ovc.backends.cpu.codegen import compile_assembly, module_texts
from ovc.compiler.driver import pipeline_text
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.compiler.targets import find_target
from ovc.dialects import nn
from ovc.dialects.kernel.loops import FuncOp
from xdsl.dialects.builtin import ModuleOp

LABEL = re.compile(r"^(\.LBB\w+):")
JUMP = re.compile(r"^\s+j\w+\s+(\.LBB\w+)")
FUSED = re.compile(r"^\s+vfn?m(?:add|sub)\w+p[sd]\s")
SPILL = re.compile(r"%[xyz]mm\d+.*\(%rsp\)|\(%rsp\).*%[xyz]mm\d+")
"""The stack is reached through `rsp`; `rbp` is a register like any other."""

REGISTERS = {"x86-64-v4": "zmm", "x86-64-v3": "ymm"}


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def conv(inputs: int, outputs: int, size: int, kernel: int, group: int = 1) -> ModuleOp:
    """A convolution that keeps the size, with a bias and an activation."""
    build = NetworkBuilder([1, inputs, size, size])
    (x,) = build.values
    w = build.constant(normal(outputs, inputs // group, kernel, kernel))
    pads = [kernel // 2] * 4
    y = build.add(
        nn.ConvOp, x, w, build.constant(normal(outputs)), pads=pads, group=group
    )
    build.add(nn.ReluOp, y)
    return build.finish()


def between(inputs: int, size: int, group: int) -> ModuleOp:
    """A 3x3 convolution in groups, and a 1x1 convolution that reads it."""
    build = NetworkBuilder([1, inputs, size, size])
    w = build.constant(normal(inputs, inputs // group, 3, 3))
    y = build.add(nn.ConvOp, build.values[0], w, pads=[1] * 4, group=group)
    build.add(nn.ConvOp, y, build.constant(normal(32, inputs, 1, 1)))
    return build.finish()


def matmul(rows: int, columns: int, inner: int) -> ModuleOp:
    build = NetworkBuilder([rows, inner])
    (x,) = build.values
    build.add(nn.MatmulOp, x, build.constant(normal(inner, columns)))
    return build.finish()


def batched(batch: int, rows: int, columns: int, inner: int) -> ModuleOp:
    """A product of two values for each matrix of a batch."""
    build = NetworkBuilder([batch, rows, inner], [batch, inner, columns])
    build.add(nn.MatmulOp, *build.values[:2])
    return build.finish()


KERNELS: dict[str, tuple[ModuleOp, str, str, int]] = {
    "conv3x3": (conv(64, 64, 28, 3), "never", "conv", 16),
    "conv1x1": (conv(128, 128, 14, 1), "never", "conv", 16),
    "stem": (conv(3, 32, 56, 3), "never", "conv", 16),
    "depthwise": (conv(64, 64, 28, 3, group=64), "never", "conv", 3),
    "matmul": (matmul(128, 256, 256), "never", "matmul", 16),
    "grouped": (conv(128, 128, 14, 3, group=4), "never", "conv", 16),
    "groups of 8": (between(128, 14, 16), "never", "conv", 16),
    "groups of 4": (between(128, 14, 32), "never", "conv", 16),
    "groups of 2": (between(64, 14, 32), "never", "conv", 16),
    "one row": (matmul(1, 1024, 512), "never", "matmul", 4),
    "batched": (batched(12, 64, 64, 64), "never", "matmul", 16),
    "attention": (batched(12, 197, 197, 64), "never", "matmul", 16),
    "winograd": (conv(64, 64, 28, 3), "auto", "winograd_product", 12),
}
"""Networks, whether Winograd may be used, a kernel's name, multiply-adds of its loop."""


CROWDED = {
    ("groups of 8", "x86-64-v4"),
    ("groups of 4", "x86-64-v3"),
    ("groups of 2", "x86-64-v3"),
}
"""Lanes picked for one group of taps wait on the stack for the next, few of them."""


def assembly(
    module: ModuleOp, level: str, winograd: str, name: str, halves: bool = False
) -> str:
    """
    Of the first kernel with this name.

    Args:
        halves: print for a processor that does a full register in two steps, `znver4`.
    """
    target = f"cpu:{level}"
    steps = parse_pipeline(pipeline_text(target, None, "FP32", winograd), PASSES)
    steps.run(module, make_context())
    found = [
        op
        for op in module.body.block.ops
        if isinstance(op, FuncOp) and f"{op.sym_name.data}_".startswith(f"{name}_")
    ]
    assert found, f"there is no {name}"
    facts = find_target(target)
    if halves:
        facts = replace(facts, halves=True, details=facts.details | {"cpu": "znver4"})
    _, text = module_texts(found[:1], facts)
    return compile_assembly(text, facts).split("\novc_")[0]


def innermost_loops(text: str) -> Iterator[list[str]]:
    """The instructions of loops that have no loop inside."""
    lines = text.splitlines()
    labels: dict[str, int] = {}
    last = -1
    for number, line in enumerate(lines):
        if label := LABEL.match(line):
            labels[label[1]] = number
        jump = JUMP.match(line)
        if jump and labels.get(jump[1], -1) > last:
            last = labels[jump[1]]
            yield lines[last : number + 1]


@pytest.mark.parametrize("level", list(REGISTERS))
@pytest.mark.parametrize("case", list(KERNELS))
def test_inner_loops_multiply_in_full_registers_and_spill_none(
    case: str, level: str
) -> None:
    module, winograd, name, least = KERNELS[case]
    text = assembly(module.clone(), level, winograd, name)

    loops = list(innermost_loops(text))
    hot = max(loops, key=lambda lines: sum(map(bool, map(FUSED.match, lines))))

    fused = [line for line in hot if FUSED.match(line)]
    assert len(fused) >= (least if level == "x86-64-v4" else least // 3)
    assert all(f"%{REGISTERS[level]}" in line for line in fused)
    spilled = [line for line in hot if SPILL.search(line)]
    assert len(spilled) <= (len(fused) // 3 if (case, level) in CROWDED else 0)


@pytest.mark.parametrize(
    ("case", "halves", "again"),
    [
        (conv(32, 64, 14, 1), True, True),
        (conv(32, 64, 14, 1), False, False),
        (conv(32, 64, 28, 1), True, False),
    ],
    ids=["two steps", "one step", "memory"],
)
def test_factors_come_from_memory_where_a_register_costs_more(
    case: ModuleOp, halves: bool, again: bool
) -> None:
    text = assembly(case.clone(), "x86-64-v4", "never", "conv", halves)

    loops = list(innermost_loops(text))
    hot = max(loops, key=lambda lines: sum(map(bool, map(FUSED.match, lines))))

    fused = [line for line in hot if FUSED.match(line)]
    embedded = [line for line in fused if "{1to16}" in line]
    broadcast = [line for line in hot if "vbroadcastss" in line]
    assert len(fused) >= 16
    assert len(embedded) == (len(fused) if again else 0)
    assert bool(broadcast) != again


def clipped(inputs: int, outputs: int, size: int) -> ModuleOp:
    """A 1x1 convolution and a clip, between two others."""
    build = NetworkBuilder([1, inputs, size, size])
    bounds = [build.constant(np.array(bound, np.float32)) for bound in (0, 6)]
    square, wide = normal(inputs, inputs, 1, 1), normal(outputs, inputs, 1, 1)
    y = build.add(nn.ConvOp, build.values[0], build.constant(square))
    y = build.add(nn.ConvOp, y, build.constant(wide), build.constant(normal(outputs)))
    y = build.add(nn.ClipOp, y, *bounds)
    build.add(nn.ConvOp, y, build.constant(normal(inputs, outputs, 1, 1)))
    return build.finish()


def test_a_sum_is_stored_before_the_next_one_is_clipped() -> None:
    text = assembly(clipped(32, 64, 14), "x86-64-v4", "never", "conv_1", halves=True)

    steps = re.findall(r"vmaxps|vminps|vmovups\t%zmm\d+, .*\(", text)
    found = [each[:4] for each in steps]

    assert len(found) >= 24
    assert found == ["vmax", "vmin", "vmov"] * (len(found) // 3)


def test_a_spill_is_seen() -> None:
    text = """
.LBB0_1:
\tvmovups\t64(%rsp), %zmm1
\tvfmadd231ps\t%zmm2, %zmm1, %zmm0
\tjne\t.LBB0_1
"""
    (loop,) = innermost_loops(text)

    assert [line for line in loop if SPILL.search(line)]
    assert [line for line in loop if FUSED.match(line)]
