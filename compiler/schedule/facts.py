"""
What a lowering knows of a nest before it starts.

Loops that a schedule leaves open, dimensions of values, loops that all roots share, and
reductions that must be computed again wherever they are needed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

from xdsl.dialects import arith
from xdsl.ir import BlockArgument, SSAValue

from ...dialects.kernel.nest import NestOp, ReadOp, ReduceOp, WriteOp
from .analysis import dims_of_values

WALKED = ("parallel", "item", "serial")
"""Mappings that a loop is opened for; the others are registers and lanes of a tile."""

HINTS = ("prefetch", "transpose")
"""Mappings that open no loop: they say how to load."""

Loop: TypeAlias = tuple[str, BlockArgument, int]
Root: TypeAlias = ReduceOp | WriteOp


class NestFacts:
    """Facts about one nest and its schedule."""

    def __init__(self, nest: NestOp) -> None:
        self.nest = nest
        names = {dim.name_hint: dim for dim in nest.dims}
        given: list[Loop] = [
            (loop.mapping.data, names[loop.dim.data], loop.step.data)
            for loop in nest.schedule.loops
        ]
        self.ahead = {dim: step for kind, dim, step in given if kind == "prefetch"}
        self.turned = {dim for kind, dim, _ in given if kind == "transpose"}
        self.loops = [loop for loop in given if loop[0] not in HINTS]
        self.loops += self._remaining()
        self.copies = [
            (dim, step) for kind, dim, step in self.loops if kind == "unroll"
        ]
        vectors = [(dim, step) for kind, dim, step in self.loops if kind == "vector"]
        self.vector, self.lanes = vectors[0] if vectors else (None, 1)
        self.body = list(nest.body.block.ops)
        self.dims = dims_of_values(nest)
        self.roots = [op for op in self.body if isinstance(op, ReduceOp | WriteOp)]
        self.reduced = frozenset(
            d for root in self.roots if isinstance(root, ReduceOp) for d in root.dims
        )
        self.shared, self.late = self._shared_dims()
        self.aliased = self._rewritten_buffers()
        self.volatile = self._volatile_values()
        self.reach = self._find_reach()
        self.loops = self._possible(self.loops)
        self.joint = self._joint()
        self.passed = self._passed()

    def _remaining(self) -> list[Loop]:
        """Serial loops for what the schedule leaves open."""
        left = dict(zip(self.nest.dims, self.nest.extents, strict=True))
        for kind, dim, step in self.loops:
            if kind != "vector":
                left[dim] = min(left[dim], step)
        lanes = {dim: step for kind, dim, step in self.loops if kind == "vector"}
        return [
            ("serial", dim, lanes.get(dim, 1))
            for dim, extent in left.items()
            if extent > lanes.get(dim, 1)
        ]

    def _possible(self, loops: list[Loop]) -> list[Loop]:
        """Loops that cannot run in parallel made serial."""
        grid: set[SSAValue] = set()
        possible: list[Loop] = []
        for kind, dim, step in loops:
            if kind == "parallel" and (dim not in self.shared or dim in grid):
                kind = "serial"
            if kind == "item" and self.aliased:
                kind = "serial"
            if kind == "parallel":
                grid.add(dim)
            possible.append((kind, dim, step))
        return possible

    def size(self, dim: SSAValue) -> int:
        """How many points a dimension of the nest has."""
        assert isinstance(dim, BlockArgument)
        return self.nest.extents[dim.index]

    def root_dims(self, root: Root) -> frozenset[SSAValue]:
        return frozenset[SSAValue]().union(*(self.dims[o] for o in root.operands))

    def _shared_dims(self) -> tuple[frozenset[SSAValue], set[Root]]:
        """
        Dimensions whose loops all roots share, and reductions that come late.

        A reduction that keeps a dimension which others walk has no tile for all of it:
        it is computed again wherever a point of it is needed.
        """
        reduces = [root for root in self.roots if isinstance(root, ReduceOp)]
        sizes = dict(zip(self.nest.dims, self.nest.extents, strict=True))
        walked = {
            dim
            for kind, dim, step in self.loops
            if kind in WALKED and sizes[dim] > step
        }
        late: set[Root] = set()
        while True:
            used = [self.root_dims(root) for root in self.roots if root not in late]
            shared = used[0].intersection(*used) - self.reduced
            more = {r for r in reduces if (self.dims[r.result] & walked) - shared}
            if more <= late:
                return shared, late
            late |= more

    def _rewritten_buffers(self) -> set[SSAValue]:
        read = {op.buffer for op in self.body if isinstance(op, ReadOp)}
        return read & {op.buffer for op in self.body if isinstance(op, WriteOp)}

    def _volatile_values(self) -> set[SSAValue]:
        """Values from rewritten buffers: computed where they are used, every time."""
        volatile: set[SSAValue] = set()
        for op in self.body:
            rewritten = isinstance(op, ReadOp) and op.buffer in self.aliased
            if rewritten or volatile & set(op.operands):
                volatile |= set(op.results)
        return volatile

    def _find_reach(self) -> dict[SSAValue, frozenset[WriteOp]]:
        """The writes that each value is computed for, up to the next reduction."""
        reach: dict[SSAValue, frozenset[WriteOp]] = {}
        for op in reversed(self.body):
            own = frozenset([op]) if isinstance(op, WriteOp) else frozenset[WriteOp]()
            for result in op.results:
                if not isinstance(op, ReduceOp):
                    own |= reach.get(result, frozenset())
            for operand in op.operands:
                reach[operand] = reach.get(operand, frozenset()) | own
        return reach

    def _passed(self) -> dict[ReduceOp, WriteOp]:
        """
        Reductions of what the root before them has just written, and that write: both
        happen in one loop, and nothing is read back.
        """
        passed: dict[ReduceOp, WriteOp] = {}
        for write, root in pairwise(self.roots):
            if not isinstance(write, WriteOp) or not isinstance(root, ReduceOp):
                continue
            read = root.value.owner
            if (
                isinstance(read, ReadOp)
                and read.guard is None
                and write.condition is None
                and root not in self.late
                and (read.buffer, read.map, *read.indices)
                == (write.buffer, write.map, *write.indices)
                and write.value.type == root.result.type
                and self.root_dims(write) == self.root_dims(root)
                and write.value not in self.volatile
            ):
                passed[root] = write
        return passed

    def _joint(self) -> list[SSAValue]:
        """
        Values that several writes share, in order, for nests that only write. They are
        computed once, before all writes.
        """
        whole = {dim for dim in self.nest.dims if self.size(dim) > 1}
        if any(isinstance(root, ReduceOp) for root in self.roots):
            return []
        if len(self.roots) < 2 or self.aliased or not whole <= self.shared:
            return []
        return [
            op.results[0]
            for op in self.body
            if not isinstance(op, WriteOp | arith.ConstantOp | arith.IndexCastOp)
            and self._is_cut(op.results[0])
        ]

    def _is_cut(self, value: SSAValue) -> bool:
        """Whether other writes need `value` than need what is computed from it."""
        nothing = frozenset[WriteOp]()
        own = self.reach.get(value, nothing)
        return any(
            own != self.reach.get(result, nothing)
            for use in value.uses
            for result in use.operation.results
        )
