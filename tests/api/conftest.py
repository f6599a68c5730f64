"""The digit network, compiled once for each device."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import ovc
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@cache
def compiled_for(device: str) -> ovc.CompiledModel:
    return ovc.compile_model(EXAMPLES / "digits.onnx", device)


@pytest.fixture
def digits() -> ovc.CompiledModel:
    """The network on the CPU."""
    return compiled_for("CPU")


@pytest.fixture
def digits_on() -> Callable[[str], ovc.CompiledModel]:
    """The network on the device named."""
    return compiled_for


@pytest.fixture(scope="session")
def held_out() -> tuple[np.ndarray, np.ndarray]:
    """Images `[count, 1, 1, 8, 8]` that the network never saw, and their labels."""
    with np.load(EXAMPLES / "digits" / "held_out.npz") as file:
        images = (file["images"] / 16).astype(np.float32)
        return images[:, None, None], file["labels"]


@pytest.fixture
def image(held_out: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """One held-out digit."""
    return held_out[0][0]
