"""Rows of matrix products."""

from __future__ import annotations

from xdsl.ir import SSAValue

from ....dialects import nn
from .node import Node, Row
from .rows import same


def einsum(node: Node) -> SSAValue:
    equation = node.required("equation")
    return node.build(nn.EinsumOp, node.all_inputs(), equation=equation)


LINEAR: dict[str, Row] = {
    "Einsum": einsum,
    "Gemm": same(nn.GemmOp, "alpha", "beta", "transA", "transB"),
    "MatMul": same(nn.MatmulOp),
}
