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
    names = names_in(module)
    shuffles = ("nn.depth_to_space", "nn.channel_shuffle")
    assert count == sum(map(names.count, shuffles))
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


@pytest.mark.parametrize(
    ("source", "shape", "perm"),
    [
        ([2, 6], [2, 3, 2], [0, 2, 1]),
        ([2, 6, 5], [2, 2, 3, 5], [0, 2, 1, 3]),
        ([1, 6, 4, 5], [1, 2, 3, 4, 5], [0, 2, 1, 3, 4]),
        ([3, 6, 4, 5], [3, 2, 3, 20], [0, 2, 1, 3]),
        ([1, 6, 4, 5], [2, 3, 20], [1, 0, 2]),
        ([1, 6, 2, 3, 4], [1, 3, 2, 2, 3, 4], [0, 2, 1, 3, 4, 5]),
    ],
)
def test_shuffles_of_channels(
    source: list[int], shape: list[int], perm: list[int]
) -> None:
    net = NetworkBuilder(source)
    shuffle(net, shape, perm, source)

    assert found(net)


@pytest.mark.parametrize(
    ("shape", "perm", "target"),
    [
        ([1, 2, 3, 4, 4], [0, 1, 2, 4, 3], [1, 6, 4, 4]),
        ([1, 2, 3, 4, 4], [0, 2, 1, 4, 3], [1, 6, 4, 4]),
        ([1, 2, 3, 4, 4], [0, 3, 2, 1, 4], [1, 6, 4, 4]),
        ([1, 2, 3, 4, 4], [0, 2, 3, 1, 4], [1, 6, 4, 4]),
        ([1, 2, 3, 4, 4], [0, 2, 1, 3, 4], [1, 3, 8, 4]),
        ([1, 2, 3, 4, 4], [0, 2, 1, 3, 4], [1, 6, 16]),
        ([1, 2, 6, 8], [0, 2, 1, 3], [1, 6, 4, 4]),
        ([1, 12, 2, 4], [0, 2, 1, 3], [1, 6, 4, 4]),
        ([1, 6, 1, 4, 4], [0, 2, 1, 3, 4], [1, 6, 4, 4]),
    ],
)
def test_what_is_no_shuffle_of_channels(
    shape: list[int], perm: list[int], target: list[int]
) -> None:
    net = NetworkBuilder([1, 6, 4, 4])
    shuffle(net, shape, perm, target)

    assert not found(net)


def test_an_image_of_as_many_elements_as_channels_is_turned() -> None:
    net = NetworkBuilder([1, 4, 2, 2])
    x = net.add(nn.ReshapeOp, net.values[0], net.ints(1, 4, 2, 2, 1))
    y = net.add(nn.TransposeOp, x, perm=[0, 1, 3, 2, 4])
    net.add(nn.ReshapeOp, y, net.ints(1, 4, 2, 2))

    assert not found(net)
