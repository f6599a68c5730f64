"""
Mistakes put into the passes on purpose: the property checks must find every one.

Each mutation replaces one function of a pass: a guard that is dropped, operands that are
swapped, a wrong axis. The strategies of `patterns.py` then look for a network on which
the pass changes a result, breaks the module or does not come to an end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from ovc.compiler.passes import (
    absorb,
    cancel_transposes,
    decompose_linear,
    fuse_groups,
    fuse_horizontal,
    fuse_linear,
    linear,
    merge_linear,
    move_strides,
    paths,
)
from ovc.compiler.passes.algebra import Algebra
from ovc.compiler.passes.cancel_transposes import CancelTransposesPass
from ovc.compiler.passes.decompose_linear import DecomposeLinearPass
from ovc.compiler.passes.fuse_groups import FuseGroupsPass
from ovc.compiler.passes.fuse_horizontal import FuseHorizontalPass
from ovc.compiler.passes.fuse_linear import FuseLinearPass
from ovc.compiler.passes.merge_linear import MergeLinearPass
from ovc.compiler.passes.move_strides import MoveStridesPass
from ovc.compiler.passes.rewrite import FunctionPass
from ovc.dialects import nn
from ovc.dialects.types import shape_of
from patterns import (
    DECOMPOSED,
    GROUPED,
    LINEAR,
    MERGED,
    SEVERAL,
    STRIDED,
    TURNED,
    check_exact,
    random_pattern,
)
from strategies import Move

NETWORKS = 5000


def nothing(*_: Any, **__: Any) -> None:
    """In the place of a check that raises."""


@dataclass(frozen=True)
class Mutation:
    """A mistake: what stands in the place of what."""

    what: str
    pass_: FunctionPass
    moves: Sequence[Move]
    owner: ModuleType | type
    name: str
    mistake: Callable[..., Any] | property


def unbiased(layer: absorb.Layer, k: Any, algebra: Algebra) -> Any:
    """The bias is not multiplied."""
    return layer.rebuilt(absorb.conv_outputs(layer, k, algebra), layer.bias)


def new_bias(layer: absorb.Layer, k: Any, algebra: Algebra) -> Any:
    """The old bias is forgotten."""
    if not isinstance(layer.op, nn.ConvOp):
        return ORIGINAL["add_to_output"](layer, k, algebra)
    channels = shape_of(layer.op.output)[1]
    return layer.rebuilt(layer.w, algebra.expand(k, [channels]))


def one_group(layer: absorb.Layer) -> int:
    return 1


def first_part(op: nn.ConcatOp, carried: paths.Carried) -> Any:
    """Every branch of a concat gets the first numbers."""
    if carried.axis is None:
        return [(x, carried) for x in op.operands]
    return [(x, carried.cut(0, shape_of(x)[carried.axis])) for x in op.operands]


def forgotten_beta(layer: Any, w: Any, addend: Any, algebra: Algebra) -> Any:
    bias = layer.bias
    moved = addend if bias is None else algebra.add(bias, addend)
    return layer.rebuilt(w, moved, beta=1.0)


def left_as_it_was(inner: Any, carried: Any, k: Any, algebra: Algebra) -> Any:
    """An Add on the way is not multiplied."""
    return nn.AddOp.make(inner.x, inner.constant)


def any_dimension(op: Any, before: Any, after: Any, axis: int) -> int:
    return min(axis, len(after) - 1)


def unscaled_shift(chain: Any, algebra: Algebra) -> Any:
    """Addends before a factor are not multiplied."""
    factor, _ = ORIGINAL["merged_constants"](chain, algebra)
    addends = [link.constant for link in chain.links if not link.is_mul]
    return factor, reduce(algebra.add, addends) if addends else None


def sub_as_add(op: Any, algebra: Algebra) -> None:
    algebra.add(*op.operands)


def div_as_mul(op: Any, algebra: Algebra) -> None:
    algebra.mul(*op.operands)


def swapped(op: Any, algebra: Algebra) -> None:
    """Scale and shift change places."""
    x, scale, shift = op.operands
    factor, addend = (
        decompose_linear.per_channel(algebra, x, v) for v in (shift, scale)
    )
    algebra.add(algebra.mul(x, factor), addend)


def norm_without_mean(op: Any, algebra: Algebra) -> None:
    """The mean is subtracted after the scale."""
    x, scale, bias, mean, variance = op.operands
    moved = algebra.number(0.5, x)
    inverse = algebra.div(scale, algebra.sqrt(algebra.add(variance, moved)))
    vectors = [
        decompose_linear.per_channel(algebra, x, v) for v in (inverse, mean, bias)
    ]
    algebra.add(algebra.sub(algebra.mul(x, vectors[0]), vectors[1]), vectors[2])


def norm_without_epsilon(op: Any, algebra: Algebra) -> None:
    x, scale, bias, mean, variance = op.operands
    factor = algebra.div(scale, algebra.sqrt(variance))
    shift = algebra.sub(bias, algebra.mul(mean, factor))
    vectors = [decompose_linear.per_channel(algebra, x, v) for v in (factor, shift)]
    algebra.add(algebra.mul(x, vectors[0]), vectors[1])


def rightmost(algebra: Algebra, x: Any, vector: Any) -> Any:
    """The channel is taken for the last dimension."""
    return vector


def some_agree(self: move_strides.Plan, value: Any) -> Any:
    """One reader decides for all."""
    found = [self.wants.get((u.operation, u.index)) for u in value.uses]
    wanted = [one for one in found if one is not None]
    return wanted[0] if wanted else None


def outputs_agree(self: move_strides.Plan, value: Any) -> Any:
    """A graph output is no reader."""
    found = {
        self.wants.get((u.operation, u.index))
        for u in value.uses
        if u.operation.name != "func.return"
    }
    return found.pop() if len(found) == 1 else None


def any_padding(geometry: Any) -> bool:
    return all(w.kernel == 1 for w in geometry)


def any_kernel(geometry: Any) -> bool:
    return all(not w.padded for w in geometry)


def every_operand(op: Any, skipped: Any) -> Any:
    """Dimensions of size 1 are thought to shrink, and vectors to be images."""
    steps = (1, 1, *skipped)
    for index, operand in enumerate(op.operands):
        shape = shape_of(operand)
        aligned = steps[len(steps) - len(shape) :]
        if set(aligned) - {1}:
            yield (
                index,
                tuple(1 if n == 1 else s for n, s in zip(shape, aligned, strict=True)),
            )


def first_operand(op: Any, skipped: Any) -> Any:
    """Only the first operand gets smaller."""
    yield from [pair for pair in ORIGINAL["operand_steps"](op, skipped) if not pair[0]]


def same_padding(op: Any, plan: Any) -> None:
    """The padding stays the word it was."""
    geometry = plan.geometry[op]
    taken = plan.agreed.get(op.output) or (1,) * len(geometry)
    steps = [w.stride * t for w, t in zip(geometry, taken, strict=True)]
    steps = [1] * len(geometry) if plan.gives(op) else steps
    new = nn.ConvOp.make(*op.operands, strides=steps)
    op.properties["strides"] = new.properties["strides"]
    new.drop_all_references()


def replaced_stride(op: Any, plan: Any) -> None:
    """The stride that a convolution had is lost."""
    ORIGINAL["restride"](op, plan)
    if not plan.gives(op):
        taken = plan.agreed.get(op.output) or (1,)
        new = nn.ConvOp.make(*op.operands, **(dict(op.properties) | {"strides": taken}))
        op.properties["strides"] = new.properties["strides"]
        new.drop_all_references()


def in_any_order(concat: Any, split: Any, constants: Any) -> Any:
    """Order and readers are not looked at."""
    convs = [value.owner for value in concat.operands]
    if not all(isinstance(c, nn.ConvOp) for c in convs) or len(convs) < 2:
        raise linear.Obstacle("")
    fuse_groups.check_alike(convs, constants)
    return convs


def at_any_axis(axis: int, rank: int) -> int:
    return 1


def same_key(op: Any, constants: Any) -> Any:
    """Geometry and flags are not compared."""
    if ORIGINAL["key_of"](op, constants) is None:
        return None
    return (op.operands[0], op.name, len(op.operands))


def wrong_weight_axis(op: Any) -> int:
    return 0


def composed_wrongly(op: Any, constants: Any) -> bool:
    """The permutations are composed the wrong way round."""
    if not isinstance(op, nn.TransposeOp) or not isinstance(op.x.owner, nn.TransposeOp):
        return False
    inner = op.x.owner
    outer = cancel_transposes.permutation(op)
    perm = [outer[axis] for axis in cancel_transposes.permutation(inner)]
    cancel_transposes.put(op, nn.TransposeOp.make(inner.x, perm=perm), [inner, op])
    return True


def not_turned_back(algebra: Algebra, operand: Any, perm: Any) -> Any:
    return operand


def turned_forward(algebra: Algebra, operand: Any, perm: Any) -> Any:
    shape = [1] * (len(perm) - len(shape_of(operand))) + list(shape_of(operand))
    return algebra.transpose(algebra.reshape(operand, shape), perm)


def always_ones(op: Any, constants: Any) -> bool:
    """Every transpose is taken for a reshape."""
    if not isinstance(op, nn.TransposeOp):
        return False
    cancel_transposes.put_reshape(op, op.x, [op])
    return True


ORIGINAL: dict[str, Any] = {
    "add_to_output": absorb.add_to_output,
    "merged_constants": merge_linear.merged_constants,
    "operand_steps": move_strides.operand_steps,
    "restride": move_strides.restride,
    "key_of": fuse_horizontal.key_of,
}

FUSE, MERGE, PAIR = FuseLinearPass(), MergeLinearPass(), MergeLinearPass(pairs=True)
SPLIT, STRIDE, GROUP = DecomposeLinearPass(), MoveStridesPass(), FuseGroupsPass()
WIDE, TURN = FuseHorizontalPass(), CancelTransposesPass()

MUTATIONS = [
    Mutation("second readers", FUSE, LINEAR, fuse_linear, "check_one_reader", nothing),
    Mutation("wrong channel", FUSE, LINEAR, fuse_linear.Search, "check_axis", nothing),
    Mutation("broadcasts", FUSE, LINEAR, fuse_linear, "check_linear", nothing),
    Mutation("padding", FUSE, LINEAR, absorb, "check_unpadded", nothing),
    Mutation("signs", FUSE, LINEAR, fuse_linear, "is_positive", lambda _: True),
    Mutation("bias", FUSE, LINEAR, fuse_linear, "multiply_output", unbiased),
    Mutation("old bias", FUSE, LINEAR, fuse_linear, "add_to_output", new_bias),
    Mutation("groups", FUSE, LINEAR, absorb, "groups_of", one_group),
    Mutation("branches", FUSE, LINEAR, paths, "_branches", first_part),
    Mutation("beta", FUSE, LINEAR, absorb, "with_addend", forgotten_beta),
    Mutation("transB", FUSE, LINEAR, absorb, "turned_weights", lambda _: False),
    Mutation(
        "an Add between", FUSE, LINEAR, fuse_linear, "scaled_addend", left_as_it_was
    ),
    Mutation("what is between", FUSE, LINEAR, paths, "check_through", nothing),
    Mutation("reshapes", FUSE, LINEAR, paths, "same_dimension", any_dimension),
    Mutation("pads", FUSE, LINEAR, paths, "_check_pad", nothing),
    Mutation("shift", MERGE, MERGED, merge_linear, "merged_constants", unscaled_shift),
    Mutation("growth", MERGE, MERGED, merge_linear, "check_linear", nothing),
    Mutation(
        "identities",
        MERGE,
        MERGED,
        linear.Linear,
        "is_identity",
        property(lambda self: bool((linear.constant_array(self.constant) == 1).all())),
    ),
    Mutation("pairs of any axis", PAIR, MERGED, merge_linear, "check_pair", nothing),
    Mutation("minus", SPLIT, DECOMPOSED, decompose_linear, "from_sub", sub_as_add),
    Mutation("divisor", SPLIT, DECOMPOSED, decompose_linear, "from_div", div_as_mul),
    Mutation(
        "mean",
        SPLIT,
        DECOMPOSED,
        decompose_linear,
        "from_batch_norm",
        norm_without_mean,
    ),
    Mutation(
        "epsilon",
        SPLIT,
        DECOMPOSED,
        decompose_linear,
        "from_batch_norm",
        norm_without_epsilon,
    ),
    Mutation(
        "norm axis", SPLIT, DECOMPOSED, decompose_linear, "per_channel", rightmost
    ),
    Mutation("swap", SPLIT, DECOMPOSED, decompose_linear, "from_scale_shift", swapped),
    Mutation("one agrees", STRIDE, STRIDED, move_strides.Plan, "agreement", some_agree),
    Mutation("outputs", STRIDE, STRIDED, move_strides.Plan, "agreement", outputs_agree),
    Mutation("1x1 padding", STRIDE, STRIDED, move_strides, "is_pointwise", any_padding),
    Mutation("kernel", STRIDE, STRIDED, move_strides, "is_pointwise", any_kernel),
    Mutation("vectors", STRIDE, STRIDED, move_strides, "operand_steps", every_operand),
    Mutation("operands", STRIDE, STRIDED, move_strides, "operand_steps", first_operand),
    Mutation("auto_pad", STRIDE, STRIDED, move_strides, "restride", same_padding),
    Mutation("own stride", STRIDE, STRIDED, move_strides, "restride", replaced_stride),
    Mutation("order", GROUP, GROUPED, fuse_groups, "matched", in_any_order),
    Mutation("alike", GROUP, GROUPED, fuse_groups, "check_alike", nothing),
    Mutation("readers", GROUP, GROUPED, fuse_groups, "check_one_reader", nothing),
    Mutation("axis", GROUP, GROUPED, fuse_groups, "normalized_axis", at_any_axis),
    Mutation("geometry", WIDE, SEVERAL, fuse_horizontal, "key_of", same_key),
    Mutation(
        "columns", WIDE, SEVERAL, fuse_horizontal, "weight_axis", wrong_weight_axis
    ),
    Mutation(
        "composition", TURN, TURNED, cancel_transposes, "compose", composed_wrongly
    ),
    Mutation("alike", TURN, TURNED, cancel_transposes, "check_sinkable", nothing),
    Mutation(
        "constants", TURN, TURNED, cancel_transposes, "turned_back", not_turned_back
    ),
    Mutation("inverse", TURN, TURNED, cancel_transposes, "turned_back", turned_forward),
    Mutation("ones", TURN, TURNED, cancel_transposes, "only_ones", always_ones),
]
TABLES = ("RULES",)
"""Tables in which a replaced function may stand too."""


def replaced_in(table: Any, old: Any, new: Any) -> Any:
    """A table of rules with one rule replaced."""
    if isinstance(table, dict):
        return {key: new if rule is old else rule for key, rule in table.items()}
    return tuple(new if rule is old else rule for rule in table)


def apply(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the mistake in."""
    old = getattr(mutation.owner, mutation.name)
    monkeypatch.setattr(mutation.owner, mutation.name, mutation.mistake)
    for name in TABLES:
        table = getattr(mutation.owner, name, None)
        if table is not None:
            new = replaced_in(table, old, mutation.mistake)
            monkeypatch.setattr(mutation.owner, name, new)


def survives(mutation: Mutation, networks: int) -> bool:
    """Whether the property holds for so many networks."""
    for seed in range(networks):
        program = random_pattern(seed, mutation.moves)
        try:
            with np.errstate(all="ignore"):
                check_exact(mutation.pass_, program, text=False)
        except Exception:
            return False
    return True


@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=lambda m: f"{m.pass_.name}: {m.what}"
)
def test_the_mistake_is_found(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(mutation, monkeypatch)

    assert not survives(mutation, NETWORKS)


def test_there_are_enough_of_them() -> None:
    assert len(MUTATIONS) >= 40
    assert {m.pass_.name for m in MUTATIONS} == {
        "cancel-transposes",
        "decompose-linear",
        "fuse-groups",
        "fuse-horizontal",
        "fuse-linear",
        "merge-linear",
        "move-strides",
    }
