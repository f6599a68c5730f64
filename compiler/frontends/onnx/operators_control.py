"""Rows of constants and of what chooses between graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import GraphProto
from xdsl.ir import SSAValue

from .node import Node, Row

LITERALS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def constant(node: Node) -> SSAValue:
    names = [name for name in node.attributes if name.startswith(("value", "sparse"))]
    if len(names) != 1:
        node.refuse("a constant has exactly one value")
    name = names[0]
    value = node.attribute(name)
    if name in LITERALS:
        return node.literal(value, LITERALS[name])
    if name == "value":
        array = node.importer.tensors.array(value)
    elif name == "sparse_value":
        array = node.importer.tensors.sparse(value)
    else:
        node.refuse("strings are not supported")
    return node.importer.add_constant(array, node.source)


def if_(node: Node) -> Sequence[SSAValue]:
    """The branch that is taken, when that is known while compiling."""
    condition = node.constant(0, "condition")
    assert condition is not None
    if condition.size != 1:
        node.refuse("the condition is not a single boolean")
    branches = {name: node.required(name) for name in ("then_branch", "else_branch")}
    taken: GraphProto = branches["then_branch" if condition.any() else "else_branch"]
    return node.importer.import_branch(taken, node.scope)


CONTROL: dict[str, Row] = {"Constant": constant, "If": if_}
