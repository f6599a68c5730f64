from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import NetworkBuilder, argument_arrays, check_pass, names_in
from ovc.compiler.passes import recognize_attention
from ovc.compiler.passes.reasons import keep, recording
from ovc.compiler.passes.recognize_attention import (
    RecognizeAttentionPass,
    Scaled,
    scaled_by,
)
from ovc.compiler.registry import make_context
from ovc.dialects import nn
from ovc.dialects.const import constant_array
from ovc.dialects.nn.base import integer, number
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

TOLERANCE = 1e-6
MASKS = ("", "bias", "constant", "seen", "hidden")
INSIDE = ("product", "scaled scores", "divided", "masked", "softmax", "output")
"""Values that an attention replaces, the last one by its result."""
READABLE = (*INSIDE[:-1], "scaled q", "scaled k", "turned")


@dataclass
class Form:
    """One way to write an attention in primitive operations."""

    rank: int = 4
    keys: str = "swapped"
    """How the keys come: `swapped` here, in `rows`, or `moved` in another order."""
    scales: tuple[str, ...] = ()
    """Where numbers are multiplied: `q`, `k`, `scores`, or `divided` scores."""
    mask: str = ""
    masked: float = -1e4
    axis: int = -1
    mask_shape: tuple[int, ...] = (5, 7)
    mask_first: bool = False
    scale: Any = 0.5
    dtype: type = np.float32
    values: dict[str, SSAValue] = field(default_factory=dict[str, SSAValue])

    def build(self) -> NetworkBuilder:
        lead = [2, 3][: self.rank - 2]
        rows = [*lead, 7, 4]
        if self.keys == "rows":
            rows = [*lead, 4, 7]
        if self.keys == "moved":
            rows = [7, *lead, 4]
        shapes = [[*lead, 5, 4], rows, [*lead, 7, 6], self.mask_shape]
        net = NetworkBuilder(*shapes, dtype=self.dtype)
        q, k, v, bias = net.block.args
        scores = self.add(
            net, "product", nn.MatmulOp, self.scaled(net, "q", q), self.turned(net, k)
        )
        scores = self.scaled(net, "scores", scores)
        if "divided" in self.scales:
            scores = self.add(net, "divided", nn.DivOp, scores, self.number(net))
        scores = self.hidden(net, scores, bias)
        weights = self.add(net, "softmax", nn.SoftmaxOp, scores, axis=self.axis)
        self.add(net, "output", nn.MatmulOp, weights, v)
        return net

    def add(
        self, net: NetworkBuilder, name: str, op: Any, *operands: Any, **properties: Any
    ) -> SSAValue:
        self.values[name] = net.add(op, *operands, **properties)
        return self.values[name]

    def number(self, net: NetworkBuilder) -> SSAValue:
        return net.constant(np.array(self.scale, self.dtype))

    def scaled(self, net: NetworkBuilder, name: str, x: SSAValue) -> SSAValue:
        if name not in self.scales:
            return x
        operands = [x, self.number(net)]
        if name == "k":
            operands.reverse()
        return self.add(net, f"scaled {name}", nn.MulOp, *operands)

    def turned(self, net: NetworkBuilder, k: SSAValue) -> SSAValue:
        k = self.scaled(net, "k", k)
        outer = list(range(self.rank - 2))
        perm = [*outer, self.rank - 1, self.rank - 2]
        if self.keys == "moved":
            perm = [*(axis + 1 for axis in outer), self.rank - 1, 0]
        if self.keys == "rows":
            return k
        return self.add(net, "turned", nn.TransposeOp, k, perm=perm)

    def hidden(self, net: NetworkBuilder, scores: SSAValue, bias: SSAValue) -> SSAValue:
        """The scores with a mask."""
        low = net.constant(np.array(self.masked, self.dtype))
        seen = net.constant(np.tri(5, 7, 2, dtype=bool))
        match self.mask:
            case "bias" | "constant":
                if self.mask == "constant":
                    bias = net.constant(np.arange(7).astype(self.dtype))
                operands = [bias, scores] if self.mask_first else [scores, bias]
                return self.add(net, "masked", nn.AddOp, *operands)
            case "seen":
                return self.add(net, "masked", nn.WhereOp, seen, scores, low)
            case "hidden":
                return self.add(net, "masked", nn.WhereOp, seen, low, scores)
            case "computed":
                seen = net.add(nn.GreaterOp, bias, low)
                return self.add(net, "masked", nn.WhereOp, seen, low, scores)
            case _:
                return scores


def check(form: Form, *read: str) -> tuple[int, list[str], ModuleOp]:
    """Rewrites, reasons and module, with values that are outputs too."""
    net = form.build()
    outputs = [form.values[name] for name in ("output", *read)]
    return checked(net, *outputs)


def checked(net: NetworkBuilder, *outputs: SSAValue) -> tuple[int, list[str], ModuleOp]:
    module = net.finish(*outputs)
    with recording() as journal:
        count = check_pass(
            RecognizeAttentionPass(), module, argument_arrays(module), TOLERANCE
        )
    return count, [d.reason for d in journal.declined], module


def attention_in(module: ModuleOp) -> nn.AttentionOp:
    [op] = [op for op in module.walk() if isinstance(op, nn.AttentionOp)]
    return op


SCALES = st.lists(st.sampled_from(["q", "k", "scores", "divided"]), unique=True)


@given(
    st.builds(
        Form,
        rank=st.sampled_from([3, 4]),
        keys=st.sampled_from(["swapped", "rows", "moved"]),
        scales=SCALES.map(tuple),
        mask=st.sampled_from(MASKS),
        masked=st.sampled_from([-1e4, float("-inf")]),
        axis=st.sampled_from([-1, 2, 3]),
        mask_shape=st.sampled_from([(5, 7), (7,), (1, 7), (3, 1, 7), (2, 1, 5, 7)]),
        mask_first=st.booleans(),
        scale=st.sampled_from([0.5, -2.0, [0.25], np.full((1, 4), 0.5)]),
        dtype=st.sampled_from([np.float32, np.float64]),
    ),
    st.data(),
)
def test_results_are_kept(form: Form, choices: st.DataObject) -> None:
    if form.axis == 3 and form.rank == 3:
        form.axis = 2
    if np.shape(form.scale) == (1, 4):
        form.scales = tuple(s for s in form.scales if s == "q")
    if len(form.mask_shape) > form.rank or (form.rank, form.mask_shape[0]) == (3, 3):
        form.mask_shape = (5, 7)
    read = choices.draw(st.lists(st.sampled_from(READABLE), max_size=1))
    if "masked" in read:
        form.masked = -1e4  # an output with infinities cannot be compared
    net = form.build()
    read = [name for name in read if name in form.values]

    outputs = [form.values[name] for name in ("output", *read)]
    count, reasons, module = checked(net, *outputs)

    legal = form.axis in (-1, form.rank - 1) and not set(read) & set(INSIDE[:-1])
    assert count == int(legal), reasons
    assert ("nn.softmax" not in names_in(module)) == legal
    assert bool(reasons) != legal


@pytest.mark.parametrize("rank", [3, 4])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    ("keys", "rest"),
    [("swapped", []), ("rows", []), ("moved", ["nn.mul", "nn.transpose"])],
)
def test_every_form(rank: int, mask: str, keys: str, rest: list[str]) -> None:
    scales = ("q", "k", "scores", "divided")
    count, _, module = check(Form(rank, keys, scales, mask))

    inverted = ["nn.not"] if mask == "hidden" else []
    found = [n for n in names_in(module) if n.startswith("nn.")]
    assert count == 1
    assert found == [*rest, *inverted, "nn.attention"]
    op = attention_in(module)
    assert number(op.scale) == (0.5 if rest else 0.25)
    assert integer(op.transposed_keys) == (keys != "swapped")
    assert (op.mask is None) == (mask == "")
    assert (op.masked is None) == (mask not in ("seen", "hidden"))


def test_a_scale_of_the_keys_that_is_not_one_number_stays() -> None:
    form = Form(scales=("k",), scale=[1.0, 2.0, 3.0, 4.0])
    count, _, module = check(form)

    assert count == 1
    assert "nn.mul" in names_in(module)
    assert number(attention_in(module).scale) == 1


@pytest.mark.parametrize("name", ["scaled q", "scaled k", "turned"])
def test_operands_that_others_read_stay(name: str) -> None:
    count, _, module = check(Form(scales=("q", "k")), name)

    assert count == 1
    op = attention_in(module)
    kept = {"scaled q": (0.5, 0), "scaled k": (0.5, 0), "turned": (0.5, 1)}
    assert (number(op.scale), integer(op.transposed_keys)) == kept[name]


@pytest.mark.parametrize("name", ["product", "scaled scores", "masked"])
@pytest.mark.parametrize("mask", ["bias", "seen"])
def test_scores_that_are_an_output(name: str, mask: str) -> None:
    count, reasons, _ = check(Form(scales=("scores",), mask=mask), name)

    assert count == 0
    assert reasons == ["the product of queries and keys is a graph output"]


def test_scores_with_another_reader() -> None:
    form = Form()
    net = form.build()
    other = net.add(nn.ReluOp, form.values["product"])

    count, reasons, _ = checked(net, form.values["output"], other)

    assert count == 0
    assert reasons == ["the product of queries and keys has another reader"]


def test_weights_with_another_reader() -> None:
    assert check(Form(), "softmax")[:2] == (0, ["the softmax is a graph output"])


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (Form(axis=-2), "the softmax is over dimension 2, not over the keys"),
        (Form(axis=0), "the softmax is over dimension 0, not over the keys"),
        (Form(scales=("scores",), scale=0.0), "its scale is no normal number"),
        (Form(scales=("scores",), scale=1e-40), "its scale is no normal number"),
        (
            Form(mask="computed"),
            "its mask is true where scores are left out, and no constant",
        ),
        (Form(dtype=np.float16), "half floats would be rounded in other places"),
    ],
)
def test_what_is_declined(form: Form, reason: str) -> None:
    assert check(form)[:2] == (0, [reason])


@pytest.mark.parametrize("mask", ["bias", "computed"])
def test_a_mask_that_broadcasts_the_scores(mask: str) -> None:
    net = NetworkBuilder([1, 5, 4], [1, 4, 7], [1, 7, 6], [2, 5, 7])
    q, k, v, bias = net.block.args
    scores = net.add(nn.AddOp, net.add(nn.MatmulOp, q, k), bias)
    y = net.add(nn.MatmulOp, net.add(nn.SoftmaxOp, scores, axis=-1), v)

    reason = "its mask or scale broadcasts the scores"
    assert checked(net, y)[:2] == (0, [reason])


def test_a_factor_that_broadcasts_the_queries_stays() -> None:
    net = NetworkBuilder([1, 5, 4], [2, 4, 7], [2, 7, 6])
    q, k, v = net.block.args
    q = net.add(nn.MulOp, q, net.constant(np.full((2, 1, 1), 0.5, np.float32)))
    y = net.add(nn.MatmulOp, net.add(nn.SoftmaxOp, net.add(nn.MatmulOp, q, k)), v)

    count, _, module = checked(net, y)

    assert count == 1
    assert "nn.mul" in names_in(module)


@pytest.mark.parametrize(
    ("shapes", "ranks"),
    [
        ([[5, 4], [4, 7], [7, 6]], "2, 2, 2"),
        ([[2, 5, 4], [4, 7], [7, 6]], "3, 2, 2"),
        ([[2, 3, 5, 4], [3, 4, 7], [2, 3, 7, 6]], "4, 3, 4"),
        ([[2, 2, 3, 5, 4], [2, 2, 3, 4, 7], [2, 2, 3, 7, 6]], "5, 5, 5"),
    ],
)
def test_other_ranks(shapes: list[list[int]], ranks: str) -> None:
    net = NetworkBuilder(*shapes)
    q, k, v = net.block.args
    weights = net.add(nn.SoftmaxOp, net.add(nn.MatmulOp, q, k), axis=-1)

    count, reasons, _ = checked(net, net.add(nn.MatmulOp, weights, v))

    assert count == 0
    assert reasons == [f"queries, keys and values have the ranks {ranks}"]


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("mask", ["bias", "seen"])
def test_kept_layers_stay(name: str, mask: str) -> None:
    form = Form(scales=("scores", "divided"), mask=mask)
    net = form.build()
    keep(form.values[name].owner)  # type: ignore[arg-type]

    count, reasons, _ = checked(net, form.values["output"])

    assert count == 0
    assert reasons == ["the layer is kept by --finegrain-fusing"]


@pytest.mark.parametrize("name", ["scaled q", "scaled k", "turned"])
def test_kept_operands_stay(name: str) -> None:
    form = Form(scales=("q", "k"))
    net = form.build()
    keep(form.values[name].owner)  # type: ignore[arg-type]

    count, _, module = checked(net, form.values["output"])

    assert count == 1
    assert form.values[name].owner in list(module.walk())


def test_no_attention_without_a_product_of_scores() -> None:
    net = NetworkBuilder([2, 5, 7], [2, 7, 6])
    scores, v = net.block.args
    scores = net.add(nn.AddOp, net.add(nn.ReluOp, scores), scores)
    y = net.add(nn.MatmulOp, net.add(nn.SoftmaxOp, scores, axis=-1), v)

    assert checked(net, y)[:2] == (0, [])


def test_a_mask_that_is_a_product_too() -> None:
    net = NetworkBuilder([2, 5, 4], [2, 4, 7], [2, 7, 6])
    q, k, v = net.block.args
    relative = net.add(nn.MatmulOp, net.add(nn.ReluOp, q), k)
    scores = net.add(nn.AddOp, net.add(nn.MatmulOp, q, k), relative)
    y = net.add(nn.MatmulOp, net.add(nn.SoftmaxOp, scores, axis=-1), v)

    count, _, module = checked(net, y)

    assert count == 1
    assert attention_in(module).mask is not None


@pytest.mark.parametrize(
    ("perm", "turned", "left"),
    [
        ([0, 1, 3, 2], 0, False),
        ([0, 1, 3, 2], 1, False),
        ([0, 2, 1, 3], 0, True),
        ([0, 2, 1, 3], 1, True),
    ],
)
def test_transposed_keys_of_an_attention(
    perm: list[int], turned: int, left: bool
) -> None:
    shape = [2, 3, 5, 5]
    net = NetworkBuilder(shape, [[2, 5, 3, 5], shape][perm[1] == 1], shape)
    q, k, v = net.block.args
    half = net.constant(np.array(0.5, np.float32))
    k = net.add(nn.TransposeOp, k, perm=perm)
    q = net.add(nn.MulOp, q, half)
    y = net.add(nn.AttentionOp, q, k, v, scale=3.0, transposed_keys=turned)

    count, _, module = checked(net, y)

    op = attention_in(module)
    assert count == 1
    assert number(op.scale) == 1.5
    assert ("nn.transpose" in names_in(module)) == left
    assert integer(op.transposed_keys) == (1 if left else 1 - turned)


def test_an_attention_of_halves_or_a_kept_one_stays() -> None:
    for dtype in (np.float16, np.float32):
        net = NetworkBuilder(*[[2, 5, 5]] * 3, dtype=dtype)
        q, k, v = net.block.args
        k = net.add(nn.TransposeOp, k, perm=[0, 2, 1])
        y = net.add(nn.AttentionOp, q, k, v)
        keep(y.owner)  # type: ignore[arg-type]
        if dtype is np.float16:
            del y.owner.attributes["keep"]  # type: ignore[union-attr]

        assert checked(net, y)[0] == 0


def test_a_scale_too_small_for_the_elements_stays_outside() -> None:
    form = Form(scales=("q", "scores"), scale=1e-30)
    count, _, module = check(form)

    assert count == 1
    assert number(attention_in(module).scale) == pytest.approx(1e-30)
    assert "nn.mul" in names_in(module)


def test_a_number_over_the_queries_is_no_factor() -> None:
    net = NetworkBuilder([2, 5, 4], [2, 4, 7], [2, 7, 6])
    q, k, v = net.block.args
    two = net.constant(np.full((2, 5, 4), 2, np.float32))
    q = net.add(nn.DivOp, two, net.add(nn.ExpOp, q))
    weights = net.add(nn.SoftmaxOp, net.add(nn.MatmulOp, q, k), axis=-1)

    count, _, module = checked(net, net.add(nn.MatmulOp, weights, v))

    assert count == 1
    assert "nn.div" in names_in(module)


@pytest.mark.parametrize("op", [nn.LogSoftmaxOp, nn.HardmaxOp])
def test_other_weights(op: type[nn.NNOp]) -> None:
    net = NetworkBuilder([2, 5, 4], [2, 4, 7], [2, 7, 6])
    q, k, v = net.block.args
    weights = net.add(op, net.add(nn.MatmulOp, q, k), axis=-1)

    assert checked(net, net.add(nn.MatmulOp, weights, v))[:2] == (0, [])


def test_scores_that_are_replaced_by_values() -> None:
    net = NetworkBuilder([2, 5, 4], [2, 4, 7], [2, 7, 6], [2, 5, 7])
    q, k, v, other = net.block.args
    seen = net.constant(np.tri(5, 7, dtype=bool))
    scores = net.add(nn.WhereOp, seen, net.add(nn.MatmulOp, q, k), other)
    weights = net.add(nn.SoftmaxOp, scores, axis=-1)

    assert checked(net, net.add(nn.MatmulOp, weights, v))[:2] == (0, [])


def test_values_stored_as_half() -> None:
    net = NetworkBuilder([2, 5, 4], [2, 4, 7])
    q, k = net.block.args
    v = net.constant(np.ones((2, 7, 6), np.float16))
    weights = net.add(nn.SoftmaxOp, net.add(nn.MatmulOp, q, k), axis=-1)

    reason = "half floats would be rounded in other places"
    assert checked(net, net.add(nn.MatmulOp, weights, v))[:2] == (0, [reason])


UNKNOWN = """
func.func @main(%q: tensor<*xf32>, %k: tensor<2x4x7xf32>, %v: tensor<2x7x6xf32>) -> tensor<*xf32> {
  %s = nn.matmul(%q, %k) : (tensor<*xf32>, tensor<2x4x7xf32>) -> tensor<*xf32>
  %p = nn.softmax(%s) {axis = -1 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %y = nn.matmul(%p, %v) : (tensor<*xf32>, tensor<2x7x6xf32>) -> tensor<*xf32>
  %t = nn.transpose(%y) {perm = array<i64: 0, 2, 1>} : (tensor<*xf32>) -> tensor<*xf32>
  %z = nn.attention(%y, %t, %k) : (tensor<*xf32>, tensor<*xf32>, tensor<2x4x7xf32>) -> tensor<*xf32>
  func.return %z : tensor<*xf32>
}
"""


def test_unknown_shapes() -> None:
    module = Parser(make_context(), UNKNOWN).parse_module()
    with recording() as journal:
        assert RecognizeAttentionPass().count(module) == 0

    assert [d.reason for d in journal.declined] == ["its shape is not known"]


MISTAKES: dict[str, tuple[str, Callable[..., Any]]] = {
    "readers of the scores are not counted": ("check_one_reader", lambda *_: None),
    "kept layers and halves are taken": ("check_plain", lambda _: None),
    "operands that others read are taken": ("is_free", lambda _: True),
    "every scale is taken": ("is_normal", lambda *_: True),
    "every dimension is that of the keys": (
        "normalized_axis",
        lambda _, rank: rank - 1,
    ),
    "a divisor is a factor": ("scaled_by", lambda value: inverse(scaled_by(value))),
    "a computed mask is inverted": ("constant_array", lambda _: np.ones(1)),
    "every constant is one number": ("one_number", lambda value: first_number(value)),
}
"""What stands in the place of a function of the pass."""


def inverse(scaled: Scaled | None) -> Scaled | None:
    return None if scaled is None else replace(scaled, factor=1 / scaled.factor)


def first_number(value: SSAValue) -> float | None:
    array = constant_array(value)
    return None if array is None else float(array.reshape(-1)[0])


GUARDED: list[tuple[Form, tuple[str, ...], int, float]] = [
    (Form(), ("product",), 0, 1.0),
    (Form(dtype=np.float16), (), 0, 1.0),
    (Form(scales=("q",)), ("scaled q",), 1, 1.0),
    (Form(scales=("scores",), scale=0.0), (), 0, 1.0),
    (Form(axis=2), (), 0, 1.0),
    (Form(scales=("divided",)), (), 1, 2.0),
    (Form(mask="computed"), (), 0, 1.0),
    (Form(scales=("k",), scale=[1.0, 2.0, 3.0, 4.0]), (), 1, 1.0),
]
"""Forms, what else is an output, and how many attentions of which scale are found."""


def check_guarded() -> None:
    for form, read, wanted, scale in GUARDED:
        count, _, module = check(form, *read)
        assert count == wanted
        assert not count or number(attention_in(module).scale) == scale


def test_guards_hold() -> None:
    check_guarded()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_guard_that_is_gone_is_missed(
    mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, function = MISTAKES[mistake]
    monkeypatch.setattr(recognize_attention, name, function)

    with pytest.raises((AssertionError, VerifyException, ZeroDivisionError)):
        check_guarded()
