"""Rows of recurrent layers."""

from __future__ import annotations

from xdsl.ir import SSAValue

from ....dialects import nn
from ....dialects.nn.base import NNOp
from .node import Node, Row

COMMON = (
    "hidden_size",
    "direction",
    "activations",
    "activation_alpha",
    "activation_beta",
    "clip",
    "layout",
)


def recurrent(operation: type[NNOp], *more: str) -> Row:
    count = len(operation.get_irdl_definition().operands)

    def row(node: Node) -> tuple[SSAValue, ...]:
        properties = {name: node.attribute(name) for name in (*COMMON, *more)}
        if not node.has("activations"):
            properties["activations"] = None  # the standard's default is for two ways
        operands = [node.optional(i) for i in range(count)]
        return node.build_all(operation, *operands, **properties)

    return row


RNN: dict[str, Row] = {
    "GRU": recurrent(nn.GruOp, "linear_before_reset"),
    "LSTM": recurrent(nn.LstmOp, "input_forget"),
    "RNN": recurrent(nn.RnnOp),
}
