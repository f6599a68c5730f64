"""Matrix products and Einstein sums against onnxruntime and numpy."""

from __future__ import annotations

import numpy as np
import pytest
from ovc.dialects.nn.linear import EinsumOp, GemmOp, MatmulOp
from xdsl.utils.exceptions import VerifyException


def normal(*shapes: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal(s).astype(np.float32) for s in shapes]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([3, 4], [4, 5]),
        ([4], [4, 5]),
        ([3, 4], [4]),
        ([4], [4]),
        ([2, 3, 4], [4, 5]),
        ([3, 4], [2, 4, 5]),
        ([2, 1, 3, 4], [3, 4, 2]),
        ([2, 3, 4], [4]),
        ([4], [2, 4, 3]),
        ([1, 1], [1, 1]),
    ],
)
def test_matmul(a, b, run_onnx, check_meaning) -> None:
    inputs = normal(a, b)
    check_meaning(MatmulOp, inputs, {}, run_onnx("MatMul", inputs, {}))


def test_matmul_of_integers(check_meaning) -> None:
    inputs = [np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4)]
    check_meaning(MatmulOp, inputs, {}, [inputs[0] @ inputs[1]])


@pytest.mark.parametrize("c", [None, [], [1], [5], [3, 1], [3, 5]])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"transA": 1},
        {"transB": 1},
        {"transA": 1, "transB": 1, "alpha": 0.5},
        {"beta": 2.0},
        {"alpha": 1.5, "beta": -0.5},
    ],
)
def test_gemm(attributes, c, run_onnx, check_meaning) -> None:
    a = [4, 3] if attributes.get("transA") else [3, 4]
    b = [5, 4] if attributes.get("transB") else [4, 5]
    inputs = normal(a, b) if c is None else normal(a, b, c)
    check_meaning(GemmOp, inputs, attributes, run_onnx("Gemm", inputs, attributes))


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [[2, 3], [3, 4]]),
        ("bhqd, bhkd -> bhqk", [[2, 2, 3, 4], [2, 2, 5, 4]]),
        ("ij,jk", [[2, 3], [3, 4]]),
        ("ij->ji", [[2, 3]]),
        ("ij->", [[2, 3]]),
        ("ii->i", [[3, 3]]),
        ("i,j->ij", [[2], [3]]),
        ("...ij,...jk->...ik", [[2, 1, 2, 3], [4, 3, 2]]),
        ("i...->...i", [[2, 3, 4]]),
        ("i...->i...", [[2]]),
        ("bi,oi,bi->bo", [[2, 3], [4, 3], [2, 3]]),
        ("...ij,...jk", [[2, 2, 3], [3, 2]]),
        ("Ba,aB->B", [[2, 3], [3, 2]]),
    ],
)
def test_einsum(equation, shapes, check_meaning, make_op) -> None:
    inputs = normal(*shapes)
    op = make_op_of(equation, inputs)
    expected = np.einsum(equation.replace(" ", ""), *inputs)
    result = op.reference(inputs)
    assert tuple(op.output.type.get_shape()) == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    from ovc.dialects.kernel.evaluate import evaluate_op

    (found,) = evaluate_op(op, *inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_einsum_like_onnxruntime(run_onnx) -> None:
    inputs = normal([2, 2, 3], [2, 3, 2])
    equation = "...ij,...jk->...ki"
    (expected,) = run_onnx("Einsum", inputs, {"equation": equation})
    op = make_op_of(equation, inputs)
    np.testing.assert_allclose(op.reference(inputs), expected, rtol=1e-5, atol=1e-5)


def make_op_of(equation: str, inputs: list[np.ndarray]) -> EinsumOp:
    from ovc.dialects.const import ConstantOp

    return EinsumOp.make([ConstantOp(i).output for i in inputs], equation=equation)


@pytest.mark.parametrize(
    ("operation", "shapes", "properties", "message"),
    [
        (MatmulOp, [[2, 3], [4, 5]], {}, "3 columns meet 4 rows"),
        (MatmulOp, [[], [4, 5]], {}, "a scalar"),
        (MatmulOp, [[2, 2, 3], [3, 3, 4]], {}, "do not broadcast"),
        (GemmOp, [[2, 3], [4, 5]], {}, "3 columns meet 4 rows"),
        (GemmOp, [[2, 3, 1], [3, 5]], {}, "must both be matrices"),
        (GemmOp, [[2, 3], [3, 5], [4]], {}, r"\[4\].*\[2, 5\]"),
    ],
)
def test_illegal(operation, shapes, properties, message, make_op) -> None:
    with pytest.raises(VerifyException, match=message):
        make_op(operation, normal(*shapes), properties)


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk->ik", [[2, 3]], "does not describe 1 operand"),
        ("ij->ik", [[2, 3]], "does not say what k is"),
        ("ijk->i", [[2, 3]], "does not describe an operand of rank 2"),
        ("ij,jk", [[2, 3], [4, 5]], "j of .* has the sizes 3 and 4"),
        ("i.j->i", [[2, 3]], "rank 2"),
    ],
)
def test_illegal_equation(equation, shapes, message) -> None:
    with pytest.raises(VerifyException, match=message):
        make_op_of(equation, normal(*shapes))
