"""
Hypothesis strategies for random networks.

A network grows by moves. A move picks a value, whatever it is, and adds an operation or
a few to it, so chains, diamonds, shared values and outputs in the middle come by
themselves. Numbers are small and whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, whole_numbers
from ovc.dialects import nn
from ovc.dialects.types import Array, element_type, shape_of, tensor
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

T = TypeVar("T")

LARGEST = 1500
"""Elements of a value up to which moves may make it larger."""


@dataclass(repr=False)
class Program:
    """A module and arrays for its inputs; a failing test shows them as text."""

    module: ModuleOp
    inputs: dict[str, Array]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.module, self.inputs))

    def __repr__(self) -> str:
        return f"{self.module}\n{self.inputs}"


@dataclass(repr=False)
class Growth:
    """A network in the making, and the choices Hypothesis makes for it."""

    net: NetworkBuilder
    draw: Any
    generator: np.random.Generator

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self.draw(st.integers(low, high))

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return self.draw(st.sampled_from(items))

    def value(self, rank: int = 0, at_least: int = 0) -> SSAValue | None:
        """A value of this rank, or of at least this rank; None when there is none."""
        fitting = [
            v
            for v in self.net.values
            if len(shape_of(v)) >= at_least and rank in (0, len(shape_of(v)))
        ]
        return self.pick(fitting) if fitting else None

    def weights(self, *shape: int, low: int = -2, high: int = 2) -> SSAValue:
        """A constant of small whole numbers."""
        return self.net.constant(whole_numbers(self.generator, shape, low, high))


Move = Callable[[Growth], object]

UNARY = (nn.ReluOp, nn.NegOp, nn.AbsOp, nn.IdentityOp, nn.DropoutOp, nn.SignOp)
BINARY = (nn.AddOp, nn.SubOp, nn.MulOp, nn.MaximumOp, nn.MinimumOp)


def unary(g: Growth) -> object:
    return g.net.add(g.pick(UNARY), g.value())


def binary(g: Growth) -> object:
    """Two values that broadcast, perhaps the same one twice."""
    x = g.value()
    assert x is not None
    fitting = [v for v in g.net.values if broadcasts(shape_of(x), shape_of(v))]
    return g.net.add(g.pick(BINARY), x, g.pick(fitting)) if fitting else None


def with_constant(g: Growth) -> object:
    """A value and a constant: a scalar, a row, a channel or everything."""
    x = g.value()
    assert x is not None
    shape = shape_of(x)
    kept = [size if g.draw(st.booleans()) else 1 for size in shape]
    choices = [kept, [1], list(shape)[-1:], []]
    operands = [x, g.weights(*g.pick(choices))]
    return g.net.add(g.pick(BINARY), *(operands if g.number(0, 1) else operands[::-1]))


NEUTRAL = (
    (nn.AddOp, -0.0),
    (nn.SubOp, 0.0),
    (nn.MulOp, 1.0),
    (nn.DivOp, 1.0),
    (nn.PowOp, 1.0),
    (nn.AddOp, 0.0),
    (nn.SubOp, -0.0),
    (nn.MulOp, -1.0),
)
"""Operations and numbers that change nothing; the last three do."""


def neutral(g: Growth) -> object:
    """Arithmetic that changes nothing, or almost."""
    x = g.value()
    assert x is not None
    op, number = g.pick(NEUTRAL)
    shape = g.pick([(), shape_of(x), (1, *shape_of(x))])
    return g.net.add(op, x, g.net.constant(np.full(shape, number, np.float32)))


def again(g: Growth) -> object:
    """An operation of the network once more, with the same operands."""
    ops = [o for o in g.net.block.ops if o.results and o.results[0] in g.net.values]
    if not ops:
        return None
    copy = g.pick(ops).clone()
    g.net.block.add_op(copy)
    g.net.values.extend(copy.results)
    return copy


def constants_only(g: Growth) -> object:
    """Arithmetic on constants that then meets a value."""
    x = g.value(at_least=1)
    if x is None:
        return None
    size = shape_of(x)[-1]
    half = g.net.block
    sum_ = nn.AddOp.make(g.weights(size), g.weights(size))
    product = nn.MulOp.make(sum_, g.weights(1))
    half.add_ops([sum_, product])
    return g.net.add(g.pick(BINARY), x, product)


def transpose(g: Growth) -> object:
    x = g.value(at_least=2)
    if x is None:
        return None
    return g.net.add(nn.TransposeOp, x, perm=g.draw(st.permutations(range(rank(x)))))


def reshape(g: Growth) -> object:
    x = g.value()
    assert x is not None
    shape = shape_of(x)
    cut = g.number(0, len(shape))
    target = g.pick([[*shape[:cut], -1], [-1, *shape[cut:]], [*shape], [1, *shape]])
    return g.net.add(nn.ReshapeOp, x, g.net.ints(*target))


def computed_reshape(g: Growth) -> object:
    """What exporters write for `flatten`: shape, slice, concat, reshape."""
    x = g.value(at_least=2)
    if x is None:
        return None
    shape = g.net.add(nn.ShapeOp, x)
    first = g.net.add(nn.SliceOp, shape, g.net.ints(0), g.net.ints(1))
    target = g.net.add(nn.ConcatOp, [first, g.net.ints(-1)], axis=0)
    reshape = nn.ReshapeOp.make(x, target)
    size, rest = shape_of(x)[0], int(np.prod(shape_of(x)[1:]))
    reshape.set_result_types([tensor([size, rest], element_type(x))])
    g.net.block.add_op(reshape)
    g.net.values.append(reshape.results[0])
    return reshape


def ranks(g: Growth) -> object:
    """A dimension of size 1 comes or goes."""
    x = g.value()
    assert x is not None
    ones = [i for i, size in enumerate(shape_of(x)) if size == 1]
    if ones and g.draw(st.booleans()):
        return g.net.add(nn.SqueezeOp, x, g.net.ints(g.pick(ones)))
    if rank(x) >= 5:
        return None
    return g.net.add(nn.UnsqueezeOp, x, g.net.ints(g.number(0, rank(x))))


def slice_(g: Growth) -> object:
    x = g.value(at_least=1)
    if x is None:
        return None
    axis = g.number(0, rank(x) - 1)
    size = shape_of(x)[axis]
    start = g.number(0, size - 1)
    start, end, step = g.pick(
        [(start, size, 1), (start, size, 2), (0, size, 1), (-1, -size - 1, -1)]
    )
    return g.net.add(nn.SliceOp, x, *map(g.net.ints, (start, end, axis, step)))


def pad(g: Growth) -> object:
    x = g.value(at_least=1)
    if x is None or size_of(x) > LARGEST:
        return None
    pads = [0] * (2 * rank(x))
    for _ in range(g.number(0, 2)):
        pads[g.number(0, len(pads) - 1)] = g.number(0, 2)
    return g.net.add(nn.PadOp, x, g.net.ints(*pads))


def expand(g: Growth) -> object:
    x = g.value(at_least=1)
    if x is None or size_of(x) > LARGEST:
        return None
    shape = [g.number(1, 3) if size == 1 else size for size in shape_of(x)]
    return g.net.add(nn.ExpandOp, x, g.net.ints(*shape))


def tile(g: Growth) -> object:
    x = g.value(at_least=1)
    if x is None or size_of(x) > LARGEST:
        return None
    repeats = [1] * rank(x)
    repeats[g.number(0, rank(x) - 1)] = g.number(1, 2)
    return g.net.add(nn.TileOp, x, g.net.ints(*repeats))


def concat(g: Growth) -> object:
    """One value, or several that differ in the axis only."""
    x = g.value(at_least=1)
    if x is None or size_of(x) > LARGEST:
        return None
    axis = g.number(0, rank(x) - 1)
    fitting = [v for v in g.net.values if size_of(v) <= LARGEST and joins(x, v, axis)]
    others = g.draw(st.lists(st.sampled_from(fitting), max_size=2))
    return g.net.add(nn.ConcatOp, [x, *others], axis=axis)


def reduce(g: Growth) -> object:
    x = g.value(at_least=1)
    if x is None:
        return None
    op = g.pick((nn.ReduceSumOp, nn.ReduceMaxOp, nn.ReduceMinOp))
    axis = g.number(-rank(x), rank(x) - 1)
    return g.net.add(op, x, g.net.ints(axis), keepdims=g.number(0, 1))


def conv(g: Growth) -> SSAValue | None:
    """A convolution of odd sizes: any group, stride, dilation and padding."""
    x = g.value(at_least=3)
    if x is None or rank(x) > 4:
        return None
    _, channels, *spatial = shape_of(x)
    groups = g.pick([d for d in range(1, channels + 1) if channels % d == 0])
    outputs = groups * g.number(1, 3)
    kernel = [min(g.number(1, 3), size) for size in spatial]
    properties: dict[str, Any] = {
        "strides": [g.number(1, 2) for _ in spatial],
        "pads": [g.number(0, 1) for _ in spatial * 2],
        "group": groups,
    }
    bias = g.weights(outputs) if g.draw(st.booleans()) else None
    weights = g.weights(outputs, channels // groups, *kernel)
    return g.net.add(nn.ConvOp, x, weights, bias, **properties)


def conv_transpose(g: Growth) -> SSAValue | None:
    x = g.value(at_least=3)
    if x is None or rank(x) > 4 or size_of(x) > LARGEST:
        return None
    _, channels, *spatial = shape_of(x)
    groups = g.pick([d for d in range(1, channels + 1) if channels % d == 0])
    outputs = g.number(1, 2)
    weights = g.weights(channels, outputs, *(g.number(1, 3) for _ in spatial))
    bias = g.weights(groups * outputs) if g.draw(st.booleans()) else None
    strides = [g.number(1, 2) for _ in spatial]
    return g.net.add(
        nn.ConvTransposeOp, x, weights, bias, group=groups, strides=strides
    )


def matmul(g: Growth) -> SSAValue | None:
    x = g.value(at_least=2)
    if x is None:
        return None
    return g.net.add(nn.MatmulOp, x, g.weights(shape_of(x)[-1], g.number(1, 4)))


def gemm(g: Growth) -> SSAValue | None:
    """A general matrix product with any flags and any kind of addend."""
    x = g.value(rank=2)
    if x is None:
        return None
    flags = {"transA": g.number(0, 1), "transB": g.number(0, 1)}
    rows, inner = shape_of(x)[:: -1 if flags["transA"] else 1]
    columns = g.number(1, 4)
    weights = g.weights(*((columns, inner) if flags["transB"] else (inner, columns)))
    addends = [(columns,), (1, columns), (rows, 1), (rows, columns), (1,), ()]
    addend = g.weights(*g.pick(addends)) if g.draw(st.booleans()) else None
    scales = {"alpha": g.pick([1.0, 2.0]), "beta": g.pick([1.0, 2.0])}
    return g.net.add(nn.GemmOp, x, weights, addend, **flags, **scales)


def max_pool(g: Growth) -> object:
    x = g.value(rank=4)
    if x is None:
        return None
    kernel = [min(g.number(1, 2), size) for size in shape_of(x)[2:]]
    return g.net.add(nn.MaxPoolOp, x, kernel_shape=kernel, strides=[1, 1])


def norm_of(g: Growth, x: SSAValue) -> SSAValue:
    """A batch normalisation of `x` with constant statistics."""
    channels = shape_of(x)[1]
    scale, bias, mean = (g.weights(channels) for _ in range(3))
    variance = g.weights(channels, low=1, high=4)
    epsilon = g.pick([1e-5, 1e-3, 0.5])
    return g.net.add(nn.BatchNormOp, x, scale, bias, mean, variance, epsilon=epsilon)


def batch_norm(g: Growth) -> object:
    x = g.value(at_least=2)
    return None if x is None else norm_of(g, x)


def linear_norm(g: Growth) -> object:
    """What batch norms are for: one after a linear operation, sometimes two."""
    x = g.pick((conv, conv_transpose, matmul, gemm))(g)
    for _ in range(0 if x is None or rank(x) < 2 else g.number(1, 2)):
        x = norm_of(g, x)  # type: ignore[arg-type]
    return x


MOVEMENT: tuple[Move, ...] = (
    transpose,
    reshape,
    computed_reshape,
    ranks,
    slice_,
    pad,
    expand,
    tile,
    concat,
)
ARITHMETIC: tuple[Move, ...] = (unary, binary, with_constant, neutral, constants_only)
LAYERS: tuple[Move, ...] = (conv, conv_transpose, matmul, gemm, max_pool, reduce)
MOVES: tuple[Move, ...] = (*ARITHMETIC, *MOVEMENT, *LAYERS, batch_norm, again)
NORMS: tuple[Move, ...] = (linear_norm, linear_norm, batch_norm, unary, reshape, binary)


@st.composite
def networks(draw: Any, moves: Sequence[Move] = MOVES, most: int = 8) -> Program:
    """A module and inputs for it: up to `most` of the moves, one to three outputs."""
    ranks = draw(st.sampled_from([2, 3, 4, 4]))
    shape = [
        1,
        *draw(st.lists(st.integers(1, 5), min_size=ranks - 1, max_size=ranks - 1)),
    ]
    shape[0] = draw(st.integers(1, 2))
    seed = draw(st.integers(0, 1000))
    net = NetworkBuilder(*([shape] * draw(st.integers(1, 2))))
    growth = Growth(net, draw, np.random.default_rng(seed))
    for _ in range(draw(st.integers(1, most))):
        draw(st.sampled_from(moves))(growth)
    others = draw(st.lists(st.sampled_from(net.values), max_size=2))
    module = net.finish(net.values[-1], *others)
    return Program(module, argument_arrays(module, seed))


def rank(value: SSAValue) -> int:
    return len(shape_of(value))


def size_of(value: SSAValue) -> int:
    return int(np.prod(shape_of(value)))


def broadcasts(left: Sequence[int], right: Sequence[int]) -> bool:
    """Whether two shapes broadcast without growing beyond bounds."""
    try:
        return bool(np.prod(np.broadcast_shapes(tuple(left), tuple(right))) <= LARGEST)
    except ValueError:
        return False


def joins(x: SSAValue, y: SSAValue, axis: int) -> bool:
    """Whether two values may be concatenated."""
    left, right = list(shape_of(x)), list(shape_of(y))
    return len(left) == len(right) and left[:axis] + left[axis + 1 :] == (
        right[:axis] + right[axis + 1 :]
    )
