"""
`nn.fused`: operations that run as one kernel.

```mlir
%y = nn.fused(%x, %w, %r) : (…) -> tensor<1x64x56x56xf32> {
^bb0(%x_1: …, %w_1: …, %r_1: …):
  %0 = nn.conv(%x_1, %w_1) {…} : …
  %1 = nn.add(%0, %r_1) : …
  %2 = nn.relu(%1) : …
  nn.yield %2 : …
}
```

The first operation is the anchor; the others are elementwise and run where it writes.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import IsolatedFromAbove, IsTerminator, Pure

from .base import NNOp


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Ends a fused region: the values that others read."""

    name = "nn.yield"
    values = var_operand_def()
    traits = traits_def(IsTerminator(), Pure())
    assembly_format = "$values attr-dict `:` type($values)"

    def __init__(self, values: Sequence[SSAValue]) -> None:
        super().__init__(operands=[list(values)])


@irdl_op_definition
class FusedOp(IRDLOperation):
    """Operations that run as one kernel."""

    name = "nn.fused"
    inputs = var_operand_def()
    outs = var_result_def()
    body = region_def("single_block")
    traits = traits_def(IsolatedFromAbove(), Pure())
    assembly_format = (
        "`(` $inputs `)` attr-dict `:` functional-type($inputs, $outs) $body"
    )

    @property
    def members(self) -> list[NNOp]:
        """The operations, in order."""
        return [op for op in self.body.block.ops if isinstance(op, NNOp)]

    @property
    def yielded(self) -> Sequence[SSAValue]:
        """The values inside that stand for the results."""
        last = self.body.block.last_op
        assert isinstance(last, YieldOp)
        return last.values

    def flops(self) -> int:
        """Arithmetic of all members."""
        return sum(op.flops() for op in self.members)


def fuse(ops: Sequence[NNOp], escaping: Sequence[SSAValue]) -> FusedOp:
    """
    `ops`, which stand in one block in order, as one operation at the place of the first.

    Args:
        escaping: results of `ops` that others read; they become the results, in order.
    """
    inside = {r for op in ops for r in op.results}
    inputs = list(
        dict.fromkeys(o for op in ops for o in op.operands if o not in inside)
    )
    block = Block(arg_types=[v.type for v in inputs])
    names: dict[SSAValue, SSAValue] = {}
    for value, argument in zip(inputs, block.args, strict=True):
        argument.name_hint = value.name_hint
        names[value] = argument
    copies: list[Operation] = []
    for op in ops:
        copy = op.clone(names)
        copy.location = op.location
        copies.append(copy)
    block.add_ops([*copies, YieldOp([names[v] for v in escaping])])
    fused = FusedOp(
        operands=[inputs],
        result_types=[[v.type for v in escaping]],
        regions=[Region([block])],
    )
    parent = ops[0].parent
    assert parent is not None
    parent.insert_op_before(fused, ops[0])
    for old, new in zip(escaping, fused.outs, strict=True):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    for op in reversed(ops):
        parent.erase_op(op)
    return fused
