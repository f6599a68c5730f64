"""What a user may pass in, and what the answer to anything else says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from ovc.runtime.artifact import Artifact
from ovc.runtime.errors import ArtifactError, DeviceError, InputError
from ovc.runtime.manifest import Port
from ovc.runtime.memory import Array
from ovc.runtime.session import Session, as_input, bind, load

PORTS = (
    Port("image", (1, 3), "float32"),
    Port("length", (), "int64"),
    Port("mask", (2,), "bool"),
)
IMAGE = np.ones((1, 3), np.float32)
LENGTH = np.array(3)
MASK = np.array([True, False])


@pytest.fixture(scope="module")
def session(tiny: Callable[..., Artifact]) -> Iterator[Session]:
    session = load(tiny())
    yield session
    session.close()


@pytest.mark.parametrize(
    "data",
    [
        [IMAGE, LENGTH, MASK],
        (IMAGE, LENGTH, MASK),
        {"mask": MASK, "length": LENGTH, "image": IMAGE},
        {0: IMAGE, "length": LENGTH, 2: MASK},
        {PORTS[0]: IMAGE, PORTS[1]: LENGTH, PORTS[2]: MASK},
        [[[1, 1, 1]], 3, [True, False]],
        [[[1.0, 1.0, 1.0]], 3, [True, False]],
    ],
)
def test_ways_to_pass_arrays(data: object) -> None:
    for array, wanted in zip(bind(PORTS, data), (IMAGE, LENGTH, MASK), strict=True):
        np.testing.assert_array_equal(array, wanted)
        assert array.dtype == wanted.dtype


def test_one_input_needs_no_list() -> None:
    (array,) = bind(PORTS[:1], IMAGE)
    assert array is IMAGE, "nothing is copied"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([IMAGE], "image, length, mask: the network has 3 inputs and 1 array came"),
        (IMAGE, "the network has 3 inputs and 1 array came"),
        ([], "the network has 3 inputs and 0 arrays came"),
        ({"image": IMAGE}, "length: this input is missing"),
        ({"imgae": IMAGE}, "imgae: the network has no such input. It has: 'image'"),
        ({"imgae": IMAGE}, "Did you mean 'image'?"),
        ({3: IMAGE}, "3: the network has no such input"),
        ({-1: IMAGE}, "-1: the network has no such input"),
        ({0: IMAGE, "image": IMAGE}, "image: given twice"),
        (None, "3 inputs and 1 array"),
    ],
)
def test_wrong_sets_of_arrays(data: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        bind(PORTS, data)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("port", "value", "message"),
    [
        (0, np.ones(3, np.float32), "image: rank 1 given (3), rank 2 expected (1x3)"),
        (0, np.float32(1), "image: rank 0 given"),
        (0, 1.0, "image: rank 0 given (scalar), rank 2 expected (1x3)"),
        (0, np.ones((1, 4), np.float32), "image: shape 1x4 given, 1x3 expected"),
        (0, np.ones((1, 3)), "image: float64 given, float32 expected: convert it"),
        (0, np.ones((1, 3)), ".astype(np.float32)"),
        (0, np.ones((1, 3), int), "image: int64 given, float32 expected"),
        (0, np.array([["a", "b", "c"]]), "image: str"),
        (0, [["a", "b", "c"]], "image: str"),
        (0, [[1, 2], [3]], "image: not an array of numbers"),
        (0, np.array([[None] * 3]), "image: objects given"),
        (0, None, "image: objects given"),
        (0, [[1j, 2, 3]], "image: complex128 given"),
        (1, 1.5, "length: float64 given, int64 expected"),
        (1, 1 << 70, "length: "),
        (1, np.int32(1), "length: int32 given, int64 expected"),
        (2, [1, 0], "mask: int64 given, bool expected"),
    ],
)
def test_wrong_arrays(port: int, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        as_input(PORTS[port], value)
    assert message in str(caught.value)


def test_numbers_out_of_range() -> None:
    with pytest.raises(InputError, match=r"^small: "):
        as_input(Port("small", (1,), "int8"), [300])


def test_an_object_that_breaks() -> None:
    class Broken:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise RuntimeError("on another device")

    with pytest.raises(InputError, match="image: not an array of numbers: on another"):
        as_input(PORTS[0], Broken())


def test_ports(session: Session) -> None:
    assert [port.name for port in session.inputs] == ["x"]
    assert [port.shape for port in session.outputs] == [(16, 16), (1,)]


def test_errors_reach_the_caller(session: Session) -> None:
    with pytest.raises(InputError, match=r"^x: shape 4x16 given, 16x16 expected$"):
        session({"x": np.zeros((4, 16), np.float32)})


def _odd_values() -> dict[str, object]:
    good = np.arange(256, dtype=np.float32).reshape(16, 16)
    wide = np.zeros((16, 32), np.float32)
    unaligned = np.zeros(good.nbytes + 1, np.uint8)[1:].view(np.float32)
    frozen = good.copy()
    frozen.flags.writeable = False
    return {
        "good": good,
        "frozen": frozen,
        "columns": np.asfortranarray(good),
        "strided": wide[:, ::2],
        "backwards": good[::-1],
        "unaligned": unaligned.reshape(16, 16),
        "other bytes": good.astype(">f4"),
        "subclass": good.view(np.matrix),
        "masked": np.ma.masked_array(good, good > 3),  # pyright: ignore
        "list": good.tolist(),
        "flat": good.ravel(),
        "more rows": np.zeros((17, 16), np.float32),
        "no rows": np.zeros((0, 16), np.float32),
        "doubles": good.astype(np.float64),
        "integers": good.astype(np.int32),
        "halves": np.zeros((16, 32), np.float16)[:, ::2],
        "bits": good.view(np.int32),
        "objects": good.astype(object),
        "nothing": None,
    }


class Echo:
    """A driver that gives its inputs back, and asks of them what drivers rely on."""

    device = "nowhere"

    def infer(self, inputs: Sequence[Array]) -> list[Array]:
        for array in inputs:
            assert (array.shape, array.dtype) == ((16, 16), np.dtype(np.float32))
            assert array.flags.c_contiguous
            assert array.flags.aligned
        return list(inputs)

    def profile(self, inputs: Sequence[Array]) -> list[float]:
        return [0.0 for _ in self.infer(inputs)]

    def close(self) -> None: ...


@pytest.mark.parametrize("value", _odd_values().values(), ids=_odd_values())
def test_a_dict_is_checked_like_a_list(
    tiny: Callable[..., Artifact], value: object
) -> None:
    """Most calls bring a dict, which has a way of its own."""
    session = Session(tiny(), Echo())
    outcomes: list[object] = []
    for data in ([value], {"x": value}):
        try:
            (array,) = session(data)
            outcomes.append((array is value, array.tolist()))
        except InputError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("data", [{"y": 0}, {}, {"x": 0, "y": 0}, {0: 0}, {None: 0}])
def test_a_dict_of_other_names(session: Session, data: dict[object, object]) -> None:
    with pytest.raises(InputError):
        session(data)


@pytest.mark.parametrize("device", ["GPU", "NPU", "CPU.1"])
def test_another_device(tiny: Callable[..., Artifact], device: str) -> None:
    with pytest.raises(DeviceError, match=f"compiled for CPU.*not run on {device}"):
        load(tiny(), device)


@pytest.mark.parametrize(
    "changes", [{"arena_bytes": 1}, {"weights_bytes": 9999}, {"target": "vpu"}]
)
def test_an_artifact_in_memory_is_checked(
    tiny: Callable[..., Artifact], changes: dict[str, object]
) -> None:
    with pytest.raises(ArtifactError, match=r"^tiny.onnx: manifest: "):
        load(tiny(**changes))


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_element_types(tiny: Callable[..., Artifact], name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    element = getattr(ml_dtypes, name, None) or np.dtype(name)
    array = np.ones((2,), element)
    assert as_input(Port("x", (2,), name), array) is array


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"INFERENCE_NUM_THREAD": 1}, "Did you mean INFERENCE_NUM_THREADS?"),
        ({"inference_num_threads": 1}, "Did you mean INFERENCE_NUM_THREADS?"),
        ({"CACHE_DIR": "x"}, "CACHE_DIR: not a setting of CPU"),
        ({"INFERENCE_NUM_THREADS": -1}, "-1 is not a whole number from 0 to 1024"),
        ({"INFERENCE_NUM_THREADS": 10**9}, "is not a whole number"),
        ({"INFERENCE_NUM_THREADS": 1.5}, "1.5 is not a whole number"),
        ({"INFERENCE_NUM_THREADS": "two"}, "'two' is not a whole number"),
        ({"INFERENCE_NUM_THREADS": True}, "True is not a whole number"),
        ({"PERFORMANCE_HINT": "FAST"}, "'FAST' is not LATENCY or THROUGHPUT"),
        ({"INFERENCE_PRECISION_HINT": "bf16"}, "'bf16' is not f32"),
    ],
)
def test_wrong_settings(
    tiny: Callable[..., Artifact], config: dict[str, object], message: str
) -> None:
    with pytest.raises(DeviceError) as caught:
        load(tiny(), "CPU", config)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {},
        None,
        {"INFERENCE_NUM_THREADS": "1", "INFERENCE_PRECISION_HINT": "f32"},
        {"INFERENCE_NUM_THREADS": np.int64(2), "PERFORMANCE_HINT": "latency"},
        {"INFERENCE_NUM_THREADS": 0},
    ],
)
def test_settings(
    tiny: Callable[..., Artifact], config: dict[str, object] | None
) -> None:
    load(tiny(), "cpu", config).close()
