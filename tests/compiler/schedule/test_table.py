"""What was tuned survives everything that may happen to a file, and is never believed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels import matmul
from ovc.backends.target import Target
from ovc.compiler.cache import SCHEDULES
from ovc.compiler.schedule.collapse import collapse
from ovc.compiler.schedule.table import Entry, LayerTimes, Table
from ovc.compiler.targets import find_target
from ovc.dialects.kernel.nest import NestOp
from ovc.runtime.errors import CompileError

TARGET = find_target("cpu:x86-64-v3")
SCHEDULE = "serial m by 2, unroll m, vector n by 4"


def entry(schedule: str = SCHEDULE) -> Entry:
    return Entry("matmul over m = 6", "x86-64-v3", "1", schedule, 1.5, "", 2.0)


def times() -> LayerTimes:
    ways = {"direct": 3.0, "F(2x2)": 2.0}
    return LayerTimes("a layer", "x86-64-v3", "1", ways, dict(ways))


def nest() -> NestOp:
    found = matmul(6, 8, 3).nest
    collapse(found)
    return found


def written(folder: Path, target: Target = TARGET, version: str = "1") -> Table:
    """A table on disk that knows `nest()`."""
    table = Table(folder / SCHEDULES, version)
    table.entries[table.key(nest(), target)] = entry()
    table.layers["a" * 64] = times()
    table.write()
    return table


def test_what_is_written_is_read(tmp_path: Path) -> None:
    table = written(tmp_path)

    again = Table.read(tmp_path, "1")

    assert again.entries == table.entries
    assert again.layers == table.layers
    assert str(again.schedule(nest(), TARGET)) == SCHEDULE
    assert again.used == 1
    assert [path.name for path in tmp_path.iterdir()] == [SCHEDULES]


def test_it_is_for_people(tmp_path: Path) -> None:
    written(tmp_path)

    record = json.loads((tmp_path / SCHEDULES).read_text())

    (schedule,) = record["schedules"].values()
    assert schedule["kernel"] == "matmul over m = 6"
    assert schedule["schedule"] == SCHEDULE
    (layer,) = record["algorithms"].values()
    assert layer["microseconds"] == {"direct": 3.0, "F(2x2)": 2.0}


def test_tables_of_two_processes_are_joined(tmp_path: Path) -> None:
    first, second = Table.read(tmp_path, "1"), Table.read(tmp_path, "1")
    first.entries["a"] = second.entries["b"] = entry()
    first.layers["c"] = second.layers["d"] = times()

    first.write()
    second.write()

    assert set(Table.read(tmp_path, "1").entries) == {"a", "b"}
    assert set(Table.read(tmp_path, "1").layers) == {"c", "d"}


@pytest.mark.parametrize("other", ["version", "cpu", "kernel"])
def test_other_versions_processors_and_kernels_find_nothing(
    other: str, tmp_path: Path
) -> None:
    written(tmp_path)
    table = Table.read(tmp_path, "2" if other == "version" else "1")
    target = find_target("cpu:x86-64-v4") if other == "cpu" else TARGET
    found = matmul(7, 8, 3).nest if other == "kernel" else nest()
    collapse(found)

    assert table.schedule(found, target) is None
    assert table.used == 0


def test_a_name_does_not_matter(tmp_path: Path) -> None:
    from xdsl.dialects.builtin import StringAttr

    table = written(tmp_path)
    renamed = nest()
    renamed.properties["sym_name"] = StringAttr("another")

    assert table.schedule(renamed, TARGET) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schedule",
        "sideways m by 2",
        "serial nowhere by 2",
        "serial m by 0",
        "serial m by -3",
        "serial m by many",
        "vector m by 4, vector n by 4",
        "unroll m by 4, serial m by 3",
    ],
)
def test_a_schedule_that_does_not_fit_is_not_used(text: str, tmp_path: Path) -> None:
    table = written(tmp_path)
    (key,) = table.entries
    table.entries[key] = entry(text)
    asked = nest()
    before = str(asked)

    found = table.schedule(asked, TARGET)

    assert str(asked) == before
    if found is not None:  # nothing is wrong with it
        asked.properties["schedule"] = found
        asked.verify()


@given(data=st.data())
def test_a_damaged_file_is_no_table(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    written(folder)
    content = bytearray((folder / SCHEDULES).read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(
                st.integers(0, 255)
            )
    (folder / SCHEDULES).write_bytes(content)

    table = Table.read(folder, "1")

    table.schedule(nest(), TARGET)
    written(folder)
    assert Table.read(folder, "1").schedule(nest(), TARGET) is not None


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        7,
        "text",
        {},
        {"format": 2, "schedules": {}},
        {"format": 1},
        {"format": 1, "schedules": [], "algorithms": 3},
        {"format": 1, "schedules": {"a": None}, "algorithms": {"b": []}},
        {"format": 1, "schedules": {"a": {"kernel": "only"}}},
    ],
    ids=str,
)
def test_other_content_is_an_empty_table(record: Any, tmp_path: Path) -> None:
    (tmp_path / SCHEDULES).write_text(json.dumps(record))

    assert Table.read(tmp_path, "1").is_empty


@pytest.mark.parametrize("field", ["schedule", "microseconds", "extra", "missing"])
def test_one_damaged_entry_leaves_the_others(field: str, tmp_path: Path) -> None:
    table = written(tmp_path)
    table.entries["second"] = replace(entry(), kernel="second")
    table.write()
    record = json.loads((tmp_path / SCHEDULES).read_text())
    row = record["schedules"]["second"]
    if field == "missing":
        del row["cpu"]
    else:
        row[field] = [1]
    (tmp_path / SCHEDULES).write_text(json.dumps(record))

    assert len(Table.read(tmp_path, "1").entries) == 1


@pytest.mark.parametrize("value", [None, [], {}, {"direct": "fast"}])
def test_damaged_times_of_a_layer_are_left_out(value: Any, tmp_path: Path) -> None:
    written(tmp_path)
    record = json.loads((tmp_path / SCHEDULES).read_text())
    next(iter(record["algorithms"].values()))["busy_microseconds"] = value
    (tmp_path / SCHEDULES).write_text(json.dumps(record))

    assert not Table.read(tmp_path, "1").layers


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CompileError, match="what was tuned cannot be kept"):
        Table(tmp_path / "file" / SCHEDULES, "1").write()
