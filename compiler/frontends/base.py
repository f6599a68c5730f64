"""What a frontend gives: a network in `nn`, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from ...dialects.nn.symbols import dims_of
from ...dialects.types import dtype_of
from ..interpreter import input_names, main_function, output_names


@dataclass(frozen=True)
class Port:
    """An input or an output of a network."""

    name: str
    """As in the model file."""

    dims: tuple[int | str, ...] | None
    """Sizes, and names of sizes that are not known yet; None when the rank is not."""

    element: Attribute
    """The element type."""


@dataclass(frozen=True)
class Model:
    """A network as imported. Passes change `module` in place."""

    module: ModuleOp
    """One function `main`, whose attributes `input_names` and `output_names` say how
    the file calls its inputs and outputs."""

    source: Path
    sha256: str
    """Of the file at `source`, 64 hexadecimal digits."""

    @property
    def function(self) -> FuncOp:
        return main_function(self.module)

    @property
    def inputs(self) -> tuple[Port, ...]:
        function = self.function
        types = function.function_type.inputs
        return tuple(map(_port, input_names(function), types))

    @property
    def outputs(self) -> tuple[Port, ...]:
        function = self.function
        types = function.function_type.outputs
        return tuple(map(_port, output_names(function), types))


def dtype_of_port(port: Port) -> np.dtype[Any]:
    """The numpy type of a port's elements."""
    return dtype_of(port.element)


def _port(name: str, type_: Attribute) -> Port:
    element: Attribute = type_.element_type  # pyright: ignore
    if not isinstance(type_, TensorType):
        return Port(name, None, element)  # pyright: ignore[reportUnknownArgumentType]
    return Port(name, dims_of(type_), element)  # pyright: ignore
