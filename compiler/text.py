"""
The text of a module, as `str` gives it, in a third of the time.

Most of a planned module are scalar operations that differ in the names of their operands
only. The first of each kind is printed the usual way and remembered as a form with gaps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.printer import Printer

LEAVES = ("arith", "math")
"""Dialects whose operations have a form: they have no regions."""

Form = list["str | int"]
"""Pieces of text, and positions of operands."""


def text_of(module: ModuleOp) -> str:
    """The text of `module`, equal to `str(module)`."""
    printer = QuickPrinter()
    printer.print_op(module)
    return "".join(printer.parts)


@dataclass(eq=False, repr=False)
class QuickPrinter(Printer):
    """Collects pieces; remembers attributes and forms of operations."""

    parts: list[str] = field(default_factory=list[str])
    attributes: dict[Attribute, str] = field(default_factory=dict[Attribute, str])
    forms: dict[Any, Form] = field(default_factory=dict[Any, Form])

    def print_string(self, text: str, *, indent: int | None = None) -> None:
        if "\n" in text and indent != 0:
            text = text.replace("\n", "\n" + " " * self._spaces(indent))
        self.parts.append(text)

    def _spaces(self, indent: int | None) -> int:
        depth = self._indent if indent is None else indent
        return depth * self.indent_num_spaces

    def _print_new_line(
        self, indent: int | None = None, print_message: bool = True
    ) -> None:
        self.parts.append("\n" + " " * self._spaces(indent))

    def print_ssa_value(self, value: SSAValue) -> str:
        name = self._ssa_values.get(value)
        if name is None:
            return super().print_ssa_value(value)
        self.parts.append("%" + name)
        return name

    def print_attribute(self, attribute: Attribute) -> None:
        text = self.attributes.get(attribute)
        if text is None:
            start = len(self.parts)
            super().print_attribute(attribute)
            text = "".join(self.parts[start:])
            if "\n" not in text:
                self.attributes[attribute] = text
            return
        self.parts.append(text)

    def print_op(self, op: Operation) -> None:
        if op.dialect_name() not in LEAVES or op.regions or len(op.results) != 1:
            super().print_op(op)
            return
        types = [value.type for value in (*op.operands, *op.results)]
        kind = (type(op), *types, *op.properties.items(), *op.attributes.items())
        form = self.forms.get(kind)
        if form is None:
            self._print_first(op, kind)
            return
        self.print_ssa_value(op.results[0])
        names = [self._ssa_values[value] for value in op.operands]
        self.parts += [names[p] if isinstance(p, int) else p for p in form]

    def _print_first(self, op: Operation, kind: Any) -> None:
        """Print as usual; a form is what then follows the result's name."""
        operands = list(op.operands)
        start = len(self.parts)
        super().print_op(op)
        if len(set(operands)) != len(operands):
            return  # which of them stands where is not seen
        places = {"%" + self._ssa_values[v]: i for i, v in enumerate(operands)}
        form: Form = []
        for part in self.parts[start + 1 :]:
            form += ["%", places[part]] if part in places else [part]
        self.forms[kind] = form
