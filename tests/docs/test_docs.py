"""
Every code block of README.md and docs/ runs.

A page's blocks run in order, in one folder, where `examples` is the project's. Python
blocks share their names; `bash` blocks must end with 0; `mlir` blocks must parse and
verify. `shell` blocks are the commands of a fresh clone, which one slow test runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(r"^```(?P<kind>\S*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = {"text", "mermaid", "json", "c", "toml", "make", "shell", "opencl", "llvm"}
"""Kinds that are not run here."""


@dataclass(frozen=True)
class Block:
    """A code block and where it stands."""

    kind: str
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All code blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(match["kind"], match["code"], text.count("\n", 0, match.start()) + 1)
        for match in BLOCK.finditer(text)
    ]


def run_python(block: Block, page: Path, names: dict[str, object]) -> None:
    """Run in this process; lines in tracebacks are those of the page."""
    source = "\n" * block.line + block.code
    exec(compile(source, str(page), "exec", dont_inherit=True), names)


def run_bash(block: Block, folder: Path) -> None:
    """Run with this environment's programs first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block.code}\n{done.stdout}\n{done.stderr}"


def run_mlir(block: Block) -> None:
    """Parse and verify."""
    from ovc.compiler.registry import make_context
    from xdsl.parser import Parser

    Parser(make_context(), block.code).parse_module().verify()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem.replace("-", "_")}
    for block in blocks(page):
        match block.kind:
            case "python":
                run_python(block, page, names)
            case "bash":
                run_bash(block, tmp_path)
            case "mlir":
                run_mlir(block)
            case kind:
                assert kind in SHOWN, f"{page.name}:{block.line}: what is '{kind}'?"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths(page: Path) -> None:
    text = page.read_text()

    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    folders = "compiler|dialects|backends|runtime|tests|benchmarks|examples|docs"
    for path in re.findall(rf"`((?:{folders})/[\w/.-]*)`", text):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


@pytest.mark.slow
def test_the_two_commands_in_a_fresh_clone(tmp_path: Path) -> None:
    """`make demo` does what the README says, from tracked files and nothing else."""
    clone = tmp_path / "ovc"
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name, follow_symlinks=False)
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}

    (commands,) = (b.code for b in blocks(ROOT / "README.md") if b.kind == "shell")
    assert [line.split("#")[0].strip() for line in commands.splitlines()] == [
        "make demo",
        "make test",
    ]
    demo = ["make", "demo"]
    done = subprocess.run(
        demo, cwd=clone, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-4000:]
    assert "agree on 360 of 360" in done.stdout
    collect = ["make", "test", "PYTEST=--collect-only"]
    done = subprocess.run(
        collect, cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
