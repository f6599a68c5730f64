"""Graphs: order, names, functions, branches, and the report of what cannot be imported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx_files import assert_close, model, node, onnxruntime_answers, save
from ovc.compiler.frontends.base import Model
from ovc.compiler.frontends.onnx import UnsupportedModel, import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.compiler.locations import source_names
from ovc.dialects import nn
from ovc.dialects.const import ConstantOp
from ovc.dialects.nn.base import NNOp
from ovc.dialects.types import Array
from ovc.runtime.errors import CompileError, ImportFailure
from xdsl.dialects.builtin import Float32Type

ONE = np.ones(1, np.float32)


def load(folder: Path, proto: ModelProto) -> Model:
    return import_onnx(save(folder, proto))


def refuse(folder: Path, proto: ModelProto) -> UnsupportedModel:
    path = save(folder, proto)
    with pytest.raises(UnsupportedModel) as caught:
        import_onnx(path)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value


def operations(imported: Model) -> list[NNOp]:
    return [op for op in imported.module.walk() if isinstance(op, NNOp)]


def run(imported: Model, **inputs: Array) -> list[Array]:
    return run_reference(imported.module, inputs)


# names


def test_names_are_kept_exactly(tmp_path: Path) -> None:
    made = helper.make_node("Relu", ["in/put:0"], ["out put"])
    proto = model([made], {"in/put:0": [2]}, ["out put"])
    imported = load(tmp_path, proto)
    assert [p.name for p in imported.inputs] == ["in/put:0"]
    assert [p.name for p in imported.outputs] == ["out put"]


def test_sources_are_node_names(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "a", name="first"), node("Tanh", "a", "y")]
    imported = load(tmp_path, model(nodes, {"x": [2]}, ["y"]))
    assert [source_names(op) for op in operations(imported)] == [
        ("first",),
        ("Tanh y",),
    ]


def test_ports(tmp_path: Path) -> None:
    proto = model([node("Relu", "x", "y")], {"x": [2, 3]}, ["y"])
    imported = load(tmp_path, proto)
    assert imported.inputs == imported.outputs[:0] + imported.inputs
    (x,), (y,) = imported.inputs, imported.outputs
    assert (x.name, x.dims, x.element) == ("x", (2, 3), Float32Type())
    assert (y.name, y.dims, y.element) == ("y", (2, 3), Float32Type())


def test_symbolic_dimensions(tmp_path: Path) -> None:
    nodes = [node("Add", "x w", "y")]
    inputs = {"x": ["batch", 3, None, -1, 0, "?", "d1"], "w": None}
    imported = load(tmp_path, model(nodes, inputs, ["y"]))
    x, w = imported.inputs
    assert x.dims == ("batch", 3, "d0", "d2", "d3", "d4", "d1")
    assert w.dims is None
    assert imported.outputs[0].dims is None
    text = str(imported.module)
    assert 'tensor<?x3x?x?x?x?x?xf32, #nn.symbols<"batch", "", "d0"' in text


def test_shapes_given_at_import(tmp_path: Path) -> None:
    proto = model([node("Relu", "x", "y")], {"x": ["n", 3]}, ["y"])
    path = save(tmp_path, proto)
    assert import_onnx(path, {"x": (2, 3)}).outputs[0].dims == (2, 3)
    with pytest.raises(CompileError, match='input "x": dimension 1 is 3'):
        import_onnx(path, {"x": (2, 4)})


@pytest.mark.parametrize(
    ("dims", "reason"),
    [([-2], "the dimension -2 is negative"), ([2**39, 4], "has too many elements")],
)
def test_impossible_inputs(tmp_path: Path, dims: list[int], reason: str) -> None:
    path = save(tmp_path, model([node("Relu", "x", "y")], {"x": dims}, ["y"]))
    with pytest.raises(ImportFailure, match=f'input "x": .*{reason}'):
        import_onnx(path)


def test_string_input(tmp_path: Path) -> None:
    proto = model([node("Identity", "x", "y")], {"x": [1]}, ["y"])
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    with pytest.raises(ImportFailure, match='input "x": elements of type STRING'):
        load(tmp_path, proto)


def test_sequence_input(tmp_path: Path) -> None:
    proto = model([node("Identity", "x", "y")], {"x": [1]}, ["y"])
    proto.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = 1
    with pytest.raises(ImportFailure, match='input "x": only tensors'):
        load(tmp_path, proto)


def test_two_inputs_of_one_name(tmp_path: Path) -> None:
    proto = model([node("Relu", "x", "y")], {"x": [1]}, ["y"])
    proto.graph.input.append(proto.graph.input[0])
    with pytest.raises(ImportFailure, match='there are two inputs "x"'):
        load(tmp_path, proto)


def test_output_that_is_an_input_or_an_initializer(tmp_path: Path) -> None:
    proto = model(
        [node("Relu", "x", "y")], {"x": [1]}, ["x", "w", "y", "y"], {"w": ONE}
    )
    x = np.array([-2.0], np.float32)
    assert_close(run(load(tmp_path, proto), x=x), [x, ONE, 0 * x, 0 * x], 0)


def test_initializer_that_is_an_input_too(tmp_path: Path) -> None:
    inputs = {"x": [1], "w": [1]}
    proto = model([node("Add", "x w", "y")], inputs, ["y"], {"w": ONE}, ir_version=3)
    imported = load(tmp_path, proto)
    assert [p.name for p in imported.inputs] == ["x"]
    assert run(imported, x=ONE)[0] == 2


# order


def test_nodes_in_any_order(tmp_path: Path) -> None:
    nodes = [node("Tanh", "b", "y"), node("Relu", "x", "a"), node("Neg", "a", "b")]
    imported = load(tmp_path, model(nodes, {"x": [1]}, ["y"]))
    assert [op.name for op in operations(imported)] == ["nn.relu", "nn.neg", "nn.tanh"]


def test_cycle(tmp_path: Path) -> None:
    nodes = [
        node("Relu", "x", "a", name="start"),
        node("Add", "a d", "b", name="one"),
        node("Relu", "b", "c", name="two"),
        node("Relu", "c", "d", name="three"),
        node("Relu", "d", "y", name="end"),
    ]
    error = refuse(tmp_path, model(nodes, {"x": [1]}, ["y"]))
    (problem,) = error.problems
    assert problem.reason in (
        'the nodes "one" -> "two" -> "three" -> "one" form a cycle',
        'the nodes "two" -> "three" -> "one" -> "two" form a cycle',
        'the nodes "three" -> "one" -> "two" -> "three" form a cycle',
    )


def test_node_that_reads_itself(tmp_path: Path) -> None:
    proto = model([node("Add", "x y", "y", name="loop")], {"x": [1]}, ["y"])
    assert 'the nodes "loop" -> "loop" form a cycle' in str(refuse(tmp_path, proto))


def test_missing_producer(tmp_path: Path) -> None:
    nodes = [node("Add", "x lost", "a", name="add"), node("Relu", "a", "y")]
    (problem,) = refuse(tmp_path, model(nodes, {"x": [1]}, ["y"])).problems
    assert problem.node == "add"
    assert problem.reason == 'it reads "lost", which nothing computes'


def test_missing_output(tmp_path: Path) -> None:
    proto = model([node("Relu", "x", "y")], {"x": [1]}, ["y", "z"])
    assert 'nothing computes the output "z"' in str(refuse(tmp_path, proto))


@pytest.mark.parametrize("name", ["x", "w", "a"])
def test_value_computed_twice(tmp_path: Path, name: str) -> None:
    nodes = [node("Relu", "x", "a"), node("Relu", "v", name, name="again")]
    proto = model(nodes, {"x": [1]}, ["a"], {"w": ONE, "v": ONE})
    (problem,) = refuse(tmp_path, proto).problems
    assert problem.node == "again"
    assert f'its output "{name}" is already that of' in problem.reason


# strictness


def one_node(*words: str, **attributes: object) -> ModelProto:
    made = node(*words, name="it", **attributes)
    return model(
        [made], {"x": [1, 3, 8, 8]}, ["y"], {"w": np.ones((4, 3, 3, 3), np.float32)}
    )


@pytest.mark.parametrize(
    ("proto", "reason"),
    [
        (one_node("Frobnicate", "x", "y"), "this operator is not supported"),
        (one_node("NonMaxSuppression", "x x", "y"), "this operator is not supported"),
        (
            one_node("Gelu", "x", "y"),
            "opset 17 has no operator Gelu, it came with opset 20",
        ),
        (
            one_node("Upsample", "x w", "y"),
            "operator Upsample was withdrawn in opset 10",
        ),
        (one_node("Relu", "x", "y", slope=2), 'attribute "slope" is unknown'),
        (
            one_node("LeakyRelu", "x", "y", alpha="x"),
            'attribute "alpha" is not of type FLOAT',
        ),
        (one_node("Concat", "x x", "y"), 'attribute "axis" is missing'),
        (one_node("Relu", "x x", "y"), "there are 2 inputs, 1 are expected"),
        (one_node("Conv", "x", "y"), "there are 1 inputs, 2 to 3 are expected"),
        (one_node("Add", "x -", "y"), 'input "B" is missing'),
        (one_node("Not", "x", "y"), 'input "X" has type tensor(float)'),
        (
            one_node("Conv", "x w", "y", kernel_shape=[5, 5]),
            'attribute "kernel_shape" is',
        ),
        (one_node("Conv", "x w", "y", group=2), "channels"),
        (one_node("Transpose", "x", "y", perm=[0, 1]), "perm"),
        (
            one_node("Foo", "x", "y", domain="custom"),
            'does not import the domain "custom"',
        ),
        (
            one_node("BatchNormalization", "x w w w w", "y", training_mode=1),
            'attribute "training_mode" is 1, only 0 is supported',
        ),
    ],
)
def test_one_problem_is_one_sentence(
    tmp_path: Path, proto: ModelProto, reason: str
) -> None:
    error = refuse(tmp_path, proto)
    (problem,) = error.problems
    assert reason in problem.reason
    assert problem.node == "it"
    assert 'node "it" (' in str(error)
    assert "\n" not in str(error)


def test_types_that_differ(tmp_path: Path) -> None:
    proto = model(
        [node("Add", "x i", "y")], {"x": [1], "i": [1]}, ["y"], types={"i": 7}
    )
    message = str(refuse(tmp_path, proto))
    assert 'input "B" has type tensor(int64), but "A" has tensor(float)' in message


def test_unused_domains_do_not_matter(tmp_path: Path) -> None:
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 99)]
    proto = model([node("Relu", "x", "y")], {"x": [1]}, ["y"], opset_imports=imports)
    load(tmp_path, proto)


def test_default_values_of_unread_attributes_do_not_matter(tmp_path: Path) -> None:
    made = node("GRU", "x w r", "- y", hidden_size=2, linear_before_reset=0, layout=0)
    weights = {"w": np.ones((1, 6, 3), np.float32), "r": np.ones((1, 6, 2), np.float32)}
    load(tmp_path, model([made], {"x": [1, 1, 3]}, ["y"], weights))


def test_all_problems_in_one_report(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", name="conv", pads=[1, 1, 1, 1]),
        node("Strange", "a", "b", name="strange"),
        node("Relu", "b", "c", name="fine"),
        node("Relu", "c", "d", name="bad", slope=2.0),
        node("DeformConv", "d w off", "e", name="deform1", pads=[1, 1, 1, 1]),
        node("DeformConv", "e w off", "y", name="deform2", pads=[1, 1, 1, 1]),
    ]
    weights = {
        "w": np.ones((3, 3, 3, 3), np.float32),
        "off": np.ones((1, 18, 8, 8), np.float32),
    }
    proto = model(nodes, {"x": [1, 3, 8, 8]}, ["y"], weights, opset=19)
    error = refuse(tmp_path, proto)
    assert {p.node for p in error.problems} == {"strange", "bad", "deform1", "deform2"}
    header, titles, *rows = str(error).splitlines()
    assert header.endswith("cannot be imported, there are 4 problems:")
    assert titles.split() == ["operator", "count", "of", "nodes", "reason", "nodes"]
    assert any(row.split()[:2] == ["DeformConv", "2"] for row in rows)
    assert any('"deform1", "deform2"' in row for row in rows)


def test_shares_are_of_the_work_where_shapes_are_known(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", name="conv", pads=[1, 1, 1, 1]),
        node("DeformConv", "a w off", "y", name="deform", pads=[1, 1, 1, 1]),
    ]
    weights = {
        "w": np.ones((3, 3, 3, 3), np.float32),
        "off": np.ones((1, 18, 8, 8), np.float32),
    }
    proto = model(nodes, {"x": [1, 3, 8, 8]}, ["y"], weights, opset=19)
    (problem,) = refuse(tmp_path, proto).problems
    assert problem.share == pytest.approx(0.5, abs=0.05)


def test_many_nodes_of_one_problem_are_counted(tmp_path: Path) -> None:
    nodes = [node("Det", "x", f"y{i}", name=f"det{i}") for i in range(9)]
    error = refuse(tmp_path, model(nodes, {"x": [2, 2]}, [f"y{i}" for i in range(9)]))
    assert '"det0", "det1", "det2", "det3", "det4" and 4 more' in str(error)
    assert len(error.problems) == 9


def test_results_that_are_too_large(tmp_path: Path) -> None:
    shape = np.array([2**31, 2**31], np.int64)
    proto = model(
        [node("Expand", "x s", "y", name="it")], {"x": [1]}, ["y"], {"s": shape}
    )
    assert 'node "it" (Expand): its result' in str(refuse(tmp_path, proto))


# what depends on shapes


def test_shape_arithmetic_is_evaluated(tmp_path: Path) -> None:
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "batch"),
        node("Unsqueeze", "batch axes", "front"),
        node("Concat", "front rest", "target", axis=0),
        node("Reshape", "x target", "y"),
    ]
    constants = {
        "zero": np.array(0, np.int64),
        "axes": np.array([0], np.int64),
        "rest": np.array([-1], np.int64),
    }
    imported = load(tmp_path, model(nodes, {"x": [2, 3, 4]}, ["y"], constants))
    assert imported.outputs[0].dims == (2, 12)
    assert [op.name for op in operations(imported)] == ["nn.reshape"]
    assert sum(isinstance(op, ConstantOp) for op in imported.module.walk()) == 1


def branch(name: str, op_type: str) -> object:
    made = helper.make_node(op_type, ["x"], [f"{name}_out"], name=name)
    output = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
    return helper.make_graph([made], name, [], [output])


def choice(condition: list[object]) -> ModelProto:
    made = node(
        "If",
        "c",
        "y",
        then_branch=branch("yes", "Relu"),
        else_branch=branch("no", "Neg"),
    )
    return model([*condition, made], {"x": [1]}, ["y"], {"c0": np.array(True)})  # type: ignore[list-item]


@pytest.mark.parametrize(("op_type", "name"), [("Identity", "yes"), ("Not", "no")])
def test_constant_condition(tmp_path: Path, op_type: str, name: str) -> None:
    imported = load(tmp_path, choice([node(op_type, "c0", "c")]))
    assert [source_names(op) for op in operations(imported)] == [(name,)]


def test_condition_on_shapes(tmp_path: Path) -> None:
    condition = [node("Size", "x", "n"), node("Equal", "n n", "c")]
    imported = load(tmp_path, choice(condition))
    assert isinstance(operations(imported)[0], nn.ReluOp)


def test_condition_at_run_time(tmp_path: Path) -> None:
    condition = [
        node("ReduceSum", "x", "s"),
        node("Cast", "s", "c", to=TensorProto.BOOL),
    ]
    message = str(refuse(tmp_path, choice(condition)))
    assert "its condition is computed at run time" in message


# functions


def function(name: str, nodes: list[object], attributes: list[str] = []) -> object:  # noqa: B006
    imports = [helper.make_opsetid("", 17)]
    return helper.make_function(
        "local",
        name,
        ["a", "b"],
        ["r"],
        nodes,
        imports,
        attributes,  # type: ignore[arg-type]
    )


def calling(functions: list[object], made: object) -> ModelProto:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    proto = model([made], {"x": [2]}, ["y"], opset_imports=imports)  # type: ignore[list-item]
    proto.functions.extend(functions)  # type: ignore[arg-type]
    return proto


def leaky(reference: str = "slope") -> object:
    made = helper.make_node("LeakyRelu", ["a"], ["r"])
    made.attribute.add(name="alpha", type=1, ref_attr_name=reference)
    return function("Leaky", [made], ["slope"])


def test_model_local_function(tmp_path: Path) -> None:
    made = node("Leaky", "x", "y", name="caller", domain="local", slope=0.5)
    imported = load(tmp_path, calling([leaky()], made))
    assert [source_names(op) for op in operations(imported)] == [("caller",)]
    x = np.array([-2, 2], np.float32)
    np.testing.assert_array_equal(run(imported, x=x)[0], [-1, 2])


def test_attribute_that_a_function_does_not_have(tmp_path: Path) -> None:
    made = node("Leaky", "x", "y", domain="local", steep=0.5)
    message = str(refuse(tmp_path, calling([leaky()], made)))
    assert 'attribute "steep" is unknown' in message


def test_function_that_calls_itself(tmp_path: Path) -> None:
    inner = helper.make_node("Again", ["a"], ["r"], domain="local")
    made = node("Again", "x", "y", name="it", domain="local")
    proto = calling([function("Again", [inner])], made)
    assert 'node "it" (local.Again): functions are nested' in str(
        refuse(tmp_path, proto)
    )


def test_problem_in_a_function_names_the_caller(tmp_path: Path) -> None:
    inner = helper.make_node("Det", ["a"], ["r"])
    made = node("Outer", "x", "y", name="caller", domain="local")
    message = str(refuse(tmp_path, calling([function("Outer", [inner])], made)))
    assert 'node "caller" (Det): this operator is not supported' in message


@pytest.mark.parametrize("op_type", ["HannWindow", "CenterCropPad", "AffineGrid"])
def test_functions_of_the_standard(tmp_path: Path, op_type: str) -> None:
    numbers = np.array([5, 6], np.int64)
    made = {
        "HannWindow": node("HannWindow", "five", "y"),
        "CenterCropPad": node("CenterCropPad", "x size", "y", axes=[0, 1]),
        "AffineGrid": node("AffineGrid", "theta grid", "y"),
    }[op_type]
    constants = {
        "five": np.array(5, np.int64),
        "size": numbers,
        "grid": np.array([2, 1, 5, 6], np.int64),
    }
    inputs = {"x": [4, 8], "theta": [2, 2, 3]}
    path = save(tmp_path, model([made], inputs, ["y"], constants, opset=20))
    arrays = {
        "x": np.arange(32, dtype=np.float32).reshape(4, 8),
        "theta": np.arange(12, dtype=np.float32).reshape(2, 2, 3),
    }
    actual = run(import_onnx(path), **arrays)
    assert_close(actual, onnxruntime_answers(path, arrays), 1e-6)


def test_bert_like_names_in_functions_do_not_collide(tmp_path: Path) -> None:
    calls = [node("Leaky", "x", "r", domain="local", slope=0.5)]
    calls.append(node("Leaky", "r", "y", domain="local", slope=0.5))
    proto = calling([leaky()], calls[0])
    proto.graph.node.append(calls[1])
    x = np.array([-4, 4], np.float32)
    np.testing.assert_array_equal(run(load(tmp_path, proto), x=x)[0], [-1, 4])


def test_weights_come_from_the_file_unchanged(tmp_path: Path) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    proto = model([node("MatMul", "x w", "y")], {"x": [1, 2]}, ["y"])
    proto.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    constants = [
        op for op in load(tmp_path, proto).module.walk() if isinstance(op, ConstantOp)
    ]
    np.testing.assert_array_equal(constants[0].array, weight)
    assert constants[0].output.name_hint == "w"
    assert source_names(constants[0]) == ("w",)
