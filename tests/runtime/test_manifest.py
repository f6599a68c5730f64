"""Every field of a manifest is checked before anything follows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ovc.runtime.artifact import Artifact
from ovc.runtime.manifest import Malformed, dump, parse


@pytest.fixture
def record(tiny: Callable[..., Artifact]) -> dict[str, Any]:
    return json.loads(dump(tiny().manifest))


def test_round_trip(tiny: Callable[..., Artifact]) -> None:
    manifest = tiny().manifest
    assert parse(dump(manifest)) == manifest


def change(record: Any, path: list[Any], value: object) -> None:
    for key in path[:-1]:
        record = record[key]
    record[path[-1]] = value


CHANGES: list[tuple[list[Any], object, str]] = [
    (["format"], 2, "format is 2, this ovc reads 1"),
    (["format"], "1", "format is not an integer"),
    (["format"], True, "format is not an integer"),
    (["extra"], 1, "extra is unknown"),
    (["target"], None, "target is not a string"),
    (["facts"], [], "facts is not an object"),
    (["passes"], "fold", "passes is not a list"),
    (["passes"], [1], "passes[0] is not a string"),
    (["options"], None, "options is not an object"),
    (["entries"], {"code.o": 1}, "code.o is not a string"),
    (["source"], {}, "source.path is missing"),
    (["source", "date"], "", "source.date is unknown"),
    (["inputs"], {}, "inputs is not a list"),
    (["inputs", 0], 3, "inputs[0] is not an object"),
    (["inputs", 0, "name"], "", "inputs has an empty or repeated name"),
    (["outputs", 1, "name"], "y", "outputs has an empty or repeated name"),
    (["inputs", 0, "shape"], [16.0, 16], "inputs[0].shape[0] is not an integer"),
    (["inputs", 0, "shape"], [0, 16], "inputs[0].shape[0] is 0, out of range"),
    (["inputs", 0, "shape"], [-1], "inputs[0].shape[0] is -1, out of range"),
    (["inputs", 0, "shape"], [1 << 40, 1 << 40], "bytes, out of range"),
    (["inputs", 0, "shape"], [1], "launches[0].buffers[0] lies outside"),
    (["inputs", 0, "dtype"], "object", "inputs[0].dtype is 'object'"),
    (["inputs", 0, "dtype"], "<f4", "inputs[0].dtype is '<f4'"),
    (["arena_bytes"], -1, "arena_bytes is -1"),
    (["arena_bytes"], 2047, "launches[1].buffers[2] lies outside"),
    (["arena_bytes"], 1 << 60, "out of range"),
    (["weights_bytes"], 100, "weights[0] ends beyond"),
    (["weights", 0, "offset"], 1000, "weights[0] ends beyond the weights"),
    (["weights", 0, "sha256"], 0, "weights[0].sha256 is not a string"),
    (["kernels", 0, "name"], "system(1)", "not an identifier"),
    (["kernels", 0, "name"], "add", "kernels has an empty or repeated name"),
    (["kernels", 0, "buffers"], 2, "launches[0] has 3 buffers, not 2"),
    (["kernels", 0, "items"], 0, "kernels[0].items is 0"),
    (["launches", 0, "kernel"], 4, "launches[0].kernel is 4"),
    (["launches", 0, "kernel"], -1, "launches[0].kernel is -1"),
    (["launches", 0, "grid"], 0, "launches[0].grid is 0"),
    (["launches", 0, "parallel"], 1, "launches[0].parallel is not true or false"),
    (["launches", 0, "layers"], [None], "launches[0].layers[0] is not a string"),
    (["launches", 0, "buffers", 0], ["input", 0], "not [space, at, bytes]"),
    (["launches", 0, "buffers", 0], ["disk", 0, 4], "names the space 'disk'"),
    (["launches", 0, "buffers", 0], [[], 0, 4], "names the space []"),
    (["launches", 0, "buffers", 0], ["input", 1, 4], "lies outside"),
    (["launches", 0, "buffers", 0], ["input", 0, 1025], "lies outside"),
    (["launches", 0, "buffers", 1], ["weights", 1120, 4], "lies outside"),
    (["launches", 0, "buffers", 2], ["output", 2, 4], "lies outside"),
    (["launches", 0, "buffers", 2], ["arena", -4, 4], "out of range"),
]


@pytest.mark.parametrize(("path", "value", "message"), CHANGES)
def test_a_wrong_field(
    record: dict[str, Any], path: list[Any], value: object, message: str
) -> None:
    change(record, path, value)
    with pytest.raises(Malformed) as caught:
        parse(json.dumps(record).encode())
    assert message in str(caught.value)


def test_a_missing_field(record: dict[str, Any]) -> None:
    for key in list(record):
        without = {name: value for name, value in record.items() if name != key}
        with pytest.raises(Malformed, match=f"{key} is missing"):
            parse(json.dumps(without).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kernel", "buffers", "name"]), inner)
    ),
    max_leaves=8,
)


@given(st.data())
def test_only_malformed_is_raised(
    tiny: Callable[..., Artifact], data: st.DataObject
) -> None:
    record = json.loads(dump(tiny().manifest))
    path: list[Any] = []
    here: Any = record
    while (
        isinstance(here, (dict, list))
        and here
        and (not path or data.draw(st.booleans()))
    ):
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        path.append(data.draw(st.sampled_from(keys)))
        here = here[path[-1]]
    change(record, path, data.draw(JSON))
    with suppress(Malformed):
        parse(json.dumps(record).encode())


def test_text_that_is_not_json() -> None:
    for text in (b"", b"{", b"\xff", b"nul", b'{"a": ' * 5000):
        with pytest.raises(Malformed):
            parse(text)
