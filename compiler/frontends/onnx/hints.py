"""
Types of values that could not be imported, as onnx's own shape inference sees them.

They only serve reports: nothing is compiled from them.
"""

from __future__ import annotations

from functools import cached_property

import onnx
from onnx import ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto
from xdsl.dialects.builtin import TensorType, UnrankedTensorType
from xdsl.ir import Attribute, SSAValue

from ....dialects.types import (
    AnyTensor,
    dtype_of,
    element_type,
    is_static,
    shape_of,
    tensor,
)
from .problems import Unsupported
from .tensors import DTYPES, element_of_onnx

ONNX_TYPES = {dtype: data_type for data_type, dtype in DTYPES.items()}


class Hints:
    """Inferred once, at the first question."""

    def __init__(self, proto: ModelProto) -> None:
        self.proto = proto

    @cached_property
    def infos(self) -> dict[str, ValueInfoProto]:
        try:
            inferred = onnx.shape_inference.infer_shapes(self.proto).graph
        except Exception:
            inferred = self.proto.graph  # too large, or damaged: what the file says
        infos = [*inferred.value_info, *inferred.output, *inferred.input]
        return {info.name: info for info in infos}

    def shape_of(self, name: str) -> tuple[int, ...] | None:
        """A value's shape, when all of it is known."""
        info = self.infos.get(name)
        if info is None or not info.type.tensor_type.HasField("shape"):
            return None
        dims = info.type.tensor_type.shape.dim
        if not all(d.dim_value > 0 for d in dims):
            return None
        return tuple(d.dim_value for d in dims)

    def type_of(self, name: str) -> AnyTensor | None:
        """A value's tensor type, when its element type is known."""
        info = self.infos.get(name)
        if info is None or not info.type.HasField("tensor_type"):
            return None
        try:
            element = element_of_onnx(info.type.tensor_type.elem_type)
        except Unsupported:
            return None
        shape = self.shape_of(name)
        return UnrankedTensorType(element) if shape is None else tensor(shape, element)

    def type_proto(self, value: SSAValue | None) -> TypeProto:
        """The type of an imported value, as ONNX writes it; empty for None."""
        proto = TypeProto()
        if value is None:
            return proto
        proto.tensor_type.elem_type = _onnx_type(element_type(value))
        if is_static(value.type):
            for size in shape_of(value):
                proto.tensor_type.shape.dim.add().dim_value = size
        elif isinstance(value.type, TensorType):
            for size in value.type.get_shape():  # pyright: ignore
                dim = proto.tensor_type.shape.dim.add()
                if size >= 0:
                    dim.dim_value = size
        return proto

    def work(self, node: NodeProto) -> int | None:
        """
        A guess at the operations of a node that cannot be imported: every weight is
        used once per position of the output.
        """
        shapes = [self.shape_of(name) for name in node.output if name]
        if not shapes or any(s is None for s in shapes):
            return None
        elements = sum(_size(s) for s in shapes if s is not None)
        first = [1, *(shapes[0] or ())]
        channels = first[2] if len(first) > 3 else first[-1]
        sizes = {t.name: tuple(t.dims) for t in self.proto.graph.initializer}
        given = [sizes[name] for name in node.input if len(sizes.get(name, ())) > 1]
        weights = _size(given[0]) if given else 0
        return max(elements, 2 * weights * elements // max(1, channels))


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for dim in shape:
        size *= dim
    return size


def _onnx_type(element: Attribute) -> int:
    return ONNX_TYPES.get(dtype_of(element), TensorProto.UNDEFINED)
