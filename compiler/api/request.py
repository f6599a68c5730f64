"""Requests: inferences with tensors set one by one, or in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from ovc.runtime.errors import InputError

from .ports import Array, Port, Tensor

if TYPE_CHECKING:
    from .model import CompiledModel, Result


class InferRequest:
    """One stream of inferences of a compiled model, in the foreground or background."""

    def __init__(self, model: CompiledModel) -> None:
        self._model = model
        self._inputs: dict[str, Array] = {}
        self._future: Future[Result] | None = None
        self._result: Result | None = None
        self._callback: Callable[[Any], None] | None = None
        self._userdata: Any = None

    def infer(self, inputs: Any = None) -> Result:
        """Run and return the results; without `inputs`, on the tensors set before."""
        if self._future is not None:
            self.wait()
        self._result = self._model(self._inputs if inputs is None else inputs)
        return self._result

    def start_async(self, inputs: Any = None, userdata: Any = None) -> None:
        """Run in the background; `wait` returns when the results are there."""
        self.wait()
        chosen = dict(self._inputs) if inputs is None else inputs

        def work() -> Result:
            result = self._result = self._model(chosen)
            if self._callback is not None:
                self._callback(self._userdata if userdata is None else userdata)
            return result

        self._future = _background().submit(work)

    def wait(self) -> None:
        """Wait for the background run; raises what it raised."""
        future, self._future = self._future, None
        if future is not None:
            future.result()

    def set_callback(
        self, callback: Callable[[Any], None], userdata: Any = None
    ) -> None:
        """Call `callback(userdata)` after each background run."""
        self._callback, self._userdata = callback, userdata

    def set_tensor(self, key: int | str | Port, tensor: Tensor | Array) -> None:
        """Give an input for the runs to come."""
        port = self._model.inputs.find(key)
        self._inputs[port.name] = np.asarray(tensor)

    def set_input_tensor(self, *arguments: Any) -> None:
        """Like `set_tensor`: `(tensor)` for the only input, or `(index, tensor)`."""
        key, tensor = arguments if len(arguments) == 2 else (None, *arguments)
        self.set_tensor(self._model.inputs.find(key), tensor)

    def get_output_tensor(self, index: int | None = None) -> Tensor:
        """An output of the last run."""
        return Tensor(self.results[self._model.outputs.find(index)])

    def get_tensor(self, key: str | Port) -> Tensor:
        """An output of the last run, or an input that was set."""
        name = key.name if isinstance(key, Port) else key
        if name in self._inputs:
            return Tensor(self._inputs[name])
        return Tensor(self.results[key])

    @property
    def results(self) -> Result:
        """The results of the last run."""
        self.wait()
        if self._result is None:
            raise InputError("this request has not run yet")
        return self._result


_POOL: list[ThreadPoolExecutor] = []
_POOL_LOCK = threading.Lock()


def _background() -> ThreadPoolExecutor:
    """The threads of all background requests, started when first needed."""
    with _POOL_LOCK:
        if not _POOL:
            _POOL.append(ThreadPoolExecutor(4, "ovc-request"))
        return _POOL[0]
