"""Element types, inputs and outputs, and the arrays that go through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ovc.runtime.errors import InputError

Array = NDArray[Any]


class Type:
    """An element type: `f32`, `i64`, `boolean`, ..."""

    SHORT = {"bool": "boolean", "bfloat16": "bf16"}

    def __init__(self, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)

    def to_dtype(self) -> np.dtype[Any]:
        """The numpy type."""
        return self._dtype

    def get_type_name(self) -> str:
        """OpenVINO's short name."""
        name = self._dtype.name
        kind = {"f": "f", "i": "i", "u": "u"}.get(self._dtype.kind, "")
        return self.SHORT.get(name) or f"{kind}{self._dtype.itemsize * 8}"

    to_string = get_type_name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other in (self.get_type_name(), self._dtype.name)
        if isinstance(other, Type):
            return self._dtype == other._dtype
        return isinstance(other, np.dtype | type) and self._dtype == other

    def __hash__(self) -> int:
        return hash(self._dtype)

    def __repr__(self) -> str:
        return f"<Type: '{self._dtype.name}'>"


class Port:
    """One input or output of a model."""

    def __init__(
        self, index: int, name: str, shape: Sequence[int | str], dtype: Any
    ) -> None:
        self.index = index
        self.name = name
        self.partial_shape = tuple(shape)
        self.element_type = Type(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """
        The static shape.

        Raises:
            InputError: a dimension is symbolic; see `partial_shape`.
        """
        static = tuple(d for d in self.partial_shape if isinstance(d, int))
        if len(static) != len(self.partial_shape):
            raise InputError(
                f"'{self.name}' has the symbolic shape {list(self.partial_shape)}; "
                "use partial_shape, or fix it with reshape or input_shapes"
            )
        return static

    @property
    def names(self) -> set[str]:
        """All names: there is one."""
        return {self.name}

    @property
    def any_name(self) -> str:
        """The name."""
        return self.name

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the elements."""
        return self.element_type.to_dtype()

    def get_any_name(self) -> str:
        """The name."""
        return self.name

    def get_names(self) -> set[str]:
        """All names: there is one."""
        return self.names

    def get_index(self) -> int:
        """The position among the inputs or outputs."""
        return self.index

    def get_shape(self) -> tuple[int, ...]:
        """The static shape, like `shape`."""
        return self.shape

    def get_partial_shape(self) -> tuple[int | str, ...]:
        """The shape; symbolic dimensions are names."""
        return self.partial_shape

    def get_element_type(self) -> Type:
        """The element type."""
        return self.element_type

    def __repr__(self) -> str:
        dims = ",".join(map(str, self.partial_shape))
        kind = self.element_type.get_type_name()
        return f"<Port: names[{self.name}] shape[{dims}] type: {kind}>"


class Ports(list[Port]):
    """Inputs or outputs, found by index or name."""

    def __init__(self, what: str, ports: Sequence[Port]) -> None:
        super().__init__(ports)
        self.what = what

    def find(self, key: int | str | Port | None) -> Port:
        """
        The port with this index or name; the only one for None.

        Raises:
            InputError: there is none such.
        """
        if isinstance(key, Port):
            key = key.name
        if isinstance(key, str):
            for port in self:
                if port.name == key:
                    return port
            raise InputError(f"there is no {self.what} '{key}'; there is {self._known}")
        if key is None and len(self) != 1:
            raise InputError(f"name one {self.what} of {self._known}")
        index = int(key or 0)
        if not 0 <= index < len(self):
            raise InputError(f"there is no {self.what} {index}; there is {self._known}")
        return self[index]

    @property
    def _known(self) -> str:
        return ", ".join(f"'{port.name}'" for port in self) or "none"


class Tensor:
    """An array that a request reads or wrote."""

    def __init__(self, array: Array) -> None:
        self.data = np.asarray(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the elements."""
        return self.data.dtype

    @property
    def element_type(self) -> Type:
        """The element type."""
        return Type(self.data.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.data if dtype is None else self.data.astype(dtype)
