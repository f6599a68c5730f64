"""Print kernels as LLVM IR text: one short method a leaf."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute, Operation

from ...dialects.kernel.access import StoreOp
from ...dialects.kernel.loops import FuncOp
from ...dialects.kernel.tiles import TileType
from ..functions import LIBRARY
from ..leaves import Lines, Tile, flat_lines
from .calls import AT_ZERO, CallPrinter
from .spelling import (
    CASTS,
    EXTREMES,
    FLOATS,
    INTRINSICS,
    REDUCE,
    Number,
    element_name,
    instruction,
    literal,
    narrow_literal,
    spelled,
    suffix,
)

XMM = 4
"""Lanes of the smallest vector register that inline assembly can name."""


class LLVMPrinter(CallPrinter):
    """
    Prints `void name(ptr buffers, i64 begin, i64 end)`.

    `buffers` is an array of pointers; the kernel runs the points `[begin, end)` of its
    flattened grid.
    """

    def __init__(self, fused: bool = True, lanes: int = 0, reloads: int = 0) -> None:
        """
        Args:
            fused: whether products and sums are one instruction.
            lanes: what a vector register of x86 holds; 0 for other processors.
            reloads: see `Leaves`.
        """
        super().__init__()
        self.fused, self.lanes, self.reloads = fused, lanes, reloads
        self.forms: dict[tuple[Operation, int], str] = {}

    def function(self, func: FuncOp) -> str:
        """The text of one kernel and of the function that unpacks its arguments."""
        arguments = list(func.body.block.args)
        stored = {op.buffer for op in func.walk() if isinstance(op, StoreOp)}
        parameters: list[str] = []
        for position, argument in enumerate(arguments):
            self.names[argument] = f"%b{position}"
            mode = "" if argument in stored else " readonly"
            parameters.append(f"ptr noalias{mode} %b{position}")
        self.kernel(func)
        body = "\n".join(flat_lines(self.lines))
        name = func.sym_name.data
        signature = ", ".join([*parameters, "i64 %begin", "i64 %end"])
        unpack = "".join(
            f"  %q{n} = getelementptr ptr, ptr %buffers, i64 {n}\n"
            f"  %p{n} = load ptr, ptr %q{n}, align 8\n"
            for n in range(len(arguments))
        )
        passed = ", ".join([f"ptr %p{n}" for n in range(len(arguments))])
        return (
            f"define internal void @{name}.body({signature}) nounwind {{\nentry:\n"
            f"{body}\n  ret void\n}}\n"
            f"define void @{name}(ptr %buffers, i64 %begin, i64 %end) nounwind {{\n"
            f"{unpack}  call void @{name}.body({passed}, i64 %begin, i64 %end)\n"
            f"  ret void\n}}\n"
        )

    # structure

    def _loop(
        self,
        counter: str,
        begin: str,
        end: str,
        carried: list[Tile],
        body: Callable[[list[Tile], Lines], list[Tile]],
    ) -> list[Tile]:
        """A loop that runs at least once; registers are carried by phis."""
        before, top, done = self.current, f"{counter}.loop", f"{counter}.done"
        self.line(f"  br label %{top}")
        self.label(top)
        header: Lines = []
        head: Lines = []
        self.out.append(header)
        self.out.append(head)
        phis = [
            Tile(t.type, None, {i: "%" + self.fresh("acc") for i in t.indices})
            for t in carried
        ]
        after = body([Tile(p.type, None, dict(p.cells)) for p in phis], head)
        step = self.value(f"add nuw nsw i64 %{counter}, 1")
        header.append(
            f"  %{counter} = phi i64 [ {begin}, %{before} ], [ {step}, %{self.current} ]"
        )
        for first, phi, last in zip(carried, phis, after, strict=True):
            type_ = spelled(element_name(phi.type.element), phi.type.width)
            for index, name in phi.cells.items():
                header.append(
                    f"  {name} = phi {type_} [ {first[index]}, %{before} ], "
                    f"[ {last[index]}, %{self.current} ]"
                )
        again = self.value(f"icmp slt i64 {step}, {end}")
        self.line(f"  br i1 {again}, label %{top}, label %{done}")
        self.label(done)
        return after

    def counted(
        self,
        counter: str,
        extent: int,
        mapping: str,
        carried: list[Tile],
        body: Callable[[list[Tile], Lines], list[Tile]],
    ) -> list[Tile]:
        assert mapping == "serial", f"{mapping} loops have no meaning on a CPU"
        return self._loop(counter, "0", str(extent), carried, body)

    def grid(
        self,
        counters: Sequence[tuple[str, int]],
        base: int,
        body: Callable[[Lines], None],
    ) -> None:
        total = 1
        for _, extent in counters:
            total *= extent
        first, last = "%begin", "%end"
        if base:
            moved = self.value(f"sub i64 %begin, {base}")
            first = self._clamped("smax", moved, "0")
            last = self.value(f"sub i64 %end, {base}")
        last = self._clamped("smin", last, str(total))
        flat = self.fresh("grid")
        some = self.value(f"icmp slt i64 {first}, {last}")
        inside, after = f"{flat}.some", f"{flat}.after"
        self.line(f"  br i1 {some}, label %{inside}, label %{after}")
        self.label(inside)

        def point(_: list[Tile], head: Lines) -> list[Tile]:
            rest = f"%{flat}"
            for name, extent in reversed(counters[1:]):
                self.line(f"  %{name} = urem i64 {rest}, {extent}")
                rest = self.value(f"udiv i64 {rest}, {extent}")
            self.line(f"  %{counters[0][0]} = add i64 {rest}, 0")
            own: Lines = []
            self.out.append(own)
            body(own)
            return []

        self._loop(flat, first, last, [], point)
        self.line(f"  br label %{after}")
        self.label(after)

    def _clamped(self, kind: str, a: str, b: str) -> str:
        return self.call(f"llvm.{kind}.i64", "i64", [("i64", a), ("i64", b)])

    # registers

    def alias(self, pointer: str) -> str:
        return self.value(f'call ptr asm "", "=r,0"(ptr {pointer})', "p")

    def ordered(self, value: str, element: Attribute, width: int) -> str:
        """LLVM's scheduler would put all formulas first, and all stores behind them."""
        if not XMM <= width <= self.lanes or not isinstance(element, Float32Type):
            return value
        type_ = spelled(element_name(element), width)
        return self.value(f'call {type_} asm sideeffect "", "=v,0"({type_} {value})')

    def constant(self, value: Attribute, width: int) -> str:
        number = cast("Number", value)
        text = literal(number)
        if isinstance(number, FloatAttr) and isinstance(
            number.type, Float16Type | BFloat16Type
        ):
            text = narrow_literal(number)
        return f"splat ({element_name(number.type)} {text})" if width > 1 else text

    def positions(
        self, base: str | None, constant: int, stride: int, width: int
    ) -> str:
        if width == 1:
            return self.integer([(base, 1)], constant) if base else str(constant)
        lanes = ", ".join(f"i64 {constant + stride * lane}" for lane in range(width))
        if base is None:
            return f"<{lanes}>"
        start = self.splat(base, IntegerType(64), width)
        return self.value(f"add <{width} x i64> {start}, <{lanes}>")

    def splat(self, value: str, element: Attribute, width: int) -> str:
        name = element_name(element)
        vector = f"<{width} x {name}>"
        if not value.startswith("%"):
            return f"splat ({name} {value})"
        first = self.value(f"insertelement {vector} poison, {name} {value}, i64 0")
        return self.value(
            f"shufflevector {vector} {first}, {vector} poison, <{width} x i32> zeroinitializer"
        )

    def from_lanes(self, values: Sequence[str], element: Attribute) -> str:
        name, vector = element_name(element), "poison"
        type_ = f"<{len(values)} x {name}>"
        for lane, value in enumerate(values):
            vector = self.value(
                f"insertelement {type_} {vector}, {name} {value}, i64 {lane}"
            )
        return vector

    def fma(self, a: str, b: str, c: str, element: Attribute, width: int) -> str:
        type_ = spelled(element_name(element), width)
        floating = type(element) in FLOATS
        if floating and not self.fused:
            product = self.value(f"fmul {type_} {a}, {b}")
            return self.value(f"fadd {type_} {product}, {c}")
        if floating:
            function = f"llvm.fma.{suffix(element, width)}"
            return self.call(function, type_, [(type_, a), (type_, b), (type_, c)])
        product = self.value(f"mul {type_} {a}, {b}")
        return self.value(f"add {type_} {product}, {c}")

    def combine(self, kind: str, a: str, b: str, element: Attribute, width: int) -> str:
        type_ = spelled(element_name(element), width)
        floating = type(element) in FLOATS
        if kind in REDUCE:
            return self.value(f"{REDUCE[kind][0 if floating else 1]} {type_} {a}, {b}")
        test = {"max": ("fcmp ogt", "icmp sgt"), "min": ("fcmp olt", "icmp slt")}[kind]
        better = self.value(f"{test[0 if floating else 1]} {type_} {a}, {b}")
        if floating:  # a NaN stays
            nan = self.value(f"fcmp uno {type_} {a}, {a}")
            better = self.value(f"or {spelled('i1', width)} {better}, {nan}")
        return self.value(
            f"select {spelled('i1', width)} {better}, {type_} {a}, {type_} {b}"
        )

    def halves(self, value: str, element: Attribute, width: int) -> tuple[str, str]:
        type_, half = spelled(element_name(element), width), width // 2
        if half == 1:
            low = self.value(f"extractelement {type_} {value}, i64 0")
            return low, self.value(f"extractelement {type_} {value}, i64 1")
        parts: list[str] = []
        for start in (0, half):
            mask = ", ".join(f"i32 {start + n}" for n in range(half))
            parts.append(
                self.value(
                    f"shufflevector {type_} {value}, {type_} poison, <{half} x i32> <{mask}>"
                )
            )
        return parts[0], parts[1]

    def pick(self, value: str, lanes: Sequence[int], type_: TileType) -> str:
        register = spelled(element_name(type_.element), type_.width)
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.value(
            f"shufflevector {register} {value}, {register} poison, "
            f"<{len(lanes)} x i32> <{mask}>"
        )

    def interleave(self, a: str, b: str, type_: TileType, last: bool) -> str:
        width = type_.width
        start = width // 2 if last else 0
        places = [start + i // 2 + i % 2 * width for i in range(width)]
        mask = ", ".join(f"i32 {place}" for place in places)
        register = spelled(element_name(type_.element), width)
        return self.value(
            f"shufflevector {register} {a}, {register} {b}, <{width} x i32> <{mask}>"
        )

    # scalars

    def scalar(self, op: Operation, operands: Sequence[str], width: int) -> str:
        form = self.forms.get((op, width))
        if form is None:
            form = self.forms[op, width] = instruction(op, width)
        if form:
            return self.value(form.format(*operands))
        kind, result = type(op), op.results[0].type
        type_ = spelled(element_name(op.operands[-1].type), width)
        if isinstance(op, math.FmaOp):
            a, b, c = operands
            return self.fma(a, b, c, result, width)
        if kind in EXTREMES:
            return self._extreme(EXTREMES[kind], operands, type_, width)
        if kind in AT_ZERO:
            return self.unless_zero(kind, operands[0], result, width)
        if kind in INTRINSICS:
            function = f"llvm.{INTRINSICS[kind]}.{suffix(result, width)}"
            return self.call(function, type_, [(type_, o) for o in operands])
        if kind in CASTS:
            return self._cast(
                CASTS[kind], operands[0], op.operands[0].type, result, width
            )
        match op:
            case arith.FPToSIOp() | arith.FPToUIOp():
                sign = "s" if isinstance(op, arith.FPToSIOp) else "u"
                source = op.operands[0].type
                function = f"llvm.fpto{sign}i.sat.{suffix(result, width)}.{suffix(source, width)}"
                target = spelled(element_name(result), width)
                return self.call(function, target, [(type_, operands[0])])
            case _ if kind in LIBRARY:
                return self.library(LIBRARY[kind], operands[0], result, width)
            case _:
                raise NotImplementedError(f"no LLVM spelling of {op.name}")

    def _extreme(
        self, test: str, operands: Sequence[str], type_: str, width: int
    ) -> str:
        """
        The first operand where it passes the test or is NaN, else the second.

        `llvm.maximum` would order zeros by their signs too, for twice the instructions.
        """
        first, second = operands
        bits = spelled("i1", width)
        passes = self.value(f"fcmp {test} {type_} {first}, {second}")
        chosen = self.value(
            f"select {bits} {passes}, {type_} {first}, {type_} {second}"
        )
        bad = self.value(f"fcmp uno {type_} {first}, {first}")
        return self.value(f"select {bits} {bad}, {type_} {first}, {type_} {chosen}")

    def _cast(
        self, cast: str, value: str, source: Attribute, target: Attribute, width: int
    ) -> str:
        if isinstance(target, BFloat16Type):
            return self._to_bfloat(cast, value, source, width)
        type_ = spelled(element_name(source), width)
        if isinstance(source, Float64Type) and isinstance(target, Float16Type):
            single = spelled("float", width)  # LLVM calls a library for one step
            value, type_ = self.value(f"{cast} {type_} {value} to {single}"), single
        return self.value(
            f"{cast} {type_} {value} to {spelled(element_name(target), width)}"
        )

    def _to_bfloat(self, cast: str, value: str, source: Attribute, width: int) -> str:
        """Rounded to even in integers: few processors do it, and LLVM calls a library."""
        single, whole = spelled("float", width), spelled("i32", width)
        if not isinstance(source, Float32Type):
            cast = "fpext" if isinstance(source, Float16Type) else cast
            type_ = spelled(element_name(source), width)
            value = self.value(f"{cast} {type_} {value} to {single}")

        def number(bits: int) -> str:
            return self.constant(IntegerAttr(bits, IntegerType(32)), width)

        bits = self.value(f"bitcast {single} {value} to {whole}")
        high = self.value(f"lshr {whole} {bits}, {number(16)}")
        odd = self.value(f"and {whole} {high}, {number(1)}")
        half = self.value(f"add {whole} {odd}, {number(0x7FFF)}")
        sum_ = self.value(f"add {whole} {bits}, {half}")
        rounded = self.value(f"lshr {whole} {sum_}, {number(16)}")
        quiet = self.value(f"or {whole} {high}, {number(0x40)}")
        test = self.value(f"fcmp uno {single} {value}, {value}")
        condition = spelled("i1", width)
        chosen = self.value(
            f"select {condition} {test}, {whole} {quiet}, {whole} {rounded}"
        )
        short = spelled("i16", width)
        narrow = self.value(f"trunc {whole} {chosen} to {short}")
        return self.value(f"bitcast {short} {narrow} to {spelled('bfloat', width)}")
