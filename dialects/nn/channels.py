"""Channels of a convolution and their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..kernel.build import Index, Nest


class Channels(NamedTuple):
    """How channels are divided: `groups` times `inputs` to `outputs` of each group."""

    groups: int
    inputs: int
    outputs: int

    @property
    def depthwise(self) -> bool:
        """Whether every output channel reads one input channel, its own."""
        return self.groups > 1 and self.inputs == self.outputs == 1

    def output_dims(self) -> dict[str, int]:
        """Dimensions of a nest that together count the output channels."""
        if self.depthwise:
            return {"c": self.groups}
        group = {"g": self.groups} if self.groups > 1 else {}
        return group | {"oc": self.outputs}

    def input_dims(self) -> dict[str, int]:
        """The dimension to sum over; none when a group reads a single channel."""
        return {} if self.groups > 1 and self.inputs == 1 else {"ic": self.inputs}

    def target(self, n: Nest) -> Index:
        """The output channel."""
        if self.depthwise:
            return n["c"]
        return n["g"] * self.outputs + n["oc"] if self.groups > 1 else n["oc"]

    def indices(self, n: Nest) -> tuple[Index | int, ...]:
        """Input channel, output channel, and each of them counted in its group."""
        if self.depthwise:
            return n["c"], n["c"], 0, 0
        inner: Index | int = n["ic"] if self.input_dims() else 0
        if self.groups == 1:
            return inner, n["oc"], inner, n["oc"]
        group = n["g"]
        outer = group * self.outputs + n["oc"]
        return group * self.inputs + inner, outer, inner, n["oc"]
