"""
The OpenCL driver: builds a program for the device at hand and enqueues its launches.

Calls that run at the same time have a stream each: a queue, an arena, buffers for
inputs and outputs, and one kernel object per launch with all arguments set, since
kernel objects hold arguments. Weights are uploaded once; a CPU device reads them, and
the arena, where they lie.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..artifact import PAGE, Artifact
from ..config import Config
from ..errors import ArtifactError, DeviceError
from ..memory import Array, Bytes, aligned, allocate, empty
from .base import Streams
from .ocl_devices import POCL, device_type, find_device, load_pyopencl
from .ocl_programs import build_program, check_options, first_line

CALLS = 2
"""Calls at one time: one computes while another one's arrays travel."""

DEFAULT_OPTIONS = ["-cl-std=CL1.2"]


@contextmanager
def _reporting(origin: str) -> Generator[None]:
    """Turn what OpenCL raises into one sentence."""
    cl = load_pyopencl()
    try:
        yield
    except cl.Error as error:
        raise DeviceError(f"{origin}: OpenCL: {first_line(error)}") from error
    except MemoryError as error:
        raise DeviceError(f"{origin}: {error} for its buffers") from error


@functools.cache
def _context(name: str, threads: int | None) -> Any:
    """A context on the device `name`, of which a CPU may be cut to some threads."""
    cl = load_pyopencl()
    device = find_device(name)
    if threads is not None:
        if device_type(device) != "cpu":
            raise DeviceError(f"{name}: INFERENCE_NUM_THREADS is for CPUs, not for it")
        if threads < device.max_compute_units:
            by_counts = cl.device_partition_property.BY_COUNTS
            (device,) = device.create_sub_devices([by_counts, threads, 0])
    return cl.Context([device])


class Shared:
    """What all streams of a network use: program, weights, and how to make buffers."""

    def __init__(self, artifact: Artifact, name: str, config: Config) -> None:
        self.cl = load_pyopencl()
        self.manifest = artifact.manifest
        self.context = _context(name, config.threads)
        self.device = self.context.devices[0]
        self.in_place = device_type(self.device) == "cpu"
        options = artifact.manifest.facts.get("build_options", DEFAULT_OPTIONS)
        self.program = build_program(
            self.context,
            artifact.code,
            check_options(artifact.origin, options),
            config.cache_dir,
            artifact.origin,
        )
        self._check(artifact.origin)
        self.weights = self._upload(artifact.weights)

    def _check(self, origin: str) -> None:
        names = set(self.program.get_info(self.cl.program_info.KERNEL_NAMES).split(";"))
        for kernel in self.manifest.kernels:
            if kernel.name not in names:
                raise ArtifactError(f"{origin}: its code has no {kernel.name!r}")
            if kernel.items > self.device.max_work_group_size:
                raise DeviceError(
                    f"{origin}: compiled for groups of {kernel.items} work items and "
                    f"{self.device.name.strip()} allows "
                    f"{self.device.max_work_group_size}: compile the model for it"
                )

    def _upload(self, weights: Bytes) -> Any:
        flags = self.cl.mem_flags
        if not weights.size:
            return self.buffer(0)
        place = flags.USE_HOST_PTR if self.in_place else flags.COPY_HOST_PTR
        data = aligned(weights, PAGE) if self.in_place else weights
        return self.cl.Buffer(self.context, flags.READ_ONLY | place, hostbuf=data)

    def buffer(self, size: int) -> Any:
        """A buffer of at least `size` bytes; OpenCL has none of no bytes."""
        flags, size = self.cl.mem_flags, max(size, 1)
        if not self.in_place:
            return self.cl.Buffer(self.context, flags.READ_WRITE, size)
        memory = allocate(size, PAGE)
        return self.cl.Buffer(
            self.context, flags.READ_WRITE | flags.USE_HOST_PTR, hostbuf=memory
        )


class Stream:
    """What one call at a time may use."""

    def __init__(self, shared: Shared, profiling: bool = False) -> None:
        cl, manifest = shared.cl, shared.manifest
        self.cl = cl
        properties = cl.command_queue_properties.PROFILING_ENABLE if profiling else 0
        self.queue = cl.CommandQueue(shared.context, properties=properties)
        self.arena = shared.buffer(manifest.arena_bytes)
        self.inputs = [shared.buffer(port.bytes) for port in manifest.inputs]
        self.outputs = [shared.buffer(port.bytes) for port in manifest.outputs]
        bases = {"arena": self.arena, "weights": shared.weights}
        ports = {"input": self.inputs, "output": self.outputs}
        self.launches: list[tuple[Any, tuple[int], tuple[int]]] = []
        for launch in manifest.launches:
            description = manifest.kernels[launch.kernel]
            kernel = cl.Kernel(shared.program, description.name)
            arguments: list[Any] = []
            for buffer in launch.buffers:
                if buffer.space in bases:
                    arguments += [bases[buffer.space], np.uint64(buffer.at)]
                else:
                    arguments += [ports[buffer.space][buffer.at], np.uint64(0)]
            kernel.set_args(*arguments)
            items = description.items
            self.launches.append((kernel, (launch.grid * items,), (items,)))

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> list[Any]:
        """Compute `outputs`; returns the events of the launches."""
        cl, queue = self.cl, self.queue
        try:
            for buffer, array in zip(self.inputs, inputs, strict=True):
                if array.size:
                    cl.enqueue_copy(queue, buffer, array, is_blocking=False)
            enqueue = cl.enqueue_nd_range_kernel
            events = [enqueue(queue, *launch) for launch in self.launches]
            for array, buffer in zip(outputs, self.outputs, strict=True):
                cl.enqueue_copy(queue, array, buffer, is_blocking=False)
        finally:
            queue.finish()  # until then the device may touch the arrays
        return events


class OclDriver:
    """A network on an OpenCL device."""

    def __init__(self, artifact: Artifact, config: Config, device: str = "GPU") -> None:
        self.origin = artifact.origin
        self.process = os.getpid()
        with _reporting(self.origin):
            self.shared = Shared(artifact, device, config)
            self.device = f"{device}, {self.shared.device.name.strip()}"
            self.streams = Streams(functools.partial(_stream, self.shared), CALLS)
            self.streams.give(self.streams.take())  # what can fail fails on loading
            if self.shared.device.platform.name == POCL:
                self._warm()

    def _warm(self) -> None:
        """PoCL compiles a kernel at its first launch."""
        ports = self.shared.manifest.inputs
        self.infer([np.zeros(port.shape, port.element) for port in ports])

    def infer(self, inputs: Sequence[Array]) -> list[Array]:
        self._check_process()
        outputs = self._outputs()
        with _reporting(self.origin):
            stream = self.streams.take()
            try:
                stream.run(inputs, outputs)
            finally:
                self.streams.give(stream)
        return outputs

    def profile(self, inputs: Sequence[Array]) -> list[float]:
        self._check_process()
        with _reporting(self.origin):
            stream = Stream(self.shared, profiling=True)
            stream.run(inputs, self._outputs())
            events = stream.run(inputs, self._outputs())
            return [(each.profile.end - each.profile.start) / 1e9 for each in events]

    def _outputs(self) -> list[Array]:
        ports = self.shared.manifest.outputs
        return [empty(port.shape, port.element) for port in ports]

    def _check_process(self) -> None:
        if os.getpid() != self.process:
            raise DeviceError(
                f"{self.origin}: OpenCL does not survive a fork: load the network "
                "in the new process, or start it by 'spawn'"
            )

    def close(self) -> None:
        self.streams.close()


def _stream(shared: Shared) -> Stream:
    return Stream(shared)
