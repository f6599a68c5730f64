"""
Index algebra: sums of integer multiples of counters whose ranges are known.

Layouts divide indices into blocks. A division disappears as soon as the ranges show that
it is exact:

    (16 * a + b) floordiv 16  ==>  a       when 0 <= b < 16
    (16 * a + b) mod 16       ==>  b

What cannot be divided stays as a term of its own and is computed at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import TypeAlias

from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineSymExpr,
)

LANE = "lane"
"""The counter of a register's lanes."""


@dataclass(frozen=True, init=False, eq=False)
class Counter:
    """A variable in `[0, size)`: a dimension, a loop counter, a tile index, the lane."""

    key: Hashable
    size: int

    def __init__(self, key: Hashable, size: int) -> None:
        # Written by hand and hashed once: index algebra does little else.
        self.__dict__.update(key=key, size=size, hash=hash((key, size)))

    def __hash__(self) -> int:
        return self.__dict__["hash"]

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Counter)
            and self.size == other.size
            and self.key == other.key
        )

    @property
    def interval(self) -> tuple[int, int]:
        return 0, self.size - 1


@dataclass(frozen=True)
class Quotient:
    """`value floordiv divisor`, or `value mod divisor` when `remainder` is set."""

    value: Linear
    divisor: int
    remainder: bool

    @property
    def interval(self) -> tuple[int, int]:
        low, high = self.value.interval
        if not self.remainder:
            return low // self.divisor, high // self.divisor
        if low // self.divisor == high // self.divisor:
            return low % self.divisor, high % self.divisor
        return 0, self.divisor - 1


Term: TypeAlias = Counter | Quotient


@dataclass(frozen=True, init=False)
class Linear:
    """`constant + sum(coefficient * term)`."""

    terms: tuple[tuple[Term, int], ...] = ()
    constant: int = 0

    def __init__(
        self, terms: tuple[tuple[Term, int], ...] = (), constant: int = 0
    ) -> None:
        values = self.__dict__
        values["terms"] = terms
        values["constant"] = constant

    @staticmethod
    def of(key: Hashable, size: int) -> Linear:
        """The counter `key` in `[0, size)`; zero when the size is one."""
        return Linear(((Counter(key, size), 1),)) if size > 1 else Linear()

    @cached_property
    def interval(self) -> tuple[int, int]:
        """The smallest and the largest value."""
        low = high = self.constant
        for term, coefficient in self.terms:
            ends = [coefficient * end for end in term.interval]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def __add__(self, other: Linear | int) -> Linear:
        if isinstance(other, int):
            return Linear(self.terms, self.constant + other)
        if not other.terms:
            return Linear(self.terms, self.constant + other.constant)
        sums = dict(self.terms)
        for term, coefficient in other.terms:
            sums[term] = sums.get(term, 0) + coefficient
        kept = tuple((t, c) for t, c in sums.items() if c)
        return Linear(kept, self.constant + other.constant)

    def __sub__(self, other: Linear | int) -> Linear:
        return self + (-other if isinstance(other, int) else other * -1)

    def __neg__(self) -> Linear:
        return self * -1

    def __radd__(self, other: int) -> Linear:
        return self + other

    def __rsub__(self, other: int) -> Linear:
        return self * -1 + other

    def __rmul__(self, factor: int) -> Linear:
        return self * factor

    def __mul__(self, factor: int) -> Linear:
        if factor == 1:
            return self
        if factor == 0:
            return Linear()
        return Linear(
            tuple((t, c * factor) for t, c in self.terms), self.constant * factor
        )

    def __floordiv__(self, divisor: int) -> Linear:
        if divisor == 1:
            return self
        whole, rest = self._split(divisor)
        low, high = rest.interval
        if low // divisor == high // divisor:
            return whole + low // divisor
        if (factored := rest._factored(divisor)) is not None:
            multiple, _, factor = factored
            return whole + multiple // (divisor // factor)
        if len(rest.terms) == 1 and rest.constant == 0 and rest.terms[0][1] == 1:
            (inner, _), *_ = rest.terms
            if isinstance(inner, Quotient) and not inner.remainder:
                return whole + inner.value // (inner.divisor * divisor)
        return whole + Linear(((Quotient(rest, divisor, False), 1),))

    def __mod__(self, divisor: int) -> Linear:
        _, rest = self._split(divisor)
        low, high = rest.interval
        if low // divisor == high // divisor:
            return rest + -(low // divisor) * divisor
        if (factored := rest._factored(divisor)) is not None:
            multiple, small, factor = factored
            return multiple % (divisor // factor) * factor + small
        return Linear(((Quotient(rest, divisor, True), 1),))

    def _factored(self, divisor: int) -> tuple[Linear, Linear, int] | None:
        """`(m, r, g)` with `self == g * m + r`, `0 <= r < g`, and `g` dividing `divisor`."""
        factors = {gcd(divisor, c) for _, c in self.terms} - {1}
        for factor in sorted(factors, reverse=True):
            multiple, small = self._split(factor)
            low, high = small.interval
            if low >= 0 and high < factor and multiple.terms:
                return multiple, small, factor
        return None

    def _split(self, divisor: int) -> tuple[Linear, Linear]:
        """(quotient, rest): terms that `divisor` divides, and the others."""
        whole = tuple((t, c // divisor) for t, c in self.terms if c % divisor == 0)
        rest = tuple((t, c) for t, c in self.terms if c % divisor)
        return Linear(whole, self.constant // divisor), Linear(
            rest, self.constant % divisor
        )

    def coefficient(self, key: Hashable) -> int:
        """The factor of the counter `key`, outside of quotients."""
        for term, coefficient in self.terms:
            if isinstance(term, Counter) and term.key == key:
                return coefficient
        return 0

    def stride(self, key: Hashable) -> int | None:
        """How far a step of the counter `key` leads; None when that varies."""
        return None if self.in_quotient(key) else self.coefficient(key)

    def without(self, key: Hashable) -> Linear:
        """The rest, when the counter `key` is zero (outside of quotients)."""
        return Linear(
            tuple(
                (t, c)
                for t, c in self.terms
                if not (isinstance(t, Counter) and t.key == key)
            ),
            self.constant,
        )

    def joined(self) -> Linear:
        """
        The same with quotients put together again.

            c * k * (v floordiv k) + c * (v mod k)          ==>  c * v
            c * k * (v floordiv k mod m) + c * (v mod k)    ==>  c * (v mod (k * m))
        """
        for term, coefficient in self.terms:
            if not (isinstance(term, Quotient) and term.remainder):
                continue
            size = term.divisor
            whole = Linear(((Quotient(term.value, size, False), 1),))
            for other, factor in self.terms:
                if not isinstance(other, Quotient) or factor != coefficient * size:
                    continue
                if other == whole.terms[0][0]:
                    both = term.value
                elif other.remainder and other.value == whole:
                    both = term.value % (size * other.divisor)
                else:
                    continue
                rest = [(t, c) for t, c in self.terms if t not in (term, other)]
                return (
                    Linear(tuple(rest), self.constant) + both * coefficient
                ).joined()
        return self

    @cached_property
    def counters(self) -> frozenset[Hashable]:
        """The keys of all counters in it, those in quotients too."""
        keys: set[Hashable] = set()
        for term, _ in self.terms:
            keys |= {term.key} if isinstance(term, Counter) else term.value.counters
        return frozenset(keys)

    def in_quotient(self, key: Hashable) -> bool:
        """Whether the counter `key` stands in a quotient."""
        return any(
            isinstance(t, Quotient) and key in t.value.counters for t, _ in self.terms
        )

    @property
    def is_linear(self) -> bool:
        """Whether there are no quotients."""
        return all(isinstance(t, Counter) for t, _ in self.terms)

    def substitute(self, values: Mapping[Hashable, Linear]) -> Linear:
        """The same with counters replaced; divisions are simplified again."""
        sums: dict[Term, int] = {}
        constant = self.constant
        for term, coefficient in self.terms:
            if isinstance(term, Counter):
                part = values.get(term.key)
                if part is None:
                    sums[term] = sums.get(term, 0) + coefficient
                    continue
            else:
                inner = term.value.substitute(values)
                rest = term.remainder
                part = inner % term.divisor if rest else inner // term.divisor
            constant += part.constant * coefficient
            for other, factor in part.terms:
                sums[other] = sums.get(other, 0) + factor * coefficient
        return Linear(tuple((t, c) for t, c in sums.items() if c), constant)

    def evaluate(self, at: Callable[[Hashable], int]) -> int:
        """The number when counters have the values `at` gives."""
        total = self.constant
        for term, coefficient in self.terms:
            if isinstance(term, Counter):
                value = at(term.key)
            else:
                inner = term.value.evaluate(at)
                value = (
                    inner % term.divisor if term.remainder else inner // term.divisor
                )
            total += coefficient * value
        return total

    def expression(self, of: Callable[[Hashable], AffineExpr]) -> AffineExpr:
        """As an affine expression; `of` spells the counters."""
        total: AffineExpr | None = None
        for term, coefficient in self.terms:
            if isinstance(term, Counter):
                part = of(term.key)
            else:
                kind = (
                    AffineBinaryOpKind.Mod
                    if term.remainder
                    else AffineBinaryOpKind.FloorDiv
                )
                divisor = AffineConstantExpr(term.divisor)
                part = AffineBinaryOpExpr(kind, term.value.expression(of), divisor)
            if coefficient != 1:
                factor = AffineConstantExpr(coefficient)
                part = AffineBinaryOpExpr(AffineBinaryOpKind.Mul, part, factor)
            total = part if total is None else _sum(total, part)
        if total is None:
            return AffineConstantExpr(self.constant)
        return (
            _sum(total, AffineConstantExpr(self.constant)) if self.constant else total
        )


def _sum(lhs: AffineExpr, rhs: AffineExpr) -> AffineExpr:
    return AffineBinaryOpExpr(AffineBinaryOpKind.Add, lhs, rhs)


def linear(
    expression: AffineExpr,
    dims: Sequence[Linear],
    symbols: Sequence[Linear] = (),
) -> Linear:
    """`expression` with `dims` and `symbols` put in, simplified."""
    match expression:
        case AffineDimExpr(position):
            return dims[position]
        case AffineSymExpr(position):
            return symbols[position]
        case AffineConstantExpr(value):
            return Linear((), value)
        case AffineBinaryOpExpr(kind, lhs, rhs):
            left, right = linear(lhs, dims, symbols), linear(rhs, dims, symbols)
            if kind == AffineBinaryOpKind.Add:
                return left + right
            if kind == AffineBinaryOpKind.Mul and not left.terms:
                return right * left.constant
            assert not right.terms, f"{expression} is not affine"
            match kind:
                case AffineBinaryOpKind.Mul:
                    return left * right.constant
                case AffineBinaryOpKind.FloorDiv:
                    return left // right.constant
                case AffineBinaryOpKind.Mod:
                    return left % right.constant
                case AffineBinaryOpKind.CeilDiv:
                    return (left + (right.constant - 1)) // right.constant
        case _:
            pass
    raise TypeError(f"not an affine expression: {expression}")


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def flatten(indices: Sequence[Linear], shape: Sequence[int]) -> Linear:
    """The row-major offset, in elements."""
    total = Linear()
    for index, stride in zip(indices, strides_of(shape), strict=True):
        total = total + index * stride
    return total if total.is_linear else total.joined()


def window_of(
    lanes: Sequence[Linear], reduced: frozenset[Hashable] = frozenset()
) -> tuple[int, frozenset[Hashable]] | None:
    """
    The aligned piece of memory that holds all `lanes`, wherever the counters stand.

    Returns:
        How long it is (a power of two, at most as many elements as there are lanes), and
        those of the counters `reduced` that lead along it; None when there is no such
        piece.
    """
    terms = dict(lanes[0].terms)
    if any(dict(lane.terms) != terms for lane in lanes):
        return None
    least, most = (end(lane.constant for lane in lanes) for end in (min, max))
    length = 2
    while length <= len(lanes):
        inside = {t: c for t, c in terms.items() if c % length}
        moving = {t.key for t in inside if isinstance(t, Counter)} & reduced
        if len(moving) == len(inside):
            low, high = Linear(tuple(inside.items())).interval
            if (low + least) // length == (high + most) // length:
                return length, frozenset(moving)
        length *= 2
    return None
