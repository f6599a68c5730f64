"""The quick text of a module is its text."""

from __future__ import annotations

import numpy as np
import pytest
from networks import NetworkBuilder
from ovc.compiler.driver import pipeline_text
from ovc.compiler.pipeline import parse_pipeline
from ovc.compiler.registry import PASSES, make_context
from ovc.compiler.text import text_of
from ovc.dialects import nn
from xdsl.dialects.builtin import ModuleOp


def module() -> ModuleOp:
    """Operands that are used twice, constants, functions, reductions, guarded loads."""
    build = NetworkBuilder([1, 3, 8, 8])
    (x,) = build.values
    weights = np.random.default_rng(0).standard_normal((20, 3, 3, 3), np.float32)
    conv = build.add(nn.ConvOp, x, build.constant(weights), None, pads=[1, 1, 1, 1])
    swish = build.add(nn.MulOp, conv, build.add(nn.SigmoidOp, conv))
    square = build.add(nn.MulOp, swish, swish)
    build.add(nn.SoftmaxOp, square, axis=1)
    return build.finish()


@pytest.mark.parametrize("step", ["network", "kernels", "apply-schedule", "plan"])
def test_it_is_what_str_gives(step: str) -> None:
    op = module()
    steps = pipeline_text("cpu").split(",")
    text = ",".join(steps[: steps.index(step) + 1])

    parse_pipeline(text, PASSES).run(op, make_context())

    assert text_of(op) == str(op)
