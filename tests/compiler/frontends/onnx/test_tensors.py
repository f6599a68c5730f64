"""Initialisers of every kind, inline and beside the model."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from onnx import ModelProto, SparseTensorProto, TensorProto, helper, numpy_helper
from onnx_files import model, node, save
from ovc.compiler.frontends.onnx import import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.dialects.const import ConstantOp
from ovc.dialects.types import Array
from ovc.runtime.errors import ImportFailure


def identity(tensor: TensorProto | None = None) -> ModelProto:
    """A model whose output is the tensor `w`."""
    proto = model([node("Identity", "w", "y")], {}, ["y"])
    if tensor is not None:
        tensor.name = "w"
        proto.graph.initializer.append(tensor)
    return proto


def value(folder: Path, proto: ModelProto) -> Array:
    return run_reference(import_onnx(save(folder, proto)).module, {})[0]


def refuse(folder: Path, proto: ModelProto) -> str:
    with pytest.raises(ImportFailure, match=r"^\S+model\.onnx: ") as caught:
        import_onnx(save(folder, proto))
    return str(caught.value)


ARRAYS = [
    np.array([[1.5, -2.5], [3.0, np.inf]], dtype)
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
] + [
    np.array([[1, 100], [3, 0]], dtype)
    for dtype in [
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "bool",
    ]
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: a.dtype.name)
@pytest.mark.parametrize("raw", [True, False])
def test_types(tmp_path: Path, array: Array, raw: bool) -> None:
    tensor = numpy_helper.from_array(array)
    if not raw:
        kind = tensor.data_type
        tensor = helper.make_tensor("w", kind, array.shape, array.reshape(-1).tolist())
        assert not tensor.HasField("raw_data")
    result = value(tmp_path, identity(tensor))
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result, array)


def test_scalar_and_empty(tmp_path: Path) -> None:
    scalar = numpy_helper.from_array(np.array(3.0, np.float32))
    assert value(tmp_path, identity(scalar)).shape == ()
    empty = numpy_helper.from_array(np.zeros((0, 3), np.float32))
    assert value(tmp_path, identity(empty)).shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dims": [3]}, "the tensor has 16 bytes, its shape and type need 12"),
        ({"dims": [-4]}, "shape [-4] has a negative dimension"),
        ({"dims": [2**40, 2**40]}, "has too many elements"),
        (
            {"data_type": TensorProto.STRING},
            "elements of type STRING are not supported",
        ),
        ({"data_type": 99}, "elements of type 99 are not supported"),
        ({"data_type": TensorProto.COMPLEX64}, "elements of type COMPLEX64"),
    ],
)
def test_damaged_tensors(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    tensor = numpy_helper.from_array(np.ones(4, np.float32))
    for name, setting in change.items():
        if name == "dims":
            del tensor.dims[:]
            tensor.dims.extend(setting)  # type: ignore[arg-type]
        else:
            setattr(tensor, name, setting)
    message = refuse(tmp_path, identity(tensor))
    assert 'initializer "w": ' in message
    assert reason in message


def test_typed_data_of_another_length(tmp_path: Path) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[4], float_data=[1, 2, 3])
    assert "has 3 numbers, its shape [4] needs 4" in refuse(tmp_path, identity(tensor))


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("count", [3, 4])
def test_four_bits(tmp_path: Path, kind: int, raw: bool, count: int) -> None:
    numbers = np.array([7, -8, -1, 3] if kind == TensorProto.INT4 else [7, 15, 0, 3])[
        :count
    ]
    packed = [(numbers[0] & 15) | (numbers[1] & 15) << 4, numbers[2] & 15]
    packed[1] |= (numbers[3] & 15) << 4 if count == 4 else 0
    tensor = TensorProto(data_type=kind, dims=[count])
    if raw:
        tensor.raw_data = bytes(int(p) for p in packed)
    else:
        tensor.int32_data.extend(int(p) for p in packed)
    result = value(tmp_path, identity(tensor))
    assert result.dtype == (np.int8 if kind == TensorProto.INT4 else np.uint8)
    np.testing.assert_array_equal(result, numbers)


def test_two_initializers_of_one_name(tmp_path: Path) -> None:
    proto = identity(numpy_helper.from_array(np.ones(4, np.float32)))
    proto.graph.initializer.append(proto.graph.initializer[0])
    assert 'there are two initializers "w"' in refuse(tmp_path, proto)


def test_unused_initializers_are_dropped_unread(tmp_path: Path) -> None:
    proto = identity(numpy_helper.from_array(np.ones(4, np.float32)))
    damaged = TensorProto(name="unused", data_type=TensorProto.STRING, dims=[-1])
    proto.graph.initializer.append(damaged)
    module = import_onnx(save(tmp_path, proto)).module
    assert sum(isinstance(op, ConstantOp) for op in module.walk()) == 1


# sparse


def sparse(dims: list[int], indices: Array, count: int | None = None) -> ModelProto:
    values = np.arange(1, (count or len(indices)) + 1, dtype=np.float32)
    proto = identity()
    tensor = SparseTensorProto(
        dims=dims,
        values=numpy_helper.from_array(values, "w"),
        indices=numpy_helper.from_array(indices),
    )
    proto.graph.sparse_initializer.append(tensor)
    return proto


@pytest.mark.parametrize("indices", [[1, 5], [[0, 1], [1, 2]]])
def test_sparse(tmp_path: Path, indices: list[int]) -> None:
    result = value(tmp_path, sparse([2, 3], np.array(indices, np.int64)))
    np.testing.assert_array_equal(result, [[0, 1, 0], [0, 0, 2]])


@pytest.mark.parametrize(
    ("dims", "indices", "reason"),
    [
        ([2, 3], [1, 6], "an index outside"),
        ([2, 3], [-1, 2], "an index outside"),
        ([2, 3], [[0, 3]], "an index outside"),
        ([2, 3], [[0, 1, 2]], "do not fit its values"),
        ([2**20, 2**20], [1], "too large"),
    ],
)
def test_damaged_sparse(
    tmp_path: Path, dims: list[int], indices: list[int], reason: str
) -> None:
    message = refuse(tmp_path, sparse(dims, np.array(indices, np.int64)))
    assert reason in message


# external


def external(location: str, **entries: object) -> ModelProto:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, entry in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(entry))
    return identity(tensor)


NUMBERS = np.arange(12, dtype=np.float32)


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with a model's weights, and a file beside the folder."""
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    for path in (
        folder / "weights.bin",
        folder / "deeper/weights.bin",
        tmp_path / "secret",
    ):
        path.write_bytes(b"\0" + NUMBERS.tobytes())
    return folder


@pytest.mark.parametrize(
    "location", ["weights.bin", "deeper/weights.bin", "./weights.bin"]
)
@pytest.mark.parametrize("offset", [1, 17])
def test_external(beside: Path, location: str, offset: int) -> None:
    result = value(beside, external(location, offset=offset, length=16))
    np.testing.assert_array_equal(result, NUMBERS[(offset - 1) // 4 :][:4])


def test_external_without_length(beside: Path) -> None:
    np.testing.assert_array_equal(
        value(beside, external("weights.bin", offset=1)), NUMBERS[:4]
    )


@pytest.mark.parametrize(
    ("location", "entries", "reason"),
    [
        ("../secret", {}, "is refused"),
        ("deeper/../../secret", {}, "is refused"),
        ("", {}, "is refused"),
        ("link", {}, "leads outside the model's folder"),
        ("linked/secret", {}, "leads outside the model's folder"),
        ("loop", {}, "loop"),
        ("none.bin", {}, "there is no such file"),
        ("deeper", {}, "there is no such file"),
        (
            "weights.bin",
            {"offset": 40},
            "the file has 49 bytes, bytes 40 to 56 are needed",
        ),
        ("weights.bin", {"offset": -8}, "bytes -8 to 8 are needed"),
        ("weights.bin", {"length": 12}, "12 bytes are given for a tensor of 16"),
        ("weights.bin", {"offset": "x"}, "invalid literal"),
        ("empty.bin", {}, "the file has 0 bytes"),
    ],
)
def test_external_refused(
    beside: Path, location: str, entries: dict[str, object], reason: str
) -> None:
    (beside / "link").symlink_to("../secret")
    (beside / "linked").symlink_to("..")
    (beside / "loop").symlink_to("loop")
    (beside / "empty.bin").touch()
    message = refuse(beside, external(location, **entries))
    assert f'external data "{location}"' in message
    assert reason in message


def test_absolute_path_is_refused(beside: Path) -> None:
    message = refuse(beside, external(str(beside / "weights.bin")))
    assert "must be a path inside the model's folder" in message


def test_model_behind_a_link_reads_beside_the_real_file(
    beside: Path, tmp_path: Path
) -> None:
    path = save(beside, external("weights.bin", offset=1))
    link = tmp_path / "link.onnx"
    link.symlink_to(path)
    result = run_reference(import_onnx(link).module, {})[0]
    np.testing.assert_array_equal(result, NUMBERS[:4])
