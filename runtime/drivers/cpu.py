"""
The CPU driver: loads object files with LLVM's linker and runs it on a few threads.

The object brings its own walk over the launch table and its own thread pool (see
`backends/cpu/support.py`, which also defines the layouts below), so an inference is
one foreign call. Python's part is memory: an arena per call that runs at the same
time, a table of pointers into it, and the addresses of the user's arrays.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import math
import os
import time
import weakref
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..artifact import Artifact
from ..config import Config, available_cpus
from ..errors import ArtifactError, DeviceError
from ..manifest import Launch, Manifest
from ..memory import Array, Bytes, Slab, address, aligned, allocate
from .base import Streams
from .objects import NotObjects, unpack
from .share import SHARES, Ways

llvm: Any = importlib.import_module("llvmlite.binding")  # it has no types

ABI = 2
"""Version of the layouts shared with the support code."""

(
    POOL_HELPERS,
    POOL_STARTED,
    POOL_SPIN,
    POOL_PATIENCE,
    POOL_TURN,
    POOL_PACE,
    POOL_MEMBERS,
) = range(384 // 8, 440 // 8)
"""Settings of a pool, in words of 8 bytes; all other fields begin as zeros."""

SLOTS_AT, SLOT_BYTES = 1024, 128
MEMBER_BYTES = 24

SPIN = 60_000
"""Nanoseconds for which a helper without work stays awake."""

PATIENCE = 20_000
"""Nanoseconds after which a caller that waits for helpers yields its core."""

TURN = 500_000
"""Nanoseconds after which a helper offers its core to others, between two chunks."""

PACE = 250_000
"""Nanoseconds between calls for helpers that found themselves on the caller's core."""

CHUNKS = 4
"""Pieces of a launch for each thread: fast threads take more of them than slow ones."""

MOST_RANGES = 1023

SMALLEST_CHUNK = 1000.0
"""Nanoseconds of work that are worth a claim."""

PLAN = 3
"""The column of the launch table where the plan stands, with what belongs to it."""

FLOPS_PER_NS, BYTES_PER_NS = 50.0, 10.0
"""What a thread does in a nanosecond, to know small launches from others."""

Words = npt.NDArray[np.uint64]


class Code:
    """The functions of an object file, linked into this process."""

    def __init__(self, artifact: Artifact) -> None:
        check_host(artifact)
        origin = artifact.origin
        try:
            objects = unpack(artifact.code)
        except NotObjects as error:
            raise ArtifactError(f"{origin}: {error}") from error
        try:
            machine = llvm.Target.from_default_triple().create_target_machine()
            self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
            for each in objects:
                self.engine.add_object_file(llvm.ObjectFileRef.from_data(each))
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
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        self.run, self.start, self.stop = (
            function(self.address(name))
            for name in ("ovc_run", "ovc_start", "ovc_stop")
        )

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
    """The helpers of a caller: a pool in memory, and threads that the code starts."""

    def __init__(self, code: Code, threads: int) -> None:
        self.code = code
        self.threads = threads
        slots = SLOTS_AT + SLOT_BYTES * threads
        self.memory = allocate(slots + MEMBER_BYTES * threads, 128)
        self.members = self.memory.ctypes.data + slots
        self.fields: Words = self.memory.view(np.uint64)
        self.address = self.memory.ctypes.data if threads > 1 else 0
        self.running = False

    def start(self) -> None:
        """Start helpers, as many as the system gives. One caller at a time."""
        self.running = True
        if not self.address:
            return
        self.fields[:] = 0
        self.fields[POOL_HELPERS] = self.threads - 1
        self.fields[POOL_SPIN] = SPIN
        self.fields[POOL_PATIENCE] = PATIENCE
        self.fields[POOL_TURN] = TURN
        self.fields[POOL_PACE] = PACE
        self.fields[POOL_MEMBERS] = self.members
        self.code.start(self.address)

    @property
    def helpers(self) -> int:
        """How many helpers there are."""
        return int(self.fields[POOL_STARTED]) if self.running else 0

    def forget(self) -> None:
        """The child of a fork has no helpers; its next call starts new ones."""
        self.running = False

    def close(self) -> None:
        if self.helpers:
            self.code.stop(self.address)
        self.running = False


class Stream:
    """Memory for one call at a time, and the launch table that points into it."""

    def __init__(self, team: Team, manifest: Manifest, weights: Bytes) -> None:
        self.team = team
        self.walk = team.code.run
        self.arena = allocate(manifest.arena_bytes)
        bases = {"arena": self.arena.ctypes.data, "weights": weights.ctypes.data}
        counts = [len(launch.buffers) for launch in manifest.launches]
        pointers: Words = np.zeros(sum(counts), np.uint64)
        slots: dict[str, list[list[int]]] = {
            "input": [[] for _ in manifest.inputs],
            "output": [[] for _ in manifest.outputs],
        }
        buffers = [each for launch in manifest.launches for each in launch.buffers]
        for slot, buffer in enumerate(buffers):
            if buffer.space in bases:
                pointers[slot] = bases[buffer.space] + buffer.at
            else:
                slots[buffer.space][buffer.at].append(slot)
        self.inputs = slots["input"]
        slabs = [Slab(port.shape, port.element) for port in manifest.outputs]
        self.outputs = list(zip(slots["output"], slabs, strict=True))
        self.pointers = pointers.data
        starts = pointers.ctypes.data + 8 * (np.cumsum([0, *counts])[:-1])
        self.table = _table(team, manifest, starts)
        self.plans = _plans(manifest, team.threads)
        self.ways = Ways(len(self.plans))
        self.way = 0
        self.times: Words = np.zeros(len(self.table) + 1, np.uint64)
        job = (self.table.ctypes.data, len(self.table), team.address)
        self.jobs: Words = np.array([[*job, 0], [*job, self.times.ctypes.data]], "u8")
        self.plain, self.timed = (row.ctypes.data for row in self.jobs)

    def run(self, inputs: Sequence[Array], *, times: bool = False) -> list[Array]:
        """The outputs for `inputs`, in new arrays."""
        pointers = self.pointers
        for port, array in enumerate(inputs):
            start = address(array)
            for slot in self.inputs[port]:
                pointers[slot] = start
        outputs: list[Array] = []
        for slots, slab in self.outputs:
            array, start = slab.make()
            for slot in slots:
                pointers[slot] = start
            outputs.append(array)
        if not self.team.running:
            self.team.start()
        if times:
            self.walk(self.timed)
        elif len(self.plans) == 1:
            self.walk(self.plain)
        else:
            self._share()
        return outputs

    def _share(self) -> None:
        """Run the launches in the way whose turn it is."""
        way = self.ways.next()
        if way != self.way:
            self.table[:, PLAN:] = self.plans[way]
            self.way = way
        start = time.perf_counter_ns()
        self.walk(self.plain)
        self.ways.took(way, time.perf_counter_ns() - start)


def _table(team: Team, manifest: Manifest, starts: npt.NDArray[Any]) -> Words:
    kernels = [team.code.address(kernel.name) for kernel in manifest.kernels]
    rows = [
        (kernels[launch.kernel], start, launch.grid, *plan(launch, team.threads))
        for launch, start in zip(manifest.launches, starts.tolist(), strict=True)
    ]
    return np.array(rows, np.uint64).reshape(-1, 6)


def _plans(manifest: Manifest, threads: int) -> list[Words]:
    """The last columns of the table for each way to share, those that differ."""
    plans: list[Words] = []
    for share in SHARES:
        rows = [plan(launch, threads, share) for launch in manifest.launches]
        words = np.array(rows, np.uint64).reshape(-1, 3)
        if not any(np.array_equal(words, known) for known in plans):
            plans.append(words)
    return plans


def plan(
    launch: Launch, threads: int, share: float = SHARES[0]
) -> tuple[int, int, int]:
    """Plan, chunk size and rest of a launch, as the support code reads them."""
    ranges, chunks = cut(launch, threads, share)
    size, rest = divmod(launch.grid, ranges * chunks)
    return ranges << 6 | chunks if ranges > 1 else 0, size, rest


def cut(launch: Launch, threads: int, share: float = SHARES[0]) -> tuple[int, int]:
    """
    How many ranges a launch has, and how many chunks each of them.

    Args:
        share: nanoseconds of work that are worth a thread.
    """
    if not launch.parallel or math.isinf(share):
        return 1, 1
    work = max(launch.flops / FLOPS_PER_NS, launch.bytes / BYTES_PER_NS) or math.inf
    worth = min(work / share, MOST_RANGES)
    ranges = max(1, min(threads, launch.grid, int(worth)))
    worth = min(work / ranges / SMALLEST_CHUNK, CHUNKS)
    return ranges, max(1, min(launch.grid // ranges, int(worth)))


class CpuDriver:
    """
    A network on the CPU.

    With several threads a call owns all of them, and calls take turns: two calls that
    share the CPUs end no sooner. With one thread calls run side by side.
    """

    def __init__(self, artifact: Artifact, config: Config) -> None:
        manifest = artifact.manifest
        code, weights = Code(artifact), aligned(artifact.weights)
        threads, calls = _share(config, manifest.launches)
        self.device = f"CPU, {threads} thread{'s'[: threads != 1]} a call"
        self.team = Team(code, threads)
        # No reference to the driver itself, which is to end when nobody has it.
        make = functools.partial(_stream, self.team, manifest, weights)
        self.streams = Streams(make, calls)
        self.streams.give(self.streams.take())  # what can fail fails on loading
        _DRIVERS.add(self)
        self._end = weakref.finalize(self, _close, self.streams, self.team)

    def infer(self, inputs: Sequence[Array]) -> list[Array]:
        stream = self.streams.take()
        try:
            return stream.run(inputs)
        finally:
            self.streams.give(stream)

    def profile(self, inputs: Sequence[Array]) -> list[float]:
        stream = self.streams.take()
        try:
            stream.run(inputs, times=True)
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


def _stream(team: Team, manifest: Manifest, weights: Bytes) -> Stream:
    try:
        return Stream(team, manifest, weights)
    except MemoryError as error:
        raise DeviceError(f"{team.code.origin}: {error} for its arena") from error


def _close(streams: Streams[Stream], team: Team) -> None:
    """
    End the helpers: nobody has the driver any more, or the process ends.

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
