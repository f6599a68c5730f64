"""Running sums along one dimension, as nests of loops over blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.ir import Attribute

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops, Nest, Tensor

DIRECT = 64
"""Elements whose running sums are cheapest one by one."""

BLOCK = 16
"""Elements of a block of a longer line."""


@dataclass(frozen=True)
class Line:
    """The elements along one dimension, from the first to the last or back."""

    axis: int
    count: int
    others: tuple[int, ...]
    """The sizes of the other dimensions."""
    reverse: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a tensor with such lines."""
        return (*self.others[: self.axis], self.count, *self.others[self.axis :])

    def at(self, others: Sequence[Index], place: Index) -> list[Index]:
        """The indices of an element, `others` being those of the other dimensions."""
        found = self.count - 1 - place if self.reverse else place
        return [*others[: self.axis], found, *others[self.axis :]]

    def of(self, count: int) -> Line:
        """A line of other elements, in order."""
        return Line(self.axis, count, self.others)


def running_sums(
    k: Loops, x: Tensor, output: Tensor, line: Line, sums: Attribute, inclusive: bool
) -> None:
    """
    `output[i] = sum(x[j], j < i)`, or `j <= i` if `inclusive`, along a line of `output`.

    A long line is cut into blocks: what stands before a block is the running sum of the
    sums of blocks, and only inside a block elements are added one by one. So `n` elements
    take about `BLOCK n` additions, not `n**2`. `x` may lack the last element, unless
    `inclusive`.

    Args:
        sums: the element type of sums of blocks.
    """
    if line.count <= DIRECT:
        Blocks(x, output, line, line.count, None).add_up(k, 0, 1, line.count, inclusive)
        return
    outer = line.of(-(-line.count // BLOCK))
    before = k.temp(outer.shape, sums)
    full = line.of(outer.count - 1)
    totals = k.temp(full.shape, sums)
    blocks = Blocks(x, output, line, BLOCK, before)
    blocks.total(k, totals, full)
    running_sums(k, totals, before, outer, sums, inclusive=False)
    count, rest = divmod(line.count, BLOCK)
    blocks.add_up(k, 0, count, BLOCK, inclusive)
    if rest:
        blocks.add_up(k, count, 1, rest, inclusive)


@dataclass(frozen=True)
class Blocks:
    """A line of `x` in blocks of `size` elements; `before` is what precedes each."""

    x: Tensor
    output: Tensor
    line: Line
    size: int
    before: Tensor | None

    def total(self, k: Loops, totals: Tensor, line: Line) -> None:
        """The sums of the first blocks, which are full."""
        n = self._nest(k, {"block": line.count, "other": self.size})
        *others, block, other = n.indices
        value = n.read(self.x, self.line.at(others, block * self.size + other))
        n.write(n.sum(value, over=["other"]), totals, line.at(others, block))

    def add_up(
        self, k: Loops, first: int, count: int, size: int, inclusive: bool
    ) -> None:
        """The outputs of `count` blocks, of their first `size` elements."""
        added = size if inclusive else max(1, size - 1)
        n = self._nest(k, {"block": count, "own": size, "other": added})
        *others, block, own, other = n.indices
        start = (block + first) * self.size
        counted = n.index(own - other) >= (0 if inclusive else 1)
        value = n.read(self.x, self.line.at(others, start + other), fill=0)
        total = n.sum(n.where(counted, value, 0), over=["other"])
        if self.before is not None:
            place = self.line.of(0).at(others, block + first)
            total = n.read(self.before, place) + total
        n.write(total, self.output, self.line.at(others, start + own))

    def _nest(self, k: Loops, inner: dict[str, int]) -> Nest:
        return k.nest({**{f"d{d}": n for d, n in enumerate(self.line.others)}, **inner})
