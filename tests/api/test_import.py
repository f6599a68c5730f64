"""What importing and running load: nothing heavy, and never the compiler to run."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import ovc

LOADED = "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
HEAVY = {
    "llvmlite",
    "ml_dtypes",
    "numpy",
    "onnx",
    "PIL",
    "pyopencl",
    "rich",
    "typer",
    "xdsl",
}
API = Path(ovc.__file__).parent


def modules_after(code: str, *arguments: str) -> set[str]:
    """Top-level modules of a fresh process that ran `code`."""
    command = [sys.executable, "-c", f"{code}\n{LOADED}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_loads_nothing_heavy() -> None:
    assert not modules_after("import ovc; ovc.compile_model") & (HEAVY - {"numpy"})
    assert not modules_after("import ovc") & HEAVY


def test_running_an_artifact_loads_no_compiler(
    digits: ovc.CompiledModel, tmp_path: Path
) -> None:
    path = tmp_path / "digits.ovc"
    digits.export_model(path)
    code = (
        "import sys, numpy, ovc\n"
        "model = ovc.import_model(sys.argv[1], 'CPU')\n"
        "model(numpy.zeros((1, 1, 8, 8), numpy.float32))"
    )

    loaded = modules_after(code, str(path))

    assert not loaded & {"xdsl", "onnx", "google", "pyopencl", "typer", "rich"}


def test_the_version_is_the_package_s() -> None:
    assert ovc.__version__ == metadata.version("ovc-compiler")


def test_every_public_name_is_there() -> None:
    for name in ovc.__all__:
        assert getattr(ovc, name) is not None
    assert dir(ovc) == sorted(ovc.__all__)


def test_type_checkers_see_the_same_package() -> None:
    mirror = Path(__file__).resolve().parents[1] / "typecheck" / "ovc"
    modules = {path.name for path in API.glob("*.py")} - {"__main__.py"}

    assert {path.name for path in mirror.glob("*.py")} == modules
    for name in modules:
        assert (mirror / name).resolve() == (API / name).resolve()
