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

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import Attribute, Block, Operation

from ...dialects.kernel.access import StoreOp
from ...dialects.kernel.loops import FuncOp, work_items
from ...dialects.types import buffer_type
from ..leaves import Lines, Tile, flat_lines
from .elements import BOOL, FLOATS, literal, memory_name, register_name
from .memory import MemoryPrinter, atom, summed
from .spelling import Speller

LARGEST_INT_INDEX = 2**31
"""Buffers with that many elements are indexed with `long`."""

REDUCE = {"add": "+", "mul": "*", "and": "&", "or": "|"}
BOOL_REDUCE = {"add": "|", "mul": "&", "and": "&", "or": "|", "max": "|", "min": "&"}


class OpenCLPrinter(MemoryPrinter):
    """Prints one kernel; `speller` collects the helpers that kernels need."""

    def __init__(self, speller: Speller | None = None) -> None:
        super().__init__()
        self.speller = speller or Speller()
        self.variables: set[str] = set()
        self.points = 1

    def function(self, func: FuncOp) -> str:
        """The text of one kernel."""
        stored = {op.buffer for op in func.walk() if isinstance(op, StoreOp)}
        parameters: list[str] = []
        for position, argument in enumerate(func.body.block.args):
            buffer = buffer_type(argument)
            if product_of(buffer.get_shape()) >= LARGEST_INT_INDEX:
                self.index = "long"
            mode = "" if argument in stored else "const "
            type_ = f"{mode}__global {memory_name(buffer.element_type)}*"
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
        for variable, last in zip(variables, after, strict=True):
            for index, name in variable.cells.items():
                if last[index] != name:
                    self.line(f"{name} = {last[index]};")
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
        total = product_of([extent for _, extent in counters])
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

    # registers

    def constant(self, value: Attribute, width: int) -> str:
        return literal(cast("FloatAttr | IntegerAttr", value), width)

    def positions(
        self, base: str | None, constant: int, stride: int, width: int
    ) -> str:
        if stride == 0:
            first = f"{constant}L" if base is None else summed([(base, 1)], constant)
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
            # A NaN stays; for integers the second comparison is false.
            better = f"{a} {'>' if kind == 'max' else '<'} {b}"
            text = f"(({better}) | ({a} != {a})) ? {a} : {b}"
        return self._next(a, register_name(element, width), text)

    def halves(self, value: str, element: Attribute, width: int) -> tuple[str, str]:
        parts = [f"{atom(value)}.{part}" for part in ("lo", "hi")]
        if width == 2 and element == BOOL:
            parts = [f"({part} & 1)" for part in parts]
        return parts[0], parts[1]

    def scalar(self, op: Operation, operands: Sequence[str], width: int) -> str:
        result = op.results[0]
        text = self.speller.expression(op, operands, width)
        return self.value(register_name(result.type, width), text, result.name_hint)


def product_of(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def indented(lines: Iterable[str]) -> str:
    """Lines indented by the braces around them."""
    depth, text = 1, ""
    for line in lines:
        depth -= line.startswith("}")
        text += "    " * depth + line + "\n"
        depth += line.endswith("{")
    return text
