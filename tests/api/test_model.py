"""The Python face: names and behaviour of OpenVINO's, on the project's own network."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import ovc
import pytest
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DEVICES = ["CPU", pytest.param("GPU", marks=pytest.mark.device)]


@pytest.mark.parametrize("device", DEVICES)
def test_held_out_digits_are_read(
    device: str,
    digits_on: Callable[[str], ovc.CompiledModel],
    held_out: tuple[np.ndarray, np.ndarray],
) -> None:
    images, labels = held_out
    compiled = digits_on(device)

    answers = np.array([compiled([image])[0].argmax() for image in images])

    assert (answers == labels).mean() >= 0.98


class TestPorts:
    def test_inputs(self, digits: ovc.CompiledModel) -> None:
        (port,) = digits.inputs

        assert port.names == {"image"}
        assert port.any_name == port.get_any_name() == "image"
        assert port.shape == (1, 1, 8, 8)
        assert port.dtype == np.float32
        assert port.element_type == "f32"
        assert port.element_type.to_dtype() == np.float32

    def test_by_index_and_name(self, digits: ovc.CompiledModel) -> None:
        assert digits.input() is digits.input(0) is digits.input("image")
        assert digits.output("digit").shape == (1, 10)

    @pytest.mark.parametrize("key", ["nosuch", 1, -1])
    def test_unknown(self, key: str | int, digits: ovc.CompiledModel) -> None:
        with pytest.raises(
            ovc.InputError, match=f"no input '?{key}'?; there is 'image'"
        ):
            digits.input(key)

    @pytest.mark.parametrize(
        ("dtype", "name"),
        [
            (np.float32, "f32"),
            (np.float16, "f16"),
            (np.int64, "i64"),
            (np.uint8, "u8"),
            (np.bool_, "boolean"),
        ],
    )
    def test_type_names(self, dtype: type, name: str) -> None:
        assert ovc.Type(dtype).get_type_name() == name
        assert ovc.Type(dtype) == ovc.Type(name if dtype is None else dtype)


class TestCalls:
    def test_every_way_to_give_an_input(
        self, digits: ovc.CompiledModel, image: np.ndarray
    ) -> None:
        expected = digits([image])[0]
        ways = [
            {"image": image},
            {0: image},
            {digits.input(): image},
            (image,),
            image,
            [image.tolist()],
            ovc.Tensor(image),
        ]
        for way in ways:
            assert_array_equal(digits(way)[0], expected)

    def test_every_way_to_take_an_output(
        self, digits: ovc.CompiledModel, image: np.ndarray
    ) -> None:
        result = digits(image)

        assert result[0] is result["digit"] is result[digits.output()]
        assert list(result) == digits.outputs
        assert [value.shape for value in result.values()] == [(1, 10)]
        assert result.to_dict()[digits.output()] is result[0]
        assert result.to_tuple() == (result[0],)
        assert result.names() == ({"digit"},)
        assert len(result) == 1
        with pytest.raises(KeyError):
            result["nosuch"]

    def test_results_are_new_arrays(
        self, digits: ovc.CompiledModel, image: np.ndarray
    ) -> None:
        first = digits(image)[0]
        kept = first.copy()
        digits(np.zeros_like(image))

        assert_array_equal(first, kept)

    @pytest.mark.parametrize(
        ("give", "message"),
        [
            (lambda x: {"picture": x}, "picture: the network has no such input"),
            (lambda x: [x, x], "1 input and 2 arrays came"),
            (lambda x: {}, "image: this input is missing"),
            (lambda x: None, "image: this input is missing"),
            (lambda x: x[0], "image: rank 3 given"),
            (lambda x: x[..., :7], "image: shape 1x1x8x7 given, 1x1x8x8 expected"),
            (lambda x: x.astype(np.float64), "image: float64 given, float32 expected"),
            (lambda x: x.astype(str), "image: .* given, float32 expected"),
        ],
    )
    def test_wrong_inputs_are_named(
        self,
        give: Callable[[np.ndarray], object],
        message: str,
        digits: ovc.CompiledModel,
        image: np.ndarray,
    ) -> None:
        with pytest.raises(ovc.InputError, match=message):
            digits(give(image))

    def test_many_threads_at_once(
        self, digits: ovc.CompiledModel, held_out: tuple[np.ndarray, np.ndarray]
    ) -> None:
        images = held_out[0][:60]
        expected = [digits(image)[0] for image in images]

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda image: digits(image)[0], images))

        assert_array_equal(found, expected)

    def test_the_number_of_threads_changes_nothing(
        self, digits: ovc.CompiledModel, image: np.ndarray
    ) -> None:
        config = {"INFERENCE_NUM_THREADS": 1}
        alone = ovc.compile_model(EXAMPLES / "digits.onnx", "CPU", config)

        assert_array_equal(alone(image)[0], digits(image)[0])

    def test_profile(self, digits: ovc.CompiledModel, image: np.ndarray) -> None:
        steps = digits.profile(image)

        assert sum(step.flops for step in steps) > 100_000
        assert "conv3" in {layer for step in steps for layer in step.layers}


class TestRequests:
    def test_in_the_background(
        self, digits: ovc.CompiledModel, image: np.ndarray
    ) -> None:
        request = digits.create_infer_request()
        heard: list[str] = []
        request.set_callback(heard.append)

        request.start_async({"image": image}, userdata="done")
        request.wait()

        assert heard == ["done"]
        assert_array_equal(request.get_output_tensor().data, digits(image)[0])

    def test_tensors_set_before(
        self, digits: ovc.CompiledModel, image: np.ndarray
    ) -> None:
        request = digits.create_infer_request()
        request.set_input_tensor(ovc.Tensor(image))

        result = request.infer()

        assert_array_equal(result["digit"], digits(image)[0])
        assert_array_equal(request.get_tensor("digit").data, result[0])
        assert_array_equal(request.get_tensor("image").data, image)

    def test_errors_arrive_at_the_wait(self, digits: ovc.CompiledModel) -> None:
        request = digits.create_infer_request()
        request.start_async({"nosuch": 1})

        with pytest.raises(ovc.InputError, match="nosuch"):
            request.wait()

    def test_no_results_before_a_run(self, digits: ovc.CompiledModel) -> None:
        with pytest.raises(ovc.InputError, match="has not run yet"):
            _ = digits.create_infer_request().results


class TestArtifacts:
    def test_round_trip(
        self, digits: ovc.CompiledModel, image: np.ndarray, tmp_path: Path
    ) -> None:
        path = tmp_path / "digits.ovc"
        digits.export_model(path)

        for loaded in (ovc.import_model(path, "CPU"), ovc.compile_model(str(path))):
            assert_array_equal(loaded(image)[0], digits(image)[0])

    def test_bytes_and_streams(
        self, digits: ovc.CompiledModel, image: np.ndarray
    ) -> None:
        stream = BytesIO()
        digits.export_model(stream)

        assert stream.getvalue() == digits.export_model()
        loaded = ovc.import_model(digits.export_model())
        assert_array_equal(loaded(image)[0], digits(image)[0])

    def test_equal_input_gives_equal_bytes(self, digits: ovc.CompiledModel) -> None:
        again = ovc.compile_model(EXAMPLES / "digits.onnx", "CPU")

        assert again.export_model() == digits.export_model()

    def test_another_device(self, digits: ovc.CompiledModel) -> None:
        with pytest.raises(ovc.OvcError, match="compiled for CPU, not for GPU"):
            ovc.import_model(digits.export_model(), "GPU")

    def test_shapes_are_fixed(self, digits: ovc.CompiledModel, tmp_path: Path) -> None:
        path = tmp_path / "digits.ovc"
        digits.export_model(path)

        with pytest.raises(ovc.OvcError, match="is compiled already"):
            ovc.compile_model(path, input_shapes={"image": (1, 1, 8, 8)})

    def test_an_unwritable_place(
        self, digits: ovc.CompiledModel, tmp_path: Path
    ) -> None:
        path = tmp_path / "absent" / "digits.ovc"

        with pytest.raises(ovc.ArtifactError, match=r"digits\.ovc: cannot be written"):
            digits.export_model(path)


@pytest.fixture
def symbolic(tmp_path: Path) -> Path:
    """`y = relu(x)` with `x` of shape `[batch, 3]`."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    opset = helper.make_opsetid("", 17)
    path = tmp_path / "symbolic.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


class TestSymbolicShapes:
    def test_input_shapes(self, symbolic: Path) -> None:
        compiled = ovc.compile_model(symbolic, "CPU", input_shapes={"x": (2, 3)})

        assert compiled.output().shape == (2, 3)

    def test_reshape(self, symbolic: Path) -> None:
        model = ovc.read_model(symbolic)
        assert model.input().partial_shape == ("batch", 3)
        with pytest.raises(ovc.InputError, match="symbolic shape"):
            _ = model.input().shape

        model.reshape({"x": (5, 3)})

        assert model.input().shape == (5, 3)
        assert ovc.compile_model(model).input().shape == (5, 3)

    @pytest.mark.parametrize("shape", [(5, 4), (5,), (5, 3, 1), (0, 3)])
    def test_shapes_that_do_not_fit(
        self, shape: tuple[int, ...], symbolic: Path
    ) -> None:
        with pytest.raises(ovc.InputError, match="input 'x' has shape"):
            ovc.read_model(symbolic).reshape(shape)

    def test_without_a_shape(self, symbolic: Path) -> None:
        with pytest.raises(ovc.OvcError) as caught:
            ovc.compile_model(symbolic)

        for word in ("x", "batch", "--input-shape"):
            assert word in str(caught.value)


class TestMistakes:
    def test_devices(self) -> None:
        assert ovc.available_devices()[0] == "CPU"
        with pytest.raises(ovc.DeviceError, match="no device 'NPU'"):
            ovc.compile_model(EXAMPLES / "digits.onnx", "NPU")

    def test_config(self) -> None:
        with pytest.raises(ovc.OvcError, match="NOSUCH"):
            ovc.compile_model(EXAMPLES / "digits.onnx", "CPU", {"NOSUCH": 1})

    @pytest.mark.parametrize("content", [b"", b"not onnx", b"\x08\x08"])
    def test_files(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(content)

        with pytest.raises(ovc.OvcError, match=r"model\.onnx"):
            ovc.compile_model(path)

    def test_missing_files(self, tmp_path: Path) -> None:
        for name in ("model.onnx", "model.ovc"):
            with pytest.raises(ovc.OvcError, match=name):
                ovc.compile_model(tmp_path / name)

    def test_unknown_names_of_the_module(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
            _ = ovc.nosuch  # type: ignore[attr-defined]
