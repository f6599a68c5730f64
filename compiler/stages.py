"""
The stages a network passes through, and the check at the end of each.

| stage     | dialects                        | holds when it ends                            |
| --------- | ------------------------------- | --------------------------------------------- |
| `network` | func nn const                   | what the model means: values, no device       |
| `legal`   | func nn const                   | every type is static; the target takes all    |
| `kernels` | func plan kernel arith math     | all work is in nests; launches on buffers     |
| `plan`    | func plan kernel arith math     | nests are tiles; every buffer has its place   |

A stage's name may stand in a pipeline (`infer-shapes,dce,network`): there it is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp, TensorType, UnrankedTensorType
from xdsl.ir import Operation, Region
from xdsl.utils.exceptions import VerifyException

from ..dialects.kernel.loops import YieldOp
from ..dialects.kernel.tiles import ApplyOp, ContractOp, FillOp, FoldOp
from ..dialects.types import is_static
from .locations import describe


class StageError(Exception):
    """The compiler broken: an operation is not what its stage or dialect allows."""


Rule = Callable[[Operation], str | None]
"""Says what is wrong with an operation, or None."""


def anything(op: Operation) -> str | None:
    """Accept every operation of the stage's dialects."""
    return None


def static_types(op: Operation) -> str | None:
    """Require that the shapes of all results are known."""
    for result in op.results:
        if _is_tensor(result.type) and not is_static(result.type):
            return f"its result type {result.type} is not static"
    return None


def no_tensors(op: Operation) -> str | None:
    """Require that values are buffers, no longer tensors."""
    for value in (*op.operands, *op.results):
        if _is_tensor(value.type):
            return f"it still has a value of type {value.type}"
    return None


@dataclass(frozen=True)
class Stage:
    """A promise about the module: which dialects it uses and what else holds."""

    name: str
    dialects: tuple[str, ...]
    rule: Rule = anything

    def check(self, module: ModuleOp) -> None:
        """
        Check the promise, and that the module is well formed.

        Raises:
            StageError: it does not hold. The message names the stage and operation.
        """
        ops = verify(module, f"at the end of stage {self.name}")
        for op in ops:
            if op.dialect_name() not in self.dialects:
                allowed = ", ".join(self.dialects)
                problem = f"only {allowed} are allowed"
            else:
                problem = self.rule(op)
            if problem is not None:
                raise StageError(
                    f"at the end of stage {self.name}: {describe(op)}: {problem}"
                )


def verify(module: ModuleOp, when: str) -> list[Operation]:
    """
    Check that the module is well formed.

    Args:
        when: opens the message, like "after pass dce".

    Returns:
        The operations that had to be looked at, inner ones first: of operations that are
        alike and verify by their types alone, the first.

    Raises:
        StageError: it is not well formed. The message names the operation.
    """
    ops = list(_unlike(module.body, set()))
    try:
        for op in ops:
            op.verify(verify_nested_ops=False)
        module.verify(verify_nested_ops=False)
    except VerifyException as error:
        raise StageError(f"{when}: {_culprit(module)}{_message(error)}") from error
    return ops


LEAVES = ("arith", "math")
"""Dialects of scalar operations: what they verify follows from types and properties."""

TYPED = (ApplyOp, ContractOp, FillOp, FoldOp, YieldOp)
"""Operations on tiles of which the same is true."""


def _unlike(region: Region, seen: set[Any]) -> Iterator[Operation]:
    """Operations, inner ones first, without those that verify like one in `seen`."""
    for block in region.blocks:
        last = block.last_op
        if last is None:
            block.verify()
        for op in block.ops:
            for inner in op.regions:
                yield from _unlike(inner, seen)
            if isinstance(op, TYPED) or op.dialect_name() in LEAVES:
                key = _kind(op), type(block.parent_op()) if op is last else None
                if key in seen:
                    continue
                seen.add(key)
            yield op


def _kind(op: Operation) -> Any:
    """Equal for operations that verify alike, but for what a last operation must be."""
    if isinstance(op, arith.ConstantOp):
        return arith.ConstantOp, op.value.type, op.result.type  # pyright: ignore
    types = [value.type for value in (*op.operands, *op.results)]
    inner = [tuple(b.arg_types) for region in op.regions for b in region.blocks]
    return type(op), *types, *inner, *op.properties.items(), *op.attributes.items()


def _message(error: VerifyException) -> str:
    return str(error).strip() or "the module does not verify"


def _culprit(module: ModuleOp) -> str:
    for op in module.walk(region_first=True):
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException:
            return f"{describe(op)}: "
    return ""


def _is_tensor(type_: object) -> bool:
    return isinstance(type_, TensorType | UnrankedTensorType)


STAGES: tuple[Stage, ...] = (
    Stage("network", ("func", "nn", "const")),
    Stage("legal", ("func", "nn", "const"), static_types),
    Stage("kernels", ("func", "kernel", "arith", "math", "plan"), no_tensors),
    Stage("plan", ("func", "kernel", "arith", "math", "plan"), no_tensors),
)
