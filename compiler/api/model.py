"""Models, compiled models, their inputs, outputs and results, as OpenVINO shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, ValuesView
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ovc.runtime.errors import InputError

from .ports import Array, Port, Ports

if TYPE_CHECKING:
    from ovc.compiler.conversion import Conversion
    from ovc.runtime import manifest as runtime
    from ovc.runtime.session import LaunchTime, Session

    from .request import InferRequest


class Model:
    """A network that was read and not compiled yet."""

    def __init__(
        self, path: Path, inputs: Sequence[Port], outputs: Sequence[Port]
    ) -> None:
        self.path = path
        self.inputs = Ports("input", inputs)
        self.outputs = Ports("output", outputs)
        self.input_shapes: dict[str, tuple[int, ...]] = {}
        self.conversion: Conversion | None = None

    def input(self, key: int | str | None = None) -> Port:
        """The input with this index or name."""
        return self.inputs.find(key)

    def output(self, key: int | str | None = None) -> Port:
        """The output with this index or name."""
        return self.outputs.find(key)

    def reshape(self, shapes: Mapping[Any, Sequence[int]] | Sequence[int]) -> None:
        """
        Fix symbolic dimensions: one shape, or shapes by input name or index.

        Raises:
            InputError: there is no such input, or the shape does not fit it.
        """
        if not isinstance(shapes, Mapping):
            shapes = {self.input().name: shapes}
        for key, shape in shapes.items():
            port = self.inputs.find(key)
            fixed = tuple(int(d) for d in shape)
            _check_fits(port, fixed)
            self.input_shapes[port.name] = fixed
            port.partial_shape = fixed

    def __repr__(self) -> str:
        return f"<Model: '{self.path}' inputs{list(self.inputs)} outputs{self.outputs}>"


def _check_fits(port: Port, shape: tuple[int, ...]) -> None:
    declared = port.partial_shape
    same = len(declared) == len(shape) and all(
        isinstance(want, str) or want == have
        for want, have in zip(declared, shape, strict=True)
    )
    if not same or any(d < 1 for d in shape):
        raise InputError(
            f"input '{port.name}' has shape {list(declared)}, which {list(shape)} does "
            "not fit"
        )


class Result(Mapping[Any, Array]):
    """
    What one inference gave. A mapping like OpenVINO's OVDict: its keys are the outputs
    in order; `result[0]`, `result["name"]` and `result[port]` are the same array.
    """

    def __init__(self, ports: Ports, arrays: Sequence[Array]) -> None:
        self._ports = ports
        self._arrays = tuple(arrays)

    def __getitem__(self, key: int | str | Port) -> Array:
        try:
            return self._arrays[self._ports.find(key).index]
        except InputError as problem:
            raise KeyError(str(problem)) from problem

    def __iter__(self) -> Iterator[Port]:
        return iter(self._ports)

    def __len__(self) -> int:
        return len(self._arrays)

    def values(self) -> ValuesView[Array]:
        """The arrays, in order."""
        return self.to_dict().values()

    def names(self) -> tuple[set[str], ...]:
        """The names of the outputs, in order."""
        return tuple(port.names for port in self._ports)

    def to_dict(self) -> dict[Port, Array]:
        """A dict with the outputs as keys."""
        return dict(zip(self._ports, self._arrays, strict=True))

    def to_tuple(self) -> tuple[Array, ...]:
        """The arrays, in order."""
        return self._arrays

    def __repr__(self) -> str:
        pairs = zip(self._ports, self._arrays, strict=True)
        return (
            "{" + ", ".join(f"{port.name!r}: {array!r}" for port, array in pairs) + "}"
        )


class CompiledModel:
    """A network compiled for one device. Calls are thread-safe."""

    def __init__(self, session: Session, export: Callable[[Any], None]) -> None:
        self._session = session
        self._export = export
        self.inputs = Ports("input", _ports(session.inputs))
        self.outputs = Ports("output", _ports(session.outputs))

    def input(self, key: int | str | None = None) -> Port:
        """The input with this index or name."""
        return self.inputs.find(key)

    def output(self, key: int | str | None = None) -> Port:
        """The output with this index or name."""
        return self.outputs.find(key)

    def __call__(
        self, inputs: Any = None, share_inputs: bool = True, share_outputs: bool = False
    ) -> Result:
        """
        Run once.

        Args:
            inputs: arrays by name, index or port; a list of them; or the only one.
            share_inputs: accepted for OpenVINO's sake: inputs are never copied.
            share_outputs: accepted for OpenVINO's sake: outputs are new arrays.

        Raises:
            InputError: an input is missing, unknown, or has another shape or type.
        """
        return Result(self.outputs, self._session({} if inputs is None else inputs))

    def infer_new_request(self, inputs: Any = None) -> Result:
        """Run once, like a call."""
        return self(inputs)

    def create_infer_request(self) -> InferRequest:
        """A request of one's own, which can also run in the background."""
        from .request import InferRequest

        return InferRequest(self)

    @property
    def device(self) -> str:
        """What it runs on, such as "CPU, 2 threads a call"."""
        return self._session.device

    def profile(self, inputs: Any = None) -> list[LaunchTime]:
        """Run once, launch by launch, and time each."""
        return self._session.profile({} if inputs is None else inputs)

    @overload
    def export_model(self) -> bytes: ...
    @overload
    def export_model(self, target: str | PathLike[str] | BytesIO) -> None: ...
    def export_model(
        self, target: str | PathLike[str] | BytesIO | None = None
    ) -> bytes | None:
        """
        Write the artifact to a path or stream; without one, return its bytes.

        Raises:
            ArtifactError: the file cannot be written. An older one is still there.
        """
        if target is not None:
            self._export(target)
            return None
        stream = BytesIO()
        self._export(stream)
        return stream.getvalue()

    def __repr__(self) -> str:
        return f"<CompiledModel: inputs{list(self.inputs)} outputs{list(self.outputs)}>"


def _ports(ports: Sequence[runtime.Port]) -> list[Port]:
    return [Port(i, p.name, p.shape, p.element) for i, p in enumerate(ports)]
