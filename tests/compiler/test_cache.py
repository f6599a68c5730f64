"""What compilations keep: bytes by key, whole networks, and equal bytes with and without."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from ovc.compiler import driver, kept
from ovc.compiler.cache import ByteStore, Files, default_folder, object_cache
from ovc.compiler.conversion import Conversion
from ovc.compiler.options import CompileOptions
from ovc.runtime.artifact import Artifact, write_artifact


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A convolution with an activation."""
    weights = np.random.default_rng(0).standard_normal((8, 3, 3, 3), np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n, 8, 8])
        for name, n in (("x", 3), ("y", 8))
    ]
    graph = helper.make_graph(
        nodes, "g", ports[:1], ports[1:], [numpy_helper.from_array(weights, "w")]
    )
    path = tmp_path / "model.onnx"
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    onnx.save(proto, path)
    return path


def file_bytes(artifact: Artifact, path: Path) -> bytes:
    write_artifact(path, artifact)
    return path.read_bytes()


class TestStore:
    @pytest.fixture
    def store(self, tmp_path: Path) -> ByteStore:
        return ByteStore(Files(tmp_path / "objects", ".o", 1000))

    def test_what_is_put_is_got(self, store: ByteStore) -> None:
        store.put("a", b"12345")

        assert store.get("a") == b"12345"
        assert store.get("b") is None

    @pytest.mark.parametrize("content", [b"", b"short", b"x" * 80])
    def test_a_damaged_file_is_forgotten(
        self, store: ByteStore, content: bytes
    ) -> None:
        store.put("a", b"12345")
        store.files.path("a").write_bytes(content)

        assert store.get("a") is None
        assert not store.files.path("a").exists()

    def test_what_was_not_used_for_longest_goes(self, store: ByteStore) -> None:
        for number, key in enumerate("abcd"):
            store.put(key, bytes(200))
            os.utime(store.files.path(key), (number, number))
        store.get("a")

        store.put("e", bytes(200))

        assert store.get("a") is not None
        assert store.get("e") is not None
        assert store.get("b") is None

    def test_nothing_larger_than_half_is_kept(self, store: ByteStore) -> None:
        store.put("a", bytes(501))

        assert store.get("a") is None

    def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        store = object_cache(tmp_path / "file")

        store.put("a", b"1")

        assert store.get("a") is None


def test_the_folder_is_the_users_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OVC_CACHE", "")
    assert default_folder() is None
    monkeypatch.setenv("OVC_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("OVC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "ovc"


class TestNetworks:
    def test_equal_bytes_without_with_a_cold_and_a_warm_cache(
        self, model: Path, tmp_path: Path
    ) -> None:
        options = CompileOptions(cache=tmp_path / "cache")
        compiled = [
            driver.compile_file(model, "cpu", CompileOptions()),
            driver.compile_file(model, "cpu", options),
            driver.compile_file(model, "cpu", options),
            driver.compile_module(driver.read_model(model), "cpu", options),
        ]

        first, *others = (file_bytes(each, tmp_path / "m.ovc") for each in compiled)

        assert all(other == first for other in others)

    def test_a_warm_compilation_reads_no_model(
        self, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = CompileOptions(cache=tmp_path / "cache")
        assert kept.kept_artifact(model, "cpu", options) is None
        first = driver.compile_file(model, "cpu", options)
        monkeypatch.delattr(driver, "read_model")

        again = driver.compile_file(model, "cpu", options)

        assert again.manifest.kernels == first.manifest.kernels
        assert again.path is None

    def test_what_is_kept_is_written_as_it_is(
        self, model: Path, tmp_path: Path
    ) -> None:
        options = CompileOptions(cache=tmp_path / "cache")
        compiled = driver.compile_file(model, "cpu", options)
        place, output = kept.kept_network(model, "cpu", options), tmp_path / "new.ovc"
        assert place is not None
        found = place.find()
        assert found is not None

        place.write(found, output)
        assert output.read_bytes() == file_bytes(compiled, tmp_path / "m.ovc")

        place.files.drop(place.key)  # somebody else makes room
        place.write(found, tmp_path / "again.ovc")
        assert (tmp_path / "again.ovc").read_bytes() == output.read_bytes()

    def test_a_damaged_artifact_is_compiled_anew(
        self, model: Path, tmp_path: Path
    ) -> None:
        options = CompileOptions(cache=tmp_path / "cache")
        driver.compile_file(model, "cpu", options)
        (path,) = (tmp_path / "cache" / "networks").iterdir()
        path.write_bytes(path.read_bytes()[:-1])

        assert kept.kept_artifact(model, "cpu", options) is None
        assert driver.compile_file(model, "cpu", options).code

    def test_other_options_and_other_models_are_others(
        self, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = CompileOptions(cache=tmp_path / "cache")

        def key(path: Path, options: CompileOptions) -> str:
            place = kept.kept_network(path, "cpu", options)
            assert place is not None
            return place.key

        keys = [
            key(model, options),
            key(model, replace(options, winograd="never")),
            key(model, replace(options, cpu="x86-64-v3")),
            key(model, replace(options, pipeline="dce")),
            key(model, replace(options, conversion=Conversion(outputs=("c",)))),
        ]
        model.write_bytes(model.read_bytes() + b"\x00")
        keys.append(key(model, options))
        monkeypatch.setattr(kept, "compiler_digest", lambda: "another")
        keys.append(key(model, options))

        assert len(set(keys)) == len(keys)

    def test_what_reads_other_files_is_not_kept(
        self, model: Path, tmp_path: Path
    ) -> None:
        options = CompileOptions(cache=tmp_path / "cache")
        mean = replace(options, conversion=Conversion(mean_file=(("", "mean.npy"),)))

        assert kept.kept_network(model, "cpu", mean) is None
        proto = onnx.load(model)
        onnx.save(
            proto, model, save_as_external_data=True, location="w", size_threshold=0
        )
        assert kept.kept_network(model, "cpu", options) is None
        assert kept.kept_network(model, "cpu", CompileOptions()) is None
