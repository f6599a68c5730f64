"""
Move strides from 1x1 convolutions up to the convolutions that produce their input.

    conv1x1(f(conv(x)), stride s)  ==>  conv1x1(f(conv(x, stride s)))
    conv1x1(add(conv(x), y), stride s)
        ==>  conv1x1(add(conv(x, stride s), max_pool(y, kernel 1, stride s)))

What a strided 1x1 convolution does not read need not be computed. The stride goes up
through elementwise operations `f`, and through 1x1 convolutions on the way, when all
readers of a value skip the same elements. An operand of `f` that cannot take the stride
is thinned out by a pooling of kernel 1 (or a slice, for constants and other ranks); in a
dimension of size 1 it broadcasts and stays. Legal when

- every window of the 1x1 convolution lies inside of its input: no padding is seen,
- no value on the way is a graph output or has a reader that needs other elements,
- at least one convolution takes the stride.

Explicit and automatic padding of the convolution that takes the stride are kept as the
numbers they were. Applied where the cost (`cost.py`) of all operations concerned does
not rise. Results are kept to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import nn
from ...dialects.nn.base import NNOp
from ...dialects.nn.common import FLOATS
from ...dialects.nn.windows import Window
from ...dialects.types import element_type, is_static, shape_of
from .algebra import Algebra, Constants
from .cost import bytes_of, compared, cost, cost_of
from .reasons import KEPT, applied, decline, is_kept
from .rewrite import FunctionPass

Strides = tuple[int, ...]
"""One step per spatial dimension; 1 in dimensions of size 1."""

Use = tuple[Operation, int]
"""A reader and the number of its operand."""


@dataclass(frozen=True)
class MoveStridesPass(FunctionPass):
    """Move strides of 1x1 convolutions to the convolutions before them."""

    name = "move-strides"

    def rewrite(self, body: Block) -> int:
        plan = Plan(Constants.of(body))
        for op in list(body.ops)[::-1]:
            if isinstance(op, NNOp):
                plan.look_at(op)
        moved: set[Operation] = set()
        for group in plan.groups():
            if plan.check(group):
                moved |= group
        movers = [op for op in moved if plan.gives(op)]
        plan.explain(body, moved)
        if movers:
            apply(body, plan, moved)
        return len(movers)


@dataclass
class Plan:
    """Which elements of every value are read, and who may skip the others."""

    constants: Constants
    wants: dict[Use, Strides] = field(default_factory=dict[Use, Strides])
    """What readers would skip."""
    agreed: dict[SSAValue, Strides] = field(default_factory=dict[SSAValue, Strides])
    """Values of which every reader skips the same, and whose owner can."""
    geometry: dict[Operation, list[Window]] = field(
        default_factory=dict[Operation, list[Window]]
    )
    reasons: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])

    def look_at(self, op: NNOp) -> None:
        """Decide about one operation; all readers of its results are decided."""
        if not all(is_static(v.type) for v in (*op.operands, *op.results)):
            return
        if isinstance(op, nn.ConvOp):
            self.look_at_conv(op)
        elif op.ELEMENTWISE and len(op.results) == 1 and not is_kept(op):
            skipped = self.agreement(op.results[0])
            if skipped is not None:
                self.agreed[op.results[0]] = skipped
                for index, steps in operand_steps(op, skipped):
                    if not self.needs_slice(op, index):
                        self.wants[op, index] = steps[2:]

    def look_at_conv(self, op: nn.ConvOp) -> None:
        """A convolution takes what its readers skip; a 1x1 convolution passes it on."""
        if is_kept(op):
            return
        geometry = self.geometry[op] = op.windows()
        skipped = self.agreement(op.output)
        if skipped is not None:
            self.agreed[op.output] = skipped
        if not is_pointwise(geometry):
            return
        own = [window.stride for window in geometry]
        total = [a * b for a, b in zip(own, skipped or [1] * len(own), strict=True)]
        wanted = in_sizes(total, op.x)
        if set(wanted) != {1}:
            self.wants[op, 0] = wanted

    def agreement(self, value: SSAValue) -> Strides | None:
        """What all readers of a value skip; None when somebody needs other elements."""
        found: set[Strides | None] = set()
        for use in value.uses:
            if isinstance(use.operation, ReturnOp):
                self.reasons[value] = "its input is a graph output"
                return None
            found.add(self.wants.get((use.operation, use.index)))
        if len(found) != 1:
            if any(found):
                self.reasons[value] = "another reader of its input needs other elements"
            return None
        return found.pop()

    def needs_slice(self, op: NNOp, index: int) -> bool:
        """Whether an operand is a constant or has another rank than the result."""
        operand = op.operands[index]
        same = len(shape_of(operand)) == len(shape_of(op.results[0]))
        return operand in self.constants or not same

    def gives(self, op: Operation) -> bool:
        """Whether this is a convolution that gets rid of its stride."""
        return (
            isinstance(op, nn.ConvOp) and op.x in self.agreed and (op, 0) in self.wants
        )

    def takes(self, op: Operation) -> bool:
        """Whether this is a convolution that takes a stride."""
        return isinstance(op, nn.ConvOp) and op.output in self.agreed

    def groups(self) -> Iterator[set[Operation]]:
        """Operations that can only change together."""
        linked: dict[Operation, list[Operation]] = {}
        for value in self.agreed:
            owner = value.owner
            assert isinstance(owner, Operation)
            for use in value.uses:
                linked.setdefault(owner, []).append(use.operation)
                linked.setdefault(use.operation, []).append(owner)
        seen: set[Operation] = set()
        for start in linked:
            if start in seen:
                continue
            group, pending = {start}, [start]
            while pending:
                new = [op for op in linked[pending.pop()] if op not in group]
                group.update(new)
                pending += new
            seen |= group
            yield group

    def check(self, group: set[Operation]) -> bool:
        """Whether a group may change and does not get more expensive."""
        givers = [op for op in group if self.gives(op)]
        if not any(self.takes(op) for op in group):
            for op in givers:
                self.decline(op, "no convolution before it can take the stride")
            return False
        before, after = self.costs(group)
        note = compared(before, after)
        for op in givers:
            if after > before:
                self.decline(op, f"it would cost more: {note}")
            else:
                takers = [t for t in group if self.takes(t) and not self.gives(t)]
                applied("move-strides", [op, *takers], op, note)
        return after <= before

    def costs(self, group: set[Operation]) -> tuple[float, float]:
        """The cost of a group as it is, and as it would be."""
        before = after = 0.0
        thinned: dict[tuple[SSAValue, Strides], float] = {}
        for op in group:
            assert isinstance(op, NNOp)
            result = op.results[0]
            skipped = self.agreed.get(result)
            part = kept_part(result, skipped)
            before += cost_of(op)
            if self.gives(op):
                own = tuple(window.stride for window in self.geometry[op])
                unread = 1 - kept_part(op.operands[0], own)
                before -= cost(0, unread * bytes_of(op.operands[0]))
            moved = bytes_of(result) * part
            for index, operand in enumerate(op.operands):
                moved += bytes_of(operand) * kept_part(
                    operand, self.agreed.get(operand)
                )
                if skipped is None or isinstance(op, nn.ConvOp):
                    continue
                steps = dict(operand_steps(op, skipped)).get(index)
                if steps is None or operand in self.agreed or operand in self.constants:
                    continue
                small = bytes_of(operand) * kept_part(operand, steps[2:])
                thinned[operand, steps] = cost(small / 4, 2 * small)
                moved -= bytes_of(operand) - small
            after += cost(op.flops() * part, moved)
        return before, after + sum(thinned.values())

    def explain(self, body: Block, moved: set[Operation]) -> None:
        """Say of every strided 1x1 convolution that stays why."""
        for op in body.ops:
            if not isinstance(op, nn.ConvOp) or op in moved:
                continue
            if is_kept(op):
                self.decline(op, KEPT)
                continue
            geometry = self.geometry.get(op)
            if geometry is None or all(w.kernel > 1 or w.stride == 1 for w in geometry):
                continue
            if any(window.kernel > 1 for window in geometry):
                continue
            if any(window.padded for window in geometry):
                self.decline(op, "it has padding")
            elif op.x not in self.agreed:
                self.decline(op, self.reason(op.x))

    def reason(self, value: SSAValue) -> str:
        """Why a value is computed whole."""
        if value in self.reasons:
            return self.reasons[value]
        owner = value.owner
        name = owner.name if isinstance(owner, Operation) else "the network's input"
        return f"{name} before it takes no stride"

    def decline(self, op: Operation, reason: str) -> None:
        decline(op, "move-strides", reason, rewrite="stride moved up")


def is_pointwise(geometry: list[Window]) -> bool:
    """Whether a kernel has one tap, and no window sees padding."""
    return all(w.kernel == 1 and not w.padded for w in geometry)


def in_sizes(steps: list[int], value: SSAValue) -> Strides:
    """Steps through the spatial dimensions of a value: 1 where there is one element."""
    sizes = shape_of(value)[2:]
    return tuple(1 if n == 1 else s for s, n in zip(steps, sizes, strict=True))


def kept_part(value: SSAValue, skipped: Strides | None) -> float:
    """Which part of a value's elements is left."""
    if skipped is None:
        return 1.0
    sizes = shape_of(value)[2:]
    return prod(-(-n // s) / n for n, s in zip(sizes, skipped, strict=True))


def operand_steps(op: NNOp, skipped: Strides) -> Iterator[tuple[int, Strides]]:
    """
    The steps through every dimension of those operands of an elementwise operation of
    which not all elements are read any more.
    """
    steps = (1, 1, *skipped)
    for index, operand in enumerate(op.operands):
        if isinstance(op, nn.ScaleShiftOp) and index:
            return  # vectors along the channels
        shape = shape_of(operand)
        aligned = steps[len(steps) - len(shape) :]
        own = tuple(1 if n == 1 else s for n, s in zip(shape, aligned, strict=True))
        if set(own) - {1}:
            yield index, own


def apply(body: Block, plan: Plan, moved: set[Operation]) -> None:
    """Change the operations of `moved`, in program order."""
    thin: dict[tuple[SSAValue, Strides], SSAValue] = {}
    for op in list(body.ops):
        if op not in moved or not isinstance(op, NNOp):
            continue
        if isinstance(op, nn.ConvOp):
            restride(op, plan)
        elif op.results[0] in plan.agreed:
            for index, steps in operand_steps_before(op, plan):
                operand = op.operands[index]
                if (operand, steps) not in thin:
                    thin[operand, steps] = thinned(op, index, steps, plan)
                op.operands[index] = thin[operand, steps]
        op.set_result_types(op.infer())


def operand_steps_before(op: NNOp, plan: Plan) -> list[tuple[int, Strides]]:
    """Operands of an elementwise operation that do not get smaller by themselves."""
    skipped = plan.agreed[op.results[0]]
    return [
        (index, steps)
        for index, steps in operand_steps(op, skipped)
        if plan.needs_slice(op, index) or op.operands[index] not in plan.agreed
    ]


def restride(op: nn.ConvOp, plan: Plan) -> None:
    """Give a convolution the stride it takes, or that it is left with."""
    geometry = plan.geometry[op]
    taken = plan.agreed.get(op.output) or (1,) * len(geometry)
    steps = [w.stride * t for w, t in zip(geometry, taken, strict=True)]
    if plan.gives(op):
        steps = [1] * len(geometry)
    pads = [w.begin for w in geometry] + [w.end for w in geometry]
    if plan.gives(op):
        pads = [0] * len(pads)
    new = nn.ConvOp.make(
        *op.operands, strides=steps, pads=pads, dilations=op.dilations, group=op.group
    )
    op.properties.update(new.properties)
    new.drop_all_references()


def thinned(op: NNOp, index: int, steps: Strides, plan: Plan) -> SSAValue:
    """Every `steps`-th element of an operand, computed before `op`."""
    algebra = Algebra()
    operand = op.operands[index]
    if element_type(operand) in FLOATS and not plan.needs_slice(op, index):
        kernel = [1 for _ in steps[2:]]
        algebra.write(
            nn.MaxPoolOp.make(operand, kernel_shape=kernel, strides=steps[2:])
        )
    else:
        axes = [i for i, step in enumerate(steps) if step > 1]
        lists = (
            [0 for _ in axes],
            [shape_of(operand)[i] for i in axes],
            axes,
            [steps[i] for i in axes],
        )
        algebra.write(nn.SliceOp.make(operand, *map(algebra.ints, lists)))
    for new in algebra.ops:
        new.location = op.location
    assert op.parent is not None
    op.parent.insert_ops_before(algebra.ops, op)
    plan.constants.follow(algebra.ops)
    return algebra.ops[-1].results[0]
