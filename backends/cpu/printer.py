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

from ...dialects.kernel.tiles import FuncOp, StoreOp, TileType
from ..expand import Expander
from ..leaves import Lines, Place, Tile, flat_lines
from .spelling import (
    CASTS,
    EXTREMES,
    FLOATS,
    INTRINSICS,
    LIBRARY,
    REDUCE,
    Number,
    element_name,
    instruction,
    literal,
    memory_name,
    narrow_literal,
    spelled,
    suffix,
)


class LLVMPrinter(Expander):
    """
    Prints `void name(ptr buffers, i64 begin, i64 end)`.

    `buffers` is an array of pointers; the kernel runs the points `[begin, end)` of its
    flattened grid.
    """

    def __init__(self, fused: bool = True) -> None:
        super().__init__()
        self.fused = fused
        self.declared: set[str] = set()
        self.forms: dict[tuple[Operation, int], str] = {}
        self.current = "entry"

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

    # text

    def value(self, text: str, hint: str | None = None) -> str:
        name = "%" + self.fresh(hint)
        self.line(f"  {name} = {text}")
        return name

    def call(
        self, function: str, result: str, operands: Sequence[tuple[str, str]]
    ) -> str:
        types = ", ".join(t for t, _ in operands)
        self.declared.add(f"declare {result} @{function}({types})")
        return self.value(
            f"call {result} @{function}({', '.join(f'{t} {v}' for t, v in operands)})"
        )

    def label(self, name: str) -> None:
        self.line(f"{name}:")
        self.current = name

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

    def advance(
        self, pointer: str, terms: Sequence[tuple[str, int]], element: Attribute
    ) -> str:
        offset = self.integer(terms, 0)
        name = memory_name(element)
        return self.value(f"getelementptr {name}, ptr {pointer}, i64 {offset}", "p")

    def integer(self, terms: Sequence[tuple[str, int]], constant: int) -> str:
        total: str | None = None
        for name, coefficient in terms:
            plain = name.startswith("%") or name.lstrip("-").isdigit()
            term = name if plain else f"%{name}"
            if coefficient != 1:
                term = self.value(f"mul nsw i64 {term}, {coefficient}")
            total = (
                term if total is None else self.value(f"add nsw i64 {total}, {term}")
            )
        if total is None:
            return str(constant)
        return self.value(f"add nsw i64 {total}, {constant}") if constant else total

    def quotient(self, value: str, divisor: int, remainder: bool) -> str:
        return self.value(f"{'urem' if remainder else 'udiv'} i64 {value}, {divisor}")

    def shifted(self, place: Place, element: Attribute) -> str:
        if not place.constant:
            return place.pointer
        name = memory_name(element)
        return self.value(
            f"getelementptr {name}, ptr {place.pointer}, i64 {place.constant}", "p"
        )

    def prefetch(self, place: Place, element: Attribute) -> None:
        pointer = self.shifted(place, element)
        self.declared.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        # for reading, into the second cache, data
        self.line(f"  call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 2, i32 1)")

    def interleave(self, a: str, b: str, type_: TileType, last: bool) -> str:
        width = type_.width
        start = width // 2 if last else 0
        places = [start + i // 2 + i % 2 * width for i in range(width)]
        mask = ", ".join(f"i32 {place}" for place in places)
        register = spelled(element_name(type_.element), width)
        return self.value(
            f"shufflevector {register} {a}, {register} {b}, <{width} x i32> <{mask}>"
        )

    # memory

    def _from_memory(self, value: str, element: Attribute, width: int) -> str:
        if element != IntegerType(1):
            return value
        zero = "zeroinitializer" if width > 1 else "0"
        return self.value(f"icmp ne {spelled('i8', width)} {value}, {zero}")

    def _to_memory(self, value: str, element: Attribute, width: int) -> str:
        if element != IntegerType(1):
            return value
        narrow, wide = spelled("i1", width), spelled("i8", width)
        return self.value(f"zext {narrow} {value} to {wide}")

    def _align(self, element: Attribute) -> int:
        return {"half": 2, "bfloat": 2, "float": 4, "double": 8}.get(
            memory_name(element),
            int(memory_name(element)[1:] or 8) // 8
            if memory_name(element).startswith("i")
            else 1,
        )

    def load(self, place: Place, type_: TileType, hint: str | None) -> str:
        element, width = type_.element, type_.width
        if width > 1 and place.stride == 0:
            scalar = TileType.of(type_.dims, element)
            return self.splat(self.load(place, scalar, hint), element, width)
        if width > 1 and place.stride != 1:
            return self.gather(
                place, None, self._spread(place, type_), type_, None, None
            )
        name, pointer = memory_name(element), self.shifted(place, element)
        loaded = self.value(
            f"load {spelled(name, width)}, ptr {pointer}, align {self._align(element)}",
            hint,
        )
        return self._from_memory(loaded, element, width)

    def _spread(
        self, place: Place, type_: TileType, count: int | None = None
    ) -> list[str]:
        """Pointers to the lanes of a strided register."""
        return [
            self.shifted(
                Place(
                    place.pointer, place.constant + lane * place.stride, 0, place.base
                ),
                type_.element,
            )
            for lane in range(type_.width if count is None else count)
        ]

    def _mask(self, mask: str | int, width: int) -> str:
        if isinstance(mask, str):
            return mask
        return "<" + ", ".join(f"i1 {int(n < mask)}" for n in range(width)) + ">"

    def load_where(
        self, place: Place, type_: TileType, mask: str | int, fill: Attribute | None
    ) -> str:
        element, width = type_.element, type_.width
        if width == 1 or place.stride != 1:
            lanes = [self.shifted(place, element)] if width == 1 else None
            spread = lanes or self._spread(place, type_)
            return self.gather(place, None, spread, type_, mask, fill)
        name = memory_name(element)
        type_text, overload = spelled(name, width), f"v{width}{self._short(name)}"
        assert fill is not None
        other = self._memory_constant(fill, element, width)
        self.declared.add(
            f"declare {type_text} @llvm.masked.load.{overload}.p0"
            f"(ptr, <{width} x i1>, {type_text})"
        )
        pointer = self.shifted(place, element)
        loaded = self.value(
            f"call {type_text} @llvm.masked.load.{overload}.p0(ptr align "
            f"{self._align(element)} {pointer}, <{width} x i1> {self._mask(mask, width)}, "
            f"{type_text} {other})"
        )
        return self._from_memory(loaded, element, width)

    def _short(self, name: str) -> str:
        return {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64"}.get(
            name, name
        )

    def _memory_constant(self, value: Attribute, element: Attribute, width: int) -> str:
        if element == IntegerType(1):
            assert isinstance(value, IntegerAttr)
            byte = IntegerAttr(int(bool(value.value.data)), IntegerType(8))
            return self.constant(byte, width)
        return self.constant(value, width)

    def gather(
        self,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
        fill: Attribute | None,
    ) -> str:
        element, width = type_.element, type_.width
        values: list[str] = []
        for lane in range(width):
            if isinstance(mask, int) and lane >= mask:
                assert fill is not None
                values.append(self.constant(fill, 1))
                continue
            pointer = self._lane_pointer(place, offset, lanes, lane, type_)
            keep = self._lane(mask, lane, width) if isinstance(mask, str) else None
            if keep is not None:
                pointer = self.value(
                    f"select i1 {keep}, ptr {pointer}, ptr {place.base}"
                )
            loaded = self.value(
                f"load {memory_name(element)}, ptr {pointer}, align {self._align(element)}"
            )
            loaded = self._from_memory(loaded, element, 1)
            if keep is not None:
                assert fill is not None
                name, other = element_name(element), self.constant(fill, 1)
                loaded = self.value(
                    f"select i1 {keep}, {name} {loaded}, {name} {other}"
                )
            values.append(loaded)
        return values[0] if width == 1 else self.from_lanes(values, element)

    def _lane(self, vector: str, lane: int, width: int) -> str:
        if width == 1:
            return vector
        return self.value(f"extractelement <{width} x i1> {vector}, i64 {lane}")

    def _lane_pointer(
        self,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        lane: int,
        type_: TileType,
    ) -> str:
        if offset is None:
            assert lanes is not None
            return lanes[lane]
        width, element = type_.width, type_.element
        if width > 1:
            offset = self.value(f"extractelement <{width} x i64> {offset}, i64 {lane}")
        if lanes is not None:
            return self.advance(lanes[lane], [(offset, 1)], element)
        moved = self.advance(place.pointer, [(offset, 1)], element)
        constant = place.constant + lane * place.stride
        return self.shifted(Place(moved, constant, 0, place.base), element)

    def store(self, value: str, place: Place, type_: TileType) -> None:
        element, width = type_.element, type_.width
        if width > 1 and place.stride != 1:
            spread = self._spread(place, type_)
            self.scatter(value, place, None, spread, type_, None)
            return
        stored = self._to_memory(value, element, width)
        name, pointer = memory_name(element), self.shifted(place, element)
        self.line(
            f"  store {spelled(name, width)} {stored}, ptr {pointer}, "
            f"align {self._align(element)}"
        )

    def store_where(
        self, value: str, place: Place, type_: TileType, mask: str | int
    ) -> None:
        element, width = type_.element, type_.width
        if width == 1 or place.stride != 1:
            count = mask if isinstance(mask, int) else None
            spread = self._spread(place, type_, count)
            self.scatter(value, place, None, spread, type_, mask)
            return
        name = memory_name(element)
        type_text, overload = spelled(name, width), f"v{width}{self._short(name)}"
        self.declared.add(
            f"declare void @llvm.masked.store.{overload}.p0"
            f"({type_text}, ptr, <{width} x i1>)"
        )
        stored, pointer = (
            self._to_memory(value, element, width),
            self.shifted(place, element),
        )
        self.line(
            f"  call void @llvm.masked.store.{overload}.p0({type_text} {stored}, ptr align "
            f"{self._align(element)} {pointer}, <{width} x i1> {self._mask(mask, width)})"
        )

    def scatter(
        self,
        value: str,
        place: Place,
        offset: str | None,
        lanes: Sequence[str] | None,
        type_: TileType,
        mask: str | int | None,
    ) -> None:
        element, width = type_.element, type_.width
        stored, name = self._to_memory(value, element, width), memory_name(element)
        for lane in range(width):
            if isinstance(mask, int) and lane >= mask:
                return
            part = stored
            if width > 1:
                vector = spelled(name, width)
                part = self.value(f"extractelement {vector} {stored}, i64 {lane}")
            pointer = self._lane_pointer(place, offset, lanes, lane, type_)
            keep = self._lane(mask, lane, width) if isinstance(mask, str) else None
            self._store_one(part, pointer, name, self._align(element), keep)

    def _store_one(
        self, value: str, pointer: str, name: str, align: int, keep: str | None
    ) -> None:
        write = f"  store {name} {value}, ptr {pointer}, align {align}"
        if keep is None:
            self.line(write)
            return
        inside, after = self.fresh("store"), self.fresh("stored")
        self.line(f"  br i1 {keep}, label %{inside}, label %{after}")
        self.label(inside)
        self.line(write)
        self.line(f"  br label %{after}")
        self.label(after)

    # registers

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
                return self._library(LIBRARY[kind], operands[0], result, width)
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

    def _library(self, name: str, operand: str, element: Attribute, width: int) -> str:
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
