from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from networks import NetworkBuilder, argument_arrays, check_pass, names_in
from ovc.compiler.passes.remove_identity import RemoveIdentityPass, unchanged
from ovc.dialects import nn
from ovc.dialects.nn.base import NNOp
from strategies import Program, networks


@given(networks())
def test_results_are_kept_to_the_bit_and_no_identity_is_left(program: Program) -> None:
    module, inputs = program

    check_pass(RemoveIdentityPass(), module, inputs)

    assert not {"nn.identity", "nn.dropout"} & set(names_in(module))
    assert all(unchanged(op) is None for op in module.walk() if isinstance(op, NNOp))


def resized(net: NetworkBuilder, scale: float = 1, **properties: str) -> None:
    scales = net.constant(np.array([1, 1, scale, scale], np.float32))
    net.add(nn.ResizeOp, net.values[0], None, scales, None, **properties)


@pytest.mark.parametrize(
    "properties",
    [
        {"mode": mode, "coordinate_transformation_mode": coordinates}
        for mode in ("nearest", "linear", "cubic")
        for coordinates in ("half_pixel", "asymmetric", "align_corners")
    ],
)
def test_a_resize_to_the_same_size_goes(properties: dict[str, str]) -> None:
    net = NetworkBuilder([1, 2, 3, 5])
    resized(net, **properties)
    module = net.finish()

    assert check_pass(
        RemoveIdentityPass(), module, {"arg0": np.ones((1, 2, 3, 5), "f4")}
    )
    assert "nn.resize" not in names_in(module)


@pytest.mark.parametrize("number", [0.0, -0.0])
def test_adding_zero_keeps_the_sign_of_zero(number: float) -> None:
    net = NetworkBuilder([1])
    net.add(nn.AddOp, net.values[0], net.constant(np.full(1, number, np.float32)))
    net.add(nn.ReciprocalOp, net.values[-1])
    module = net.finish()

    check_pass(RemoveIdentityPass(), module, {"arg0": np.full(1, -0.0, np.float32)})


@pytest.mark.parametrize(
    ("scale", "properties"),
    [
        (1.1, {"mode": "linear"}),
        (
            1,
            {
                "mode": "nearest",
                "coordinate_transformation_mode": "tf_half_pixel_for_nn",
                "nearest_mode": "ceil",
            },
        ),
    ],
)
def test_a_resize_between_the_points_stays(
    scale: float, properties: dict[str, str]
) -> None:
    shape = (1, 1, 3, 5)
    net = NetworkBuilder(shape)
    resized(net, scale, **properties)
    module = net.finish()
    array = np.arange(15, dtype=np.float32).reshape(shape)

    assert check_pass(RemoveIdentityPass(), module, {"arg0": array}) == 0


@pytest.mark.parametrize("op", [nn.SubOp, nn.DivOp, nn.PowOp])
@pytest.mark.parametrize("number", [0, 1])
def test_a_neutral_left_operand_is_not_neutral(op: type[NNOp], number: int) -> None:
    net = NetworkBuilder([1])
    net.add(op, net.constant(np.full(1, number, np.float32)), net.values[0])
    module = net.finish()

    assert RemoveIdentityPass().count(module) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_every_element_must_be_neutral(dtype: type) -> None:
    net = NetworkBuilder([2], dtype=dtype)
    product = net.add(nn.MulOp, net.values[0], net.constant(np.array([1, 2], dtype)))
    module = net.finish(product)

    assert RemoveIdentityPass().count(module) == 0


def test_a_clip_with_a_bound_stays() -> None:
    net = NetworkBuilder([2])
    net.add(nn.ClipOp, net.values[0], net.constant(np.array(0, np.float32)))
    net.add(nn.ClipOp, net.values[-1])
    module = net.finish()

    assert RemoveIdentityPass().count(module) == 1
    assert names_in(module).count("nn.clip") == 1


@pytest.mark.parametrize(("group", "goes"), [(1, True), (2, False), (6, True)])
def test_a_shuffle_without_effect_goes(group: int, goes: bool) -> None:
    net = NetworkBuilder([1, 6, 2])
    net.add(nn.ChannelShuffleOp, net.values[0], group=group)
    module = net.finish()

    assert check_pass(RemoveIdentityPass(), module, argument_arrays(module)) == goes
