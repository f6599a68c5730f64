"""Files as inputs: images, arrays, sounds; by name and in order; and what is refused."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from ovc.compiler.audio import read_wav
from ovc.compiler.images import PRESETS, Preprocessing, read_image
from ovc.compiler.inputs import InputSlot, read_inputs
from ovc.compiler.options import parse_input_shape
from ovc.runtime.errors import InputError
from PIL import Image

IMAGE = InputSlot("image", (1, 3, 4, 6), np.dtype(np.float32))
IDS = InputSlot("ids", (2, 5), np.dtype(np.int64))
RAW = Preprocessing()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A 6x4 image whose channels tell the column, the row, and 200."""
    row, column = np.mgrid[:4, :6]
    pixels = np.stack([column * 10, row * 20, np.full((4, 6), 200)], 2)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def saved(path: Path, array: np.ndarray) -> str:
    np.save(path, array)
    return str(path)


class TestNames:
    def test_files_go_to_inputs_in_order(self, photo: Path, tmp_path: Path) -> None:
        ids = np.arange(10).reshape(2, 5)
        file = saved(tmp_path / "ids.npy", ids)

        arrays = read_inputs([str(photo), file], [IMAGE, IDS], RAW)

        assert arrays["image"].shape == (1, 3, 4, 6)
        assert_array_equal(arrays["ids"], ids)

    def test_a_name_goes_first(self, photo: Path, tmp_path: Path) -> None:
        file = saved(tmp_path / "a=b.npy", np.zeros((2, 5), np.int64))

        arrays = read_inputs([f"ids={file}", f"image={photo}"], [IMAGE, IDS], RAW)

        assert set(arrays) == {"image", "ids"}

    def test_an_archive_gives_inputs_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "all.npz"
        image = np.ones((1, 3, 4, 6), np.float32)
        np.savez(path, image=image, ids=np.zeros((2, 5), np.int64), other=image)

        arrays = read_inputs([str(path)], [IMAGE, IDS], RAW)

        assert_array_equal(arrays["image"], image)

    def test_one_array_of_an_archive(self, tmp_path: Path) -> None:
        path = tmp_path / "one.npz"
        np.savez(path, anything=np.zeros((2, 5), np.int64))

        assert read_inputs([f"ids={path}"], [IDS], RAW)["ids"].shape == (2, 5)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "no file for input 'ids' int64[2, 5]; give --input NAME=FILE"),
            (["nosuch.npy"], "nosuch.npy: there is no such file"),
            (["wrong=x.npy"], "the network has no input 'wrong'; it has 'ids'"),
            (["ids=FILE", "ids=FILE"], "input 'ids' is given twice"),
            (["FILE", "FILE"], "the network has no input left for it"),
            (["ids=README.txt"], "README.txt: there is no such file"),
        ],
    )
    def test_refused(self, arguments: list[str], message: str, tmp_path: Path) -> None:
        file = saved(tmp_path / "ids.npy", np.zeros((2, 5), np.int64))
        given = [a.replace("FILE", file) for a in arguments]

        with pytest.raises(InputError) as caught:
            read_inputs(given, [IDS], RAW)

        assert message in str(caught.value)


class TestArrays:
    def test_pickles_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "objects.npy"
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)

        with pytest.raises(InputError, match=r"objects\.npy: not a readable \.npy"):
            read_inputs([str(path)], [IDS], RAW)

    @pytest.mark.parametrize("suffix", ["npy", "npz", "png", "jpg", "bmp", "wav"])
    @pytest.mark.parametrize("content", [b"", b"\x93NUMPY\1\0", b"PK\3\4" + b"x" * 99])
    def test_broken_files(self, suffix: str, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / f"broken.{suffix}"
        path.write_bytes(content)

        with pytest.raises(InputError, match=r"broken\."):
            read_inputs([f"image={path}"], [IMAGE], RAW)

    def test_every_cut_of_an_archive(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.npz"
        np.savez_compressed(path, ids=np.arange(10).reshape(2, 5))
        whole = path.read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            with pytest.raises(InputError, match=r"cut\.npz"):
                read_inputs([str(path)], [IDS], RAW)

    def test_an_unknown_suffix(self, tmp_path: Path) -> None:
        path = tmp_path / "x.txt"
        path.write_text("1")

        with pytest.raises(InputError, match=r"not '\.txt'"):
            read_inputs([str(path)], [IDS], RAW)


class TestImages:
    def test_raw_pixels(self, photo: Path) -> None:
        array = read_image(photo, (1, 3, 4, 6), RAW)

        assert array.dtype == np.float32
        assert array[0, :, 1, 2].tolist() == [20, 20, 200]

    def test_bgr_mean_and_scale_are_in_the_network_s_order(self, photo: Path) -> None:
        how = Preprocessing(mean=(200, 0, 0), scale=(1, 2, 4), order="bgr")

        assert read_image(photo, (1, 3, 4, 6), how)[0, :, 1, 2].tolist() == [0, 10, 5]

    def test_channels_last(self, photo: Path) -> None:
        first = read_image(photo, (1, 3, 4, 6), RAW)

        last = read_image(photo, (1, 4, 6, 3), RAW)

        assert_array_equal(last, first.transpose(0, 2, 3, 1))

    def test_grey(self, photo: Path) -> None:
        assert read_image(photo, (4, 6), RAW).shape == (4, 6)
        assert read_image(photo, (1, 1, 4, 6), RAW).shape == (1, 1, 4, 6)

    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16"])
    def test_every_mode(self, mode: str, tmp_path: Path) -> None:
        path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
        if mode == "I;16":
            Image.fromarray(np.full((4, 6), 65535, np.uint16)).save(path)
        else:
            Image.new("RGB", (6, 4), "white").convert(mode).save(path)

        assert_allclose(read_image(path, (1, 3, 4, 6), RAW), 255, atol=2)

    def test_integers_are_rounded_and_kept_in_range(self, photo: Path) -> None:
        slot = InputSlot("x", (1, 3, 4, 6), np.dtype(np.uint8))

        array = read_inputs([str(photo)], [slot], PRESETS["caffe"])["x"]

        assert array.dtype == np.uint8

    @pytest.mark.parametrize("resize", ["stretch", "crop", "fit"])
    @pytest.mark.parametrize("shape", [(1, 3, 9, 5), (1, 3, 2, 3), (1, 3, 8, 2)])
    def test_a_plain_image_stays_plain(
        self, resize: str, shape: tuple[int, ...], tmp_path: Path
    ) -> None:
        path = tmp_path / "plain.bmp"
        Image.new("RGB", (6, 4), (114, 114, 114)).save(path)

        array = read_image(path, shape, Preprocessing(resize=resize))  # type: ignore[arg-type]

        assert_array_equal(array, np.full(shape, 114, np.float32))

    def test_smaller_is_the_mean_of_the_covered_area(self, photo: Path) -> None:
        array = read_image(photo, (1, 3, 2, 3), RAW)

        assert array[0, 0].tolist() == [[5, 25, 45], [5, 25, 45]]
        assert array[0, 1].tolist() == [[10, 10, 10], [50, 50, 50]]

    def test_none_wants_the_exact_size(self, photo: Path) -> None:
        with pytest.raises(InputError, match="the image is 6x4, the network takes 5x5"):
            read_image(photo, (1, 3, 5, 5), Preprocessing(resize="none"))

    @pytest.mark.parametrize("shape", [(2, 3, 4, 6), (1, 7, 9, 7), (5,), ()])
    def test_shapes_that_are_no_image(
        self, shape: tuple[int, ...], photo: Path
    ) -> None:
        with pytest.raises(InputError, match="an image does not fit the shape"):
            read_image(photo, shape, RAW)

    def test_wrong_number_of_means(self, photo: Path) -> None:
        with pytest.raises(InputError, match="mean has 2 numbers"):
            read_image(photo, (1, 3, 4, 6), Preprocessing(mean=(1, 2)))

    def test_zero_scale(self, photo: Path) -> None:
        with pytest.raises(InputError, match="must not be 0"):
            read_image(photo, (1, 3, 4, 6), Preprocessing(scale=(0,)))


class TestSounds:
    def write(self, path: Path, samples: np.ndarray, width: int, channels: int) -> None:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(width)
            file.setframerate(16000)
            file.writeframes(samples.tobytes())

    def test_sixteen_bits(self, tmp_path: Path) -> None:
        path = tmp_path / "x.wav"
        self.write(path, np.array([0, 16384, -32768, 32767], "<i2"), 2, 1)

        sound = read_wav(path)

        assert sound.rate == 16000
        assert_allclose(sound.samples[:, 0], [0, 0.5, -1, 1], atol=1e-4)

    def test_stereo_is_averaged_and_fitted(self, tmp_path: Path) -> None:
        path = tmp_path / "x.wav"
        self.write(path, np.array([0, 16384, 16384, 16384], "<i2"), 2, 2)
        notes: list[str] = []
        slot = InputSlot("sound", (1, 4), np.dtype(np.float32))

        arrays = read_inputs([str(path)], [slot], RAW, notes.append)

        assert_allclose(arrays["sound"], [[0.25, 0.5, 0, 0]])
        assert "2 samples filled with zeros to 4" in notes[0]

    def test_whole_numbers_for_an_integer_input(self, tmp_path: Path) -> None:
        path = tmp_path / "x.wav"
        self.write(path, np.array([5, -7, 9], "<i2"), 2, 1)
        slot = InputSlot("sound", (2,), np.dtype(np.int16))

        assert read_inputs([str(path)], [slot], RAW)["sound"].tolist() == [5, -7]

    @pytest.mark.parametrize(
        ("kind", "bits", "data", "expected"),
        [
            (1, 8, bytes([128, 192]), [0, 0.5]),
            (1, 24, b"\0\0\x40\0\0\xc0", [0.5, -0.5]),
            (1, 32, struct.pack("<i", 2**30), [0.5]),
            (3, 32, struct.pack("<f", 0.25), [0.25]),
        ],
    )
    def test_other_formats(
        self, kind: int, bits: int, data: bytes, expected: list[float], tmp_path: Path
    ) -> None:
        path = tmp_path / "x.wav"
        step = bits // 8
        head = struct.pack("<HHIIHH", kind, 1, 8000, 8000 * step, step, bits)
        chunks = b"fmt " + struct.pack("<I", 16) + head
        chunks += b"data" + struct.pack("<I", len(data)) + data
        path.write_bytes(
            b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks
        )

        assert_allclose(read_wav(path).samples[:, 0], expected)

    def test_images_of_sound_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.wav"
        self.write(path, np.zeros(4, "<i2"), 2, 1)

        with pytest.raises(InputError, match="sound samples do not fit"):
            read_inputs([str(path)], [IMAGE], RAW)


@given(
    st.lists(st.integers(0, 5000), max_size=6),
    st.sampled_from(["x", "input:0", "a/b"]),
    st.sampled_from(["{n}:{x}", "{n}={c}", "{n}:[{c}]", "{n}[{c}]", "{n}=[{s}]"]),
)
def test_shapes_in_every_form(dims: list[int], name: str, form: str) -> None:
    texts = list(map(str, dims))
    spaced, commas, crosses = ", ".join(texts), ",".join(texts), "x".join(texts)
    if not dims and "[" not in form:
        return
    text = form.format(n=name, x=crosses, c=commas, s=spaced)

    assert parse_input_shape(text) == (name, tuple(dims))


@pytest.mark.parametrize(
    "text", ["", "x", "1x3", "x:", "x:-1x3", "x:1x", ":1x3", "x:axb"]
)
def test_malformed_shapes(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form NAME:1x3x320x320"):
        parse_input_shape(text)
