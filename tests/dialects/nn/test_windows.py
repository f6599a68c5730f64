"""Which windows see which taps, counted one by one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from ovc.dialects.nn.phases import phases_of, ranges_of
from ovc.dialects.nn.windows import Window

small = st.integers(1, 5)
WINDOWS = st.builds(
    Window,
    input=st.integers(1, 12),
    output=st.integers(1, 12),
    kernel=small,
    stride=small,
    dilation=small,
    begin=st.integers(0, 9),
)


def pairs(window: Window) -> set[tuple[int, int]]:
    """Outputs and the taps at which they see the input."""
    return {
        (output, tap)
        for output in range(window.output)
        for tap in range(window.kernel)
        if 0 <= window.at(output, tap) < window.input  # type: ignore[arg-type]
    }


@given(WINDOWS)
def test_windows_of_every_tap(window: Window) -> None:
    taps = range(window.kernel)
    assert pairs(window) == {(o, t) for t in taps for o in window.windows_at(t)}


@given(WINDOWS)
def test_taps_of_every_window(window: Window) -> None:
    outputs = range(window.output)
    assert pairs(window) == {(o, t) for o in outputs for t in window.taps_of(o)}


@given(WINDOWS)
def test_ranges_hold_what_sees_the_input(window: Window) -> None:
    ranges = ranges_of(window)

    assert [r.start for r in ranges[1:]] == [r.start + r.outputs for r in ranges[:-1]]
    assert sum(r.outputs for r in ranges) == window.output
    assert pairs(window) == {
        (r.start + o, r.first + t)
        for r in ranges
        for o in range(r.outputs)
        for t in range(r.taps)
    }
    assert all((a.first, a.taps) != (b.first, b.taps) for a, b in pairwise(ranges))


@given(WINDOWS)
def test_phases_hold_what_is_written(window: Window) -> None:
    """Input `q` of the transpose gives output `q * stride + t * dilation - begin`."""
    found: list[tuple[int, int, int]] = []
    outputs: list[int] = []
    for phase in phases_of(window):
        for q in range(phase.outputs):
            output = q * phase.stride + phase.remainder
            outputs.append(output)
            for t in range(phase.taps):
                at = q * phase.ahead + phase.start - t * phase.back
                assert at in phase.seen
                if 0 <= at < window.output:
                    tap = phase.first + t * phase.step + q * phase.along
                    found.append((at, tap, output))

    assert sorted(outputs) == list(range(window.input))
    assert sorted(found) == sorted(
        (q, tap, window.at(q, tap))
        for q, tap in pairs(window)  # type: ignore[arg-type]
    )
