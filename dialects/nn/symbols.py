"""`#nn.symbols<"batch", "", "h", "w">`: the names of a tensor type's dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import DYNAMIC_INDEX, ArrayAttr, StringAttr, TensorType
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer

UNNAMED = "?"
"""Stands for an unknown size without a name; two of them may differ."""


@irdl_attr_definition
class SymbolsAttr(ParametrizedAttribute):
    """
    An encoding that names symbolic dimensions, one name per dimension, "" for none.

    Dimensions of one name have the same size wherever they appear in a module.
    """

    name = "nn.symbols"
    names: ArrayAttr[StringAttr] = param_def()

    @staticmethod
    def of(names: Sequence[str]) -> SymbolsAttr:
        return SymbolsAttr(ArrayAttr(map(StringAttr, names)))

    @property
    def values(self) -> tuple[str, ...]:
        """The names as plain strings."""
        return tuple(n.data for n in self.names)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_list(self.values, printer.print_string_literal)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        names = parser.parse_comma_separated_list(
            parser.Delimiter.ANGLE, parser.parse_str_literal
        )
        return [ArrayAttr(map(StringAttr, names))]


def symbols_of(type_: Attribute) -> tuple[str, ...]:
    """The names of a tensor type's dimensions; all "" when its encoding names none."""
    if not isinstance(type_, TensorType):
        return ()
    if isinstance(type_.encoding, SymbolsAttr):
        return type_.encoding.values
    return ("",) * type_.get_num_dims()


def tensor_with_symbols(
    dims: Sequence[int | str], element: Attribute
) -> TensorType[Attribute]:
    """The type for dimensions that are sizes, or names of unknown sizes."""
    shape = [DYNAMIC_INDEX if isinstance(d, str) else d for d in dims]
    if DYNAMIC_INDEX not in shape:
        return TensorType(element, shape)
    names = ["" if isinstance(d, int) or d == UNNAMED else d for d in dims]
    return TensorType(element, shape, SymbolsAttr.of(names))


def dims_of(type_: TensorType[Attribute]) -> tuple[int | str, ...]:
    """The opposite of `tensor_with_symbols`; an unknown size without a name is `UNNAMED`."""
    return tuple(
        (name or UNNAMED) if size == DYNAMIC_INDEX else size
        for size, name in zip(type_.get_shape(), symbols_of(type_), strict=True)
    )
