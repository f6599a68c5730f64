"""
Layers with weights take a Mul or an Add into them: the algebra, one rule a layer.

    conv(x, w, b) * k            ==>  conv(x, w * k[o], b * k)
    conv(x, w, b) + k            ==>  conv(x, w, b + k)
    conv(x * k, w, b)            ==>  conv(x, w * k[i], b)
    conv(x + k, w, b)            ==>  conv(x, w, b + sum(w[o, i, ...] * k[i]))

and the same for conv_transpose, gemm and matmul. `k` is one number or a vector with a
number per output channel (`o`) or per input channel (`i`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

from xdsl.ir import SSAValue

from ...dialects import nn
from ...dialects.nn.base import NNOp, integer, number
from ...dialects.types import shape_of, value_dtype
from .algebra import Algebra
from .linear import Obstacle

WEIGHTED = (nn.ConvOp, nn.ConvTransposeOp, nn.GemmOp, nn.MatmulOp)


@dataclass(frozen=True)
class Layer:
    """A layer as the linear function of one of its operands."""

    op: NNOp
    data: int
    """Which operand is the data."""
    weights: int
    input_axis: int
    """The dimension of the data that is summed over."""
    output_axis: int
    """The dimension of the result that has a weight of its own."""

    @property
    def bias(self) -> SSAValue | None:
        """The addend, for layers that have one."""
        return self.op.operands[2] if len(self.op.operands) > 2 else None

    @property
    def w(self) -> SSAValue:
        """The weights."""
        return self.op.operands[self.weights]

    def rebuilt(self, w: SSAValue, bias: SSAValue | None, **changes: Any) -> NNOp:
        """The same layer with other weights."""
        operands = list(self.op.operands[:2])
        operands[self.weights] = w
        properties: dict[str, Any] = {**self.op.properties, **changes}
        if isinstance(self.op, nn.MatmulOp) and bias is not None:
            return nn.GemmOp.make(*operands, bias)
        if isinstance(self.op, nn.MatmulOp):
            return nn.MatmulOp.make(*operands)
        return type(self.op).make(*operands, bias, **properties)


def layer_of(op: NNOp, data: SSAValue | None, constants: set[SSAValue]) -> Layer:
    """
    A layer with constant weights.

    Args:
        data: the operand that is looked at; None for the one that is no constant.

    Raises:
        Obstacle: its weights or its bias are not constant.
    """
    a, b, *bias = op.operands
    if not constants.issuperset(bias):
        raise Obstacle(f"the bias of {op.name} is not constant")
    left = isinstance(op, nn.GemmOp | nn.MatmulOp) and a in constants
    x, w = (b, a) if left else (a, b)
    if w not in constants or x in constants or (data is not None and data is not x):
        raise Obstacle(f"the weights of {op.name} are not constant")
    if isinstance(op, nn.ConvOp | nn.ConvTransposeOp):
        return Layer(op, 0, 1, 1, 1)
    rank = len(shape_of(op.results[0]))
    if len(shape_of(x)) < 2 or len(shape_of(w)) < 2:
        raise Obstacle(f"{op.name} multiplies by a vector")
    turned = isinstance(op, nn.GemmOp) and integer(op.transB if left else op.transA)
    inner = len(shape_of(x)) - (2 if left else 1)
    inner = 1 - inner if turned else inner
    return Layer(op, int(left), int(not left), inner, rank - (2 if left else 1))


BORDER_BYTES = 65536
"""Larger corrections at the border would not be folded."""

Rule: TypeAlias = Callable[[Layer, SSAValue, Algebra], NNOp]
"""The layer with a factor or addend (one number or a vector) taken in."""


def multiply_output(layer: Layer, k: SSAValue, algebra: Algebra) -> NNOp:
    """`layer(x) * k`, a number per output channel."""
    op, bias = layer.op, layer.bias
    if isinstance(op, nn.ConvOp | nn.ConvTransposeOp):
        if bias is not None:
            bias = algebra.mul(bias, k)
        over = conv_outputs if isinstance(op, nn.ConvOp) else transposed_outputs
        return layer.rebuilt(over(layer, k, algebra), bias)
    w = algebra.mul(layer.w, in_matrix(layer, k, algebra, output=True))
    if bias is None:
        return layer.rebuilt(w, None)
    rows = layer.weights == 0
    shape = [prod(shape_of(k)), 1] if rows else [prod(shape_of(k))]
    return layer.rebuilt(w, algebra.mul(bias, algebra.reshape(k, shape)))


def add_to_output(layer: Layer, k: SSAValue, algebra: Algebra) -> NNOp:
    """`layer(x) + k`, a number per output channel."""
    op, bias = layer.op, layer.bias
    if isinstance(op, nn.ConvOp | nn.ConvTransposeOp):
        channels = shape_of(op.results[0])[1]
        if bias is None:
            return layer.rebuilt(layer.w, algebra.expand(k, [channels]))
        return layer.rebuilt(layer.w, algebra.add(bias, k))
    if len(shape_of(op.results[0])) != 2:
        raise Obstacle(f"{op.name} of this rank has no addend")
    rows = layer.weights == 0
    addend = algebra.reshape(k, [prod(shape_of(k)), 1]) if rows else k
    return with_addend(layer, layer.w, addend, algebra)


def multiply_input(layer: Layer, k: SSAValue, algebra: Algebra) -> NNOp:
    """`layer(x * k)`, a number per input channel."""
    op, w = layer.op, layer.w
    if isinstance(op, nn.ConvOp):
        return layer.rebuilt(conv_inputs(layer, k, algebra), layer.bias)
    if isinstance(op, nn.ConvTransposeOp):
        ones = [1 for _ in shape_of(w)[1:]]
        factor = algebra.reshape(k, [prod(shape_of(k)), *ones])
        return layer.rebuilt(algebra.mul(w, factor), layer.bias)
    scaled = algebra.mul(w, in_matrix(layer, k, algebra, output=False))
    return layer.rebuilt(scaled, layer.bias)


def add_to_input(layer: Layer, k: SSAValue, algebra: Algebra) -> NNOp:
    """`layer(x + k)`, a number per input channel, where no window sees padding."""
    op, w, bias = layer.op, layer.w, layer.bias
    k = algebra.expand(k, [shape_of(op.operands[layer.data])[layer.input_axis]])
    if isinstance(op, nn.ConvOp | nn.ConvTransposeOp):
        check_unpadded(op)
        addend = summed_weights(layer, k, algebra)
        moved = addend if bias is None else algebra.add(bias, addend)
        return layer.rebuilt(w, moved)
    if len(shape_of(op.results[0])) != 2:
        raise Obstacle(f"{op.name} of this rank has no addend")
    left = layer.weights == 0
    turned = turned_weights(layer)
    matrix = algebra.transpose(w, [1, 0]) if turned else w
    size = shape_of(k)[0]
    if left:
        product = algebra.matmul(matrix, algebra.reshape(k, [size, 1]))
    else:
        product = algebra.matmul(algebra.reshape(k, [1, size]), matrix)
    alpha = number(op.properties.get("alpha"), 1.0)
    if alpha != 1:
        product = algebra.mul(product, algebra.number(alpha, product))
    return with_addend(layer, w, product, algebra)


def check_unpadded(op: NNOp) -> None:
    """
    Whether every output sees all taps of the kernel.

    Raises:
        Obstacle: some see padding, or only a part of them.
    """
    if isinstance(op, nn.ConvOp):
        if any(window.padded for window in op.windows()):
            raise Obstacle("the padding of nn.conv would have to be shifted too")
        return
    assert isinstance(op, nn.ConvTransposeOp)
    for window in op.windows():
        moved = window.begin or window.input != window.output
        if window.kernel != 1 or window.stride != 1 or moved:
            raise Obstacle("outputs of nn.conv_transpose see different taps")


def add_around_border(layer: Layer, k: SSAValue, algebra: Algebra) -> NNOp:
    """
    `conv(x + k)` with padding as `conv(x) + conv(k everywhere)`: the second is constant.
    """
    op = layer.op
    if not isinstance(op, nn.ConvOp):
        return add_to_input(layer, k, algebra)
    _, channels, *sizes = shape_of(op.x)
    itemsize = value_dtype(op.x).itemsize
    results = shape_of(op.output)[1:]
    needed = itemsize * max(channels * prod(sizes), prod(results))
    if needed > BORDER_BYTES:
        raise Obstacle(f"the correction at the border would take {needed} bytes")
    shaped = algebra.reshape(k, [1, prod(shape_of(k)), *(1 for _ in sizes)])
    field = algebra.expand(shaped, [1, channels, *sizes])
    properties: dict[str, Any] = dict(op.properties)
    border = algebra.write(nn.ConvOp.make(field, op.w, None, **properties))
    conv = layer.rebuilt(op.w, layer.bias)
    algebra.write(conv)
    return nn.AddOp.make(conv.results[0], border)


def conv_outputs(layer: Layer, k: SSAValue, algebra: Algebra) -> SSAValue:
    """Weights `[O, I, ...]` times a number per output channel."""
    ones = [1 for _ in shape_of(layer.w)[1:]]
    return algebra.mul(layer.w, algebra.reshape(k, [prod(shape_of(k)), *ones]))


def transposed_outputs(layer: Layer, k: SSAValue, algebra: Algebra) -> SSAValue:
    """Weights `[I, O / group, ...]`: a group's inputs meet its outputs."""
    inputs, outputs, *kernel = shape_of(layer.w)
    groups = groups_of(layer)
    ones = [1 for _ in kernel]
    if groups == 1 or prod(shape_of(k)) == 1:
        factor = algebra.reshape(k, [1, prod(shape_of(k)), *ones])
        return algebra.mul(layer.w, factor)
    apart = algebra.reshape(layer.w, [groups, inputs // groups, outputs, *kernel])
    factor = algebra.reshape(k, [groups, 1, outputs, *ones])
    return algebra.reshape(algebra.mul(apart, factor), shape_of(layer.w))


def conv_inputs(layer: Layer, k: SSAValue, algebra: Algebra) -> SSAValue:
    """Weights `[O, I / group, ...]` times a number per input channel."""
    outputs, inputs, *kernel = shape_of(layer.w)
    groups = groups_of(layer)
    ones = [1 for _ in kernel]
    if groups == 1 or prod(shape_of(k)) == 1:
        factor = algebra.reshape(k, [1, prod(shape_of(k)), *ones])
        return algebra.mul(layer.w, factor)
    apart = algebra.reshape(layer.w, [groups, outputs // groups, inputs, *kernel])
    factor = algebra.reshape(k, [groups, 1, inputs, *ones])
    return algebra.reshape(algebra.mul(apart, factor), shape_of(layer.w))


def summed_weights(layer: Layer, k: SSAValue, algebra: Algebra) -> SSAValue:
    """`sum(w * k)` over all but the output channel: a vector."""
    if isinstance(layer.op, nn.ConvOp):
        scaled = conv_inputs(layer, k, algebra)
        return algebra.sum(scaled, range(1, len(shape_of(scaled))))
    inputs, outputs, *kernel = shape_of(layer.w)
    groups = groups_of(layer)
    ones = [1 for _ in kernel]
    scaled = algebra.mul(layer.w, algebra.reshape(k, [inputs, 1, *ones]))
    apart = algebra.reshape(scaled, [groups, inputs // groups, outputs, *kernel])
    total = algebra.sum(apart, [1, *range(3, len(kernel) + 3)])
    return algebra.reshape(total, [groups * outputs])


def in_matrix(layer: Layer, k: SSAValue, algebra: Algebra, *, output: bool) -> SSAValue:
    """A vector in the shape in which it broadcasts along rows or columns of a matrix."""
    columns = (layer.weights == 1) == output
    if turned_weights(layer):
        columns = not columns
    size = prod(shape_of(k))
    return algebra.reshape(k, [1, size] if columns else [size, 1])


def with_addend(layer: Layer, w: SSAValue, addend: SSAValue, algebra: Algebra) -> NNOp:
    """A gemm that adds a constant, on top of the one it has."""
    op, bias = layer.op, layer.bias
    beta = number(op.properties.get("beta"), 1.0)
    if bias is not None and beta != 1:
        bias = algebra.mul(bias, algebra.number(beta, bias))
    moved = addend if bias is None else algebra.add(bias, addend)
    return layer.rebuilt(w, moved, beta=1.0)


def turned_weights(layer: Layer) -> bool:
    """Whether the weights of a gemm are transposed."""
    if not isinstance(layer.op, nn.GemmOp):
        return False
    name = "transA" if layer.weights == 0 else "transB"
    return integer(layer.op.properties.get(name)) != 0


def groups_of(layer: Layer) -> int:
    """The groups of a convolution."""
    return integer(layer.op.properties.get("group"), 1)


def vector(
    algebra: Algebra, constant: SSAValue, part: tuple[int, int] | None
) -> SSAValue:
    """A constant of one number per channel as a vector, or the part of it."""
    size = prod(shape_of(constant))
    flat = algebra.reshape(constant, [size])
    if part is None or part == (0, size) or size == 1:
        return flat
    return algebra.slice(flat, *part)
