"""Calls share streams in the order in which they came."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pytest
from ovc.runtime.drivers.base import Streams
from ovc.runtime.errors import DeviceError


def counter() -> Callable[[], int]:
    return itertools.count().__next__


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert condition()


def test_streams_are_made_when_needed_and_kept() -> None:
    streams = Streams(counter(), 2)
    first = streams.take()
    second = streams.take()
    assert {first, second} == {0, 1}
    streams.give(first)
    assert streams.take() == first


def test_calls_wait_in_line() -> None:
    streams = Streams(counter(), 1)
    held = streams.take()
    order: list[int] = []

    def call(number: int) -> None:
        stream = streams.take()
        order.append(number)
        streams.give(stream)

    threads: list[threading.Thread] = []
    for number in range(5):
        threads.append(threading.Thread(target=call, args=(number,)))
        threads[-1].start()
        wait_until(lambda: len(streams.turns) == len(threads))
    streams.give(held)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert streams.made == 1


def test_a_stream_that_cannot_be_made_blocks_nobody() -> None:
    answers = iter([0, None, 1])

    def make() -> int:
        answer = next(answers)
        if answer is None:
            raise MemoryError
        return answer

    streams = Streams(make, 2)
    assert streams.take() == 0
    with pytest.raises(MemoryError):
        streams.take()
    assert streams.take() == 1


def test_closing_refuses_who_waits_and_waits_for_who_runs() -> None:
    streams = Streams(counter(), 1)
    held = streams.take()
    refused: list[str] = []

    def call() -> None:
        try:
            streams.take()
        except DeviceError as error:
            refused.append(str(error))

    waiting = threading.Thread(target=call)
    waiting.start()
    wait_until(lambda: len(streams.turns) == 1)
    closing = threading.Thread(target=streams.close)
    closing.start()
    waiting.join()
    assert closing.is_alive()
    assert refused == ["the network is closed: load it again"]
    streams.give(held)
    closing.join()
    streams.close()
    with pytest.raises(DeviceError, match="closed"):
        streams.take()


def test_draining() -> None:
    streams = Streams(counter(), 1)
    held = streams.take()
    assert not streams.drain(timeout=0.0)
    streams.give(held)
    assert streams.drain(timeout=0.0)


def test_a_reset_forgets_streams_in_use() -> None:
    streams = Streams(counter(), 1)
    streams.take()
    streams.reset()
    assert streams.take() == 1


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_streams_belong_to_one_call_at_a_time(limit: int) -> None:
    """Calls come and go while others join the line, and then all is closed."""
    streams = Streams(counter(), limit)
    holding: list[int] = []
    failures: list[str] = []
    calls = [0] * 6
    started = threading.Barrier(7)

    def work(number: int) -> None:
        started.wait()
        while True:
            try:
                stream = streams.take()
            except DeviceError:
                return
            if stream in holding:
                failures.append("taken twice")
            holding.append(stream)
            if calls[number] % 7 == 0:
                time.sleep(0)  # another thread comes in the middle of a call
            holding.remove(stream)
            calls[number] += 1
            streams.give(stream)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    started.wait()
    wait_until(lambda: min(calls) > 200)
    streams.close()
    assert not holding
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not failures
    streams.close()


class Interrupted(list[int]):
    """A list of free streams; something happens right after a step of it."""

    then: Callable[[], object] = staticmethod(lambda: None)

    def append(self, stream: int) -> None:
        super().append(stream)
        self._interrupt()

    def pop(self, *_: object) -> int:
        try:
            return super().pop()
        finally:
            self._interrupt()

    def _interrupt(self) -> None:
        then, self.then = self.then, lambda: None
        then()


def test_who_joins_the_line_while_a_stream_comes_back_gets_it() -> None:
    streams = Streams(counter(), 1)
    held = streams.take()
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(streams.take()))

    def join() -> None:
        streams.free.clear()  # the thread comes before the stream is there
        waiting.start()
        wait_until(lambda: len(streams.turns) == 1)
        list[int].append(streams.free, held)

    streams.free = Interrupted()
    streams.free.then = join
    streams.give(held)
    waiting.join(60)
    assert found == [held]


def test_a_stream_that_comes_back_before_the_line_is_joined_is_found() -> None:
    streams = Streams(counter(), 1)
    held = streams.take()
    found: list[int] = []
    streams.free = Interrupted()
    streams.free.then = lambda: streams.give(held)
    waiting = threading.Thread(target=lambda: found.append(streams.take()), daemon=True)
    waiting.start()
    waiting.join(60)
    assert found == [held]


def test_a_call_that_begins_while_it_is_closed_is_refused() -> None:
    streams = Streams(counter(), 1)
    streams.give(streams.take())
    closing = threading.Thread(target=streams.close)

    def close() -> None:
        closing.start()
        wait_until(lambda: streams.closed)

    streams.free = Interrupted(streams.free)
    streams.free.then = close
    with pytest.raises(DeviceError, match="closed"):
        streams.take()
    closing.join(60)
    assert not closing.is_alive()
    assert streams.made == 0
    streams.close()
