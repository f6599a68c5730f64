"""OpenVINO's wheel installs a script `ovc` too: say once which of the two is which."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from .console import messages, note

ENTRY_POINT = "ovc.compiler.cli"
"""What our script imports."""


def warn_of_shadowing() -> None:
    """One sentence on a terminal, once for each environment, if there are two `ovc`."""
    sentence = conflict(Path(sys.argv[0]).name)
    if sentence is None or not messages().is_terminal:
        return
    stamp = _stamp()
    if not stamp.exists():
        note(sentence, style="yellow")
        with suppress(OSError):
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.touch()


def conflict(started_as: str) -> str | None:
    """
    What to know about the scripts named `ovc`; None when there is only ours.

    Args:
        started_as: the name this process was started by, `ovc` for our script.
    """
    if started_as == "ovc":
        if find_spec("openvino") is None:
            return None
        return "OpenVINO is installed too; its own ovc is: python -m openvino.tools.ovc"
    script = shutil.which("ovc")
    if script is None or _is_ours(Path(script)):
        return None
    return f"{script} belongs to another package; this ovc is: python -m ovc"


def _is_ours(script: Path) -> bool:
    with suppress(OSError):
        return ENTRY_POINT.encode() in script.read_bytes()[:100_000]
    return True


def _stamp() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    environment = sys.prefix.strip("/\\").replace(os.sep, "_").replace(":", "")
    return Path(cache, "ovc", f"two-scripts-{environment}")
