"""OpenCL as a target: vectors for CPU devices, work-items for GPUs."""

from __future__ import annotations

from ..target import Target

FUNCTIONS = frozenset(
    ["exp", "log", "sqrt", "tanh", "erf", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "pow"]
)


def opencl_target() -> Target:
    """A CPU device: `float16` vectors, one work-item a group."""
    return Target("gpu", 16, 32, 28, max_grid=128, functions=FUNCTIONS)
