"""The rules of the house that no type checker knows."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = ("compiler", "dialects", "backends", "runtime")
CHECKED = (*LIBRARY, "tests", "benchmarks", "examples", "docs")

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "compiler/api": ("compiler/api", "compiler", "runtime"),
    "compiler": (
        "compiler",
        "backends",
        "dialects",
        "runtime/artifact",
        "runtime/errors",
    ),
    "backends": ("backends", "dialects"),
    "dialects": ("dialects",),
    "runtime": ("runtime",),
}
"""Who may import what inside the library; the longest matching prefix decides."""

THIRD_PARTY: dict[str, frozenset[str]] = {
    "dialects": frozenset({"xdsl", "numpy", "ml_dtypes"}),
    "runtime": frozenset({"numpy", "ml_dtypes", "llvmlite", "pyopencl"}),
}
"""What folders at the bottom may use besides the standard library."""

COMMAND_LINE = ("compiler/cli", "compiler/commands", "compiler/__main__")
"""The command line is a user of the public face: it may import what `api` may."""

LONGEST = 400
LONGER: dict[str, int] = {
    "dialects/kernel/nest.py": 440,
    "dialects/nn/__init__.py": 420,
    "runtime/manifest.py": 420,
}
"""Files that may be longer, with the number of lines they may have."""

MACHINE_PATH = re.compile(r"(?<![\w.~/])/(?:work|root|home|tmp)(?:/|\b)")


def library_files() -> list[Path]:
    files = [p for folder in LIBRARY for p in (ROOT / folder).rglob("*.py")]
    return sorted(p.relative_to(ROOT) for p in files)


def tracked_files() -> list[Path]:
    """Files that are in git or would be."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / line for line in listing.stdout.splitlines())
    return [p for p in paths if p.is_file() and not p.is_symlink()]


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """
    Line and target of every import: `/`-separated from the root when it is ours, a
    package's name otherwise.
    """
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name.split(".")[0]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                first, _, inner = module.partition(".")
                for alias in names if first == "ovc" else []:
                    path = resolve(Path("ovc"), inner.replace(".", "/"), alias.name)
                    yield node.lineno, path
                if first != "ovc":
                    yield node.lineno, first
            case ast.ImportFrom(module=module, names=names, level=level):
                base = anchor(file, level)
                inner = (module or "").replace(".", "/")
                for alias in names:
                    yield node.lineno, resolve(base, inner, alias.name)
            case _:
                pass


def anchor(file: Path, level: int) -> Path:
    """The folder that a relative import starts from; `compiler/api` is `ovc` itself."""
    package = ["ovc", *file.parent.parts]
    if file.parts[:2] == ("compiler", "api"):
        package = ["ovc", *file.parent.parts[2:]]
    package = package[: len(package) - level + 1]
    return Path(*package)


def resolve(base: Path, module: str, name: str) -> str:
    """The file or folder that `from <base>.<module> import <name>` reads."""
    parts = [*base.parts[1:], *(module.split("/") if module else [])]
    if not parts or parts[0] not in LIBRARY:
        parts = ["compiler", "api", *parts] if name not in LIBRARY else parts
    target = Path(*parts, name) if parts else Path(name)
    known = (ROOT / target).is_dir() or (ROOT / target).with_suffix(".py").is_file()
    return (target if known else Path(*parts)).as_posix()


def owner(path: str) -> str:
    """The row of `MAY_IMPORT` for a file or folder."""
    if path.startswith(COMMAND_LINE):
        return "compiler/api"
    return max((p for p in MAY_IMPORT if is_inside(path, p)), key=len)


def is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def may_import(source: str, target: str) -> bool:
    """Whether the row of `source` allows `target`."""
    row = owner(source)
    if row != "compiler/api" and is_inside(target, "compiler/api"):
        return False
    return any(is_inside(target, allowed) for allowed in MAY_IMPORT[row])


def test_imports_point_down() -> None:
    wrong = [
        f"{file}:{line} imports {target}"
        for file in library_files()
        for line, target in imports(file)
        if target.split("/")[0] in LIBRARY and not may_import(file.as_posix(), target)
    ]

    assert not wrong, "\n".join(wrong)


def test_inside_the_library_imports_are_relative() -> None:
    wrong = [
        f"{file}:{node.lineno}"
        for file in library_files()
        if owner(file.as_posix()) != "compiler/api"
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "ovc" in (getattr(node, "module", None) or node.names[0].name).split(".")
        and not getattr(node, "level", 0)
    ]

    assert not wrong, "\n".join(wrong)


def test_lower_folders_use_few_packages() -> None:
    import sys

    wrong = [
        f"{file}:{line} imports {target}"
        for file in library_files()
        for line, target in imports(file)
        if (allowed := THIRD_PARTY.get(file.parts[0])) is not None
        and "/" not in target
        and target not in LIBRARY
        and target not in sys.stdlib_module_names
        and target not in allowed
    ]

    assert not wrong, "\n".join(wrong)


def test_only_drivers_use_device_libraries() -> None:
    wrong = [
        f"{file}:{line} imports {target}"
        for file in library_files()
        for line, target in imports(file)
        if target in ("llvmlite", "pyopencl")
        and file.parts[0] == "runtime"
        and file.parts[1] != "drivers"
    ]

    assert not wrong, "\n".join(wrong)


def test_every_folder_is_packaged() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    folders = {f.parent.as_posix() for f in library_files() if f.name == "__init__.py"}
    names = {
        "ovc" if f == "compiler/api" else "ovc." + f.replace("/", ".") for f in folders
    }

    assert sorted(listed) == sorted(n.replace("ovc.compiler.api", "ovc") for n in names)


def test_every_folder_has_an_init() -> None:
    missing = {
        f.parent.as_posix()
        for f in library_files()
        if not (ROOT / f.parent / "__init__.py").is_file()
    }

    assert not missing


def test_files_are_short() -> None:
    long = {
        file.as_posix(): count
        for file in library_files()
        if (count := len((ROOT / file).read_text(encoding="utf-8").splitlines()))
        > LONGER.get(file.as_posix(), LONGEST)
    }

    assert not long


def test_no_machine_paths() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}: {match.group()}"
        for file in tracked_files()
        if file.suffix in {".py", ".md", ".toml", ".mlir", ".yml", ".cl", ""}
        and file != Path(__file__)
        for match in MACHINE_PATH.finditer(
            file.read_text(encoding="utf-8", errors="replace")
        )
    ]

    assert not wrong, "\n".join(wrong)
