"""Operations written down one after the other: how decompositions are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from xdsl.ir import Operation, SSAValue

from ..const import ConstantOp
from ..types import Array
from .base import NNOp


@dataclass
class Program:
    """
    The operations of a decomposition, in order.

    ```python
    p = Program()
    moved = p(AddOp, x, p.constant(np.float32(1)))
    return p.ops, [moved]
    ```
    """

    ops: list[Operation] = field(default_factory=list[Operation])
    known: dict[Any, SSAValue] = field(default_factory=dict[Any, SSAValue])

    def __call__(
        self,
        operation: type[NNOp],
        *operands: SSAValue | Sequence[SSAValue] | None,
        **properties: Any,
    ) -> SSAValue:
        """Append an operation; its first result."""
        return self.all(operation, *operands, **properties)[0]

    def all(
        self,
        operation: type[NNOp],
        *operands: SSAValue | Sequence[SSAValue] | None,
        results: int = 1,
        **properties: Any,
    ) -> list[SSAValue]:
        """Append an operation; all its results."""
        op = operation.make(*operands, results=results, **properties)
        self.ops.append(op)
        return list(op.results)

    def constant(self, numbers: Any, dtype: DTypeLike | None = None) -> SSAValue:
        """A constant; equal small ones are shared."""
        array = np.asarray(numbers, dtype)
        key = (array.tobytes(), array.dtype, array.shape) if array.size <= 8 else None
        if key in self.known:
            return self.known[key]
        op = ConstantOp(array)
        self.ops.append(op)
        if key is not None:
            self.known[key] = op.output
        return op.output

    def ints(self, *numbers: int) -> SSAValue:
        """A vector of int64 numbers: a shape, starts, axes."""
        return self.constant(numbers, np.int64)


def run(ops: Sequence[Operation], known: dict[SSAValue, Array]) -> None:
    """Evaluate `ops` by their references; `known` has the arrays of values."""
    for op in ops:
        if isinstance(op, ConstantOp):
            known[op.output] = op.array
            continue
        assert isinstance(op, NNOp), op.name
        results = op.reference(*arguments(op, known))
        arrays = results if isinstance(results, tuple) else (results,)
        known.update(zip(op.results, arrays, strict=True))


def arguments(op: NNOp, known: Mapping[SSAValue, Array]) -> list[Any]:
    """What `op.reference` takes: an array, None or a list for each operand field."""

    def arrays(value: Any) -> Any:
        if value is None or isinstance(value, SSAValue):
            return None if value is None else known[value]
        return [known[v] for v in value]

    fields = type(op).get_irdl_definition().operands
    return [arrays(getattr(op, name)) for name, _ in fields]


def reference_of_decomposition(
    op: NNOp, inputs: Sequence[Array | None]
) -> tuple[Array, ...]:
    """
    The results of `op` for numpy operands, by the references of its decomposition.

    For operations whose decomposition is the clearest statement of what they mean.
    """
    operands: list[SSAValue | None] = [
        None if i is None else ConstantOp(i).output for i in inputs
    ]
    properties: dict[str, Any] = dict(op.properties)
    fixed = type(op).make(*operands, **properties)
    parts = fixed.decompose_results()
    assert parts is not None, f"{op.name} has no decomposition"
    ops, values = parts
    known: dict[SSAValue, Array] = {
        v: a for v, a in zip(operands, inputs, strict=True) if v and a is not None
    }
    run(ops, known)
    return tuple(known[v] for v in values)
