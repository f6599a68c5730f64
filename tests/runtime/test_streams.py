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
