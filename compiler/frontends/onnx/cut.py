"""
Cut an ONNX graph: other tensors become its inputs and outputs.

    x -> conv -> relu -> pool -> y      with outputs = relu      x -> conv -> relu
                                        with inputs = relu       relu -> pool -> y

A name is that of a tensor, or of a node: then its first output is meant, as in the Model
Optimizer; `node:1` is its second output, `1:node` its second input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from ....runtime.errors import ImportFailure
from .load import ModelFile
from .order import needed, reads


def cut_graph(
    file: ModelFile,
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: Mapping[str, Sequence[int]],
) -> None:
    """
    Change the graph of a parsed file, in place. Nodes that are not needed go.

    Args:
        shapes: of new inputs, instead of those that they had inside of the network.

    Raises:
        ImportFailure: there is no tensor or node of a name, or an output does not depend
            on the inputs alone.
    """
    graph = file.proto.graph
    starts = list(dict.fromkeys(_tensor(file, name, "--input") for name in inputs))
    ends = list(dict.fromkeys(_tensor(file, name, "--output") for name in outputs))
    ends = ends or [info.name for info in graph.output]
    kept = list(needed(_without_producers(graph, starts), ends))
    infos = _known_types(file.proto)
    constants = {t.name for t in graph.initializer} - set(starts)
    constants |= {s.values.name for s in graph.sparse_initializer} - set(starts)
    if starts:
        read = {n for node in kept for n in reads(node)} | set(ends)
        _check_complete(file, kept, starts, constants, ends)
        given = [i for i in graph.input if i.name in constants and i.name in read]
        given_shapes = {
            _tensor(file, name, "--input"): shapes[name]
            for name in inputs
            if name in shapes
        }
        new = [_info(infos, name, given_shapes.get(name)) for name in starts]
        del graph.input[:]
        graph.input.extend([*new, *given])
        for index in reversed(range(len(graph.initializer))):
            if graph.initializer[index].name in starts:
                del graph.initializer[index]
    if outputs:
        results = [_info(infos, name) for name in ends]
        del graph.output[:]
        graph.output.extend(results)
    del graph.node[:]
    graph.node.extend(kept)


PORT = re.compile(r"(?:(\d+):)?(.*?)(?::(\d+))?")


def _tensor(file: ModelFile, name: str, flag: str) -> str:
    """The tensor that a name means."""
    tensors = set(_tensors(file.proto.graph))
    if name in tensors:
        return name
    nodes = {node.name: node for node in file.proto.graph.node if node.name}
    match = PORT.fullmatch(name)
    assert match is not None
    before, plain, after = match.groups()
    node = nodes.get(name) or nodes.get(plain)
    if node is None:
        known = [*tensors, *nodes]
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise ImportFailure(
            f"{file.path}: {flag}: there is no tensor or layer '{name}'{hint}"
        )
    ports = list(node.input if before and name not in nodes else node.output)
    index = 0 if name in nodes else int(before or after or 0)
    if index >= len(ports) or not ports[index]:
        raise ImportFailure(
            f"{file.path}: {flag}: layer '{node.name}' has no port {index}"
        )
    return ports[index]


def _tensors(graph: GraphProto) -> Iterator[str]:
    yield from (info.name for info in graph.input)
    yield from (t.name for t in graph.initializer)
    yield from (name for node in graph.node for name in node.output if name)


def _without_producers(graph: GraphProto, starts: Sequence[str]) -> list[NodeProto]:
    """
    The nodes, without those that only compute new inputs. Other outputs of such a node
    stay as they are.
    """
    nodes: list[NodeProto] = []
    for node in graph.node:
        rest = [name for name in node.output if name and name not in starts]
        if len(rest) == len([name for name in node.output if name]):
            nodes.append(node)
        elif rest:
            copy = NodeProto()
            copy.CopyFrom(node)
            for index, name in enumerate(node.output):
                if name in starts:
                    copy.output[index] = f"{name}:before-the-cut"
            nodes.append(copy)
    return nodes


def _check_complete(
    file: ModelFile,
    nodes: Sequence[NodeProto],
    starts: Sequence[str],
    constants: set[str],
    ends: Sequence[str],
) -> None:
    """Every tensor that is read must be computed, constant or a new input."""
    known = {*starts, *constants, *(name for n in nodes for name in n.output)}
    for node in nodes:
        for name in reads(node):
            if name not in known:
                what = node.name or node.op_type
                raise ImportFailure(
                    f"{file.path}: --input: layer '{what}' also needs '{name}'; "
                    "name it as an input too"
                )
    for name in ends:
        if name not in known:
            raise ImportFailure(
                f"{file.path}: the output '{name}' does not depend on the inputs given"
            )


def _known_types(proto: ModelProto) -> dict[str, ValueInfoProto]:
    """Types and shapes of tensors, as far as the file or its inference knows them."""
    try:
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except Exception:  # the checker's own errors; the importer says it better
        inferred = proto
    graph = inferred.graph
    infos = {i.name: i for i in (*graph.value_info, *graph.output, *graph.input)}
    for tensor in graph.initializer:
        infos.setdefault(
            tensor.name,
            onnx.helper.make_tensor_value_info(
                tensor.name, tensor.data_type, list(tensor.dims)
            ),
        )
    return infos


def _info(
    infos: dict[str, ValueInfoProto], name: str, shape: Sequence[int] | None = None
) -> ValueInfoProto:
    info = infos.get(name)
    known = info is not None and info.type.HasField("tensor_type")
    if info is not None and known and shape is None:
        return info
    kind = info.type.tensor_type.elem_type if info is not None and known else 0
    return onnx.helper.make_tensor_value_info(name, kind or TensorProto.FLOAT, shape)
