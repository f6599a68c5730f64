"""The network of examples/: its file, its held-out data, and the demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@pytest.mark.device
def test_the_demo() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "read_digits.py"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "CPU and GPU agree on 360 of 360 digits" in done.stdout


def test_the_model_is_valid_and_small() -> None:
    path = EXAMPLES / "digits.onnx"

    onnx.checker.check_model(path, full_check=True)
    assert path.stat().st_size < 200_000


def test_the_held_out_digits_are_those_of_the_training_script() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    selection = pytest.importorskip("sklearn.model_selection")
    digits = datasets.load_digits()
    _, images, _, labels = selection.train_test_split(
        digits.images,
        digits.target,
        test_size=0.2,
        stratify=digits.target,
        random_state=0,
    )

    with np.load(EXAMPLES / "digits" / "held_out.npz") as file:
        np.testing.assert_array_equal(file["images"], images)
        np.testing.assert_array_equal(file["labels"], labels)
