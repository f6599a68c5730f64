"""
Links: what one operation's launches write and another one's read, block by block.

An operation may take several launches: those that compute whole tiles and those for the
tiles that a border cuts. Each walks a *part* of a dimension of the tensor. A dimension can
be *cut* when every launch walks its part plainly and in any order. Where launches write
several tensors, these are cut together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import cast

from xdsl.ir import BlockArgument, SSAValue

from ...dialects.kernel.affine import Counter, Linear, linear
from ...dialects.kernel.nest import ReadOp
from ...dialects.plan import BufferOp, LaunchOp
from ...dialects.types import buffer_bytes, buffer_type
from .analysis import Access, NestInfo


@dataclass(frozen=True)
class Part:
    """`count` places of a dimension, from `start` on, that a launch walks along `dim`."""

    dim: BlockArgument
    start: int
    count: int


@dataclass(frozen=True)
class Cut:
    """A dimension of each of a link's tensors, and what each launch walks of it."""

    places: tuple[int, ...]
    size: int
    writers: tuple[Part, ...]
    readers: tuple[Part, ...]


@dataclass(frozen=True)
class Link:
    """Tensors that `writers` hand to `readers`, and where they may be cut."""

    buffers: tuple[SSAValue, ...]
    writers: tuple[LaunchOp, ...]
    readers: tuple[LaunchOp, ...]
    cuts: tuple[Cut, ...]

    @property
    def bytes(self) -> int:
        return sum(map(buffer_bytes, self.buffers))

    @property
    def launches(self) -> set[LaunchOp]:
        return {*self.writers, *self.readers}


class User:
    """A launch that uses a link's tensor."""

    def __init__(self, launch: LaunchOp, info: NestInfo, link: SSAValue) -> None:
        self.info = info
        names: dict[SSAValue, SSAValue] = dict(
            zip(info.nest.buffers, launch.buffers, strict=True)
        )
        self.uses = [(names[a.op.buffer], a) for a in info.accesses]
        self.accesses = [access for buffer, access in self.uses if buffer is link]
        self.written = {buffer for buffer, a in self.uses if a.is_write}
        self.read = {buffer for buffer, a in self.uses if not a.is_write}
        self.spare = [d for d in info.nest.dims if info.sizes[d] == 1]
        """Dimensions of one point, along which it may stand still."""

    def place(self, access: Access, number: int) -> Linear:
        """Where an access stands in a dimension of its buffer."""
        values = [self.info.index(index) for index in access.op.indices]
        return linear(access.op.map.data.results[number], values)

    def box(self, buffer: SSAValue) -> list[tuple[int, int]]:
        """The smallest and the largest place written, in each dimension."""
        writes = [a for written, a in self.uses if a.is_write and written is buffer]
        box: list[tuple[int, int]] = []
        for number in range(len(buffer_type(buffer).get_shape())):
            ends = [self.place(access, number).interval for access in writes]
            box.append((min(low for low, _ in ends), max(high for _, high in ends)))
        return box

    def part(self, number: int) -> Part | None:
        """
        What it walks of a dimension: by one parallel dimension, which alone is the index
        there and stands nowhere else.
        """
        found: set[tuple[SSAValue | None, int]] = set()
        for access in self.accesses:
            op = access.op
            if isinstance(op, ReadOp) and op.guard is not None:
                return None
            index = self.place(access, number)
            dim = _only_counter(index)
            if index.terms and (dim is None or _elsewhere(access, number, dim)):
                return None
            found.add((dim, index.constant))
        if len(found) != 1:
            return None
        dim, start = found.pop()
        if dim is None:
            return self._standing(start)
        if isinstance(dim, BlockArgument) and dim in self.info.shared:
            return Part(dim, start, self.info.sizes[dim])
        return None

    def _standing(self, start: int) -> Part | None:
        """One place, when all that is written depends on what is read there."""
        info = self.info
        if not self.spare or info.reduces or any(a.is_write for a in self.accesses):
            return None
        known = {value for access in self.accesses for value in access.op.results}
        for op in info.body:
            if known & set(op.operands):
                known |= set(op.results)
        if not all(write.value in known for write in info.writes):
            return None
        return Part(self.spare.pop(), start, 1)


def find_link(
    buffer: SSAValue,
    order: Callable[[LaunchOp], int],
    info: Callable[[LaunchOp], NestInfo],
) -> Link | None:
    """
    The link of a buffer in the arena that one operation writes, and one other reads, and of
    what else that operation writes.
    """
    launches = _launches(buffer, order)
    if len(launches) < 2:
        return None
    if sum(order(b) - order(a) > 1 for a, b in pairwise(launches)) > 1:
        return None  # something runs between: some would have to run later than that
    users = [User(launch, info(launch), buffer) for launch in launches]
    count = sum(buffer in user.written for user in users)
    writers, readers = launches[:count], launches[count:]
    if not all(buffer in user.written for user in users[:count]) or not all(
        _consecutive([order(op) for op in ops]) for ops in (writers, readers)
    ):
        return None
    if not _divided(users[:count]) or not _divided(users[count:]):
        return None
    buffers = (buffer, *_others(users[0], buffer))
    if any(_launches(other, order) != launches for other in buffers):
        return None  # somebody may wait for what else is written
    tensors = [[User(op, info(op), one) for op in launches] for one in buffers]
    if any(user.written & set(buffers) for user in tensors[0][count:]):
        return None
    cuts = _joint_cuts(
        [_cuts(b, u[:count], u[count:]) for b, u in zip(buffers, tensors, strict=True)]
    )
    return Link(buffers, tuple(writers), tuple(readers), cuts) if cuts else None


def _launches(buffer: SSAValue, order: Callable[[LaunchOp], int]) -> list[LaunchOp]:
    """The launches of a buffer in the arena, in order, if nobody else uses it."""
    uses = [use.operation for use in buffer.uses]
    launches = sorted({op for op in uses if isinstance(op, LaunchOp)}, key=order)
    alone = isinstance(buffer.owner, BufferOp) and len(launches) == len(uses)
    return launches if alone else []


def _others(writer: User, buffer: SSAValue) -> list[SSAValue]:
    """What else a launch writes, in a fixed order."""
    return [
        other
        for other in dict.fromkeys(used for used, a in writer.uses if a.is_write)
        if other is not buffer
    ]


def _joint_cuts(cuts: Sequence[Sequence[Cut]]) -> tuple[Cut, ...]:
    """The cuts of the first tensor that all others have as well."""
    first, *others = cuts
    found: list[Cut] = []
    for cut in first:
        same = [
            [c for c in other if (c.writers, c.readers) == (cut.writers, cut.readers)]
            for other in others
        ]
        if all(same):
            places = *cut.places, *(c[0].places[0] for c in same)
            found.append(Cut(places, cut.size, cut.writers, cut.readers))
    return tuple(found)


def _cuts(
    buffer: SSAValue, writers: Sequence[User], readers: Sequence[User]
) -> tuple[Cut, ...]:
    """The dimensions of a tensor that all launches walk plainly and in any order."""
    cuts: list[Cut] = []
    for place, size in enumerate(buffer_type(buffer).get_shape()):
        if size == 1:
            continue
        there, here = _parts(writers, place, size), _parts(readers, place, size)
        if there and here:
            cuts.append(Cut((place,), size, there, here))
    return tuple(cuts)


def _parts(users: Sequence[User], place: int, size: int) -> tuple[Part, ...]:
    """What each walks of a dimension; nothing unless all do, and together all of it."""
    parts: list[Part] = []
    for user in users:
        part = user.part(place)
        if part is None:
            return ()
        parts.append(part)
    ends = sorted({(part.start, part.start + part.count) for part in parts})
    meet = all(a[1] == b[0] for a, b in pairwise(ends))
    return tuple(parts) if meet and (ends[0][0], ends[-1][1]) == (0, size) else ()


def _consecutive(numbers: Sequence[int]) -> bool:
    """Whether nothing runs between: then they may run later, all together."""
    return bool(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1


def _divided(group: Sequence[User]) -> bool:
    """Whether launches write parts of the same tensors, and wait for none of them."""
    for one, other in combinations(group, 2):
        if one.written != other.written or one.written & (one.read | other.read):
            return False
        for buffer in one.written:
            boxes = zip(one.box(buffer), other.box(buffer), strict=True)
            if all(a[0] <= b[1] and b[0] <= a[1] for a, b in boxes):
                return False
    return True


def _only_counter(index: Linear) -> SSAValue | None:
    """The counter that is the index, but for a constant."""
    match index.terms:
        case ((Counter(key), 1),) if isinstance(key, SSAValue):
            return cast("SSAValue", key)
        case _:
            return None


def _elsewhere(access: Access, place: int, dim: SSAValue) -> bool:
    """Whether a dimension moves an access at another place as well."""
    op = access.op
    position = list(op.indices).index(dim)
    return op.indices.count(dim) > 1 or any(
        number != place and position in other.used_dims()
        for number, other in enumerate(op.map.data.results)
    )
