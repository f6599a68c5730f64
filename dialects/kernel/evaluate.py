"""
The oracle of every schedule: a nest evaluated in numpy, all points at once.

Each value of the body is an array with one axis a dimension of the nest, of size one
where the value does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, cast

import numpy as np
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    FloatAttr,
    IntegerAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap

from ..nn.base import NNOp
from ..types import Array, dtype_of, integers, shape_of, value_dtype
from .affine import Counter, Linear, Term, linear
from .build import Loops, Temporary, Tensor, tensor_element, tensor_shape
from .nest import IndexOp, NestOp, ReadOp, ReduceOp, WriteOp

REDUCERS: dict[str, Any] = {
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
}


def erf(x: Array) -> Array:
    """The error function, element by element in double precision."""
    import math as scalar_math

    flat = [scalar_math.erf(v) for v in np.asarray(x, np.float64).reshape(-1)]
    return np.array(flat).reshape(x.shape).astype(x.dtype)


def _unsigned(
    function: Callable[[Array, Array], Array],
) -> Callable[[Array, Array], Array]:
    def apply(a: Array, b: Array) -> Array:
        kind = np.dtype(f"u{a.dtype.itemsize}")
        return (
            np.asarray(function(a.view(kind), b.view(kind))).astype(kind).view(a.dtype)
        )

    return apply


def _truncating_div(a: Array, b: Array) -> Array:
    safe = np.where(b == 0, 1, b)
    quotient = a // safe
    quotient = quotient + ((quotient * safe != a) & ((a < 0) != (safe < 0)))
    return np.where(b == 0, 0, quotient).astype(a.dtype)


BINARY: dict[type[Operation], Callable[[Array, Array], Array]] = {
    arith.AddfOp: np.add,
    arith.SubfOp: np.subtract,
    arith.MulfOp: np.multiply,
    arith.DivfOp: np.divide,
    arith.MaximumfOp: np.maximum,
    arith.MinimumfOp: np.minimum,
    arith.AddiOp: np.add,
    arith.SubiOp: np.subtract,
    arith.MuliOp: np.multiply,
    arith.DivSIOp: _truncating_div,
    arith.DivUIOp: _unsigned(lambda a, b: a // np.where(b == 0, 1, b)),
    arith.RemSIOp: lambda a, b: a - _truncating_div(a, b) * b,
    arith.RemUIOp: _unsigned(lambda a, b: a % np.where(b == 0, 1, b)),
    arith.MaxSIOp: np.maximum,
    arith.MinSIOp: np.minimum,
    arith.MaxUIOp: _unsigned(np.maximum),
    arith.MinUIOp: _unsigned(np.minimum),
    arith.AndIOp: np.bitwise_and,
    arith.OrIOp: np.bitwise_or,
    arith.XOrIOp: np.bitwise_xor,
    arith.ShLIOp: np.left_shift,
    arith.ShRSIOp: np.right_shift,
    arith.ShRUIOp: _unsigned(np.right_shift),
    math.PowFOp: np.power,
    math.CopySignOp: np.copysign,
}

UNARY: dict[type[Operation], Callable[[Array], Array]] = {
    arith.NegfOp: np.negative,
    math.ExpOp: np.exp,
    math.LogOp: np.log,
    math.SqrtOp: np.sqrt,
    math.FloorOp: np.floor,
    math.CeilOp: np.ceil,
    math.RoundEvenOp: np.rint,
    math.TruncOp: np.trunc,
    math.AbsFOp: np.abs,
    math.TanhOp: np.tanh,
    math.ErfOp: erf,
    math.SinOp: np.sin,
    math.CosOp: np.cos,
    math.TanOp: np.tan,
    math.AsinOp: np.arcsin,
    math.AcosOp: np.arccos,
    math.AtanOp: np.arctan,
    math.SinhOp: np.sinh,
    math.CoshOp: np.cosh,
    math.AsinhOp: np.arcsinh,
    math.AcoshOp: np.arccosh,
    math.AtanhOp: np.arctanh,
}

CASTS = (
    arith.SIToFPOp,
    arith.FPToSIOp,
    arith.FPToUIOp,
    arith.ExtFOp,
    arith.TruncFOp,
    arith.ExtSIOp,
    arith.TruncIOp,
    arith.IndexCastOp,
)

COMPARE = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
FLOAT_COMPARE: dict[int, Callable[[Array, Array], Array]] = {
    1: np.equal,
    2: np.greater,
    3: np.greater_equal,
    4: np.less,
    5: np.less_equal,
    6: lambda a, b: (a < b) | (a > b),
    13: np.not_equal,
}


def _dtype(type_: Attribute) -> np.dtype[Any]:
    try:
        return dtype_of(type_)
    except ValueError:  # index
        return np.dtype(np.int64)


class Evaluation:
    """One evaluation of a nest on arrays, one an argument buffer, changed in place."""

    def __init__(self, nest: NestOp, arrays: Sequence[Array]) -> None:
        self.nest = nest
        self.extents = nest.extents
        self.arrays: dict[SSAValue, Array] = dict(
            zip(nest.buffers, arrays, strict=True)
        )
        self.values: dict[SSAValue, Array] = {}

    def run(self) -> None:
        """Evaluate all points at once; one by one where writes depend on data."""
        dynamic = any(
            isinstance(op, WriteOp) and any(i not in self.nest.dims for i in op.indices)
            for op in self.nest.body.block.ops
        )
        if not dynamic:
            self.points({})
            return
        for point in product(*map(range, self.extents)):
            self.points(dict(zip(self.nest.dims, point, strict=True)))

    def points(self, fixed: Mapping[SSAValue, int]) -> None:
        """Evaluate the body at all points, or at one."""
        rank = len(self.extents)
        for axis, (dim, size) in enumerate(
            zip(self.nest.dims, self.extents, strict=True)
        ):
            shape = [1] * rank
            shape[axis] = size
            points = np.arange(size).reshape(shape)
            self.values[dim] = (
                np.full([1] * rank, fixed[dim]) if dim in fixed else points
            )
        self.single = bool(fixed)
        with np.errstate(all="ignore"):
            for op in self.nest.body.block.ops:
                self.step(op)

    def place(self, map_: AffineMap, indices: Sequence[SSAValue]) -> tuple[Array, ...]:
        arrays = [self.values[i] for i in indices]

        def at(expression: Linear) -> Array:
            total: Any = np.int64(expression.constant)
            for term, coefficient in expression.terms:
                total = total + coefficient * self._term(term, arrays)
            return np.asarray(total)

        dims = [Linear.of(i, 1 << 62) for i in range(len(arrays))]
        return tuple(at(linear(e, dims)) for e in map_.results)

    def _term(self, term: Term, arrays: Sequence[Array]) -> Array:
        if isinstance(term, Counter):
            return arrays[cast("int", term.key)]
        total: Array = np.asarray(term.value.constant)
        for inner, coefficient in term.value.terms:
            total = total + coefficient * self._term(inner, arrays)
        divided: Array = (
            total % term.divisor if term.remainder else total // term.divisor
        )
        return divided

    def step(self, op: Operation) -> None:
        match op:
            case WriteOp():
                self.write(op)
            case ReadOp():
                self.values[op.result] = self.read(op)
            case ReduceOp():
                self.values[op.result] = self.reduce(op)
            case IndexOp():
                (index,) = self.place(op.map.data, op.indices)
                self.values[op.result] = self.ranked(index)
            case _:
                operands = [self.values[o] for o in op.operands]
                self.values[op.results[0]] = self.ranked(compute(op, operands))

    def ranked(self, array: Array) -> Array:
        return array if array.ndim else array.reshape([1] * len(self.extents))

    def read(self, op: ReadOp) -> Array:
        array = self.arrays[op.buffer]
        where = self.place(op.map.data, op.indices)
        type_ = _dtype(op.result.type)
        if op.guard is None or op.bounds is None:
            return self.ranked(np.asarray(array[where])).astype(type_)
        valid: Array = np.asarray(True)
        guards = self.place(op.guard.data, op.indices)
        for guard, bound in zip(guards, integers(op.bounds), strict=True):
            valid = valid & (guard >= 0) & (guard < bound)
        safe = tuple(
            np.clip(w, 0, s - 1) for w, s in zip(where, array.shape, strict=True)
        )
        assert isinstance(op.fill, FloatAttr | IntegerAttr)
        fill = np.asarray(op.fill.value.data).astype(type_)
        return self.ranked(np.where(valid, array[safe], fill).astype(type_))

    def write(self, op: WriteOp) -> None:
        array = self.arrays[op.buffer]
        where = self.place(op.map.data, op.indices)
        value = self.values[op.value].astype(array.dtype)
        if op.condition is None:
            array[where] = value if any(map(np.ndim, where)) else value.reshape(())
            return
        keep = self.values[op.condition]
        shape = np.broadcast_shapes(keep.shape, value.shape, *(w.shape for w in where))
        keep = np.broadcast_to(keep, shape)
        places = tuple(np.broadcast_to(w, shape)[keep] for w in where)
        array[places] = np.broadcast_to(value, shape)[keep]

    def reduce(self, op: ReduceOp) -> Array:
        axes = tuple(list(self.nest.dims).index(d) for d in op.dims)  # pyright: ignore
        value = self.values[op.value]
        if not self.single:
            shape = [
                self.extents[a] if a in axes else n for a, n in enumerate(value.shape)
            ]
            value = np.broadcast_to(value, shape)
        total = REDUCERS[op.kind.data].reduce(value, axis=axes, keepdims=True)
        total = np.asarray(total, value.dtype)
        if op.init is not None:
            total = REDUCERS[op.kind.data](total, self.values[op.init])
        return total


def compute(op: Operation, operands: Sequence[Array]) -> Array:
    """One scalar operation of a body on arrays."""
    kind = type(op)
    if isinstance(op, arith.ConstantOp):
        value = op.value
        assert isinstance(value, FloatAttr | IntegerAttr)
        return np.asarray(value.value.data).astype(_dtype(op.result.type))
    if kind in BINARY:
        return BINARY[kind](*operands)
    if kind in UNARY:
        return UNARY[kind](*operands)
    if kind in CASTS:
        return operands[0].astype(_dtype(op.results[0].type))
    if isinstance(op, arith.UIToFPOp | arith.ExtUIOp):
        return _as_unsigned(operands[0]).astype(_dtype(op.results[0].type))
    if isinstance(op, arith.BitcastOp):
        return operands[0].view(_dtype(op.results[0].type))
    if isinstance(op, arith.SelectOp):
        return np.where(*operands)
    if isinstance(op, math.FmaOp):
        return operands[0] * operands[1] + operands[2]
    if isinstance(op, arith.CmpfOp | arith.CmpiOp):
        return _compared(op, operands)
    raise NotImplementedError(op.name)


def _as_unsigned(array: Array) -> Array:
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "i" else array


def _compared(op: arith.CmpfOp | arith.CmpiOp, operands: Sequence[Array]) -> Array:
    predicate = op.predicate.value.data
    if isinstance(op, arith.CmpfOp):
        return FLOAT_COMPARE[predicate](*operands)
    if predicate < len(COMPARE):
        return COMPARE[predicate](*operands)
    return COMPARE[predicate - 4](*map(_as_unsigned, operands))


def evaluate_nest(nest: NestOp, arrays: Sequence[Array]) -> None:
    """Run `nest` on arrays, one an argument buffer; written ones change in place."""
    Evaluation(nest, arrays).run()


def evaluate_op(op: NNOp, *arrays: Array | None) -> tuple[Array, ...]:
    """
    The results of `op` through its loops or decomposition, for testing.

    `arrays` are the operands in order, absent ones left out or None.
    """
    known: dict[SSAValue, Array] = dict(
        zip(op.operands, [a for a in arrays if a is not None], strict=True)
    )
    _run(op, known)
    return tuple(known[r] for r in op.results)


def _run(op: Operation, known: dict[SSAValue, Array]) -> None:
    from ..const import ConstantOp

    if isinstance(op, ConstantOp):
        known[op.output] = op.array
        return
    assert isinstance(op, NNOp), op.name
    parts = op.decompose_results()
    if parts is not None:
        new_ops, values = parts
        for inner in new_ops:
            _run(inner, known)
        for result, value in zip(op.results, values, strict=True):
            known[result] = known[value]
        return
    _run_loops(op, known)


def _run_loops(op: NNOp, known: dict[SSAValue, Array]) -> None:
    builder = Loops()
    op.loops(builder)
    temporaries: dict[Tensor, Array] = {}
    for result in op.results:
        known[result] = np.zeros(shape_of(result), value_dtype(result))
    for built in builder.finish("body"):
        built.op.verify()
        arrays: list[Array] = []
        for tensor in built.tensors:
            if isinstance(tensor, Temporary):
                kind = dtype_of(tensor_element(tensor))
                if tensor not in temporaries:
                    temporaries[tensor] = np.zeros(tensor_shape(tensor), kind)
                arrays.append(temporaries[tensor])
            else:
                arrays.append(known[tensor])
        evaluate_nest(built.op, arrays)
