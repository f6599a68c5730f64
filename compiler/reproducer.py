"""
A small network on which a pass goes wrong, from a large one.

Operations are taken away as long as the pass still changes results (delta debugging);
what they computed becomes an argument, and what was read outside becomes a result, so
that second readers stay visible. Then weights become ones, where that still fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from ..dialects import const
from ..dialects.const import ConstantOp, Weight, WeightAttr
from ..dialects.nn.base import NNOp
from ..dialects.types import is_static
from ..runtime.errors import OvcError
from .exporters.copies import copied
from .interpreter import main_function, output_names
from .proof import (
    TOLERANCE,
    Difference,
    arguments_of,
    compare_twins,
    invalid,
    outputs_of,
    worst,
)
from .registry import make_context
from .whole_numbers import float_inputs

Ops: TypeAlias = Sequence[Operation]
Test: TypeAlias = Callable[[Ops], bool]

PATIENCE = 45.0
"""Seconds that the search may take; what it has by then is written."""

WRITTEN_ELEMENTS = 1_000_000
"""Constants of at most this many elements are written in full."""


def write_reproducer(
    step: ModulePass, before: ModuleOp, difference: Difference, place: Path
) -> None:
    """
    Write the smallest network found on which `step` changes results.

    Raises:
        OvcError: the file cannot be written.
    """
    small = reduced(step, before)
    head = (
        f"// RUN: ovc-opt %s -p '{step.spec()}'\n"
        f"// Pass {step.name} changes results on {difference.data}:\n"
        f"// {difference.reason}.\n"
    )
    try:
        place.write_text(f"{head}\n{full_text(small)}\n", encoding="utf-8")
    except OSError as problem:
        reason = problem.strerror or problem
        raise OvcError(f"{place}: cannot be written: {reason}") from problem


def full_text(module: ModuleOp) -> str:
    """The text of a module with its constants in full, so that it stands alone."""
    usual = const.PRINTED_ELEMENTS
    const.PRINTED_ELEMENTS = WRITTEN_ELEMENTS
    try:
        return str(module)
    finally:
        const.PRINTED_ELEMENTS = usual


def reduced(step: ModulePass, module: ModuleOp) -> ModuleOp:
    """A small module on which the pass fails; the whole one when none is found."""
    deadline = time.monotonic() + PATIENCE
    body = main_function(module).body.block
    ops = [op for op in body.ops if isinstance(op, NNOp)]

    def test(chosen: Ops) -> bool:
        if time.monotonic() > deadline:
            return False
        part = extracted(chosen)
        return part is not None and fails(step, part)

    chosen = minimal(ops, test)
    part = extracted(chosen)
    if part is None or not fails(step, part):
        return copied(module)
    return with_ones(step, part)


def minimal(ops: Ops, test: Test) -> Ops:
    """A subset that passes `test` and loses that with any one operation (ddmin)."""
    chunks = 2
    while len(ops) >= 2:
        size = -(-len(ops) // chunks)
        parts = [ops[i : i + size] for i in range(0, len(ops), size)]
        rests = [[*ops[: i * size], *ops[(i + 1) * size :]] for i in range(len(parts))]
        candidates = [*parts, *rests] if chunks > 2 else parts
        smaller = next((c for c in candidates if len(c) < len(ops) and test(c)), None)
        if smaller is not None:
            chunks = 2 if len(smaller) <= size else max(2, chunks - 1)
            ops = smaller
        elif chunks >= len(ops):
            return ops
        else:
            chunks = min(len(ops), 2 * chunks)
    return ops


def extracted(ops: Ops) -> ModuleOp | None:
    """
    These operations as a network of their own; None when shapes are unknown.

    Constants come along, other operands become arguments, and every result that
    something else reads is returned.
    """
    inside = {r for op in ops for r in op.results}
    outer = list(dict.fromkeys(o for op in ops for o in op.operands if o not in inside))
    constants = [v for v in outer if isinstance(v.owner, ConstantOp)]
    arguments = [v for v in outer if not isinstance(v.owner, ConstantOp)]
    chosen = set(ops)
    returned = [
        r
        for op in ops
        for r in op.results
        if not r.first_use or any(u.operation not in chosen for u in r.uses)
    ]
    if not returned or not all(is_static(v.type) for v in arguments):
        return None
    block = Block(arg_types=[v.type for v in arguments])
    mapping: dict[SSAValue, SSAValue] = dict(zip(arguments, block.args, strict=True))
    for op in [*(v.owner for v in constants), *ops]:
        assert isinstance(op, Operation)
        copy = op.clone(mapping)
        copy.location = op.location
        block.add_op(copy)
    results = [mapping[v] for v in returned]
    block.add_op(ReturnOp(*results))
    types = ([a.type for a in block.args], [v.type for v in results])
    return ModuleOp([FuncOp("main", types, Region(block))])


def fails(step: ModulePass, module: ModuleOp) -> bool:
    """Whether the pass changes what a module computes, or breaks on it."""
    context = make_context()
    try:
        inputs = float_inputs(arguments_of(module))
        expected = outputs_of(module, inputs)
    except Exception:
        return False  # the part itself makes no sense
    after = copied(module)
    try:
        step.apply(context, after)
        if invalid(after) is not None:
            return True
        names = output_names(main_function(module))
        outputs = outputs_of(after, inputs)
        if worst(names, expected, outputs, TOLERANCE) is not None:
            return True
        return compare_twins(step, module, context) is not None
    except OvcError:
        return False
    except Exception:
        return True


def with_ones(step: ModulePass, module: ModuleOp) -> ModuleOp:
    """The module with ones for as many of its large constants as possible."""
    large = [
        index
        for index, op in enumerate(module.walk())
        if isinstance(op, ConstantOp) and op.array.size > const.PRINTED_ELEMENTS
    ]
    for index in large:
        trial = copied(module)
        op = list(trial.walk())[index]
        assert isinstance(op, ConstantOp)
        op.properties["value"] = WeightAttr(Weight(np.ones_like(op.array)))
        if fails(step, trial):
            module = trial
    return module
