"""The CPU driver: right answers from any thread, any number of threads, any process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from ovc.backends.cpu import support
from ovc.runtime.artifact import Artifact, write_artifact
from ovc.runtime.config import available_cpus
from ovc.runtime.drivers import cpu
from ovc.runtime.drivers.cpu import CpuDriver
from ovc.runtime.errors import ArtifactError, DeviceError
from ovc.runtime.manifest import Kernel
from ovc.runtime.session import Session, load

Make = Callable[..., Artifact]
Numbers = Callable[..., np.ndarray]
Oracle = Callable[[np.ndarray], list[np.ndarray]]
Load = Callable[..., Session]

CONFIGS = [
    {"INFERENCE_NUM_THREADS": 1},
    {"INFERENCE_NUM_THREADS": 2},
    {"INFERENCE_NUM_THREADS": 5},
    {"PERFORMANCE_HINT": "THROUGHPUT"},
    {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": 3},
    None,
]


@pytest.fixture
def loaded(tiny: Make) -> Iterator[Load]:
    sessions: list[Session] = []

    def make(threads: int | None = None, **changes: object) -> Session:
        config = {"INFERENCE_NUM_THREADS": threads or 0}
        sessions.append(load(tiny(**changes), "CPU", config))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def driver(session: Session) -> CpuDriver:
    assert isinstance(session.driver, CpuDriver)
    return session.driver


def check(session: Session, x: np.ndarray, expected: Oracle) -> None:
    for result, wanted in zip(session(x), expected(x), strict=True):
        np.testing.assert_array_equal(result, wanted)


def workers() -> int:
    return sum(each.name.startswith("ovc-worker") for each in threading.enumerate())


@pytest.mark.parametrize("config", CONFIGS)
def test_answers(tiny: Make, sample: Numbers, expected: Oracle, config: object) -> None:
    session = load(tiny(), "CPU", config)  # pyright: ignore
    for seed in range(50):
        check(session, sample(seed), expected)
    session.close()


def test_answers_from_a_file(
    tiny: Make, sample: Numbers, expected: Oracle, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.ovc"
    write_artifact(path, tiny())
    session = load(path)
    check(session, sample(), expected)
    assert session.device.startswith("CPU")
    session.close()


def test_bits_do_not_depend_on_threads(loaded: Load) -> None:
    x = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    wanted = loaded(1)(x)
    for threads in range(2, 10):
        for result, other in zip(loaded(threads)(x), wanted, strict=True):
            assert result.tobytes() == other.tobytes()


def test_uneven_shares(loaded: Load, sample: Numbers, expected: Oracle) -> None:
    for blocks in (1, 2, 3, 7):
        session = loaded(4, size=16 * blocks)
        check(session, sample(size=16 * blocks), expected)


def test_threads_are_those_asked_for(loaded: Load) -> None:
    before = workers()
    assert driver(loaded(3)).team.threads == 3
    assert driver(loaded(64)).team.threads == 16, "no launch has more points"
    assert driver(loaded()).team.threads == available_cpus()
    assert workers() == before, "workers start with the first call"


@pytest.mark.parametrize("config", CONFIGS)
def test_calls_from_many_threads(
    tiny: Make, sample: Numbers, expected: Oracle, config: object
) -> None:
    session = load(tiny(), "CPU", config)  # pyright: ignore
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for i in range(40):
                check(session, sample(100 * seed + i), expected)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()
    assert not failures


def test_two_networks_at_once(loaded: Load, sample: Numbers, expected: Oracle) -> None:
    first, second = loaded(2), loaded(3, size=64)
    for seed in range(100):
        check(first, sample(seed), expected)
        check(second, sample(seed, size=64), expected)


def test_workers_sleep_and_wake(
    loaded: Load, sample: Numbers, expected: Oracle
) -> None:
    session = loaded(3)
    check(session, sample(), expected)
    sleepers = driver(session).team.memory.view(np.uint32)[1:2]
    for seed in range(20):
        deadline = time.monotonic() + 60
        while sleepers[0] < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert sleepers[0] == 2
        check(session, sample(seed), expected)


def test_workers_that_never_spin(
    loaded: Load, sample: Numbers, expected: Oracle
) -> None:
    """Every wait goes to sleep at once: the hardest order for wake-ups."""
    session = loaded(4)
    check(session, sample(), expected)
    driver(session).team.memory.view(np.uint32)[cpu.POOL_SPINS] = 0
    for seed in range(500):
        check(session, sample(seed), expected)


def test_a_system_without_futexes(
    tiny: Make, sample: Numbers, expected: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "FUTEX", {})
    text = support.support_ir(llvm.get_process_triple())
    assert "@syscall" not in text
    session = load(tiny(support=text), "CPU", {"INFERENCE_NUM_THREADS": 3})
    check(session, sample(), expected)
    driver(session).team.memory.view(np.uint32)[cpu.POOL_SPINS] = 0
    for seed in range(50):
        check(session, sample(seed), expected)
    session.close()


def test_phases_wrap_around(loaded: Load, sample: Numbers, expected: Oracle) -> None:
    session = loaded(3)
    check(session, sample(), expected)
    fields = driver(session).team.memory.view(np.uint32)
    fields[64 // 4] = 0xFFFFFFF0  # the phase, which nobody reads between calls
    for seed in range(40):
        check(session, sample(seed), expected)
    assert fields[64 // 4] < 0xFFFFFFF0


def test_profile(loaded: Load, sample: Numbers) -> None:
    for threads in (1, 2):
        times = loaded(threads).profile(sample())
        assert [each.layers for each in times] == [("a",), ("b",), ("c", "d"), ("e",)]
        assert [each.kernel for each in times] == ["double", "running", "add", "pick"]
        assert all(each.seconds >= 0 for each in times)


def test_results_are_new_arrays(loaded: Load, sample: Numbers) -> None:
    session = loaded(2)
    first = session(sample(1))
    kept = [each.copy() for each in first]
    session(sample(2))
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_inputs_of_any_layout(loaded: Load, sample: Numbers, expected: Oracle) -> None:
    session, x = loaded(2), sample()
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    unaligned[...] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    wide = np.zeros((16, 32), np.float32)
    wide[:, ::2] = x
    for each in (
        np.asfortranarray(x),
        wide[:, ::2],
        unaligned,
        frozen,
        x.astype(">f4"),
    ):
        for result, wanted in zip(session(each), expected(x), strict=True):
            np.testing.assert_array_equal(result, wanted)


def test_closing_ends_the_workers(
    loaded: Load, sample: Numbers, expected: Oracle
) -> None:
    before = workers()
    session = loaded(3)
    check(session, sample(), expected)
    assert workers() == before + 2
    session.close()
    session.close()
    assert workers() == before
    with pytest.raises(DeviceError, match="closed"):
        session(sample())


def test_forgetting_ends_the_workers(tiny: Make, sample: Numbers) -> None:
    before = workers()
    session = load(tiny(), "CPU", {"INFERENCE_NUM_THREADS": 3})
    session(sample())
    del session
    gc.collect()
    assert workers() == before


def in_child(work: Callable[[], None]) -> bool:
    """Whether `work` succeeds in a fork of this process."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 3])
def test_fork(loaded: Load, sample: Numbers, expected: Oracle, threads: int) -> None:
    session = loaded(threads)
    check(session, sample(), expected)

    def work() -> None:
        for seed in range(5):
            check(session, sample(seed), expected)
        session.close()

    assert in_child(work)
    assert in_child(lambda: None), "a child that never calls"
    check(session, sample(), expected)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_in_the_middle_of_calls(
    loaded: Load, sample: Numbers, expected: Oracle
) -> None:
    session = loaded(2)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            session(sample())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        results = [
            in_child(lambda: check(session, sample(), expected)) for _ in range(10)
        ]
    finally:
        stop.set()
        thread.join()
    assert all(results)


EXIT = """
import sys, threading, time
import numpy as np
from ovc.runtime.session import load
session = load(sys.argv[1], "CPU", {"INFERENCE_NUM_THREADS": 3})
x = np.zeros((16, 16), np.float32)
def forever():
    while True:
        session(x)
if sys.argv[2] == "busy":
    threading.Thread(target=forever, daemon=True).start()
for _ in range(20):
    session(x)
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_exit(tiny: Make, tmp_path: Path, state: str) -> None:
    path = tmp_path / "tiny.ovc"
    write_artifact(path, tiny())
    command = [sys.executable, "-c", EXIT, str(path), state]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_code_for_another_machine(tiny: Make) -> None:
    artifact = tiny(facts={"triple": "sparc64-unknown-linux-gnu", "features": ""})
    with pytest.raises(DeviceError, match=r"^tiny.onnx: compiled for sparc64"):
        load(artifact)


def test_code_for_a_better_machine(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"avx9": False})
    facts = {"triple": llvm.get_process_triple(), "features": "+avx9,-sse,+tuning"}
    with pytest.raises(DeviceError, match="a CPU with avx9, which"):
        load(tiny(facts=facts))


def test_code_that_does_not_say_for_what(tiny: Make) -> None:
    with pytest.raises(ArtifactError, match="does not say what CPU"):
        load(tiny(facts={}))


def test_code_without_a_kernel(tiny: Make) -> None:
    kernels = (Kernel("gone", 3), *tiny().manifest.kernels[1:])
    with pytest.raises(ArtifactError, match="its code has no 'gone'"):
        load(tiny(kernels=kernels))


def test_code_of_another_version(tiny: Make) -> None:
    text = support.support_ir(llvm.get_process_triple())
    other = text.replace("@ovc_abi = constant i32 1", "@ovc_abi = constant i32 9")
    with pytest.raises(ArtifactError, match="its code has version 9"):
        load(tiny(support=other))


def test_code_that_is_none(tiny: Make) -> None:
    with pytest.raises(ArtifactError, match="its code is not an object"):
        load(replace(tiny(), code=b"not an object file"))


def test_an_arena_without_end(tiny: Make) -> None:
    with pytest.raises(DeviceError, match="for its arena"):
        load(tiny(arena_bytes=(1 << 48) - 1))


def test_no_launches(tiny: Make, sample: Numbers) -> None:
    session = load(tiny(launches=()), "CPU", {"INFERENCE_NUM_THREADS": 2})
    assert len(session(sample())) == 2
    assert session.profile(sample()) == []
