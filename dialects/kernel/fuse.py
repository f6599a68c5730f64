"""
Fusion: several operations as the nests of one.

The first operation that is not elementwise, or else the first one, is the anchor: its
nests are the kernel's. Elementwise operations after it run where the anchor writes, on
the value that is at hand:

    acc = sum(x * w)                 acc = sum(x * w)
    write acc, t[i, j]         ==>   write max(acc + r[i, j], 0), y[i, j]
    y[i, j] = max(t[i, j] + r[i, j], 0)

An operation's loop body is run again for that, with its dimensions set to the place the
anchor writes. So a fused body is written by the same code as one that stands alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

from ..nn.base import NNOp
from .build import BuiltNest, Index, Loops, Nest, Place, Tensor
from .scalar import Scalar


class NotFusible(Exception):
    """An operation cannot take part in a fusion as it was asked to."""


@dataclass
class FusedLoops(Loops):
    """Collects the anchor's nests; `followers` run where it writes."""

    followers: Sequence[NNOp] = ()
    escaping: Collection[SSAValue] = ()
    written: list[Tensor] = field(default_factory=list[Tensor])

    def nest(self, sizes: Mapping[str, int] | None = None, /, **named: int) -> Nest:
        nest = AnchorNest({**(sizes or {}), **named}, self)
        self.nests.append(nest)
        return nest


class AnchorNest(Nest):
    """A nest of the anchor."""

    def __init__(self, sizes: Mapping[str, int], fusion: FusedLoops) -> None:
        super().__init__(sizes)
        self.fusion = fusion

    def write(
        self, value: Scalar, tensor: Tensor, at: Place, where: Scalar | None = None
    ) -> None:
        fusion = self.fusion
        if not fusion.followers or not isinstance(tensor, SSAValue):
            super().write(value, tensor, at, where)
            return
        if where is not None or any(isinstance(i, Scalar) for i in at):
            raise NotFusible("the anchor's writes depend on data")
        place = [_as_index(i) for i in at]
        values: dict[Tensor, Scalar] = {tensor: value}
        if tensor in fusion.escaping:
            super().write(value, tensor, at)
        for op in fusion.followers:
            op.loops(FollowerLoops(anchor=self, values=values, place=place))
            for result in op.results:
                if result in fusion.escaping:
                    super().write(values[result], result, at)


@dataclass
class FollowerLoops(Loops):
    """Runs one elementwise body at the place where the anchor writes."""

    anchor: Nest | None = None
    values: dict[Tensor, Scalar] = field(default_factory=dict[Tensor, Scalar])
    place: Sequence[Index] = ()

    def nest(self, sizes: Mapping[str, int] | None = None, /, **named: int) -> Nest:
        names = list({**(sizes or {}), **named})
        if len(names) != len(self.place) or self.anchor is None:
            raise NotFusible(f"dimensions {names} are not those of the anchor's write")
        return FollowerNest(
            self.anchor, dict(zip(names, self.place, strict=True)), self
        )


class FollowerNest(Nest):
    """A view of the anchor's nest in which the follower's dimensions are places."""

    def __init__(
        self, anchor: Nest, places: Mapping[str, Index], loops: FollowerLoops
    ) -> None:
        self.anchor, self.places, self.loops = anchor, places, loops
        self.block, self.sizes, self.dims = anchor.block, anchor.sizes, anchor.dims
        self.buffers, self.known = anchor.buffers, anchor.known

    def __getitem__(self, name: str) -> Index:
        return self.places[name]

    @property
    def indices(self) -> list[Index]:
        return list(self.places.values())

    def read(self, tensor: Tensor, at: Place, fill: float | None = None) -> Scalar:
        value = self.loops.values.get(tensor)
        if value is None:
            return self.anchor.read(tensor, at, fill)
        if [_as_index(i) for i in at] != list(self.loops.place):
            raise NotFusible("an elementwise operation reads at another place")
        return value.cast("float32") if _is_narrow(value) else value

    def write(
        self, value: Scalar, tensor: Tensor, at: Place, where: Scalar | None = None
    ) -> None:
        if where is not None:
            raise NotFusible("an elementwise operation writes under a condition")
        self.loops.values[tensor] = value

    def reduce(
        self, kind: str, value: Scalar, over: Sequence[str], init: Scalar | None = None
    ) -> Scalar:
        raise NotFusible("an elementwise operation reduces")


def _as_index(item: Index | int | Scalar) -> Index:
    if isinstance(item, Scalar):
        raise NotFusible("a place depends on data")
    return Index((), item) if isinstance(item, int) else item


def _is_narrow(value: Scalar) -> bool:
    return value.dtype.kind == "f" and value.dtype.itemsize < 4


def fused_nests(
    ops: Sequence[NNOp], escaping: Collection[SSAValue], name: str
) -> list[BuiltNest]:
    """
    The nests of `ops`, the first of which is the anchor.

    Args:
        escaping: results that others than `ops` read; only these are written.

    Raises:
        NotFusible: the operations do not fit together.
    """
    anchor, *followers = ops
    loops = FusedLoops(followers=followers, escaping=escaping)
    anchor.loops(loops)
    return loops.finish(name)
