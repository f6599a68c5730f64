"""Looking at a model file: imported, with every shape that can be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import TensorType

from ..dialects.const import ConstantOp
from ..dialects.nn.base import NNOp
from ..dialects.nn.symbols import dims_of
from ..dialects.types import dtype_of, is_static
from .frontends import base
from .locations import source_names
from .passes import PASSES
from .passes.fix_shapes import fix_shapes
from .pipeline import parse_pipeline
from .registry import make_context

PIPELINE = "infer-shapes,fold-constants,infer-shapes"

Dims = tuple[int | str, ...]


@dataclass(frozen=True)
class Port:
    """An input or output; `dims` has names for sizes that are open, None for no rank."""

    name: str
    dims: Dims | None
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Layer:
    """One operation. `flops` is None while its shapes are not all known."""

    layers: tuple[str, ...]
    operation: str
    shapes: tuple[Dims | None, ...]
    flops: int | None


@dataclass(frozen=True)
class Network:
    """What is in a model file."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[Layer, ...]
    weights_bytes: int
    parameters: int

    @property
    def flops(self) -> int | None:
        """The work of one inference; None while shapes are open."""
        known = [layer.flops for layer in self.layers if layer.flops is not None]
        return sum(known) if len(known) == len(self.layers) else None

    @property
    def operations(self) -> dict[str, int]:
        """How many operations of each kind, the most frequent first."""
        return dict(Counter(layer.operation for layer in self.layers).most_common())


def read_network(path: Path, input_shapes: Mapping[str, Sequence[int]]) -> Network:
    """
    The network at `path`; sizes stay open where `input_shapes` leaves them so.

    Raises:
        OvcError: the file cannot be read, uses what is not known, or a shape does not
            fit it.
    """
    from .driver import read_model
    from .options import CompileOptions

    shapes = {name: tuple(shape) for name, shape in input_shapes.items()}
    model = read_model(path, CompileOptions(input_shapes=shapes))
    if path.suffix == ".mlir":
        fix_shapes(model.module, shapes)
    parse_pipeline(PIPELINE, PASSES).run(model.module, make_context())
    operations = list(model.function.walk())
    constants = [op.array for op in operations if isinstance(op, ConstantOp)]
    return Network(
        inputs=tuple(map(_port, model.inputs)),
        outputs=tuple(map(_port, model.outputs)),
        layers=tuple(_layer(op) for op in operations if isinstance(op, NNOp)),
        weights_bytes=sum(array.nbytes for array in constants),
        parameters=sum(array.size for array in constants),
    )


def _port(port: base.Port) -> Port:
    return Port(port.name, port.dims, dtype_of(port.element))


def _layer(op: NNOp) -> Layer:
    types = [result.type for result in op.results]
    static = all(is_static(value.type) for value in (*op.operands, *op.results))
    return Layer(
        layers=source_names(op),
        operation=op.name,
        shapes=tuple(dims_of(t) if isinstance(t, TensorType) else None for t in types),  # pyright: ignore[reportUnknownArgumentType]
        flops=op.flops() if static else None,
    )
