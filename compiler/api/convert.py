"""`convert_model` and `save_model`: the Model Optimizer as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovc.runtime.errors import CompileError, InputError

from .model import Model
from .ports import Port

if TYPE_CHECKING:
    from ovc.compiler.conversion import Conversion
    from ovc.compiler.frontends import base
    from ovc.compiler.options import CompileOptions


def convert_model(
    model: str | PathLike[str] | Model,
    *,
    input_shape: Any = None,
    batch: int | None = None,
    input: Any = None,
    output: Any = None,
    mean_values: Any = None,
    scale: float | None = None,
    scale_values: Any = None,
    mean_file: Any = None,
    reverse_input_channels: bool = False,
    layout: Any = None,
    input_type: Any = None,
    data_type: str | None = None,
    disable_fusing: bool = False,
    disable_resnet_optimization: bool = False,
    disable_gfusing: bool = False,
    finegrain_fusing: Any = None,
) -> Model:
    """
    Read a model and change its interface; `compile_model` or `save_model` takes the
    result. Texts have the forms of `ovc compile`'s flags; lists, and dictionaries by
    input name, do too.

    Args:
        input_shape: static sizes: one shape, one for each input, or shapes by input name.
        batch: the first size of all inputs.
        input: tensors or layers that become the inputs.
        output: tensors or layers that become the outputs.
        mean_values: subtracted, by channel; after channels are reversed.
        scale: all float inputs are divided by it; after the mean.
        scale_values: the same, by channel.
        mean_file: an image that is subtracted.
        reverse_input_channels: RGB to BGR or back, for inputs with 3 channels.
        layout: how data arrives, such as "nhwc".
        input_type: the type in which data arrives, such as "u8".
        data_type: "FP32" or "FP16": what weights are stored in.
        disable_fusing: leave linear operations where they are.
        disable_resnet_optimization: leave strides where they are.
        disable_gfusing: leave split convolutions apart.
        finegrain_fusing: layers that no pass touches, by name or regular expression.

    Raises:
        OvcError: the file, or an option that does not fit it; the message says which.
    """
    from ovc.compiler.conversion import make_conversion

    path = model.path if isinstance(model, Model) else Path(model)
    try:
        conversion = make_conversion(
            batch=batch,
            inputs=input,
            outputs=output,
            mean_values=mean_values,
            scale=scale,
            scale_values=scale_values,
            mean_file=mean_file,
            reverse_input_channels=reverse_input_channels or None,
            layout=layout,
            input_type=input_type,
            data_type=data_type,
            disable_fusing=disable_fusing or None,
            disable_resnet_optimization=disable_resnet_optimization or None,
            disable_gfusing=disable_gfusing or None,
            finegrain_fusing=finegrain_fusing,
        )
    except ValueError as problem:
        raise CompileError(f"{path}: {problem}") from problem
    shapes = _shapes(input_shape)
    if isinstance(model, Model):
        shapes = model.input_shapes | shapes
    return _described(path, conversion, shapes)


def _shapes(value: Any) -> dict[str, tuple[int, ...]]:
    from ovc.compiler.options import parse_input_shapes, shapes_by_place

    if value is None:
        return {}
    if isinstance(value, Mapping):
        pairs: Mapping[Any, Sequence[int]] = value  # pyright: ignore[reportUnknownVariableType]
        return {str(name): tuple(map(int, shape)) for name, shape in pairs.items()}
    items: list[Any] = [value] if isinstance(value, str) else list(value)
    if items and isinstance(items[0], str):
        try:
            return parse_input_shapes(items)
        except ValueError as problem:
            raise InputError(str(problem)) from problem
    several = bool(items) and isinstance(items[0], Sequence)
    shapes: list[Any] = items if several else [items]
    return shapes_by_place([tuple(map(int, shape)) for shape in shapes])


def _described(
    path: Path, conversion: Conversion, shapes: Mapping[str, tuple[int, ...]]
) -> Model:
    """A model whose inputs and outputs are those that the options make of the file's."""
    from ovc.compiler import driver
    from ovc.compiler.options import CompileOptions
    from ovc.compiler.prepare import is_plain, prepare

    options = CompileOptions(input_shapes=shapes, conversion=conversion)
    found = driver.read_model(path, options)
    if not is_plain(options):
        prepare(found.module, options)
    result = Model(path, _ports(found.inputs), _ports(found.outputs))
    result.input_shapes = dict(shapes)
    result.conversion = conversion
    return result


def _ports(ports: Sequence[base.Port]) -> list[Port]:
    from ovc.compiler.frontends.base import dtype_of_port

    return [
        Port(i, p.name, p.dims or ("...",), dtype_of_port(p))
        for i, p in enumerate(ports)
    ]


def save_model(model: str | PathLike[str] | Model, output: str | PathLike[str]) -> None:
    """
    Optimize a model and write it: `.onnx`, or `.mlir` with a `.safetensors` beside it.

    Raises:
        OvcError: the model cannot be optimized, or the file not be written.
    """
    from ovc.compiler import driver
    from ovc.compiler.exporters.files import write_module

    options = _options(model)
    path = model.path if isinstance(model, Model) else Path(model)
    found = driver.read_model(path, options)
    driver.optimize_model(found, options)
    write_module(found.module, Path(output), options.conversion.data_type)


def _options(model: object) -> CompileOptions:
    from ovc.compiler.options import CompileOptions

    if not isinstance(model, Model):
        return CompileOptions()
    options = CompileOptions(input_shapes=model.input_shapes)
    if model.conversion is not None:
        options = replace(options, conversion=model.conversion)
    return options
