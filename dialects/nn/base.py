"""
What every `nn` operation is: definition, verifier, shapes, meaning, loops and cost.

An operation's class says all of it, in this order:

| part                | answers                                                      |
| ------------------- | ------------------------------------------------------------ |
| fields              | operands, properties (as attributes in ONNX), results        |
| `shapes`            | result shapes from static operand types; raises when illegal |
| `elements`          | result element types (default: that of the first operand)    |
| `reference`         | the meaning, in numpy                                        |
| `loops`             | the meaning, as scalar programs over named dimensions, or    |
| `decompose_results` | the meaning, as other `nn` operations                        |
| `flops`             | arithmetic work (default: one operation an output element)   |

The verifier *is* `shapes` and `elements`: an operation is legal when its declared result
types are the ones these compute.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    BoolAttr,
    DenseArrayBase,
    FloatAttr,
    FunctionType,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
    UnrankedTensorType,
    f64,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import AttrSizedOperandSegments, IRDLOperation, OpDef, traits_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..const import constant_array
from ..types import Array, dtype_of, element_type, is_static, shape_of, tensor

if TYPE_CHECKING:
    from ..kernel.build import Loops

SEGMENTS = "operandSegmentSizes"
RESULT_SEGMENTS = "resultSegmentSizes"


class NNOp(IRDLOperation, ABC):
    """Base of all operations on tensors. Value semantics, no side effects."""

    MOVEMENT: ClassVar[bool] = False
    """True for operations that compute nothing: they only place elements anew."""

    ELEMENTWISE: ClassVar[bool] = False
    """True when `output[i] = f(operands[i broadcast])`: such operations fuse."""

    traits = traits_def(Pure())

    # building

    @classmethod
    def make(
        cls,
        *operands: SSAValue | Operation | Sequence[SSAValue] | None,
        results: int = 1,
        **properties: Any,
    ) -> Self:
        """
        Build the operation; its result types are inferred.

        Operands come in the order of the fields: None for an absent optional operand
        (nothing at the end), a sequence for a variadic one. Properties are plain Python
        values; None leaves one out.

        Args:
            results: how many results a variadic result has.

        Raises:
            VerifyException: the operands do not fit, when their shapes are known.
        """
        definition = cls.get_irdl_definition()
        absent = [None] * (len(definition.operands) - len(operands))
        flat, sizes = _flatten([*operands, *absent])
        attributes = {
            k: to_attribute(v) for k, v in properties.items() if v is not None
        }
        if _has_segments(definition):
            attributes[SEGMENTS] = _segments(sizes)
        unknown = UnrankedTensorType(IntegerType(64))
        op = cls.create(
            operands=flat,
            properties=attributes,
            result_types=[unknown] * max(results, len(definition.results)),
        )
        for name, field in definition.properties.items():
            default = getattr(field, "default_value", None)
            if name not in op.properties and default is not None:
                op.properties[name] = default
        op.set_result_types(op.infer())
        return op

    def set_result_types(self, types: Sequence[Attribute]) -> None:
        """Give the results these types, in place."""
        for result, type_ in zip(self.results, types, strict=True):
            result._type = type_  # pyright: ignore[reportPrivateUsage]

    # types

    def shapes(self) -> Sequence[tuple[int, ...]]:
        """
        Result shapes. Called only when all operand types are static.

        Raises:
            VerifyException: operands or properties are illegal together.
            UnknownValue: the shapes depend on an operand that is not constant.
        """
        raise NotImplementedError(f"{self.name} has no shape function")

    def elements(self) -> Sequence[Attribute]:
        """Result element types; known even when shapes are not."""
        return [element_type(self.operands[0])] * len(self.results)

    def infer(self) -> Sequence[Attribute]:
        """Result types: ranked and static, or unranked while shapes are unknown."""
        elements = self.elements()
        if not all(is_static(o.type) for o in self.operands):
            return [UnrankedTensorType(e) for e in elements]
        try:
            shapes = self.shapes()
        except UnknownValue:
            return [UnrankedTensorType(e) for e in elements]
        return [tensor(s, e) for s, e in zip(shapes, elements, strict=True)]

    def verify_(self) -> None:
        inferred = self.infer()
        for result, type_ in zip(self.results, inferred, strict=True):
            declared = result.type
            if isinstance(type_, UnrankedTensorType):
                continue
            assert isinstance(type_, TensorType)
            if isinstance(declared, UnrankedTensorType):
                continue
            if not isinstance(declared, TensorType) or (
                declared.get_shape() != type_.get_shape()  # pyright: ignore
                or declared.element_type != type_.element_type  # pyright: ignore
            ):
                raise VerifyException(f"result has type {declared}, expected {type_}")

    # meaning

    def reference(self, *inputs: Any, **_: Any) -> Array | tuple[Array, ...]:
        """
        The results for numpy operands, in the order of the fields; None for an absent
        optional operand; a variadic operand is one list. Result arrays have the element
        types of `elements`. Accumulates in the arrays' own precision: float64 in,
        float64 out.
        """
        raise NotImplementedError(f"{self.name} has no reference")

    def loops(self, k: Loops) -> None:
        """Write the operation as one or more nests. See `dialects/kernel/build.py`."""
        raise NotImplementedError(f"{self.name} has no loops")

    def decompose_results(self) -> tuple[list[Operation], list[SSAValue]] | None:
        """
        The same as simpler operations, or None when `loops` says it all.

        All operand types are static.

        Returns:
            The new operations in order, and one value per result of this operation.
        """
        return None

    def flops(self) -> int:
        """Floating-point operations of one evaluation."""
        return sum(prod(shape_of(r)) for r in self.results)

    # text

    def print(self, printer: Printer) -> None:
        printer.print_operands(self.operands)
        hidden = () if _has_segments(type(self).get_irdl_definition()) else (SEGMENTS,)
        printer.print_op_attributes(
            self.properties | self.attributes, reserved_attr_names=hidden
        )
        printer.print_string(" : ")
        printer.print_function_type(self.operand_types, self.result_types)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        operands = parser.parse_comma_separated_list(
            parser.Delimiter.PAREN, parser.parse_unresolved_operand
        )
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        position = parser.pos
        type_ = parser.parse_function_type()
        resolved = parser.resolve_operands(operands, type_.inputs.data, position)
        fields = cls.get_irdl_definition().properties
        known = {*fields, SEGMENTS, RESULT_SEGMENTS}
        properties = {k: v for k, v in attributes.items() if k in known}
        for name, field in fields.items():
            default = getattr(field, "default_value", None)
            if name not in properties and default is not None:
                properties[name] = default
        return cls.create(
            operands=resolved,
            result_types=type_.outputs.data,
            properties=properties,
            attributes={k: v for k, v in attributes.items() if k not in known},
        )


class UnknownValue(Exception):
    """A shape depends on a value that is not a constant (yet)."""


def constant(value: SSAValue | None, what: str = "operand") -> Array | None:
    """
    The numbers of an optional operand that a shape depends on; None when it is absent.

    Raises:
        UnknownValue: it is there, but not a constant.
    """
    if value is None:
        return None
    array = constant_array(value)
    if array is None:
        raise UnknownValue(f"{what} is not a constant")
    return array


def constant_ints(value: SSAValue | None, what: str = "operand") -> list[int] | None:
    """Like `constant`, as a list of Python integers."""
    array = constant(value, what)
    return None if array is None else [int(v) for v in array.reshape(-1)]


def ints(attribute: Attribute | None) -> tuple[int, ...]:
    """The integers of an `array<i64: ...>` property; empty when it is absent."""
    if attribute is None:
        return ()
    assert isinstance(attribute, DenseArrayBase)
    return tuple(int(v) for v in attribute.iter_values())


def integer(attribute: Attribute | None, default: int = 0) -> int:
    """The integer (or boolean) of a property."""
    if attribute is None:
        return default
    assert isinstance(attribute, IntegerAttr)
    return int(attribute.value.data)


def number(attribute: Attribute | None, default: float = 0.0) -> float:
    """The float of a property."""
    if attribute is None:
        return default
    assert isinstance(attribute, FloatAttr)
    return float(attribute.value.data)


def text(attribute: Attribute | None, default: str = "") -> str:
    """The string of a property."""
    if attribute is None:
        return default
    assert isinstance(attribute, StringAttr)
    return attribute.data


def to_attribute(value: Any) -> Attribute:
    """A property from a plain value: bool, int, float, str, or a list of one of them."""
    match value:
        case Attribute():
            return value
        case bool():
            return BoolAttr.from_bool(value)
        case int():
            return IntegerAttr(value, i64)
        case float():
            return FloatAttr(value, f64)
        case str():
            return StringAttr(value)
        case _:
            items = list(value)
            if items and isinstance(items[0], str):
                return ArrayAttr([StringAttr(v) for v in items])
            if items and isinstance(items[0], float):
                return DenseArrayBase.from_list(f64, items)
            return DenseArrayBase.from_list(i64, [int(v) for v in items])


def normalized_axis(axis: int, rank: int) -> int:
    """`axis` counted from the front. Raises `VerifyException` when out of range."""
    if not -rank <= axis < rank:
        raise VerifyException(f"axis {axis} is outside rank {rank}")
    return axis % rank


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Numpy's broadcasting. Raises `VerifyException` naming the shapes."""
    rank = max(map(len, shapes), default=0)
    result: list[int] = []
    for position in range(rank):
        sizes = {
            s[position - rank + len(s)] for s in shapes if position - rank + len(s) >= 0
        } - {1}
        if len(sizes) > 1:
            named = " and ".join(str(list(s)) for s in shapes)
            raise VerifyException(f"shapes {named} do not broadcast")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def _has_segments(definition: OpDef) -> bool:
    return any(isinstance(o, AttrSizedOperandSegments) for o in definition.options)


def _segments(sizes: Sequence[int]) -> Attribute:
    from xdsl.dialects.builtin import i32

    return DenseArrayBase.from_list(i32, list(sizes))


def _flatten(
    operands: Sequence[SSAValue | Operation | Sequence[SSAValue] | None],
) -> tuple[list[SSAValue], list[int]]:
    flat: list[SSAValue] = []
    sizes: list[int] = []
    for operand in operands:
        if operand is None:
            group: list[SSAValue] = []
        elif isinstance(operand, SSAValue | Operation):
            group = [SSAValue.get(operand)]
        else:
            group = [SSAValue.get(o) for o in operand]
        flat += group
        sizes.append(len(group))
    return flat, sizes


def function_type(op: Operation) -> FunctionType:
    """The type of an operation seen as a function."""
    return FunctionType.from_lists(
        [o.type for o in op.operands], [r.type for r in op.results]
    )


__all__ = [
    "Array",
    "NNOp",
    "UnknownValue",
    "broadcast_shapes",
    "cast",
    "constant",
    "constant_ints",
    "dtype_of",
    "element_type",
    "integer",
    "ints",
    "normalized_axis",
    "number",
    "shape_of",
    "tensor",
    "text",
    "to_attribute",
]
