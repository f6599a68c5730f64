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
from ..dialects.nn import NN
from .passes import PASSES as NETWORK_PASSES

DIALECTS: tuple[Dialect, ...] = (Builtin, Func, Arith, Math, Const, NN)

PASSES: tuple[type[ModulePass], ...] = NETWORK_PASSES


def make_context() -> Context:
    """A context that knows every dialect."""
    context = Context()
    for dialect in DIALECTS:
        context.load_dialect(dialect)
    return context
