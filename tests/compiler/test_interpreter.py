"""The reference interpreter."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
from networks import NetworkBuilder
from ovc.compiler.interpreter import (
    constant_results,
    evaluate,
    input_names,
    main_function,
    output_names,
    run_reference,
)
from ovc.dialects import nn
from ovc.dialects.const import ConstantOp
from ovc.dialects.types import Array
from ovc.runtime.errors import CompileError, InputError, UnsupportedOperation
from xdsl.dialects.builtin import (
    ArrayAttr,
    ModuleOp,
    StringAttr,
    UnrealizedConversionCastOp,
    f32,
)
from xdsl.ir import Operation


def named(module: ModuleOp, **names: list[str]) -> ModuleOp:
    for attribute, words in names.items():
        main_function(module).attributes[attribute] = ArrayAttr(map(StringAttr, words))
    return module


def test_inputs_and_outputs_by_name() -> None:
    network = NetworkBuilder([2], [2])
    x, y = network.values
    module = network.finish(network.add(nn.SubOp, x, y), x)
    named(module, input_names=["a", "b"], output_names=["d", "x"])
    a, b = np.array([3, 4], np.float32), np.array([1, 1], np.float32)
    difference, same = run_reference(module, {"b": b, "a": a})
    np.testing.assert_array_equal(difference, [2, 3])
    assert same is a
    assert input_names(main_function(module)) == ("a", "b")
    assert output_names(main_function(module)) == ("d", "x")


def test_names_by_default() -> None:
    network = NetworkBuilder([2])
    module = network.finish(network.add(nn.ReluOp, network.values[0]))
    assert run_reference(module, {"arg0": np.ones(2, np.float32)})[0].sum() == 2
    assert output_names(main_function(module)) == ("out0",)


def test_missing_array() -> None:
    network = NetworkBuilder([2])
    module = network.finish(network.add(nn.ReluOp, network.values[0]))
    with pytest.raises(InputError, match='input "arg0": no array is given'):
        run_reference(module, {})


def test_operands_by_field() -> None:
    network = NetworkBuilder([4])
    x = network.values[0]
    high = network.constant(np.array(2, np.float32))
    clipped = network.add(nn.ClipOp, x, None, high)
    joined = network.add(nn.ConcatOp, [x, clipped, x], axis=0)
    numbers = np.array([1, 2, 3, 4], np.float32)
    result = run_reference(network.finish(joined), {"arg0": numbers})[0]
    np.testing.assert_array_equal(result, [1, 2, 3, 4, 1, 2, 2, 2, 1, 2, 3, 4])


def test_more_precision() -> None:
    network = NetworkBuilder([1])
    tiny = network.constant(np.array([1e-12], np.float32))
    total = network.add(nn.AddOp, network.values[0], tiny)
    module = network.finish(network.add(nn.SubOp, total, network.values[0]))
    one = {"arg0": np.ones(1, np.float32)}
    assert run_reference(module, one)[0] == 0
    wide = run_reference(module, one, np.float64)[0]
    assert wide.dtype == np.float64
    assert wide == pytest.approx(1e-12, rel=1e-3)


def test_integers_keep_their_type_in_more_precision() -> None:
    network = NetworkBuilder([2, 3])
    module = network.finish(network.add(nn.ShapeOp, network.values[0]))
    result = run_reference(module, {"arg0": np.ones((2, 3))}, np.float64)[0]
    assert result.dtype == np.int64


def test_arrays_are_freed_after_their_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    network = NetworkBuilder([2])
    value = network.values[0]
    for _ in range(3):
        value = network.add(nn.NegOp, value)
    module = network.finish(value)
    alive: list[weakref.ref[Array]] = []
    most = 0

    def watched(op: nn.NegOp, x: Array) -> Array:
        nonlocal most
        most = max(most, sum(a() is not None for a in alive))
        result = np.negative(x)
        alive.append(weakref.ref(result))
        return result

    monkeypatch.setattr(nn.NegOp, "reference", watched)
    run_reference(module, {"arg0": np.ones(2, np.float32)})
    assert most == 1


def wrong(kind: type, shape: tuple[int, ...]) -> Any:
    return lambda op, x: np.zeros(shape, kind)  # pyright: ignore


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (wrong(np.float32, (3,)), r"gives shape \[3\], the type says \[2\]"),
        (wrong(np.int32, (2,)), "gives int32, the type says float32"),
    ],
)
def test_a_wrong_reference_is_noticed(
    monkeypatch: pytest.MonkeyPatch, reference: Any, reason: str
) -> None:
    network = NetworkBuilder([2])
    module = network.finish(network.add(nn.NegOp, network.values[0]))
    monkeypatch.setattr(nn.NegOp, "reference", reference)
    with pytest.raises(CompileError, match=reason):
        run_reference(module, {"arg0": np.ones(2, np.float32)})


def test_no_main() -> None:
    with pytest.raises(CompileError, match="no function @main"):
        run_reference(ModuleOp([]), {})


def test_operation_without_meaning() -> None:
    op: Operation = UnrealizedConversionCastOp.create(result_types=[f32])
    with pytest.raises(UnsupportedOperation, match="cannot be evaluated"):
        evaluate(op, [])


def test_constant_results() -> None:
    network = NetworkBuilder([2, 3])
    x = network.values[0]
    two = ConstantOp(np.array([2], np.int64)).output
    shape = nn.ShapeOp.make(x)
    known = constant_results(shape, 8)
    assert known is not None
    np.testing.assert_array_equal(known[0], [2, 3])
    assert constant_results(nn.AddOp.make(two, two), 8) == (np.array([4]),)
    assert constant_results(nn.AddOp.make(two, two), 0) is None
    assert constant_results(nn.ReluOp.make(x), 8) is None
