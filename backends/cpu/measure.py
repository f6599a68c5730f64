"""How long a kernel takes in this process, with cold weights as inside a network."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from ...dialects.kernel.tiles import FuncOp
from ...dialects.types import dtype_of
from ..target import Target
from .codegen import compile_object, module_text

COLD_BYTES = 16 << 20
"""Copies of the weights take turns until they are so many bytes: no L2 holds them."""

MOST_COPIES = 64

TURN = 1e-3
"""Seconds of one measurement, at least."""

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
        self.tables = [int(row.ctypes.data) for row in pointers]


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
        text = module_text([func], target)
        machine = llvm.Target.from_default_triple().create_target_machine()
        self.engine: Any = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        code = compile_object(text, target)
        self.engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self.engine.finalize_object()
        address = self.engine.get_global_value_address(func.sym_name.data)
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self.function = kind(address)
        self.grid, self.memory = func.grid, memory
        self.turn = 0
        self.least = self._run(1)
        self.runs = max(1, int(TURN / max(self.least, 1e-7)))

    def _run(self, count: int) -> float:
        """Seconds of one of `count` runs, each on the next copies."""
        tables, function, grid = self.memory.tables, self.function, self.grid
        turns = [tables[(self.turn + i) % len(tables)] for i in range(count)]
        self.turn += count
        start = time.perf_counter()
        for table in turns:
            function(table, 0, grid)
        return (time.perf_counter() - start) / count

    def measure(self) -> float:
        """The least seconds of a run so far, after some more of them."""
        self.least = min(self.least, self._run(self.runs))
        return self.least
