"""
How an operation writes its loop body.

```python
def loops(self, k: Loops) -> None:
    n = k.nest(m=M, n=N, k=K)
    a = n.read(self.a, [n["m"], n["k"]])
    b = n.read(self.b, [n["k"], n["n"]])
    n.write(n.sum(a * b, over=["k"]), self.output, [n["m"], n["n"]])
```

Indices are logical: layouts, fusion and schedules come later and never concern an
operation. Nests of one operation run one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import FloatAttr, IndexType, IntegerAttr, MemRefType
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from ..layout import LayoutAttr, layout_of
from ..types import dtype_of, element_type, shape_of
from .affine import Linear
from .nest import IndexOp, NestOp, ReadOp, ReduceOp, WriteOp
from .scalar import Scalar, constant_op, is_float, same_type_op, scalar_type

Index: TypeAlias = Linear
"""An affine expression of a nest's dimensions, with ranges: `n["m"] * 2 + 1`."""

Place: TypeAlias = Sequence[Index | int | Scalar]


@dataclass(frozen=True, eq=False)
class Temporary:
    """A tensor that only the nests of one operation see."""

    shape: tuple[int, ...]
    element: Attribute


Tensor: TypeAlias = SSAValue | Temporary


def tensor_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a value or of a temporary."""
    return tensor.shape if isinstance(tensor, Temporary) else shape_of(tensor)


def tensor_element(tensor: Tensor) -> Attribute:
    """The element type of a value or of a temporary."""
    return tensor.element if isinstance(tensor, Temporary) else element_type(tensor)


def tensor_layout(tensor: Tensor) -> LayoutAttr:
    """How a value lies in memory; temporaries are row-major."""
    if isinstance(tensor, Temporary):
        return LayoutAttr.row_major(len(tensor.shape))
    return layout_of(tensor.type)


@dataclass
class BuiltNest:
    """A finished nest and the tensor behind each of its buffers."""

    op: NestOp
    tensors: list[Tensor]


@dataclass
class Loops:
    """Collects the nests of one operation."""

    nests: list[Nest] = field(default_factory=list["Nest"])

    def nest(self, sizes: Mapping[str, int] | None = None, /, **named: int) -> Nest:
        """A new nest over named dimensions, in order."""
        nest = Nest({**(sizes or {}), **named})
        self.nests.append(nest)
        return nest

    def temp(self, shape: Sequence[int], element: Attribute) -> Temporary:
        """A temporary tensor between nests of this operation."""
        return Temporary(tuple(shape), element)

    def finish(self, name: str) -> list[BuiltNest]:
        """The nests as IR, called `name`, `name_1`, …"""
        names = [name if i == 0 else f"{name}_{i}" for i in range(len(self.nests))]
        return [nest.finish(n) for nest, n in zip(self.nests, names, strict=True)]


class Nest:
    """One scalar program over named dimensions."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self.block = Block(arg_types=[IndexType()] * len(sizes))
        self.dims: dict[str, BlockArgument] = {}
        for name, argument in zip(sizes, self.block.args, strict=True):
            argument.name_hint = name
            self.dims[name] = argument
        self.buffers: dict[Tensor, BlockArgument] = {}
        self.known: dict[object, Scalar] = {}

    def __getitem__(self, name: str) -> Index:
        """The dimension `name` as an index."""
        return Linear.of(self.dims[name], self.sizes[name])

    @property
    def indices(self) -> list[Index]:
        """All dimensions, in order."""
        return [self[name] for name in self.sizes]

    # memory

    def buffer(self, tensor: Tensor, hint: str = "x") -> BlockArgument:
        """The buffer that holds `tensor`; `hint` is its name when it is new."""
        if tensor not in self.buffers:
            shape = tensor_layout(tensor).physical_shape(tensor_shape(tensor))
            type_ = MemRefType(tensor_element(tensor), shape)
            argument = self.block.insert_arg(type_, len(self.block.args))
            argument.name_hint = "t" if isinstance(tensor, Temporary) else hint
            self.buffers[tensor] = argument
        return self.buffers[tensor]

    def read(self, tensor: Tensor, at: Place, fill: float | None = None) -> Scalar:
        """
        The element of `tensor` at `at`; `fill` where `at` is outside its shape.

        Raises:
            IndexError: an index may leave the tensor and there is no `fill`.
        """
        shape, element = tensor_shape(tensor), tensor_element(tensor)
        indices, symbolic = self._indices(at)
        if len(indices) != len(shape):
            raise IndexError(f"{len(indices)} indices for shape {list(shape)}")
        layout = tensor_layout(tensor)
        doubtful = [
            (i, size)
            for i, size, dynamic, halo in zip(
                indices, shape, symbolic, layout.halo, strict=True
            )
            if _may_leave(i, size, halo if fill == 0 else (0, 0))
            and not (dynamic and fill is None)
        ]
        if doubtful and fill is None:
            index, size = doubtful[0]
            raise IndexError(f"index in {index.interval} leaves [0, {size})")
        place = self._physical(layout, at, indices)
        operands, map_, guard_map = self.maps(place, [i for i, _ in doubtful])
        type_ = scalar_type(dtype_of(element))
        guard = None
        if doubtful:
            assert fill is not None
            bounds = [size for _, size in doubtful]
            guard = (guard_map, bounds, _number_attribute(fill, type_))
        read = ReadOp(self.buffer(tensor), operands, map_, type_, guard)
        read.result.name_hint = "t" if isinstance(tensor, Temporary) else "x"
        loaded = Scalar(self, self.emit(read), dtype_of(element))
        narrow = is_float(loaded.dtype) and loaded.dtype.itemsize < 4
        return loaded.cast(np.float32) if narrow else loaded

    def read_broadcast(self, tensor: Tensor, at: Sequence[Index | int]) -> Scalar:
        """The element that numpy's broadcasting brings to the output index `at`."""
        shape = tensor_shape(tensor)
        own = at[len(at) - len(shape) :]
        return self.read(
            tensor, [0 if s == 1 else i for i, s in zip(own, shape, strict=True)]
        )

    def write(
        self, value: Scalar, tensor: Tensor, at: Place, where: Scalar | None = None
    ) -> None:
        """`tensor[at] = value`, where `where` holds when it is given."""
        shape = tensor_shape(tensor)
        indices, symbolic = self._indices(at)
        for index, size, dynamic in zip(indices, shape, symbolic, strict=True):
            if _may_leave(index, size) and not dynamic:
                raise IndexError(f"index in {index.interval} leaves [0, {size})")
        place = self._physical(tensor_layout(tensor), at, indices)
        operands, map_, _ = self.maps(place, [])
        stored = value.cast(dtype_of(tensor_element(tensor)))
        condition = None if where is None else where.value
        buffer = self.buffer(tensor, "y")
        self.block.add_op(WriteOp(stored.value, buffer, operands, map_, condition))

    def _indices(self, at: Place) -> tuple[list[Linear], list[bool]]:
        """Indices as linear expressions; data-dependent ones become counters."""
        indices: list[Linear] = []
        for item in at:
            if isinstance(item, Scalar):
                cast = arith.IndexCastOp(item.cast(np.int64).value, IndexType())
                value = self.emit(cast)
                indices.append(Linear.of(value, 1 << 62))
            else:
                indices.append(Linear((), item) if isinstance(item, int) else item)
        return indices, [isinstance(item, Scalar) for item in at]

    def _physical(
        self, layout: LayoutAttr, at: Place, indices: Sequence[Linear]
    ) -> list[Linear]:
        """
        Where a place lies in memory.

        Of a data-dependent index the block and the place inside of it are data as well:
        an access adds such indices to a place, but cannot divide them.
        """
        blocked = {dim for dim, block in layout.order if block > 1}
        logical = [
            item if isinstance(item, Scalar) and dim in blocked else index
            for dim, (item, index) in enumerate(zip(at, indices, strict=True))
        ]
        return self._indices(layout.place(logical))[0]

    def maps(
        self, indices: Sequence[Linear], guarded: Sequence[Linear]
    ) -> tuple[list[SSAValue], AffineMap, AffineMap]:
        """The counters in `indices` and `guarded`, and maps over them."""
        used: dict[Any, int] = {}

        def spell(key: Any) -> AffineExpr:
            return AffineExpr.dimension(used.setdefault(key, len(used)))

        results = tuple(i.expression(spell) for i in indices)
        guards = tuple(i.expression(spell) for i in guarded)
        count = len(used)
        return list(used), AffineMap(count, 0, results), AffineMap(count, 0, guards)

    def clamp_index(self, value: Scalar, size: int) -> Scalar:
        """A data-dependent index: negative ones count from the end; kept in range."""
        value = value.cast(np.int64)
        wrapped = self.where(value < 0, value + size, value)
        return self.minimum(self.maximum(wrapped, 0), size - 1)

    # reductions

    def reduce(
        self, kind: str, value: Scalar, over: Sequence[str], init: Scalar | None = None
    ) -> Scalar:
        """`value` reduced over the dimensions named in `over`."""
        if value.dtype.kind == "b":
            kind = {"max": "or", "min": "and"}.get(kind, kind)
        if kind in ("max", "min") and value.dtype.kind == "u":
            # Turning the first bit makes the order of signed numbers theirs.
            turn = 1 << (value.dtype.itemsize * 8 - 1)
            value, init = value ^ turn, None if init is None else init ^ turn
            return self._reduce(kind, value, over, init) ^ turn
        return self._reduce(kind, value, over, init)

    def _reduce(
        self, kind: str, value: Scalar, over: Sequence[str], init: Scalar | None
    ) -> Scalar:
        dims = [self.dims[name] for name in over]
        start = None if init is None else init.value
        op = ReduceOp(kind, value.value, dims, start)
        return Scalar(self, self.emit(op), value.dtype)

    def sum(
        self, value: Scalar, over: Sequence[str], init: Scalar | None = None
    ) -> Scalar:
        return self.reduce("add", value, over, init)

    def prod(
        self, value: Scalar, over: Sequence[str], init: Scalar | None = None
    ) -> Scalar:
        return self.reduce("mul", value, over, init)

    def max(
        self, value: Scalar, over: Sequence[str], init: Scalar | None = None
    ) -> Scalar:
        return self.reduce("max", value, over, init)

    def min(
        self, value: Scalar, over: Sequence[str], init: Scalar | None = None
    ) -> Scalar:
        return self.reduce("min", value, over, init)

    def any(self, value: Scalar, over: Sequence[str]) -> Scalar:
        return self.reduce("or", value, over)

    def all(self, value: Scalar, over: Sequence[str]) -> Scalar:
        return self.reduce("and", value, over)

    # values

    def const(self, number: float, dtype: DTypeLike = np.float32) -> Scalar:
        """A constant."""
        kind = np.dtype(dtype)
        key = (repr(number), kind)
        if key not in self.known:
            value = self.emit(constant_op(number, kind))
            self.known[key] = Scalar(self, value, kind)
        return self.known[key]

    def index(self, expression: Index | int) -> Scalar:
        """An index expression as an int64 scalar."""
        if isinstance(expression, int):
            return self.const(expression, np.int64)
        operands, map_, _ = self.maps([expression], [])
        return Scalar(self, self.emit(IndexOp(operands, map_)), np.dtype(np.int64))

    def where(
        self, condition: Scalar, then: Scalar | float, other: Scalar | float
    ) -> Scalar:
        """`then` where `condition` holds, else `other`."""
        if not isinstance(then, Scalar):
            assert isinstance(other, Scalar), "one of the two is a Scalar"
            then = self.const(then, other.dtype)
        elif not isinstance(other, Scalar):
            other = self.const(other, then.dtype)
        op = arith.SelectOp(condition.value, then.value, other.value)
        return Scalar(self, self.emit(op), then.dtype)

    def maximum(self, lhs: Scalar, rhs: Scalar | float) -> Scalar:
        """The larger one; NaN if either is NaN."""
        return lhs.binary("max", rhs)

    def minimum(self, lhs: Scalar, rhs: Scalar | float) -> Scalar:
        """The smaller one; NaN if either is NaN."""
        return lhs.binary("min", rhs)

    def fma(self, a: Scalar, b: Scalar | float, c: Scalar) -> Scalar:
        """`a * b + c`, rounded once."""
        factor = b if isinstance(b, Scalar) else self.const(b, a.dtype)
        op = same_type_op(math.FmaOp, a.value, factor.value, c.value)
        value = self.emit(op)
        return Scalar(self, value, a.dtype)

    def pow(self, base: Scalar, exponent: Scalar | float) -> Scalar:
        """`base ** exponent` in floating point."""
        if not isinstance(exponent, Scalar):
            exponent = self.const(exponent, base.dtype)
        value = self.emit(math.PowFOp(base.value, exponent.value))
        return Scalar(self, value, base.dtype)

    def emit(self, op: Operation) -> SSAValue:
        """Append an operation; its first result."""
        self.block.add_op(op)
        return op.results[0]

    def finish(self, name: str) -> BuiltNest:
        """The nest as IR. The builder is used up."""
        op = NestOp(name, list(self.sizes.values()), Region([self.block]))
        return BuiltNest(op, list(self.buffers))


def _may_leave(index: Linear, size: int, halo: tuple[int, int] = (0, 0)) -> bool:
    low, high = index.interval
    return low < -halo[0] or high >= size + halo[1]


def _number_attribute(number: float, type_: Attribute) -> Attribute:
    from xdsl.dialects.builtin import (
        BFloat16Type,
        Float16Type,
        Float32Type,
        Float64Type,
    )

    if isinstance(type_, Float16Type | BFloat16Type | Float32Type | Float64Type):
        return FloatAttr(float(number), type_)
    return IntegerAttr(int(number), type_)  # pyright: ignore[reportArgumentType, reportCallIssue]
