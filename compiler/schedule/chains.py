"""
Which launches may share blocks: links between them, axes to cut, and what it saves.

A *link* is a tensor that one launch writes and one other reads. An *axis* of a chain is a
dimension that every stage has, and that indexes every link plainly: cut along it, a block
of one stage needs one block of the stage before and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

from xdsl.ir import BlockArgument, SSAValue
from xdsl.ir.affine import AffineDimExpr

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp, ReadOp
from ...dialects.plan import BufferOp, LaunchOp
from ...dialects.types import buffer_bytes, buffer_type
from .analysis import Access, NestInfo

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
class Cut:
    """A dimension of a link's tensor, and the dimensions of both nests that walk it."""

    place: int
    writer: BlockArgument
    reader: BlockArgument


@dataclass(frozen=True)
class Link:
    """A tensor that `writer` hands to `reader`, and where it may be cut."""

    buffer: SSAValue
    writer: LaunchOp
    reader: LaunchOp
    cuts: tuple[Cut, ...]

    @property
    def bytes(self) -> int:
        return buffer_bytes(self.buffer)


@dataclass(frozen=True)
class Axis:
    """What is cut: a dimension of each stage, and its place in each link's tensor."""

    dims: tuple[BlockArgument, ...]
    places: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Chain:
    """Launches in order, the links between neighbours, and the axes they share."""

    stages: tuple[LaunchOp, ...]
    links: tuple[Link, ...]
    axes: tuple[Axis, ...]

    @staticmethod
    def of(link: Link, sizes: Mapping[SSAValue, int]) -> Chain:
        """The chain of two launches; `sizes` are those of the first one's dimensions."""
        axes = [
            Axis((c.writer, c.reader), (c.place,), sizes[c.writer]) for c in link.cuts
        ]
        return Chain((link.writer, link.reader), (link,), tuple(axes))

    def followed_by(self, link: Link) -> Chain:
        """This chain and the launch that reads what its last one writes."""
        axes = [
            Axis((*a.dims, c.reader), (*a.places, c.place), a.size)
            for a in self.axes
            for c in link.cuts
            if c.writer is a.dims[-1]
        ]
        return Chain((*self.stages, link.reader), (*self.links, link), tuple(axes))

    def preceded_by(self, link: Link) -> Chain:
        """The launch that writes what the first one reads, and this chain."""
        axes = [
            Axis((c.writer, *a.dims), (c.place, *a.places), a.size)
            for a in self.axes
            for c in link.cuts
            if c.reader is a.dims[0]
        ]
        return Chain((link.writer, *self.stages), (link, *self.links), tuple(axes))

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
    """A read of a stage for which blocks of other parts of the domain come again."""

    bytes: int
    parts: int
    """Parts of these that different blocks read."""
    again: int
    """How many blocks read each part."""
    serves: int
    """Points of a block that need an element."""


class Finder:
    """Finds chains among the launches of a function; looks at a nest when it has to."""

    def __init__(
        self, launches: Sequence[LaunchOp], nests: Mapping[str, NestOp], target: Target
    ) -> None:
        self.order = {launch: number for number, launch in enumerate(launches)}
        self.nests, self.target = nests, target
        self.infos: dict[str, NestInfo] = {}

    def info(self, launch: LaunchOp) -> NestInfo:
        """Facts about the nest of a launch."""
        name = launch.kernel_name
        if name not in self.infos:
            self.infos[name] = NestInfo(self.nests[name])
        return self.infos[name]

    def link(self, buffer: SSAValue) -> Link | None:
        """The link of a buffer in the arena that one launch writes, one other reads."""
        users = [use.operation for use in buffer.uses]
        launches = {user for user in users if isinstance(user, LaunchOp)}
        if not isinstance(buffer.owner, BufferOp) or len(users) != 2:
            return None
        if len(launches) != 2:
            return None
        writer, reader = sorted(launches, key=self.order.__getitem__)
        cuts = _cuts(
            self.info(writer),
            list(writer.buffers).index(buffer),
            self.info(reader),
            list(reader.buffers).index(buffer),
        )
        return Link(buffer, writer, reader, cuts) if cuts else None

    def links(self, launch: LaunchOp) -> list[Link]:
        """The links that a launch writes or reads."""
        found = [self.link(buffer) for buffer in launch.buffers]
        return [link for link in found if link is not None]

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
            if seed is None or {seed.writer, seed.reader} & taken:
                continue
            chain = self._grown(Chain.of(seed, self.info(seed.writer).sizes), taken)
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
        """The chain with the launches before and after that save more still."""
        while True:
            first, last = chain.stages[0], chain.stages[-1]
            longer = [
                chain.followed_by(link)
                for link in self.links(last)
                if link.writer is last and link.reader not in taken
            ] + [
                chain.preceded_by(link)
                for link in self.links(first)
                if link.reader is first and link.writer not in taken
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
            for number in range(len(chain.stages))
            for read in self._reads(chain, steps, number)
        ]
        if any(read.serves < ROWS for read in reads):
            return -1
        saved = sum(2 * link.bytes for link in chain.links)
        room = self.target.cache - self.target.scratch
        if sum(read.bytes / read.parts for read in reads) <= room:
            return saved
        return saved - sum(AGAIN * read.bytes * (read.again - 1) for read in reads)

    def _reads(
        self, chain: Chain, steps: Sequence[int], number: int
    ) -> Iterator[Reading]:
        """What a stage reads for several blocks, beside the links."""
        launch, inside = chain.stages[number], {link.buffer for link in chain.links}
        info = self.info(launch)
        names: dict[SSAValue, SSAValue] = dict(
            zip(info.nest.buffers, launch.buffers, strict=True)
        )
        block, counts = dict(info.sizes), dict[SSAValue, int]()
        for axis, step in zip(chain.axes, steps, strict=True):
            block[axis.dims[number]] = step
            counts[axis.dims[number]] = ceil(axis.size / step)
        for access in info.accesses:
            again = prod(n for dim, n in counts.items() if dim not in access.dims)
            if access.is_write or names[access.op.buffer] in inside or again == 1:
                continue
            yield Reading(
                prod(info.sizes[d] for d in access.dims) * access.width,
                prod(n for dim, n in counts.items() if dim in access.dims),
                again,
                prod(n for dim, n in block.items() if dim not in access.dims),
            )


def _cuts(
    writer: NestInfo, written: int, reader: NestInfo, read: int
) -> tuple[Cut, ...]:
    """
    The dimensions of a tensor that both nests walk plainly and in any order.

    Args:
        written: the tensor's place among the buffers of `writer`.
        read: its place among those of `reader`.
    """
    theirs, ours = _accesses(writer, written), _accesses(reader, read)
    if not theirs or any(a.is_write for a in ours):
        return ()
    if any(a.is_write and a not in theirs for a in writer.accesses):
        return ()  # it writes something else as well, which somebody may wait for
    cuts: list[Cut] = []
    shape = buffer_type(writer.nest.buffers[written]).get_shape()
    for place, size in enumerate(shape):
        there, here = _plain(writer, theirs, place), _plain(reader, ours, place)
        if there is None or here is None or size == 1:
            continue
        if writer.sizes[there] == size == reader.sizes[here]:
            cuts.append(Cut(place, there, here))
    return tuple(cuts)


def _accesses(info: NestInfo, position: int) -> list[Access]:
    buffer = info.nest.buffers[position]
    return [access for access in info.accesses if access.op.buffer is buffer]


def _plain(
    info: NestInfo, accesses: Sequence[Access], place: int
) -> BlockArgument | None:
    """The parallel dimension that alone is the index at `place`, and stands nowhere else."""
    found: set[SSAValue] = set()
    for access in accesses:
        op = access.op
        if isinstance(op, ReadOp) and op.guard is not None:
            return None
        index = op.map.data.results[place]
        if not isinstance(index, AffineDimExpr):
            return None
        dim = op.indices[index.position]
        elsewhere = [
            other
            for number, other in enumerate(op.map.data.results)
            if number != place and index.position in other.used_dims()
        ]
        if elsewhere or op.indices.count(dim) > 1:
            return None
        found.add(dim)
    dim = found.pop() if len(found) == 1 else None
    return dim if isinstance(dim, BlockArgument) and dim in info.shared else None
