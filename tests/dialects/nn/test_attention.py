"""Attention against onnxruntime and against the operations that it replaces."""

from __future__ import annotations

import numpy as np
import pytest
from ovc.dialects.const import ConstantOp
from ovc.dialects.nn.attention import AttentionOp, PowersOp
from xdsl.utils.exceptions import VerifyException


def normal(*shapes: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal(s).astype(np.float32) for s in shapes]


@pytest.mark.parametrize("scale", [0.3, 1.0])
@pytest.mark.parametrize("mask", [None, [5, 7], [3, 5, 7], [2, 1, 1, 7], [2, 3, 5, 7]])
@pytest.mark.parametrize("kind", [float, bool])
def test_attention(scale, mask, kind, run_onnx, check_meaning) -> None:
    inputs = normal([2, 3, 5, 4], [2, 3, 7, 4], [2, 3, 7, 6])
    if mask is not None:
        numbers = normal(mask)[0]
        inputs.append((numbers < 1) if kind is bool else numbers)
        inputs[-1][..., 0] = True
    whole = [*inputs[:3], *(np.broadcast_to(m, (2, 3, 5, 7)) for m in inputs[3:])]
    expected = run_onnx("Attention", whole, {"scale": scale}, opset=23)
    check_meaning(AttentionOp, inputs, {"scale": scale}, expected)


@pytest.mark.parametrize("masked", [None, -1e4])
def test_transposed_keys(masked, check_meaning) -> None:
    q, k, v = normal([2, 5, 4], [2, 7, 4], [2, 7, 6])
    mask = np.arange(35).reshape(5, 7) % 3 != 1
    properties = {"scale": 0.5, "masked": masked}
    plain = AttentionOp.make(*(ConstantOp(a) for a in (q, k, v, mask)), **properties)
    expected = plain.reference(q, k, v, mask)

    inputs = [q, k.swapaxes(1, 2).copy(), v, mask]
    check_meaning(AttentionOp, inputs, properties | {"transposed_keys": 1}, [expected])


def test_leading_dimensions_broadcast(check_meaning) -> None:
    inputs = normal([2, 3, 5, 4], [2, 1, 7, 4], [1, 3, 7, 6])
    wide = [np.broadcast_to(a, (2, 3, *a.shape[2:])) for a in inputs]
    expected = AttentionOp.make(*map(ConstantOp, inputs)).reference(*wide)

    check_meaning(AttentionOp, inputs, {}, [expected])


def test_the_parts_keep_the_scale_apart(make_op) -> None:
    q, k, v = normal([1, 5, 4], [1, 7, 4], [1, 7, 6])
    parts, _ = make_op(AttentionOp, [q, k, v], {"scale": 0.5}).decompose_results()
    names = [op.name for op in parts if op.name.startswith("nn.")]
    assert names == ["nn.transpose", "nn.matmul", "nn.mul", "nn.softmax", "nn.matmul"]

    alone = {"transposed_keys": 1}
    parts, _ = make_op(AttentionOp, [q, k.swapaxes(1, 2), v], alone).decompose_results()
    assert [op.name for op in parts] == ["nn.matmul", "nn.softmax", "nn.matmul"]


@pytest.mark.parametrize("mask", [[], [[5, 7]]])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_flops_are_those_of_the_parts(mask, scale, make_op) -> None:
    arrays = normal([2, 5, 4], [2, 7, 4], [2, 7, 6], *mask)
    op = make_op(AttentionOp, arrays, {"scale": scale})
    parts, _ = op.decompose_results()
    moved = ("nn.transpose", "const.constant")
    assert op.flops() == sum(p.flops() for p in parts if p.name not in moved)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([[5, 4], [7, 4], [7, 6]], "expected the same rank, 3 or 4"),
        ([[2, 5, 4], [7, 4], [7, 6]], "expected the same rank, 3 or 4"),
        ([[2, 5, 4], [2, 7, 3], [2, 7, 6]], "queries of depth 4 meet keys of 3"),
        ([[2, 5, 4], [2, 7, 4], [2, 8, 6]], "7 keys stand for 8 values"),
        ([[2, 5, 4], [3, 7, 4], [2, 7, 6]], "do not broadcast"),
        ([[1, 5, 4], [1, 7, 4], [1, 7, 6], [2, 5, 7]], "larger than the scores"),
        ([[1, 5, 4], [1, 7, 4], [1, 7, 6], [5, 6]], "do not broadcast"),
    ],
)
def test_illegal_shapes(shapes, message, make_op) -> None:
    with pytest.raises(VerifyException, match=message):
        make_op(AttentionOp, normal(*shapes), {})


def test_illegal_elements(make_op) -> None:
    q, k, v = normal([1, 5, 4], [1, 7, 4], [1, 7, 6])
    with pytest.raises(VerifyException, match="mask has element type i64"):
        make_op(AttentionOp, [q, k, v, np.ones((5, 7), np.int64)], {})
    with pytest.raises(VerifyException, match="expected the same"):
        make_op(AttentionOp, [q, k.astype(np.float64), v], {})
    with pytest.raises(VerifyException, match="q has element type i32"):
        make_op(AttentionOp, [a.astype(np.int32) for a in (q, k, v)], {})


@pytest.mark.parametrize("shape", [[9], [3, 7], [2, 3, 40]])
def test_powers_and_factors_make_a_softmax(shape, check_meaning) -> None:
    [x] = normal(shape)
    wide = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    factors = 1 / wide.sum(-1, keepdims=True)

    check_meaning(PowersOp, [x], {}, [wide.astype("f4"), factors.astype("f4")])
