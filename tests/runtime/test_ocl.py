"""The OpenCL driver, on whatever device there is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ovc.runtime.artifact import Artifact, write_artifact
from ovc.runtime.devices import available_devices, list_devices
from ovc.runtime.drivers import ocl_devices
from ovc.runtime.drivers.ocl_devices import device_facts, find_device
from ovc.runtime.drivers.ocl_programs import build_program, check_options
from ovc.runtime.errors import ArtifactError, DeviceError
from ovc.runtime.manifest import Kernel
from ovc.runtime.session import Session, load

Make = Callable[..., Artifact]
Numbers = Callable[..., np.ndarray]
Oracle = Callable[[np.ndarray], list[np.ndarray]]


@pytest.fixture(scope="module")
def device() -> object:
    try:
        return find_device()
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def loaded(tiny: Make, device: object, cache: Path) -> Callable[..., Session]:
    def make(**changes: object) -> Session:
        return load(tiny("gpu", **changes), "GPU", {"CACHE_DIR": cache})

    return make


def check(session: Session, x: np.ndarray, expected: Oracle) -> None:
    for result, wanted in zip(session(x), expected(x), strict=True):
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.device
class TestDevice:
    def test_answers(
        self, loaded: Callable[..., Session], sample: Numbers, expected: Oracle
    ) -> None:
        session = loaded()
        for seed in range(20):
            check(session, sample(seed), expected)
        session.close()
        with pytest.raises(DeviceError, match="closed"):
            session(sample())

    def test_answers_from_a_file(
        self, tiny: Make, device: object, sample: Numbers, expected: Oracle, cache: Path
    ) -> None:
        path = cache.with_name("tiny.ovc")
        write_artifact(path, tiny("gpu", size=48))
        session = load(path, config={"CACHE_DIR": str(cache)})
        check(session, sample(size=48), expected)
        assert session.device.startswith("GPU, ")

    def test_groups_of_several_items(
        self, tiny: Make, device: object, sample: Numbers, expected: Oracle, cache: Path
    ) -> None:
        artifact = tiny("gpu")
        kernels = [replace(each) for each in artifact.manifest.kernels]
        kernels[2] = replace(kernels[2], items=16)
        code = artifact.code.replace(
            b"void add(ARGUMENTS) {\n  BLOCK(i)",
            b"void add(ARGUMENTS) {\n  ulong i = get_global_id(0);",
        )
        described = replace(artifact.manifest, kernels=tuple(kernels))
        session = load(
            replace(artifact, manifest=described, code=code),
            config={"CACHE_DIR": cache},
        )
        check(session, sample(), expected)

    def test_calls_from_many_threads(
        self, loaded: Callable[..., Session], sample: Numbers, expected: Oracle
    ) -> None:
        session = loaded()
        failures: list[BaseException] = []

        def work(seed: int) -> None:
            try:
                for i in range(20):
                    check(session, sample(100 * seed + i), expected)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures

    def test_profile(self, loaded: Callable[..., Session], sample: Numbers) -> None:
        times = loaded().profile(sample())
        assert [each.layers for each in times] == [("a",), ("b",), ("c", "d"), ("e",)]
        assert all(each.seconds >= 0 for each in times)

    def test_no_weights_no_launches(
        self, tiny: Make, device: object, sample: Numbers, cache: Path
    ) -> None:
        artifact = tiny("gpu", launches=(), weights=(), weights_bytes=0, arena_bytes=0)
        artifact = replace(artifact, weights=np.zeros(0, np.uint8))
        session = load(artifact, config={"CACHE_DIR": cache})
        assert len(session(sample())) == 2

    def test_threads_of_a_cpu(
        self, tiny: Make, device: object, sample: Numbers, expected: Oracle
    ) -> None:
        config = {"INFERENCE_NUM_THREADS": 1}
        if device_facts(device)["type"] != "cpu":
            with pytest.raises(DeviceError, match="INFERENCE_NUM_THREADS is for CPUs"):
                load(tiny("gpu"), config=config)
            return
        check(load(tiny("gpu"), config=config), sample(), expected)

    def test_binaries_are_kept(
        self,
        loaded: Callable[..., Session],
        cache: Path,
        sample: Numbers,
        expected: Oracle,
    ) -> None:
        loaded()
        (file,) = cache.iterdir()
        content = file.read_bytes()
        check(loaded(), sample(), expected)
        assert file.read_bytes() == content
        loaded(size=32)
        assert len(list(cache.iterdir())) == 2

    @pytest.mark.parametrize("damage", ["changed", "cut", "empty", "foreign"])
    def test_damaged_binaries_are_built_anew(
        self,
        loaded: Callable[..., Session],
        cache: Path,
        sample: Numbers,
        expected: Oracle,
        damage: str,
    ) -> None:
        loaded()
        (file,) = cache.iterdir()
        content = file.read_bytes()
        changed = bytes([content[0] ^ 1]) + content[1:]
        ways = {
            "changed": changed,
            "cut": content[:-1],
            "empty": b"",
            "foreign": sealed(b"no binary"),
        }
        file.write_bytes(ways[damage])
        check(loaded(), sample(), expected)
        assert file.read_bytes() != ways[damage]
        check(loaded(), sample(), expected)

    def test_trouble_with_the_cache_is_not_fatal(
        self, loaded: Callable[..., Session], cache: Path, sample: Numbers
    ) -> None:
        cache.write_text("a file, not a folder")
        loaded()(sample())

    def test_binaries_go_to_the_users_cache(
        self,
        tiny: Make,
        device: object,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        load(tiny("gpu"))
        assert len(list((tmp_path / "ovc").glob("*.bin"))) == 1

    def test_source_that_does_not_build(
        self, loaded: Callable[..., Session], tiny: Make, cache: Path
    ) -> None:
        artifact = replace(tiny("gpu"), code=b"__kernel void k(int x { }")
        with pytest.raises(DeviceError, match=r"^tiny.onnx: the driver of .* cannot"):
            load(artifact, config={"CACHE_DIR": cache})
        assert not cache.exists() or not list(cache.iterdir())

    def test_code_without_a_kernel(self, loaded: Callable[..., Session]) -> None:
        kernels = tuple(Kernel(f"gone{i}", 3) for i in range(4))
        with pytest.raises(ArtifactError, match="its code has no 'gone0'"):
            loaded(kernels=kernels)

    def test_groups_larger_than_the_device_allows(
        self, loaded: Callable[..., Session], tiny: Make
    ) -> None:
        first, *rest = tiny("gpu").manifest.kernels
        kernels = (replace(first, items=1 << 30), *rest)
        with pytest.raises(DeviceError, match="groups of 1073741824 work items"):
            loaded(kernels=kernels)

    def test_an_arena_without_end(self, loaded: Callable[..., Session]) -> None:
        with pytest.raises(DeviceError, match=r"^tiny.onnx: "):
            loaded(arena_bytes=(1 << 48) - 1)

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_fork(self, loaded: Callable[..., Session], sample: Numbers) -> None:
        session = loaded()
        child = os.fork()
        if child == 0:
            try:
                session(sample())
            except DeviceError as error:
                os._exit(0 if "does not survive a fork" in str(error) else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0

    def test_facts(self, device: object) -> None:
        facts = device_facts()
        assert facts["type"] in ("cpu", "gpu", "other")
        assert facts["work_group"] >= 1
        assert facts["lanes"] >= 1
        assert {"GPU", "GPU.0"} & set(available_devices())

    def test_a_number_without_a_device(self, tiny: Make, device: object) -> None:
        for name in ("GPU.99", "GPU.-1", "GPU.X"):
            with pytest.raises(DeviceError, match=f"^{name}: no such device"):
                load(tiny("gpu"), name)

    def test_build_program_without_a_cache_entry(
        self, device: object, cache: Path
    ) -> None:
        cl = ocl_devices.load_pyopencl()
        context = cl.Context([device])
        program = build_program(context, b"__kernel void k() {}", [], cache, "test")
        assert program.get_info(cl.program_info.KERNEL_NAMES) == "k"


def sealed(binary: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(binary).digest() + binary


@pytest.mark.parametrize(
    "options", ["-cl-mad-enable", ["-I/etc"], ["-DX=1; rm"], [3], None, ["-w"]]
)
def test_options_that_are_none(options: object) -> None:
    with pytest.raises(ArtifactError, match=r"^net.ovc: .* is not a build option"):
        check_options("net.ovc", options)


def test_options() -> None:
    options = ["-cl-std=CL1.2", "-cl-mad-enable", "-DWIDTH=16", "-DFAST"]
    assert check_options("net.ovc", options) == options


NO_DEVICE = """
from ovc.runtime.devices import available_devices, list_devices
from ovc.runtime.errors import DeviceError
from ovc.runtime.drivers.ocl_devices import find_device
assert available_devices() == ["CPU"]
assert "pip install 'ovc-compiler[gpu]'" in list_devices()[1].problem
try:
    find_device()
except DeviceError as error:
    print(error)
"""


def without_device(tmp_path: Path, **variables: str) -> str:
    # An import path entry comes before the installed packages.
    environment = {**os.environ, "OCL_ICD_VENDORS": str(tmp_path), **variables}
    command = [sys.executable, "-c", NO_DEVICE]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_no_device(tmp_path: Path) -> None:
    pytest.importorskip("pyopencl")
    assert without_device(tmp_path) == (
        "GPU: no OpenCL device found: install one with: "
        "pip install 'ovc-compiler[gpu]'\n"
    )


def test_no_pyopencl(tmp_path: Path) -> None:
    (tmp_path / "pyopencl.py").write_text("raise ImportError('not here')")
    message = without_device(tmp_path, PYTHONPATH=str(tmp_path))
    assert message.startswith("GPU: pyopencl cannot be imported (not here): install")


def test_the_environment_stays_as_it_was(device: object) -> None:
    assert "PYOPENCL_NO_CACHE" not in os.environ or os.environ["PYOPENCL_NO_CACHE"]
    assert "ovc-" not in os.environ.get("OCL_ICD_VENDORS", "")


def test_the_cpu_is_always_listed() -> None:
    first, *_ = list_devices()
    assert (first.name, first.problem) == ("CPU", "")
    assert first.facts["threads"] >= 1


def test_drivers_of_the_system_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "vendors"
    system.mkdir()
    (system / "nvidia.icd").write_text("libnvidia-opencl.so.1\n")
    (system / "empty.icd").write_text("")
    (system / "beside.icd").write_text("libbeside.so")
    (system / "libbeside.so").write_text("")
    library = tmp_path / "libintelocl.so"
    monkeypatch.setattr(ocl_devices, "SYSTEM_VENDORS", system)
    monkeypatch.setattr(ocl_devices, "_intel_library", lambda: library)
    monkeypatch.delenv("OCL_ICD_VENDORS", raising=False)
    with ocl_devices._vendors():  # pyright: ignore
        folder = Path(os.environ["OCL_ICD_VENDORS"])
        found = {file.read_text().strip() for file in folder.glob("*.icd")}
    assert {
        "libnvidia-opencl.so.1",
        str(system / "libbeside.so"),
        str(library),
    } <= found
    assert "OCL_ICD_VENDORS" not in os.environ
    assert not folder.exists()


def test_a_choice_of_the_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCL_ICD_VENDORS", "/chosen")
    with ocl_devices._vendors():  # pyright: ignore
        assert os.environ["OCL_ICD_VENDORS"] == "/chosen"


def test_intels_driver_is_not_added_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "intel.icd").write_text("/opt/intel/libintelocl.so")
    monkeypatch.setattr(ocl_devices, "SYSTEM_VENDORS", tmp_path)
    monkeypatch.setattr(ocl_devices, "_intel_library", lambda: tmp_path / "x.so")
    monkeypatch.delenv("OCL_ICD_VENDORS", raising=False)
    with ocl_devices._vendors():  # pyright: ignore
        assert "OCL_ICD_VENDORS" not in os.environ
