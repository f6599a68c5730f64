"""What every driver offers, and how calls share what it has few of."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from ..errors import DeviceError
from ..memory import Array

T = TypeVar("T")

CLOSED = "the network is closed: load it again"


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


class Turn(Generic[T]):
    """A call that waits, until its gate opens. Without a stream then: it is closed."""

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.stream: T | None = None


class Streams(Generic[T]):
    """
    What one call at a time may use (an arena, a queue), made as calls need it.

    At most `limit` exist. Calls beyond that wait in line: a stream goes from one call
    straight to the next, so that no thread starves beside one that calls in a loop.

    Where nobody waits a stream comes and goes without the lock. `free` changes in single
    steps; who gives a stream back looks for a line after that, and who joins the line
    looks for a free stream after that, so one of them sees the other.
    """

    def __init__(self, make: Callable[[], T], limit: int) -> None:
        self.make = make
        self.limit = limit
        self.closed = False
        self.reset()

    def reset(self) -> None:
        """Forget all streams, also those in use: the child of a fork has none."""
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.free: list[T] = []
        self.turns: deque[Turn[T]] = deque()
        self.made = 0
        self.ended = False
        self.barred = self.closed
        """Whether calls have to stop for the lock: it is closed, or ended."""

    def take(self) -> T:
        """
        A stream that is the caller's until it gives it back.

        Raises:
            DeviceError: the network is closed.
        """
        try:
            stream = self.free.pop()
        except IndexError:
            return self._line_up()
        if self.barred:
            self.give(stream)
            return self._line_up()
        return stream

    def _line_up(self) -> T:
        with self.lock:
            if self.closed:
                raise DeviceError(CLOSED)
            if not self.free and self.made < self.limit and not self.ended:
                stream = self.make()
                self.made += 1
                return stream
            turn: Turn[T] = Turn()
            self.turns.append(turn)
            self._serve()
        return self._wait(turn)

    def _wait(self, turn: Turn[T]) -> T:
        try:
            turn.gate.acquire()
        except BaseException:  # Ctrl-C
            with self.lock:
                if turn in self.turns:
                    self.turns.remove(turn)
                elif turn.stream is not None:
                    self.free.append(turn.stream)
                    self._serve()
            raise
        if turn.stream is None:
            raise DeviceError(CLOSED)
        return turn.stream

    def give(self, stream: T) -> None:
        """Give a stream back, to the first in line if there is a line."""
        if not self.turns:
            self.free.append(stream)
            if self.turns or self.barred:
                with self.lock:
                    self._serve()
            return
        with self.lock:
            self._pass_on(stream)

    def _pass_on(self, stream: T) -> None:
        if self.turns and not self.ended:
            turn = self.turns.popleft()
            turn.stream = stream
            turn.gate.release()
            return
        self.free.append(stream)
        self.changed.notify_all()

    def _serve(self) -> None:
        """Hand out what is free to those in line."""
        while self.turns and not self.ended:
            try:
                stream = self.free.pop()
            except IndexError:
                break
            self._pass_on(stream)
        if self.barred:
            self.changed.notify_all()

    def close(self) -> None:
        """Refuse calls from now on, also those in line, and wait for those under way."""
        with self.changed:
            self.closed = self.barred = True
            for turn in self.turns:
                turn.gate.release()
            self.turns.clear()
            self.changed.wait_for(self._emptied)

    def _emptied(self) -> bool:
        """Drop the streams that are back. A call that begins now may still take one."""
        while self.free:
            try:
                self.free.pop()
            except IndexError:
                break
            self.made -= 1
        return self.made == 0

    def drain(self, timeout: float) -> bool:
        """
        Wait for calls under way, and let later ones wait without end.

        Returns:
            False if a call took longer than `timeout` seconds.
        """
        with self.changed:
            self.ended = self.barred = True
            return self.changed.wait_for(self._idle, timeout)

    def _idle(self) -> bool:
        return len(self.free) == self.made
