"""
ovc: a compiler for trained neural networks.

    import ovc
    compiled = ovc.compile_model("model.onnx", "CPU")
    result = compiled({"x": array})

Names and behaviour follow OpenVINO's Python API. Importing this module is cheap: what a
call needs is imported by that call, and running an artifact never imports the compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ovc.runtime.errors import (
        ArtifactError,
        CompileError,
        DeviceError,
        ImportFailure,
        InputError,
        OvcError,
        UnsupportedOperation,
    )

    from .convert import convert_model, save_model
    from .functions import (
        available_devices,
        compile_model,
        import_model,
        read_model,
    )
    from .model import CompiledModel, Model, Result
    from .ports import Port, Tensor, Type
    from .request import InferRequest

__all__ = [
    "ArtifactError",
    "CompileError",
    "CompiledModel",
    "DeviceError",
    "ImportFailure",
    "InferRequest",
    "InputError",
    "Model",
    "OvcError",
    "Port",
    "Result",
    "Tensor",
    "Type",
    "UnsupportedOperation",
    "__version__",
    "available_devices",
    "compile_model",
    "convert_model",
    "import_model",
    "read_model",
    "save_model",
]

_HOMES = {
    "CompiledModel": "model",
    "InferRequest": "request",
    "Model": "model",
    "Port": "ports",
    "Result": "model",
    "Tensor": "ports",
    "Type": "ports",
    "available_devices": "functions",
    "convert_model": "convert",
    "save_model": "convert",
    "compile_model": "functions",
    "import_model": "functions",
    "read_model": "functions",
}
"""The module of each public name; the others are errors."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'ovc' has no attribute '{name}'")
    home = import_module(f"ovc.{_HOMES.get(name, 'runtime.errors')}")
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
