"""
What the tuner found, in a file that people can read.

    {"format": 1,
     "schedules": {"9f…": {"kernel": "conv_3 over oc = 64, …", "cpu": "znver4",
                           "schedule": "parallel oh, …", "microseconds": 11.2, …}},
     "algorithms": {"07…": {"layer": "3x3 convolution of 64 channels to 64, …",
                            "microseconds": {"direct": 2010.0, "F(2x2)": 1003.1, …},
                            "busy_microseconds": …, …}}}

A key is a digest of the kernel's text, which holds its shapes, or of the layer's, of the
processor and of the version of ovc. An entry is a choice and never a matter of right or
wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from xdsl.dialects.builtin import StringAttr
from xdsl.utils.exceptions import VerifyException

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp
from ...dialects.kernel.schedule import ScheduleAttr
from ...runtime.errors import CompileError
from ..cache import SCHEDULES

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """The schedule chosen for one kernel, and the one that it would have had."""

    kernel: str
    cpu: str
    ovc: str
    schedule: str
    microseconds: float
    untuned: str
    untuned_microseconds: float


@dataclass(frozen=True)
class LayerTimes:
    """How long one layer takes in each way to compute it."""

    layer: str
    cpu: str
    ovc: str
    microseconds: dict[str, float]
    busy_microseconds: dict[str, float]
    """While all processors of the machine are at work."""

    @property
    def costs(self) -> dict[str, float]:
        """What each way costs: the product, so that neither time counts for more."""
        busy = self.busy_microseconds
        return {
            way: t * busy[way] for way, t in self.microseconds.items() if way in busy
        }


@dataclass
class Table:
    """The entries of a file."""

    path: Path
    version: str
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    layers: dict[str, LayerTimes] = field(default_factory=dict[str, LayerTimes])
    used: int = 0
    """How many nests got their schedule from here."""
    layers_used: int = 0
    """How many layers were computed as the times here say."""

    @staticmethod
    def read(folder: Path, version: str) -> Table:
        """The table in a cache folder; what cannot be read of it is left out."""
        table = Table(folder / SCHEDULES, version)
        record: Any = None
        with suppress(OSError, ValueError, RecursionError):
            record = json.loads(table.path.read_text(encoding="utf-8"))
        if isinstance(record, dict):
            known = cast("dict[str, Any]", record)
            if known.get("format") == FORMAT:
                table.entries = _rows(known.get("schedules"), Entry)
                table.layers = _rows(known.get("algorithms"), LayerTimes)
        return table

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found yet."""
        return not self.entries and not self.layers

    def write(self) -> None:
        """
        Write the file, all of it or nothing, with what others wrote meanwhile.

        Raises:
            CompileError: it cannot be written.
        """
        there = Table.read(self.path.parent, self.version)
        record = {
            "format": FORMAT,
            "schedules": _records(there.entries | self.entries),
            "algorithms": _records(there.layers | self.layers),
        }
        part = self.path.with_name(f"{secrets.token_hex(8)}.part")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            os.replace(part, self.path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            reason = error.strerror or str(error)
            raise CompileError(
                f"{self.path}: what was tuned cannot be kept: {reason}"
            ) from error

    def key(self, nest: NestOp, target: Target) -> str:
        """What the choice for `nest`, whose dimensions are collapsed, depends on."""
        copy = nest.clone()
        copy.properties["sym_name"] = StringAttr("kernel")
        copy.properties["schedule"] = ScheduleAttr.of("")
        return self.digest(str(copy), target)

    def digest(self, text: str, target: Target) -> str:
        """The key of what `text` describes, on this processor."""
        facts = json.dumps(target.facts(), sort_keys=True)
        return hashlib.sha256(f"{self.version}\n{facts}\n{text}".encode()).hexdigest()

    def schedule(self, nest: NestOp, target: Target) -> ScheduleAttr | None:
        """The schedule found for `nest`, if there is one and it fits."""
        entry = self.entries.get(self.key(nest, target)) if self.entries else None
        if entry is None:
            return None
        before = nest.schedule
        try:
            nest.properties["schedule"] = ScheduleAttr.of(entry.schedule)
            nest.verify_()
        except (ValueError, IndexError, VerifyException):
            return None  # the file was edited
        finally:
            nest.properties["schedule"] = before
        self.used += 1
        return ScheduleAttr.of(entry.schedule)


Row = TypeVar("Row", Entry, LayerTimes)


def _rows(record: object, kind: type[Row]) -> dict[str, Row]:
    """The entries of one kind in what a file holds; those that are damaged apart."""
    rows: dict[str, Row] = {}
    if isinstance(record, dict):
        for key, values in cast("dict[str, Any]", record).items():
            with suppress(TypeError, ValueError):
                rows[key] = _checked(kind(**values))
    return rows


def _checked(row: Row) -> Row:
    """
    The same row.

    Raises:
        ValueError: a value has another type than its field.
    """
    for each in fields(row):
        value = getattr(row, each.name)
        if "micro" in each.name and isinstance(row, LayerTimes):
            times = cast("dict[str, object]", value if isinstance(value, dict) else {})
            if not times or not all(isinstance(t, int | float) for t in times.values()):
                raise ValueError(each.name)
        elif not isinstance(value, float | int if "micro" in each.name else str):
            raise ValueError(each.name)
    return row


def _records(rows: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    """The entries for JSON, by key."""
    return {key: asdict(row) for key, row in sorted(rows.items())}
