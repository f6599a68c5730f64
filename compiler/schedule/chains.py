"""
Which launches may share blocks: links between them, axes to cut, and what it saves.

A *link* is what one operation writes, when one other reads it (`links.py`). An *axis* of a
chain is a dimension that every stage has, and that indexes every tensor of the links plainly: cut
along it, a block of one stage needs one block of the stage before and nothing else. A stage
may be a *group* of launches that write parts of one tensor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

from xdsl.ir import SSAValue

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp
from ...dialects.plan import LaunchOp
from ...dialects.types import buffer_bytes
from .analysis import NestInfo
from .links import Link, Part, find_link

SHARES = 8
"""Blocks that a chain needs at least, so that threads find work of even size."""

ROWS = 8
"""
Points of a block that each element must serve that other blocks read as well: with fewer,
arithmetic waits for memory.
"""

PARTS = (4, 2, 1)
"""Blocks that take these parts of the room are tried, the smallest first."""

AGAIN = 1 / 3
"""
What it costs to read a byte once more, if a cache does not hold it until the next block,
against a byte that goes to memory or comes from there.
"""


@dataclass(frozen=True)
class Axis:
    """What is cut: the parts of each group, and its places in each link's tensors."""

    parts: tuple[tuple[Part, ...], ...]
    places: tuple[tuple[int, ...], ...]
    size: int


@dataclass(frozen=True)
class Chain:
    """Groups in order, the links between neighbours, and the axes they share."""

    groups: tuple[tuple[LaunchOp, ...], ...]
    links: tuple[Link, ...]
    axes: tuple[Axis, ...]

    @property
    def stages(self) -> list[LaunchOp]:
        """All launches, in order."""
        return [launch for group in self.groups for launch in group]

    def parts(self, axis: Axis) -> list[Part]:
        """What each stage walks of an axis."""
        return [part for group in axis.parts for part in group]

    @staticmethod
    def of(link: Link) -> Chain:
        """The chain of two groups."""
        axes = [Axis((c.writers, c.readers), (c.places,), c.size) for c in link.cuts]
        return Chain((link.writers, link.readers), (link,), tuple(axes))

    def followed_by(self, link: Link) -> Chain:
        """This chain and the group that reads what its last one writes."""
        axes = [
            Axis((*a.parts, c.readers), (*a.places, c.places), a.size)
            for a in self.axes
            for c in link.cuts
            if c.writers == a.parts[-1]
        ]
        return Chain((*self.groups, link.readers), (*self.links, link), tuple(axes))

    def preceded_by(self, link: Link) -> Chain:
        """The group that writes what the first one reads, and this chain."""
        axes = [
            Axis((c.writers, *a.parts), (c.places, *a.places), a.size)
            for a in self.axes
            for c in link.cuts
            if c.readers == a.parts[0]
        ]
        return Chain((link.writers, *self.groups), (link, *self.links), tuple(axes))

    def room(self, steps: Sequence[int]) -> int:
        """Bytes of all links that a block of `steps` needs."""
        whole = prod(axis.size for axis in self.axes)
        return sum(link.bytes for link in self.links) * prod(steps) // whole

    def shares(self, steps: Sequence[int]) -> int:
        """How many blocks of `steps` there are."""
        return prod(ceil(a.size / s) for a, s in zip(self.axes, steps, strict=True))

    def blocks(self, most: int) -> tuple[int, ...] | None:
        """
        How far a block reaches along each axis, so that what links hold takes at most
        `most` bytes; None when no block is so small, or there are too few.
        """
        steps = [axis.size for axis in self.axes]
        for number, axis in enumerate(self.axes):
            shares = self.shares(steps)
            if self.room(steps) <= most and shares >= SHARES:
                break
            steps[number] = 1
            each = self.room(steps)
            fits = min(most // max(1, each), axis.size * shares // SHARES)
            steps[number] = even_block(axis.size, max(1, fits))
        fits = self.room(steps) <= most and self.shares(steps) >= SHARES
        return tuple(steps) if fits else None


def even_block(size: int, most: int) -> int:
    """A step of at most `most` that divides `size`, or makes blocks of about one size."""
    if most >= size:
        return size
    for step in range(most, most // 2, -1):
        if size % step == 0:
            return step
    return ceil(size / ceil(size / most))


@dataclass(frozen=True)
class Reading:
    """A read of a group for which blocks of other parts of the domain come again."""

    bytes: int
    parts: int
    """Parts of these that different blocks read."""
    again: int
    """How many blocks read each part."""
    serves: int
    """Points of a block that need an element."""
    least: int
    """The same in the launch of the group that has the fewest points."""

    def waits(self, room: int) -> bool:
        """
        Whether arithmetic waits for this read. The small launches of a group may have few
        points if a cache of `room` bytes holds what they read.
        """
        few = self.least < ROWS and self.bytes / self.parts > room
        return self.serves < ROWS or few

    def joined(self, other: Reading | None) -> Reading:
        """This read and the same of another launch of the group."""
        if other is None:
            return self
        return Reading(
            max(self.bytes, other.bytes),
            max(self.parts, other.parts),
            max(self.again, other.again),
            max(self.serves, other.serves),
            min(self.least, other.least),
        )


class Finder:
    """Finds chains among the launches of a function; looks at a nest when it has to."""

    def __init__(
        self, launches: Sequence[LaunchOp], nests: Mapping[str, NestOp], target: Target
    ) -> None:
        self.order = {launch: number for number, launch in enumerate(launches)}
        self.nests, self.target = nests, target
        self.infos: dict[str, NestInfo] = {}
        self.known: dict[SSAValue, Link | None] = {}

    def info(self, launch: LaunchOp) -> NestInfo:
        """Facts about the nest of a launch."""
        name = launch.kernel_name
        if name not in self.infos:
            self.infos[name] = NestInfo(self.nests[name])
        return self.infos[name]

    def link(self, buffer: SSAValue) -> Link | None:
        """The link of a buffer, if it is one."""
        if buffer not in self.known:
            known = find_link(buffer, self.order.__getitem__, self.info)
            self.known[buffer] = known
        return self.known[buffer]

    def links(self, group: Sequence[LaunchOp]) -> list[Link]:
        """The links that a group writes or reads."""
        buffers = dict.fromkeys(b for launch in group for b in launch.buffers)
        found = [self.link(buffer) for buffer in buffers]
        return list(dict.fromkeys(link for link in found if link is not None))

    def chains(self, least: int) -> list[tuple[Chain, tuple[int, ...]]]:
        """
        Chains that save memory traffic, none of which share a launch, and their blocks.

        Args:
            least: bytes of a link from which on it is worth a chain.
        """
        buffers = {buffer for launch in self.order for buffer in launch.buffers}
        large = sorted(
            (b for b in buffers if buffer_bytes(b) > least),
            key=lambda b: (-buffer_bytes(b), self._place(b)),
        )
        taken: set[LaunchOp] = set()
        chains: list[tuple[Chain, tuple[int, ...]]] = []
        for buffer in large:
            seed = self.link(buffer)
            if seed is None or seed.launches & taken:
                continue
            chain = self._grown(Chain.of(seed), taken)
            gain, steps = self.cut(chain)
            if gain > 0:
                chains.append((chain, steps))
                taken |= set(chain.stages)
        return chains

    def _place(self, buffer: SSAValue) -> int:
        return min(
            self.order[use.operation]
            for use in buffer.uses
            if isinstance(use.operation, LaunchOp)
        )

    def _grown(self, chain: Chain, taken: set[LaunchOp]) -> Chain:
        """The chain with the groups before and after that save more still."""
        while True:
            first, last = chain.groups[0], chain.groups[-1]
            longer = [
                chain.followed_by(link)
                for link in self.links(last)
                if link.writers == last and not taken & set(link.readers)
            ] + [
                chain.preceded_by(link)
                for link in self.links(first)
                if link.readers == first and not taken & set(link.writers)
            ]
            best = max(longer, key=self.gain, default=chain)
            if self.gain(best) <= self.gain(chain):
                return chain
            chain = best

    def cut(self, chain: Chain) -> tuple[float, tuple[int, ...]]:
        """
        The smallest blocks that save something, after what they save: what else the
        stages read wants room in the cache as well. Less than zero, and no blocks, when
        there are none.
        """
        for part in PARTS:
            steps = chain.blocks(self.target.scratch // part)
            if steps is not None and (gain := self._gain(chain, steps)) > 0:
                return gain, steps
        return -1, ()

    def gain(self, chain: Chain) -> float:
        """What the chain saves with its best blocks."""
        return self.cut(chain)[0]

    def _gain(self, chain: Chain, steps: Sequence[int]) -> float:
        """Bytes that need not go through memory, less those that are read more often."""
        reads = [
            read
            for number in range(len(chain.groups))
            for read in self._reads(chain, steps, number)
        ]
        room = self.target.cache - self.target.scratch
        if any(read.waits(room) for read in reads):
            return -1
        saved = sum(2 * link.bytes for link in chain.links)
        if sum(read.bytes / read.parts for read in reads) <= room:
            return saved
        return saved - sum(AGAIN * read.bytes * (read.again - 1) for read in reads)

    def _reads(
        self, chain: Chain, steps: Sequence[int], number: int
    ) -> Iterable[Reading]:
        """What a group reads for several blocks, beside the links."""
        inside = {buffer for link in chain.links for buffer in link.buffers}
        found: dict[tuple[SSAValue, int], Reading] = {}
        for member, launch in enumerate(chain.groups[number]):
            parts = [axis.parts[number][member] for axis in chain.axes]
            seen: Counter[SSAValue] = Counter()
            for buffer, reading in self._reads_of(launch, parts, steps, inside):
                key = buffer, seen[buffer]
                seen[buffer] += 1
                found[key] = reading.joined(found.get(key))
        return found.values()

    def _reads_of(
        self,
        launch: LaunchOp,
        parts: Sequence[Part],
        steps: Sequence[int],
        inside: set[SSAValue],
    ) -> Iterator[tuple[SSAValue, Reading]]:
        info = self.info(launch)
        names: dict[SSAValue, SSAValue] = dict(
            zip(info.nest.buffers, launch.buffers, strict=True)
        )
        block, counts = dict(info.sizes), dict[SSAValue, int]()
        for part, step in zip(parts, steps, strict=True):
            block[part.dim] = min(step, part.count)
            counts[part.dim] = ceil(part.count / step)
        for access in info.accesses:
            again = prod(n for dim, n in counts.items() if dim not in access.dims)
            buffer = names[access.op.buffer]
            if access.is_write or buffer in inside or again == 1:
                continue
            serves = prod(n for dim, n in block.items() if dim not in access.dims)
            reading = Reading(
                prod(info.sizes[d] for d in access.dims) * access.width,
                prod(n for dim, n in counts.items() if dim in access.dims),
                again,
                serves,
                serves,
            )
            yield buffer, reading
