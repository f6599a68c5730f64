"""`convert_model` and `save_model`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import ovc
import pytest

MODEL = Path(__file__).resolve().parents[2] / "examples" / "digits.onnx"
SHAPE = {"image": (1, 1, 8, 8)}


@pytest.fixture(scope="module")
def plain() -> ovc.CompiledModel:
    return ovc.compile_model(MODEL, input_shapes=SHAPE)


def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 17, (1, 8, 8, 1)).astype(np.uint8)


def test_a_model_that_takes_camera_frames(plain: ovc.CompiledModel) -> None:
    model = ovc.convert_model(
        MODEL,
        input_shape=SHAPE,
        layout="nhwc",
        input_type="u8",
        mean_values=[3],
        scale_values={"image": [2]},
    )

    assert model.input().shape == (1, 8, 8, 1)
    assert model.input().element_type == "u8"
    compiled = ovc.compile_model(model)
    seen = (frame().transpose(0, 3, 1, 2).astype(np.float32) - 3) / 2
    np.testing.assert_allclose(
        compiled(frame())[0], plain(seen)[0], rtol=1e-4, atol=1e-6
    )


def test_a_batch_and_an_output_in_the_middle() -> None:
    model = ovc.convert_model(MODEL, batch=2, output="pool2")

    assert model.input().shape == (2, 1, 8, 8)
    assert [port.name for port in model.outputs] == ["pool2"]


@pytest.mark.parametrize(
    "shape",
    [
        [1, 1, 8, 8],
        [[1, 1, 8, 8]],
        "image[1,1,8,8]",
        "[1,1,8,8]",
        SHAPE,
        ["image:1x1x8x8"],
    ],
)
def test_forms_of_a_shape(shape: object) -> None:
    compiled = ovc.compile_model(ovc.convert_model(MODEL, input_shape=shape))

    assert compiled.input().shape == (1, 1, 8, 8)


def test_a_model_can_be_converted_again() -> None:
    model = ovc.read_model(MODEL)
    model.reshape({"image": [1, 1, 8, 8]})

    assert ovc.convert_model(model, scale=2.0).input().shape == (1, 1, 8, 8)


@pytest.mark.parametrize("suffix", [".onnx", ".mlir"])
def test_save_model(tmp_path: Path, plain: ovc.CompiledModel, suffix: str) -> None:
    model = ovc.convert_model(MODEL, input_shape=SHAPE, data_type="half")
    place = tmp_path / f"m{suffix}"

    ovc.save_model(model, place)

    assert place.stat().st_size
    if suffix == ".onnx":
        seen = frame().transpose(0, 3, 1, 2).astype(np.float32)
        again = ovc.compile_model(place)
        np.testing.assert_allclose(again(seen)[0], plain(seen)[0], atol=0.01)


def test_options_that_do_not_fit() -> None:
    with pytest.raises(ovc.CompileError, match="data_type: 'int8' is none of"):
        ovc.convert_model(MODEL, data_type="int8")
    with pytest.raises(ovc.CompileError, match="input 'image' has 1 channels"):
        ovc.convert_model(MODEL, mean_values=[1, 2, 3], input_shape=SHAPE)
    with pytest.raises(ovc.OvcError, match=r"written as \.mlir or \.onnx"):
        ovc.save_model(MODEL, "m.xml")
