"""Products of matrices and, more generally, Einstein sums."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from operator import mul
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import (
    Array,
    NNOp,
    broadcast_shapes,
    element_type,
    integer,
    number,
    shape_of,
    text,
    to_attribute,
)
from .common import require_product, require_same
from .numeric import widened

if TYPE_CHECKING:
    from ..kernel.build import Index, Loops


@irdl_op_definition
class MatmulOp(NNOp):
    """
    `output[..., m, n] = sum(a[..., m, k] * b[..., k, n] over k)`; leading dimensions
    broadcast, a vector stands for a row on the left and for a column on the right.

    Source: ONNX MatMul, `numpy.matmul`.
    """

    name = "nn.matmul"

    a = operand_def()
    b = operand_def()
    output = result_def()

    def elements(self) -> Sequence[Attribute]:
        require_product(self.operands)
        return [element_type(self.a)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        a, b = shape_of(self.a), shape_of(self.b)
        if not a or not b:
            raise VerifyException(f"cannot multiply {list(a)} by {list(b)}: a scalar")
        inner = b[max(0, len(b) - 2)]
        if a[-1] != inner:
            raise VerifyException(
                f"cannot multiply {list(a)} by {list(b)}: {a[-1]} columns meet {inner} rows"
            )
        columns = b[-1:] if len(b) > 1 else ()
        return [(*broadcast_shapes(a[:-2], b[:-2]), *a[-2:-1], *columns)]

    def reference(self, a: Array, b: Array) -> Array:
        return np.asarray(widened(a) @ widened(b)).astype(a.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        a, b = shape_of(self.a), shape_of(self.b)
        sizes = broadcast_shapes(a[:-2], b[:-2])
        batch = {f"b{i}": size for i, size in enumerate(sizes)}
        rows = {"m": a[-2]} if len(a) > 1 else {}
        columns = {"n": b[-1]} if len(b) > 1 else {}
        n = k.nest({**batch, **rows, **columns, "k": b[max(0, len(b) - 2)]})
        outer = [n[name] for name in batch]
        left = n.read(
            self.a, [*_aligned(outer, a[:-2]), *(n[name] for name in rows), n["k"]]
        )
        right = n.read(
            self.b, [*_aligned(outer, b[:-2]), n["k"], *(n[name] for name in columns)]
        )
        total = n.sum(left * right, over=["k"])
        n.write(total, self.output, [n[name] for name in (*batch, *rows, *columns)])

    def flops(self) -> int:
        inner = shape_of(self.a)[-1:]
        return 2 * prod(shape_of(self.output)) * prod(inner)


def _aligned(indices: Sequence[Index], sizes: Sequence[int]) -> list[Index | int]:
    """Numpy's broadcasting: indices aligned at the right, 0 where the size is 1."""
    tail = indices[len(indices) - len(sizes) :]
    return [0 if size == 1 else index for index, size in zip(tail, sizes, strict=True)]


@irdl_op_definition
class GemmOp(NNOp):
    """
    `output = alpha * A @ B + beta * c`, where `A` is `a` or its transpose, `B` likewise.

    | operand | shape                              |
    | ------- | ---------------------------------- |
    | a       | `[M, K]`, transposed with `transA` |
    | b       | `[K, N]`, transposed with `transB` |
    | c       | broadcasts to `[M, N]`             |
    | output  | `[M, N]`                           |

    Source: ONNX Gemm.
    """

    name = "nn.gemm"

    a = operand_def()
    b = operand_def()
    c = opt_operand_def()

    alpha = prop_def(default_value=to_attribute(1.0))
    beta = prop_def(default_value=to_attribute(1.0))
    transA = prop_def(default_value=to_attribute(0))
    transB = prop_def(default_value=to_attribute(0))

    output = result_def()

    def sizes(self) -> tuple[int, int, int]:
        """`M, N, K`."""
        a, b = shape_of(self.a), shape_of(self.b)
        if len(a) != 2 or len(b) != 2:
            raise VerifyException(f"{list(a)} and {list(b)} must both be matrices")
        rows, inner = reversed(a) if integer(self.transA) else a
        other, columns = reversed(b) if integer(self.transB) else b
        if inner != other:
            raise VerifyException(
                f"cannot multiply {list(a)} by {list(b)} (transA {integer(self.transA)}, "
                f"transB {integer(self.transB)}): {inner} columns meet {other} rows"
            )
        return rows, columns, inner

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        return [element_type(self.a)]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        rows, columns, _ = self.sizes()
        if self.c is not None:
            c = shape_of(self.c)
            if broadcast_shapes(c, (rows, columns)) != (rows, columns):
                raise VerifyException(
                    f"the addend {list(c)} does not broadcast to {[rows, columns]}"
                )
        return [(rows, columns)]

    def reference(self, a: Array, b: Array, c: Array | None = None) -> Array:
        left = widened(a).T if integer(self.transA) else widened(a)
        right = widened(b).T if integer(self.transB) else widened(b)
        result = left @ right
        if (alpha := number(self.alpha)) != 1:
            result = result * left.dtype.type(alpha)
        if c is not None:
            beta = number(self.beta)
            result = result + (widened(c) if beta == 1 else c * left.dtype.type(beta))
        return result.astype(a.dtype, copy=False)

    def loops(self, k: Loops) -> None:
        rows, columns, inner = self.sizes()
        n = k.nest(m=rows, n=columns, k=inner)
        at_a, at_b = [n["m"], n["k"]], [n["k"], n["n"]]
        a = n.read(self.a, at_a[::-1] if integer(self.transA) else at_a)
        b = n.read(self.b, at_b[::-1] if integer(self.transB) else at_b)
        place = [n["m"], n["n"]]
        c = None if self.c is None else n.read_broadcast(self.c, place)
        if c is not None and (beta := number(self.beta)) != 1:
            c = c * beta
        alpha = number(self.alpha)
        total = n.sum(a * b, over=["k"], init=c if alpha == 1 else None)
        if alpha != 1:
            total = total * alpha
            total = total if c is None else total + c
        n.write(total, self.output, place)

    def flops(self) -> int:
        return 2 * prod(self.sizes())


@dataclass(frozen=True)
class Einstein:
    """An equation with its ellipses spelled out: a letter, or a number, per dimension."""

    inputs: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]
    sizes: dict[str, int]

    @property
    def summed(self) -> list[str]:
        """Dimensions the output does not have."""
        return [name for name in self.sizes if name not in self.output]


def einstein(equation: str, shapes: Sequence[tuple[int, ...]]) -> Einstein:
    """
    Read an equation such as `bhqd,bhkd->bhqk` or `...ij,...jk`.

    Raises:
        VerifyException: it is malformed or does not fit the shapes.
    """
    plain = equation.replace(" ", "")
    left, arrow, right = plain.partition("->")
    terms = left.split(",")
    if not re.fullmatch(r"[A-Za-z.,]*(->[A-Za-z.]*)?", plain) or len(terms) != len(
        shapes
    ):
        raise VerifyException(
            f'equation "{equation}" does not describe {len(shapes)} operand(s)'
        )
    sizes: dict[str, int] = {}
    inputs: list[tuple[str, ...]] = []
    for term, shape in zip(terms, shapes, strict=True):
        names = _names(term, len(shape), equation)
        inputs.append(names)
        for name, size in zip(names, shape, strict=True):
            known = sizes.setdefault(name, size)
            if size != known and known == 1 and len(name) > 1:
                sizes[name] = size
            elif size not in (known, 1) or (size != known and len(name) == 1):
                raise VerifyException(
                    f'{name} of "{equation}" has the sizes {known} and {size}'
                )
    dots = sorted((n for n in sizes if len(n) > 1), key=_from_end, reverse=True)
    if arrow:
        before, ellipsis, after = right.partition("...")
        output = (*before, *(dots if ellipsis else ()), *after)
    else:
        once = sorted(c for c in sizes if len(c) == 1 and left.count(c) == 1)
        output = (*dots, *once)
    if missing := [name for name in output if name not in sizes]:
        raise VerifyException(f'"{equation}" does not say what {missing[0]} is')
    order = {name: sizes[name] for name in (*output, *sizes)}
    return Einstein(tuple(inputs), output, order)


def _from_end(name: str) -> int:
    """The position of a dimension of an ellipsis, counted from its end."""
    return int(name.removeprefix("dot"))


def _names(term: str, rank: int, equation: str) -> tuple[str, ...]:
    """One name per dimension; those of an ellipsis are numbered from its end."""
    before, ellipsis, after = term.partition("...")
    hidden = rank - len(before) - len(after)
    if hidden < 0 or (hidden and not ellipsis) or "." in before + after:
        raise VerifyException(
            f'"{term}" of "{equation}" does not describe an operand of rank {rank}'
        )
    return (*before, *(f"dot{i}" for i in reversed(range(hidden))), *after)


@irdl_op_definition
class EinsumOp(NNOp):
    """
    The product of all operands, each dimension named by a letter of `equation`, summed
    over the letters that the output does not have. Source: ONNX Einsum.
    """

    name = "nn.einsum"

    xs = var_operand_def()
    equation = prop_def(StringAttr)
    output = result_def()

    def parsed(self) -> Einstein:
        """The equation for the operands' shapes."""
        return einstein(text(self.equation), [shape_of(x) for x in self.xs])

    def elements(self) -> Sequence[Attribute]:
        require_same(self.operands)
        return [element_type(self.xs[0])]

    def shapes(self) -> Sequence[tuple[int, ...]]:
        parsed = self.parsed()
        return [tuple(parsed.sizes[name] for name in parsed.output)]

    def reference(self, xs: Sequence[Array]) -> Array:
        plain = text(self.equation).replace(" ", "")
        result = np.einsum(plain, *map(widened, xs), optimize=True)
        return np.asarray(result).astype(xs[0].dtype, copy=False)

    def loops(self, k: Loops) -> None:
        parsed = self.parsed()
        n = k.nest(parsed.sizes)
        factors = [
            n.read(
                x,
                [
                    0 if size == 1 else n[name]
                    for name, size in zip(names, shape_of(x), strict=True)
                ],
            )
            for x, names in zip(self.xs, parsed.inputs, strict=True)
        ]
        total = reduce(mul, factors)
        if parsed.summed:
            total = n.sum(total, over=parsed.summed)
        n.write(total, self.output, [n[name] for name in parsed.output])

    def flops(self) -> int:
        return max(2, len(self.xs)) * prod(self.parsed().sizes.values())


OPS: tuple[type[NNOp], ...] = (MatmulOp, GemmOp, EinsumOp)
