from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from networks import NetworkBuilder
from ovc.compiler.registry import make_context
from ovc.dialects.const import PRINTED_ELEMENTS, ConstantOp, Weight
from ovc.dialects.types import DTYPES, Array
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.printer import Printer

PLAIN = [d for d in DTYPES.values() if d.kind in "biuf"]


def reparsed(array: Array) -> Array:
    """The constant after printing and parsing."""
    stream = io.StringIO()
    Printer(stream).print_op(ModuleOp([ConstantOp(array)]))
    module = Parser(make_context(), stream.getvalue()).parse_module()
    module.verify()
    [op] = module.ops
    assert isinstance(op, ConstantOp)
    return op.array


@given(
    st.sampled_from(PLAIN).flatmap(lambda d: arrays.arrays(d, arrays.array_shapes()))
)
@example(np.array([5e-324, 1e22, -2e-300]))
def test_text_keeps_every_bit(array: Array) -> None:
    again = reparsed(array)

    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (1, PRINTED_ELEMENTS + 1)])
def test_every_element_type_has_a_text(dtype: Any, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)

    np.testing.assert_array_equal(reparsed(array), array)


def test_large_constants_are_printed_by_hash() -> None:
    net = NetworkBuilder([1])
    net.constant(np.arange(1000, dtype=np.float32))

    assert "999" not in str(net.finish())


def test_weights_are_compared_by_content() -> None:
    zeros = np.zeros(3, np.float32)

    assert Weight(zeros) == Weight(zeros.copy())
    assert Weight(zeros) != Weight(np.zeros((1, 3), np.float32))
    assert Weight(zeros) != Weight(np.ones(3, np.float32))
