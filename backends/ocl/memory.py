"""How OpenCL C reaches memory: addresses, vectors, single elements, parts of registers."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import Attribute

from ...dialects.kernel.tiles import TileType
from ..expand import Expander
from ..leaves import CACHE_LINE, Place
from .elements import BOOL, literal, memory_name, register_name

LANES = "0123456789abcdef"


class MemoryPrinter(Expander, ABC):
    """Names, addresses, loads and stores."""

    def __init__(self) -> None:
        super().__init__()
        self.index = "int"
        self.pointers: dict[str, str] = {}
        """The types of pointers, by name."""
        self.uniform: dict[str, str] = {}
        """The scalar in all lanes of a register, by the register's text."""
        self.rest, self.rest_size = "item", 1
        """Which of how many work-items runs what is being written; the first one stores."""

    # text

    def fresh(self, hint: str | None) -> str:
        return super().fresh(re.sub(r"\W", "_", hint or self.hint or "v"))

    def value(self, type_: str, text: str, hint: str | None = None) -> str:
        """A new constant of the kernel's text."""
        name = self.fresh(hint)
        self.line(f"const {type_} {name} = {text};")
        return name

    def lane(self, value: str, lane: int, width: int) -> str:
        """One lane of a register."""
        if width == 1:
            return value
        return self.uniform.get(value) or f"{atom(value)}.s{LANES[lane]}"

    # addresses

    def local(self, element: Attribute, size: int, hint: str | None) -> str:
        assert self.rest_size == 1, "work-items of a group need memory that they share"
        type_, name = memory_name(element), self.fresh(hint)
        self.line(f"{type_} {name}[{size}] __attribute__((aligned({CACHE_LINE})));")
        self.pointers[name] = f"{type_}*"
        return name

    def advance(
        self, pointer: str, terms: Sequence[tuple[str, int]], element: Attribute
    ) -> str:
        type_ = self.pointers[pointer]
        name = self.fresh("p")
        self.line(f"{type_} {name} = {pointer} + {summed(terms, 0)};")
        self.pointers[name] = type_
        return name

    def integer(self, terms: Sequence[tuple[str, int]], constant: int) -> str:
        if not terms:
            return str(constant)
        return self.value(self.index, summed(terms, constant), "i")

    def quotient(self, value: str, divisor: int, remainder: bool) -> str:
        symbol = "%" if remainder else "/"
        return self.value(self.index, f"{value} {symbol} {divisor}", "i")

    def shifted(self, place: Place, element: Attribute) -> str:
        return f"{place.pointer}[{place.constant}]"

    def _address(self, place: Place, start: int = 0) -> str:
        constant = place.constant + start
        return f"{place.pointer} + {constant}" if constant else place.pointer

    def _elements(
        self,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        width: int,
    ) -> list[str]:
        """The element behind each lane."""
        if lanes is not None:
            if offset is None:
                return list(lanes)
            moves = [self.lane(offset, lane, width) for lane in range(width)]
            return [
                f"(&{lane})[{move}]" for lane, move in zip(lanes, moves, strict=True)
            ]
        constants = [place.constant + lane * place.stride for lane in range(width)]
        if offset is None:
            return [f"{place.pointer}[{constant}]" for constant in constants]
        return [
            f"{place.pointer}[{self.lane(offset, lane, width)}"
            + (f" + {constant}]" if constant else "]")
            for lane, constant in enumerate(constants)
        ]

    # memory

    def _from_memory(self, text: str, type_: TileType, hint: str | None) -> str:
        element, width = type_.element, type_.width
        if element == BOOL:
            text = (
                f"{text} != 0"
                if width == 1
                else f"convert_int{width}({text} != (uchar{width})(0))"
            )
        return self.value(register_name(element, width), text, hint)

    def _to_memory(self, value: str, element: Attribute, width: int) -> str:
        if element == BOOL and width > 1:
            return self.value(f"uchar{width}", f"convert_uchar{width}({value} & 1)")
        return value

    def pick(self, value: str, lanes: Sequence[int], type_: TileType) -> str:
        name = register_name(type_.element, len(lanes))
        parts = [f"{value}.s{lane:x}" for lane in lanes]
        return self.value(name, f"({name})({', '.join(parts)})")

    def interleave(self, a: str, b: str, type_: TileType, last: bool) -> str:
        name, half = register_name(type_.element, type_.width), "hi" if last else "lo"
        return self.value(name, self._zipped(f"{a}.{half}", f"{b}.{half}", type_))

    def _zipped(self, a: str, b: str, type_: TileType) -> str:
        """The elements of two halves in turn."""
        parts = [f"({h}).s{i:x}" for i in range(type_.width // 2) for h in (a, b)]
        if type_.width == 2:
            parts = [a, b]
        name = register_name(type_.element, type_.width)
        return f"({name})({', '.join(parts)})"

    def prefetch(self, place: Place, element: Attribute) -> None:
        self.line(f"prefetch({self._address(place)}, 1);")

    def load(self, place: Place, type_: TileType, hint: str | None) -> str:
        width = type_.width
        if width > 1 and place.stride == 0:
            scalar = TileType.of(type_.dims, type_.element)
            return self.splat(self.load(place, scalar, hint), type_.element, width)
        if width == 1:
            text = f"{place.pointer}[{place.constant}]"
        elif place.stride == 1:
            text = f"vload{width}(0, {self._address(place)})"
        else:
            text = self._vector(self._elements(place, None, None, width), type_)
        return self._from_memory(text, type_, hint)

    def _vector(self, parts: Sequence[str], type_: TileType) -> str:
        return f"({memory_name(type_.element, type_.width)})({', '.join(parts)})"

    def load_where(
        self, place: Place, type_: TileType, mask: str | int, fill: Attribute | None
    ) -> str:
        width = type_.width
        whole = isinstance(mask, str) and mask in self.uniform
        if width == 1 or place.stride != 1 or not (whole or isinstance(mask, int)):
            return self.gather(place, None, None, type_, mask, fill)
        if isinstance(mask, int):
            parts = [
                f"vload{size}(0, {self._address(place, start)})"
                if size > 1
                else f"{place.pointer}[{place.constant + start}]"
                for start, size in _powers(mask)
            ]
            parts += [self._fill(fill)] * (width - mask)
            return self._from_memory(self._vector(parts, type_), type_, None)
        fills = self._vector([self._fill(fill)], type_)
        text = f"({self.uniform[mask]} ? vload{width}(0, {self._address(place)}) : {fills})"
        return self._from_memory(text, type_, None)

    def _fill(self, fill: Attribute | None) -> str:
        """What a lane that is left out would have read."""
        assert fill is not None
        return literal(cast("FloatAttr | IntegerAttr", fill))

    def gather(
        self,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
        fill: Attribute | None,
    ) -> str:
        width = type_.width
        parts = self._elements(place, offset, lanes, width)
        if isinstance(mask, int):
            left_out = self._fill(fill)
            parts = [*parts[:mask], *[left_out] * (width - mask)]
        elif mask is not None:
            other = self._fill(fill)
            parts = [
                f"{self.lane(mask, lane, width)} ? {part} : {other}"
                for lane, part in enumerate(parts)
            ]
        text = self._vector(parts, type_) if width > 1 else f"({parts[0]})"
        return self._from_memory(text, type_, None)

    def store(self, value: str, place: Place, type_: TileType) -> None:
        if type_.width > 1 and place.stride != 1:
            self.scatter(value, place, None, None, type_, None)
        else:
            self.store_where(value, place, type_, type_.width)

    def store_where(
        self, value: str, place: Place, type_: TileType, mask: str | int
    ) -> None:
        width = type_.width
        whole = isinstance(mask, str) and mask in self.uniform
        if place.stride != 1 or not (whole or isinstance(mask, int)):
            self.scatter(value, place, None, None, type_, mask)
            return
        stored = self._to_memory(value, type_.element, width)
        if isinstance(mask, str):
            write = f"vstore{width}({stored}, 0, {self._address(place)});"
            self._write(f"if ({self.uniform[mask]}) {write}")
            return
        for start, size in _powers(mask):
            if size == 1:
                part = self.lane(stored, start, width)
                self._write(f"{place.pointer}[{place.constant + start}] = {part};")
                continue
            lanes = "" if size == width else f".s{LANES[start : start + size]}"
            part = f"{atom(stored)}{lanes}" if lanes else stored
            self._write(f"vstore{size}({part}, 0, {self._address(place, start)});")

    def _write(self, statement: str) -> None:
        """A statement that stores, for one of the items that are here."""
        alone = f"if ({self.rest} == 0) " if self.rest_size > 1 else ""
        self.line(alone + statement)

    def scatter(
        self,
        value: str,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
    ) -> None:
        width = type_.width
        stored = self._to_memory(value, type_.element, width)
        count = mask if isinstance(mask, int) else width
        elements = self._elements(place, offset, lanes, width)[:count]
        for lane, element in enumerate(elements):
            keep = ""
            if isinstance(mask, str):
                keep = f"if ({self.lane(mask, lane, width)}) "
            self._write(f"{keep}{element} = {self.lane(stored, lane, width)};")


def atom(value: str) -> str:
    """`value` in brackets unless it is a name."""
    return value if value.isidentifier() else f"({value})"


def _powers(count: int) -> list[tuple[int, int]]:
    """`count` lanes as (start, size) of vectors, the largest first."""
    parts: list[tuple[int, int]] = []
    start = 0
    for size in (16, 8, 4, 2, 1):
        if count - start >= size:
            parts.append((start, size))
            start += size
    return parts


def summed(terms: Sequence[tuple[str, int]], constant: int) -> str:
    """A sum of multiples of integers."""
    parts = [name if factor == 1 else f"{name} * {factor}" for name, factor in terms]
    text = " + ".join(parts)
    if not constant:
        return text
    return f"{text} {'+' if constant > 0 else '-'} {abs(constant)}"
