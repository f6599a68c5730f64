"""Who reads and writes a buffer's memory, under whichever view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.ir import Block, SSAValue

from ...dialects.kernel.nest import NestOp, ReadOp, WriteOp
from ...dialects.plan import LaunchOp, ViewOp
from .plan_memory import root_of


@dataclass(frozen=True)
class Users:
    """The launches of a function, and the nests that they run."""

    body: Block
    nests: Mapping[str, NestOp]

    def of(self, buffer: SSAValue) -> list[LaunchOp]:
        """The launches that name a buffer or a view of its memory."""
        found: dict[LaunchOp, None] = {}
        pending = [root_of(buffer)]
        while pending:
            for use in pending.pop().uses:
                if isinstance(use.operation, LaunchOp):
                    found[use.operation] = None
                elif isinstance(use.operation, ViewOp):
                    pending.append(use.operation.result)
        return list(found)

    def step(self, launch: LaunchOp) -> int:
        """The position of a launch."""
        return self.body.get_operation_index(launch)

    def between(
        self, buffer: SSAValue, first: LaunchOp, last: LaunchOp
    ) -> list[LaunchOp]:
        """The users of a buffer after `first` and before `last`, in order."""
        start, stop = self.step(first), self.step(last)
        steps = {user: self.step(user) for user in self.of(buffer)}
        return sorted(
            (user for user, step in steps.items() if start < step < stop),
            key=steps.__getitem__,
        )

    def positions(self, launch: LaunchOp, buffer: SSAValue) -> list[int]:
        """The places of a buffer's memory among those that a launch names."""
        root = root_of(buffer)
        return [n for n, b in enumerate(launch.buffers) if root_of(b) is root]

    def reads(self, launch: LaunchOp, buffer: SSAValue) -> list[ReadOp]:
        """What a launch reads from the memory of a buffer."""
        nest = self.nests[launch.kernel_name]
        inside = {nest.buffers[n] for n in self.positions(launch, buffer)}
        ops = nest.body.block.ops
        return [op for op in ops if isinstance(op, ReadOp) and op.buffer in inside]

    def writes(self, launch: LaunchOp, buffer: SSAValue) -> list[WriteOp]:
        """What a launch writes to the memory of a buffer."""
        nest = self.nests[launch.kernel_name]
        inside = {nest.buffers[n] for n in self.positions(launch, buffer)}
        ops = nest.body.block.ops
        return [op for op in ops if isinstance(op, WriteOp) and op.buffer in inside]

    def only_fills(self, launch: LaunchOp, buffer: SSAValue) -> bool:
        """Whether a launch does nothing but write constants to a buffer's memory."""
        nest = self.nests[launch.kernel_name]
        return len(self.positions(launch, buffer)) == len(launch.buffers) and not any(
            isinstance(op, ReadOp) for op in nest.body.block.ops
        )
