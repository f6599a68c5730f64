"""OpenCL C programs: the kernels of a network as one source text."""

from __future__ import annotations

from collections.abc import Sequence

from ...dialects.kernel.loops import FuncOp
from .elements import many
from .printer import OpenCLPrinter
from .spelling import HELPERS, Speller

BUILD_OPTIONS = ("-cl-std=CL1.2",)
"""Options that every device understands. None of them trades digits for speed."""

EXACT_DIVISION = "-cl-fp32-correctly-rounded-divide-sqrt"
"""An option for devices that say they round divisions and roots correctly."""

NO_CONTRACTION = "#pragma OPENCL FP_CONTRACT OFF\n"
DOUBLES = "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n"


def program(funcs: Sequence[FuncOp]) -> str:
    """The text of a program with all of `funcs`, the helpers they call first."""
    speller = Speller()
    kernels = [OpenCLPrinter(speller).function(func) for func in funcs]
    helpers = [
        HELPERS[name].format(n=many(width))
        for name in HELPERS
        for width in sorted(w for n, w in speller.helpers if n == name)
    ]
    text = "\n".join([*helpers, *kernels])
    pragmas = NO_CONTRACTION + (DOUBLES if "double" in text else "")
    return f"{pragmas}\n{text}"
