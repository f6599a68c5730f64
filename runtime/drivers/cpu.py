"""
The CPU driver: loads an object file with LLVM's linker and runs it on a few threads.

The object brings its own walk over the launch table and its own thread pool (see
`backends/cpu/support.py`, which also defines the layouts below), so an inference is
one foreign call. Python's part is memory: an arena per call that runs at the same
time, a table of pointers into it, and the addresses of the user's arrays.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import threading
import weakref
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..artifact import Artifact
from ..config import Config, available_cpus
from ..errors import ArtifactError, DeviceError
from ..manifest import Launch, Manifest
from ..memory import Array, Bytes, aligned, allocate, empty
from .base import Streams

llvm: Any = importlib.import_module("llvmlite.binding")  # it has no types

ABI = 1
"""Version of the layouts shared with the support code."""

OBJECT_MAGIC = (b"\x7fELF\2", b"\xcf\xfa\xed\xfe")
"""What 64-bit object files begin with: ELF, and Mach-O."""

POOL_BYTES = 256
POOL_THREADS, POOL_SPINS = 200 // 4, 204 // 4
JOB_LAUNCHES, JOB_COUNT, JOB_POOL, JOB_TIMES = range(4)

SPINS = {"x86_64": 20_000, "aarch64": 200_000}
"""Pauses, together a fraction of a millisecond, before a waiting thread sleeps."""

CROWDED_SPINS = 50
"""The same where threads outnumber CPUs: whoever spins keeps the others from work."""

Words = npt.NDArray[np.uint64]


class Code:
    """The functions of an object file, linked into this process."""

    def __init__(self, artifact: Artifact) -> None:
        check_host(artifact)
        origin = artifact.origin
        if not artifact.code.startswith(OBJECT_MAGIC):
            # LLVM would end the process on it.
            raise ArtifactError(f"{origin}: its code is not an object file")
        try:
            machine = llvm.Target.from_default_triple().create_target_machine()
            self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
            self.engine.add_object_file(llvm.ObjectFileRef.from_data(artifact.code))
            self.engine.finalize_object()
        except RuntimeError as error:
            raise ArtifactError(f"{origin}: its code cannot be loaded: {error}") from (
                error
            )
        self.origin = origin
        version = ctypes.c_int32.from_address(self.address("ovc_abi")).value
        if version != ABI:
            raise ArtifactError(
                f"{origin}: its code has version {version} and this ovc runs {ABI}: "
                "compile the model again"
            )
        pointer, integer = ctypes.c_void_p, ctypes.c_int32
        self.run = ctypes.CFUNCTYPE(None, pointer)(self.address("ovc_run"))
        self.work = ctypes.CFUNCTYPE(None, pointer, integer)(self.address("ovc_work"))
        self.stop = ctypes.CFUNCTYPE(None, pointer)(self.address("ovc_stop"))

    def address(self, name: str) -> int:
        address = self.engine.get_global_value_address(name)
        if not address:
            raise ArtifactError(f"{self.origin}: its code has no {name!r}")
        return address


def check_host(artifact: Artifact) -> None:
    """
    Refuse code for another kind of machine.

    Raises:
        DeviceError: another architecture or system, or CPU features missing here.
    """
    facts = artifact.manifest.facts
    triple, features = facts.get("triple"), facts.get("features", "")
    if not isinstance(triple, str) or not isinstance(features, str):
        raise ArtifactError(f"{artifact.origin}: does not say what CPU it is for")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()  # MCJIT asks for it, even to load an object
    here = llvm.get_process_triple()
    if _platform(triple) != _platform(here):
        raise DeviceError(
            f"{artifact.origin}: compiled for {triple} and this machine is {here}: "
            "compile the model on this machine"
        )
    host = cast("dict[str, bool]", dict(llvm.get_host_cpu_features()))
    wanted = [each[1:] for each in features.split(",") if each.startswith("+")]
    missing = [each for each in wanted if not host.get(each, True)]
    if missing:
        raise DeviceError(
            f"{artifact.origin}: compiled for a CPU with {', '.join(missing)}, which "
            "this one lacks: compile the model on this machine"
        )


def _platform(triple: str) -> tuple[str, bool]:
    parts = triple.split("-")
    return parts[0], "linux" in triple


class Team:
    """The caller and its helpers: a pool in memory and the workers' threads."""

    def __init__(self, code: Code, threads: int) -> None:
        self.code = code
        self.threads = threads
        self.memory = allocate(POOL_BYTES)
        self.workers: list[threading.Thread] = []

    @property
    def address(self) -> int:
        """The pool, or null for a caller without helpers. Starts missing workers."""
        if self.threads == 1:
            return 0
        if not self.workers:
            self._start()
        return self.memory.ctypes.data

    def _start(self) -> None:
        self.memory[:] = 0
        fields = self.memory.view(np.uint32)
        fields[POOL_THREADS] = self.threads
        architecture = llvm.get_process_triple().split("-")[0]
        crowded = self.threads > available_cpus()
        fields[POOL_SPINS] = CROWDED_SPINS if crowded else SPINS.get(architecture, 1000)
        for i in range(1, self.threads):
            arguments = (self.memory.ctypes.data, i)
            name = f"ovc-worker-{i}"
            worker = threading.Thread(
                target=self.code.work, args=arguments, name=name, daemon=True
            )
            self.workers.append(worker)
            worker.start()

    def forget(self) -> None:
        """The child of a fork has no workers; its next call starts new ones."""
        self.workers = []

    def close(self) -> None:
        if self.workers:
            self.code.stop(self.memory.ctypes.data)
        for worker in self.workers:
            worker.join()
        self.workers = []


class Stream:
    """Memory for one call at a time, and the launch table that points into it."""

    def __init__(self, code: Code, manifest: Manifest, weights: Bytes) -> None:
        self.arena = allocate(manifest.arena_bytes)
        bases = {"arena": self.arena.ctypes.data, "weights": weights.ctypes.data}
        counts = [len(launch.buffers) for launch in manifest.launches]
        self.pointers: Words = np.zeros(sum(counts), np.uint64)
        self.slots: list[int] = []
        self.ports: list[int] = []
        buffers = [each for launch in manifest.launches for each in launch.buffers]
        inputs = len(manifest.inputs)
        for slot, buffer in enumerate(buffers):
            if buffer.space in bases:
                self.pointers[slot] = bases[buffer.space] + buffer.at
                continue
            self.slots.append(slot)
            self.ports.append(buffer.at + (inputs if buffer.space == "output" else 0))
        starts = self.pointers.ctypes.data + 8 * (np.cumsum([0, *counts])[:-1])
        self.table = _table(code, manifest, starts)
        self.times: Words = np.zeros(len(self.table) + 1, np.uint64)
        self.job: Words = np.zeros(4, np.uint64)
        self.job[JOB_LAUNCHES] = self.table.ctypes.data
        self.job[JOB_COUNT] = len(self.table)
        self.job_address = self.job.ctypes.data

    def bind(self, arrays: Sequence[Array]) -> None:
        """Point the launches at the user's inputs and outputs."""
        addresses = np.array([each.ctypes.data for each in arrays], np.uint64)
        self.pointers[self.slots] = addresses[self.ports]

    def run(self, team: Team, times: bool) -> None:
        self.job[JOB_POOL] = team.address
        self.job[JOB_TIMES] = self.times.ctypes.data if times else 0
        team.code.run(self.job_address)


def _table(code: Code, manifest: Manifest, starts: npt.NDArray[Any]) -> Words:
    kernels = [code.address(kernel.name) for kernel in manifest.kernels]
    rows = [
        (kernels[launch.kernel], start, launch.grid, launch.parallel)
        for launch, start in zip(manifest.launches, starts.tolist(), strict=True)
    ]
    return np.array(rows, np.uint64).reshape(-1, 4)


class CpuDriver:
    """
    A network on the CPU.

    With several threads a call owns all of them, and calls take turns: two calls that
    share the CPUs end no sooner. With one thread calls run side by side.
    """

    def __init__(self, artifact: Artifact, config: Config) -> None:
        manifest = artifact.manifest
        code, weights = Code(artifact), aligned(artifact.weights)
        self.outputs = [(port.shape, port.element) for port in manifest.outputs]
        threads, calls = _share(config, manifest.launches)
        self.device = f"CPU, {threads} thread{'s'[: threads != 1]} a call"
        self.team = Team(code, threads)
        # No reference to the driver itself, which is to end when nobody has it.
        make = functools.partial(_stream, code, manifest, weights)
        self.streams = Streams(make, calls)
        self.streams.give(self.streams.take())  # what can fail fails on loading
        _DRIVERS.add(self)
        self._end = weakref.finalize(self, _close, self.streams, self.team)

    def infer(self, inputs: Sequence[Array]) -> list[Array]:
        outputs = [empty(shape, element) for shape, element in self.outputs]
        stream = self.streams.take()
        try:
            stream.bind([*inputs, *outputs])
            stream.run(self.team, times=False)
        finally:
            self.streams.give(stream)
        return outputs

    def profile(self, inputs: Sequence[Array]) -> list[float]:
        outputs = [empty(shape, element) for shape, element in self.outputs]
        stream = self.streams.take()
        try:
            stream.bind([*inputs, *outputs])
            stream.run(self.team, times=True)
            return (np.diff(stream.times) / 1e9).tolist()
        finally:
            self.streams.give(stream)

    def close(self) -> None:
        self.streams.close()
        self._end()


def _share(config: Config, launches: Sequence[Launch]) -> tuple[int, int]:
    """Threads of one call, and calls at one time."""
    cpus = available_cpus()
    threads = config.threads or cpus
    if config.side_by_side:
        return 1, threads
    widest = max((each.grid for each in launches if each.parallel), default=1)
    threads = min(threads, widest)
    return threads, cpus if threads == 1 else 1


def _stream(code: Code, manifest: Manifest, weights: Bytes) -> Stream:
    try:
        return Stream(code, manifest, weights)
    except MemoryError as error:
        raise DeviceError(f"{code.origin}: {error} for its arena") from error


def _close(streams: Streams[Stream], team: Team) -> None:
    """
    Send the workers home: nobody has the driver any more, or the process ends.

    At the end of a process a thread may still be in a call, and stays in it.
    """
    if streams.drain(timeout=1.0):
        team.close()


_DRIVERS: weakref.WeakSet[CpuDriver] = weakref.WeakSet()


def _after_fork() -> None:
    for driver in _DRIVERS:
        driver.streams.reset()
        driver.team.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
