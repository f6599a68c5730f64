"""Dialects and passes by name: what `ovc-opt` parses and what pipelines may say."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin
from xdsl.dialects.func import Func
from xdsl.dialects.math import Math
from xdsl.ir import Dialect
from xdsl.passes import ModulePass

from ..dialects.const import Const
from ..dialects.kernel import Kernel
from ..dialects.nn import NN
from ..dialects.plan import Plan
from .passes import PASSES as ALL_PASSES
from .schedule.apply import ApplySchedulePass

DIALECTS: tuple[Dialect, ...] = (Builtin, Func, Arith, Math, Const, NN, Kernel, Plan)

PASSES: tuple[type[ModulePass], ...] = (*ALL_PASSES, ApplySchedulePass)


def make_context() -> Context:
    """A context that knows every dialect."""
    context = Context()
    for dialect in DIALECTS:
        context.load_dialect(dialect)
    return context
