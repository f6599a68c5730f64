"""
`const`: constants whose numbers stay outside the IR.

A weight is an attribute that knows its content hash and its array; the text shows type
and hash only, so printing a module never prints megabytes. Small constants are shown
in full, as `dense<...>`.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import cast

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, BlockArgument, Data, Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from .types import Array, dtype_of, element_of

PRINTED_ELEMENTS = 32
"""Constants of at most this many elements are printed in full."""

SAMPLE = 256
"""Bytes of a weight that dictionaries look at first."""


class Weight:
    """An array with its content hash, computed at first need. The array is read-only."""

    def __init__(self, array: Array) -> None:
        self.array = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        self.array = self.array.reshape(array.shape)
        self.array.flags.writeable = False

    @cached_property
    def hash(self) -> str:
        """SHA-256 of type, shape and bytes, 16 hexadecimal digits of it."""
        digest = hashlib.sha256(f"{self.array.dtype.str}{self.array.shape}".encode())
        digest.update(self._bytes.data)
        return digest.hexdigest()[:16]

    @property
    def _bytes(self) -> Array:
        return self.array.reshape(-1).view(np.uint8)

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Weight)
            and self.array.shape == other.array.shape
            and self.array.dtype == other.array.dtype
            and self.hash == other.hash
        )

    def __hash__(self) -> int:
        # Some of the numbers tell most weights apart; looking at all takes long.
        some = self._bytes[:SAMPLE].tobytes()
        return hash((self.array.shape, self.array.dtype.str, some))


WEIGHTS: dict[str, Weight] = {}
"""Weights by hash that text in this process may refer to; filled by `remember`."""


def remember(weight: Weight) -> None:
    """Make `weight` known to parsers in this process, by its hash."""
    WEIGHTS[weight.hash] = weight


@irdl_attr_definition
class WeightAttr(Data[Weight]):
    """`#const.weight<"hash">`: a reference to an array that is not in the text."""

    name = "const.weight"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Weight:
        with parser.in_angle_brackets():
            key = parser.parse_str_literal()
        if key not in WEIGHTS:
            parser.raise_error(f"the weights with hash {key} are not loaded")
        return WEIGHTS[key]

    def print_parameter(self, printer: Printer) -> None:
        remember(self.data)
        with printer.in_angle_brackets():
            printer.print_string_literal(self.data.hash)


@irdl_op_definition
class ConstantOp(IRDLOperation):
    """
    A constant tensor.

    `value` is a list of numbers in the text when it is small, one number when that is all
    it has, else a weight reference.
    """

    name = "const.constant"

    value = prop_def(WeightAttr)
    output = result_def(TensorType)

    traits = traits_def(Pure(), ConstantLike())

    def __init__(
        self, array: Array, type_: TensorType[Attribute] | None = None
    ) -> None:
        """The tensor type follows from the array unless `type_` (an encoding) is given."""
        if type_ is None:
            type_ = TensorType(element_of(array.dtype), array.shape)
        super().__init__(
            properties={"value": WeightAttr(Weight(array))}, result_types=[type_]
        )

    @property
    def array(self) -> Array:
        """The numbers. Read-only."""
        return self.value.data.array

    def verify_(self) -> None:
        type_, array = self.output.type, self.array
        if (
            type_.get_shape() != array.shape
            or dtype_of(type_.element_type) != array.dtype
        ):
            raise VerifyException(
                f"the constant's array is {array.dtype}{list(array.shape)}, its type {type_}"
            )

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        array = self.array
        if is_uniform(array):
            printer.print_string(f"[{_literal(array.reshape(-1)[0])}]")
        elif array.size <= PRINTED_ELEMENTS:
            printer.print_string(f"[{', '.join(map(_literal, array.reshape(-1)))}]")
        else:
            printer.print_attribute(self.value)
        printer.print_op_attributes(self.attributes)
        printer.print_string(" : ")
        printer.print_attribute(self.output.type)

    @classmethod
    def parse(cls, parser: Parser) -> ConstantOp:
        numbers = parser.parse_optional_comma_separated_list(
            parser.Delimiter.SQUARE, lambda: _parse_literal(parser)
        )
        reference = None if numbers is not None else parser.parse_attribute()
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        parsed = parser.parse_type()
        if not isinstance(parsed, TensorType):
            parser.raise_error("a constant's type is a ranked tensor")
        type_ = cast("TensorType[Attribute]", parsed)
        if numbers is not None:
            try:
                flat = np.array(numbers, dtype_of(type_.element_type))
                shape = type_.get_shape()
                array = (
                    np.full(shape, flat[0]) if flat.size == 1 else flat.reshape(shape)
                )
                op = cls(array, type_)
            except (OverflowError, ValueError) as error:
                parser.raise_error(f"the numbers do not fit {type_}: {error}")
        elif isinstance(reference, WeightAttr):
            op = cls(reference.data.array, type_)
        else:
            parser.raise_error("expected a list of numbers or a weight")
        op.attributes |= attributes
        return op


def is_uniform(array: Array) -> bool:
    """Whether a larger constant is one number everywhere: then that one is printed."""
    if array.size <= PRINTED_ELEMENTS or array.dtype.itemsize > 8:
        return False
    bits = array.reshape(-1).view(f"u{array.dtype.itemsize}")
    return bits[0] == bits[-1] and bool((bits == bits[0]).all())


def _literal(number: np.generic) -> str:
    plain = number.item() if number.dtype.kind in "biuf" else float(number)  # pyright: ignore
    if isinstance(plain, bool):
        return str(int(plain))
    mantissa, e, exponent = repr(plain).partition("e")
    point = "." if e and "." not in mantissa else ""  # MLIR wants 5.0e-324
    return f"{mantissa}{point}{'0' if point else ''}{e}{exponent}"


def _parse_literal(parser: Parser) -> float | int:
    sign = -1 if parser.parse_optional_punctuation("-") else 1
    for word in ("inf", "nan"):
        if parser.parse_optional_keyword(word):
            return sign * float(word)
    return sign * parser.parse_number(allow_boolean=True)


def constant_array(value: SSAValue) -> Array | None:
    """
    The numbers of a value that is a constant; None for any other.

    An argument of a fused region stands for the operand it was made from.
    """
    owner = value.owner
    if isinstance(owner, ConstantOp):
        return owner.array
    if isinstance(value, BlockArgument):
        parent = value.owner.parent_op()
        if parent is not None and parent.name == "nn.fused":
            return constant_array(parent.operands[value.index])
    return None


Const = Dialect("const", [ConstantOp], [WeightAttr])
