"""
Delete dead code: operations without effects whose results nobody reads.

    %unused = nn.relu(%x)  ==>

One walk from the end, so a dead chain goes in one run.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Block

from .rewrite import FunctionPass, is_dead


@dataclass(frozen=True)
class DeadCodePass(FunctionPass):
    """Delete operations whose results nobody reads. Arguments stay."""

    name = "dce"

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops)[::-1]:
            if is_dead(op):
                body.erase_op(op)
                count += 1
        return count
