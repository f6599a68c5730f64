"""Running `ovc` in this process, and a compiled digit network to run it on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ovc
import pytest
from ovc.compiler import cli

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Runs `ovc` with the arguments given."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["ovc", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digit network, compiled for the CPU."""
    path = tmp_path_factory.mktemp("artifacts") / "digits.ovc"
    ovc.compile_model(EXAMPLES / "digits.onnx", "CPU").export_model(path)
    return path


@pytest.fixture
def model() -> Path:
    """The digit network as ONNX."""
    return EXAMPLES / "digits.onnx"


@pytest.fixture
def digit() -> Callable[[int], Path]:
    """The image of a digit that the network never saw."""
    return lambda number: EXAMPLES / "digits" / f"{number}.png"


@pytest.fixture
def labels() -> Path:
    """The names of the digits."""
    return EXAMPLES / "digits" / "labels.txt"
