from __future__ import annotations

import pytest
from networks import NetworkBuilder, argument_arrays, check_pass, names_in
from ovc.compiler.passes.reasons import keep
from ovc.compiler.passes.recognize_shuffle import RecognizeShufflePass
from ovc.dialects import nn
from xdsl.ir import SSAValue


def shuffle(
    net: NetworkBuilder, shape: list[int], perm: list[int], target: list[int]
) -> list[SSAValue]:
    x = net.add(nn.ReshapeOp, net.values[0], net.ints(*shape))
    y = net.add(nn.TransposeOp, x, perm=perm)
    return [x, y, net.add(nn.ReshapeOp, y, net.ints(*target))]


def found(net: NetworkBuilder, *outputs: SSAValue) -> bool:
    module = net.finish(*outputs)
    count = check_pass(RecognizeShufflePass(), module, argument_arrays(module))
    assert count == names_in(module).count("nn.depth_to_space")
    return count == 1


DCR, CRD = [0, 3, 4, 1, 5, 2], [0, 1, 4, 2, 5, 3]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    ("shape", "perm", "legal"),
    [
        ([3, 3, 2, 4, 5], DCR, True),
        ([2, 3, 3, 4, 5], CRD, True),
        ([3, 3, 2, 4, 5], CRD, False),
        ([2, 3, 3, 4, 5], DCR, False),
        ([2, 3, 3, 5, 4], CRD, False),
        ([2, 3, 3, 4, 5], [0, 1, 4, 3, 5, 2], False),
        ([2, 3, 3, 4, 5], [0, 1, 5, 2, 4, 3], False),
        ([2, 9, 1, 4, 5], CRD, False),
    ],
)
def test_pixel_shuffles(
    batch: int, shape: list[int], perm: list[int], legal: bool
) -> None:
    net = NetworkBuilder([batch, 18, 4, 5])
    shuffle(net, [batch, *shape], perm, [batch, 2, 12, 15])

    assert found(net) == legal


@pytest.mark.parametrize("which", [0, 1])
def test_another_reader(which: int) -> None:
    net = NetworkBuilder([1, 18, 4, 5])
    values = shuffle(net, [1, 2, 3, 3, 4, 5], CRD, [1, 2, 12, 15])

    assert not found(net, values[-1], values[which])


@pytest.mark.parametrize("which", range(3))
def test_kept_layers_stay(which: int) -> None:
    net = NetworkBuilder([1, 18, 4, 5])
    values = shuffle(net, [1, 2, 3, 3, 4, 5], CRD, [1, 2, 12, 15])
    keep(values[which].owner)  # type: ignore[arg-type]

    assert not found(net)


def test_a_shuffle_of_channels_stays() -> None:
    net = NetworkBuilder([1, 6, 4, 5])
    shuffle(net, [1, 2, 3, 4, 5], [0, 2, 1, 3, 4], [1, 6, 4, 5])

    assert not found(net)
