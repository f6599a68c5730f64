"""Strassen's operations: each against its reference, and together against a product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ovc.dialects.const import ConstantOp
from ovc.dialects.kernel.evaluate import evaluate_op
from ovc.dialects.nn.strassen import (
    PRODUCTS,
    StrassenLeftOp,
    StrassenOutputOp,
    StrassenRightOp,
)
from ovc.dialects.types import Array
from xdsl.utils.exceptions import VerifyException


def whole(shape: Sequence[int], seed: int = 0) -> Array:
    """Whole numbers: sums and products of them are exact."""
    generator = np.random.default_rng(seed)
    return generator.integers(-4, 5, tuple(shape)).astype(np.float32)


def constant(array: Array) -> Any:
    return ConstantOp(array).output


@settings(max_examples=60)
@given(
    rows=st.integers(1, 9),
    inner=st.integers(1, 4),
    columns=st.integers(1, 4),
    outer=st.sampled_from([(), (1,), (3,)]),
    biased=st.booleans(),
)
def test_together_they_are_a_product(
    rows: int, inner: int, columns: int, outer: tuple[int, ...], biased: bool
) -> None:
    a, b = whole((*outer, rows, 2 * inner)), whole((2 * inner, 2 * columns), 1)
    bias = whole((2 * columns,), 2) if biased else None
    at = {"rows": len(outer), "columns": len(outer) + 1}
    left, right = (
        StrassenLeftOp.make(constant(a), **at),
        StrassenRightOp.make(constant(b)),
    )
    products = np.zeros((PRODUCTS, *outer, -(-rows // 2), columns), np.float32)
    operands = [constant(products), None if bias is None else constant(bias)]
    output = StrassenOutputOp.make(*operands, **at, size=rows)

    (factors,), (parts,) = evaluate_op(left, a), evaluate_op(right, b)
    np.testing.assert_array_equal(factors, left.reference(a))
    np.testing.assert_array_equal(parts, right.reference(b))
    shape = PRODUCTS, *(1 for _ in outer), *parts.shape[1:]
    products = factors @ parts.reshape(shape)
    arrays = [products] if bias is None else [products, bias]
    (found,) = evaluate_op(output, *arrays)

    np.testing.assert_array_equal(found, output.reference(*arrays))
    np.testing.assert_array_equal(found, a @ b + (0 if bias is None else bias))


@settings(max_examples=40)
@given(
    images=st.integers(1, 2),
    size=st.tuples(st.integers(1, 6), st.integers(1, 5)),
    inner=st.integers(1, 3),
    columns=st.integers(1, 3),
    cut=st.sampled_from([2, 3]),
)
def test_merged_they_are_a_convolution(
    images: int, size: tuple[int, int], inner: int, columns: int, cut: int
) -> None:
    """Of single pixels: the seven are groups of channels."""
    x, w = whole((images, 2 * inner, *size)), whole((2 * columns, 2 * inner, 1, 1), 1)
    left = StrassenLeftOp.make(constant(x), rows=cut, columns=1, merged=1)
    right = StrassenRightOp.make(constant(w), rows=1, columns=0, merged=1)
    (factors,), (parts,) = evaluate_op(left, x), evaluate_op(right, w)
    np.testing.assert_array_equal(factors, left.reference(x))
    np.testing.assert_array_equal(parts, right.reference(w))

    groups = factors.reshape(images, PRODUCTS, inner, *factors.shape[2:])
    matrices = parts.reshape(PRODUCTS, columns, inner)
    products = np.einsum("toc,ntchw->ntohw", matrices, groups)
    products = products.reshape(images, -1, *factors.shape[2:])
    at = {"rows": cut, "columns": 1, "merged": 1, "size": x.shape[cut]}
    output = StrassenOutputOp.make(constant(products), **at)
    (found,) = evaluate_op(output, products)

    np.testing.assert_array_equal(found, output.reference(products))
    expected = np.einsum("oc,nchw->nohw", w[:, :, 0, 0], x)
    np.testing.assert_array_equal(found, expected)


ILLEGAL = [
    (StrassenLeftOp, [[4, 5]], {}, "5 columns have no two halves"),
    (StrassenLeftOp, [[4, 6]], {"rows": 1}, "are not two dimensions of"),
    (StrassenLeftOp, [[4, 6]], {"columns": 2}, "are not two dimensions of"),
    (StrassenOutputOp, [[6, 2, 2]], {"size": 4}, "does not hold seven products"),
    (StrassenOutputOp, [[7, 2, 2]], {"size": 5}, "2 rows are not half of 5"),
    (StrassenOutputOp, [[7, 2, 2]], {"size": 4, "rows": 2}, "not two dimensions"),
    (StrassenOutputOp, [[7, 2, 2], [3]], {"size": 4}, "the bias"),
]


@pytest.mark.parametrize(("operation", "shapes", "properties", "message"), ILLEGAL)
def test_illegal(operation, shapes, properties, message) -> None:
    operands = [constant(np.zeros(s, np.float32)) for s in shapes]
    with pytest.raises(VerifyException, match=message):
        operation.make(*operands, **properties)
