"""
Compute products with constant weights in Strassen's way, where that is faster.

    matmul(a, w)   ==>  strassen_output(matmul(strassen_left(a), u))
    conv(x, w, b)  ==>  strassen_output(conv(strassen_left(x), u) {group = 7}, b)

`u` is `strassen_right(w)`, computed here; convolutions are those of 1x1 pixels with stride
1. Seven products of half matrices take the place of eight, for `M` rows, `K` inputs and
`N` outputs. Both ways are counted in multiplications at the processor's peak:

    direct    M K N              + STREAM bytes(w)
    Strassen  7/4 (M / 2) K N    + STREAM bytes(u) + NEAR (bytes of x, factors, products, y)

`NEAR` becomes `FAR` for bytes that the second cache does not hold. The least cost wins, unless it wins little or its rounding error, measured on random rows
with the layer's own weights, is above the bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Block, Operation, SSAValue

from ...backends.target import Target
from ...dialects.const import ConstantOp
from ...dialects.nn import (
    AddOp,
    ConvOp,
    GemmOp,
    MatmulOp,
    StrassenLeftOp,
    StrassenOutputOp,
    StrassenRightOp,
)
from ...dialects.nn.base import NNOp, integer, number
from ...dialects.nn.strassen import PRODUCTS, half, left, outward, right
from ...dialects.types import Array, element_type, shape_of
from ..interpreter import constant_results
from ..targets import find_target
from .fold import EVERY_SIZE
from .reasons import applied, decline, is_kept
from .rewrite import FunctionPass, replace, require_choice

NEAR, FAR = 0.55, 1.6
"""Multiplications in the time of a byte that is added up, in the second cache or beyond."""

STREAM = 1.0
"""Multiplications in the time of a byte of weights from far memory. They are asked for ahead,
but more of them drive other things out of the caches."""

GAIN = 0.97
"""Share of the direct cost that must not be exceeded: more weights take more memory."""

CHOICES = ("auto", "never", "always")


@dataclass(frozen=True)
class UseStrassenPass(FunctionPass):
    """Replace products with constant weights by Strassen's where that is faster."""

    name = "use-strassen"

    target: str = "cpu"
    choose: str = "auto"
    """auto, never, or always: wherever it is legal and accurate."""
    error: float = 5e-6
    """Largest error of a layer, of its largest output."""

    def rewrite(self, body: Block) -> int:
        require_choice(self.name, self.choose, CHOICES)
        target = find_target(self.target)
        if self.choose == "never" or (self.choose == "auto" and target.items > 1):
            return 0  # the costs above are those of processors
        rewriter = Rewriter(self, target, samples_of(body))
        for op in list(body.ops):
            layer = None if is_kept(op) else Layer.of(op)
            if layer is not None:
                rewriter.visit(layer)
        return rewriter.count


@dataclass(frozen=True)
class Layer:
    """A product of rows with a constant matrix that could be taken apart."""

    op: MatmulOp | GemmOp | ConvOp
    weights: ConstantOp
    across: tuple[int, int]
    """The dimensions of the weights that are their rows (`K`) and columns (`N`)."""
    rows: int
    """The dimension of the left operand, and of the result, that is cut."""
    columns: int
    """Their other one."""

    @staticmethod
    def of(op: Operation) -> Layer | None:
        """The layer that an operation is, if it is one."""
        if not isinstance(op, MatmulOp | GemmOp | ConvOp):
            return None
        weights = op.operands[1].owner
        if not isinstance(weights, ConstantOp) or not all(
            isinstance(element_type(v), Float32Type) for v in op.operands
        ):
            return None
        match op:
            case MatmulOp():
                return Layer._of_matmul(op, weights)
            case GemmOp():
                return Layer._of_gemm(op, weights)
            case ConvOp():
                return Layer._of_convolution(op, weights)

    @staticmethod
    def _of_matmul(op: MatmulOp, weights: ConstantOp) -> Layer | None:
        rank = len(shape_of(op.a))
        if rank < 2 or len(shape_of(op.b)) != 2:
            return None
        return Layer(op, weights, (0, 1), rank - 2, rank - 1)

    @staticmethod
    def _of_gemm(op: GemmOp, weights: ConstantOp) -> Layer | None:
        plain = number(op.alpha) == number(op.beta) == 1 and not integer(op.transA)
        across = (1, 0) if integer(op.transB) else (0, 1)
        return Layer(op, weights, across, 0, 1) if plain else None

    @staticmethod
    def _of_convolution(op: ConvOp, weights: ConstantOp) -> Layer | None:
        """Pixels are rows; the dimension is cut in which fewest are added."""
        windows = op.windows()
        if integer(op.group) != 1 or any(
            w.kernel != 1 or w.stride != 1 or w.begin or w.reach for w in windows
        ):
            return None
        waste = [2 * half(w.output) / w.output for w in windows]
        return Layer(op, weights, (1, 0), 2 + waste.index(min(waste)), 1)

    @property
    def merged(self) -> bool:
        """Whether the products are the groups of one convolution."""
        return isinstance(self.op, ConvOp)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """`M, N, K`."""
        outputs = shape_of(self.op.output)
        columns = outputs[self.columns]
        return (
            prod(outputs) // columns,
            columns,
            shape_of(self.op.operands[0])[self.columns],
        )

    @property
    def matrix(self) -> Array:
        """The weights as `[K, N]`."""
        array = self.weights.array
        flat = array.reshape(array.shape[:2])
        return flat if self.across == (0, 1) else flat.T

    def fits(self, lanes: int) -> bool:
        """Whether halves of columns fill registers, and there are rows to cut."""
        _, columns, inner = self.sizes
        step = 2 * lanes if self.merged else 2
        wide = min(columns, inner) >= 2 * lanes
        rows = shape_of(self.op.output)[self.rows]
        return rows > 1 and wide and columns % (2 * lanes) == 0 and inner % step == 0

    def pairs_samples(self, samples: int) -> bool:
        """
        Whether the dimension that is cut may hold samples. What is computed of one must
        not depend on another: large numbers would cost small ones digits, and NaN spread.
        """
        rows = shape_of(self.op.output)[self.rows]
        return not self.merged and samples > 1 and (self.rows == 0 or rows == samples)

    def direct_cost(self) -> float:
        """Multiplications of the direct product, and its weights' way."""
        rows, columns, inner = self.sizes
        return columns * inner * (rows + STREAM * 4)

    def cost(self, cache: int) -> float:
        """The same in Strassen's way, with `cache` bytes near."""
        rows, columns, inner = self.sizes
        cut = shape_of(self.op.output)[self.rows]
        pairs = rows // cut * half(cut)
        share = PRODUCTS / 4
        moved = [4 * pairs * size * (2 + 2 * share) for size in (inner, columns)]
        near = [min(size, 2 * cache) for size in moved]
        sums = NEAR * sum(near) + FAR * (sum(moved) - sum(near))
        return share * columns * inner * (pairs + STREAM * 4) + sums


def samples_of(body: Block) -> int:
    """The largest leading size of the network's inputs."""
    return max((shape_of(a)[0] for a in body.args if shape_of(a)), default=1)


@dataclass
class Rewriter:
    """Rewrites the layers of one function."""

    options: UseStrassenPass
    target: Target
    samples: int
    """How many samples the network takes at once."""
    count: int = 0
    known: dict[Any, ConstantOp] = field(default_factory=dict[Any, ConstantOp])
    """The parts of weights, which several layers may read."""

    def visit(self, layer: Layer) -> None:
        """Rewrite a layer if that is worth it."""
        reason = self._reason(layer)
        if reason:
            decline(layer.op, self.options.name, reason, rewrite="Strassen")
            return
        self._expand(layer)
        self.count += 1

    def _reason(self, layer: Layer) -> str:
        """Why a layer stays; empty if it does not."""
        if not layer.fits(self.target.lanes):
            return "its rows or columns do not fall into halves"
        if layer.pairs_samples(self.samples):
            return "its rows may be samples of a batch, which must not meet"
        limit = GAIN * layer.direct_cost()
        if self.options.choose == "auto" and layer.cost(self.target.cache) >= limit:
            return "it is as fast directly"
        if sampled_error(layer.matrix) > self.options.error:
            return "its error is above the bound"
        return ""

    def _expand(self, layer: Layer) -> None:
        """Put the three operations in the place of one."""
        op, source = layer.op, layer.weights
        cut = {
            "rows": layer.rows,
            "columns": layer.columns,
            "merged": int(layer.merged),
        }
        factors = StrassenLeftOp.make(op.operands[0], **cut)
        weights = self._weights(layer)
        product: NNOp
        if isinstance(op, ConvOp):
            product = ConvOp.make(factors.output, weights.output, group=PRODUCTS)
        else:
            product = MatmulOp.make(factors.output, weights.output)
        bias, addend = _addends(op)
        size = shape_of(op.output)[layer.rows]
        output = StrassenOutputOp.make(product.results[0], bias, **cut, size=size)
        applied(self.options.name, [op], output, "7 products for 8")
        new: list[NNOp] = [factors, product, output]
        if addend is not None:
            new.append(AddOp.make(output.output, addend))
        replace(op, new)
        if source.output.first_use is None:
            source.detach()
            source.erase()

    def _weights(self, layer: Layer) -> ConstantOp:
        """The parts of a layer's weights, in the shape in which its product reads them."""
        rank = len(shape_of(layer.op.output))
        key = layer.weights, layer.across, layer.merged, rank
        if key not in self.known:
            self.known[key] = self._parts(layer, rank)
        return self.known[key]

    def _parts(self, layer: Layer, rank: int) -> ConstantOp:
        matrix = layer.weights.array if layer.merged else layer.matrix
        rows, columns = layer.across if layer.merged else (0, 1)
        place = {"rows": rows, "columns": columns, "merged": int(layer.merged)}
        parts = StrassenRightOp.make(ConstantOp(matrix).output, **place)
        [array] = constant_results(parts, EVERY_SIZE) or [matrix]
        if not layer.merged:
            ones = [1] * (rank - 2)
            array = array.reshape(PRODUCTS, *ones, *array.shape[1:])
        constant = ConstantOp(array)
        constant.output.name_hint = layer.weights.output.name_hint
        constant.location = layer.weights.location
        block = layer.op.parent
        assert block is not None
        block.insert_op_before(constant, layer.op)
        return constant


def _addends(op: MatmulOp | GemmOp | ConvOp) -> tuple[SSAValue | None, SSAValue | None]:
    """What is added to a product: one number a column, or something else."""
    match op:
        case ConvOp():
            return op.b, None
        case GemmOp(c=SSAValue() as c) if shape_of(c) == shape_of(op.output)[1:]:
            return c, None
        case GemmOp():
            return None, op.c
        case MatmulOp():
            return None, None


def sampled_error(matrix: Array, rows: int = 32, columns: int = 32) -> float:
    """
    The largest rounding error of some rows and columns, of their largest output.

    The rows are positive, as after a rectifier: sums then grow, and so does the error.
    """
    inner, outputs = matrix.shape
    some = min(columns, outputs // 2)
    sides = matrix[:, :some], matrix[:, outputs // 2 : outputs // 2 + some]
    normal = np.random.default_rng(0).standard_normal((rows, inner))
    x = np.maximum(normal, 0).astype(np.float32)
    exact = x.astype(float) @ np.hstack(sides).astype(float)
    upper, lower = np.split(x, 2)
    factors = left((*np.split(upper, 2, 1), *np.split(lower, 2, 1)))
    quarters = [np.split(side.astype(float), 2) for side in sides]
    parts = right(tuple(quarters[j][i] for i in (0, 1) for j in (0, 1)))
    products = tuple(
        a @ b.astype(np.float32) for a, b in zip(factors, parts, strict=True)
    )
    c11, c12, c21, c22 = outward(products)
    result = np.block([[c11, c12], [c21, c22]])
    largest = float(np.abs(exact).max())
    return float(np.abs(result - exact).max()) / largest if largest else 0.0
