"""Which input gets which preprocessing: the options of a conversion, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from xdsl.ir import SSAValue

from ...dialects.types import Array, shape_of, value_dtype
from ...runtime.errors import CompileError
from ..conversion import Conversion
from ..mean_image import fitted, read_mean_image

T = TypeVar("T")

IMAGE_CHANNELS = (1, 3, 4)

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
"""`network value = transpose(arriving value)` with these."""


@dataclass(frozen=True)
class Preparation:
    """What happens to one input before the network sees it, in this order."""

    axis: int = 1
    """Where the network has the channels."""
    permutation: tuple[int, ...] | None = None
    """Transposes the arriving data."""
    element: str = ""
    """The arriving type; empty for the network's."""
    reverse: bool = False
    mean: Array | None = None
    """Subtracted: one number per channel, or an image in the network's layout."""
    scale: Array | None = None
    """Divides: one number per channel."""

    @property
    def is_empty(self) -> bool:
        """Whether the data goes in as it is."""
        arrays = self.mean is None and self.scale is None
        return arrays and not (self.permutation or self.element or self.reverse)


def preparations(
    arguments: Sequence[SSAValue], names: Sequence[str], options: Conversion
) -> tuple[dict[str, Preparation], list[str]]:
    """
    What to do with each input, and sentences about what could not apply.

    Raises:
        CompileError: an option does not fit. The message names the input.
    """
    values = dict(zip(names, arguments, strict=True))
    means = assigned("mean_values", options.mean_values, values)
    scales = assigned("scale_values", options.scale_values, values)
    if options.scale is not None:
        floats = [n for n, v in values.items() if _is_float(v)]
        if not floats:
            raise CompileError("--scale: no input of the network is of a float type")
        scales = dict.fromkeys(floats, (options.scale,))
    layouts = assigned("layout", options.layout, values)
    types = assigned("input_type", options.input_type, values, everywhere=True)
    images = assigned("mean_file", options.mean_file, values)
    result: dict[str, Preparation] = {}
    remarks: list[str] = []
    for name, value in values.items():
        channels = {
            len(numbers[name]) for numbers in (means, scales) if name in numbers
        }
        likely = 3 if options.reverse_input_channels else 0
        count = max(channels, default=0)
        count = count if count > 1 else likely
        plain = _laid_out(name, value, layouts.get(name, ""), count)
        plain = replace(plain, element=types.get(name, ""))
        plain = _with_numbers(name, value, plain, means.get(name), scales.get(name))
        if name in images:
            plain = _with_image(name, value, plain, images[name])
        if options.reverse_input_channels:
            plain = replace(plain, reverse=_has_three_channels(value, plain))
        if not plain.is_empty:
            result[name] = plain
    if options.reverse_input_channels and not any(p.reverse for p in result.values()):
        remarks.append("--reverse-input-channels: no input has 3 channels")
    return result, remarks


def _is_float(value: SSAValue) -> bool:
    return value_dtype(value).kind == "f"


def _is_image(value: SSAValue) -> bool:
    shape = shape_of(value)
    return len(shape) == 4 and bool({shape[1], shape[3]} & set(IMAGE_CHANNELS))


def assigned(
    option: str,
    entries: Sequence[tuple[str, T]],
    values: Mapping[str, SSAValue],
    everywhere: bool = False,
) -> dict[str, T]:
    """
    The entries by input name. Unnamed ones go to the inputs in order; a single one to
    the only image among the inputs, or with `everywhere` to all images.

    Raises:
        CompileError: an unknown name, or unnamed entries that do not fit the inputs.
    """
    flag = "--" + option.replace("_", "-")
    result: dict[str, T] = {}
    bare = [entry for name, entry in entries if not name]
    for name, entry in entries:
        if name and name not in values:
            close = get_close_matches(name, list(values), n=1)
            hint = (
                f"did you mean '{close[0]}'?"
                if close
                else "inputs: " + ", ".join(values)
            )
            raise CompileError(f"{flag}: the network has no input '{name}'; {hint}")
        if name:
            result[name] = entry
    if not bare:
        return result
    images = [name for name, value in values.items() if _is_image(value)]
    if len(bare) == len(values):
        return result | dict(zip(values, bare, strict=True))
    if len(bare) == 1 and (len(images) == 1 or (images and everywhere)):
        return result | dict.fromkeys(images, bare[0])
    raise CompileError(
        f"{flag}: {len(bare)} unnamed for {len(values)} inputs; name them, for example "
        f"{next(iter(values))}:..., inputs: {', '.join(values)}"
    )


# layouts


def channel_axis(shape: Sequence[int], channels: int = 0) -> int:
    """
    Where the channels of an image are: second or last. `channels` is how many there must
    be, when that is known.
    """
    if len(shape) < 3:
        return len(shape) - 1
    for likely in ([channels] if channels > 1 else [], IMAGE_CHANNELS):
        if shape[1] in likely:
            return 1
        if shape[-1] in likely:
            return len(shape) - 1
    return 1


def _laid_out(name: str, value: SSAValue, layout: str, channels: int) -> Preparation:
    """The axis of the channels, and the transposition from the arriving layout."""
    shape = shape_of(value)
    if not layout:
        return Preparation(axis=channel_axis(shape, channels))
    if len(shape) != 4:
        raise CompileError(
            f"--layout: input '{name}' has {len(shape)} dimensions; layouts are of 4"
        )
    own, _, arriving = layout.rpartition("->")
    if not own:
        own = "nchw" if channel_axis(shape, channels) == 1 else "nhwc"
    axis = 1 if own == "nchw" else 3
    if own == arriving:
        return Preparation(axis=axis)
    return Preparation(axis=axis, permutation=TO_NCHW if own == "nchw" else TO_NHWC)


def _has_three_channels(value: SSAValue, plain: Preparation) -> bool:
    shape = shape_of(value)
    return len(shape) >= 3 and shape[plain.axis] == 3


# numbers


def _with_numbers(
    name: str,
    value: SSAValue,
    plain: Preparation,
    mean: tuple[float, ...] | None,
    scale: tuple[float, ...] | None,
) -> Preparation:
    mean_array = None if mean is None else _numbers("mean", name, value, plain, mean)
    scale_array = (
        None if scale is None else _numbers("scale", name, value, plain, scale)
    )
    if mean_array is not None and not mean_array.any():
        mean_array = None
    if scale_array is not None and (scale_array == 1).all():
        scale_array = None
    return replace(plain, mean=mean_array, scale=scale_array)


def _numbers(
    what: str,
    name: str,
    value: SSAValue,
    plain: Preparation,
    numbers: tuple[float, ...],
) -> Array:
    """One number per channel, checked."""
    flag = f"--{what}-values"
    _require_float(flag, name, value)
    shape = shape_of(value)
    channels = shape[plain.axis] if shape else 1
    if len(numbers) not in (1, channels):
        raise CompileError(
            f"{flag}: input '{name}' has {channels} channels, "
            f"{len(numbers)} numbers are given"
        )
    return np.array(numbers, np.float64)


def _require_float(flag: str, name: str, value: SSAValue) -> None:
    if not _is_float(value):
        raise CompileError(
            f"{flag}: input '{name}' is {value_dtype(value)} inside of the network; "
            "mean and scale need floats"
        )


def _with_image(
    name: str, value: SSAValue, plain: Preparation, path: Any
) -> Preparation:
    _require_float("--mean-file", name, value)
    image = fitted(read_mean_image(Path(path)), shape_of(value), plain.axis, path, name)
    return replace(plain, mean=image)
