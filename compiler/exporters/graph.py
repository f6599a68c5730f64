"""One function of `nn` as an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    TensorType,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects.const import ConstantOp
from ...dialects.nn.base import RESULT_SEGMENTS, SEGMENTS, NNOp
from ...dialects.nn.symbols import dims_of
from ...dialects.types import DTYPES, Array, element_type
from ...runtime.errors import UnsupportedOperation
from ..frontends.onnx.tensors import DTYPES as ONNX_DTYPES
from ..interpreter import input_names, output_names
from ..locations import describe, source_names
from .operators import APART, INTERNAL, WRITERS, operator_name

OPSET = 24
"""The newest that today's engines run."""

DATA_TYPES = {dtype: number for number, dtype in ONNX_DTYPES.items()}


class GraphWriter:
    """Writes nodes in order; every value has one name."""

    def __init__(self, function: FuncOp) -> None:
        self.function = function
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []
        self.names: dict[SSAValue, str] = {}
        self.taken: set[str] = set()
        self.node_names: set[str] = set()

    def graph(self) -> onnx.GraphProto:
        """The whole function."""
        block = self.function.body.block
        inputs = input_names(self.function)
        for argument, name in zip(block.args, inputs, strict=True):
            self.names[argument] = self._reserve(name)
        returned = block.last_op
        assert isinstance(returned, ReturnOp)
        outputs = output_names(self.function)
        aliases = self._name_outputs(list(returned.operands), outputs)
        for op in block.ops:
            if isinstance(op, ConstantOp):
                self.tensors.append(self.tensor(op.array, self.name(op.output)))
            elif isinstance(op, NNOp):
                self.write(op)
        for source, name in aliases:
            self.nodes.append(helper.make_node("Identity", [self.name(source)], [name]))
        return helper.make_graph(
            self.nodes,
            "main",
            [value_info(n, v) for n, v in zip(inputs, block.args, strict=True)],
            [value_info(n, v) for n, v in zip(outputs, returned.operands, strict=True)],
            self.tensors,
        )

    def _name_outputs(
        self, values: Sequence[SSAValue], names: Sequence[str]
    ) -> list[tuple[SSAValue, str]]:
        """Results take the outputs' names; what cannot is copied at the end."""
        aliases: list[tuple[SSAValue, str]] = []
        for value, name in zip(values, names, strict=True):
            self._reserve(name)
            if value in self.names or not isinstance(value.owner, NNOp):
                aliases.append((value, name))
            else:
                self.names[value] = name
        return aliases

    # names

    def _reserve(self, name: str) -> str:
        self.taken.add(name)
        return name

    def fresh(self, stem: str) -> str:
        """A name that nothing has yet."""
        name, count = stem, 1
        while name in self.taken:
            count += 1
            name = f"{stem}_{count}"
        return self._reserve(name)

    def name(self, value: SSAValue) -> str:
        """The name of a value."""
        if value not in self.names:
            self.names[value] = self.fresh(value.name_hint or self._stem(value))
        return self.names[value]

    def _stem(self, value: SSAValue) -> str:
        owner = value.owner
        layers = source_names(owner) if isinstance(owner, Operation) else ()
        kind = "weight" if isinstance(owner, ConstantOp) else "value"
        return f"{layers[0]}_{kind}" if layers else kind

    # parts

    def constant(self, array: Array) -> str:
        """An initialiser of its own."""
        name = self.fresh("constant")
        self.tensors.append(self.tensor(array, name))
        return name

    def tensor(self, array: Array, name: str) -> TensorProto:
        """An array with a name."""
        proto = TensorProto(
            dims=array.shape, data_type=DATA_TYPES[array.dtype], name=name
        )
        proto.raw_data = array.tobytes()
        return proto

    def node(
        self,
        kind: str,
        op: NNOp,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **attributes: Any,
    ) -> None:
        """Append a node, named after the layers that `op` came from."""
        stem = "+".join(source_names(op)) or kind
        name, count = stem, 1
        while name in self.node_names:
            count += 1
            name = f"{stem}_{count}"
        self.node_names.add(name)
        proto = helper.make_node(kind, inputs, outputs, name=name, **attributes)
        self.nodes.append(proto)

    def write(self, op: NNOp) -> None:
        """Append the node or nodes of one operation."""
        writer = WRITERS.get(type(op))
        if writer is not None:
            writer(self, op)
        else:
            self.write_plain(op)

    def write_plain(self, op: NNOp) -> None:
        """One node with the same operands and attributes."""
        kind = operator_name(op)
        if not has_operator(op):
            raise UnsupportedOperation(f"{describe(op)} has no operator in ONNX")
        self.node(kind, op, self.inputs(op), self.outputs(op), **self.attributes(op))

    def outputs(self, op: NNOp) -> list[str]:
        """The results' names; "" for one that nobody reads, where ONNX allows it."""
        schema = onnx.defs.get_schema(operator_name(op), OPSET)
        needed = len(op.results) if op.name == "nn.split" else schema.min_output
        names = [
            self.name(r) if r.first_use is not None or i < needed else ""
            for i, r in enumerate(op.results)
        ]
        while names and not names[-1]:
            names.pop()
        return names

    def inputs(self, op: NNOp) -> list[str]:
        """The operands' names; "" for one left out in the middle."""
        names: list[str] = []
        for field, _ in type(op).get_irdl_definition().operands:
            operand: Any = getattr(op, field)
            if operand is None:
                names.append("")
            elif isinstance(operand, SSAValue):
                names.append(self.name(cast("SSAValue", operand)))
            else:
                several: Sequence[SSAValue] = operand
                names += map(self.name, several)
        while names and not names[-1]:
            names.pop()
        return names

    def attributes(self, op: NNOp) -> dict[str, Any]:
        """The properties as ONNX attributes."""
        hidden = (SEGMENTS, RESULT_SEGMENTS)
        return {
            name: plain(attribute)
            for name, attribute in op.properties.items()
            if name not in hidden and not _is_unset(name, attribute)
        }


def _is_unset(name: str, attribute: Attribute) -> bool:
    """Defaults that not every operator with such a property declares."""
    return name == "auto_pad" and attribute == StringAttr("NOTSET")


def plain(attribute: Attribute) -> Any:
    """A property as `make_node` takes it."""
    match attribute:
        case IntegerAttr():
            return int(attribute.value.data)
        case FloatAttr():
            return float(attribute.value.data)
        case StringAttr():
            return attribute.data
        case DenseArrayBase():
            array: Any = attribute
            return list(array.iter_values())
        case ArrayAttr():
            return [plain(a) for a in attribute]  # pyright: ignore
        case _ if attribute in DTYPES:
            return DATA_TYPES[DTYPES[attribute]]
        case _:
            raise UnsupportedOperation(f"the property {attribute} has no form in ONNX")


def has_operator(op: NNOp) -> bool:
    """Whether ONNX has an operator for an operation."""
    if type(op) in WRITERS:
        return True
    if op.name in INTERNAL | APART:
        return False
    try:
        onnx.defs.get_schema(operator_name(op), OPSET)
    except onnx.defs.SchemaError:
        return False
    return True


def value_info(name: str, value: SSAValue) -> ValueInfoProto:
    """Name, type and shape of an input or output."""
    data_type = DATA_TYPES[DTYPES[element_type(value)]]
    dims = dims_of(value.type) if isinstance(value.type, TensorType) else None  # pyright: ignore
    shape = None if dims is None else [None if d == "?" else d for d in dims]
    return helper.make_tensor_value_info(name, data_type, shape)
