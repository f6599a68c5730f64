"""
Hypothesis strategies for networks that the optimizer's rewrites almost fit.

Every strategy mixes a pattern with what forbids it: second readers, outputs in the
middle, constants of every rank and axis, all forms of padding, groups, 1-D to 3-D,
odd and even sizes. Moves pick any value, so diamonds and chains come by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, evaluate
from ovc.compiler.passes.algebra import Constants
from ovc.compiler.passes.rewrite import FunctionPass
from ovc.dialects import nn
from ovc.dialects.nn.base import NNOp
from ovc.dialects.types import shape_of
from strategies import Growth, Move, Program, rank, size_of
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

T = TypeVar("T")

LARGEST = 2000


@st.composite
def patterns(draw: Any, moves: Sequence[Move], most: int = 6) -> Program:
    """A network grown by these moves, with one or two outputs."""
    seed = draw(st.integers(0, 1000))
    return grown(
        Growth(NetworkBuilder(), draw, np.random.default_rng(seed)), moves, most
    )


def random_pattern(seed: int, moves: Sequence[Move], most: int = 3) -> Program:
    """The same, quickly: every choice follows from a seed."""
    return grown(Dice(NetworkBuilder(), None, np.random.default_rng(seed)), moves, most)


class Dice(Growth):
    """Chooses without Hypothesis, which takes longer than most passes."""

    def number(self, low: int, high: int) -> int:
        return int(self.generator.integers(low, high + 1))

    def pick(self, items: Sequence[T]) -> T:
        return items[self.number(0, len(items) - 1)]


def grown(g: Growth, moves: Sequence[Move], most: int) -> Program:
    """A network that begins with one or two inputs of one shape."""
    shape = [g.number(1, 2), g.pick((1, 2, 4, 6))]
    shape += [g.number(1, 6) for _ in range(g.pick((1, 2, 2, 3)))]
    g.net = NetworkBuilder(*([shape] * g.number(1, 2)))
    for _ in range(g.number(1, most)):
        g.pick(moves)(g)
    outputs = [g.net.values[-1]]
    if g.number(0, 2) == 0:
        outputs.append(g.pick(g.net.values))
    module = g.net.finish(*outputs)
    return Program(module, argument_arrays(module))


def order_of(g: Growth, length: int) -> list[int]:
    """The numbers below `length`, in any order."""
    rest = list(range(length))
    return [rest.pop(g.number(0, len(rest) - 1)) for _ in range(length)]


def check_exact(pass_: FunctionPass, program: Program, *, text: bool = True) -> int:
    """
    Apply a pass: it keeps the results to the bit, computed in float64 from whole
    numbers, and a second run changes nothing. Returns how often it rewrote.

    Args:
        text: compare the text after the second run too, not only its count.
    """
    module, inputs = program
    expected = evaluate(module, inputs, precision=np.float64)
    before = work_of(module)
    count = pass_.count(module)
    module.verify()
    if pass_.name in SAVING and not getattr(pass_, "border", False):
        assert work_of(module) <= before
    results = evaluate(module, inputs, precision=np.float64)
    for result, array in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, array)
    once = str(module) if text else ""
    assert pass_.count(module) == 0
    assert not text or str(module) == once
    return count


SAVING = ("merge-linear", "fuse-linear", "fuse-groups", "fuse-horizontal")
"""Passes after which there is never more to compute."""


def work_of(module: ModuleOp) -> int:
    """The arithmetic of everything that depends on an input."""
    [main] = module.body.block.ops
    block = main.regions[0].block
    constants = Constants.of(block)
    return sum(
        op.flops()
        for op in block.ops
        if isinstance(op, NNOp) and not constants.issuperset(op.results)
    )


def recent(g: Growth, at_least: int = 1) -> SSAValue | None:
    """Any value, the latest one more often."""
    fitting = [v for v in g.net.values if rank(v) >= at_least]
    if not fitting:
        return None
    return g.pick([fitting[-1]] * 4 + fitting[-3:] + fitting[:1])


def any_padding(g: Growth, spatial: int) -> dict[str, Any]:
    """Every form of padding: none, even, uneven, automatic."""
    kind = g.pick(
        ("none", "zeros", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID")
    )
    if kind == "none":
        return {}
    if kind == "zeros":
        return {"pads": [0] * (2 * spatial)}
    if kind == "pads":
        return {"pads": [g.number(0, 2) for _ in range(2 * spatial)]}
    return {"auto_pad": kind}


def conv_on(g: Growth, x: SSAValue, **fixed: Any) -> SSAValue:
    """A convolution with any groups, strides, dilations and padding."""
    _, channels, *spatial = shape_of(x)
    groups = g.pick([d for d in range(1, channels + 1) if channels % d == 0])
    outputs = groups * g.number(1, 2)
    kernel = fixed.pop("kernel", None)
    kernel = kernel or [min(g.number(1, 3), size) for size in spatial]
    properties: dict[str, Any] = {"group": groups, **any_padding(g, len(spatial))}
    if g.number(0, 1):
        properties["strides"] = [g.number(1, 3) for _ in spatial]
    if g.number(0, 3) == 0:
        fitting = [
            2 if 2 * k - 1 <= n else 1 for k, n in zip(kernel, spatial, strict=True)
        ]
        properties["dilations"] = fitting
    properties |= fixed
    bias = g.weights(outputs) if g.number(0, 1) else None
    weights = g.weights(outputs, channels // groups, *kernel)
    return g.net.add(nn.ConvOp, x, weights, bias, **properties)


def conv(g: Growth) -> object:
    x = recent(g, 3)
    return None if x is None or size_of(x) > LARGEST else conv_on(g, x)


def pointwise(g: Growth) -> object:
    """A 1x1 convolution, mostly with strides and without padding."""
    x = recent(g, 3)
    if x is None:
        return None
    spatial = rank(x) - 2
    stride = g.number(1, 3)
    strides = g.pick(([stride] * spatial, [g.number(1, 3) for _ in range(spatial)]))
    padding = g.pick(({}, {}, {"pads": [0] * (2 * spatial)}, any_padding(g, spatial)))
    _, channels, *_ = shape_of(x)
    groups = g.pick([1, 1, channels])
    outputs = groups * g.number(1, 3)
    weights = g.weights(outputs, channels // groups, *[1] * spatial)
    bias = g.weights(outputs) if g.number(0, 1) else None
    dilations = {"dilations": [2] * spatial} if g.number(0, 4) == 0 else {}
    return g.net.add(
        nn.ConvOp,
        x,
        weights,
        bias,
        strides=strides,
        group=groups,
        **padding,
        **dilations,
    )


def siblings(g: Growth) -> object:
    """Two 1x1 convolutions of one value with the same stride: a residual block's end."""
    x = recent(g, 3)
    if x is None:
        return None
    spatial = rank(x) - 2
    strides = [g.number(1, 2)] * spatial
    for _ in range(2):
        weights = g.weights(2, shape_of(x)[1], *[1] * spatial)
        g.net.add(nn.ConvOp, x, weights, strides=strides)
    return x


def conv_transpose(g: Growth) -> object:
    x = recent(g, 3)
    if x is None or size_of(x) > 500:
        return None
    _, channels, *spatial = shape_of(x)
    groups = g.pick([d for d in range(1, channels + 1) if channels % d == 0])
    outputs = g.number(1, 2)
    weights = g.weights(channels, outputs, *(g.number(1, 3) for _ in spatial))
    bias = g.weights(groups * outputs) if g.number(0, 1) else None
    strides = [g.number(1, 2) for _ in spatial]
    return g.net.add(
        nn.ConvTransposeOp, x, weights, bias, group=groups, strides=strides
    )


def linear(g: Growth) -> object:
    """Mul or Add with a constant of any rank: a number, a channel, a border, a map."""
    x = recent(g)
    if x is None or size_of(x) > LARGEST:
        return None
    shape = list(shape_of(x))
    axis = min(1, len(shape) - 1)
    channel = [n if i == axis else 1 for i, n in enumerate(shape)]
    kept = [n if g.number(0, 1) else 1 for n in shape]
    choices = [
        channel,
        channel,
        channel[axis:],
        channel[axis:],
        [],
        [1],
        shape[-1:],
        kept,
    ]
    if g.number(0, 5) == 0:
        wider = [3 if n == 1 else 1 for n in shape]
        choices = [[3, *shape], [1, *shape], wider, [1, *[1] * len(shape)]]
    operands = [x, constant(g, g.pick(choices))]
    op = g.pick((nn.MulOp, nn.AddOp))
    return g.net.add(op, *(operands if g.number(0, 3) else operands[::-1]))


def constant(g: Growth, shape: Sequence[int]) -> SSAValue:
    """Small whole numbers; sometimes all positive, all one or all zero."""
    low, high = g.pick(((-2, 2), (-2, 2), (1, 3), (1, 1), (0, 0)))
    return g.weights(*shape, low=low, high=high)


def linear_chain(g: Growth) -> object:
    for _ in range(g.number(2, 4)):
        x = g.net.values[-1]
        shape = shape_of(x)
        choice = (
            g.pick(([shape[1], *[1] * (len(shape) - 2)], [])) if len(shape) > 1 else []
        )
        g.net.add(g.pick((nn.MulOp, nn.AddOp)), x, constant(g, choice))
    return g.net.values[-1]


def nowhere(g: Growth) -> object:
    return None


def rectified(g: Growth) -> object:
    return g.net.add(nn.ReluOp, g.net.values[-1])


def padded(g: Growth) -> object:
    """The latest value with one element put to it, of any value and at any side."""
    x = g.net.values[-1]
    pads = [0] * (2 * rank(x))
    pads[g.number(0, len(pads) - 1)] = 1
    value = g.pick((None, g.net.constant(np.array(1, np.float32))))
    mode = g.pick(("constant", "edge"))
    return g.net.add(nn.PadOp, x, g.net.ints(*pads), value, mode=mode)


def moved(g: Growth) -> object:
    """The latest value with its dimensions in another order, or in fewer."""
    x = g.net.values[-1]
    if g.number(0, 1):
        order = order_of(g, rank(x))
        return g.net.add(nn.TransposeOp, x, perm=order)
    cut = g.number(0, rank(x))
    shape = [*shape_of(x)[:cut], -1] if g.number(0, 1) else [-1, *shape_of(x)[cut:]]
    return g.net.add(nn.ReshapeOp, x, g.net.ints(*shape))


def linear_after(g: Growth) -> object:
    """A layer, perhaps something in between, and what may be fused backward."""
    g.pick((conv, conv, conv_transpose, matmul, gemm, joined, joined))(g)
    g.pick((nowhere, nowhere, between, rectified, moved, padded))(g)
    return linear(g)


def linear_before(g: Growth) -> object:
    """What may be fused forward, perhaps something in between, and layers."""
    linear(g)
    g.pick((nowhere, nowhere, between, rectified, moved, padded))(g)
    for _ in range(g.number(1, 2)):
        g.pick((conv, conv, conv_transpose, matmul, gemm, parted))(g)
    return None


def sub_or_div(g: Growth) -> object:
    """Minus a constant, over a power of two, or the other way round."""
    x = recent(g)
    assert x is not None
    power = g.net.constant(np.array([g.pick((0.5, 2.0, 4.0))], np.float32))
    op, other = g.pick(((nn.SubOp, g.weights(shape_of(x)[-1])), (nn.DivOp, power)))
    operands = [x, other] if op is nn.DivOp or g.number(0, 3) else [other, x]
    return g.net.add(op, *operands)


def scale_shift(g: Growth) -> object:
    x = recent(g, 2)
    if x is None:
        return None
    channels = shape_of(x)[1]
    return g.net.add(nn.ScaleShiftOp, x, g.weights(channels), g.weights(channels))


def whole_norm(g: Growth) -> object:
    """A batch norm whose factors are whole: variance plus epsilon is one or a quarter."""
    x = recent(g, 2)
    if x is None:
        return None
    channels = shape_of(x)[1]
    variance = g.net.constant(np.full(channels, g.pick((0.5, -0.25)), np.float32))
    scale, bias, mean = (g.weights(channels) for _ in range(3))
    return g.net.add(nn.BatchNormOp, x, scale, bias, mean, variance, epsilon=0.5)


def matmul(g: Growth) -> object:
    """A product with weights on the right, on the left, or of two values."""
    x = recent(g, 2)
    if x is None or size_of(x) > LARGEST:
        return None
    rows, columns = shape_of(x)[-2:]
    kind = g.number(0, 4)
    if kind == 0:
        return g.net.add(nn.MatmulOp, g.weights(g.number(1, 3), rows), x)
    if kind == 1:
        return g.net.add(nn.MatmulOp, g.net.add(nn.TransposeOp, x, perm=turned(x)), x)
    batch = shape_of(x)[:-2] if kind == 2 else ()
    return g.net.add(nn.MatmulOp, x, g.weights(*batch, columns, g.number(1, 3)))


def turned(x: SSAValue) -> list[int]:
    """The last two dimensions swapped."""
    order = list(range(rank(x)))
    return [*order[:-2], order[-1], order[-2]]


def gemm(g: Growth) -> object:
    """A general product of a matrix; others are flattened before."""
    x = recent(g, 2)
    if x is None or size_of(x) > LARGEST:
        return None
    if rank(x) > 2:
        x = g.net.add(nn.FlattenOp, x, axis=1)
    flags = {"transA": g.number(0, 1), "transB": g.number(0, 1)}
    rows, inner = shape_of(x)[:: -1 if flags["transA"] else 1]
    n = g.number(1, 3)
    weights = g.weights(*((n, inner) if flags["transB"] else (inner, n)))
    addend = g.pick([None, (n,), (1, n), (rows, 1), (rows, n), ()])
    scales = {"alpha": g.pick([1.0, 2.0]), "beta": g.pick([1.0, 2.0])}
    bias = None if addend is None else g.weights(*addend)
    return g.net.add(nn.GemmOp, x, weights, bias, **flags, **scales)


def between(g: Growth) -> object:
    """An operation that constants may be moved through, or must not."""
    x = recent(g, 3)
    if x is None or size_of(x) > LARGEST:
        return None
    order = order_of(g, rank(x))
    kernel = [min(2, n) for n in shape_of(x)[2:]]
    pads = [0] * (2 * rank(x))
    pads[g.number(0, len(pads) - 1)] = 1
    choices: list[tuple[Any, ...]] = [
        (nn.ReluOp, [x], {}),
        (nn.ReluOp, [x], {}),
        (nn.SigmoidOp if rank(x) > 9 else nn.NegOp, [x], {}),
        (nn.IdentityOp, [x], {}),
        (nn.TransposeOp, [x], {"perm": order}),
        (nn.MaxPoolOp, [x], {"kernel_shape": kernel, "strides": kernel}),
        (nn.AveragePoolOp, [x], {"kernel_shape": kernel}),
        (nn.GlobalMaxPoolOp, [x], {}),
        (nn.PadOp, [x, g.net.ints(*pads)], {}),
        (nn.ConcatOp, [[x, x]], {"axis": 1}),
        (nn.FlattenOp, [x], {"axis": g.number(0, rank(x))}),
        (nn.ReshapeOp, [x, g.net.ints(*[*shape_of(x)[:2], -1])], {}),
    ]
    op, operands, properties = g.pick(choices)
    return g.net.add(op, *operands, **properties)


def joined(g: Growth) -> object:
    """Two branches of one value in one concat, along any dimension."""
    x = recent(g, 3)
    if x is None or size_of(x) > LARGEST:
        return None
    values = [same_shape_conv(g, x) for _ in range(2)]
    if g.number(0, 3) == 0:
        values[0] = g.net.add(nn.ReluOp, values[0])
    return g.net.add(nn.ConcatOp, values, axis=g.pick((1, 1, 1, 0, rank(x) - 1)))


def same_shape_conv(g: Growth, x: SSAValue) -> SSAValue:
    """A 1x1 convolution to two channels."""
    weights = g.weights(2, shape_of(x)[1], *[1] * (rank(x) - 2))
    return g.net.add(nn.ConvOp, x, weights)


def parted(g: Growth) -> object:
    """A split whose parts go through convolutions each."""
    x = recent(g, 3)
    if x is None or shape_of(x)[1] % 2:
        return None
    split = nn.SplitOp.make(x, num_outputs=2, axis=1, results=2)
    g.net.block.add_op(split)
    g.net.values += split.results
    for part in split.results:
        same_shape_conv(g, part)
    return split


def binary(g: Growth) -> object:
    """Two values of one shape, or one and a constant that broadcasts to it."""
    x = recent(g)
    assert x is not None
    same = [v for v in g.net.values if shape_of(v) == shape_of(x)]
    kept = [n if g.number(0, 1) else 1 for n in shape_of(x)]
    other = g.pick([*same, g.weights(*kept), g.weights(*shape_of(x)[-2:])])
    return g.net.add(g.pick((nn.AddOp, nn.MulOp, nn.MaximumOp)), x, other)


def unary(g: Growth) -> object:
    return g.net.add(g.pick((nn.ReluOp, nn.ReluOp, nn.NegOp, nn.AbsOp)), recent(g))


def block(g: Growth) -> object:
    """Convolutions and a sum, then only strided 1x1 convolutions: a ResNet's stage."""
    residual(g)
    return g.pick((pointwise, siblings))(g)


def residual(g: Growth) -> object:
    """conv, add of a value of that shape, relu: what strides move through."""
    x = recent(g, 3)
    if x is None or size_of(x) > LARGEST:
        return None
    channels = shape_of(x)[1]
    spatial = rank(x) - 2
    kernel = g.pick((1, 3))
    weights = g.weights(g.pick((channels, channels, 1)), channels, *[kernel] * spatial)
    padding = {"pads": [kernel // 2] * (2 * spatial)}
    if g.number(0, 2) == 0:
        padding = {"auto_pad": g.pick(("SAME_UPPER", "SAME_LOWER"))}
    y = g.net.add(nn.ConvOp, x, weights, **padding)
    other = g.pick([x, x, x, g.weights(*shape_of(x)[2:])])
    total = g.net.add(nn.AddOp, *g.pick(((y, other), (other, y))))
    return g.net.add(nn.ReluOp, total) if g.number(0, 1) else total


WRONG = (
    *("", "", "", "axis", "concat axis", "sizes", "order", "twice", "kernel"),
    *("stride", "dilation", "padding", "bias", "outputs", "reader", "between"),
    *("group", "part read", "left out"),
)
"""What may be wrong with a split, convolutions and a concat; "" is nothing."""


def split_conv_concat(g: Growth) -> object:
    """A split, convolutions and a concat, perhaps with one thing wrong."""
    x = recent(g, 3)
    if x is None or size_of(x) > LARGEST:
        return None
    wrong = g.pick(WRONG)
    parts = split_for(g, x, wrong)
    if parts is None:
        return None
    kernel = [min(2, n) for n in shape_of(parts[0])[2:]]
    biased = g.number(0, 1)
    outputs = g.number(1, 2) * 2
    values = [
        branch(g, part, kernel, outputs, biased, wrong if index == 1 else "")
        for index, part in enumerate(parts)
    ]
    if wrong == "order":
        values.reverse()
    if wrong == "twice":
        values[1] = values[0]
    if wrong == "reader":
        g.net.add(nn.NegOp, values[0])
    if wrong == "part read":
        g.net.add(nn.NegOp, parts[0])
    if wrong == "left out":
        values.pop()
    axis = 0 if wrong == "concat axis" else g.pick((1, 1 - rank(x)))
    if len({s[:axis] + s[axis % len(s) + 1 :] for s in map(shape_of, values)}) != 1:
        return None
    if wrong != "" and len({shape_of(v)[2:] for v in values}) != 1:
        return None
    return g.net.add(nn.ConcatOp, values, axis=axis)


def branch(
    g: Growth,
    part: SSAValue,
    kernel: Sequence[int],
    outputs: int,
    biased: int,
    wrong: str,
) -> SSAValue:
    """One of the convolutions, perhaps with something wrong."""
    spatial, inner = len(kernel), shape_of(part)[1]
    group = inner if wrong == "group" else 1
    count = outputs * inner if group > 1 else outputs + (wrong == "outputs")
    properties: dict[str, Any] = {"group": group}
    if wrong == "stride":
        properties["strides"] = [2] * spatial
    if wrong == "dilation" and min(shape_of(part)[2:]) > 2:
        properties["dilations"] = [2] * spatial
    if wrong == "padding":
        properties["pads"] = [1, *[0] * (2 * spatial - 1)]
    if wrong == "kernel":
        kernel = [1] * spatial
    weights = g.weights(count, inner // group, *kernel)
    bias = g.weights(count) if biased != (wrong == "bias") else None
    value = g.net.add(nn.ConvOp, part, weights, bias, **properties)
    return g.net.add(nn.ReluOp, value) if wrong == "between" else value


def split_for(g: Growth, x: SSAValue, wrong: str) -> list[SSAValue] | None:
    """Two or three parts of a value."""
    axis = g.pick((2, -1)) if wrong == "axis" else g.pick((1, 1 - rank(x)))
    size = shape_of(x)[axis]
    count = g.pick([n for n in (2, 3) if size % n == 0] or [0])
    if not count:
        return None
    sizes = [size // count] * count
    if wrong == "sizes" and sizes[0] > 1:
        sizes[0] -= 1
        sizes[1] += 1
    named = g.net.ints(*sizes) if wrong == "sizes" or g.number(0, 1) else None
    split = nn.SplitOp.make(x, named, axis=axis, results=count)
    g.net.block.add_op(split)
    g.net.values += split.results
    return list(split.results)


def several(g: Growth) -> object:
    """Layers of one value: convolutions, matmuls or gemms, alike or not quite."""
    x = recent(g, 2)
    if x is None or size_of(x) > LARGEST:
        return None
    kind = g.number(0, 2)
    tail = g.number(0, 3)
    for _ in range(g.number(2, 3)):
        n = g.pick((1, 2, 16))
        if kind == 0 and rank(x) > 2:
            bias = g.weights(n) if g.number(0, 3) else None
            weights = g.weights(n, shape_of(x)[1], *[g.pick((1, 1, 1))] * (rank(x) - 2))
            stride = [g.pick((1, 1, 1, 2))] * (rank(x) - 2)
            y = g.net.add(nn.ConvOp, x, weights, bias, strides=stride)
        elif kind == 1 and rank(x) == 2:
            turned_ = g.number(0, 1)
            inner = shape_of(x)[1]
            weights = g.weights(*((n, inner) if turned_ else (inner, n)))
            y = g.net.add(nn.GemmOp, x, weights, g.weights(n), transB=turned_)
        else:
            y = g.net.add(nn.MatmulOp, x, g.weights(shape_of(x)[-1], n))
        if tail == 1:
            y = g.net.add(nn.ReluOp, y)
        if tail >= 2 and kind:
            y = g.net.add(nn.AddOp, y, g.weights(shape_of(y)[-1]))
    return x


def transpose(g: Growth) -> object:
    """A transpose; often the one that turns the last one back."""
    x = recent(g, 2)
    if x is None:
        return None
    order = order_of(g, rank(x))
    owner = x.owner
    if isinstance(owner, nn.TransposeOp) and g.number(0, 1):
        perm = owner.permutation(rank(x))
        order = [perm.index(axis) for axis in range(rank(x))]
    return g.net.add(nn.TransposeOp, x, perm=order)


def both_transposed(g: Growth) -> object:
    """Two values transposed, mostly alike, and joined by an elementwise operation."""
    x = recent(g, 2)
    if x is None:
        return None
    same = [v for v in g.net.values if shape_of(v) == shape_of(x)]
    order = order_of(g, rank(x))
    other = order if g.number(0, 3) else order_of(g, rank(x))
    a = g.net.add(nn.TransposeOp, x, perm=order)
    b = g.net.add(nn.TransposeOp, g.pick(same), perm=other)
    if shape_of(a) != shape_of(b):
        return None
    return g.net.add(nn.AddOp, a, b)


LINEAR: tuple[Move, ...] = (
    linear_after,
    linear_after,
    linear_before,
    linear_before,
    linear,
    linear_chain,
    conv,
    conv,
    conv_transpose,
    matmul,
    gemm,
    between,
    joined,
    parted,
    binary,
)
DECOMPOSED: tuple[Move, ...] = (
    sub_or_div,
    scale_shift,
    whole_norm,
    linear,
    unary,
    binary,
)
MERGED: tuple[Move, ...] = (linear, linear_chain, linear_chain, unary, binary)
STRIDED: tuple[Move, ...] = (
    block,
    block,
    block,
    pointwise,
    siblings,
    residual,
    residual,
    conv,
    unary,
    binary,
    scale_shift,
    linear,
)
GROUPED: tuple[Move, ...] = (split_conv_concat, split_conv_concat, unary, conv)
SEVERAL: tuple[Move, ...] = (several, several, unary, linear)
TURNED: tuple[Move, ...] = (
    transpose,
    transpose,
    both_transposed,
    unary,
    linear,
    binary,
    between,
    matmul,
)
