"""`ovc compile --tune` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import ovc
import pytest
from ovc.compiler.cache import SCHEDULES


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("OVC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def image() -> np.ndarray:
    return np.random.default_rng(0).random((1, 1, 8, 8), np.float32)


def test_tuning(command, model: Path, cache: Path, tmp_path: Path) -> None:
    plain, tuned = tmp_path / "plain.ovc", tmp_path / "tuned.ovc"
    assert command("compile", model, "-o", plain).code == 0

    done = command("compile", model, "-o", tuned, "--tune", "--tune-budget", "20")

    assert done.code == 0
    assert "kernels tuned" in done.err
    assert json.loads((cache / SCHEDULES).read_text())["schedules"]
    expected, results = (ovc.import_model(p)(image())[0] for p in (plain, tuned))
    np.testing.assert_allclose(results, expected, 0, 1e-5 * np.abs(expected).max())

    again = command("compile", model, "-o", tmp_path / "again.ovc")
    assert again.code == 0
    assert "tuned" not in again.err.replace("tuned.ovc", "")
    facts = json.loads(command("inspect", tmp_path / "again.ovc", "--json").out)
    assert facts["tuned_kernels"] > 0
    assert "tuned kernels" in command("inspect", tmp_path / "again.ovc").out
    assert "tuned kernels" not in command("inspect", plain).out
    assert (tmp_path / "again.ovc").read_bytes() == tuned.read_bytes()


def test_statistics_and_tuning(
    command, model: Path, cache: Path, tmp_path: Path
) -> None:
    output = tmp_path / "tuned.ovc"
    flags = ("--tune", "--tune-budget", "0", "--stats")

    done = command("compile", model, "-o", output, *flags)

    assert done.code == 0
    assert "use-winograd" in done.out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--target", "gpu"), "only schedules for this machine's CPU can be tuned"),
        (("--cpu", "x86-64-v3"), "only schedules for this machine's CPU can be tuned"),
        (("--no-cache",), "tuning needs a cache folder to keep what it finds"),
    ],
)
def test_refusals(
    flags: tuple[str, ...],
    sentence: str,
    command,
    model: Path,
    cache: Path,
    tmp_path: Path,
) -> None:
    output = tmp_path / "tuned.ovc"

    done = command("compile", model, "-o", output, "--tune", *flags)

    assert done.code == 1
    assert done.err.strip().splitlines() == [f"error: {sentence}"]
    assert not output.exists()


def test_the_function(model: Path, cache: Path) -> None:
    expected = ovc.compile_model(model)(image())[0]

    tuned = ovc.compile_model(model, tune=0.5)

    np.testing.assert_allclose(
        tuned(image())[0], expected, 0, 1e-5 * np.abs(expected).max()
    )


def test_an_artifact_is_not_tuned(artifact: Path) -> None:
    with pytest.raises(
        ovc.ArtifactError, match="compiled already; tune its model file"
    ):
        ovc.compile_model(artifact, tune=1.0)
