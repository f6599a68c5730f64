"""Every message of the verifier has a case in one of the `*_invalid.mlir` files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCE = FOLDER.parent.parent.parent / "dialects" / "nn"

UNREACHED = {
    " has a negative size",  # nn.fill refers to its value by hash
    "roi has ",  # raised where the region is read: while it is evaluated
}
"""Messages without a case, with the reason."""


def messages() -> Iterator[tuple[str, list[str]]]:
    """Where each message is, and the fixed parts of it."""
    for file in sorted(SOURCE.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Raise(
                    exc=ast.Call(func=ast.Name(id="VerifyException"), args=[text])
                ):
                    yield f"{file.name}:{node.lineno}", parts(text)
                case _:
                    pass


def parts(text: ast.expr) -> list[str]:
    values = text.values if isinstance(text, ast.JoinedStr) else [text]
    return [
        v.value
        for v in values
        if isinstance(v, ast.Constant) and isinstance(v.value, str)
    ]


def test_every_message_has_a_case() -> None:
    lines = [
        line
        for file in FOLDER.glob("*_invalid.mlir")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("// CHECK")
    ]
    missing = [
        f"{place}: {' ... '.join(fixed)}"
        for place, fixed in messages()
        if not UNREACHED.intersection(fixed)
        and not any(all(part in line for part in fixed) for line in lines)
    ]

    assert not missing, "\n".join(missing)
