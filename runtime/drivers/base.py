"""What every driver offers, and how calls share what it has few of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from ..errors import DeviceError
from ..memory import Array

T = TypeVar("T")


class Driver(Protocol):
    """
    A network loaded on a device.

    `inputs` are contiguous arrays of the ports' shapes and types, in their order;
    they are only read. Calls may come from any number of threads at once.
    """

    device: str
    """For people: which device, and how it is used."""

    def infer(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs, in new arrays."""
        ...

    def profile(self, inputs: Sequence[Array]) -> list[float]:
        """Seconds of every launch of one inference."""
        ...

    def close(self) -> None:
        """Wait for calls to end and give everything back."""
        ...


class Streams(Generic[T]):
    """
    What one call at a time may use (an arena, a queue), made as calls need it.

    At most `limit` exist; a call beyond that waits for another to end.
    """

    def __init__(self, make: Callable[[], T], limit: int) -> None:
        self.make = make
        self.limit = limit
        self.closed = False
        self.reset()

    def reset(self) -> None:
        """Forget all streams, also those in use: the child of a fork has none."""
        self.free: list[T] = []
        self.permits = threading.Semaphore(self.limit)

    def take(self) -> T:
        self._check_open()
        self.permits.acquire()
        try:
            self._check_open()
            with suppress(IndexError):
                return self.free.pop()
            return self.make()
        except BaseException:
            self.permits.release()
            raise

    def _check_open(self) -> None:
        if self.closed:
            raise DeviceError("the network is closed: load it again")

    def give(self, stream: T) -> None:
        self.free.append(stream)
        self.permits.release()

    def close(self) -> None:
        """Refuse new calls and wait for those under way."""
        if self.closed:
            return
        self.closed = True
        self.drain()
        for _ in range(self.limit):
            self.permits.release()  # who waits for a stream learns that it is closed
        self.free.clear()

    def drain(self, timeout: float | None = None) -> bool:
        """
        Wait for calls under way, and let later ones wait without end.

        Returns:
            False if a call took longer than `timeout` seconds.
        """
        return all(
            self.permits.acquire(timeout=timeout)  # stops at the first that fails
            for _ in range(self.limit)
        )
