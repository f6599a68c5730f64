"""OpenCL as a target: vectors for CPU devices, work-items for GPUs."""

from __future__ import annotations

from ..target import Target

FUNCTIONS = frozenset(
    [
        "exp",
        "log",
        "sqrt",
        "tanh",
        "erf",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "asinh",
        "acosh",
        "atanh",
        "pow",
    ]
)


def opencl_target(device: str = "cpu") -> Target:
    """
    An OpenCL device of a type, `cpu` or `gpu`.

    A CPU takes `float16` vectors, one work-item a group; on a GPU work-items are the lanes
    (of blocks of 16 channels, four blocks a group).
    """
    if device == "gpu":
        return Target(
            "gpu",
            registers=64,
            accumulators=8,
            max_grid=1 << 16,
            items=64,
            functions=FUNCTIONS,
        )
    return Target("gpu", max_grid=128, transposes=True, functions=FUNCTIONS)
