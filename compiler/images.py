"""
Photographs and drawings as network inputs.

    value = (pixel - mean) / scale        pixel from 0 to 255, per channel

Mean and scale are in pixel units and in the order in which the network takes its
channels, as Model Optimizer's `--mean_values` and `--scale_values` are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Array = NDArray[Any]
Resize = Literal["stretch", "crop", "fit", "none"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})

CROP_MARGIN = 0.875
"""The centre crop takes this share of the shorter side: 224 of 256."""

FIT_BORDER = 114
"""Grey level of the borders of `fit`, as the YOLO family has it."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes an array. One number stands for all channels."""

    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    order: Literal["rgb", "bgr"] = "rgb"
    resize: Resize = "stretch"
    layout: Literal["auto", "nchw", "nhwc"] = "auto"


PRESETS: dict[str, Preprocessing] = {
    "none": Preprocessing(),
    "unit": Preprocessing(scale=(255.0,)),
    "symmetric": Preprocessing(mean=(127.5,), scale=(127.5,)),
    "imagenet": Preprocessing(
        mean=(123.675, 116.28, 103.53), scale=(58.395, 57.12, 57.375), resize="crop"
    ),
    "caffe": Preprocessing(mean=(103.939, 116.779, 123.68), order="bgr", resize="crop"),
}
"""
`none`: 0 to 255. `unit`: 0 to 1. `symmetric`: -1 to 1. `imagenet`: torchvision's mean and
deviation. `caffe`: BGR minus Caffe's mean. The last two resize the shorter side and take
the centre.
"""


@dataclass(frozen=True)
class Geometry:
    """Where an input keeps an image's rows, columns and channels."""

    channels: int
    height: int
    width: int
    channels_last: bool


def geometry(shape: tuple[int, ...], layout: str, where: str) -> Geometry:
    """
    How an image fits into an input of `shape`: HW, CHW or HWC, before them only ones.

    Where both could be meant, the likelier number of channels decides: 3, 1, then 4.

    Raises:
        InputError: it does not. The message starts with `where`.
    """
    dims = shape
    while len(dims) > 3 and dims[0] == 1:
        dims = dims[1:]
    if len(dims) == 2:
        return Geometry(1, *dims, channels_last=False)
    if len(dims) == 3:
        for channels in (3, 1, 4):
            if layout != "nhwc" and dims[0] == channels:
                return Geometry(*dims, channels_last=False)
            if layout != "nchw" and dims[2] == channels:
                return Geometry(channels, dims[0], dims[1], channels_last=True)
    raise InputError(
        f"{where}: an image does not fit the shape {list(shape)}; give a .npy file"
    )


def read_image(path: Path, shape: tuple[int, ...], how: Preprocessing) -> Array:
    """
    The image at `path` as a float32 array of `shape`.

    Raises:
        InputError: the file is not an image, or an image cannot have this shape.
    """
    where = str(path)
    target = geometry(shape, how.layout, where)
    image = _resized(_opened(path, target.channels), target, how.resize, where)
    pixels = np.asarray(image, np.float32).reshape(target.height, target.width, -1)
    if how.order == "bgr" and target.channels >= 3:
        pixels = np.concatenate([pixels[..., 2::-1], pixels[..., 3:]], axis=2)
    mean = _per_channel(how.mean, target.channels, "mean")
    scale = _per_channel(how.scale, target.channels, "scale")
    if not scale.all():
        raise InputError("the scale of an image must not be 0")
    values = (pixels - mean) / scale
    if not target.channels_last:
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values, np.float32).reshape(shape)


def _opened(path: Path, channels: int) -> Image:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as source:
            upright = ImageOps.exif_transpose(source)
            if upright.mode.startswith("I"):  # 16 bits a channel
                eight_bits = np.asarray(upright, np.float32) / 257
                upright = Image.fromarray(eight_bits.astype(np.uint8))
            return upright.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])
    except (UnidentifiedImageError, Image.DecompressionBombError) as problem:
        raise InputError(f"{path}: not a readable image ({problem})") from problem
    except (OSError, SyntaxError, ValueError) as problem:
        raise InputError(f"{path}: the image cannot be read ({problem})") from problem


def _resized(image: Image, target: Geometry, mode: Resize, where: str) -> Image:
    from PIL import Image

    size = (target.width, target.height)
    match mode:
        case "stretch":
            return _scaled(image, size)
        case "none":
            if image.size != size:
                raise InputError(
                    f"{where}: the image is {image.width}x{image.height}, the network "
                    f"takes {target.width}x{target.height}; choose another --resize"
                )
            return image
        case "crop":
            wanted = [extent / CROP_MARGIN for extent in size]
            factor = max(w / i for w, i in zip(wanted, image.size, strict=True))
            scaled = _scaled(image, _times(image.size, factor))
            left = (scaled.width - target.width) // 2
            top = (scaled.height - target.height) // 2
            return scaled.crop((left, top, left + target.width, top + target.height))
        case "fit":
            factor = min(w / i for w, i in zip(size, image.size, strict=True))
            scaled = _scaled(image, _times(image.size, factor))
            border = (FIT_BORDER,) * len(image.getbands())
            canvas = Image.new(image.mode, size, border)
            canvas.paste(scaled, (0, 0))
            return canvas


def _times(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _scaled(image: Image, size: tuple[int, int]) -> Image:
    """
    Mean of the covered area when smaller, bilinear when larger.

    Follows OpenCV's INTER_AREA and INTER_LINEAR (its fixed point too), with which most
    networks were evaluated.
    """
    from PIL import Image

    if image.size == size:
        return image
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    smaller = size[0] <= image.width and size[1] <= image.height
    result = (_area if smaller else _linear)(pixels, size[1], size[0])
    return Image.fromarray(result[..., 0] if result.shape[2] == 1 else result)


def _area(pixels: Array, height: int, width: int) -> NDArray[np.uint8]:
    rows = np.tensordot(_area_weights(pixels.shape[0], height), pixels, axes=(1, 0))
    both = np.tensordot(rows, _area_weights(pixels.shape[1], width), axes=(1, 1))
    return np.rint(both.transpose(0, 2, 1)).clip(0, 255).astype(np.uint8)


def _area_weights(source: int, target: int) -> NDArray[np.float32]:
    """`[target, source]`: how much of each target pixel each source pixel covers."""
    edges = np.arange(target + 1) * (source / target)
    pixels = np.arange(source)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(
        edges[:-1, None], pixels
    )
    return (covered.clip(0) * (target / source)).astype(np.float32)


def _linear(pixels: Array, height: int, width: int) -> NDArray[np.uint8]:
    """Weights are multiples of 1/2048, intermediate values of 1/128 and 1/4."""
    left, weight = _linear_weights(pixels.shape[1], width)
    right = np.minimum(left + 1, pixels.shape[1] - 1)
    wide = pixels.astype(np.int64)
    weight = weight[:, None]
    lines = (wide[:, left] * (2048 - weight) + wide[:, right] * weight) >> 4
    top, weight = _linear_weights(pixels.shape[0], height)
    bottom = np.minimum(top + 1, pixels.shape[0] - 1)
    weight = weight[:, None, None]
    upper = (lines[top] * (2048 - weight)) >> 16
    lower = (lines[bottom] * weight) >> 16
    return ((upper + lower + 2) >> 2).clip(0, 255).astype(np.uint8)


def _linear_weights(source: int, target: int) -> tuple[Array, Array]:
    """The neighbour before each target pixel's centre, and the next one's 2048ths."""
    centres = (np.arange(target) + 0.5) * (source / target) - 0.5
    centres = centres.clip(0, source - 1)
    before = np.floor(centres).astype(np.int64)
    return before, np.rint((centres - before) * 2048).astype(np.int64)


def _per_channel(numbers: tuple[float, ...], channels: int, what: str) -> Array:
    if len(numbers) not in (1, channels):
        raise InputError(
            f"{what} has {len(numbers)} numbers, the image has {channels} channels"
        )
    return np.array(numbers, np.float32)
