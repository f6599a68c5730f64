"""Mean images in all their forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from ovc.compiler.conversion import make_conversion
from ovc.compiler.mean_image import fitted, read_mean_image
from ovc.runtime.errors import CompileError
from PIL import Image

PIXELS = np.arange(24, dtype=np.float32).reshape(3, 2, 4)


def varint(number: int) -> bytes:
    result = b""
    while number > 0x7F:
        result += bytes([number & 0x7F | 0x80])
        number >>= 7
    return result + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_an_old_blob(tmp_path: Path) -> None:
    """Sizes in the fields 1 to 4, floats in the field 5."""
    sizes = b"".join(
        varint(n << 3) + varint(s) for n, s in ((1, 1), (2, 3), (3, 2), (4, 4))
    )
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(sizes + field(5, PIXELS.tobytes()))

    np.testing.assert_array_equal(read_mean_image(path), PIXELS)


def test_a_new_blob(tmp_path: Path) -> None:
    """A shape in the field 7, doubles in the field 8."""
    shape = field(7, field(1, b"".join(map(varint, (1, 3, 2, 4)))))
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(shape + field(8, PIXELS.astype(np.float64).tobytes()))

    np.testing.assert_array_equal(read_mean_image(path), PIXELS)


def test_a_picture_and_arrays(tmp_path: Path) -> None:
    picture = np.moveaxis(PIXELS, 0, 2).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "m.png")
    np.save(tmp_path / "m.npy", PIXELS[None])
    np.save(tmp_path / "grey.npy", PIXELS[0])

    np.testing.assert_array_equal(read_mean_image(tmp_path / "m.png"), PIXELS)
    np.testing.assert_array_equal(read_mean_image(tmp_path / "m.npy"), PIXELS)
    np.testing.assert_array_equal(read_mean_image(tmp_path / "grey.npy"), PIXELS[:1])


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", field(5, b"123"), TensorProto(dims=[1]).SerializeToString()],
)
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(content)

    with pytest.raises(CompileError, match="the mean image cannot be read"):
        read_mean_image(path)


def test_the_centre_is_taken() -> None:
    image = np.arange(16.0).reshape(1, 4, 4)

    centre = fitted(image, (1, 1, 2, 2), 1, "m", "x")
    last = fitted(image, (1, 2, 2, 1), 3, "m", "x")

    np.testing.assert_array_equal(centre, [[[[5, 6], [9, 10]]]])
    assert last.shape == (1, 2, 2, 1)
    with pytest.raises(CompileError, match="does not fit input 'x'"):
        fitted(image, (1, 1, 8, 8), 1, "m", "x")


def test_its_content_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "m.npy"
    np.save(path, PIXELS)

    ((name, file, digest),) = make_conversion(mean_file=str(path)).recorded["mean_file"]

    assert (name, file) == ("", "m.npy")
    assert len(digest) == 16
