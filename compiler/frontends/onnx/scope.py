"""The names of one graph, and what things are called."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnx import AttributeProto, NodeProto, SparseTensorProto, TensorProto
from xdsl.ir import SSAValue

Tensor = TensorProto | SparseTensorProto


@dataclass
class Scope:
    """The names of one graph or function body."""

    opsets: dict[str, int]
    outer: Scope | None = None
    """The graph around a subgraph."""
    values: dict[str, SSAValue | None] = field(
        default_factory=dict[str, SSAValue | None]
    )
    tensors: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    """Initialisers; they become constants when something reads them."""
    attributes: dict[str, AttributeProto] = field(
        default_factory=dict[str, AttributeProto]
    )
    """What a function body's references to attributes stand for."""
    source: str | None = None
    """The layer that a function body's nodes belong to."""
    depth: int = 0
    read: set[str] = field(default_factory=set[str])
    """Names that nodes or outputs of the graph read."""


def source_name(node: NodeProto) -> str:
    """What a node is called in messages and locations."""
    if node.name:
        return node.name
    return f"{node.op_type} {next(filter(None, node.output), '')}".strip()


def suggest_name(value: SSAValue, name: str) -> None:
    """Print `value` under a name of the model, when that is possible."""
    if value.name_hint is None and SSAValue.is_valid_name(name):
        value.name_hint = name


def operator_name(proto: NodeProto) -> str:
    """An operator in a report, with its domain when it is not a standard one."""
    standard = proto.domain in ("", "ai.onnx")
    return proto.op_type if standard else f"{proto.domain}.{proto.op_type}"
