"""
The walk over an ONNX graph: nodes in order, a row for each, every problem collected.

A node that cannot be imported leaves placeholders in the place of its outputs, so that
the rest is still looked at; what follows from a placeholder is no problem of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import prod

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    NodeProto,
    SparseTensorProto,
    TypeProto,
)
from xdsl.dialects.builtin import UnrankedTensorType, UnrealizedConversionCastOp, f32
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from ....dialects.const import ConstantOp
from ....dialects.nn.base import NNOp
from ....dialects.types import Array, is_static, shape_of
from ....runtime.errors import OvcError
from ...interpreter import constant_results
from ...locations import set_source
from .hints import Hints
from .load import opset_versions
from .node import Node, Outputs, resolved
from .operators import find_row
from .order import captured, in_order, needed, reads, subgraphs
from .problems import NeedsDefinition, Problem, Unsupported
from .schemas import find_operator, function_body
from .scope import Scope, Tensor, operator_name, source_name, suggest_name
from .tensors import MAX_ELEMENTS, TensorReader

FOLDED_ELEMENTS = 1024
"""Results of at most this many elements are computed while importing, when they are
known: shapes, sizes and axes that later shapes depend on."""

MAX_DEPTH = 32
"""Of functions in functions."""

MAX_NODES = 1_000_000
"""Nodes of one model with all functions expanded."""


UNDERSTANDABLE = (VerifyException, ValueError, ArithmeticError, IndexError, OvcError)
"""Exceptions whose texts speak of the model."""


class GraphImporter:
    """Imports graphs into one block, after each other and into each other."""

    def __init__(
        self,
        block: Block,
        tensors: TensorReader,
        functions: Sequence[FunctionProto],
        hints: Hints,
    ) -> None:
        self.block = block
        self.tensors = tensors
        self.functions = {(f.domain, f.name): f for f in functions}
        self.hints = hints
        self.problems: dict[Problem, NodeProto | None] = {}
        """With the node of each."""
        self.tainted: set[SSAValue] = set()
        """Placeholders and what depends on them."""
        self.count = 0

    # graphs

    def import_graph(self, graph: GraphProto, scope: Scope) -> list[SSAValue]:
        """Import a graph's nodes. The outputs, placeholders where there are none."""
        self._declare_tensors(graph, scope)
        self._check_producers(graph.node, scope)
        self.import_nodes(graph.node, [o.name for o in graph.output], scope)
        return [self._output(o.name, scope) for o in graph.output]

    def import_nodes(
        self, nodes: Sequence[NodeProto], outputs: Sequence[str], scope: Scope
    ) -> None:
        """Import nodes given in any order."""
        self.count += len(nodes)
        if self.count > MAX_NODES:
            raise Unsupported(f"the model has more than {MAX_NODES} nodes")
        scope.read |= {name for node in nodes for name in reads(node)} | set(outputs)
        ordered, cycle = in_order(nodes)
        if cycle:
            path = " -> ".join(f'"{source_name(n)}"' for n in [*cycle, cycle[0]])
            self.report(f"the nodes {path} form a cycle")
        for node in ordered:
            self.import_node(node, scope)
        if cycle:
            for name in {o for n in nodes for o in n.output} - set(scope.values) - {""}:
                scope.values[name] = self.placeholder(name)

    def import_branch(self, graph: GraphProto, around: Scope) -> list[SSAValue]:
        """Import a subgraph in place; it reads values of the graph around it."""
        scope = Scope(
            around.opsets,
            around,
            attributes=around.attributes,
            source=around.source,
            depth=around.depth + 1,
        )
        return self.import_graph(graph, scope)

    def import_node(self, proto: NodeProto, scope: Scope) -> None:
        """Import one node; a problem with it is noted."""
        source = scope.source or source_name(proto)
        problems = len(self.problems)
        tainted = self._reads_placeholder(proto, scope)
        try:
            outputs = self._outputs(proto, source, scope)
        except Unsupported as error:
            self.report(str(error), proto, source)
        except Exception as error:
            # Shape functions meet whatever a damaged model says. After a placeholder
            # their complaints mean nothing.
            if not tainted:
                self.report(_one_line(error), proto, source)
        else:
            self._bind(proto, outputs, scope, tainted)
            return
        if len(self.problems) == problems:
            tainted = True
        self._bind(proto, (), scope, tainted=True)

    # values

    def lookup(self, name: str, scope: Scope) -> SSAValue | None:
        """The value of a name; None for the empty name of an operand left out."""
        if not name:
            return None
        around: Scope | None = scope
        while around is not None:
            if name in around.values:
                return around.values[name]
            if name in around.tensors:
                value = self._initializer(name, around.tensors[name])
                around.values[name] = value
                return value
            around = around.outer
        scope.values[name] = self.placeholder(name)
        raise Unsupported(f'it reads "{name}", which nothing computes')

    def is_read(self, name: str, scope: Scope) -> bool:
        """Whether something in the graph reads this name."""
        return name in scope.read

    def add(self, op: NNOp, source: str) -> tuple[SSAValue, ...]:
        """Append an operation. Small results that are known become constants."""
        set_source(op, source)
        op.verify(verify_nested_ops=False)
        for result in op.results:
            if is_static(result.type) and prod(shape_of(result)) > MAX_ELEMENTS:
                raise Unsupported(f"its result {list(shape_of(result))} is too large")
        known = constant_results(op, FOLDED_ELEMENTS)
        if known is not None:
            op.erase()
            return tuple(self.add_constant(array, source) for array in known)
        self.block.add_op(op)
        return tuple(op.results)

    def add_constant(self, array: Array, source: str) -> SSAValue:
        """Append a constant."""
        op = ConstantOp(array)
        set_source(op, source)
        self.block.add_op(op)
        return op.output

    def placeholder(self, name: str, element: Attribute = f32) -> SSAValue:
        """A value in the place of one that could not be imported."""
        type_ = self.hints.type_of(name) or UnrankedTensorType(element)
        op = UnrealizedConversionCastOp.create(result_types=[type_])
        self.block.add_op(op)
        self.tainted.add(op.results[0])
        return op.results[0]

    def report(
        self, reason: str, proto: NodeProto | None = None, source: str | None = None
    ) -> None:
        """Note a problem, once."""
        problem = Problem(reason, source, operator_name(proto) if proto else "")
        self.problems.setdefault(problem, proto)

    # parts of the walk

    def _declare_tensors(self, graph: GraphProto, scope: Scope) -> None:
        dense = [(t.name, t) for t in graph.initializer]
        sparse = [(s.values.name, s) for s in graph.sparse_initializer]
        for name, tensor in (*dense, *sparse):
            if name in scope.tensors:
                self.report(f'there are two initializers "{name}"')
            scope.tensors[name] = tensor

    def _check_producers(self, nodes: Sequence[NodeProto], scope: Scope) -> None:
        producers: dict[str, str] = dict.fromkeys(scope.values, "an input of the model")
        producers |= dict.fromkeys(scope.tensors, "an initializer")
        for node in nodes:
            source = source_name(node)
            for name in filter(None, node.output):
                if name in producers:
                    self.report(
                        f'its output "{name}" is already that of {producers[name]}',
                        node,
                        source,
                    )
                producers[name] = f'node "{source}"'

    def _outputs(
        self, proto: NodeProto, source: str, scope: Scope
    ) -> Sequence[SSAValue | None]:
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        function = self.functions.get((domain, proto.op_type))
        if function is not None:
            return self._call(function, proto, source, scope)
        if domain not in scope.opsets:
            raise Unsupported(f'the model does not import the domain "{domain}"')
        version = scope.opsets[domain]
        operator = find_operator(proto.op_type, version, domain)
        row = find_row(domain, proto.op_type)
        if row is not None:
            node = Node(proto, source, scope, self, operator)
            node.check_against_standard(lambda value: value not in self.tainted)
            with suppress(NeedsDefinition):
                outputs = _sequence(row(node))
                node.check_unread()
                return outputs
        body = operator and function_body(
            operator,
            resolved(proto, scope.attributes),
            version,
            self._input_types(proto, scope),
        )
        if operator is None or body is None:
            raise Unsupported(_unsupported(domain))
        defaults = {n: a for n, a in operator.attributes.items() if a}
        return self._call(body, proto, source, scope, defaults)

    def _call(
        self,
        function: FunctionProto,
        proto: NodeProto,
        source: str,
        around: Scope,
        defaults: dict[str, AttributeProto] | None = None,
    ) -> Sequence[SSAValue | None]:
        """Import a function's body in the place of a node."""
        if around.depth >= MAX_DEPTH:
            raise Unsupported(f"functions are nested deeper than {MAX_DEPTH}")
        if len(proto.input) > len(function.input):
            raise Unsupported(f"there are more than {len(function.input)} inputs")
        node = Node(proto, source, around, self, None)
        attributes = (defaults or {}) | {a.name: a for a in function.attribute_proto}
        known = {*attributes, *function.attribute}
        for name in node.attributes:
            if defaults is None and name not in known:
                raise Unsupported(f'attribute "{name}" is unknown')
        scope = Scope(
            around.opsets | opset_versions(function.opset_import),
            attributes=attributes | node.attributes,
            source=source,
            depth=around.depth + 1,
        )
        given = [*node.inputs, *[None] * (len(function.input) - len(node.inputs))]
        scope.values.update(zip(function.input, given, strict=True))
        named = [
            name if index < len(proto.output) and proto.output[index] else ""
            for index, name in enumerate(function.output)
        ]
        self.import_nodes(needed(function.node, named), named, scope)
        return [self._output(name, scope) if name else None for name in named]

    def _bind(
        self,
        proto: NodeProto,
        outputs: Sequence[SSAValue | None],
        scope: Scope,
        tainted: bool,
    ) -> None:
        """Give the node's outputs their names."""
        for index, name in enumerate(proto.output):
            value = outputs[index] if index < len(outputs) else None
            if value is None:
                self._bind_missing(name, proto, scope, tainted)
                continue
            if not name:
                continue
            scope.values[name] = value
            if scope.source is None:
                suggest_name(value, name)
            if tainted:
                self.tainted.add(value)

    def _bind_missing(
        self, name: str, proto: NodeProto, scope: Scope, tainted: bool
    ) -> None:
        """A row left an output out: that matters where something reads it."""
        if not name or not (tainted or self.is_read(name, scope)):
            return
        if not tainted:
            source = scope.source or source_name(proto)
            self.report(f'its output "{name}" is not supported', proto, source)
        scope.values[name] = self.placeholder(name)

    def _output(self, name: str, scope: Scope) -> SSAValue:
        try:
            value = self.lookup(name, scope)
        except Unsupported:
            self.report(f'nothing computes the output "{name}"')
            value = scope.values[name]
        if value is None:
            raise Unsupported(f'the output "{name}" stands for an input left out')
        return value

    def _initializer(self, name: str, tensor: Tensor) -> SSAValue:
        try:
            if isinstance(tensor, SparseTensorProto):
                array = self.tensors.sparse(tensor)
            else:
                array = self.tensors.array(tensor)
        except Unsupported as error:
            self.report(f'initializer "{name}": {error}')
            return self.placeholder(name)
        value = self.add_constant(array, name)
        suggest_name(value, name)
        return value

    def _reads_placeholder(self, proto: NodeProto, scope: Scope) -> bool:
        if not self.tainted:
            return False
        names = list(proto.input)
        for graph in subgraphs(proto):
            names += captured(graph)
        around: Scope | None = scope
        while around is not None:
            if any(around.values.get(name) in self.tainted for name in names):
                return True
            around = around.outer
        return False

    def _input_types(self, proto: NodeProto, scope: Scope) -> list[TypeProto]:
        values = [self.lookup(name, scope) for name in proto.input]
        return [self.hints.type_proto(value) for value in values]

    # work

    def flops(self) -> int | None:
        """The work of everything imported; None when a shape is unknown."""
        total = 0
        for op in self.block.ops:
            flops = _flops(op)
            if flops is None:
                return None
            total += flops
        return total


def _flops(op: Operation) -> int | None:
    if not isinstance(op, NNOp):
        return 0
    try:
        return op.flops()
    except Exception:
        return None  # a shape it depends on is not known


def _unsupported(domain: str) -> str:
    if domain in ("", "com.microsoft"):
        return "this operator is not supported"
    return f'operators of the domain "{domain}" are not supported'


def _sequence(outputs: Outputs) -> Sequence[SSAValue]:
    return [outputs] if isinstance(outputs, SSAValue) else outputs


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if text and isinstance(error, UNDERSTANDABLE):
        return text
    return f"it cannot be built, {type(error).__name__}: {text}"
