"""
`#nn.layout`: how a tensor lies in memory, as the encoding of its type.

```mlir
tensor<1x64x56x56xf32, #nn.layout<[0, 1, 2, 3, 1 by 16], halo [0, 0, 1, 1] [0, 0, 1, 1]>>
```

The list names the physical dimensions from outermost to innermost: `1 by 16` holds
`d1 mod 16`, and `1` then holds `d1 floordiv 16`. Several blockings of one dimension nest,
the largest first. A halo is room around the tensor for zeros (before, after), so that a
padded convolution reads without asking where it is. No encoding means row-major.

`part [0, 64, 0, 0] [0, 32, 0, 0]` says that the tensor is a part of a larger one: so many
elements of its buffer lie before and after it along each dimension. A concatenation is
done when its operands are parts of its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, IntAttr, NoneAttr, TensorType
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from .types import Array


class Divisible(Protocol):
    """An index of either kind: an affine expression, or data of a loop body."""

    def __add__(self, other: int, /) -> Self: ...
    def __mod__(self, other: int, /) -> Self: ...
    def __floordiv__(self, other: int, /) -> Self: ...


Part = TypeVar("Part", bound=Divisible)


@irdl_attr_definition
class LayoutAttr(ParametrizedAttribute):
    """The physical dimensions of a tensor, as (dimension, block) pairs, and its halo."""

    name = "nn.layout"
    dims: ArrayAttr[IntAttr] = param_def()
    blocks: ArrayAttr[IntAttr] = param_def()
    before: ArrayAttr[IntAttr] = param_def()
    after: ArrayAttr[IntAttr] = param_def()
    part_before: ArrayAttr[IntAttr] = param_def()
    part_after: ArrayAttr[IntAttr] = param_def()

    @staticmethod
    def of(
        order: Sequence[tuple[int, int]],
        halo: Sequence[tuple[int, int]] | None = None,
        part: Sequence[tuple[int, int]] | None = None,
    ) -> LayoutAttr:
        """From (dimension, block) pairs; a block of 1 is what the other blocks leave."""
        rank = len({d for d, _ in order})
        halo, part = halo or [(0, 0)] * rank, part or [(0, 0)] * rank
        return LayoutAttr(
            _ints([d for d, _ in order]),
            _ints([b for _, b in order]),
            _ints([b for b, _ in halo]),
            _ints([a for _, a in halo]),
            _ints([b for b, _ in part]),
            _ints([a for _, a in part]),
        )

    def with_halo(self, halo: Sequence[tuple[int, int]]) -> LayoutAttr:
        """The same with another halo."""
        return LayoutAttr.of(self.order, halo, self.part)

    def with_part(self, part: Sequence[tuple[int, int]]) -> LayoutAttr:
        """The same as a part of something larger."""
        return LayoutAttr.of(self.order, self.halo, part)

    @staticmethod
    def row_major(
        rank: int, halo: Sequence[tuple[int, int]] | None = None
    ) -> LayoutAttr:
        return LayoutAttr.of([(d, 1) for d in range(rank)], halo)

    @property
    def order(self) -> list[tuple[int, int]]:
        """(dimension, block) of each physical dimension."""
        return [
            (d.data, b.data)
            for d, b in zip(self.dims.data, self.blocks.data, strict=True)
        ]

    @property
    def halo(self) -> list[tuple[int, int]]:
        """(before, after) of each logical dimension."""
        return [
            (b.data, a.data)
            for b, a in zip(self.before.data, self.after.data, strict=True)
        ]

    @property
    def part(self) -> list[tuple[int, int]]:
        """(before, after): what of the buffer belongs to others, along each dimension."""
        return [
            (b.data, a.data)
            for b, a in zip(self.part_before.data, self.part_after.data, strict=True)
        ]

    @property
    def room(self) -> list[tuple[int, int]]:
        """(before, after): all that lies around the tensor in its buffer."""
        return [
            (h[0] + p[0], h[1] + p[1])
            for h, p in zip(self.halo, self.part, strict=True)
        ]

    @property
    def is_part(self) -> bool:
        return any(b or a for b, a in self.part)

    @property
    def is_plain(self) -> bool:
        """Whether this is row-major with nothing around."""
        rank = len(self.before.data)
        rows = self.order == [(d, 1) for d in range(rank)]
        return rows and not self.has_halo and not self.is_part

    @property
    def has_halo(self) -> bool:
        return any(b or a for b, a in self.halo)

    def _divisors(self) -> list[tuple[int, int, int]]:
        """(dimension, divisor, modulus or 0) of each physical dimension."""
        blocks: dict[int, list[int]] = {}
        for dim, block in self.order:
            if block > 1:
                blocks.setdefault(dim, []).append(block)
        result: list[tuple[int, int, int]] = []
        for dim, block in self.order:
            if block == 1:
                result.append((dim, _product(blocks.get(dim, [])), 0))
            else:
                own = blocks[dim]
                inner = _product(own[own.index(block) + 1 :])
                result.append((dim, inner, block * inner))
        return result

    def place(self, indices: Sequence[Part]) -> list[Part]:
        """Physical indices of a logical place."""
        result: list[Part] = []
        room = self.room
        for dim, divisor, modulus in self._divisors():
            index = indices[dim] + room[dim][0]
            if modulus:
                index = index % modulus
            result.append(index // divisor)
        return result

    def physical_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The extents of the physical dimensions of a tensor of `shape`."""
        sizes: list[int] = []
        room = self.room
        for dim, divisor, modulus in self._divisors():
            before, after = room[dim]
            whole = shape[dim] + before + after
            sizes.append(modulus // divisor if modulus else -(-whole // divisor))
        return tuple(sizes)

    def pack(self, array: Array) -> Array:
        """`array` as it lies in memory; the room that it does not fill is zero."""
        blocks = {
            d: [b for e, b in self.order if e == d and b > 1] for d, _ in self.order
        }
        room: list[tuple[int, int]] = []
        split: list[int] = []
        axis: dict[tuple[int, int], int] = {}
        for dim, size in enumerate(array.shape):
            before, after = self.room[dim]
            block = _product(blocks[dim])
            whole = -(-(before + size + after) // block) * block
            room.append((before, whole - before - size))
            for part in (1, *blocks[dim]):
                axis[dim, part] = len(split)
                split.append(whole // block if part == 1 else part)
        padded = np.pad(array, room) if any(map(any, room)) else array
        order = [axis[entry] for entry in self.order]
        return np.ascontiguousarray(padded.reshape(split).transpose(order))

    def print_parameters(self, printer: Printer) -> None:
        items = [str(d) if b == 1 else f"{d} by {b}" for d, b in self.order]
        text = f"[{', '.join(items)}]"
        if self.has_halo:
            before, after = ([h[i] for h in self.halo] for i in (0, 1))
            text += f", halo {before} {after}"
        if self.is_part:
            before, after = ([h[i] for h in self.part] for i in (0, 1))
            text += f", part {before} {after}"
        printer.print_string(f"<{text}>")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        def item() -> tuple[int, int]:
            dim = parser.parse_integer()
            return dim, parser.parse_integer() if parser.parse_optional_keyword(
                "by"
            ) else 1

        def ints() -> list[int]:
            return parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, parser.parse_integer
            )

        with parser.in_angle_brackets():
            order = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, item)
            around: dict[str, list[tuple[int, int]]] = {}
            while parser.parse_optional_punctuation(","):
                word = parser.parse_identifier()
                around[word] = list(zip(ints(), ints(), strict=True))
        layout = cls.of(order, around.get("halo"), around.get("part"))
        return list(layout.parameters)


def layout_of(type_: Attribute) -> LayoutAttr:
    """The layout of a tensor type; row-major when it has none."""
    assert isinstance(type_, TensorType)
    encoding = type_.encoding  # pyright: ignore[reportUnknownMemberType]
    if isinstance(encoding, LayoutAttr):
        return encoding
    return LayoutAttr.row_major(type_.get_num_dims())


def with_layout(
    type_: TensorType[Attribute], layout: LayoutAttr | None
) -> TensorType[Attribute]:
    """The same tensor in another layout."""
    encoding = NoneAttr() if layout is None or layout.is_plain else layout
    return TensorType(type_.element_type, type_.get_shape(), encoding)


def _ints(values: Sequence[int]) -> ArrayAttr[IntAttr]:
    return ArrayAttr([IntAttr(v) for v in values])


def _product(values: Sequence[int]) -> int:
    total = 1
    for value in values:
        total *= value
    return total
