"""Files that are not models, or not models that can be read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import onnx
import pytest
from onnx import helper
from onnx_files import model, node, save
from ovc.compiler.frontends.onnx import import_onnx
from ovc.runtime.errors import ImportFailure

RELU = model([node("Relu", "x", "y")], {"x": [1, 4]}, ["y"])


def refuse(path: Path) -> str:
    """The message of the failure, without the path that it must start with."""
    with pytest.raises(ImportFailure) as caught:
        import_onnx(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_model_knows_its_file(tmp_path: Path) -> None:
    path = save(tmp_path, RELU)
    imported = import_onnx(path)
    assert imported.source == path
    assert len(imported.sha256) == 64
    assert import_onnx(str(path)).sha256 == imported.sha256


def test_missing_file(tmp_path: Path) -> None:
    assert refuse(tmp_path / "none.onnx") == "there is no such file"


def test_folder(tmp_path: Path) -> None:
    assert refuse(tmp_path) == "this is not a file"


def test_name_too_long(tmp_path: Path) -> None:
    assert "too long" in refuse(tmp_path / ("a" * 300))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = save(tmp_path, RELU)
    path.chmod(0)
    assert refuse(path) == "permission denied"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (
            b"\xff\xd8\xff\xe0" + b"x" * 99,
            "this is not an ONNX model but a JPEG picture",
        ),
        (b"\x89PNG\r\n\x1a\n", "this is not an ONNX model but a PNG picture"),
        (b"PK\x03\x04" + b"x" * 99, "this is not an ONNX model but a zip archive"),
        (b"Dear sir or madam,\n", "this is not an ONNX model"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "this is not an ONNX model but a git-lfs pointer, not the model itself",
        ),
        (bytes(64), "this is not an ONNX model"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert refuse(path) == reason


def test_every_truncation(tmp_path: Path) -> None:
    data = RELU.SerializeToString()
    for length in range(1, len(data)):
        path = tmp_path / "short.onnx"
        path.write_bytes(data[:length])
        assert refuse(path)


def test_every_changed_byte_is_imported_or_refused(tmp_path: Path) -> None:
    data = RELU.SerializeToString()
    for position in range(len(data)):
        path = tmp_path / "changed.onnx"
        path.write_bytes(
            data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]
        )
        with contextlib.suppress(ImportFailure):
            import_onnx(path)


def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(RELU.SerializeToString().replace(b"Relu", b"R\xfflu"))
    assert refuse(path) == "the ONNX model is damaged, its names are not text"


def opset(version: int, domain: str = "") -> onnx.ModelProto:
    imports = [helper.make_opsetid(domain, version)]
    return model([node("Relu", "x", "y")], {"x": [4]}, ["y"], opset_imports=imports)


def test_old_opset(tmp_path: Path) -> None:
    assert "opset 6 is too old, at least 7" in refuse(save(tmp_path, opset(6)))


def test_new_opset(tmp_path: Path) -> None:
    newest = onnx.defs.onnx_opset_version()
    reason = refuse(save(tmp_path, opset(newest + 1)))
    assert f"opset {newest + 1} is newer than {newest}" in reason
    assert "install a newer onnx" in reason


@pytest.mark.parametrize("version", [7, 13, onnx.defs.onnx_opset_version()])
@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_opsets_between(tmp_path: Path, version: int, domain: str) -> None:
    import_onnx(save(tmp_path, opset(version, domain)))


def test_no_opset(tmp_path: Path) -> None:
    proto = opset(13)
    del proto.opset_import[:]
    assert "does not say which opset" in refuse(save(tmp_path, proto))


def test_no_outputs(tmp_path: Path) -> None:
    proto = opset(13)
    del proto.graph.output[:]
    assert refuse(save(tmp_path, proto)) == "the model has no outputs"
