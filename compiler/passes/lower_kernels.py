"""
Operations on tensors to kernels on buffers.

    %y = nn.fused(%x, %w) {…}   ==>   kernel.nest @conv_0(…) {…}
                                      %b = plan.buffer : memref<…>
                                      plan.launch @conv_0(%x, %w, %b)

Reshapes of row-major tensors are views. Operations that are the same but for their data
share one kernel. A halo is filled with zeros right before its tensor is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from ...dialects.const import ConstantOp, Weight, constant_array
from ...dialects.kernel.build import BuiltNest, Loops, Nest, Temporary
from ...dialects.kernel.fuse import fused_nests
from ...dialects.kernel.nest import NestOp, WriteOp
from ...dialects.kernel.scalar import constant_op
from ...dialects.layout import layout_of
from ...dialects.nn.base import NNOp
from ...dialects.nn.fused import FusedOp
from ...dialects.nn.movement import ConcatOp, SplitOp
from ...dialects.nn.reshape import Reshaping
from ...dialects.nn.slicing import SliceOp
from ...dialects.plan import BufferOp, InputOp, LaunchOp, OutputOp, ViewOp, WeightOp
from ...dialects.types import dtype_of, element_type, shape_of
from ...runtime.errors import UnsupportedOperation
from ..interpreter import main_function, port_names
from ..locations import describe, source_names
from .place_parts import placed_parts
from .remove_empty import is_empty


@dataclass(frozen=True)
class LowerKernelsPass(ModulePass):
    """Lower the main function to kernels, buffers and launches."""

    name = "lower-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        Lowering(op).run()


@dataclass
class KernelNests:
    """
    Kernels shared by operations of one key: their names, their buffers by position, and
    the points of their domains.
    """

    names: list[str]
    positions: list[list[int]]
    points: list[int]
    temporaries: list[Temporary]


class Lowering:
    """Lowers one module in place."""

    def __init__(self, module: ModuleOp) -> None:
        self.module = module
        self.function = main_function(module)
        self.old = self.function.body.block
        self.new = Block()
        self.buffers: dict[SSAValue, SSAValue] = {}
        self.weights: dict[Any, SSAValue] = {}
        self.kernels: dict[Any, KernelNests] = {}
        self.nests: list[NestOp] = []
        self.halos: dict[Any, list[str]] = {}
        self.outputs: dict[SSAValue, tuple[int, SSAValue]] = {}

    def run(self) -> None:
        returned = self.old.last_op
        assert isinstance(returned, ReturnOp)
        self._assign_outputs(list(returned.operands))
        for argument in self.old.args:
            self.buffer(argument)  # inputs that nobody reads are ports as well
        for value in self.outputs:
            if is_empty(value):
                self.buffer(value)
        for op in self.old.ops:
            if isinstance(op, FusedOp):
                self._launch(op, op.members, op.operands, op.results)
            elif isinstance(op, NNOp) and not self._is_view(op) and not _is_idle(op):
                self._launch(op, [op], op.operands, op.results)
        self.new.add_op(ReturnOp())
        main = FuncOp(
            "main", ([], []), Region([self.new]), self.function.sym_visibility
        )
        main.attributes |= port_names(self.function) | self.function.attributes
        body = self.module.body.block
        body.insert_ops_before([*self.nests, main], self.function)
        body.erase_op(self.function)

    # buffers

    def _assign_outputs(self, values: Sequence[SSAValue]) -> None:
        """An output is written in place, behind views where its memory is the same."""
        taken = set(values)
        for index, value in enumerate(values):
            root = value
            while isinstance(root.owner, Reshaping) and self._plain(root.owner):
                source = root.owner.operands[0]
                if source in taken or isinstance(source, BlockArgument):
                    break
                if isinstance(source.owner, ConstantOp):
                    break
                root = source
            taken.add(root)
            self.outputs[root] = index, value

    def _plain(self, op: NNOp) -> bool:
        """Whether operand and result of a reshape are the same bytes."""
        return all(
            layout_of(v.type).is_plain for v in (op.operands[0], op.results[0])
        ) and element_type(op.operands[0]) == element_type(op.results[0])

    def _is_view(self, op: NNOp) -> bool:
        return (
            isinstance(op, Reshaping)
            and op.results[0] not in self.outputs
            and self._plain(op)
        )

    def buffer(self, value: SSAValue) -> SSAValue:
        """The memory of a tensor."""
        if value not in self.buffers:
            self.buffers[value] = self._make_buffer(value)
            self.buffers[value].name_hint = value.name_hint
        return self.buffers[value]

    def _make_buffer(self, value: SSAValue) -> SSAValue:
        type_ = memory_type(value)
        if isinstance(value, BlockArgument):
            return self.add(InputOp(value.index, type_))
        owner = value.owner
        whole = part_of(value)
        if whole is not None:
            buffer = self.buffer(whole)
            return buffer if buffer.type == type_ else self.add(ViewOp(buffer, type_))
        if isinstance(owner, ConstantOp):
            return self._weight(owner, type_)
        if value in self.outputs:
            index, returned = self.outputs[value]
            port = self.add(OutputOp(index, memory_type(returned)))
            return port if port.type == type_ else self.add(ViewOp(port, type_))
        if isinstance(owner, NNOp) and self._is_view(owner):
            return self.add(ViewOp(self.buffer(owner.operands[0]), type_))
        return self.add(BufferOp(type_))

    def _weight(self, op: ConstantOp, type_: Attribute) -> SSAValue:
        key = (op.value, op.output.type)
        if key not in self.weights:
            packed = layout_of(op.output.type).pack(op.array)
            self.weights[key] = self.add(WeightOp(Weight(packed), type_))
        return self.weights[key]

    def add(self, op: Operation) -> SSAValue:
        self.new.add_op(op)
        return op.results[0] if op.results else None  # pyright: ignore

    # kernels

    def _launch(
        self,
        op: NNOp | FusedOp,
        members: Sequence[NNOp],
        operands: Sequence[SSAValue],
        results: Sequence[SSAValue],
    ) -> None:
        outer = [*operands, *results]
        kernels = self._kernels(op, members)
        idle = placed_parts(op) if isinstance(op, ConcatOp) else ()
        for result in results:
            self._fill_halo(result, source_names(op))
        temporaries: dict[int, SSAValue] = {}
        flops, points = op.flops(), sum(kernels.points)
        names = [member.name.removeprefix("nn.") for member in members]
        for name, positions, part in zip(
            kernels.names, kernels.positions, kernels.points, strict=True
        ):
            if any(position in idle for position in positions):
                continue
            buffers: list[SSAValue] = []
            for position in positions:
                if position >= 0:
                    buffers.append(self.buffer(outer[position]))
                    continue
                if position not in temporaries:
                    temporary = kernels.temporaries[-1 - position]
                    type_ = MemRefType(temporary.element, temporary.shape)
                    temporaries[position] = self.add(BufferOp(type_))
                buffers.append(temporaries[position])
            own = flops * part // points
            self.add(LaunchOp(name, buffers, own, source_names(op), names))

    def _kernels(self, op: NNOp | FusedOp, members: Sequence[NNOp]) -> KernelNests:
        key = structure(op, members)
        if key not in self.kernels:
            self.kernels[key] = self._build(op, members)
        return self.kernels[key]

    def _build(self, op: NNOp | FusedOp, members: Sequence[NNOp]) -> KernelNests:
        name = f"{members[0].name.removeprefix('nn.')}_{len(self.kernels)}"
        built = self._nests(op, members, name)
        outer = [*op.operands, *op.results]
        if isinstance(op, FusedOp):
            outer = [*op.body.block.args, *op.yielded]
        places = {value: position for position, value in enumerate(outer)}
        temporaries: list[Temporary] = []
        positions: list[list[int]] = []
        for nest in built:
            own: list[int] = []
            for tensor in nest.tensors:
                if isinstance(tensor, Temporary):
                    if tensor not in temporaries:
                        temporaries.append(tensor)
                    own.append(-1 - temporaries.index(tensor))
                else:
                    own.append(places[tensor])
            positions.append(own)
            self.nests.append(nest.op)
        names = [n.op.sym_name.data for n in built]
        points = [prod(n.op.extents) for n in built]
        return KernelNests(names, positions, points, temporaries)

    def _nests(
        self, op: NNOp | FusedOp, members: Sequence[NNOp], name: str
    ) -> list[BuiltNest]:
        try:
            if isinstance(op, FusedOp):
                return fused_nests(members, op.yielded, name)
            loops = Loops()
            op.loops(loops)
            return loops.finish(name)
        except NotImplementedError as error:
            raise UnsupportedOperation(
                f"{describe(op)} has no kernel for this target: {error}"
            ) from error

    # halos

    def _fill_halo(self, value: SSAValue, layers: Sequence[str]) -> None:
        layout = layout_of(value.type)
        if not layout.has_halo:
            return
        if value.type not in self.halos:
            name = f"halo_{len(self.halos)}"
            nests = halo_nests(value, name)
            self.nests += nests
            self.halos[value.type] = [n.sym_name.data for n in nests]
        for name in self.halos[value.type]:
            self.add(LaunchOp(name, [self.buffer(value)], 0, layers, ["halo"]))


def _is_idle(op: NNOp) -> bool:
    """Whether an operation has nothing to compute: all is empty or in place already."""
    if isinstance(op, ConcatOp) and len(placed_parts(op)) == len(op.operands):
        return True
    if isinstance(op, SplitOp | SliceOp) and placed_parts(op):
        return True
    return all(map(is_empty, op.results))


def part_of(value: SSAValue) -> SSAValue | None:
    """The value in whose buffer `value` lies, when it is a part."""
    if not layout_of(value.type).is_part:
        return None
    owner = value.owner
    if isinstance(owner, SplitOp | SliceOp) and placed_parts(owner):
        return owner.operands[0]
    for use in value.uses:
        if isinstance(use.operation, ConcatOp) and use.index in placed_parts(
            use.operation
        ):
            return use.operation.results[0]
    return None


def memory_type(value: SSAValue) -> MemRefType[Attribute]:
    """The buffer that a tensor takes."""
    shape = layout_of(value.type).physical_shape(shape_of(value))
    return MemRefType(element_type(value), shape)


def structure(op: NNOp | FusedOp, members: Sequence[NNOp]) -> Any:
    """A key that is equal for operations that can share their kernels."""
    values: dict[SSAValue, int] = {}
    rows: list[Any] = []
    for member in members:
        operands = tuple(values.setdefault(o, len(values)) for o in member.operands)
        for result in member.results:
            values.setdefault(result, len(values))
        types = tuple(v.type for v in (*member.operands, *member.results))
        properties = tuple(sorted(member.properties.items(), key=lambda item: item[0]))
        rows.append((member.name, properties, operands, types, _constants(member)))
    escaping = tuple(values[v] for v in op.yielded) if isinstance(op, FusedOp) else ()
    return tuple(rows), escaping


def _constants(op: NNOp) -> tuple[Any, ...]:
    """The numbers of integer constants: loops may have been written with them."""
    found: list[Any] = []
    for index, operand in enumerate(op.operands):
        array = constant_array(operand)
        if array is not None and array.dtype.kind in "ib":
            found.append((index, array.tobytes()))
    return tuple(found)


def halo_nests(value: SSAValue, name: str) -> list[NestOp]:
    """Nests that write zeros around a tensor: one for each dimension with a halo."""
    halo = layout_of(value.type).halo
    dims = [dim for dim, around in enumerate(halo) if any(around)]
    return [_slabs(value, dim, f"{name}_{i}") for i, dim in enumerate(dims)]


def _slabs(value: SSAValue, dim: int, name: str) -> NestOp:
    """
    Zeros before and after the tensor along `dim`.

    Point `i` of the `before + after` in `dim` is at `i - before` in front of the tensor,
    and as far behind it from `i = before` on: `i - before + size * (i >= before)`.
    """
    layout, shape = layout_of(value.type), shape_of(value)
    extents: dict[str, int] = {}
    for other, (length, around) in enumerate(zip(shape, layout.halo, strict=True)):
        whole = length + sum(around)
        extents[f"d{other}"] = (
            sum(around) if other == dim else whole if other > dim else length
        )
    nest = Nest(extents)
    indices = nest.indices
    for other, (before, after) in enumerate(layout.halo):
        if other == dim:
            most = max(before, after)
            behind = (indices[dim] + (most - before)) // most
            indices[dim] = indices[dim] - before + behind * shape[dim]
        elif other > dim:
            indices[other] = indices[other] - before
    place = layout.place(indices)
    dtype = dtype_of(element_type(value))
    zero = nest.emit(constant_op(0, dtype))
    operands, map_, _ = nest.maps(place, [])
    nest.block.add_op(WriteOp(zero, nest.buffer(value), operands, map_))
    return nest.finish(name).op
