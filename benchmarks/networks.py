"""Model files by path, or benchmark networks by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MATERIALIZE = ROOT.parent / "shared" / "bench-models" / "materialize.py"
CACHE = ROOT / "build" / "bench-models"


def known_networks() -> list[str]:
    """Names of the benchmark networks; none where their folder is absent."""
    folder = MATERIALIZE.parent / "topologies"
    return sorted(path.stem for path in folder.glob("*.onnx"))


def find(model: str) -> Path:
    """
    The file for a path or a network's name. A network is written once, with seeded
    random weights.

    Raises:
        SystemExit: there is neither such a file nor such a network.
    """
    path = Path(model)
    if path.is_file():
        return path
    if model not in known_networks():
        names = ", ".join(known_networks()) or "none here"
        raise SystemExit(
            f"{model}: no such file, and no network of that name ({names})"
        )
    path = CACHE / f"{model}.onnx"
    if not path.exists():
        command = [sys.executable, str(MATERIALIZE), str(CACHE), model]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path
