"""What the passes share: a base class that counts, and the one way to replace."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import Pure

from ...dialects.nn.base import NNOp
from ...runtime.errors import CompileError


@dataclass(frozen=True)
class FunctionPass(ModulePass):
    """
    A pass over straight-line functions that says how often it rewrote.

    Subclasses define `rewrite`; each is a frozen dataclass whose fields are its options.
    """

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        self.count(op)

    def count(self, module: ModuleOp) -> int:
        """Apply the pass. Returns the number of rewrites."""
        return sum(self.rewrite(body) for body in bodies(module))

    @abstractmethod
    def rewrite(self, body: Block) -> int:
        """Rewrite the body of one function. Returns the number of rewrites."""


def bodies(module: ModuleOp) -> Iterator[Block]:
    """The bodies of the module's functions, each one block."""
    for op in module.body.block.ops:
        if isinstance(op, FuncOp) and not op.is_declaration:
            yield op.body.block


def is_pure(op: Operation) -> bool:
    """Whether an operation does nothing but compute its results."""
    if op.regions:
        return False
    return isinstance(op, NNOp) or op.has_trait(Pure)


def is_dead(op: Operation) -> bool:
    """Whether nobody would miss the operation."""
    return all(r.first_use is None for r in op.results) and is_pure(op)


def replace(
    op: Operation, new: Sequence[Operation], values: Sequence[SSAValue] | None = None
) -> None:
    """
    Put the operations `new` in the place of `op`.

    New operations without a source name take that of `op`; the results of the last one
    take its results' names in the text.

    Args:
        values: stand for the results of `op`; the results of the last of `new` if None.
    """
    block = op.parent
    assert block is not None, "the operation is in no block"
    for operation in new:
        if isinstance(operation.location, UnknownLoc):
            operation.location = op.location
    if values is None:
        values = new[-1].results
        for old, value in zip(op.results, values, strict=True):
            value.name_hint = old.name_hint

    block.insert_ops_before(new, op)
    for old, value in zip(op.results, values, strict=True):
        old.replace_all_uses_with(value)
    block.erase_op(op)


def erase_if_dead(*ops: Operation) -> None:
    """Erase those of the operations that nobody uses any more, in the order given."""
    for op in ops:
        if op.parent is not None and is_dead(op):
            op.parent.erase_op(op)


def require_choice(pass_name: str, choose: str, choices: Collection[str]) -> None:
    """
    Check an option that is one of some words.

    Raises:
        CompileError: it is another one.
    """
    if choose not in choices:
        expected = ", ".join(choices)
        raise CompileError(
            f"{pass_name}: choose is {choose}, expected one of {expected}"
        )
