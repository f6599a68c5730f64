"""The file format: what is written is read, and nothing else is accepted."""

from __future__ import annotations

import errno
import os
import resource
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ovc.runtime import archive
from ovc.runtime.artifact import (
    Artifact,
    copy_artifact,
    read_artifact,
    write_artifact,
)
from ovc.runtime.errors import ArtifactError
from ovc.runtime.manifest import Weight

Make = Callable[..., Artifact]


@pytest.fixture
def file(tiny: Make, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.ovc"
    write_artifact(path, tiny(size=16))
    return path


def refused(path: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        read_artifact(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_round_trip(tiny: Make, tmp_path: Path, target: str) -> None:
    artifact = tiny(target)
    path = tmp_path / "net.ovc"
    write_artifact(path, artifact)

    found = read_artifact(path)

    assert (found.ir, found.code) == (artifact.ir, artifact.code)
    assert found.path == found.origin == str(path)
    np.testing.assert_array_equal(found.weights, artifact.weights)
    assert not found.weights.flags.writeable
    assert found.weights.ctypes.data % 4096 == 0
    assert all(found.manifest.entries.values())
    assert found.manifest.weights[0].sha256
    unsealed = replace(
        found.manifest,
        entries={},
        weights=(replace(found.manifest.weights[0], sha256=""),),
    )
    assert unsealed == artifact.manifest


def test_equal_artifacts_give_equal_bytes(tiny: Make, tmp_path: Path) -> None:
    first, second = tmp_path / "first.ovc", tmp_path / "second.ovc"
    write_artifact(first, tiny())
    write_artifact(second, tiny())
    assert first.read_bytes() == second.read_bytes()
    write_artifact(second, read_artifact(first))
    assert first.read_bytes() == second.read_bytes()


def test_any_unzip_opens_it(file: Path) -> None:
    with zipfile.ZipFile(file) as opened:
        assert opened.testzip() is None
        entries = opened.infolist()
        assert [each.filename for each in entries] == [
            *("manifest.json", "ir.mlir", "code.a", "weights.safetensors")
        ]
        for each in entries:
            header = file.read_bytes()[each.header_offset :][:30]
            name, extra = struct.unpack("<HH", header[26:30])
            assert (each.header_offset + 30 + name + extra) % 64 == 0


def test_weights_are_safetensors(tiny: Make, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "net.ovc"
    artifact = tiny()
    write_artifact(path, artifact)
    with zipfile.ZipFile(path) as opened:
        tensors = safetensors.load(opened.read("weights.safetensors"))
    assert sorted(tensors) == ["__gap_0", "__gap_1088", "bias"]
    np.testing.assert_array_equal(tensors["bias"], artifact.weights[64:1088])


def test_no_weights(tiny: Make, tmp_path: Path) -> None:
    artifact = tiny(weights=(), weights_bytes=0, launches=())
    path = tmp_path / "net.ovc"
    write_artifact(path, replace(artifact, weights=np.zeros(0, np.uint8)))
    assert read_artifact(path).weights.size == 0


def test_every_changed_byte_is_found(file: Path) -> None:
    content = file.read_bytes()
    with open(file, "r+b", buffering=0) as opened:
        for at, byte in enumerate(content):
            for flipped in (byte ^ 1, byte ^ 0x80):
                os.pwrite(opened.fileno(), bytes([flipped]), at)
                refused(file)
            os.pwrite(opened.fileno(), bytes([byte]), at)
    read_artifact(file)


def test_every_truncation_is_found(file: Path) -> None:
    for size in reversed(range(file.stat().st_size)):
        os.truncate(file, size)
        message = refused(file)
    assert message.endswith("is empty")


def test_more_bytes_are_found(file: Path) -> None:
    with open(file, "ab") as opened:
        opened.write(b"\0")
    refused(file)


def test_another_version(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "VERSION", 3)
    assert "format 2 and this ovc reads format 3: compile" in refused(file)


def test_other_files(tmp_path: Path) -> None:
    text, archived = tmp_path / "model.onnx", tmp_path / "archive.zip"
    text.write_bytes(b"\x08\x07\x12\x07pytorch" * 100)
    with zipfile.ZipFile(archived, "w") as opened:
        opened.writestr("manifest.json", "{}")
    assert "is not an ovc artifact" in refused(text)
    assert "is no ovc artifact" in refused(archived)
    assert "not an ordinary file" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "missing.ovc")
    assert "No such file" in refused(tmp_path / "no" / "missing.ovc")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.ovc"
    os.mkfifo(pipe)
    assert "not an ordinary file" in refused(pipe)


def test_sealed_nonsense_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.ovc"
    for name, content, message in [
        ("other", b"", "no manifest"),
        ("manifest.json", b"[]", "malformed manifest"),
        ("manifest.json", b"[" * 100_000, "malformed manifest"),
        ("manifest.json", b'{"format": 7}', "format is 7"),
    ]:
        with open(path, "wb") as opened:
            archive.write(opened, [archive.Entry(name, (memoryview(content),))])
        assert message in refused(path)


def test_wide_sizes_and_offsets(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What files beyond 4 GiB need, at a lower limit."""
    monkeypatch.setattr(archive, "NARROW_LIMIT", 100)
    path = tmp_path / "wide.zip"
    entries = {"small": b"x" * 10, "large": b"y" * 1000}
    with open(path, "wb") as opened:
        archive.write(
            opened,
            [
                archive.Entry(key, (memoryview(value),))
                for key, value in entries.items()
            ],
        )
    found = archive.read(memoryview(path.read_bytes()))
    assert {key: bytes(value) for key, value in found.items()} == entries


def test_blocks_and_threads_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BLOCK", 64)
    for size in (0, 1, 63, 64, 65, 128, 1000, 4096):
        data = memoryview(bytes(range(256)) * 16)[:size]
        sealer = archive.Sealer()
        for at in range(0, size, 100):
            sealer.update(data[at : at + 100])
        assert sealer.digest() == archive.digest(data)


def unwritable(path: Path, artifact: Artifact) -> str:
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(ArtifactError) as caught:
        write_artifact(path, artifact)
    assert str(caught.value).startswith(f"{path}: cannot be written: ")
    assert before == (sorted(path.parent.iterdir()) if path.parent.is_dir() else [])
    return str(caught.value)


def test_unwritable_paths(tiny: Make, file: Path, tmp_path: Path) -> None:
    assert "No such file" in unwritable(tmp_path / "no" / "net.ovc", tiny())
    assert "not an ordinary file" in unwritable(tmp_path, tiny())
    assert "Not a directory" in unwritable(file / "net.ovc", tiny())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_files_and_folders(tiny: Make, file: Path, tmp_path: Path) -> None:
    file.chmod(0o444)
    assert "permission denied" in unwritable(file, tiny())
    tmp_path.chmod(0o555)
    assert "Permission denied" in unwritable(tmp_path / "net.ovc", tiny())


@pytest.mark.parametrize("exists", [True, False])
def test_a_file_too_large(tiny: Make, file: Path, exists: bool) -> None:
    before = file.read_bytes()
    path = file if exists else file.with_name("new.ovc")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        assert "too large" in unwritable(path, tiny())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk(
    tiny: Make, file: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = file.read_bytes()
    monkeypatch.setattr(os, call, full)
    assert "No space left" in unwritable(file, tiny())
    assert file.read_bytes() == before


def test_a_link_stays_a_link(tiny: Make, file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.ovc"
    link.symlink_to(file)
    write_artifact(link, tiny(size=32))
    assert link.is_symlink()
    assert read_artifact(file).manifest.arena_bytes == 256


def test_a_mapped_file_may_be_replaced(tiny: Make, file: Path) -> None:
    artifact = read_artifact(file)
    before = artifact.weights.copy()
    write_artifact(file, tiny(size=512))
    np.testing.assert_array_equal(artifact.weights, before)


def test_parts_that_do_not_fit_are_not_written(tiny: Make, tmp_path: Path) -> None:
    path = tmp_path / "net.ovc"
    for changes in (
        {"target": "vpu"},
        {"weights_bytes": 17},
        {"arena_bytes": 17},
        {"weights": (Weight("a", 0, 64), Weight("b", 32, 64))},
        {"weights": (Weight("__metadata__", 0, 64),)},
        {"weights": (Weight("a", 0, 4096),)},
    ):
        assert "manifest: " in unwritable(path, tiny(**changes))


def test_a_copy_is_the_same_file(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.ovc"
    copy.write_text("what was here before")

    copy_artifact(file, copy)

    assert copy.read_bytes() == file.read_bytes()
    read_artifact(copy)


def test_a_copy_that_cannot_be_made(file: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        copy_artifact(tmp_path / "missing.ovc", tmp_path / "copy.ovc")
    with pytest.raises(ArtifactError, match=r"copy\.ovc: cannot be written"):
        copy_artifact(file, tmp_path / "no" / "copy.ovc")
    assert [path for path in tmp_path.iterdir() if path != file] == []
