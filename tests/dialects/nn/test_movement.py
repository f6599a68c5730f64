"""Operations that place elements, against onnxruntime; all results are exact."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from ovc.dialects import nn
from ovc.dialects.const import ConstantOp, Weight, WeightAttr
from ovc.dialects.kernel.evaluate import evaluate_op
from ovc.dialects.types import element_of, shape_of
from xdsl.dialects import test
from xdsl.dialects.builtin import TensorType, UnrankedTensorType, f32, i64
from xdsl.utils.exceptions import VerifyException

LAST = np.iinfo(np.int64).max
FIRST = np.iinfo(np.int64).min


def count(*shape: int, dtype=np.float32):
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape).astype(dtype)


def ints(*values: int):
    return np.array(values, np.int64)


X = count(2, 3, 4)

CASES = [
    ("Reshape", nn.ReshapeOp, [X, ints(4, 6)], {}),
    ("Reshape", nn.ReshapeOp, [X, ints(0, -1)], {}),
    ("Reshape", nn.ReshapeOp, [X, ints(-1, 1, 4, 1)], {}),
    ("Reshape", nn.ReshapeOp, [count(4, 6), ints(3, 8)], {}),
    ("Reshape", nn.ReshapeOp, [count(1), np.zeros(0, np.int64)], {}),
    ("Flatten", nn.FlattenOp, [X], {}),
    ("Flatten", nn.FlattenOp, [X], {"axis": 0}),
    ("Flatten", nn.FlattenOp, [X], {"axis": -1}),
    ("Squeeze", nn.SqueezeOp, [count(1, 3, 1)], {}),
    ("Squeeze", nn.SqueezeOp, [count(1, 3, 1), ints(-1)], {}),
    ("Unsqueeze", nn.UnsqueezeOp, [X, ints(0, -1)], {}),
    ("Dropout", nn.DropoutOp, [X], {}),
    ("Transpose", nn.TransposeOp, [X], {}),
    ("Transpose", nn.TransposeOp, [X], {"perm": [1, 2, 0]}),
    ("Expand", nn.ExpandOp, [count(3, 1), ints(2, 1, 4)], {}),
    ("Tile", nn.TileOp, [X, ints(1, 2, 3)], {}),
    ("DepthToSpace", nn.DepthToSpaceOp, [count(1, 8, 2, 3)], {"blocksize": 2}),
    (
        "DepthToSpace",
        nn.DepthToSpaceOp,
        [count(2, 8, 2, 3)],
        {"blocksize": 2, "mode": "CRD"},
    ),
    ("SpaceToDepth", nn.SpaceToDepthOp, [count(2, 3, 4, 6)], {"blocksize": 2}),
    ("Shape", nn.ShapeOp, [X], {}),
    ("Shape", nn.ShapeOp, [X], {"start": 1, "end": -1}),
    ("Shape", nn.ShapeOp, [X], {"start": -2}),
    ("Size", nn.SizeOp, [X], {}),
    ("Range", nn.RangeOp, [np.array(v, np.int32) for v in (2, 11, 3)], {}),
    ("Range", nn.RangeOp, [np.array(v, np.float32) for v in (5, 0, -0.5)], {}),
    ("Trilu", nn.TriluOp, [X], {}),
    ("Trilu", nn.TriluOp, [X, np.array(1, np.int64)], {}),
    ("Trilu", nn.TriluOp, [X, np.array(-1, np.int64)], {"upper": 0}),
    ("Slice", nn.SliceOp, [X, ints(1, 0), ints(LAST, -1), ints(-1, 1)], {}),
    ("Slice", nn.SliceOp, [X, ints(0), ints(2), None, None], {}),
    ("Slice", nn.SliceOp, [X, ints(-1), ints(FIRST), ints(2), ints(-1)], {}),
    ("Slice", nn.SliceOp, [X, ints(20, 2), ints(-20, 0), ints(2, 1), ints(-3, -2)], {}),
    ("Slice", nn.SliceOp, [X, ints(-20), ints(20), ints(2), ints(3)], {}),
    ("Pad", nn.PadOp, [X, ints(0, 1, 2, 1, 0, 1)], {}),
    ("Pad", nn.PadOp, [X, ints(0, -1, 2, 1, 0, -2), np.array(7, np.float32)], {}),
    ("Pad", nn.PadOp, [X, ints(1, 2), None, ints(-1)], {}),
    ("Pad", nn.PadOp, [X, ints(1, 2, 3, 1, 2, 3)], {"mode": "edge"}),
    ("Pad", nn.PadOp, [X, ints(1, 2, 3, 1, 1, 2)], {"mode": "reflect"}),
    ("Pad", nn.PadOp, [X, ints(0, -1, 2, 1, 1, -1)], {"mode": "edge"}),
    ("Pad", nn.PadOp, [X, ints(1, 2, 3, 1, 1, 2)], {"mode": "wrap"}),
]


@pytest.mark.parametrize(
    ("operator", "operation", "inputs", "attributes"),
    CASES,
    ids=[f"{c[0]}{i}" for i, c in enumerate(CASES)],
)
def test_against_onnx(
    operator, operation, inputs, attributes, run_onnx, check_meaning
) -> None:
    expected = run_onnx(operator, inputs, attributes)
    check_meaning(operation, inputs, attributes, expected, tolerance=0)


def test_concat(run_onnx) -> None:
    xs = [count(2, n, 3) for n in (1, 3, 2)]
    for axis in (1, -2):
        op = nn.ConcatOp.make([ConstantOp(x).output for x in xs], axis=axis)
        op.verify_()
        (expected,) = run_onnx("Concat", xs, {"axis": axis})
        np.testing.assert_array_equal(op.reference(xs), expected)
        np.testing.assert_array_equal(evaluate_op(op, *xs)[0], expected)


@pytest.mark.parametrize(
    ("sizes", "parts", "attributes"),
    [(ints(1, 4, 2), 3, {}), (None, 3, {"num_outputs": 3})],
)
def test_split(sizes, parts, attributes, run_onnx) -> None:
    x, attributes = count(2, 7), {"axis": -1} | attributes
    inputs = [x] if sizes is None else [x, sizes]
    operands = [ConstantOp(a) for a in inputs]
    op = nn.SplitOp.make(*operands, results=parts, **attributes)
    op.verify_()
    expected = run_onnx("Split", inputs, attributes, outputs=parts)
    for results in (op.reference(*inputs), evaluate_op(op, *inputs)):
        for result, wanted in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("value", [np.array([3], np.int64), np.array([True]), None])
def test_fill(value, run_onnx, check_meaning) -> None:
    attributes, properties = {}, {}
    if value is not None:
        code = helper.np_dtype_to_tensor_dtype(value.dtype)
        attributes["value"] = helper.make_tensor("value", code, [1], value.tolist())
        properties["value"] = WeightAttr(Weight(value))
    expected = run_onnx("ConstantOfShape", [ints(2, 3)], attributes)
    check_meaning(nn.FillOp, [ints(2, 3)], properties, expected)


def test_eye_like(run_onnx, check_meaning) -> None:
    x = count(3, 4)
    for k in (0, 1, -1):
        expected = run_onnx("EyeLike", [x], {"k": k})
        check_meaning(nn.EyeLikeOp, [x], {"k": k}, expected)
    check_meaning(nn.EyeLikeOp, [x], {"dtype": element_of(np.int64)}, [None])


def test_pads_may_be_wider_than_twice_the_tensor(check_meaning) -> None:
    x, pads = count(3), ints(8, 7)
    for mode in ("reflect", "wrap", "edge"):
        expected = np.pad(x, (8, 7), mode=mode)
        check_meaning(nn.PadOp, [x, pads], {"mode": mode}, [expected])
    check_meaning(nn.PadOp, [count(1), pads], {"mode": "reflect"}, [np.zeros(16)])


def test_pads_are_put_around_what_negative_ones_leave(check_meaning) -> None:
    x, pads = count(6), ints(-2, 3)
    for mode in ("reflect", "wrap", "edge"):
        expected = np.pad(x[2:], (0, 3), mode=mode)
        check_meaning(nn.PadOp, [x, pads], {"mode": mode}, [expected])


def test_a_pad_value_may_be_computed() -> None:
    x, value, pads = count(2, 3), np.array(5, np.float32), ints(1, 0, 0, 2)
    source = test.TestOp(result_types=[TensorType(f32, [])])
    op = nn.PadOp.make(ConstantOp(x), ConstantOp(pads), source.results[0], None)
    expected = np.pad(x, [(1, 0), (0, 2)], constant_values=5)
    np.testing.assert_array_equal(evaluate_op(op, x, pads, value)[0], expected)


def test_allowzero_means_zero() -> None:
    op = nn.ReshapeOp.make(ConstantOp(count(2, 0)), ConstantOp(ints(0, 5)), allowzero=1)
    assert shape_of(op.output) == (0, 5)


def test_shapes_are_unknown_until_operands_are_constant() -> None:
    shape = test.TestOp(result_types=[TensorType(i64, [2])])
    op = nn.ReshapeOp.make(ConstantOp(X), shape.results[0])
    assert op.output.type == UnrankedTensorType(f32)


@pytest.mark.parametrize(
    ("operation", "inputs", "properties", "message"),
    [
        (nn.ReshapeOp, [X, ints(5, 5)], {}, r"cannot reshape \[2, 3, 4\] to \[5, 5\]"),
        (nn.ReshapeOp, [X, ints(-1, -1)], {}, "one -1"),
        (nn.ReshapeOp, [X, ints(2, 3, 4, 0)], {}, "behind the last dimension"),
        (nn.FlattenOp, [X], {"axis": 4}, r"axis 4 is outside \[-3, 3\]"),
        (nn.SqueezeOp, [X, ints(1)], {}, r"axis 1 of \[2, 3, 4\] is not of size 1"),
        (nn.UnsqueezeOp, [X, ints(1, 1)], {}, "name one position twice"),
        (
            nn.TransposeOp,
            [X],
            {"perm": [0, 0, 1]},
            r"perm \[0, 0, 1\] does not permute 3",
        ),
        (nn.SplitOp, [X, ints(5)], {}, r"cannot split 2 into parts of \[5\]"),
        (nn.ExpandOp, [X, ints(5)], {}, "do not broadcast"),
        (nn.TileOp, [X, ints(2)], {}, "1 repeats for 3 dimensions"),
        (nn.DepthToSpaceOp, [count(1, 6, 1, 1)], {"blocksize": 2}, "6 channels"),
        (nn.ChannelShuffleOp, [X], {"group": 2}, "3 channels do not divide by 2"),
        (nn.SliceOp, [X, ints(1), ints(1, 2)], {}, "1 starts, 2 ends"),
        (nn.SliceOp, [X, ints(1), ints(2), ints(0), ints(0)], {}, "a step is 0"),
        (nn.SliceOp, [X, ints(1), ints(2), ints(3)], {}, "axis 3 is outside rank 3"),
        (nn.PadOp, [X, ints(1)], {}, "1 pads for 3 axes"),
        (nn.PadOp, [X, ints(1, 1), None, ints(0)], {"mode": "odd"}, 'mode is "odd"'),
        (nn.PadOp, [X, ints(-1, -2), None, ints(0)], {}, "cut more than 2 elements"),
    ],
)
def test_illegal_operands_are_named(operation, inputs, properties, message, make_op):
    if operation in (nn.SliceOp, nn.PadOp):
        inputs = [*inputs, *[None] * (5 - (operation is nn.PadOp) - len(inputs))]
    with pytest.raises(VerifyException, match=message):
        make_op(operation, inputs, properties)


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5), (1, 12, 2, 3), (1, 6, 2, 1, 3)])
@pytest.mark.parametrize("group", [1, 2, 3, 6])
def test_channels_are_dealt_out(shape, group, check_meaning):
    x = count(*shape)
    apart = x.reshape(shape[0], group, shape[1] // group, *shape[2:])
    expected = np.moveaxis(apart, 2, 1).reshape(shape)

    check_meaning(nn.ChannelShuffleOp, [x], {"group": group}, [expected])
