"""How LLVM IR reaches memory: addresses, vectors, single elements, parts of registers."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerAttr, IntegerType
from xdsl.ir import Attribute

from ...dialects.kernel.tiles import TileType
from ..expand import Expander
from ..leaves import CACHE_LINE, Place
from .spelling import element_name, memory_name, spelled


class MemoryPrinter(Expander, ABC):
    """Names, addresses, loads and stores."""

    def __init__(self) -> None:
        super().__init__()
        self.declared: set[str] = set()
        """Declarations of the functions that the text calls."""
        self.current = "entry"
        """The label that the text stands after."""

    # text

    def value(self, text: str, hint: str | None = None) -> str:
        name = "%" + self.fresh(hint)
        self.line(f"  {name} = {text}")
        return name

    def call(
        self, function: str, result: str, operands: Sequence[tuple[str, str]]
    ) -> str:
        types = ", ".join(t for t, _ in operands)
        self.declared.add(f"declare {result} @{function}({types})")
        return self.value(
            f"call {result} @{function}({', '.join(f'{t} {v}' for t, v in operands)})"
        )

    def label(self, name: str) -> None:
        self.line(f"{name}:")
        self.current = name

    # addresses

    def local(self, element: Attribute, size: int, hint: str | None) -> str:
        type_ = f"[{size} x {memory_name(element)}]"
        return self.value(f"alloca {type_}, align {CACHE_LINE}", hint)

    def advance(
        self, pointer: str, terms: Sequence[tuple[str, int]], element: Attribute
    ) -> str:
        offset = self.integer(terms, 0)
        name = memory_name(element)
        return self.value(f"getelementptr {name}, ptr {pointer}, i64 {offset}", "p")

    def integer(self, terms: Sequence[tuple[str, int]], constant: int) -> str:
        total: str | None = None
        for name, coefficient in terms:
            plain = name.startswith("%") or name.lstrip("-").isdigit()
            term = name if plain else f"%{name}"
            if coefficient != 1:
                term = self.value(f"mul nsw i64 {term}, {coefficient}")
            total = (
                term if total is None else self.value(f"add nsw i64 {total}, {term}")
            )
        if total is None:
            return str(constant)
        return self.value(f"add nsw i64 {total}, {constant}") if constant else total

    def quotient(self, value: str, divisor: int, remainder: bool) -> str:
        return self.value(f"{'urem' if remainder else 'udiv'} i64 {value}, {divisor}")

    def shifted(self, place: Place, element: Attribute) -> str:
        if not place.constant:
            return place.pointer
        name = memory_name(element)
        return self.value(
            f"getelementptr {name}, ptr {place.pointer}, i64 {place.constant}", "p"
        )

    def prefetch(self, place: Place, element: Attribute) -> None:
        pointer = self.shifted(place, element)
        self.declared.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        # for reading, into the second cache, data
        self.line(f"  call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 2, i32 1)")

    # loads

    def load(self, place: Place, type_: TileType, hint: str | None) -> str:
        element, width = type_.element, type_.width
        if width > 1 and place.stride == 0:
            scalar = TileType.of(type_.dims, element)
            return self.splat(self.load(place, scalar, hint), element, width)
        if width > 1 and place.stride != 1:
            return self.gather(
                place, None, self._spread(place, type_), type_, None, None
            )
        name, pointer = memory_name(element), self.shifted(place, element)
        loaded = self.value(
            f"load {spelled(name, width)}, ptr {pointer}, align {self._align(element)}",
            hint,
        )
        return self._from_memory(loaded, element, width)

    def _spread(
        self, place: Place, type_: TileType, count: int | None = None
    ) -> list[str]:
        """Pointers to the lanes of a strided register."""
        return [
            self.shifted(
                Place(
                    place.pointer, place.constant + lane * place.stride, 0, place.base
                ),
                type_.element,
            )
            for lane in range(type_.width if count is None else count)
        ]

    def _mask(self, mask: str | int, width: int) -> str:
        if isinstance(mask, str):
            return mask
        return "<" + ", ".join(f"i1 {int(n < mask)}" for n in range(width)) + ">"

    def load_where(
        self, place: Place, type_: TileType, mask: str | int, fill: Attribute | None
    ) -> str:
        element, width = type_.element, type_.width
        if width == 1 or place.stride != 1:
            lanes = [self.shifted(place, element)] if width == 1 else None
            spread = lanes or self._spread(place, type_)
            return self.gather(place, None, spread, type_, mask, fill)
        name = memory_name(element)
        type_text, overload = spelled(name, width), f"v{width}{self._short(name)}"
        assert fill is not None
        other = self._memory_constant(fill, element, width)
        self.declared.add(
            f"declare {type_text} @llvm.masked.load.{overload}.p0"
            f"(ptr, <{width} x i1>, {type_text})"
        )
        pointer = self.shifted(place, element)
        loaded = self.value(
            f"call {type_text} @llvm.masked.load.{overload}.p0(ptr align "
            f"{self._align(element)} {pointer}, <{width} x i1> {self._mask(mask, width)}, "
            f"{type_text} {other})"
        )
        return self._from_memory(loaded, element, width)

    def gather(
        self,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
        fill: Attribute | None,
    ) -> str:
        element, width = type_.element, type_.width
        values: list[str] = []
        for lane in range(width):
            if isinstance(mask, int) and lane >= mask:
                assert fill is not None
                values.append(self.constant(fill, 1))
                continue
            pointer = self._lane_pointer(place, offset, lanes, lane, type_)
            keep = self._lane(mask, lane, width) if isinstance(mask, str) else None
            if keep is not None:
                pointer = self.value(
                    f"select i1 {keep}, ptr {pointer}, ptr {place.base}"
                )
            loaded = self.value(
                f"load {memory_name(element)}, ptr {pointer}, align {self._align(element)}"
            )
            loaded = self._from_memory(loaded, element, 1)
            if keep is not None:
                assert fill is not None
                name, other = element_name(element), self.constant(fill, 1)
                loaded = self.value(
                    f"select i1 {keep}, {name} {loaded}, {name} {other}"
                )
            values.append(loaded)
        return values[0] if width == 1 else self.from_lanes(values, element)

    def _lane(self, vector: str, lane: int, width: int) -> str:
        if width == 1:
            return vector
        return self.value(f"extractelement <{width} x i1> {vector}, i64 {lane}")

    def _lane_pointer(
        self,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        lane: int,
        type_: TileType,
    ) -> str:
        if offset is None:
            assert lanes is not None
            return lanes[lane]
        width, element = type_.width, type_.element
        if width > 1:
            offset = self.value(f"extractelement <{width} x i64> {offset}, i64 {lane}")
        if lanes is not None:
            return self.advance(lanes[lane], [(offset, 1)], element)
        moved = self.advance(place.pointer, [(offset, 1)], element)
        constant = place.constant + lane * place.stride
        return self.shifted(Place(moved, constant, 0, place.base), element)

    # stores

    def store(self, value: str, place: Place, type_: TileType) -> None:
        element, width = type_.element, type_.width
        if width > 1 and place.stride != 1:
            spread = self._spread(place, type_)
            self.scatter(value, place, None, spread, type_, None)
            return
        stored = self._to_memory(value, element, width)
        name, pointer = memory_name(element), self.shifted(place, element)
        self.line(
            f"  store {spelled(name, width)} {stored}, ptr {pointer}, "
            f"align {self._align(element)}"
        )

    def store_where(
        self, value: str, place: Place, type_: TileType, mask: str | int
    ) -> None:
        element, width = type_.element, type_.width
        if width == 1 or place.stride != 1:
            count = mask if isinstance(mask, int) else None
            spread = self._spread(place, type_, count)
            self.scatter(value, place, None, spread, type_, mask)
            return
        name = memory_name(element)
        type_text, overload = spelled(name, width), f"v{width}{self._short(name)}"
        self.declared.add(
            f"declare void @llvm.masked.store.{overload}.p0"
            f"({type_text}, ptr, <{width} x i1>)"
        )
        stored, pointer = (
            self._to_memory(value, element, width),
            self.shifted(place, element),
        )
        self.line(
            f"  call void @llvm.masked.store.{overload}.p0({type_text} {stored}, ptr align "
            f"{self._align(element)} {pointer}, <{width} x i1> {self._mask(mask, width)})"
        )

    def scatter(
        self,
        value: str,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
    ) -> None:
        element, width = type_.element, type_.width
        stored, name = self._to_memory(value, element, width), memory_name(element)
        for lane in range(width):
            if isinstance(mask, int) and lane >= mask:
                return
            part = stored
            if width > 1:
                vector = spelled(name, width)
                part = self.value(f"extractelement {vector} {stored}, i64 {lane}")
            pointer = self._lane_pointer(place, offset, lanes, lane, type_)
            keep = self._lane(mask, lane, width) if isinstance(mask, str) else None
            self._store_one(part, pointer, name, self._align(element), keep)

    def _store_one(
        self, value: str, pointer: str, name: str, align: int, keep: str | None
    ) -> None:
        write = f"  store {name} {value}, ptr {pointer}, align {align}"
        if keep is None:
            self.line(write)
            return
        inside, after = self.fresh("store"), self.fresh("stored")
        self.line(f"  br i1 {keep}, label %{inside}, label %{after}")
        self.label(inside)
        self.line(write)
        self.line(f"  br label %{after}")
        self.label(after)

    # elements

    def _from_memory(self, value: str, element: Attribute, width: int) -> str:
        if element != IntegerType(1):
            return value
        zero = "zeroinitializer" if width > 1 else "0"
        return self.value(f"icmp ne {spelled('i8', width)} {value}, {zero}")

    def _to_memory(self, value: str, element: Attribute, width: int) -> str:
        if element != IntegerType(1):
            return value
        narrow, wide = spelled("i1", width), spelled("i8", width)
        return self.value(f"zext {narrow} {value} to {wide}")

    def _align(self, element: Attribute) -> int:
        return {"half": 2, "bfloat": 2, "float": 4, "double": 8}.get(
            memory_name(element),
            int(memory_name(element)[1:] or 8) // 8
            if memory_name(element).startswith("i")
            else 1,
        )

    def _short(self, name: str) -> str:
        return {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64"}.get(
            name, name
        )

    def _memory_constant(self, value: Attribute, element: Attribute, width: int) -> str:
        if element == IntegerType(1):
            assert isinstance(value, IntegerAttr)
            byte = IntegerAttr(int(bool(value.value.data)), IntegerType(8))
            return self.constant(byte, width)
        return self.constant(value, width)
