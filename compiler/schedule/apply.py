"""
apply-schedule: nests to mapped loops over register tiles.

    kernel.nest over (dims) schedule <loops>   ==>   kernel.func { kernel.loop … tiles … }

There is no code here for any one operator. A *root* is a reduce or a write. Loops over
dimensions that every root has are shared; each root opens its other loops itself, in
program order. Values are computed where they are needed, as tiles (`values.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from ...dialects.kernel.access import StoreOp
from ...dialects.kernel.affine import LANE, Linear
from ...dialects.kernel.chain import ChainOp, LocalOp
from ...dialects.kernel.loops import FuncOp, LoopOp, YieldOp
from ...dialects.kernel.nest import NestOp, ReduceOp, WriteOp
from ...dialects.kernel.tiles import (
    ContractOp,
    FillOp,
    FoldOp,
    LanesOp,
    TileType,
    tile_type,
)
from ...dialects.types import integers
from .facts import WALKED, Loop, Root
from .places import Piece
from .scalars import identity
from .segments import Segment, joint_shares, own_share, segments
from .values import NestValues, Scope


class Lowering(NestValues):
    """Lowers one nest: opens its loops, and runs its roots in them."""

    # structure

    def function(self) -> FuncOp:
        """The nest as a kernel function."""
        entry = Block(arg_types=[b.type for b in self.nest.buffers])
        for old, new in zip(self.nest.buffers, entry.args, strict=True):
            new.name_hint = old.name_hint
        self.bind(entry.args)
        return grid_function(self.nest.sym_name.data, entry, [self])

    def bind(
        self,
        buffers: Sequence[SSAValue],
        local: Sequence[SSAValue] = (),
        starts: Sequence[int] = (),
    ) -> None:
        """
        Say which buffers of a function are meant, which of them hold one block, and where
        the grid's loops begin in those of a chain.
        """
        self.buffer = dict(zip(self.nest.buffers, buffers, strict=True))
        self.local = frozenset(b for b, own in self.buffer.items() if own in local)
        loops = [
            loop for loop in self.loops if loop[1] in self.shared and loop[0] in WALKED
        ]
        self.grid = [loop for loop in loops if loop[0] == "parallel"]
        self.starts = list(starts) or [0] * len(self.grid)
        self.inner = [loop for loop in loops if loop[0] != "parallel"]

    @property
    def walked(self) -> list[tuple[int, int]]:
        """Where each grid loop begins and ends in that of the chain."""
        sizes = [self.size(dim) for _, dim, _ in self.grid]
        return [(a, a + n) for a, n in zip(self.starts, sizes, strict=True)]

    def run(self, block: Block, share: Sequence[Segment]) -> None:
        """Write what happens at a point of a grid loop, whose body is `block`."""
        piece = Piece.whole({dim: self.size(dim) for dim in self.nest.dims})
        for (_, dim, _), (start, count, size), counter in zip(
            self.grid, share, block.args, strict=False
        ):
            counter.name_hint = counter.name_hint or dim.name_hint
            piece = piece.inside(dim, Linear.of(counter, count) * size + start, size)
        self.scope, self.block = Scope(block), piece
        self._open(self.inner, piece, self._run_roots)

    def _open(
        self,
        loops: list[Loop],
        piece: Piece,
        body: Callable[[Piece, Sequence[SSAValue]], Sequence[SSAValue]],
        carried: Sequence[SSAValue] = (),
        root: Root | None = None,
    ) -> Sequence[SSAValue]:
        """
        Loops around `body(piece, carried)`, which returns the next carried tiles.

        What `root` needs and the loops do not change is computed before them.
        """
        if not loops:
            return body(piece, carried)
        if root is not None:
            self._hoist(root, {dim for _, dim, _ in loops}, piece)
        (kind, dim, step), *rest = loops
        parts = segments(piece.extent[dim], step)
        for start, count, size in parts:
            if count == 1:
                outer = self.scope
                if len(parts) > 1:
                    self.scope = Scope(outer.block, outer)
                inner = piece.inside(dim, Linear((), start), size)
                carried = self._open(rest, inner, body, carried, root)
                self.scope = outer
            else:
                carried = self._loop(
                    (kind, dim, size), rest, (start, count), piece, body, carried, root
                )
        return carried

    def _loop(
        self,
        loop: Loop,
        rest: list[Loop],
        walk: tuple[int, int],
        piece: Piece,
        body: Callable[[Piece, Sequence[SSAValue]], Sequence[SSAValue]],
        carried: Sequence[SSAValue],
        root: Root | None,
    ) -> Sequence[SSAValue]:
        kind, dim, size = loop
        start, count = walk
        block = Block(arg_types=[IndexType(), *(c.type for c in carried)])
        counter, *inside = block.args
        counter.name_hint = dim.name_hint
        for argument, value in zip(inside, carried, strict=True):
            argument.name_hint = value.name_hint
        outer, self.scope = self.scope, Scope(block, self.scope)
        offset = Linear.of(counter, count) * size + start
        at = piece.inside(dim, offset, size)
        yielded = self._open(rest, at, body, inside, root)
        self.add(YieldOp(yielded))
        self.scope = outer
        mapping = "item" if kind == "item" else "serial"
        op = LoopOp([count], [mapping], carried, Region([block]))
        self.scope.block.add_op(op)
        for result, value in zip(op.results, carried, strict=True):
            result.name_hint = value.name_hint
        return list(op.results)

    def _run_roots(self, piece: Piece, _: Sequence[SSAValue]) -> Sequence[SSAValue]:
        for value in self.joint:
            self.tile(value, piece)
        for root in self.roots:
            if root in self.late or root in self.passed.values():
                continue
            if isinstance(root, ReduceOp):
                self._reduce(root, piece)
                continue
            mine = self.root_dims(root) - self.shared
            loops = [
                loop for loop in self.loops if loop[1] in mine and loop[0] in WALKED
            ]
            self._open(loops, piece, partial(self._write, root), (), root)
        return []

    def _hoist(self, root: Root, inside: set[BlockArgument], piece: Piece) -> None:
        """Compute before the loops over `inside` what they do not change."""
        needed: set[Operation] = set()
        pending = [o.owner for o in root.operands]
        while pending:
            op = pending.pop()
            if not isinstance(op, Operation) or op in needed:
                continue
            value = op.results[0]
            if isinstance(op, arith.ConstantOp) or value.type == IndexType():
                continue
            if not (self.dims[value] & inside or value in self.volatile):
                self.tile(value, piece)
                continue
            needed.add(op)
            if not isinstance(op, ReduceOp):
                pending += [o.owner for o in op.operands]

    # roots

    def _reduce(self, root: ReduceOp, piece: Piece) -> SSAValue:
        """The tile of a reduction, over all of its dimensions."""
        outer = self.scope
        if root in self.late:
            sizes = dict(zip(self.nest.dims, self.nest.extents, strict=True))
            opened = {d for d in root.dims if piece.extent[d] != sizes[d]}  # pyright: ignore
            self.scope = Scope(outer.block, outer, frozenset(opened))
            origin = piece.origin | {dim: Linear() for dim in root.dims}
            extent = piece.extent | {dim: sizes[dim] for dim in root.dims}  # pyright: ignore
            piece = Piece(origin, extent)
        total = self._reduced(root, piece)
        self.scope = outer
        outer.tiles[root.result] = total
        return total

    def _reduced(self, root: ReduceOp, piece: Piece) -> SSAValue:
        loops = [
            ("serial", dim, step)
            for kind, dim, step in self.loops
            if dim in root.dims and kind in WALKED
        ]
        kept = self.root_dims(root) - set(root.dims)
        across = self.vector in root.dims
        element = root.result.type
        shape, width = self.shape(kept, piece)
        total_type = TileType.of(shape, element, self.lanes if across else width)
        steps = self._side_by_side(root, piece)
        shape, _ = self.shape(kept | set(steps), piece.of_extent(steps))
        acc_type = TileType.of(shape, element, total_type.width)
        kind = root.kind.data
        if root.init is not None and not across and not steps:
            start = self.broadcast(self.tile(root.init, piece), acc_type)
        else:
            start = self.add(FillOp(identity(kind, element), acc_type))
        start.name_hint = start.name_hint or "acc"

        def step(at: Piece, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            if (write := self.passed.get(root)) is not None:
                self._write(write, at, ())
                self.scope.tiles[root.value] = self.tile(write.value, at)
            return [self._accumulate(root, carried[0], at)]

        (total,) = self._open(loops, piece, step, [start], root)
        if steps:
            neutral = self.add(FillOp(identity(kind, element), total_type))
            total = self.add(FoldOp(kind, neutral, total))
        if across:
            total = self.add(LanesOp(kind, total))
        if root.init is not None and (across or steps):
            init = self.broadcast(self.tile(root.init, piece), tile_type(total))
            total = self.combined(kind, total, init)
        total.name_hint = root.result.name_hint or "acc"
        return total

    def _side_by_side(self, root: ReduceOp, piece: Piece) -> dict[SSAValue, int]:
        """
        Reduced dimensions of which a loop's step is unrolled, and that step: each point
        of it has a sum of its own, and these are added up behind the loop.
        """
        steps: dict[SSAValue, int] = {}
        for dim, _ in self.copies:
            walks = [s for kind, d, s in self.loops if d is dim and kind in WALKED]
            whole = len(walks) == 1 and piece.extent[dim] % walks[0] == 0
            if dim in root.dims and dim is not self.vector and whole:
                steps[dim] = walks[0]
        return steps

    def _accumulate(self, root: ReduceOp, acc: SSAValue, piece: Piece) -> SSAValue:
        factors = root.value.owner
        whole = self.root_dims(root)
        partly = self.valid(whole, piece) if self.vector in root.dims else None
        fused = (
            root.kind.data == "add"
            and isinstance(factors, arith.MulfOp)
            and root.value.has_one_use()
            and partly is None
            and self.dims[root.value] >= {d for d in root.dims if self.size(d) > 1}
        )
        if fused:
            assert isinstance(factors, arith.MulfOp)
            lhs, rhs = (self.tile(o, piece) for o in factors.operands)
            if tile_type(lhs).width > tile_type(rhs).width:
                lhs, rhs = rhs, lhs
            result = self.add(ContractOp(acc, lhs, rhs))
        else:
            type_ = self.tile_type(whole, root.result.type, piece)
            value = self.broadcast(self.tile(root.value, piece), type_)
            if partly is not None:
                value = self._only_valid(root.kind.data, value, partly)
            result = self.add(FoldOp(root.kind.data, acc, value))
        result.name_hint = acc.name_hint
        return result

    def _only_valid(
        self, kind: str, value: SSAValue, valid: tuple[int, int]
    ) -> SSAValue:
        """`value` with the identity of `kind` where lanes are outside."""
        type_ = tile_type(value)
        dim, count = valid
        place = Linear.of(LANE, self.lanes)
        if dim >= 0:
            place = place + Linear.of(("t", dim), type_.dims[dim]) * self.lanes
        shape = [n if d == dim else 1 for d, n in enumerate(type_.dims)]
        position = self._position(place, TileType.of(shape, i64, self.lanes))

        def body(block: Block) -> SSAValue:
            at, element = block.args
            limit = arith.ConstantOp(IntegerAttr(count, i64))
            inside = arith.CmpiOp(at, limit.result, "slt")
            neutral = arith.ConstantOp(identity(kind, element.type))  # pyright: ignore
            chosen = arith.SelectOp(inside.result, element, neutral.result)
            block.add_ops([limit, inside, neutral, chosen])
            return chosen.result

        return self.apply([position, value], type_, body)

    def _write(
        self, root: WriteOp, piece: Piece, _carried: Sequence[SSAValue]
    ) -> Sequence[SSAValue]:
        whole = self.root_dims(root)
        type_ = self.tile_type(whole, root.value.type, piece)
        value = self.broadcast(self.tile(root.value, piece), type_)
        mask = None
        if root.condition is not None:
            mask = self.tile(root.condition, piece)
        _unused, place, offset = self._place(root, piece)
        indices, map_ = self.map_of(place)
        valid = self.valid(whole, piece)
        buffer = self.buffer[root.buffer]
        self.add(StoreOp(value, buffer, indices, map_, offset, mask, valid))
        return []


def grid_function(name: str, entry: Block, stages: Sequence[Lowering]) -> FuncOp:
    """A function whose grid loops run all stages, one after another, at each point."""
    steps = [step for _, _, step in stages[0].grid]
    for stage in stages:
        assert [step for _, _, step in stage.grid] == steps, "stages have other blocks"
    for share in joint_shares(steps, [stage.walked for stage in stages]):
        block = Block(arg_types=[IndexType()] * max(1, len(share)))
        block.args[0].name_hint = None if share else "once"
        for stage in stages:
            own = own_share(share, stage.walked)
            if own is not None:
                stage.run(block, own)
        block.add_op(YieldOp())
        extents = [count for _, count, _ in share] or [1]
        entry.add_op(LoopOp(extents, ["grid"] * len(extents), [], Region([block])))
    entry.add_op(YieldOp())
    return FuncOp(name, Region([entry]))


def chain_function(chain: ChainOp, nests: Mapping[str, NestOp]) -> FuncOp:
    """A chain as a kernel function."""
    entry = Block(arg_types=[b.type for b in chain.body.block.args])
    places: dict[SSAValue, SSAValue] = dict(
        zip(chain.body.block.args, entry.args, strict=True)
    )
    for op in chain.locals:
        local = LocalOp(op.result.type)
        entry.add_op(local)
        places[op.result] = local.result
    for old, new in places.items():
        new.name_hint = old.name_hint
    local = [places[op.result] for op in chain.locals]
    stages: list[Lowering] = []
    for stage in chain.stages:
        stages.append(Lowering(nests[stage.kernel_name]))
        buffers = [places[b] for b in stage.buffers]
        starts = () if stage.starts is None else integers(stage.starts)
        stages[-1].bind(buffers, local, starts)
    return grid_function(chain.sym_name.data, entry, stages)


class ApplySchedulePass(ModulePass):
    """Lower every nest and every chain to a `kernel.func`, as the schedules say."""

    name = "apply-schedule"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        body = op.body.block
        nests = {o.sym_name.data: o for o in body.ops if isinstance(o, NestOp)}
        chained: set[str] = set()
        for chain in list(body.ops):
            if isinstance(chain, ChainOp):
                own = [stage.kernel_name for stage in chain.stages]
                schedule = "; ".join(str(nests[name].schedule) for name in own)
                _replace(chain, chain_function(chain, nests), schedule)
                chained |= set(own)
        for name, nest in nests.items():
            if name in chained:
                nest.detach()
                nest.erase()
            else:
                _replace(nest, Lowering(nest).function(), str(nest.schedule))


def _replace(op: Operation, function: FuncOp, schedule: str) -> None:
    function.properties["schedule"] = StringAttr(schedule)
    block = op.parent
    assert block is not None
    block.insert_op_before(function, op)
    op.detach()
    op.erase()
