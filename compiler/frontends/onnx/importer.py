"""An ONNX file as a network in `nn`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from onnx import GraphProto, ValueInfoProto
from xdsl.dialects.builtin import (
    ArrayAttr,
    ModuleOp,
    StringAttr,
    UnrankedTensorType,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue

from ....dialects.const import ConstantOp
from ....dialects.nn.symbols import tensor_with_symbols
from ....runtime.errors import ImportFailure
from ...passes.fix_shapes import fix_shapes, named_shapes, shapes_by_tensor
from ..base import Model
from .cut import cut_graph
from .graph import GraphImporter
from .hints import Hints
from .load import ModelFile, read_model
from .problems import Unsupported, UnsupportedModel, with_shares
from .scope import Scope, suggest_name
from .tensors import MAX_ELEMENTS, TensorReader, element_of_onnx

Names = set[str]


def import_onnx(
    path: Path | str,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> Model:
    """
    Read the model at `path`.

    Args:
        input_shapes: sizes for symbolic inputs. Fixed here rather than later, they are
            known to what the model decides by shapes, such as the branch of an If.
        inputs: tensors or nodes that become the inputs, instead of the file's.
        outputs: tensors or nodes that become the outputs, instead of the file's.

    Raises:
        ImportFailure: the file cannot be read, or parts of it cannot be imported: then
            it is an `UnsupportedModel` that lists all of them.
        CompileError: `input_shapes` does not fit the model.
    """
    file = read_model(Path(path))
    if inputs and input_shapes:
        input_shapes = named_shapes(inputs, input_shapes)
    if inputs or outputs:
        cut_graph(file, inputs, outputs, input_shapes or {})
    graph = file.proto.graph
    block = Block()
    names = _add_arguments(file, graph, block)
    module = _module(block, names, [o.name for o in graph.output])
    if input_shapes:
        fix_shapes(module, shapes_by_tensor(names, inputs, input_shapes))
    hints = Hints(file.proto)
    tensors = TensorReader(file.path.resolve().parent)
    importer = GraphImporter(block, tensors, file.proto.functions, hints)
    scope = Scope(file.opsets)
    scope.values.update(zip(names, block.args, strict=True))
    try:
        results = importer.import_graph(graph, scope)
    except Unsupported as error:
        raise ImportFailure(f"{file.path}: {error}") from error
    if importer.problems:
        raise _failure(file, importer)
    _finish(block, results)
    return Model(module, file.path, file.sha256)


def _add_arguments(file: ModelFile, graph: GraphProto, block: Block) -> list[str]:
    """An argument for every input that is not an initialiser; their names."""
    constants = {t.name for t in graph.initializer}
    constants |= {s.values.name for s in graph.sparse_initializer}
    taken = {d.dim_param for i in graph.input for d in i.type.tensor_type.shape.dim}
    names: list[str] = []
    for info in graph.input:
        if info.name in constants:
            continue
        if info.name in names:
            raise ImportFailure(f'{file.path}: there are two inputs "{info.name}"')
        try:
            type_ = _input_type(info, taken)
        except Unsupported as error:
            raise ImportFailure(f'{file.path}: input "{info.name}": {error}') from error
        argument = block.insert_arg(type_, len(block.args))
        suggest_name(argument, info.name)
        names.append(info.name)
    return names


def _input_type(info: ValueInfoProto, taken: Names) -> Attribute:
    if not info.type.HasField("tensor_type"):
        raise Unsupported("only tensors are supported as inputs")
    element = element_of_onnx(info.type.tensor_type.elem_type)
    if not info.type.tensor_type.HasField("shape"):
        return UnrankedTensorType(element)
    dims: list[int | str] = []
    elements = 1
    for dim in info.type.tensor_type.shape.dim:
        if dim.dim_value < -1:
            raise Unsupported(f"the dimension {dim.dim_value} is negative")
        if dim.dim_value > 0:
            dims.append(dim.dim_value)
            elements *= dim.dim_value
        else:
            named = dim.dim_param not in ("", "?", "-1")
            dims.append(dim.dim_param if named else _new_name(taken))
    if elements > MAX_ELEMENTS:
        raise Unsupported(f"the shape {dims} has too many elements")
    return tensor_with_symbols(dims, element)


def _new_name(taken: Names) -> str:
    """d0, d1, ...: a name for a dimension that has none."""
    index = 0
    while f"d{index}" in taken:
        index += 1
    taken.add(f"d{index}")
    return f"d{index}"


def _module(block: Block, inputs: Sequence[str], outputs: Sequence[str]) -> ModuleOp:
    types = [a.type for a in block.args]
    function = FuncOp("main", (types, []), Region(block))
    function.attributes["input_names"] = ArrayAttr(map(StringAttr, inputs))
    function.attributes["output_names"] = ArrayAttr(map(StringAttr, outputs))
    return ModuleOp([function])


def _finish(block: Block, outputs: Sequence[SSAValue]) -> None:
    block.add_op(ReturnOp(*outputs))
    for op in list(block.ops):
        if isinstance(op, ConstantOp) and op.output.first_use is None:
            op.detach()  # read only by what was computed while importing
            op.erase()
    function = block.parent_op()
    assert isinstance(function, FuncOp)
    function.update_function_type()


def _failure(file: ModelFile, importer: GraphImporter) -> UnsupportedModel:
    """All problems, with their shares of the work, or of the nodes."""
    problems = importer.problems
    done = importer.flops()
    guesses = [importer.hints.work(n) if n else 0 for n in problems.values()]
    work = [g for g in guesses if g is not None]
    if done is not None and len(work) == len(guesses):
        listed = with_shares(problems, work, done + sum(work))
        return UnsupportedModel(file.path, listed, "work")
    listed = with_shares(problems, [1] * len(problems), max(1, importer.count))
    return UnsupportedModel(file.path, listed, "nodes")
