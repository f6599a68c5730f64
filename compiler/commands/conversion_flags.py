"""
The flags that change a network before it is optimized, for every command that reads
models. A command decorated with `converts` has them all, and takes the result:

    @converts
    def command(model: Path, options: ModelOptions) -> None: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ..conversion import Conversion, make_conversion
from ..options import Shape, parse_input_shapes

ARTIFACT = ".ovc"

Many = list[str] | None


@dataclass(frozen=True)
class ModelOptions:
    """What the flags say."""

    conversion: Conversion
    input_shapes: dict[str, Shape]
    artifact: Path | None = None
    """A path given as `--output`, which is also the flag of the last tensors."""


def flag(help: str, metavar: str, *names: str) -> Any:
    """A flag with a value, in a panel of its own."""
    return typer.Option(
        *names, help=help, metavar=metavar, rich_help_panel="Conversion"
    )


def switch(help: str) -> Any:
    """A flag without a value."""
    return typer.Option(help=help, rich_help_panel="Conversion")


def conversion_flags(
    input_shape: Annotated[
        Many, flag("Fix the sizes of an input. Repeatable.", "NAME:1x3x320x320")
    ] = None,
    batch: Annotated[
        int | None, flag("The first size of all inputs.", "N", "--batch", "-b")
    ] = None,
    input: Annotated[
        Many, flag("Cut the network: tensors or layers that become inputs.", "NAMES")
    ] = None,
    output: Annotated[
        Many, flag("Cut the network: tensors or layers that become outputs.", "NAMES")
    ] = None,
    mean_values: Annotated[
        Many, flag("Subtracted from inputs, by channel.", "[NAME][R,G,B]")
    ] = None,
    scale: Annotated[
        str | None, flag("All float inputs are divided by it.", "NUMBER")
    ] = None,
    scale_values: Annotated[
        Many, flag("Inputs are divided by them, by channel.", "[NAME][R,G,B]")
    ] = None,
    mean_file: Annotated[
        Many, flag("Subtracted: .npy, picture or .binaryproto.", "[NAME:]FILE")
    ] = None,
    reverse_input_channels: Annotated[bool, switch("RGB to BGR or back.")] = False,
    layout: Annotated[
        Many, flag("The layout that data arrives in: nchw, nhwc.", "[NAME:]LAYOUT")
    ] = None,
    input_type: Annotated[
        Many, flag("The type that data arrives in, such as u8.", "[NAME:]TYPE")
    ] = None,
    data_type: Annotated[
        str | None, flag("Weights are stored in it.", "FP32|FP16|half|float")
    ] = None,
    disable_fusing: Annotated[
        bool, switch("Leave linear operations where they are.")
    ] = False,
    disable_resnet_optimization: Annotated[
        bool, switch("Leave strides where they are.")
    ] = False,
    disable_gfusing: Annotated[bool, switch("Leave split convolutions apart.")] = False,
    finegrain_fusing: Annotated[
        Many, flag("Layers that no pass touches.", "NAMES_OR_REGEX")
    ] = None,
) -> ModelOptions:
    """The flags as options. A malformed one is wrong usage."""
    given: dict[str, Any] = dict(locals())
    for name in ("input", "output", "input_shape"):
        del given[name]
    artifacts = [o for o in output or () if o.endswith(ARTIFACT)]
    outputs = [o for o in output or () if o not in artifacts]
    names, shapes = _inputs(input, input_shape)
    for name, value in given.items():
        if value is False:
            given[name] = None
        elif isinstance(value, list) and name in ("mean_values", "scale_values"):
            given[name] = ",".join(value)  # pyright: ignore[reportUnknownArgumentType]
    try:
        conversion = make_conversion(
            **given, inputs=names or None, outputs=outputs or None
        )
    except ValueError as problem:
        raise typer.BadParameter(spelled(str(problem))) from problem
    if len(artifacts) > 1:
        raise typer.BadParameter("two artifacts are given", param_hint="--output")
    return ModelOptions(conversion, shapes, Path(artifacts[0]) if artifacts else None)


def spelled(message: str) -> str:
    """A message that begins with an option's name, with the flag's name instead."""
    name, separator, rest = message.partition(": ")
    if separator and name.isidentifier():
        return f"--{name.replace('_', '-')}: {rest}"
    return message


def _inputs(
    entries: list[str] | None, shape_texts: list[str] | None
) -> tuple[list[str], dict[str, Shape]]:
    """The names of `--input a[1,3],b` and all shapes."""
    from ..conversion import parse_words

    shapes = parsed_shapes(shape_texts)
    names: list[str] = []
    for word in parse_words(entries or []):
        name = word.partition("->")[0]
        if name.endswith(("]", ")")) and not name.startswith(("[", "(")):
            cut = max(name.rfind("["), name.rfind("("))
            text = name[cut + 1 : -1]
            name = name[:cut].rstrip(":= ")
            shapes |= parsed_shapes([f"{name}[{text}]"])
        names.append(name)
    return names, shapes


def parsed_shapes(texts: list[str] | None) -> dict[str, Shape]:
    """Shapes by input name. A malformed one is wrong usage."""
    try:
        return parse_input_shapes(texts or [])
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint="--input-shape") from problem


def converts(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags; its parameter `options` gets what they say."""
    shared = inspect.signature(conversion_flags).parameters
    own = inspect.signature(command).parameters
    hints = get_type_hints(command, include_extras=True)
    flags = get_type_hints(conversion_flags, include_extras=True)

    @wraps(command)
    def wrapped(**given: Any) -> None:
        chosen = {name: given.pop(name) for name in shared}
        command(**given, options=conversion_flags(**chosen))

    parameters = [
        p.replace(annotation=hints[name], kind=p.KEYWORD_ONLY)
        for name, p in own.items()
        if name != "options"
    ]
    parameters += [
        p.replace(annotation=flags[name], kind=p.KEYWORD_ONLY)
        for name, p in shared.items()
    ]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    del wrapped.__wrapped__  # type: ignore[attr-defined]
    return wrapped
