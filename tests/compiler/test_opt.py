from __future__ import annotations

from pathlib import Path

import pytest
from ovc.compiler.opt import app
from typer.testing import CliRunner, Result

TEXT = """
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = nn.neg(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %y = nn.relu(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("act")
  func.return %y : tensor<2xf32>
}
"""

WRONG = TEXT.replace(
    "(tensor<2xf32>) -> tensor<2xf32> loc", "(tensor<2xf32>) -> tensor<3xf32> loc"
)
WRONG = WRONG.replace("return %y : tensor<2xf32>", "return %y : tensor<3xf32>")
WRONG = WRONG.replace(
    "(%x: tensor<2xf32>) -> tensor<2xf32>", "(%x: tensor<2xf32>) -> tensor<3xf32>"
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "network.mlir"
    path.write_text(TEXT)
    return str(path)


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text)


def test_a_pipeline_rewrites_the_text(file: str) -> None:
    result = run(file, "-p", "dce")

    assert result.exit_code == 0
    assert "nn.relu" in result.stdout
    assert "nn.neg" not in result.stdout


def test_a_dash_is_the_standard_input() -> None:
    assert "nn.relu" in run("-", text=TEXT).stdout


def test_the_output_is_input_again(file: str) -> None:
    once = run(file, "--locations").stdout

    assert run("-", "--locations", text=once).stdout == once


def test_statistics_do_not_mix_with_the_text(file: str) -> None:
    result = run(file, "-p", "dce,cse", "--stats")

    assert [line.split()[0] for line in result.stderr.splitlines()] == [
        "pass",
        "dce",
        "cse",
    ]
    assert "matches" not in result.stdout


def test_the_module_is_printed_after_a_pass(file: str) -> None:
    result = run(file, "-p", "cse,dce", "--print-ir-after", "cse")

    assert result.stdout.startswith("// IR after cse\nbuiltin.module")
    assert result.stdout.count("builtin.module") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "dec"], "did you mean 'dce'"),
        (["-p", "dce", "--print-ir-after", "cse"], "unknown pass or stage"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_exits_with_2(
    file: str, arguments: list[str], message: str
) -> None:
    result = run(file, *arguments)

    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_no_file_is_wrong_usage() -> None:
    assert run().exit_code == 2


def test_a_missing_file_exits_with_1(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none.mlir"))

    assert result.exit_code == 1
    assert "none.mlir cannot be read: No such file" in result.stderr


def test_a_binary_file_exits_with_1(tmp_path: Path) -> None:
    path = tmp_path / "binary.mlir"
    path.write_bytes(b"\xff\xfe\x00")

    result = run(str(path))

    assert result.exit_code == 1
    assert "not UTF-8" in result.stderr


def test_a_syntax_error_shows_the_place() -> None:
    result = run("-", text="func.func @main(\n  nonsense")

    assert result.exit_code == 1
    assert "<stdin>:2:3" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_module_that_does_not_verify_names_the_layer() -> None:
    result = run("-", text=WRONG)

    assert result.exit_code == 1
    assert 'does not verify: layer "act" (nn.relu): result has type' in result.stderr


def test_parts_of_a_file_are_taken_apart() -> None:
    text = f"{WRONG}\n// -----\n{TEXT}\n// -----\nnonsense"

    result = run("-", "--split-input-file", text=text)

    assert result.exit_code == 1
    assert result.stdout.count("builtin.module") == 1
    assert "<stdin>:17:" in result.stderr


def test_expected_errors_are_results() -> None:
    result = run("-", "--verify-diagnostics", text=WRONG)

    assert result.exit_code == 0
    assert "error: <stdin> does not verify" in result.stdout


def test_passes_are_listed() -> None:
    listed = run("--list").stdout

    assert "fold-constants{limit=65536}" in listed
    assert "Stage of func, nn, const." in listed
