"""
Schedules: how the loops of a nest are mapped to a machine, as text that people can write.

    parallel m by 8, serial k, unroll m, unroll n by 16, vector n by 16
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer

MAPPINGS = (
    "parallel",
    "item",
    "serial",
    "unroll",
    "vector",
    "prefetch",
    "transpose",
)


@irdl_attr_definition
class LoopAttr(ParametrizedAttribute):
    """
    `mapping dim by step`: one loop of a schedule. It walks what the enclosing loop of
    `dim` leaves, `step` points at a time.

    parallel: over threads or work-groups; item: over the work-items of a group; serial:
    a loop; unroll: registers of a tile; vector: the lanes of a register. prefetch is no
    loop: what a reduction reads, it asks for `step` points further along `dim` as well.
    transpose is none either: what lies along `dim`, which is unrolled, is loaded along it,
    and rows of registers then become columns.
    """

    name = "kernel.loop"
    mapping: StringAttr = param_def()
    dim: StringAttr = param_def()
    step: IntAttr = param_def()

    @staticmethod
    def of(mapping: str, dim: str, step: int = 1) -> LoopAttr:
        return LoopAttr(StringAttr(mapping), StringAttr(dim), IntAttr(step))

    def inside_a_block(self) -> LoopAttr:
        """The same loop where others share the work already."""
        mapping = "serial" if self.mapping.data == "parallel" else self.mapping.data
        return LoopAttr.of(mapping, self.dim.data, self.step.data)

    def __str__(self) -> str:
        by = f" by {self.step.data}" if self.step.data != 1 else ""
        return f"{self.mapping.data} {self.dim.data}{by}"


@irdl_attr_definition
class ScheduleAttr(ParametrizedAttribute):
    """The loops of a nest, outermost first. No loops: everything serial, in order."""

    name = "kernel.schedule"
    loops: ArrayAttr[LoopAttr] = param_def()

    @classmethod
    def of(cls, text: str) -> ScheduleAttr:
        """From text like `parallel m by 8, serial k, vector n by 16`."""
        loops: list[LoopAttr] = []
        for item in filter(None, (part.strip() for part in text.split(","))):
            mapping, dim, *by = item.split()
            loops.append(LoopAttr.of(mapping, dim, int(by[1]) if by else 1))
        return cls(ArrayAttr(loops))

    @property
    def is_open(self) -> bool:
        """Whether it says at most which blocks there are: a generator is to go on."""
        return all(loop.mapping.data == "parallel" for loop in self.loops)

    def __str__(self) -> str:
        return ", ".join(map(str, self.loops))

    def print_parameters(self, printer: Printer) -> None:
        printer.print_string(f"<{self}>")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        def loop() -> LoopAttr:
            mapping, dim = parser.parse_identifier(), parser.parse_identifier()
            step = parser.parse_integer() if parser.parse_optional_keyword("by") else 1
            return LoopAttr.of(mapping, dim, step)

        loops = parser.parse_comma_separated_list(parser.Delimiter.ANGLE, loop)
        return [ArrayAttr(loops)]
