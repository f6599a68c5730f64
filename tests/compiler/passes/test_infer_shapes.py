from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from networks import NetworkBuilder, check_pass, evaluate, names_in
from ovc.compiler.locations import set_source
from ovc.compiler.passes.infer_shapes import InferShapesPass
from ovc.dialects import nn
from ovc.dialects.nn.base import NNOp, to_attribute
from ovc.dialects.types import element_type, is_static
from ovc.runtime.errors import CompileError
from strategies import Program, networks
from xdsl.dialects.builtin import UnrankedTensorType
from xdsl.dialects.func import FuncOp


def forget_shapes(module) -> None:
    """Make every type unranked that is not an argument's or a constant's."""
    for op in module.walk():
        if isinstance(op, NNOp):
            types = [UnrankedTensorType(element_type(r)) for r in op.results]
            op.set_result_types(types)
        if isinstance(op, FuncOp):
            op.update_function_type()


@given(networks())
def test_forgotten_shapes_are_found_again(program: Program) -> None:
    module, inputs = program
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    expected = function.function_type, evaluate(module, inputs)
    forget_shapes(module)

    check_pass(InferShapesPass(), module, inputs)

    assert function.function_type == expected[0]
    np.testing.assert_equal(evaluate(module, inputs), expected[1])
    assert all(is_static(r.type) for op in module.walk() for r in op.results)
    assert "nn.shape" not in names_in(module)


def test_an_illegal_layer_is_named() -> None:
    net = NetworkBuilder([2, 3], [2, 3])
    turned = net.add(nn.TransposeOp, net.values[1], perm=[1, 0])
    product = net.add(nn.MatmulOp, net.values[0], turned)
    module = net.finish(product)
    assert isinstance(product.owner, nn.MatmulOp)
    assert isinstance(turned.owner, nn.TransposeOp)
    set_source(product.owner, "fc1")
    turned.owner.properties["perm"] = to_attribute([0, 1])

    with pytest.raises(CompileError, match='layer "fc1"'):
        InferShapesPass().count(module)
