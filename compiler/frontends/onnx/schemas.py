"""What the ONNX standard says about an operator: inputs, attributes, types, function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import onnx
from onnx import AttributeProto, FunctionProto, TensorProto
from onnx.defs import OpSchema

from ....dialects.types import element_of
from .problems import Unsupported
from .tensors import DTYPES

TYPE_NAMES = {
    element_of(dtype): f"tensor({TensorProto.DataType.Name(data_type).lower()})"  # pyright: ignore
    for data_type, dtype in DTYPES.items()
}
"""Element types as the standard writes them."""

STILL_READ = {("GroupNormalization", 18)}
"""Withdrawn when their meaning changed; files of the opsets between are still around."""

Option = OpSchema.FormalParameterOption


@dataclass(frozen=True)
class Formal:
    """One input of an operator's definition."""

    name: str
    type_variable: str
    types: frozenset[str]
    optional: bool
    variadic: bool
    same_types: bool


@dataclass(frozen=True)
class Operator:
    """An operator's definition in one opset version."""

    schema: OpSchema
    inputs: tuple[Formal, ...]
    attributes: dict[str, AttributeProto | None]
    """Defaults by name; None for an attribute without one."""
    attribute_types: dict[str, int]
    required: frozenset[str]

    @property
    def min_inputs(self) -> int:
        return self.schema.min_input

    @property
    def max_inputs(self) -> int:
        return self.schema.max_input

    @property
    def max_outputs(self) -> int:
        return self.schema.max_output


@cache
def find_operator(op_type: str, version: int, domain: str) -> Operator | None:
    """
    The definition in force in opset `version` of `domain`; None for one that the
    standard does not have.

    Raises:
        Unsupported: the operator came later or was taken back by then.
    """
    try:
        schema = onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError as error:
        if onnx.defs.has(op_type, domain):
            newest = onnx.defs.get_schema(op_type, domain)
            raise Unsupported(
                f"opset {version} has no operator {op_type}, it came with opset "
                f"{_first_version(newest)}"
            ) from error
        return None
    if schema.deprecated and (op_type, schema.since_version) not in STILL_READ:
        raise Unsupported(
            f"operator {op_type} was withdrawn in opset {schema.since_version}, the "
            f"model uses opset {version}"
        )
    return Operator(
        schema,
        tuple(map(_formal, schema.inputs)),
        {n: _default(a) for n, a in schema.attributes.items()},
        {n: _type_number(a) for n, a in schema.attributes.items()},
        frozenset(n for n, a in schema.attributes.items() if a.required),
    )


def function_body(
    operator: Operator, node: Any, version: int, input_types: Sequence[Any]
) -> FunctionProto | None:
    """
    The definition of an operator by others, for the opset `version` of its domain.

    Args:
        input_types: a `TypeProto` per input of the node, empty where it is absent.
    """
    schema: Any = operator.schema  # onnx's type stubs know no functions
    if schema.has_function:
        versions = [v for v in schema.function_opset_versions if v <= version]
        if versions:
            body = schema.get_function_with_opset_version(max(versions))
            return FunctionProto.FromString(body)
    if schema.has_context_dependent_function:
        versions = schema.context_dependent_function_opset_versions
        usable = [v for v in versions if v <= version]
        if usable:
            body = schema.get_context_dependent_function_with_opset_version(
                max(usable),
                node.SerializeToString(),
                [t.SerializeToString() for t in input_types],
            )
            return FunctionProto.FromString(body) if body else None
    return None


def _first_version(schema: OpSchema) -> int:
    history = onnx.defs.get_all_schemas_with_history()
    return min(
        s.since_version
        for s in history
        if s.name == schema.name and s.domain == schema.domain
    )


def _formal(parameter: Any) -> Formal:
    return Formal(
        name=parameter.name,
        type_variable=parameter.type_str,
        types=frozenset(parameter.types),
        optional=parameter.option == Option.Optional,
        variadic=parameter.option == Option.Variadic,
        same_types=parameter.is_homogeneous,
    )


def _type_number(attribute: Any) -> int:
    return int(attribute.type.value)


def _default(attribute: Any) -> AttributeProto | None:
    default = attribute.default_value
    return default if default.name else None
