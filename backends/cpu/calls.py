"""Calls of the C library: one a lane, and in a branch where they are rare."""

from __future__ import annotations

from abc import ABC
from typing import cast

from xdsl.dialects import math
from xdsl.dialects.builtin import AnyFloat, FloatAttr
from xdsl.ir import Attribute, Operation

from .memory import MemoryPrinter
from .spelling import INTRINSICS, element_name, spelled, suffix

AT_ZERO: dict[type[Operation], float | None] = {
    math.SinOp: None,
    math.CosOp: 1.0,
    math.TanOp: None,
}
"""Functions whose argument is mostly zero, as `expand-math` calls them, and what they give
there: None is the argument."""


class CallPrinter(MemoryPrinter, ABC):
    """Calls of functions for registers."""

    def library(self, name: str, operand: str, element: Attribute, width: int) -> str:
        """A call of the C library for each lane."""
        scalar = element_name(element)
        function = name + ("f" if scalar == "float" else "")
        if width == 1:
            return self.call(function, scalar, [(scalar, operand)])
        vector = spelled(scalar, width)
        results: list[str] = []
        for lane in range(width):
            part = self.value(f"extractelement {vector} {operand}, i64 {lane}")
            results.append(self.call(function, scalar, [(scalar, part)]))
        return self.from_lanes(results, element)

    def unless_zero(
        self, kind: type[Operation], operand: str, element: Attribute, width: int
    ) -> str:
        """
        A function of `AT_ZERO`.

        The calls stand in a branch that is taken where a lane is not zero.
        """
        type_, before = spelled(element_name(element), width), self.current
        float_ = cast("AnyFloat", element)
        zero = self.constant(FloatAttr(0.0, float_), width)
        some = self.value(f"fcmp une {type_} {operand}, {zero}")
        if width > 1:
            lanes = (spelled("i1", width), some)
            some = self.call(f"llvm.vector.reduce.or.v{width}i1", "i1", [lanes])
        called, after = self.fresh("far"), self.fresh("near")
        self.line(
            f"  br i1 {some}, label %{called}, label %{after}, "
            '!prof !{!"branch_weights", i32 1, i32 100000}'
        )
        self.label(called)
        function = f"llvm.{INTRINSICS[kind]}.{suffix(element, width)}"
        values = self.call(function, type_, [(type_, operand)])
        self.line(f"  br label %{after}")
        self.label(after)
        at_zero = AT_ZERO[kind]
        otherwise = operand
        if at_zero is not None:
            otherwise = self.constant(FloatAttr(at_zero, float_), width)
        return self.value(
            f"phi {type_} [ {otherwise}, %{before} ], [ {values}, %{called} ]"
        )
