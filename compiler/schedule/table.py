"""
What the tuner found, in a file that people can read.

    {"format": 1, "schedules": {"9f…": {"kernel": "conv_3 over oc = 64, …",
     "cpu": "znver4", "schedule": "parallel oh, …", "microseconds": 11.2, …}}}

A key is a digest of the kernel's text, which holds its shapes, of the processor and of the
version of ovc. An entry is a choice and never a matter of right or wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from xdsl.dialects.builtin import StringAttr
from xdsl.utils.exceptions import VerifyException

from ...backends.target import Target
from ...dialects.kernel.nest import NestOp, ScheduleAttr
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


@dataclass
class Table:
    """The entries of a file."""

    path: Path
    version: str
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    used: int = 0
    """How many nests got their schedule from here."""

    @staticmethod
    def read(folder: Path, version: str) -> Table:
        """The table in a cache folder; empty when there is none that can be read."""
        table = Table(folder / SCHEDULES, version)
        with suppress(OSError, ValueError, TypeError):
            record: Any = json.loads(table.path.read_text(encoding="utf-8"))
            if record["format"] == FORMAT:
                rows = cast("dict[str, dict[str, Any]]", record["schedules"])
                table.entries = {key: Entry(**row) for key, row in rows.items()}
        return table

    def write(self) -> None:
        """Write the file, all of it or nothing, with what others wrote meanwhile."""
        there = Table.read(self.path.parent, self.version).entries
        rows = {key: asdict(e) for key, e in sorted((there | self.entries).items())}
        text = json.dumps({"format": FORMAT, "schedules": rows}, indent=1)
        part = self.path.with_name(f"{secrets.token_hex(8)}.part")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, self.path)

    def key(self, nest: NestOp, target: Target) -> str:
        """What the choice for `nest`, whose dimensions are collapsed, depends on."""
        copy = nest.clone()
        copy.properties["sym_name"] = StringAttr("kernel")
        copy.properties["schedule"] = ScheduleAttr.of("")
        facts = json.dumps(target.facts(), sort_keys=True)
        return hashlib.sha256(f"{self.version}\n{facts}\n{copy}".encode()).hexdigest()

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
            return None
        finally:
            nest.properties["schedule"] = before
        self.used += 1
        return ScheduleAttr.of(entry.schedule)
