"""How long a kernel takes in this process, with cold weights as inside a network."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from ...dialects.kernel.loops import FuncOp
from ...dialects.types import dtype_of
from ..target import Target
from .codegen import compile_object, module_texts

COLD_BYTES = 64 << 20
"""Copies of the weights take turns until they are so many bytes: no cache holds them."""

MOST_COPIES = 64

TURN = 1e-3
"""Seconds of one measurement, at least."""

REPEAT = """
define void @ovc_repeat(ptr %tables, i64 %count, i64 %grid) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %place = getelementptr ptr, ptr %tables, i64 %i
  %table = load ptr, ptr %place
  call void @KERNEL(ptr %table, i64 0, i64 %grid)
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""
"""Runs a kernel on one table of buffers after the other."""

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class Memory:
    """Buffers for the kernels of one nest: copies of those that are cold."""

    def __init__(self, shapes: Sequence[tuple[int, Any]], cold: Sequence[int]) -> None:
        """
        Args:
            shapes: (elements, element type) of each buffer.
            cold: positions of buffers that each run finds in no near cache.
        """
        self.arrays: list[Bytes] = []
        generator = np.random.default_rng(0)
        sizes = [count * dtype.itemsize for count, dtype in shapes]
        weights = sum(sizes[position] for position in cold) or COLD_BYTES
        copies = min(MOST_COPIES, max(1, -(-COLD_BYTES // weights)))
        pointers = np.zeros((copies, len(shapes)), np.uint64)
        for position, (count, dtype) in enumerate(shapes):
            rows = copies if position in cold else 1
            bytes_ = -(-sizes[position] // 64) * 64
            array = np.zeros(rows * bytes_ + 64, np.uint8)
            start = -array.ctypes.data % 64
            for row in range(rows):
                at = start + row * bytes_
                view = array[at : at + sizes[position]].view(dtype)
                if dtype.kind == "f":
                    view[:] = generator.random(count, np.float32)
            rows_at = (
                array.ctypes.data + start + bytes_ * np.arange(copies) % (rows * bytes_)
            )
            pointers[:, position] = rows_at
            self.arrays.append(array)
        self.pointers = pointers
        self.turn = 0
        """How many runs there were: kernels that take turns never meet warm copies."""
        self.tables = np.array([row.ctypes.data for row in pointers], np.uint64)

    def next_tables(self, count: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """Addresses of the tables of buffers for the next `count` runs."""
        places = np.arange(self.turn, self.turn + count) % len(self.tables)
        self.turn += count
        return self.tables[places]


def memory_for(func: FuncOp, cold: Sequence[int]) -> Memory:
    """Memory for the buffers of a kernel."""
    shapes: list[tuple[int, Any]] = []
    for argument in func.body.block.args:
        type_: Any = argument.type
        shapes.append((prod(type_.get_shape()), dtype_of(type_.element_type)))
    return Memory(shapes, cold)


class Measured:
    """A compiled kernel that can be timed."""

    def __init__(self, func: FuncOp, target: Target, memory: Memory) -> None:
        llvm: Any = import_module("llvmlite.binding")  # it has no types
        _, text = module_texts([func], target)
        code = compile_object(
            text + REPEAT.replace("KERNEL", func.sym_name.data), target
        )
        machine = llvm.Target.from_default_triple().create_target_machine()
        self.engine: Any = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self.engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self.engine.finalize_object()
        address = self.engine.get_global_value_address("ovc_repeat")
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self.function = kind(address)
        self.grid, self.memory = func.grid, memory
        self.least = self.run(1)
        self.runs = max(1, int(TURN / max(self.least, 1e-7)))
        self.busy = float("inf")
        """The least seconds of a run while other processors run the same kernel."""

    def run(self, count: int, memory: Memory | None = None) -> float:
        """Seconds of one of `count` runs, each on the next copies."""
        tables = (memory or self.memory).next_tables(count)
        start = time.perf_counter()
        self.function(tables.ctypes.data, count, self.grid)
        return (time.perf_counter() - start) / count

    def measure(self) -> float:
        """The least seconds of a run so far, after some more of them."""
        self.least = min(self.least, self.run(self.runs))
        return self.least

    def measure_busy(self, memories: Sequence[Memory]) -> float:
        """The same while other threads do it too, one for each of `memories`."""
        with ThreadPoolExecutor(len(memories)) as pool:
            others = [pool.submit(self.run, 2 * self.runs, m) for m in memories]
            own = self.run(self.runs)
            if not any(other.done() for other in others):
                self.busy = min(self.busy, own)  # all of them were at it all the time
        return self.busy
