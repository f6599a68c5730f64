"""Operations as text: what is printed is parsed as the same."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from ovc.dialects import nn
from ovc.dialects.const import Const, ConstantOp, Weight, WeightAttr
from ovc.dialects.nn.symbols import SymbolsAttr
from ovc.dialects.types import element_of
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, FloatAttr, ModuleOp, f32
from xdsl.dialects.func import Func
from xdsl.dialects.test import Test
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException


def context() -> Context:
    result = Context()
    for dialect in (Builtin, Func, Test, Const, nn.NN):
        result.load_dialect(dialect)
    return result


def printed(op) -> str:
    stream = StringIO()
    Printer(stream).print_op(op)
    return stream.getvalue()


X = np.zeros((2, 3), np.float32)


def ints(*values: int):
    return np.array(values, np.int64)


ROUND_TRIPS = [
    (nn.ReluOp, [X], {}),
    (nn.AddOp, [X, X[0]], {}),
    (nn.LeakyReluOp, [X], {"alpha": 0.25}),
    (nn.GeluOp, [X], {"approximate": "tanh"}),
    (nn.CastOp, [X], {"to": element_of(np.uint8)}),
    (nn.ClipOp, [X, None, np.float32([1])], {}),
    (nn.ClipOp, [X], {}),
    (nn.TransposeOp, [X], {"perm": [1, 0]}),
    (nn.SliceOp, [X, ints(0), ints(1), None, ints(1)], {}),
    (nn.SqueezeOp, [X[:1]], {}),
    (nn.PadOp, [X, ints(1, 1), None, ints(0)], {"mode": "edge"}),
    (nn.FillOp, [ints(2)], {"value": WeightAttr(Weight(np.ones(1, np.float32)))}),
    (nn.FillOp, [ints(2)], {"value": FloatAttr(2.5, f32)}),
    (nn.TopKOp, [X, ints(2)], {"axis": 0, "largest": 0}),
    (nn.ReduceSumOp, [X, ints(0)], {"keepdims": 0}),
    (nn.ScatterNdOp, [X, ints(1)[None], X[:1]], {"reduction": "add"}),
    (nn.DequantizeLinearOp, [X.astype(np.uint8), np.float32(1)], {}),
]


@pytest.mark.parametrize(("operation", "arrays", "properties"), ROUND_TRIPS)
def test_round_trip(operation, arrays, properties) -> None:
    constants = [None if a is None else ConstantOp(np.asarray(a)) for a in arrays]
    op = operation.make(*constants, **properties)
    module = ModuleOp([*(c for c in constants if c is not None), op])
    module.verify()
    text = printed(module)
    parsed = Parser(context(), text).parse_module()
    parsed.verify()
    assert parsed.is_structurally_equivalent(module)
    assert printed(parsed) == text


def test_text_of_an_operation() -> None:
    x = ConstantOp(X)
    op = nn.ConcatOp.make([x.output, x.output], axis=-1)
    assert printed(op) == (
        "%0 = nn.concat(%1, %1) {axis = -1 : i64} : "
        "(tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>"
    )


def test_symbols() -> None:
    text = 'tensor<?x3x?xf32, #nn.symbols<"batch", "", "w">>'
    type_ = Parser(context(), text).parse_type()
    assert type_.encoding == SymbolsAttr.of(["batch", "", "w"])
    stream = StringIO()
    Printer(stream).print_attribute(type_)
    assert stream.getvalue() == text


def test_declared_types_are_checked() -> None:
    text = """
    %x = "test.op"() : () -> tensor<2x3xf32>
    %y = nn.relu(%x) : (tensor<2x3xf32>) -> tensor<3x2xf32>
    """
    with pytest.raises(
        VerifyException, match="tensor<3x2xf32>, expected tensor<2x3xf32>"
    ):
        Parser(context(), text).parse_module().verify()


def test_every_operation_says_where_it_comes_from() -> None:
    names = [op.name for op in nn.OPS]
    assert len(set(names)) == len(names)
    for op in nn.OPS:
        assert op.__doc__, op.name
        assert op.__name__ in nn.__all__
