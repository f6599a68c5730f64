"""
What a printer spells: registers, addresses and loops, one at a time.

`Leaves` is the list of them; `expand.py` walks a kernel and asks for each in its order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeAlias

from xdsl.ir import Attribute, Operation, SSAValue

from ..dialects.kernel.affine import Linear
from ..dialects.kernel.loops import YieldOp
from ..dialects.kernel.tiles import ApplyOp, TileType

Index: TypeAlias = tuple[int, ...]
Lines: TypeAlias = "list[str | Lines]"

CACHE_LINE = 64
"""Bytes."""


@dataclass
class Tile:
    """The registers of a tile value, made when they are first asked for."""

    type: TileType
    make: Callable[[Index], str] | None = None
    cells: dict[Index, str] = field(default_factory=dict[Index, str])
    wide: dict[tuple[Index, int], str] = field(
        default_factory=dict[tuple[Index, int], str]
    )
    last_use: bool = False
    """Whether a loop that carries it on is all that still reads it."""
    again: Callable[[Index, int, int], str] | None = None
    """
    `again(index, number, width)` loads an element once more, for all lanes, and `number`
    tells these loads apart; None when it must not, or what is in memory is no element.
    """

    @property
    def indices(self) -> Iterator[Index]:
        return product(*map(range, self.type.dims))

    def __getitem__(self, index: Index) -> str:
        if index not in self.cells:
            assert self.make is not None
            self.cells[index] = self.make(index)
        return self.cells[index]

    def force(self) -> Tile:
        for index in self.indices:
            self[index]
        return self


@dataclass
class Scope:
    """The body of a loop: its counters, and lines that are computed once at its start."""

    counters: set[SSAValue]
    head: Lines
    memo: dict[Any, str] = field(default_factory=dict[Any, str])


@dataclass(frozen=True)
class Place:
    """
    A register's place: a pointer, a constant offset, the distance between lanes.

    `base` is the start of the buffer: a place that may always be read.
    """

    pointer: str
    constant: int
    stride: int
    base: str


@dataclass(frozen=True)
class Access:
    """A load or store, read once: an operation takes long to say its parts."""

    buffer: SSAValue
    element: Attribute
    type: TileType
    flat: Linear
    """The element offset, in loop counters, tile dimensions and the lane."""
    offset: SSAValue | None
    mask: SSAValue | None
    part: tuple[int, int] | None
    fill: Attribute | None = None
    hint: str | None = None
    ahead: int = 0
    across: int | None = None

    @property
    def width(self) -> int:
        return self.type.width

    def lanes_inside(self, index: Index) -> int:
        """How many lanes of this register exist."""
        if self.part is None:
            return self.width
        dim, count = self.part
        before = index[dim] * self.width if dim >= 0 else 0
        return min(max(count - before, 0), self.width)


def flat_lines(lines: Lines) -> Iterator[str]:
    """The text of nested lines, in order."""
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield from flat_lines(line)


@dataclass(frozen=True)
class Body:
    """The scalar body of an apply: operations, with the places of their operands."""

    steps: list[tuple[Operation, list[int]]]
    result: int

    @staticmethod
    def of(op: ApplyOp) -> Body:
        """Values are numbered: the arguments, then the results, in order."""
        block = op.body.block
        places: dict[SSAValue, int] = {v: i for i, v in enumerate(block.args)}
        steps: list[tuple[Operation, list[int]]] = []
        for inner in block.ops:
            operands = [places[v] for v in inner.operands]
            if isinstance(inner, YieldOp):
                return Body(steps, operands[0])
            places[inner.results[0]] = len(places)
            steps.append((inner, operands))
        raise AssertionError("an apply ends with a yield")


class Leaves(ABC):
    """What differs between languages, and the text written so far."""

    def __init__(self) -> None:
        self.values: dict[SSAValue, Tile] = {}
        self.names: dict[SSAValue, str] = {}
        self.scopes: list[Scope] = []
        self.count = 0
        self.lines: Lines = []
        self.out = self.lines
        self.hint: str | None = None
        self.last_use = False
        self.reloads = 0
        """
        Lanes of the registers whose products take an element from memory for nothing,
        where a register that holds it in all lanes costs an instruction.
        """

    # text

    def fresh(self, hint: str | None) -> str:
        """A new name; without a hint, after the tile that is being written."""
        self.count += 1
        return f"{hint or self.hint or 'v'}_{self.count}"

    def line(self, text: str) -> None:
        self.out.append(text)

    # leaves: structure and addresses

    @abstractmethod
    def counted(
        self,
        counter: str,
        extent: int,
        mapping: str,
        carried: list[Tile],
        body: Callable[[list[Tile], Lines], list[Tile]],
    ) -> list[Tile]:
        """A loop around `body(carried, head)`, which returns the next carried tiles."""

    @abstractmethod
    def grid(
        self,
        counters: Sequence[tuple[str, int]],
        base: int,
        body: Callable[[Lines], None],
    ) -> None:
        """The flat grid points from `base` on, as counters, around `body(head)`."""

    @abstractmethod
    def local(self, element: Attribute, size: int, hint: str | None) -> str:
        """Memory of the running thread: `size` elements, aligned to a cache line."""

    @abstractmethod
    def advance(
        self, pointer: str, terms: Sequence[tuple[str, int]], element: Attribute
    ) -> str:
        """`pointer` moved by a sum of multiples of integers, in elements."""

    @abstractmethod
    def integer(self, terms: Sequence[tuple[str, int]], constant: int) -> str:
        """A sum of multiples of integers."""

    @abstractmethod
    def quotient(self, value: str, divisor: int, remainder: bool) -> str:
        """A non-negative integer divided by a constant."""

    # leaves: registers

    @abstractmethod
    def load(self, place: Place, type_: TileType, hint: str | None) -> str:
        """A register from lanes `stride` apart (0: one element for all lanes)."""

    @abstractmethod
    def load_where(
        self, place: Place, type_: TileType, mask: str | int, fill: Attribute | None
    ) -> str:
        """Like `load`; `fill` in lanes that `mask` (or the first so many) leaves out."""

    @abstractmethod
    def gather(
        self,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
        fill: Attribute | None,
    ) -> str:
        """A register from single places: `lanes` or `place`, moved by `offset`'s lanes."""

    @abstractmethod
    def store(self, value: str, place: Place, type_: TileType) -> None:
        """A register to lanes `stride` apart."""

    @abstractmethod
    def store_where(
        self, value: str, place: Place, type_: TileType, mask: str | int
    ) -> None:
        """Like `store`, for the lanes of `mask` (or the first so many)."""

    @abstractmethod
    def scatter(
        self,
        value: str,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
    ) -> None:
        """A register to single places, as in `gather`."""

    def alias(self, pointer: str) -> str:
        """The same pointer, which the compiler behind this text takes for another."""
        return pointer

    def ordered(self, value: str, element: Attribute, width: int) -> str:
        """`value`, with which nothing is done before what stands before this place."""
        return value

    @abstractmethod
    def constant(self, value: Attribute, width: int) -> str:
        """A number in all lanes."""

    @abstractmethod
    def positions(
        self, base: str | None, constant: int, stride: int, width: int
    ) -> str:
        """`base + constant + stride * lane` as 64-bit integers."""

    @abstractmethod
    def splat(self, value: str, element: Attribute, width: int) -> str:
        """A scalar in all lanes."""

    @abstractmethod
    def from_lanes(self, values: Sequence[str], element: Attribute) -> str:
        """A register from scalars."""

    @abstractmethod
    def fma(self, a: str, b: str, c: str, element: Attribute, width: int) -> str:
        """`a * b + c`; of integers, product and sum."""

    @abstractmethod
    def scalar(self, op: Operation, operands: Sequence[str], width: int) -> str:
        """One operation of a scalar body on registers."""

    @abstractmethod
    def combine(self, kind: str, a: str, b: str, element: Attribute, width: int) -> str:
        """`a kind b`, one of the reductions."""

    @abstractmethod
    def halves(self, value: str, element: Attribute, width: int) -> tuple[str, str]:
        """The lower and the upper half of a register."""

    @abstractmethod
    def interleave(self, a: str, b: str, type_: TileType, last: bool) -> str:
        """The first or last halves of two registers, an element of each in turn."""

    @abstractmethod
    def pick(self, value: str, lanes: Sequence[int], type_: TileType) -> str:
        """A register of the lanes listed of `value`, which has the width of `type_`."""

    @abstractmethod
    def prefetch(self, place: Place, element: Attribute) -> None:
        """Ask for the cache line of an element."""

    @abstractmethod
    def shifted(self, place: Place, element: Attribute) -> str:
        """The pointer of a place with its constant offset added."""
