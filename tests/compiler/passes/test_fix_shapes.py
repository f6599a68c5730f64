"""Sizes for symbolic inputs, and what is said without them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ovc.compiler.interpreter import main_function
from ovc.compiler.options import parse_input_shapes
from ovc.compiler.passes.fix_shapes import example_shape, fix_shapes, require_static
from ovc.dialects.nn.symbols import dims_of, tensor_with_symbols
from ovc.dialects.types import AnyTensor
from ovc.runtime.errors import CompileError
from xdsl.dialects.builtin import (
    ArrayAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    UnrankedTensorType,
    f32,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region


def network(**inputs: Sequence[int | str] | None) -> ModuleOp:
    types: list[AnyTensor] = [
        UnrankedTensorType(f32) if d is None else tensor_with_symbols(d, f32)
        for d in inputs.values()
    ]
    block = Block(arg_types=types)
    block.add_op(ReturnOp())
    function = FuncOp("main", (types, []), Region(block))
    function.attributes["input_names"] = ArrayAttr(map(StringAttr, inputs))
    return ModuleOp([function])


def dims(module: ModuleOp) -> list[tuple[int | str, ...] | None]:
    function = main_function(module)
    types = function.function_type.inputs
    assert list(types) == [a.type for a in function.body.block.args]
    return [dims_of(t) if isinstance(t, TensorType) else None for t in types]


def test_one_input_fixes_another() -> None:
    module = network(x=("n", 3, "h"), y=("n", "h"), z=("n", "m"))
    fix_shapes(module, {"x": (2, 3, 8)})
    assert dims(module) == [(2, 3, 8), (2, 8), (2, "m")]
    fix_shapes(module, {"z": (2, 5)})
    assert dims(module)[2] == (2, 5)
    require_static(module)


def test_one_name_twice_in_an_input() -> None:
    module = network(x=("n", "n"))
    with pytest.raises(CompileError, match=r'dimension 1 \("n"\) is 3, but the same'):
        fix_shapes(module, {"x": (2, 3)})


def test_unnamed_sizes_may_differ() -> None:
    module = network(x=("?", "?"), y=("?",))
    fix_shapes(module, {"x": (2, 3)})
    assert dims(module) == [(2, 3), ("?",)]


def test_unknown_rank() -> None:
    module = network(x=None)
    with pytest.raises(CompileError, match='input "x": its number of dimensions'):
        require_static(module)
    fix_shapes(module, {"x": (2, 3)})
    assert dims(module) == [(2, 3)]


def test_scalar() -> None:
    module = network(x=())
    fix_shapes(module, {"x": ()})
    require_static(module)


def test_nothing_given_changes_nothing() -> None:
    module = network(x=("n", 3), y=None)
    fix_shapes(module, {})
    assert dims(module) == [("n", 3), None]


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("imagee", (1, 3), '"imagee": .* did you mean "image"'),
        ("image", (1,), "shape 1 has 1 dimensions, the model's nx3 has 2"),
        ("image", (1, 4), "dimension 1 is 3 in the model, not 4"),
        ("image", (-1, 3), "smaller than 1"),
        ("image", (2**40, 3), "too many"),
    ],
)
def test_shapes_that_do_not_fit(name: str, shape: tuple[int, ...], reason: str) -> None:
    module = network(image=("n", 3))
    with pytest.raises(CompileError, match=f"^input .*{reason}"):
        fix_shapes(module, {name: shape})
    assert dims(module) == [("n", 3)]


def test_message_without_shapes() -> None:
    module = network(a=(1, 2), x=(1, 3, "height", "width"))
    with pytest.raises(CompileError) as caught:
        require_static(module)
    assert str(caught.value) == (
        'input "x": dimension 2 ("height") is symbolic; add --input-shape x:1x3x224x224'
    )


@pytest.mark.parametrize(
    ("given", "example"),
    [
        (("n", 3, "h", "w"), "1x3x224x224"),
        (("n", "length"), "1x128"),
        (("n", 80, 300), "1x80x300"),
        (("n",), "1"),
    ],
)
def test_example_shapes(given: tuple[int | str, ...], example: str) -> None:
    assert example_shape(given) == example


@pytest.mark.parametrize(
    "shapes",
    [
        {"#1": (2, 3), "#2": (5,)},
        {"": (5,), "x": (2, 3)},
        {"y": (5,), "": (2, 3)},
        {"y": (5,), "#1": (2, 3)},
    ],
)
def test_shapes_without_a_name_go_to_the_inputs_in_order(
    shapes: dict[str, tuple[int, ...]],
) -> None:
    module = network(x=("?", "?"), y=("?",))
    fix_shapes(module, shapes)
    assert dims(module) == [(2, 3), (5,)]


@pytest.mark.parametrize(
    ("shapes", "count"),
    [
        ({"": (2, 3)}, "1 shape without a name for 2 inputs"),
        (
            {"#1": (2, 3), "#2": (1,), "#3": (1,)},
            "3 shapes without a name for 2 inputs",
        ),
        ({"x": (2, 3), "#1": (1,), "#2": (1,)}, "2 shapes without a name for 1 input;"),
    ],
)
def test_shapes_without_a_name_are_as_many_as_inputs(
    shapes: dict[str, tuple[int, ...]], count: str
) -> None:
    module = network(x=("?", "?"), y=("?",))
    with pytest.raises(CompileError, match=f"--input-shape: {count}.* x, y"):
        fix_shapes(module, shapes)


def test_an_input_may_be_called_like_a_place() -> None:
    module = network(**{"x": ("?",), "#1": ("?",)})
    fix_shapes(module, {"#1": (2,), "x": (3,)})
    assert dims(module) == [(3,), (2,)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["[1,3],[2]"], {"#1": (1, 3), "#2": (2,)}),
        (["(1,3),(2)"], {"#1": (1, 3), "#2": (2,)}),
        (["[1,3]", "[2,4]"], {"#1": (1, 3), "#2": (2, 4)}),
        (["[1, 3]"], {"": (1, 3)}),
        (["b[4],[1,3]", "[2]"], {"b": (4,), "#1": (1, 3), "#2": (2,)}),
        (["a[1,3],b[2]"], {"a": (1, 3), "b": (2,)}),
        (["a:1x3", "b=2"], {"a": (1, 3), "b": (2,)}),
        (["[]"], {"": ()}),
    ],
)
def test_texts(texts: list[str], expected: dict[str, tuple[int, ...]]) -> None:
    assert parse_input_shapes(texts) == expected


@pytest.mark.parametrize(
    "texts", [["a[1],a[2]"], ["a:1", "a[1]"], ["a"], ["a:x"], ["1x3"]]
)
def test_texts_that_are_none(texts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"twice|form"):
        parse_input_shapes(texts)
