"""
Fold constants: what depends on constants only is computed now.

    nn.add(const.constant a, const.constant b)  ==>  const.constant a + b

The numbers come from each operation's `reference`. One walk from the start folds chains.
A result larger than its operands and than `limit` stays an operation, so that an
expanded scalar does not become 100 MB of weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Block, Operation

from .fold import fold, is_foldable, operand_bytes, result_bytes
from .reasons import is_kept
from .rewrite import FunctionPass, erase_if_dead


@dataclass(frozen=True)
class FoldConstantsPass(FunctionPass):
    """Evaluate operations whose operands are all constants."""

    name = "fold-constants"

    limit: int = 65536
    """Bytes a result may have when its operands are smaller."""

    def rewrite(self, body: Block) -> int:
        count = 0
        for op in list(body.ops):
            if is_kept(op) or not is_foldable(op) or self._grows(op):
                continue
            operands = dict.fromkeys(op.operands)
            fold(op)
            erase_if_dead(
                *(o.owner for o in operands if isinstance(o.owner, Operation))
            )
            count += 1
        return count

    def _grows(self, op: Operation) -> bool:
        return result_bytes(op) > max(self.limit, operand_bytes(op))
