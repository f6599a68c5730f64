"""Index algebra: what is put together or found out holds wherever the counters stand."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from ovc.dialects.kernel.affine import Linear, window_of

SIZES = {"a": 3, "b": 4, "c": 24}

COUNTERS = {name: Linear.of(name, size) for name, size in SIZES.items()}

POINTS = [
    dict(zip(SIZES, point, strict=True))
    for point in product(*map(range, SIZES.values()))
]


@st.composite
def places(draw: st.DrawFn) -> Linear:
    """Multiples of counters, of their quotients and of quotients of those."""
    total = Linear((), draw(st.integers(0, 20)))
    for _ in range(draw(st.integers(1, 4))):
        term = COUNTERS[draw(st.sampled_from(sorted(COUNTERS)))]
        for _ in range(draw(st.integers(0, 2))):
            divisor = draw(st.sampled_from([2, 3, 4]))
            term = term // divisor if draw(st.booleans()) else term % divisor
        total = total + term * draw(st.sampled_from([1, 2, 4, 8]))
    return total


@given(places())
def test_what_is_joined_keeps_its_value(place: Linear) -> None:
    joined = place.joined()

    assert all(place.evaluate(p.get) == joined.evaluate(p.get) for p in POINTS)  # type: ignore[arg-type]


def test_remainders_of_a_quotient_are_joined() -> None:
    c = COUNTERS["c"]

    assert ((c // 2 % 4) * 2 + c % 2).joined() == c % 8
    assert ((c // 2 % 4) * 6 + (c % 2) * 3).joined() == (c % 8) * 3
    assert ((c // 2) * 2 + c % 2).joined() == c
    apart = (c // 2 % 4) * 4 + c % 2
    assert apart.joined() == apart


@given(st.lists(st.integers(0, 15), min_size=4, max_size=4), places())
def test_all_lanes_lie_in_the_window(lanes: list[int], place: Linear) -> None:
    found = window_of([place + lane for lane in lanes], frozenset("ab"))
    if found is None:
        return

    length, moving = found
    starts: dict[tuple[tuple[str, int], ...], set[int]] = {}
    for point in POINTS:
        still = tuple((k, v) for k, v in point.items() if k not in moving)
        at = place.evaluate(point.__getitem__)  # type: ignore[arg-type]
        starts.setdefault(still, set()).update((at + lane) // length for lane in lanes)
    assert length <= 4
    assert all(len(windows) == 1 for windows in starts.values())


def test_the_window_of_repeated_lanes_is_aligned() -> None:
    block, inner = COUNTERS["c"] * 4, COUNTERS["a"]

    assert window_of([block + lane for lane in (0, 0, 1, 1)]) == (2, frozenset())
    assert window_of([block + lane for lane in (0, 0, 2, 2)]) == (4, frozenset())
    assert window_of([block + lane for lane in (0, 0, 4, 4)]) is None
    assert window_of([block + inner + lane for lane in (0, 0, 0, 1)]) is None
    moved = [block + inner + lane for lane in (0, 0, 0, 1)]
    assert window_of(moved, frozenset("a")) == (4, frozenset("a"))
    assert window_of([block + inner + 2] * 4, frozenset("a")) is None
    assert window_of([block, block + inner, block, block]) is None
