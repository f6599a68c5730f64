"""What the manifest of an artifact says about a planned module."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ..dialects.kernel.loops import FuncOp
from ..dialects.plan import BufferOp, InputOp, LaunchOp, OutputOp, WeightOp
from ..dialects.types import Array, buffer_bytes, buffer_type, dtype_of
from ..runtime.artifact import Buffer, Kernel, Launch, Port, Weight
from .interpreter import input_names, main_function, output_names
from .passes.plan_memory import ALIGNMENT, place_of

SMALL = 200_000
"""Operations and bytes below which a launch is not worth a second thread."""


@dataclass
class Plan:
    """What the manifest says about a planned module."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    grids: dict[str, tuple[int, int]]
    """Position and grid of each kernel by name."""
    launches: list[Launch] = field(default_factory=list[Launch])
    weights: list[Weight] = field(default_factory=list[Weight])
    weight_arrays: list[Array] = field(default_factory=list[Array])
    weights_bytes: int = 0
    arena_bytes: int = 0
    offsets: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])

    @staticmethod
    def of(module: ModuleOp, funcs: list[FuncOp]) -> Plan:
        main = main_function(module)
        ops = list(main.body.block.ops)
        inputs: dict[int, SSAValue] = {
            op.index.data: op.result for op in ops if isinstance(op, InputOp)
        }
        outputs: dict[int, SSAValue] = {
            op.index.data: op.result for op in ops if isinstance(op, OutputOp)
        }
        original = main.attributes
        plan = Plan(
            _ports(input_names(main), inputs, original.get("input_types")),
            _ports(output_names(main), outputs, None),
            {f.sym_name.data: (i, f.grid) for i, f in enumerate(funcs)},
        )
        for op in ops:
            if isinstance(op, WeightOp):
                plan._weight(op)
            elif isinstance(op, BufferOp) and op.offset is not None:
                offset = op.offset.value.data
                plan.offsets[op.result] = offset
                plan.arena_bytes = max(
                    plan.arena_bytes, offset + buffer_bytes(op.result)
                )
            elif isinstance(op, LaunchOp):
                plan._launch(op)
        plan.arena_bytes = -(-plan.arena_bytes // ALIGNMENT) * ALIGNMENT
        return plan

    def _weight(self, op: WeightOp) -> None:
        array = op.value.data.array
        self.offsets[op.result] = self.weights_bytes
        name = f"w{len(self.weights)}"
        self.weights.append(Weight(name, self.weights_bytes, array.nbytes))
        self.weight_arrays.append(array)
        self.weights_bytes += -(-array.nbytes // ALIGNMENT) * ALIGNMENT

    def packed_weights(self) -> Array:
        """The bytes of all weights, each at its offset."""
        packed = np.zeros(self.weights_bytes, np.uint8)
        for place, array in zip(self.weights, self.weight_arrays, strict=True):
            part = packed[place.offset : place.offset + place.bytes]
            part[:] = array.reshape(-1).view(np.uint8)
        packed.flags.writeable = False
        return packed

    def _launch(self, op: LaunchOp) -> None:
        kernel, grid = self.grids[op.kernel_name]
        buffers = tuple(self._buffer(b) for b in op.buffers)
        flops = op.flops.value.data
        moved = sum(b.bytes for b in buffers)
        layers = tuple(name.data for name in op.layers)
        operations = tuple(name.data for name in op.operations or ())
        parallel = grid > 1 and max(flops, moved) > SMALL
        self.launches.append(
            Launch(kernel, buffers, grid, parallel, flops, moved, layers, operations)
        )

    def _buffer(self, value: SSAValue) -> Buffer:
        root, start = place_of(value)
        size = buffer_bytes(value)
        assert not start or isinstance(root.owner, BufferOp | WeightOp)
        match root.owner:
            case InputOp():
                return Buffer("input", root.owner.index.data, size)
            case OutputOp():
                return Buffer("output", root.owner.index.data, size)
            case WeightOp():
                return Buffer("weights", self.offsets[root] + start, size)
            case _:
                return Buffer("arena", self.offsets[root] + start, size)


def kernel_of(func: FuncOp) -> Kernel:
    schedule = func.schedule.data if func.schedule else ""
    return Kernel(func.sym_name.data, len(func.body.block.args), func.items, schedule)


def _ports(
    names: Iterable[str], values: dict[int, SSAValue], types: object
) -> tuple[Port, ...]:
    ports: list[Port] = []
    for index, name in enumerate(names):
        type_ = buffer_type(values[index])
        dtype = dtype_of(type_.element_type)
        ports.append(Port(name, type_.get_shape(), str(dtype)))
    return tuple(ports)
