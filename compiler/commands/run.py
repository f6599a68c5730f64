"""`ovc run`: files in, answers out."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from ...runtime.errors import InputError
from .compile import Json, Quiet, Shapes, parsed_shapes
from .console import note, print_json, show
from .profile import profile_record, profile_table

if TYPE_CHECKING:
    from ovc import CompiledModel

    from ..images import Preprocessing
    from ..inputs import InputSlot

CHOICES: dict[str, tuple[str, ...]] = {
    "--preprocess": ("auto", "none", "unit", "symmetric", "imagenet", "caffe"),
    "--channel-order": ("rgb", "bgr"),
    "--resize": ("stretch", "crop", "fit", "none"),
    "--layout": ("auto", "nchw", "nhwc"),
}

Device = Annotated[
    str | None,
    typer.Option("--device", "-d", help="cpu or gpu; an artifact knows its own."),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="CPU threads; all by default.")
]


def run_command(
    model: Annotated[Path, typer.Argument(help="An .ovc artifact or an ONNX file.")],
    input: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="[NAME=]FILE",
            help="jpg, png, bmp, npy, npz or wav. Repeat it for several inputs.",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", "-l", help="Class names, one a line.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Best classes to show.")] = 5,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write outputs: .npz or .npy.")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    input_shape: Shapes = None,
    preprocess: Annotated[
        str,
        typer.Option(
            help="What images become: none (0 to 255), unit (0 to 1), symmetric (-1 to "
            "1), imagenet, caffe; auto is imagenet for colour images and about a "
            "thousand classes, else none."
        ),
    ] = "auto",
    mean: Annotated[
        str | None, typer.Option(help="Subtracted from pixels: one number or R,G,B.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option("--scale", "--std", help="Pixels are divided by it.")
    ] = None,
    channel_order: Annotated[
        str | None, typer.Option("--channel-order", help="rgb or bgr.")
    ] = None,
    resize: Annotated[
        str | None, typer.Option(help="stretch, crop, fit or none.")
    ] = None,
    layout: Annotated[str, typer.Option(help="auto, nchw or nhwc.")] = "auto",
    profile: Annotated[
        bool, typer.Option("--profile", help="Show where the time goes.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a network on files and show the answers."""
    chosen = {
        "--preprocess": preprocess,
        "--channel-order": channel_order,
        "--resize": resize,
        "--layout": layout,
    }
    _check_choices(chosen)
    numbers = {"mean": _numbers("--mean", mean), "scale": _numbers("--scale", scale)}

    from ..inputs import read_inputs
    from .answers import read_labels, save_arrays

    names = read_labels(labels) if labels is not None else None
    compiled = opened(model, device, threads, input_shape, quiet)
    tell = _silent if quiet else note
    how = _preprocessing(compiled, chosen, numbers, tell, bool(input))
    slots = _slots(compiled)
    arrays = read_inputs(input or [], slots, how, tell)

    start = time.perf_counter()
    result = compiled(arrays)
    seconds = time.perf_counter() - start
    outputs = {p.name: a for p, a in result.to_dict().items()}
    if output is not None:
        save_arrays(output, outputs)
    facts: dict[str, Any] = {
        "model": str(model),
        "milliseconds": round(seconds * 1e3, 4),
    }
    steps = compiled.profile(arrays) if profile else ()
    if profile and json:
        facts["launches"] = profile_record(steps)
    _report(outputs, names, labels, top, facts, json)
    if profile and not json:
        show(profile_table(steps))
    if not quiet and not json:
        note(f"{model}: {seconds * 1e3:.2f} ms")


def _silent(sentence: str) -> None:
    """Tell nobody."""


def opened(
    model: Path,
    device: str | None,
    threads: int | None,
    input_shape: list[str] | None,
    quiet: bool,
) -> CompiledModel:
    """The network at `model`, compiled now if it is not an artifact."""
    import ovc
    from ovc.functions import compile_file, is_artifact

    from .console import watching

    shapes = parsed_shapes(input_shape)
    config = {} if threads is None else {"INFERENCE_NUM_THREADS": threads}
    if is_artifact(model):
        if shapes:
            raise InputError(f"{model}: is compiled already; its shapes are fixed")
        return ovc.import_model(model, device or "", config)
    with watching(quiet) as observer:
        return compile_file(model, device or "cpu", config, shapes, observer)


def _slots(compiled: CompiledModel) -> list[InputSlot]:
    from ..inputs import InputSlot

    return [InputSlot(port.name, port.shape, port.dtype) for port in compiled.inputs]


def _check_choices(chosen: dict[str, str | None]) -> None:
    for flag, value in chosen.items():
        if value is not None and value not in CHOICES[flag]:
            known = ", ".join(CHOICES[flag])
            raise typer.BadParameter(f"'{value}' is none of {known}", param_hint=flag)


def _numbers(flag: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.strip("[]() ").split(","))
    except ValueError as problem:
        raise typer.BadParameter(
            f"'{text}' is not a number or numbers with commas", param_hint=flag
        ) from problem


def _preprocessing(
    compiled: CompiledModel,
    chosen: dict[str, str | None],
    numbers: dict[str, tuple[float, ...] | None],
    tell: Any,
    given: bool,
) -> Preprocessing:
    from ..images import PRESETS

    preset = chosen["--preprocess"] or "auto"
    if preset == "auto":
        bare = all(value is None for value in numbers.values())
        preset = "imagenet" if bare and _looks_like_imagenet(compiled) else "none"
        if preset == "imagenet" and given:
            tell(
                "images are prepared as for ImageNet (RGB, normalised); choose --preprocess "
                "caffe, unit, symmetric or none for networks trained otherwise"
            )
    changes: dict[str, Any] = {k: v for k, v in numbers.items() if v is not None}
    if order := chosen["--channel-order"]:
        changes["order"] = order
    if resize := chosen["--resize"]:
        changes["resize"] = resize
    layout = cast('Literal["auto", "nchw", "nhwc"]', chosen["--layout"])
    return replace(PRESETS[preset], **changes, layout=layout)


def _looks_like_imagenet(compiled: CompiledModel) -> bool:
    """One float colour image in, 1000 or 1001 scores out."""
    inputs = [p for p in compiled.inputs if p.dtype.kind == "f"]
    if len(compiled.inputs) != 1 or not inputs or len(inputs[0].shape) != 4:
        return False
    shape = inputs[0].shape
    scores = {max(p.shape, default=1) for p in compiled.outputs}
    return 3 in (shape[1], shape[3]) and bool(scores & {1000, 1001})


def _report(
    outputs: dict[str, Any],
    names: list[str] | None,
    labels: Path | None,
    top: int,
    facts: dict[str, Any],
    json: bool,
) -> None:
    from .answers import (
        answer_table,
        as_record,
        labelled_outputs,
        rows_of,
        summary_table,
    )

    labelled = labelled_outputs(outputs, names, labels)
    if json:
        records = [
            as_record(name, array, top, names if name in labelled else None)
            for name, array in outputs.items()
        ]
        print_json(facts | {"outputs": records})
        return
    shown = labelled or {n for n, a in outputs.items() if rows_of(a) is not None}
    for name in outputs:
        rows = rows_of(outputs[name]) if name in shown else None
        for i, row in enumerate(rows if rows is not None else ()):
            title = name if len(rows) == 1 else f"{name}, row {i}"  # pyright: ignore[reportArgumentType]
            show(
                answer_table(name, row, top, names if name in labelled else None, title)
            )
    others = {n: a for n, a in outputs.items() if n not in shown}
    if others and not labelled:
        show(summary_table(others))
