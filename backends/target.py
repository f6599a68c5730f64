"""
What a target is: facts that neutral passes read. No pass asks which target it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Target:
    """
    Facts about what code is generated for.

    Lanes and registers are those of 32-bit elements. `functions` are the scalar functions
    that the target computes well by itself; the others are expanded to arithmetic.
    """

    name: str
    lanes: int = 16
    halves: bool = False
    """Whether a register of half the lanes takes half the time."""
    registers: int = 32
    accumulators: int = 28
    """Registers that a contraction may use for its sums."""
    max_grid: int = 256
    """About how many independent shares a kernel is cut into."""
    near: int = 1 << 15
    """Bytes that the first cache holds."""
    cache: int = 3 << 18
    """Bytes that a thread reads again from near: most of what its second cache holds."""
    scratch: int = 0
    """Bytes that a kernel may keep for itself while it works on a block."""
    prefetches: bool = False
    """Whether asking for memory that is needed soon pays."""
    transposes: bool = False
    """Whether squares of registers are transposed quickly."""
    items: int = 1
    """Work-items of a group that take the place of lanes; 1: lanes are vectors."""
    functions: frozenset[str] = frozenset()
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the printer needs: triple, CPU name, features, device."""

    @property
    def narrow(self) -> int:
        """Lanes of the smallest register that does as many a second as a whole one."""
        return self.lanes // 2 if self.halves else self.lanes

    def facts(self) -> dict[str, Any]:
        """Plain values for the artifact's manifest."""
        facts = asdict(self)
        facts["functions"] = sorted(self.functions)
        return facts | dict(facts.pop("details"))
