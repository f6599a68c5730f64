"""Winograd's operations: each against its reference, and together against a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ovc.dialects.const import ConstantOp
from ovc.dialects.kernel.evaluate import evaluate_op
from ovc.dialects.nn.base import NNOp
from ovc.dialects.nn.conv import ConvOp
from ovc.dialects.nn.winograd import (
    WinogradInputOp,
    WinogradOutputOp,
    WinogradProductOp,
    WinogradWeightsOp,
)
from ovc.dialects.nn.winograd_tiles import TILES, both_sides
from ovc.dialects.types import Array
from xdsl.utils.exceptions import VerifyException

pytestmark = pytest.mark.filterwarnings("error")

TOLERANCE = {2: 1e-5, 4: 3e-5}


def random(shape: Sequence[int], dtype: type = np.float32) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("m", TILES)
def test_a_tile_is_a_filter(m: int) -> None:
    tile = TILES[m]
    pixels, taps = random((m + 2, m + 2), float), random((3, 3), float)
    expected = np.zeros((m, m))
    for i, j in np.ndindex(3, 3):
        expected += taps[i, j] * pixels[i : i + m, j : j + m]

    points = both_sides(tile.inward, pixels) * both_sides(tile.weights, taps)

    np.testing.assert_allclose(both_sides(tile.outward, points), expected, atol=1e-13)


class Depth(NamedTuple):
    """A dimension before rows and columns."""

    size: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int

    @property
    def fits(self) -> bool:
        reach = (self.kernel - 1) * self.dilation + 1
        return self.size + self.begin + self.end >= reach


def conv_of(depth: Sequence[Depth], pads: Sequence[int]) -> dict[str, Any]:
    """The properties of the convolution."""
    begins, ends = [d.begin for d in depth], [d.end for d in depth]
    return {
        "strides": [*(d.stride for d in depth), 1, 1],
        "dilations": [*(d.dilation for d in depth), 1, 1],
        "pads": [*begins, *pads[:2], *ends, *pads[2:]],
    }


def steps(
    x: Array,
    w: Array,
    b: Array | None,
    m: int,
    pads: Sequence[int],
    depth: Sequence[Depth] = (),
) -> tuple[list[NNOp], tuple[int, ...]]:
    """The operations in the place of a convolution, and the shape of its result."""
    constants = [None if a is None else ConstantOp(a).output for a in (x, w, b)]
    conv = ConvOp.make(*constants[:2], **conv_of(depth, pads))
    shape = tuple(conv.shapes()[0])
    weights = WinogradWeightsOp.make(constants[1], tile=m)
    points = WinogradInputOp.make(constants[0], tile=m, pads=pads)
    geometry = {
        "strides": [d.stride for d in depth],
        "dilations": [d.dilation for d in depth],
        "pads": [*(d.begin for d in depth), *(d.end for d in depth)],
    }
    products = WinogradProductOp.make(points.output, weights.output, **geometry)
    sizes = [shape[0], *shape[2:]]
    output = WinogradOutputOp.make(products.output, constants[2], tile=m, sizes=sizes)
    return [weights, points, products, output], shape


SIZES = st.integers(1, 11)
PADS = st.integers(0, 2)
DEPTHS = st.lists(
    st.builds(
        Depth,
        st.integers(1, 5),
        st.integers(1, 3),
        st.integers(1, 2),
        st.integers(1, 4),
        st.integers(0, 4),
        st.integers(0, 4),
    ).filter(lambda depth: depth.fits),
    max_size=2,
)


@settings(max_examples=50)
@given(
    m=st.sampled_from(list(TILES)),
    images=st.integers(1, 2),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    size=st.tuples(SIZES, SIZES),
    pads=st.tuples(PADS, PADS, PADS, PADS),
    depth=DEPTHS,
    biased=st.booleans(),
)
def test_together_they_are_a_convolution(
    m: int,
    images: int,
    channels: tuple[int, int],
    size: tuple[int, int],
    pads: tuple[int, int, int, int],
    depth: list[Depth],
    biased: bool,
) -> None:
    if any(s + pads[d] + pads[d + 2] < 3 for d, s in enumerate(size)):
        return
    inputs, outputs = channels
    x = random((images, inputs, *(d.size for d in depth), *size))
    w = random((outputs, inputs, *(d.kernel for d in depth), 3, 3))
    b = random((outputs,)) if biased else None
    (weights, points, products, output), shape = steps(x, w, b, m, pads, depth)
    for op in (weights, points, products, output):
        op.verify()

    u, v = weights.reference(w), points.reference(x)
    y = products.reference(v, u)
    result = output.reference(y, b)
    constants = (ConstantOp(a).output for a in (x, w))
    conv = ConvOp.make(*constants, **conv_of(depth, pads))
    wide = None if b is None else b.astype(float)
    expected = conv.reference(x.astype(float), w.astype(float), wide)

    assert result.shape == shape
    # sums may cancel: an error is small beside what is summed, not beside the sum
    summed = conv.reference(abs(x.astype(float)), abs(w.astype(float)), None)
    close = {"rtol": TOLERANCE[m], "atol": TOLERANCE[m] * float(summed.max())}
    np.testing.assert_allclose(result, expected, **close)
    (found,) = evaluate_op(points, x)
    np.testing.assert_allclose(found, v, rtol=1e-5, atol=1e-4)
    (found,) = evaluate_op(products, v, u)
    np.testing.assert_allclose(found, y, rtol=1e-4, atol=1e-4)
    (found,) = evaluate_op(output, *([y] if b is None else [y, b]))
    np.testing.assert_allclose(found, result, rtol=1e-4, atol=1e-3)
    (found,) = evaluate_op(weights, w)
    np.testing.assert_allclose(found, u, rtol=1e-5, atol=1e-5)


def test_depths_that_see_padding_multiply_less() -> None:
    depth = [Depth(4, 3, 1, 1, 1, 1)]
    (_, _, products, _), _ = steps(
        random((1, 2, 4, 8, 8)), random((3, 2, 3, 3, 3)), None, 4, [1] * 4, depth
    )

    # of 4 depths, two see three taps and two see two of them
    assert products.flops() == 2 * (36 * 3 * 2 * 4) * (2 * 3 + 2 * 2)


def test_precision_is_kept() -> None:
    x, w = random((1, 2, 6, 6), float), random((3, 2, 3, 3), float)
    conv = ConvOp.make(*(ConstantOp(a).output for a in (x, w)))
    (weights, points, products, output), _ = steps(x, w, None, 4, [0] * 4)

    y = products.reference(points.reference(x), weights.reference(w))

    np.testing.assert_allclose(output.reference(y), conv.reference(x, w), atol=1e-13)


ILLEGAL = [
    (WinogradWeightsOp, [[2, 3, 3]], {}, r"are not \[O, C, ..., 3, 3\]"),
    (WinogradWeightsOp, [[2, 3, 5, 5]], {}, r"are not \[O, C, ..., 3, 3\]"),
    (WinogradWeightsOp, [[2, 3, 3, 3]], {"tile": 3}, "tile 3 is not one of"),
    (WinogradInputOp, [[2, 3, 8]], {"pads": [0] * 4}, "not an image"),
    (WinogradInputOp, [[1, 2, 8, 8]], {"pads": [0] * 2}, "not an image"),
    (WinogradInputOp, [[1, 2, 2, 8]], {"pads": [0] * 4}, "does not fit in 2 pixels"),
    (WinogradProductOp, [[36, 2, 1, 2, 2], [36, 3, 5]], {}, "do not fit weights"),
    (WinogradProductOp, [[36, 2, 1, 2, 2], [16, 3, 2]], {}, "do not fit weights"),
    (WinogradProductOp, [[36, 2, 1, 2, 2], [36, 3, 2, 3]], {}, "do not fit weights"),
    (WinogradProductOp, [[36, 2, 1, 2, 2, 2], [36, 3, 2, 3]], {}, "a window of 3"),
    (WinogradOutputOp, [[36, 2, 1, 2, 2]], {"sizes": [1, 8, 9]}, "of 1 images of 8x9"),
    (WinogradOutputOp, [[36, 2, 1, 2, 2]], {"sizes": [1, 3, 8, 8]}, "of 3x8x8"),
    (WinogradOutputOp, [[36, 2, 1, 2, 2], [3]], {"sizes": [1, 8, 8]}, "the bias"),
]


@pytest.mark.parametrize(("operation", "shapes", "properties", "message"), ILLEGAL)
def test_illegal(operation, shapes, properties, message) -> None:
    operands = [ConstantOp(np.zeros(s, np.float32)).output for s in shapes]
    with pytest.raises(VerifyException, match=message):
        operation.make(*operands, **properties)
