"""The examples of docs/optimizer.md: the first text becomes the second."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.printer import Printer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "optimizer.md").read_text()
EXAMPLE = re.compile(
    r"```mlir\n(?P<before>.*?)```\n\n`(?P<passes>[^`\n]+)`:\n\n```mlir\n(?P<after>.*?)```",
    re.DOTALL,
)
EXAMPLES = list(EXAMPLE.finditer(PAGE))


def parsed(text: str) -> ModuleOp:
    return Parser(make_context(), text).parse_module()


def printed(module: ModuleOp) -> str:
    stream = StringIO()
    for op in module.ops:
        Printer(stream).print_op(op)
        stream.write("\n")
    return stream.getvalue()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e["passes"])
def test_the_first_text_becomes_the_second(example: re.Match[str]) -> None:
    module = parsed(example["before"])

    parse_pipeline(example["passes"], PASSES).run(
        module, make_context(), verify_each=True
    )

    assert printed(module) == example["after"]


def test_every_pass_of_the_table_has_an_example() -> None:
    named = re.findall(r"^\| \[([\w-]+)\]", PAGE, re.MULTILINE)

    assert len(named) == 16
    for name in named:
        assert any(e["passes"].startswith(name) for e in EXAMPLES), name
