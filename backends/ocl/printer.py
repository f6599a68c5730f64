"""
Print kernels as OpenCL C: one short method a leaf.

```c
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void matmul(__global char* b0, ulong o0, __global char* b1, ulong o1, …) {
    const __global float* restrict a_1 = (const __global float*)(b0 + o0);
    …
    const int point = get_group_id(0);
    const int m_4 = point;
    float16 acc_5 = (float16)(0.0f);
    for (int k_6 = 0; k_6 < 64; ++k_6) {
        …
        acc_5 = fma((float16)(a_9), b_10, acc_5);
    }
    vstore16(acc_5, 0, y_3 + …);
}
```

A work-group runs one point of the flattened grid. The work-items of a group run the item
loops, the innermost of them fastest; what stands outside of those loops all of them
compute, and the first one stores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, MemRefType
from xdsl.ir import Attribute, Block, Operation

from ...dialects.kernel.tiles import FuncOp, StoreOp, TileType, work_items
from ..expand import Expander, Lines, Place, Tile, flat_lines
from .spelling import (
    BOOL,
    FLOATS,
    Speller,
    literal,
    memory_name,
    register_name,
)

LARGEST_INT_INDEX = 2**31
"""Buffers with that many elements are indexed with `long`."""

REDUCE = {"add": "+", "mul": "*", "and": "&", "or": "|"}
BOOL_REDUCE = {"add": "|", "mul": "&", "and": "&", "or": "|", "max": "|", "min": "&"}
LANES = "0123456789abcdef"


class OpenCLPrinter(Expander):
    """Prints one kernel; `speller` collects the helpers that kernels need."""

    def __init__(self, speller: Speller | None = None) -> None:
        super().__init__()
        self.speller = speller or Speller()
        self.index = "int"
        self.pointers: dict[str, str] = {}
        self.uniform: dict[str, str] = {}
        self.variables: set[str] = set()
        self.points = 1
        self.rest, self.rest_size = "item", 1

    def function(self, func: FuncOp) -> str:
        """The text of one kernel."""
        stored = {op.buffer for op in func.walk() if isinstance(op, StoreOp)}
        parameters: list[str] = []
        for position, argument in enumerate(func.body.block.args):
            assert isinstance(argument.type, MemRefType)
            if _elements(argument.type.get_shape()) >= LARGEST_INT_INDEX:
                self.index = "long"
            mode = "" if argument in stored else "const "
            type_ = f"{mode}__global {memory_name(argument.type.element_type)}*"
            name = self.names[argument] = self.fresh(argument.name_hint)
            self.pointers[name] = type_
            self.line(
                f"{type_} restrict {name} = ({type_})(b{position} + o{position});"
            )
            parameters.append(f"__global char* b{position}, ulong o{position}")
        self.line(f"const {self.index} point = get_group_id(0);")
        self.points, self.rest_size = func.grid, func.items
        if func.items > 1:
            self.line(f"const {self.index} item = get_local_id(0);")
        self.kernel(func)
        return (
            f"__kernel __attribute__((reqd_work_group_size({func.items}, 1, 1)))\n"
            f"void {func.sym_name.data}({', '.join(parameters)}) {{\n"
            f"{indented(flat_lines(self.lines))}}}\n"
        )

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
        return self.uniform.get(value) or f"{_atom(value)}.s{LANES[lane]}"

    # structure

    def counted(
        self,
        counter: str,
        extent: int,
        mapping: str,
        carried: list[Tile],
        body: Callable[[list[Tile], Lines], list[Tile]],
    ) -> list[Tile]:
        if mapping == "item":
            self._item(counter, extent, body)
            return []
        variables = [self._variables(tile) for tile in carried]
        self.line(
            f"for ({self.index} {counter} = 0; {counter} < {extent}; ++{counter}) {{"
        )
        inside: Lines = []
        head: Lines = []
        outer, self.out = self.out, inside
        self.out.append(head)
        after = body([Tile(v.type, None, dict(v.cells)) for v in variables], head)
        moves = {
            variable.cells[index]: last[index]
            for variable, last in zip(variables, after, strict=True)
            for index in variable.indices
        }
        types = {
            variable.cells[index]: register_name(
                variable.type.element, variable.type.width
            )
            for variable in variables
            for index in variable.indices
        }
        self._assign(moves, types)
        self.out = outer
        self.out.append(inside)
        self.line("}")
        return variables

    def _variables(self, start: Tile) -> Tile:
        """Variables that a loop changes, with the values it starts from."""
        if start.last_use and self.variables.issuperset(start.cells.values()):
            return Tile(start.type, None, dict(start.cells))
        type_ = register_name(start.type.element, start.type.width)
        names: dict[tuple[int, ...], str] = {}
        for index in start.indices:
            names[index] = self.fresh("acc")
            self.line(f"{type_} {names[index]} = {start[index]};")
        self.variables.update(names.values())
        return Tile(start.type, None, names)

    def _assign(self, moves: dict[str, str], types: dict[str, str]) -> None:
        """All `variable = value` at once: values are read before variables change."""
        moves = {
            variable: value for variable, value in moves.items() if variable != value
        }
        for variable, value in moves.items():
            if any(name in moves for name in re.findall(r"\w+", value)):
                moves[variable] = self.value(types[variable], value)
        for variable, value in moves.items():
            self.line(f"{variable} = {value};")

    def _item(
        self, counter: str, extent: int, body: Callable[[list[Tile], Lines], list[Tile]]
    ) -> None:
        """The work-items share a loop out; those that are left over sit it out."""
        (block,) = [v.owner for v, name in self.names.items() if name == counter]
        assert isinstance(block, Block)
        inner = work_items(block)
        rest, size = self.rest, self.rest_size
        self.line("{")
        divided = f"{rest} / {inner}" if inner > 1 else rest
        self.line(f"const {self.index} {counter} = {divided};")
        if extent * inner < size:
            self.line(f"if ({counter} < {extent}) {{")
        self.rest, self.rest_size = f"({rest} % {inner})", inner
        head: Lines = []
        self.out.append(head)
        body([], head)
        self.rest, self.rest_size = rest, size
        if extent * inner < size:
            self.line("}")
        self.line("}")

    def grid(
        self,
        counters: Sequence[tuple[str, int]],
        base: int,
        body: Callable[[Lines], None],
    ) -> None:
        total = _elements([extent for _, extent in counters])
        whole = total == self.points
        if not whole:
            first = f"point >= {base} && " if base else ""
            self.line(f"if ({first}point < {base + total}) {{")
        rest, left = f"(point - {base})" if base else "point", total
        for position, (name, extent) in enumerate(counters):
            left //= extent
            divided = f"{rest} / {left}" if left > 1 else rest
            text = f"{divided} % {extent}" if position and left > 1 else divided
            text = f"{rest} % {extent}" if position and left == 1 else text
            self.line(f"const {self.index} {name} = {text};")
        head: Lines = []
        self.out.append(head)
        body(head)
        if not whole:
            self.line("}")

    # addresses

    def advance(
        self, pointer: str, terms: Sequence[tuple[str, int]], element: Attribute
    ) -> str:
        type_ = self.pointers[pointer]
        name = self.fresh("p")
        self.line(f"{type_} {name} = {pointer} + {_sum(terms, 0)};")
        self.pointers[name] = type_
        return name

    def integer(self, terms: Sequence[tuple[str, int]], constant: int) -> str:
        if not terms:
            return str(constant)
        return self.value(self.index, _sum(terms, constant), "i")

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
            parts += [self._fill(fill, type_.element)] * (width - mask)
            return self._from_memory(self._vector(parts, type_), type_, None)
        fills = self._vector([self._fill(fill, type_.element)], type_)
        text = f"({self.uniform[mask]} ? vload{width}(0, {self._address(place)}) : {fills})"
        return self._from_memory(text, type_, None)

    def _fill(self, fill: Attribute | None, element: Attribute) -> str:
        """What a lane that is left out would have read."""
        assert isinstance(fill, FloatAttr | IntegerAttr)
        return literal(fill)

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
            left_out = self._fill(fill, type_.element)
            parts = [*parts[:mask], *[left_out] * (width - mask)]
        elif mask is not None:
            other = self._fill(fill, type_.element)
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
            part = f"{_atom(stored)}{lanes}" if lanes else stored
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

    # registers

    def constant(self, value: Attribute, width: int) -> str:
        assert isinstance(value, FloatAttr | IntegerAttr)
        return literal(value, width)

    def positions(
        self, base: str | None, constant: int, stride: int, width: int
    ) -> str:
        if stride == 0:
            first = f"{constant}L" if base is None else _sum([(base, 1)], constant)
            if width > 1:
                return f"(long{width})({first})"
            return first if base is None else self.value("long", first)
        lanes = ", ".join(str(constant + stride * lane) for lane in range(width))
        text = f"(long{width})({lanes})"
        return (
            text
            if base is None
            else self.value(f"long{width}", f"(long){base} + {text}")
        )

    def splat(self, value: str, element: Attribute, width: int) -> str:
        sign = "-" if element == BOOL else ""
        text = f"({register_name(element, width)})({sign}{value})"
        self.uniform[text] = value
        return text

    def from_lanes(self, values: Sequence[str], element: Attribute) -> str:
        sign = "-" if element == BOOL else ""
        type_ = register_name(element, len(values))
        return self.value(type_, f"{sign}({type_})({', '.join(values)})")

    def fma(self, a: str, b: str, c: str, element: Attribute, width: int) -> str:
        floating = isinstance(element, FLOATS)
        text = f"fma({a}, {b}, {c})" if floating else f"{a} * {b} + {c}"
        return self._next(c, register_name(element, width), text)

    def _next(self, old: str, type_: str, text: str) -> str:
        """The next value of a variable, in its place when nobody reads the old one."""
        if not (self.last_use and old in self.variables):
            return self.value(type_, text)
        self.line(f"{old} = {text};")
        return old

    def combine(self, kind: str, a: str, b: str, element: Attribute, width: int) -> str:
        if element == BOOL:
            text = f"{a} {BOOL_REDUCE[kind]} {b}"
        elif kind in REDUCE:
            text = f"{a} {REDUCE[kind]} {b}"
        else:
            text = f"({a} {'>' if kind == 'max' else '<'} {b}) ? {a} : {b}"
        return self._next(a, register_name(element, width), text)

    def halves(self, value: str, element: Attribute, width: int) -> tuple[str, str]:
        parts = [f"{_atom(value)}.{part}" for part in ("lo", "hi")]
        if width == 2 and element == BOOL:
            parts = [f"({part} & 1)" for part in parts]
        return parts[0], parts[1]

    def scalar(self, op: Operation, operands: Sequence[str], width: int) -> str:
        result = op.results[0]
        text = self.speller.expression(op, operands, width)
        return self.value(register_name(result.type, width), text, result.name_hint)


def _atom(value: str) -> str:
    """`value` in brackets unless it is a name."""
    return value if value.isidentifier() else f"({value})"


def _elements(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _powers(count: int) -> list[tuple[int, int]]:
    """`count` lanes as (start, size) of vectors, the largest first."""
    parts: list[tuple[int, int]] = []
    start = 0
    for size in (16, 8, 4, 2, 1):
        if count - start >= size:
            parts.append((start, size))
            start += size
    return parts


def _sum(terms: Sequence[tuple[str, int]], constant: int) -> str:
    """A sum of multiples of integers."""
    parts = [name if factor == 1 else f"{name} * {factor}" for name, factor in terms]
    text = " + ".join(parts)
    if not constant:
        return text
    return f"{text} {'+' if constant > 0 else '-'} {abs(constant)}"


def indented(lines: object) -> str:
    """Lines indented by the braces around them."""
    depth, text = 1, ""
    for line in lines:  # pyright: ignore
        depth -= line.startswith("}")
        text += "    " * depth + line + "\n"
        depth += line.endswith("{")
    return text
