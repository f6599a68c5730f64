"""One ONNX node as a row of the operator tables sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper
from xdsl.ir import Attribute, SSAValue

from ....dialects.const import constant_array
from ....dialects.nn.base import NNOp
from ....dialects.types import Array, element_type, is_static, shape_of
from .problems import Unsupported
from .schemas import TYPE_NAMES, Operator
from .tensors import NIBBLES

if TYPE_CHECKING:
    from .graph import GraphImporter
    from .scope import Scope

Outputs = SSAValue | Sequence[SSAValue]
Row = Callable[["Node"], Outputs]
"""Builds a node's operations and gives its outputs, in order. Outputs that nobody reads
may be left out at the end."""


class Node:
    """
    Operands and attributes of one node, and the way to build operations for it.

    A row reads the attributes it understands; one that is left unread must have its
    default value. `operator` is the standard's definition, None for contributed ones.
    """

    def __init__(
        self,
        proto: NodeProto,
        source: str,
        scope: Scope,
        importer: GraphImporter,
        operator: Operator | None,
    ) -> None:
        self.proto = proto
        self.source = source
        self.scope = scope
        self.importer = importer
        self.operator = operator
        self.op_type = proto.op_type
        self.version = scope.opsets.get(_domain(proto), 1)
        self.inputs = [importer.lookup(name, scope) for name in proto.input]
        self.attributes = _attributes(proto, scope.attributes)
        self.unread = set(self.attributes)

    # operands

    def input(self, index: int) -> SSAValue:
        """An operand that must be there."""
        value = self.optional(index)
        if value is None:
            self.refuse(f"input {index} is missing")
        return value

    def optional(self, index: int) -> SSAValue | None:
        """An operand, or None when the node leaves it out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def typed_by(self, index: int) -> None:
        """
        Say that an operand gives the result its element type.

        Refuses the types of 4 bits: their constants are read as bytes.
        """
        name = self.proto.input[index] if index < len(self.proto.input) else ""
        around: Scope | None = self.scope
        while around is not None and name not in around.values | around.tensors:
            around = around.outer
        tensor = around.tensors.get(name) if around is not None else None
        if isinstance(tensor, TensorProto) and tensor.data_type in NIBBLES:
            kind = TensorProto.DataType.Name(tensor.data_type)
            self.refuse(f"elements of type {kind} are not supported")

    def all_inputs(self) -> list[SSAValue]:
        """The operands of a variadic operator."""
        if not self.inputs:
            self.refuse("there are no inputs")
        return [self.input(i) for i in range(len(self.inputs))]

    def reads_output(self, index: int) -> bool:
        """Whether an output has a name that something reads."""
        names = self.proto.output
        return index < len(names) and self.importer.is_read(names[index], self.scope)

    def constant(self, index: int, what: str) -> Array | None:
        """The numbers of an optional operand, which must be known while compiling."""
        value = self.optional(index)
        if value is None:
            return None
        array = constant_array(value)
        if array is None:
            self.refuse(
                f"its {what} is computed at run time, only constants are supported"
            )
        return array

    def rank(self, value: SSAValue) -> int | None:
        """The number of dimensions, when it is known."""
        return len(shape_of(value)) if is_static(value.type) else None

    # attributes

    def attribute(self, name: str) -> Any:
        """
        An attribute as a plain value: the node's, else the standard's default, else
        None. Strings are `str`; tensors and graphs stay protocol buffers.
        """
        self.unread.discard(name)
        if name in self.attributes:
            return _plain(self.attributes[name])
        default = self.operator.attributes.get(name) if self.operator else None
        return None if default is None else _plain(default)

    def required(self, name: str) -> Any:
        """An attribute that the node must have."""
        value = self.attribute(name)
        if value is None:
            self.refuse(f'attribute "{name}" is missing')
        return value

    def has(self, name: str) -> bool:
        """Whether the node itself gives the attribute."""
        return name in self.attributes

    def ignore(self, *names: str) -> None:
        """These attributes mean nothing at inference."""
        self.unread.difference_update(names)

    def only(self, name: str, *allowed: Any) -> None:
        """Refuse any other value of an attribute than these."""
        value = self.attribute(name)
        if value is not None and value not in allowed:
            named = " or ".join(map(repr, allowed))
            self.refuse(f'attribute "{name}" is {value!r}, only {named} is supported')

    def check_unread(self) -> None:
        """Refuse attributes that the row did not read, unless they say the default."""
        for name in sorted(self.unread):
            known = self.operator is not None and name in self.operator.attributes
            value = _plain(self.attributes[name])
            if not known:
                self.refuse(f'attribute "{name}" is unknown')
            default = self.operator and self.operator.attributes[name]
            if default is None or value != _plain(default):
                self.refuse(f'attribute "{name}" = {value!r} is not supported')

    # building

    def build(
        self,
        operation: type[NNOp],
        *operands: SSAValue | Sequence[SSAValue] | None,
        **properties: Any,
    ) -> SSAValue:
        """Add an operation to the network; its first result."""
        return self.build_all(operation, *operands, **properties)[0]

    def build_all(
        self,
        operation: type[NNOp],
        *operands: SSAValue | Sequence[SSAValue] | None,
        results: int = 1,
        **properties: Any,
    ) -> tuple[SSAValue, ...]:
        """Add an operation to the network; all its results."""
        op = operation.make(*operands, results=results, **properties)
        return self.importer.add(op, self.source)

    def literal(self, numbers: Any, dtype: Any = np.int64) -> SSAValue:
        """Add a constant to the network."""
        return self.importer.add_constant(np.array(numbers, dtype), self.source)

    def refuse(self, reason: str) -> NoReturn:
        """Give the node up."""
        raise Unsupported(reason)

    # checks

    def check_against_standard(self, known: Callable[[SSAValue], bool]) -> None:
        """
        Refuse numbers of inputs and outputs, attributes and element types that the
        standard does not allow. Types are checked of values that are `known`.
        """
        operator = self.operator
        if operator is None:
            return
        self._check_counts(operator)
        for name, attribute in self.attributes.items():
            expected = operator.attribute_types.get(name)
            if expected is None:
                self.refuse(f'attribute "{name}" is unknown')
            if attribute.type not in (AttributeProto.UNDEFINED, expected):
                named = AttributeProto.AttributeType.Name(expected)  # pyright: ignore
                self.refuse(f'attribute "{name}" is not of type {named}')
        for name in sorted(operator.required - set(self.attributes)):
            self.refuse(f'attribute "{name}" is missing')
        self._check_types(operator, known)

    def _check_counts(self, operator: Operator) -> None:
        given = len(self.inputs)
        least, most = operator.min_inputs, operator.max_inputs
        if not least <= given <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            self.refuse(f"there are {given} inputs, {wanted} are expected")
        if len(self.proto.output) > operator.max_outputs:
            self.refuse(f"there are more than {operator.max_outputs} outputs")
        for index, formal in enumerate(operator.inputs):
            absent = index >= given or not self.proto.input[index]
            if absent and not (formal.optional or formal.variadic):
                self.refuse(f'input "{formal.name}" is missing')

    def _check_types(
        self, operator: Operator, known: Callable[[SSAValue], bool]
    ) -> None:
        bound: dict[str, tuple[str, str]] = {}
        for index, value in enumerate(self.inputs):
            if value is None or not known(value):
                continue
            formal = operator.inputs[min(index, len(operator.inputs) - 1)]
            actual = type_name(element_type(value))
            if actual not in formal.types:
                self.refuse(
                    f'input "{formal.name}" has type {actual}, which opset '
                    f"{self.version} does not allow"
                )
            if formal.variadic and not formal.same_types:
                continue
            other, name = bound.setdefault(formal.type_variable, (actual, formal.name))
            if other != actual:
                self.refuse(
                    f'input "{formal.name}" has type {actual}, but "{name}" has {other}'
                )


def type_name(element: Attribute) -> str:
    """An element type as the ONNX standard writes it."""
    return TYPE_NAMES.get(element, str(element))


def _domain(proto: NodeProto) -> str:
    return "" if proto.domain == "ai.onnx" else proto.domain


def resolved(proto: NodeProto, references: dict[str, AttributeProto]) -> NodeProto:
    """The node without references to the attributes of a calling node."""
    if not any(a.ref_attr_name for a in proto.attribute):
        return proto
    copy = NodeProto()
    copy.CopyFrom(proto)
    del copy.attribute[:]
    for name, attribute in _attributes(proto, references).items():
        copy.attribute.add().CopyFrom(attribute)
        copy.attribute[-1].name = name
    return copy


def _attributes(
    proto: NodeProto, references: dict[str, AttributeProto]
) -> dict[str, AttributeProto]:
    """A node's attributes; in a function's body some refer to the caller's."""
    resolved: dict[str, AttributeProto] = {}
    for attribute in proto.attribute:
        if attribute.name in resolved:
            raise Unsupported(f'attribute "{attribute.name}" is given twice')
        if not attribute.ref_attr_name:
            resolved[attribute.name] = attribute
        elif attribute.ref_attr_name in references:
            resolved[attribute.name] = references[attribute.ref_attr_name]
    return resolved


def _plain(attribute: AttributeProto) -> Any:
    value: Any = helper.get_attribute_value(attribute)
    if value is None:
        raise Unsupported(f'attribute "{attribute.name}" has no value')
    if isinstance(value, bytes):
        return _decoded(attribute.name, value)
    if isinstance(value, TensorProto | GraphProto):
        return value
    if hasattr(value, "__len__"):
        items = list(value)
        return [
            _decoded(attribute.name, v) if isinstance(v, bytes) else v for v in items
        ]
    return value


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Unsupported(f'attribute "{name}" is not text') from error
