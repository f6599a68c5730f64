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
from ovc.backends.cpu import support, system
from ovc.runtime.artifact import Artifact, write_artifact
from ovc.runtime.config import available_cpus
from ovc.runtime.drivers import cpu
from ovc.runtime.drivers.cpu import CpuDriver
from ovc.runtime.errors import ArtifactError, DeviceError
from ovc.runtime.manifest import Buffer, Kernel, Launch, Port
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


def helpers() -> int:
    """Threads of this process that Python knows nothing of."""
    return len(os.listdir("/proc/self/task")) - threading.active_count()


def settings(session: Session) -> np.ndarray:
    """The pool of a session, in words of 8 bytes."""
    return driver(session).team.fields


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert condition()


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
    before = helpers()
    assert driver(loaded(3)).team.threads == 3
    assert driver(loaded(64)).team.threads == 16, "no launch has more points"
    assert driver(loaded()).team.threads == available_cpus()
    assert helpers() == before, "helpers start with the first call"


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


def test_helpers_sleep_and_wake(
    loaded: Load, sample: Numbers, expected: Oracle
) -> None:
    session = loaded(3)
    check(session, sample(), expected)
    sleeping = driver(session).team.memory.view(np.uint32)[128 // 4 :]
    for seed in range(20):
        wait_until(lambda: bool(sleeping[0]))
        check(session, sample(seed), expected)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_helpers_that_never_spin(
    loaded: Load, sample: Numbers, expected: Oracle, threads: int
) -> None:
    """Every wait goes to sleep at once: the hardest order for wake-ups."""
    session = loaded(threads)
    check(session, sample(), expected)
    fields = settings(session)
    fields[[cpu.POOL_SPIN, cpu.POOL_TURN, cpu.POOL_PACE, cpu.POOL_PATIENCE]] = 0
    for seed in range(500):
        check(session, sample(seed), expected)


def test_helpers_that_never_sleep(
    loaded: Load, sample: Numbers, expected: Oracle
) -> None:
    session = loaded(4)
    check(session, sample(), expected)
    settings(session)[cpu.POOL_SPIN] = 1 << 62
    for seed in range(200):
        check(session, sample(seed), expected)


def test_a_caller_without_helpers(
    loaded: Load, sample: Numbers, expected: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses threads: the caller does all work and waits for nobody."""
    session = loaded(4)
    team = driver(session).team
    monkeypatch.setattr(team.code, "start", lambda _: None)
    for seed in range(20):
        check(session, sample(seed), expected)
    assert team.helpers == 0


def test_the_caller_works_alone_for_a_while(
    loaded: Load, sample: Numbers, expected: Oracle
) -> None:
    session = loaded(2)
    check(session, sample(), expected)
    fields = settings(session)
    launches, alone_until = fields[256 // 8 :], fields[264 // 8 :]
    alone_until[0] = time.monotonic_ns() + (1 << 60)
    before = int(launches[0])
    check(session, sample(1), expected)
    assert launches[0] == before, "nothing is published"
    alone_until[0] = 1
    check(session, sample(2), expected)
    assert launches[0] == before + 2
    assert alone_until[0] == 0 or alone_until[0] > 1


def test_a_system_without_futexes(
    tiny: Make, sample: Numbers, expected: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "FUTEX", {})
    text = support.support_ir(llvm.get_process_triple())
    assert "@syscall" not in text
    session = load(tiny(support=text), "CPU", {"INFERENCE_NUM_THREADS": 3})
    check(session, sample(), expected)
    settings(session)[cpu.POOL_SPIN] = 0
    for seed in range(50):
        check(session, sample(seed), expected)
    session.close()


SLOW = """
declare i32 @usleep(i32)
declare i32 @sched_yield()

define void @NAME(ptr %buffers, i64 %begin, i64 %end) {
  %spread = mul i64 %begin, 2654435761
  %bits = lshr i64 %spread, 9
  %choice = and i64 %bits, 7
  switch i64 %choice, label %run [ i64 0, label %sleep
                                   i64 1, label %yield ]
sleep:
  %s = call i32 @usleep(i32 300)
  br label %run
yield:
  %y = call i32 @sched_yield()
  br label %run
run:
  call void @NAME_quick(ptr %buffers, i64 %begin, i64 %end)
  ret void
}
"""
"""A kernel in which some chunks take far longer than others."""


@pytest.mark.parametrize("spin", [0, 60_000])
@pytest.mark.parametrize("threads", [2, 5])
def test_threads_that_are_held_up(
    tiny: Make, sample: Numbers, expected: Oracle, spin: int, threads: int
) -> None:
    artifact = tiny(wrap=SLOW)
    sessions = [
        load(artifact, "CPU", {"INFERENCE_NUM_THREADS": threads}) for _ in range(2)
    ]
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for i in range(25):
                check(sessions[seed % 2], sample(100 * seed + i), expected)
        except BaseException as error:
            failures.append(error)

    for session in sessions:
        check(session, sample(), expected)
        settings(session)[cpu.POOL_SPIN] = spin
        settings(session)[cpu.POOL_TURN] = spin
    callers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for session in sessions:
        session.close()
    assert not failures


DELAYS = {
    "after reading a launch": (
        "  call void @ovc_share(ptr %pool, i64 %published, i64 %thread",
        "  %d = call i32 @usleep(i32 40)\n",
    ),
    "before claiming a chunk": (
        "  %swap = cmpxchg",
        "  %late = select i1 %helper, i32 20, i32 0\n  %d = call i32 @usleep(i32 %late)\n",
    ),
    "before falling asleep": (
        "  %again = load atomic i64, ptr %pool seq_cst",
        "  %d = call i32 @usleep(i32 20)\n",
    ),
}
"""Where the system may stop a helper for long: a place in the code, and a delay."""


@pytest.mark.parametrize("place", DELAYS)
def test_helpers_that_come_late(
    tiny: Make, sample: Numbers, expected: Oracle, place: str
) -> None:
    """They find another launch than the one they read, and take nothing from it."""
    before, delay = DELAYS[place]
    text = support.support_ir(llvm.get_process_triple())
    assert before in text
    text = "declare i32 @usleep(i32)\n" + text.replace(before, delay + before)
    session = load(tiny(support=text), "CPU", {"INFERENCE_NUM_THREADS": 4})
    check(session, sample(), expected)
    for spin in (0, 1 << 62):
        settings(session)[cpu.POOL_SPIN] = spin
        for seed in range(300):
            check(session, sample(seed), expected)
    session.close()


COUNT = """
define void @count(ptr %buffers, i64 %begin, i64 %end) {
entry:
  %counts = load ptr, ptr %buffers
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %at = getelementptr i64, ptr %counts, i64 %i
  %old = atomicrmw add ptr %at, i64 1 monotonic
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def test_every_grid_point_runs_once(tiny: Make) -> None:
    text = support.support_ir(llvm.get_process_triple()) + COUNT
    counts = Buffer("input", 0, 8 * 64)
    grids = [*range(1, 40), 61, 63]
    artifact = tiny(
        support=text,
        inputs=(Port("counts", (64,), "int64"),),
        kernels=(Kernel("count", 1),),
        launches=tuple(Launch(0, (counts,), grid) for grid in grids),
    )
    wanted = np.array([sum(grid > i for grid in grids) for i in range(64)])
    for threads in (1, 2, 3, 5, 8):
        session = load(artifact, "CPU", {"INFERENCE_NUM_THREADS": threads})
        found = np.zeros(64, np.int64)
        for _ in range(20):
            session(found)
        np.testing.assert_array_equal(found, 20 * wanted)
        session.close()


def test_launches_are_cut_by_their_work() -> None:
    def cut(grid: int, flops: int, threads: int = 4, parallel: bool = True) -> object:
        launch = Launch(0, (), grid, parallel, flops)
        return cpu.cut(launch, threads)

    assert cut(1000, 10**9) == (4, cpu.CHUNKS)
    assert cut(1000, 10**9, parallel=False) == (1, 1)
    assert cut(1000, 0) == (4, cpu.CHUNKS), "unknown work is much"
    assert cut(1000, 1000)[0] == 1, "not worth a thread"
    assert cut(3, 10**9) == (3, 1)
    assert cut(9, 10**9) == (4, 2)
    assert cut(10**6, 10**12, threads=1024) == (cpu.MOST_RANGES, cpu.CHUNKS)


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


def test_closing_ends_the_helpers(
    loaded: Load, sample: Numbers, expected: Oracle
) -> None:
    before = helpers()
    session = loaded(3)
    check(session, sample(), expected)
    assert helpers() == before + 2
    session.close()
    session.close()
    assert helpers() == before
    with pytest.raises(DeviceError, match="closed"):
        session(sample())


def test_forgetting_ends_the_helpers(tiny: Make, sample: Numbers) -> None:
    before = helpers()
    session = load(tiny(), "CPU", {"INFERENCE_NUM_THREADS": 3})
    session(sample())
    del session
    gc.collect()
    assert helpers() == before


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
    other = text.replace(f"constant i32 {support.ABI}", "constant i32 9")
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
