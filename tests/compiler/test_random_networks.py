"""Random networks on the targets against the reference interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from executors import device
from hypothesis import HealthCheck, given, settings
from networks import evaluate
from ovc.compiler.driver import compile_module
from ovc.compiler.frontends.base import Model
from ovc.compiler.options import CompileOptions
from ovc.dialects.types import Array
from ovc.runtime.session import load
from strategies import LAYERS, MOVES, NORMS, Program, networks

few = settings(max_examples=25, suppress_health_check=list(HealthCheck))
many = settings(max_examples=400, suppress_health_check=list(HealthCheck))


def check(program: Program, target: str) -> None:
    """Numbers are whole but for batch norms: the oracle is float64."""
    module, inputs = program
    expected = evaluate(module.clone(), inputs, precision=np.float64)
    model = Model(module, Path("random.onnx"), "0" * 64)
    artifact = compile_module(model, target, CompileOptions(check_every_pass=True))
    session = load(artifact)
    try:
        results = session(inputs)
    finally:
        session.close()
    for result, wanted in zip(results, expected, strict=True):
        compare(result, wanted)


def compare(result: Array, expected: Array) -> None:
    """Equal up to the rounding of float32, relative to the largest number."""
    assert result.shape == expected.shape
    with np.errstate(over="ignore"):
        rounded = expected.astype(np.float32)
    if not np.isfinite(rounded).all():
        return
    limit = 1e-5 * max(1.0, float(np.abs(rounded).max(initial=0)))
    np.testing.assert_allclose(result, rounded, rtol=0, atol=limit)


@few
@given(networks())
def test_cpu(program: Program) -> None:
    check(program, "cpu")


@few
@given(networks(moves=(*LAYERS, *NORMS), most=6))
def test_cpu_layers(program: Program) -> None:
    check(program, "cpu")


@pytest.mark.device
@settings(few, max_examples=8)
@given(networks())
def test_gpu(program: Program) -> None:
    device()
    check(program, "gpu")


@pytest.mark.slow
@many
@given(networks(moves=(*MOVES, *LAYERS), most=14))
def test_cpu_at_length(program: Program) -> None:
    check(program, "cpu")


@pytest.mark.slow
@pytest.mark.device
@settings(many, max_examples=100)
@given(networks(most=12))
def test_gpu_at_length(program: Program) -> None:
    device()
    check(program, "gpu")
