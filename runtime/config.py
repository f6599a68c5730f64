"""
Settings of a loaded network, under OpenVINO's names.

| key                      | devices  | value                                              |
| ------------------------ | -------- | -------------------------------------------------- |
| INFERENCE_NUM_THREADS    | CPU, GPU | threads of one inference; 0 or unset: every CPU    |
|                          |          | this process may use. GPU: OpenCL on a CPU only    |
| PERFORMANCE_HINT         | CPU      | LATENCY (unset): calls take turns, each with all   |
|                          |          | threads. THROUGHPUT: each call runs on its caller  |
|                          |          | alone, as many at a time as there are threads      |
| INFERENCE_PRECISION_HINT | CPU, GPU | f32, which is what is computed anyway              |
| CACHE_DIR                | GPU      | folder for built programs                          |

A key that is not in the table is an error: a setting that does nothing misleads.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import SupportsIndex, cast

from .errors import DeviceError

MOST_THREADS = 1024


@dataclass(frozen=True)
class Config:
    """Checked settings. `threads` is None where nobody asked for a number."""

    threads: int | None = None
    side_by_side: bool = False
    cache_dir: Path | None = None


def parse_config(config: Mapping[str, object] | None, device: str) -> Config:
    """
    The settings in `config` for `device`, which is `CPU` or `GPU`.

    Raises:
        DeviceError: an unknown key or a value it cannot have. The message names it.
    """
    values: dict[str, object] = {}
    for key, value in (config or {}).items():
        name = str(key)
        if name not in KEYS or device not in KEYS[name].devices:
            raise DeviceError(_unknown(name, device))
        try:
            values |= KEYS[name].read(value)
        except (ValueError, TypeError) as error:
            raise DeviceError(f"{name}: {value!r} is not {KEYS[name].expects}") from (
                error
            )
    hint = values.pop("hint", "LATENCY")
    if hint == "THROUGHPUT":
        values["side_by_side"] = True
    return Config(**values)  # pyright: ignore[reportArgumentType]


def _unknown(name: str, device: str) -> str:
    known = [key for key in KEYS if device in KEYS[key].devices]
    near = get_close_matches(name.upper(), known, 1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return (
        f"{name}: not a setting of {device}.{guess} "
        f"It has {', '.join(known[:-1])} and {known[-1]}."
    )


@dataclass(frozen=True)
class Key:
    """One setting: who has it, what a value looks like, and its reader."""

    devices: tuple[str, ...]
    expects: str
    read: Callable[[object], dict[str, object]]


def _threads(value: object) -> dict[str, object]:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        number = int(value)
    else:
        number = operator.index(cast(SupportsIndex, value))
    if not 0 <= number <= MOST_THREADS:
        raise ValueError
    return {"threads": number} if number else {}


def _hint(value: object) -> dict[str, object]:
    text = str(getattr(value, "name", value)).upper()
    if text not in ("LATENCY", "THROUGHPUT"):
        raise ValueError
    return {"hint": text}


def _precision(value: object) -> dict[str, object]:
    if str(value).lower() not in ("f32", "float32", "<type: 'float32'>"):
        raise ValueError
    return {}


def _folder(value: object) -> dict[str, object]:
    return {"cache_dir": Path(os.fspath(cast("str | os.PathLike[str]", value)))}


BOTH = ("CPU", "GPU")
KEYS = {
    "INFERENCE_NUM_THREADS": Key(
        BOTH, f"a whole number from 0 to {MOST_THREADS}", _threads
    ),
    "PERFORMANCE_HINT": Key(("CPU",), "LATENCY or THROUGHPUT", _hint),
    "INFERENCE_PRECISION_HINT": Key(BOTH, "f32, the only precision here", _precision),
    "CACHE_DIR": Key(("GPU",), "a folder", _folder),
}


def available_cpus() -> int:
    """How many CPUs this process may use: its affinity mask and its cgroup's quota."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, math.ceil(int(quota) / int(period)))
    return max(1, count)
