"""
Delete launches that only move data, where a neighbour can do it by an index.

    t = f(x); y = copy(t)   ==>   y = f(x), written where the copy put it
    t = copy(x); y = f(t)   ==>   y = f(x), read where the copy found it

A copy is a nest of one read and one write. The *writer* of what is copied may write the
copy when nobody else reads what it wrote, and the copy reads all of it, each element once;
what only fills the room around the copy goes in front. The *readers* of a copy may read
what is copied when the copy writes all of its result, each element once, and nobody
writes to its source before they are done.

Of both, what gains most is done: the neighbours' costs by the schedules that they would
get, before and after, and what the copy cost. So lanes stay neighbours in memory where a
value is read many times, and tiles stay full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp
from ...dialects.plan import BufferOp, LaunchOp, OutputOp, ViewOp
from ...dialects.types import buffer_bytes, buffer_type
from ..interpreter import main_function
from ..schedule.copies import Copy, Inverse, reach
from ..schedule.estimate import Estimate, estimate
from ..targets import find_target
from .plan_memory import root_of
from .users import Users

MOVED = 1 / 4
"""What it costs to read a byte and write it again, against an instruction."""


@dataclass(frozen=True)
class DropCopiesPass(ModulePass):
    """Delete copies that their writers or readers can do by an index."""

    name = "drop-copies"

    target: str = "cpu"
    even_if_slower: bool = False
    """Whether to delete all copies that can be deleted, whatever that costs: for tests."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = find_target(self.target)
        nests = {n.sym_name.data: n for n in op.body.block.ops if isinstance(n, NestOp)}
        least = -inf if self.even_if_slower else 0.0
        body = main_function(op).body.block
        Dropping(op, body, nests, target, least).run()


@dataclass(frozen=True)
class Detour:
    """A copy that neighbours go around: they use `new` instead of `old`."""

    copy: LaunchOp
    neighbours: Sequence[LaunchOp]
    old: SSAValue
    new: SSAValue
    inverse: Inverse
    writing: bool
    """Whether the neighbour is the one that writes what is copied."""


@dataclass(frozen=True)
class Change:
    """A detour, the kernels that take it, and what that gains."""

    detour: Detour
    kernels: Sequence[NestOp]
    gain: float


@dataclass
class Dropping:
    """Deletes the copies of one module."""

    module: ModuleOp
    body: Block
    nests: dict[str, NestOp]
    target: Target
    least: float
    """What a change has to gain."""
    estimates: dict[str, Estimate] = field(default_factory=dict[str, Estimate])
    made: dict[Any, NestOp | None] = field(default_factory=dict[Any, NestOp | None])
    names: set[str] = field(default_factory=set[str])

    @property
    def users(self) -> Users:
        return Users(self.body, self.nests)

    def run(self) -> None:
        """Change what can be changed until nothing gains."""
        self.names |= set(self.nests)
        while sum(self.visit(op) for op in list(self.body.ops)):
            pass
        self.clean()

    def visit(self, op: Operation) -> bool:
        """Delete one launch, if it is a copy that is not needed."""
        if not isinstance(op, LaunchOp) or len(op.buffers) != 2:
            return False
        copy = Copy.of(self.nests[op.kernel_name])
        if copy is None:
            return False
        places: list[SSAValue] = list(copy.nest.buffers)
        source = op.buffers[places.index(copy.read.buffer)]
        result = op.buffers[places.index(copy.write.buffer)]
        ways = [self.by_writer, self.by_readers]
        detours = [way(op, copy, source, result) for way in ways]
        changes = [self.priced(detour) for detour in detours if detour is not None]
        best = max(
            (c for c in changes if c is not None and c.gain > self.least),
            key=lambda change: change.gain,
            default=None,
        )
        if best is not None:
            self.apply(best)
        return best is not None

    # legality

    def by_writer(
        self, launch: LaunchOp, copy: Copy, source: SSAValue, result: SSAValue
    ) -> Detour | None:
        """The launch that writes what is copied writes the copy."""
        users = self.users
        others = [user for user in users.of(source) if user is not launch]
        if len(others) != 1 or not isinstance(root_of(source).owner, BufferOp):
            return None
        (writer,) = others
        writes = users.writes(writer, source)
        if len(writes) != 1 or writes[0].condition or users.reads(writer, source):
            return None
        if users.step(writer) > users.step(launch) or users.positions(writer, result):
            return None
        between = users.between(result, writer, launch)
        if not all(users.only_fills(user, result) for user in between):
            return None
        inverse = copy.inverse(copy.read)
        if inverse is None:
            return None
        return Detour(launch, [writer], source, result, inverse, writing=True)

    def by_readers(
        self, launch: LaunchOp, copy: Copy, source: SSAValue, result: SSAValue
    ) -> Detour | None:
        """All launches that read a copy read what is copied."""
        users = self.users
        readers = [user for user in users.of(result) if user is not launch]
        if not readers or not isinstance(root_of(result).owner, BufferOp):
            return None
        if any(users.writes(reader, result) for reader in readers):
            return None
        if min(map(users.step, readers)) < users.step(launch):
            return None
        last = max(readers, key=users.step)
        following = [last, *users.between(source, launch, last)]
        if any(users.writes(user, source) for user in following):
            return None
        inverse = copy.inverse(copy.write)
        if inverse is None:
            return None
        return Detour(launch, readers, result, source, inverse, writing=False)

    # cost

    def priced(self, detour: Detour) -> Change | None:
        """What a detour gains; None when a neighbour cannot take it."""
        moved = MOVED * buffer_bytes(detour.old)
        gain = self.cost(self.nests[detour.copy.kernel_name]) + moved
        kernels: list[NestOp] = []
        for neighbour in detour.neighbours:
            nest = self.reached(detour, neighbour)
            if nest is None:
                return None
            gain += self.cost(self.nests[neighbour.kernel_name]) - self.cost(nest)
            kernels.append(nest)
        return Change(detour, kernels, gain)

    def cost(self, nest: NestOp) -> float:
        """The cost of a nest."""
        return self.estimate(nest).cost

    def estimate(self, nest: NestOp) -> Estimate:
        """What a nest would be like."""
        name = nest.sym_name.data
        if name not in self.estimates:
            self.estimates[name] = estimate(nest, self.target)
        return self.estimates[name]

    def reached(self, detour: Detour, neighbour: LaunchOp) -> NestOp | None:
        """The kernel of `neighbour` with the copy in its indices."""
        places = self.users.positions(neighbour, detour.old)
        kernels = detour.copy.kernel_name, neighbour.kernel_name
        key = kernels, tuple(places), detour.new.type, detour.writing
        if key not in self.made:
            self.made[key] = self._reached(detour, neighbour, places)
        return self.made[key]

    def _reached(
        self, detour: Detour, neighbour: LaunchOp, places: Sequence[int]
    ) -> NestOp | None:
        old = self.nests[neighbour.kernel_name]
        if old.schedule.loops.data:
            return None
        nest: NestOp | None = old
        for place in places:
            nest = reach(nest, place, detour.inverse, buffer_type(detour.new))
            if nest is None:
                return None
        way = "to" if detour.writing else "from"
        name = self._free_name(f"{neighbour.kernel_name}_{way}")
        nest.properties["sym_name"] = StringAttr(name)
        return nest if self.least < 0 or self._keeps_pace(old, nest) else None

    def _keeps_pace(self, old: NestOp, new: NestOp) -> bool:
        """Whether a kernel still reaches memory as it should, whatever else it gains."""
        after = self.estimate(new)
        return after.streams and after.scattered <= self.estimate(old).scattered

    def _free_name(self, name: str) -> str:
        """A name that no nest has, nor had."""
        number, free = 0, name
        while free in self.names:
            number += 1
            free = f"{name}_{number}"
        self.names.add(free)
        return free

    # changing

    def apply(self, change: Change) -> None:
        """Give the neighbours their kernels, and erase the copy."""
        detour = change.detour
        if detour.writing:
            self._define_early(detour)
        root = root_of(detour.old)
        for launch, nest in zip(detour.neighbours, change.kernels, strict=True):
            name = nest.sym_name.data
            if name not in self.nests:
                old = self.nests[launch.kernel_name]
                self.module.body.block.insert_op_after(nest, old)
                self.nests[name] = nest
            launch.properties["kernel"] = SymbolRefAttr(name)
            launch.operands = [
                detour.new if root_of(b) is root else b for b in launch.buffers
            ]
            _join_names(launch, detour)
        self.body.erase_op(detour.copy)

    def _define_early(self, detour: Detour) -> None:
        """The result of a copy, and what fills the room around it, before its writer."""
        (writer,) = detour.neighbours
        fills = self.users.between(detour.new, writer, detour.copy)
        needed: list[Operation] = [
            op
            for buffer in (detour.new, *(b for fill in fills for b in fill.buffers))
            for op in _definition(buffer)
        ]
        for op in dict.fromkeys([*needed, *fills]):
            if writer.is_before_in_block(op):
                op.detach()
                self.body.insert_op_before(op, writer)

    def clean(self) -> None:
        """Erase nests that nobody launches, and views and buffers that nobody uses."""
        launched = {op.kernel_name for op in self.body.ops if isinstance(op, LaunchOp)}
        for name in set(self.nests) - launched:
            self.nests.pop(name).detach()
        for op in reversed(list(self.body.ops)):
            if isinstance(op, ViewOp | BufferOp) and not op.result.uses:
                self.body.erase_op(op)


def _definition(buffer: SSAValue) -> list[Operation]:
    """What makes a buffer of the arena or an output, the views of it last."""
    chain: list[Operation] = []
    while isinstance(buffer.owner, ViewOp):
        chain.append(buffer.owner)
        buffer = buffer.owner.source
    if isinstance(buffer.owner, BufferOp | OutputOp):
        chain.append(buffer.owner)
    return chain[::-1]


def _join_names(launch: LaunchOp, detour: Detour) -> None:
    """A launch that does the work of a copy bears its names too."""
    for name in ("layers", "operations"):
        both = [launch.properties.get(name), detour.copy.properties.get(name)]
        if not all(isinstance(names, ArrayAttr) for names in both):
            continue
        own, other = (cast("ArrayAttr[Attribute]", names).data for names in both)
        names = (*own, *other) if detour.writing else (*other, *own)
        launch.properties[name] = ArrayAttr(
            dict.fromkeys(names) if name == "layers" else names
        )
